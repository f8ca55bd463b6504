//! Bugs that are known from other servers, to be planted: the simulation must find each (`tests/simulation/planted.rs`).
//!
//! Only builds with debug assertions have them, which no release has: there the question is answered while compiling.

/// A bug.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Planted {
    /// The answer leaves before what it says is committed.
    AnswerBeforeCommit,
    /// NOTIFY CSeqs begin after a crash where they began before it.
    CseqReusedAfterCrash,
    /// `<many domain>` lets in every domain of the same length.
    DomainByLength,
    /// `<except id>` excepts nobody.
    ExceptIgnored,
    /// A publication ends and nobody is told.
    ExpiryUntold,
    /// An entity-tag of another presentity is as good as one's own.
    ForeignTagAccepted,
    /// Dialogs that are over can be found for ever.
    IndexLeaks,
    /// What a refused commit was about stays in memory.
    RefusalLeavesTrace,
    /// Other rules change nothing for who is watching.
    RulesUnheeded,
    /// A watcher that answers nothing keeps its subscription.
    SilenceUnheeded,
    /// A document composed before a change is sent after it.
    StaleDocument,
    /// A subscription that is not refreshed goes on.
    SubscriptionOutlives,
    /// A NOTIFY does not wait for the one before it.
    TwoUnderWay,
    /// A rule that has ceased to be valid counts.
    ValidityIgnored,
    /// Watcher information begins anew at version 0 after a crash.
    VersionsBeginAnew,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::AnswerBeforeCommit,
        Self::CseqReusedAfterCrash,
        Self::DomainByLength,
        Self::ExceptIgnored,
        Self::ExpiryUntold,
        Self::ForeignTagAccepted,
        Self::IndexLeaks,
        Self::RefusalLeavesTrace,
        Self::RulesUnheeded,
        Self::SilenceUnheeded,
        Self::StaleDocument,
        Self::SubscriptionOutlives,
        Self::TwoUnderWay,
        Self::ValidityIgnored,
        Self::VersionsBeginAnew,
    ];

    /// Returns whether this bug is planted in the calling thread.
    pub(crate) fn is_here(self) -> bool {
        here() == Some(self)
    }
}

/// Returns what is planted in the calling thread.
#[cfg(debug_assertions)]
pub(crate) fn here() -> Option<Planted> {
    HERE.get()
}

/// Returns nothing.
#[cfg(not(debug_assertions))]
pub(crate) const fn here() -> Option<Planted> {
    None
}

/// Plants in the calling thread what is planted in the one that started it.
pub(crate) fn carry(bug: Option<Planted>) {
    #[cfg(not(debug_assertions))]
    let _ = bug; // There is never any.
    #[cfg(debug_assertions)]
    plant(bug);
}

#[cfg(debug_assertions)]
thread_local! {
    static HERE: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in the calling thread in the place of any other, or none.
#[cfg(debug_assertions)]
pub fn plant(bug: Option<Planted>) {
    HERE.set(bug);
}
