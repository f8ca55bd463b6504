//! How much there may be of what peers bring: the bounds of one presentity, and what is beyond them.
//!
//! A bound refuses what would be added. What is there already stays, whatever the bound is set to afterwards, and can be
//! refreshed and ended.

/// The bounds of one presentity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Publications.
    pub publications_max: usize,
    /// Bytes of all their documents.
    pub document_bytes_max: usize,
    /// Subscriptions, of all packages.
    pub subscriptions_max: usize,
    /// Watchers on whom nobody has decided: pending and waiting (RFC 3857 §4.7.1).
    pub undecided_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { publications_max: 64, document_bytes_max: 256 * 1024, subscriptions_max: 100_000, undecided_max: 10_000 }
    }
}

/// A bound that a request would go beyond.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bound {
    /// A document is too long.
    Document,
    /// The bytes of a presentity's documents.
    DocumentBytes,
    /// A document is too deep, or has too many parts.
    DocumentParts,
    /// What all state is estimated to take.
    Memory,
    /// Publications in all.
    Publications,
    /// Publications of a presentity.
    PublicationsPerPresentity,
    /// Subscriptions in all.
    Subscriptions,
    /// Subscriptions to a presentity.
    SubscriptionsPerPresentity,
    /// Subscriptions of a watcher.
    SubscriptionsPerWatcher,
    /// Watchers of a presentity on whom nobody has decided.
    Undecided,
    /// First NOTIFYs that nobody answered, to one target or brought about by one source.
    Unanswered,
}

impl Bound {
    /// All of them; a bound's place is its number.
    pub const ALL: [Self; 11] = [
        Self::Document,
        Self::DocumentBytes,
        Self::DocumentParts,
        Self::Memory,
        Self::Publications,
        Self::PublicationsPerPresentity,
        Self::Subscriptions,
        Self::SubscriptionsPerPresentity,
        Self::SubscriptionsPerWatcher,
        Self::Undecided,
        Self::Unanswered,
    ];

    /// Returns the code and the reason phrase that answer it. What may have passed in a while is not answered for good:
    /// such an answer has a Retry-After (RFC 3261 §21.4.11, §21.5.4).
    pub const fn answer(self) -> (u16, &'static str) {
        match self {
            Self::Document => (413, "Document too large"),
            Self::DocumentParts => (400, "Too many parts in the document"),
            Self::DocumentBytes => (413, "Too much is published already"),
            Self::SubscriptionsPerWatcher => (403, "Too many subscriptions"),
            Self::Undecided => (503, "Too many wait for a decision"),
            Self::Publications | Self::PublicationsPerPresentity => (503, "Too many publications"),
            Self::Subscriptions | Self::SubscriptionsPerPresentity => (503, "Too many subscriptions"),
            Self::Memory => (503, "Out of memory"),
            Self::Unanswered => (503, "Too many NOTIFY requests unanswered"),
        }
    }
}
