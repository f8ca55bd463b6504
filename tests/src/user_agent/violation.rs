//! What a user agent holds against the server: one variant for each promise that every test checks, whatever its subject.

use std::fmt;

/// A promise of the wire protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// Nothing follows the end of a subscription (RFC 6665 §4.2.2).
    AfterEnd,
    /// NOTIFY carries the dialog's Call-ID (RFC 3261 §12.2.1.1).
    CallId,
    /// NOTIFY has exactly one Contact with a SIP URI (RFC 6665 §3.2).
    Contact,
    /// Content-Length is the length of the body (RFC 3261 §20.14).
    ContentLength,
    /// Content-Type is there if and only if a body is, and names it (RFC 6665 §3.2.1).
    ContentType,
    /// CSeq is one more than the last (RFC 3261 §12.2.1.1).
    CSeq,
    /// The body is a valid presence document (RFC 3863 §4).
    Document,
    /// Event names the package and id of the subscription (RFC 6665 §8.2.1).
    Event,
    /// The From tag is the To tag of the 200 (RFC 6665 §4.2.1.2).
    FromTag,
    /// One NOTIFY of a dialog is under way at a time.
    InFlight,
    /// Bytes that are no SIP message.
    Malformed,
    /// Max-Forwards is there and in range (RFC 3261 §8.1.1.6).
    MaxForwards,
    /// A header that may stand once stands twice.
    Repeated,
    /// A response belongs to the request it answers (RFC 3261 §8.2.6.2).
    Response,
    /// A retransmission repeats its bytes (RFC 3261 §17).
    Retransmission,
    /// The message belongs to no dialog or transaction of ours, or comes from elsewhere.
    Stray,
    /// Subscription-State keeps its grammar and says one thing (RFC 6665 §4.1.3, §8.4).
    SubscriptionState,
    /// The To tag is our tag (RFC 3261 §12.2.1.1).
    ToTag,
    /// The topmost Via has a branch with the magic cookie (RFC 3261 §8.1.1.7).
    Via,
}

/// A broken promise, with what was seen.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The promise.
    pub rule: Rule,
    /// What was seen instead.
    pub detail: String,
}

impl Violation {
    /// Records what was seen against `rule`.
    pub fn new(rule: Rule, detail: impl Into<String>) -> Self {
        Self { rule, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.detail)
    }
}
