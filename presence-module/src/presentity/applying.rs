//! What was decided, taken into memory: the next request sees it, nobody outside does.
//!
//! Here and nowhere else watcher information learns of a change (RFC 3857 §4.7.2), so that it cannot tell of one that did
//! not happen.

use smol_str::SmolStr;

use super::Presentity;
use crate::change::{Change, Ending, Moment, Status, SubscriptionKey, SubscriptionRow, WatcherRow};
use crate::dialog::DialogKey;
use crate::package::Package;
use crate::planted::Planted;
use crate::presentity_uri::UserAtDomain;
use crate::publication::Publication;
use crate::usage::{Usage, View};
use crate::watcher;
use crate::watcher_information::WatcherEntry;

impl Presentity {
    /// Stages changes.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.apply_one(change);
        }
    }

    fn apply_one(&mut self, change: &Change) {
        match change {
            Change::PublicationStored { row, deadline, sender } => {
                // Most publish from one device.
                self.publications.reserve_exact(1);
                self.publications.push(Publication { row: row.clone(), deadline: *deadline });
                self.expect_timeout(*deadline);
                self.document_changed(sender.as_deref());
            }
            Change::PublicationContinued { id, entity_tag, body, received_at_ms, expires, deadline, sender } => {
                let Some(publication) = self.publications.iter_mut().find(|publication| publication.row.id == *id)
                else {
                    return;
                };
                publication.deadline = *deadline;
                let row = &mut publication.row;
                (row.entity_tag, row.received_at_ms, row.expires) = (entity_tag.clone(), *received_at_ms, *expires);
                if let Some(body) = body {
                    row.body = body.clone();
                    self.document_changed(sender.as_deref());
                }
                self.expect_timeout(*deadline);
            }
            Change::PublicationRemoved { id } => {
                self.publications.retain(|publication| publication.row.id != *id);
                if !Planted::ExpiryUntold.is_here() {
                    self.document_changed(None);
                }
            }
            Change::SubscriptionStored { row, deadline, flow } => self.begin(row, *deadline, *flow),
            Change::SubscriptionFetched { row, flow } => {
                let mut usage = Usage::new(row, Moment(0), *flow, 0);
                usage.end(Ending::Unsubscribed);
                self.dialogs.insert(DialogKey::of_row(row), usage);
            }
            Change::SubscriptionRefreshed { row, deadline, flow, .. } => {
                self.dialogs.heard(row.key, row.remote_cseq);
                self.dialogs.change(row.key, |usage| usage.refresh(row, *deadline, *flow));
                self.expect_timeout(*deadline);
                self.prolong_news(row.key, *deadline);
            }
            Change::SubscriptionAuthorized { key, status } => self.authorize(*key, *status),
            Change::SubscriptionMoved { row, flow } => self.dialogs.change(row.key, |usage| usage.follow(row, *flow)),
            Change::CseqReserved { key, local_cseq } => {
                self.dialogs.change(*key, |usage| usage.row.local_cseq = *local_cseq);
            }
            Change::SubscriptionRemoved { key, ending, waits } => self.end(*key, *ending, *waits),
            Change::WatcherStored { row, deadline } => self.store_watcher(row, *deadline),
            Change::WatcherRemoved { watcher, event, because, .. } => {
                self.tell_of_waiting(watcher, event, *because);
                self.watchers.remove(watcher, event);
            }
        }
    }

    fn begin(&mut self, row: &SubscriptionRow, deadline: Moment, flow: u64) {
        let usage = Usage::new(row, deadline, flow, 0);
        self.tell_of(&row.event, &entry(&usage, row.status.watcher(), usage.event), true);
        self.dialogs.insert(DialogKey::of_row(row), usage);
        self.expect_timeout(deadline);
    }

    pub(super) fn authorize(&mut self, key: SubscriptionKey, status: Status) {
        let Some(former) = self.dialogs.usage(key).map(|usage| usage.row.status) else { return };
        self.dialogs.change(key, |usage| usage.authorize(status));
        let Some(usage) = self.dialogs.usage(key).filter(|_| former.watcher() != status.watcher()) else { return };
        let (event, entry) = (usage.row.event().clone(), entry(usage, status.watcher(), usage.event));
        self.tell_of(&event, &entry, false);
    }

    pub(super) fn end(&mut self, key: SubscriptionKey, ending: Ending, waits: bool) {
        // Who waits is told of where the wait begins. Of several subscriptions that one person leaves undecided, only the
        // last one waits; the others are given up for it (RFC 3857 §4.7.1).
        let told = self.dialogs.usage(key).filter(|usage| !usage.is_ending() && !waits).map(|usage| {
            let status = usage.row.status.watcher().after(ending.event()).unwrap_or(watcher::Status::Terminated);
            let event = match status {
                watcher::Status::Waiting => watcher::Event::Giveup,
                _ => ending.event(),
            };
            (usage.row.event().clone(), entry(usage, watcher::Status::Terminated, event))
        });
        self.dialogs.change(key, |usage| usage.end(ending));
        if let Some((event, entry)) = told {
            self.tell_of(&event, &entry, false);
        }
    }

    fn store_watcher(&mut self, row: &WatcherRow, deadline: Option<Moment>) {
        let former = self.watchers.get(&row.watcher, &row.event);
        let is_replaced = former.is_some_and(|former| {
            former.status == watcher::Status::Waiting
                && (row.status != watcher::Status::Waiting || former.id != row.watcher_id)
        });
        if is_replaced {
            self.tell_of_waiting(&row.watcher, &row.event, watcher::Event::Giveup);
        }
        self.take_up_watcher(row, deadline);
        if row.status == watcher::Status::Waiting {
            let (status, event) = (watcher::Status::Waiting, watcher::Event::Timeout);
            self.tell_of(&row.event, &WatcherEntry::waiting(&row.watcher_id, &row.identity, status, event), false);
        }
        self.forget_decided();
    }

    /// Forgets the states of those who watch no more, once they are many more than who does.
    fn forget_decided(&mut self) {
        if self.watchers.decided() > 2 * self.dialogs.len() + DECIDED_KEPT {
            let live = self.dialogs.live().map(|usage| (usage.row.watcher(), usage.row.event().clone()));
            self.watchers.forget_decided(live);
        }
    }

    /// Tells that nobody waits any more under the id that a watcher waited with.
    fn tell_of_waiting(&mut self, watcher: &UserAtDomain, event: &SmolStr, because: watcher::Event) {
        let waiting = self.watchers.get(watcher, event).filter(|former| former.status == watcher::Status::Waiting);
        if let Some(former) = waiting {
            let status = watcher::Status::Terminated;
            let entry = WatcherEntry::waiting(&former.id, &former.identity, status, because);
            self.tell_of(event, &entry, false);
        }
    }

    /// Owes a changed watcher of package `event` to everybody who may see it; `is_begin` says that it subscribes only now.
    pub(super) fn tell_of(&mut self, event: &str, entry: &WatcherEntry, is_begin: bool) {
        let Some(winfo) = Package::of(event).and_then(Package::winfo) else { return };
        let owner = self.uri.clone();
        self.dialogs.change_to_watchers(|usage| {
            let sees = usage.row.event() == winfo.name() && usage.sees(entry, &owner);
            if let (true, View::Watchers(news)) = (sees, &mut usage.view) {
                news.owe(entry.clone(), is_begin);
                usage.owe_news();
            }
        });
    }

    /// Corrects until when somebody subscribes of whom others are still to be told; a refresh alone is no news.
    pub(super) fn prolong_news(&mut self, key: SubscriptionKey, deadline: Moment) {
        if !self.dialogs.is_anybody_to_watchers() {
            return;
        }
        let Some(id) = self.dialogs.usage(key).map(|usage| SmolStr::from(usage.row.watcher_id())) else { return };
        self.dialogs.change_to_watchers(|usage| {
            if let View::Watchers(news) = &mut usage.view {
                news.prolong(&id, deadline);
            }
        });
    }

    /// Owes everybody the document who sees it, except who brought it about.
    pub(super) fn document_changed(&mut self, sender: Option<&UserAtDomain>) {
        self.publications_changed();
        self.dialogs.touch_live(|usage| {
            // Who is blocked politely sees nothing change (RFC 5025 §3.2.1).
            let sees = usage.row.status == Status::Active
                && matches!(usage.view, View::Presence(_))
                && !sender.is_some_and(|sender| usage.row.is_of(sender));
            if sees {
                usage.owe_news();
            }
            sees
        });
    }

    /// Forgets what was made of the publications.
    pub(super) fn publications_changed(&mut self) {
        self.disclosure.forget();
        self.refresh_sphere();
    }
}

/// States of watchers that are kept although nobody needs them.
const DECIDED_KEPT: usize = 64;

/// Returns the entry of a subscription.
pub(super) fn entry(usage: &Usage, status: watcher::Status, event: watcher::Event) -> WatcherEntry {
    let row = &usage.row;
    WatcherEntry {
        id: row.watcher_id().into(),
        identity: row.identity().into(),
        // Who proves nothing may call itself anything.
        display_name: if row.identity().is_empty() { "" } else { row.display_name() }.into(),
        status,
        event,
        subscribed_at: Some(row.subscribed_at),
        deadline: Some(usage.deadline),
    }
}
