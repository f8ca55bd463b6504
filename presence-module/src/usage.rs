//! A subscription as a usage of its dialog (RFC 5057 §3): its row, its deadline, and what its watcher is owed.
//!
//! Pure. What is owed is a claim, never a document: what the watcher is told is the state of the moment it is told.

use std::sync::Arc;

use module_api::abi::Body;

use crate::change::{Ending, Moment, RenewedRow, Status, SubscriptionRow};
use crate::document::presence_rules::Permissions;
use crate::package::Package;
use crate::packed_row::PackedRow;
use crate::planted::Planted;
use crate::watcher;
use crate::watcher_information::News;

/// One subscription.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Its row as it is now.
    pub row: PackedRow,
    /// When it ends.
    pub deadline: Moment,
    /// The open connection its NOTIFYs use, 0 for none.
    pub flow: u64,
    /// What its watcher sees.
    pub view: View,
    /// What led to its status, for watcher information.
    pub event: watcher::Event,
    /// The document the watcher has, as far as is known.
    last: Option<Body>,
    owed: Owed,
    /// State changes wait until then (RFC 3856 §6.10); 0 before the first NOTIFY.
    quiet_until: Moment,
    /// How often in a row the watcher did not take what it was told.
    failures: u32,
    /// Set once it is over and the watcher is still to hear of it.
    ending: Option<Ending>,
}

/// The shortest and the longest time that a watcher is left alone which does not take what it is told.
const PAUSE_S: (u64, u64) = (2, 3600);

/// What a watcher sees while it is active.
#[derive(Clone, Debug)]
pub enum View {
    /// The presentity's document, as far as these permissions show it; `None` until they are known.
    Presence(Option<Arc<Permissions>>),
    /// Who watches.
    Watchers(Box<News>),
}

/// Whether a NOTIFY is owed, and how urgently.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Owed {
    Nothing,
    /// The state changed: not sooner than `notify_interval` after the last NOTIFY.
    News,
    /// The watcher asked, or its own subscription changed.
    Now,
}

impl Usage {
    /// Begins a subscription whose watcher is owed the present state; `version` numbers its first document, where
    /// documents are numbered.
    pub fn new(row: &SubscriptionRow, deadline: Moment, flow: u64, version: u32) -> Self {
        let view = match Package::of(&row.event).and_then(Package::watched) {
            Some(_) => View::Watchers(Box::new(News::everything(version))),
            None => View::Presence(None),
        };
        let (owed, quiet_until, event) = (Owed::Now, Moment(0), watcher::Event::Subscribe);
        let (row, last, failures, ending) = (PackedRow::from(row), None, 0, None);
        Self { row, deadline, flow, view, event, last, owed, quiet_until, failures, ending }
    }

    /// Takes up a subscription from its row; nothing is owed yet, and its dialog numbers the next document.
    pub fn resume(row: &SubscriptionRow, deadline: Moment) -> Self {
        Self { owed: Owed::Nothing, ..Self::new(row, deadline, 0, 0) }
    }

    /// Numbers the next document `version` at least: every document so far had a CSeq of its own in the dialog, so that no
    /// number from the last of them on was used.
    pub fn number_from(&mut self, version: u32) {
        if let View::Watchers(news) = &mut self.view
            && !Planted::VersionsBeginAnew.is_here()
        {
            news.number_from(version);
        }
    }

    /// Returns whether it is alive at `now`.
    pub fn is_live(&self, now: Moment) -> bool {
        self.ending.is_none() && self.deadline > now
    }

    /// Returns whether it is over, and only its last NOTIFY is still to be told or answered.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Returns how it ended, `None` while it lives.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Ends it; its watcher is told as `ending` says.
    pub fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    /// Owes the watcher the present state at once.
    pub fn owe(&mut self) {
        self.owed = Owed::Now;
        if let View::Watchers(news) = &mut self.view {
            news.owe_everything();
        }
    }

    /// Owes the watcher the present state, unless it was told since the server started. Returns whether it is owed.
    pub fn owe_first(&mut self) -> bool {
        let is_untold = self.quiet_until == Moment(0);
        if is_untold {
            self.owe();
        }
        is_untold
    }

    /// Owes the watcher what changed, as soon as `notify_interval` allows.
    pub fn owe_news(&mut self) {
        self.owed = self.owed.max(Owed::News);
    }

    /// Owes the watcher the present state once more, not before `pause_s` are over: it did not take the last NOTIFY. The
    /// pause is twice as long each time.
    pub fn owe_after(&mut self, pause_s: u32, now: Moment) {
        self.owe_news();
        self.doubt();
        let patience_s = PAUSE_S.0.checked_shl(self.failures).unwrap_or(PAUSE_S.1).min(PAUSE_S.1);
        self.failures = self.failures.saturating_add(1);
        self.quiet_until = self.quiet_until.max(now.plus_s(patience_s.max(pause_s.into())));
    }

