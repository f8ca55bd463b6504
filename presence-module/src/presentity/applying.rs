//! What was decided, taken into memory: the next request sees it, nobody outside does.
//!
//! Here and nowhere else watcher information learns of a change (RFC 3857 §4.7.2), so that it cannot tell of one that did
//! not happen.

use std::sync::Arc;

use smol_str::SmolStr;

use super::Presentity;
use crate::change::{Change, Ending, Moment, Status, SubscriptionKey, SubscriptionRow, WatcherRow};
use crate::dialog::DialogKey;
use crate::package::Package;
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
                self.publications.push(Publication { row: row.clone(), deadline: *deadline });
                self.expect_timeout(*deadline);
                self.document_changed(sender.as_deref());
            }
            Change::PublicationContinued { id, entity_tag, body, received_time, expires, deadline, sender } => {
                let Some(publication) = self.publications.iter_mut().find(|publication| publication.row.id == *id)
                else {
                    return;
                };
                publication.deadline = *deadline;
                let row = &mut publication.row;
                (row.entity_tag, row.received_time, row.expires) = (entity_tag.clone(), *received_time, *expires);
                if let Some(body) = body {
                    row.body = body.clone();
                    self.document_changed(sender.as_deref());
                }
                self.expect_timeout(*deadline);
            }
            Change::PublicationRemoved { id } => {
                self.publications.retain(|publication| publication.row.id != *id);
                self.document_changed(None);
            }
            Change::SubscriptionStored { row, deadline, flow } => self.begin(row, *deadline, *flow),
            Change::SubscriptionFetched { row, flow } => {
                let mut usage = Usage::new(row.clone(), Moment(0), *flow, 0);
                usage.end(Ending::Unsubscribed);
                self.dialogs.insert(DialogKey::of_row(row), usage);
            }
            Change::SubscriptionRefreshed { row, deadline, flow } => {
                self.dialogs.change(row.key, |usage| usage.refresh(row.clone(), *deadline, *flow));
                self.expect_timeout(*deadline);
            }
            Change::SubscriptionAuthorized { key, status } => self.authorize(*key, *status),
            Change::RemoteTargetChanged { key, remote_target } => {
                self.change_row(*key, |row| row.remote_target = remote_target.clone());
            }
            Change::CseqReserved { key, local_cseq } => self.change_row(*key, |row| row.local_cseq = *local_cseq),
            Change::SubscriptionRemoved { key, ending } => self.end(*key, *ending),
            Change::WatcherStored { row, deadline } => self.store_watcher(row, *deadline),
            Change::WatcherRemoved { watcher, event, because, .. } => {
                self.tell_of_waiting(watcher, event, *because);
                self.watchers.remove(watcher, event);
            }
        }
    }

    fn begin(&mut self, row: &Arc<SubscriptionRow>, deadline: Moment, flow: u64) {
        let usage = Usage::new(row.clone(), deadline, flow, 0);
        self.tell_of(&row.event, &entry(&usage, row.status.watcher(), usage.event));
        self.dialogs.insert(DialogKey::of_row(row), usage);
        self.expect_timeout(deadline);
    }

    fn authorize(&mut self, key: SubscriptionKey, status: Status) {
        let Some(former) = self.dialogs.usage(key).map(|usage| usage.row.status) else { return };
        self.dialogs.change(key, |usage| usage.authorize(status));
        let Some(usage) = self.dialogs.usage(key).filter(|_| former.watcher() != status.watcher()) else { return };
        let (event, entry) = (usage.row.event.clone(), entry(usage, status.watcher(), usage.event));
        self.tell_of(&event, &entry);
    }

    fn end(&mut self, key: SubscriptionKey, ending: Ending) {
        let told = self.dialogs.usage(key).filter(|usage| !usage.is_ending()).map(|usage| {
            let (status, event) = self.fate(usage, ending.event());
            (usage.row.event.clone(), entry(usage, status, event))
        });
        self.dialogs.change(key, |usage| usage.end(ending));
        if let Some((event, entry)) = told {
            self.tell_of(&event, &entry);
        }
    }

    /// Returns what becomes of a watcher's subscription in watcher information (RFC 3857 §4.7.1). Of several that one
    /// person leaves undecided, only the last one waits.
    fn fate(&self, usage: &Usage, event: watcher::Event) -> (watcher::Status, watcher::Event) {
        let status = usage.row.status.watcher().after(event).unwrap_or(watcher::Status::Terminated);
        let is_another = |other: &Usage| {
            other.row.key != usage.row.key
                && other.row.watcher == usage.row.watcher
                && other.row.event == usage.row.event
        };
        if status == watcher::Status::Waiting && self.dialogs.live().any(is_another) {
            return (watcher::Status::Terminated, watcher::Event::Giveup);
        }
        (status, event)
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
        self.watchers.store(row, deadline);
        if row.status == watcher::Status::Waiting {
            let (status, event) = (watcher::Status::Waiting, watcher::Event::Timeout);
            self.tell_of(&row.event, &WatcherEntry::waiting(&row.watcher, &row.watcher_id, status, event));
        }
        if let Some(deadline) = deadline {
            self.expect_timeout(deadline);
        }
    }

    /// Tells that nobody waits any more under the id that a watcher waited with.
    fn tell_of_waiting(&mut self, watcher: &UserAtDomain, event: &SmolStr, because: watcher::Event) {
        let waiting = self.watchers.get(watcher, event).filter(|former| former.status == watcher::Status::Waiting);
        if let Some(former) = waiting {
            let entry = WatcherEntry::waiting(watcher, &former.id, watcher::Status::Terminated, because);
            self.tell_of(event, &entry);
        }
    }

    /// Owes a changed watcher of package `event` to everybody who may see it.
    fn tell_of(&mut self, event: &str, entry: &WatcherEntry) {
        let Some(winfo) = Package::of(event).and_then(Package::winfo) else { return };
        let owner = self.uri.clone();
        self.dialogs.change_to_watchers(|usage| {
            let sees = usage.row.event == winfo.name() && (usage.is_of(&owner) || usage.row.watcher == entry.watcher);
            if let (true, View::Watchers(news)) = (sees, &mut usage.view) {
                news.owe(entry.clone());
                usage.owe_news();
            }
        });
    }

    fn change_row(&mut self, key: SubscriptionKey, change: impl FnOnce(&mut SubscriptionRow)) {
        self.dialogs.change(key, |usage| change(Arc::make_mut(&mut usage.row)));
    }

    /// Owes everybody the document who sees it, except who brought it about.
    fn document_changed(&mut self, sender: Option<&UserAtDomain>) {
        self.publications_changed();
        self.dialogs.touch_live(|usage| {
            // Who is blocked politely sees nothing change (RFC 5025 §3.2.1).
            let sees = usage.row.status == Status::Active
                && matches!(usage.view, View::Presence(_))
                && sender != Some(&usage.row.watcher);
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

/// Returns the entry of a subscription.
pub(super) fn entry(usage: &Usage, status: watcher::Status, event: watcher::Event) -> WatcherEntry {
    let row = &usage.row;
    WatcherEntry {
        id: row.watcher_id.clone(),
        watcher: row.watcher.clone(),
        uri: if row.identity.is_empty() { row.watcher.to_uri("sip").into() } else { row.identity.clone() },
        display_name: row.display_name.clone(),
        status,
        event,
        subscribed_at: Some(row.subscribed_at),
        deadline: Some(usage.deadline),
    }
}
