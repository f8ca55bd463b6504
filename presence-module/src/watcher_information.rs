//! What one subscriber to watcher information is owed: everything, or who changed since it was told last (RFC 3857 §4.7).
//!
//! Pure. Each watcher stands in the news once, with its latest state; one that is gone stays until its end is told.

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use crate::change::{Moment, Now};
use crate::document::watcherinfo::{self, Completeness, Entry};
use crate::presentity_uri::UserAtDomain;
use crate::watcher;

/// One watcher as watcher information tells of it (RFC 3858 §4.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatcherEntry {
    /// Stable while the subscription lasts, and unguessable.
    pub id: SmolStr,
    /// Who it is: decides who else may see the entry.
    pub watcher: UserAtDomain,
    /// The URI of who it is.
    pub uri: SmolStr,
    /// What the watcher calls itself, empty for nothing.
    pub display_name: SmolStr,
    /// Where it stands.
    pub status: watcher::Status,
    /// What led there.
    pub event: watcher::Event,
    /// Since when it subscribes, wall seconds; `None` for who waits.
    pub subscribed_at: Option<u64>,
    /// When the subscription ends; `None` for who has none.
    pub deadline: Option<Moment>,
}

/// What has not been told yet, and how the next document is numbered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct News {
    /// The number of the next document: 0 first, then one more for each (RFC 3858 §4.1).
    version: u32,
    /// Everything is owed.
    is_full: bool,
    /// By id, with a number that grows with each watcher that changes.
    changed: FxHashMap<SmolStr, (u64, WatcherEntry)>,
    next: u64,
}

impl News {
    /// Owes everything, in a document with number `version`.
    pub fn everything(version: u32) -> Self {
        Self { version, is_full: true, changed: FxHashMap::default(), next: 0 }
    }

    /// Returns whether the next document is to list everybody.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Owes everything: the subscriber asked, or what it was sent last may not have reached it.
    pub fn owe_everything(&mut self) {
        self.is_full = true;
        // Who is there is listed anyway; who is gone is still to be told.
        self.changed.retain(|_, (_, entry)| entry.status == watcher::Status::Terminated);
    }

    /// Owes the latest state of one watcher.
    pub fn owe(&mut self, entry: WatcherEntry) {
        if self.is_full && entry.status != watcher::Status::Terminated {
            // Who comes back under an id that is over would be listed twice.
            self.changed.remove(&entry.id);
            return;
        }
        let number = self.next;
        self.next += 1;
        let known = self.changed.entry(entry.id.clone()).or_insert_with(|| (number, entry.clone()));
        known.1 = entry;
    }

    /// Returns who changed, in the order they first did.
    fn changed(&self) -> Vec<&WatcherEntry> {
        let mut changed: Vec<_> = self.changed.values().collect();
        changed.sort_unstable_by_key(|(number, _)| *number);
        changed.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Writes the next document; `everybody` is asked if all are owed.
    pub fn write(
        &self,
        resource: &str,
        package: &str,
        everybody: impl FnOnce() -> Vec<WatcherEntry>,
        now: Now,
    ) -> Vec<u8> {
        let mut entries = if self.is_full { everybody() } else { Vec::new() };
        entries.extend(self.changed().into_iter().cloned());
        let completeness = if self.is_full { Completeness::Full } else { Completeness::Partial };
        watcherinfo::write(
            self.version,
            completeness,
            resource,
            package,
            entries.iter().map(|entry| entry.written(now)),
        )
    }

    /// Notes that the document is on its way.
    pub fn told(&mut self) {
        (self.version, self.is_full) = (self.version.saturating_add(1), false);
        self.changed.clear();
    }

    /// Takes back a document that never left; the next has its number, and everything in it.
    pub fn take_back(&mut self) {
        self.version = self.version.saturating_sub(1);
        self.owe_everything();
    }

    /// Returns the number of the next document.
    pub fn version(&self) -> u32 {
        self.version
    }
}

impl WatcherEntry {
    fn written(&self, now: Now) -> Entry<'_> {
        let is_over = self.status == watcher::Status::Terminated;
        Entry {
            id: &self.id,
            status: self.status,
            event: self.event,
            uri: &self.uri,
            display_name: Some(&*self.display_name).filter(|name| !name.is_empty()),
            expiration_s: self.deadline.filter(|_| !is_over).map(|deadline| deadline.seconds_from(now.mono)),
            duration_subscribed_s: self.subscribed_at.map(|since| now.wall_s.saturating_sub(since)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watcher::{Event, Status};

    fn entry(id: &str, status: Status, event: Event) -> WatcherEntry {
        WatcherEntry {
            id: id.into(),
            watcher: UserAtDomain::new(id, "pres.example"),
            uri: format!("sip:{id}@pres.example").into(),
            display_name: SmolStr::default(),
            status,
            event,
            subscribed_at: None,
            deadline: None,
        }
    }

    fn statuses(news: &News) -> Vec<(&str, Status)> {
        news.changed().into_iter().map(|entry| (&*entry.id, entry.status)).collect()
    }

    #[test]
    fn a_watcher_that_changes_twice_is_told_of_once_with_its_last_state() {
        let mut news = News::everything(0);
        news.told();
        news.owe(entry("eli", Status::Pending, Event::Subscribe));
        news.owe(entry("fay", Status::Active, Event::Subscribe));
        news.owe(entry("eli", Status::Active, Event::Approved));
        assert_eq!(statuses(&news), [("eli", Status::Active), ("fay", Status::Active)]);
    }

    #[test]
    fn who_is_gone_is_told_of_even_where_everything_is_owed() {
        let mut news = News::everything(0);
        news.owe(entry("eli", Status::Active, Event::Subscribe));
        assert_eq!(statuses(&news), [], "the list has it");
        news.told();
        news.owe(entry("eli", Status::Terminated, Event::Timeout));
        news.owe(entry("fay", Status::Pending, Event::Subscribe));
        news.owe_everything();
        assert_eq!(statuses(&news), [("eli", Status::Terminated)]);
    }

    #[test]
    fn versions_begin_where_told_and_grow_by_one_with_each_document() {
        let mut news = News::everything(7);
        news.told();
        assert_eq!((news.version(), news.is_full()), (8, false));
        news.told();
        news.take_back();
        assert_eq!((news.version(), news.is_full()), (8, true));
    }
}
