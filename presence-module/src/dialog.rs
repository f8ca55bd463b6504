//! A dialog as its notifier holds it: who is on the other side, our CSeq, and the one NOTIFY that may be under way
//! (RFC 3261 §12, RFC 6665 §4.2).
//!
//! Pure. While a NOTIFY's outcome is unknown nothing else is sent in the dialog; what happens meanwhile only makes it
//! dirty, and what it is told next is the state of the moment it is told.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::change::{Ending, Moment, SubscriptionKey, SubscriptionRow};

/// NOTIFY CSeqs are reserved in blocks of this size, so that a row is written once in so many NOTIFYs.
pub const CSEQ_BLOCK: u32 = 64;

/// Identifies a dialog: a hash of Call-ID, local tag and remote tag, each byte for byte (RFC 3261 §12).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DialogKey(pub [u8; 16]);

impl DialogKey {
    /// Hashes the parts of a dialog id.
    pub fn of(call_id: &[u8], local_tag: &[u8], remote_tag: &[u8]) -> Self {
        Self(hash(&[call_id, local_tag, remote_tag]))
    }

    /// Hashes the dialog id in a row.
    pub fn of_row(row: &SubscriptionRow) -> Self {
        Self::of(row.call_id.as_bytes(), row.local_tag.as_bytes(), row.remote_tag.as_bytes())
    }

    /// Returns the key of the subscription to `event` with `event_id` (empty for none) in this dialog.
    pub fn subscription(self, event: &str, event_id: &str) -> SubscriptionKey {
        SubscriptionKey(hash(&[&self.0, event.as_bytes(), event_id.as_bytes()]))
    }
}

/// Stable over restarts and machines, because it is the key of a row.
fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let (key, _) = digest.split_at(16);
    key.try_into().expect("split at 16")
}

/// A dialog and the subscription in it.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Its identity.
    pub key: DialogKey,
    /// The subscription's row as it is now.
    pub row: Arc<SubscriptionRow>,
    /// When the subscription ends.
    pub deadline: Moment,
    /// The open connection its NOTIFYs use, 0 for none.
    pub flow: u64,
    /// The CSeq of the last NOTIFY bound.
    cseq: u32,
    /// The NOTIFY whose outcome is unknown.
    in_flight: Option<InFlight>,
    /// Whether the watcher is owed the present state.
    dirty: bool,
    /// Set once the subscription is over and the watcher is still to hear of it.
    ending: Option<Ending>,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    cseq: u32,
    /// Whether it tells the end of the subscription.
    is_last: bool,
}

impl Dialog {
    /// Begins a dialog whose NOTIFYs continue above `row.local_cseq` less one block: that much is reserved and unused.
    pub fn begin(key: DialogKey, row: Arc<SubscriptionRow>, deadline: Moment, flow: u64) -> Self {
        let cseq = row.local_cseq.saturating_sub(CSEQ_BLOCK);
        Self { key, row, deadline, flow, cseq, in_flight: None, dirty: true, ending: None }
    }

    /// Takes up a dialog from its row: every CSeq up to `row.local_cseq` may have been used.
    pub fn resume(key: DialogKey, row: Arc<SubscriptionRow>, deadline: Moment) -> Self {
        let cseq = row.local_cseq;
        Self { key, row, deadline, flow: 0, cseq, in_flight: None, dirty: false, ending: None }
    }

    /// Takes the place of `former`, which had the same id: CSeqs go on, and what is on the wire is still waited for.
    pub fn follow(&mut self, former: &Dialog) {
        self.cseq = former.cseq;
        self.in_flight = former.in_flight.map(|in_flight| InFlight { is_last: false, ..in_flight });
    }

    /// Returns whether the subscription is alive at `now`.
    pub fn is_live(&self, now: Moment) -> bool {
        self.ending.is_none() && self.deadline > now
    }

    /// Returns whether the subscription is over and only its last NOTIFY keeps the dialog.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Returns whether a NOTIFY's outcome is unknown.
    pub fn is_busy(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Owes the watcher the present state.
    pub fn owe(&mut self) {
        self.dirty = true;
    }

    /// Returns whether a NOTIFY was ever sent in it, which is never before its row was written.
    pub fn has_spoken(&self) -> bool {
        self.cseq > 0
    }

    /// Returns how the subscription ended, `None` while it lives.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Returns whether a NOTIFY can be bound.
    pub fn is_due(&self) -> bool {
        let has_news = self.ending.map_or(self.dirty, |ending| ending != Ending::Silent);
        self.in_flight.is_none() && has_news
    }

    /// Returns whether nothing is left to tell or to wait for.
    pub fn is_over(&self) -> bool {
        self.in_flight.is_none() && self.ending == Some(Ending::Silent)
    }

    /// Ends the subscription; its watcher is told as `ending` says.
    pub fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    /// Takes up a row read back after a failed commit: nothing of what was refused remains, what is on the wire does.
    pub fn restore(&mut self, row: Arc<SubscriptionRow>, deadline: Moment) {
        (self.row, self.deadline, self.ending) = (row, deadline, None);
    }

    /// Binds the next NOTIFY.
    ///
    /// The CSeq is exactly one higher than the last (RFC 3261 §12.2.1.1). If it passes what is reserved, the row is to
    /// be written first.
    pub fn bind(&mut self) -> Bound {
        self.cseq += 1;
        self.in_flight = Some(InFlight { cseq: self.cseq, is_last: self.ending.is_some() });
        self.dirty = false;
        let reserve = (self.cseq > self.row.local_cseq && self.ending.is_none()).then(|| self.cseq + CSEQ_BLOCK - 1);
        Bound { cseq: self.cseq, reserve }
    }

    /// Takes back a NOTIFY that never left, because what it rests on was refused.
    pub fn unbind(&mut self, cseq: u32) {
        if self.in_flight.is_some_and(|in_flight| in_flight.cseq == cseq) {
            (self.in_flight, self.cseq, self.dirty) = (None, cseq - 1, true);
        }
    }

    /// Notes that the outcome of NOTIFY `cseq` is known.
    pub fn settle(&mut self, cseq: u32) -> Settled {
        let Some(in_flight) = self.in_flight.filter(|in_flight| in_flight.cseq == cseq) else {
            return Settled::Unexpected;
        };
        self.in_flight = None;
        if in_flight.is_last || self.is_over() { Settled::Over } else { Settled::Free }
    }
}

/// A NOTIFY about to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound {
    /// Its CSeq.
    pub cseq: u32,
    /// The upper bound to write before it leaves.
    pub reserve: Option<u32>,
}

/// What the outcome of a NOTIFY leaves of its dialog.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settled {
    /// The next NOTIFY may be bound.
    Free,
    /// The watcher has heard of the end, or is not to: nothing more is sent.
    Over,
    /// It was not the NOTIFY under way.
    Unexpected,
}
