//! What may happen.

use super::documents::Document;
use crate::package::Package;

pub(super) const DEVICES: usize = 3;

/// An event package and the number of an `id`, 0 for none.
pub(super) type To = (Package, usize);

#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A NOTIFY is answered, or nobody answers it.
    Answer {
        nth: usize,
        with: Answer,
    },
    /// A phone refreshes so often that its dialog needs another block of CSeqs.
    Chat {
        phone: usize,
    },
    /// So many of the queued decisions are committed, and then the rest is treated so.
    Commit {
        most: usize,
        then: Then,
    },
    InDialog {
        phone: usize,
        to: To,
        expires: u32,
        /// It has another Contact.
        moves: bool,
        how: How,
    },
    /// The next 2xx that brings something into being reaches nobody.
    LoseReply,
    /// It panics while it decides.
    Panic,
    Publish {
        device: usize,
        document: Option<Document>,
        expires: u32,
        /// Who is not told of it.
        sender: Option<usize>,
    },
    ReadBack,
    /// Orderly if everything was told, else as after a kill; the rules may have changed meanwhile. Who has no answer asks
    /// again at once.
    Restart {
        is_orderly: bool,
        away_ms: u64,
        rules: Option<usize>,
    },
    /// The rules are others, or can no more be read.
    Rules(Option<usize>),
    /// Somebody sets the wall clock.
    SetClock {
        by_s: i64,
    },
    Subscribe {
        phone: usize,
        to: To,
        expires: u32,
    },
    /// Another program writes into the tables, and the sweep passes by.
    Sql(Sql),
    Wait {
        ms: u64,
        /// No timer fires before it is over.
        is_asleep: bool,
    },
}

/// What another program writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sql {
    /// Another document into one of the publications, and another end.
    Change { nth: usize, document: Document, expires: u32 },
    /// Something published of a device, over at once if `expires` is 0.
    Insert { device: usize, document: Document, expires: u32 },
    /// One of the publications is no more.
    Remove { nth: usize },
    /// One of the subscriptions is no more.
    Unsubscribe { nth: usize },
}

/// How a request is told to be of its dialog.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum How {
    /// Its CSeq was used before.
    Late,
    Properly,
    /// Somebody else sent it.
    Stranger,
    /// Nobody knows who sent it.
    Unproven,
}

/// What becomes of a NOTIFY.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// 500
    Failed,
    /// 410
    Gone,
    /// 503 with Retry-After.
    Later(u32),
    /// 200 with another Contact.
    Moved,
    Ok,
    /// Nobody answers.
    Silence,
    /// 481
    Unknown,
    /// The transport failed.
    Unreachable,
}

/// What becomes of the decisions behind those that were committed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Then {
    /// The next is written, and then the server crashes before anybody hears of it.
    Crash,
    /// Another program removes a row that the next is to change: it is refused, and what rests on it.
    Gone,
    Queued,
    /// The database is away: everything is refused, and what ended meanwhile is prolonged.
    Away,
    Refused,
}