    /// Notes that the watcher has understood.
    pub fn understood(&mut self) {
        self.failures = 0;
    }

    /// Notes that what was told last may not have been understood.
    pub fn doubt(&mut self) {
        self.last = None;
        if let View::Watchers(news) = &mut self.view {
            news.owe_everything();
        }
    }

    /// Takes back a NOTIFY that never left.
    pub fn take_back(&mut self, had_document: bool) {
        if let View::Watchers(news) = &mut self.view
            && had_document
        {
            news.take_back();
        }
        (self.owed, self.last) = (Owed::Now, None);
    }

    /// Returns whether a NOTIFY is owed that may leave at `now`.
    pub fn is_due(&self, now: Moment) -> bool {
        match (self.ending, self.owed) {
            (Some(ending), _) => ending != Ending::Silent,
            (None, Owed::Nothing) => false,
            (None, Owed::News) => self.quiet_until <= now,
            (None, Owed::Now) => true,
        }
    }

    /// Returns when what is owed may leave, `None` if that is not a matter of time.
    pub fn waits_until(&self) -> Option<Moment> {
        (self.ending.is_none() && self.owed == Owed::News).then_some(self.quiet_until)
    }

    /// Returns whether nothing is owed.
    pub fn is_told(&self) -> bool {
        self.ending.is_none() && self.owed == Owed::Nothing
    }

    /// Returns whether `document` is no news: it is the one the watcher has, or tells of nobody, and nobody asked for it.
    ///
    /// A change in what the watcher may not see must not show by its moment either.
    pub fn is_no_news(&self, document: &Body) -> bool {
        let is_known = match &self.view {
            View::Presence(_) => self.last.as_ref() == Some(document),
            View::Watchers(news) => news.is_empty(),
        };
        is_known && self.owed == Owed::News && self.ending.is_none()
    }

    /// Owes nothing any more, because nothing changed for this watcher.
    pub fn settle(&mut self) {
        self.owed = Owed::Nothing;
    }

    /// Notes that the present state is on its way, and that no news follow before `quiet_until`.
    pub fn told(&mut self, document: &Body, quiet_until: Moment) {
        (self.owed, self.quiet_until) = (Owed::Nothing, quiet_until);
        match &mut self.view {
            View::Watchers(news) if !document.is_empty() => news.told(),
            View::Watchers(_) => {}
            View::Presence(_) => self.last = Some(document.clone()).filter(|document| !document.is_empty()),
        }
    }

    /// Takes over what a refresh renews, and owes the watcher the present state.
    pub fn refresh(&mut self, renewed: &RenewedRow, deadline: Moment, flow: u64) {
        self.row.renew(renewed);
        (self.deadline, self.flow) = (deadline, flow);
        self.owe();
    }

    /// Takes over a row that another program changed, except for where the watcher stands, and owes it the present state.
    /// When it ends changes only with what the row says of that.
    pub fn take_over(&mut self, row: &SubscriptionRow, deadline: Moment) {
        if (self.row.expires, self.row.granted_s) != (row.expires, row.granted_s) {
            self.deadline = deadline;
        }
        let status = self.row.status;
        self.row = PackedRow::from(row);
        self.row.status = status;
        self.owe();
    }

    /// Goes on under another authorisation, and owes the watcher the present state.
    pub fn authorize(&mut self, status: Status) {
        let (former, present) = (self.row.status.watcher(), status.watcher());
        self.row.status = status;
        match present {
            // From seeing to being blocked politely, or back: the watcher is told if it sees another document, as of any
            // other change.
            present if present == former => return self.owe_news(),
            watcher::Status::Active => self.event = watcher::Event::Approved,
            _ => self.event = watcher::Event::Subscribe,
        }
        self.owe();
    }

    /// Goes over to another remote target, as the dialog does.
    pub fn follow(&mut self, moved: &RenewedRow, flow: u64) {
        self.row.go_over(moved);
        self.flow = flow;
    }

    /// Takes up the row read back after a failed commit: nothing of what was refused remains, and what was found to be no
    /// news beside it may be news after all.
    pub fn restore(&mut self, row: &SubscriptionRow, deadline: Moment) {
        if self.row.status.watcher() != row.status.watcher() {
            // What led to where it stands again is not known any more.
            self.event = watcher::Event::Subscribe;
        }
        (self.row, self.deadline, self.ending) = (PackedRow::from(row), deadline, None);
        if let View::Watchers(news) = &mut self.view {
            news.begin_anew();
        }
        // Who is pending is told of no change.
        if self.row.status != Status::Pending {
            self.owe_news();
        }
    }
}
