//! What one subscriber to watcher information is owed: everything, or who changed since it was told last (RFC 3857 §4.7).
//!
//! Pure. Each watcher stands in the news once, with its latest state; one that is gone stays until its end is told.

use std::collections::hash_map::Entry;

use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;

use crate::change::{Moment, Now};
use crate::document::watcherinfo::{self, Completeness};
use crate::watcher;

/// One watcher as watcher information tells of it (RFC 3858 §4.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatcherEntry {
    /// Stable while the subscription lasts, and unguessable.
    pub id: SmolStr,
    /// Who it is, proven; empty for nobody knows. Decides who else may see the entry.
    pub identity: SmolStr,
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
    /// By id.
    changed: FxHashMap<SmolStr, Changed>,
    next: u64,
}

/// A watcher that is to be told of.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Changed {
    /// Grows with each watcher that changes.
    number: u64,
    entry: WatcherEntry,
    /// That it subscribed has not been told either.
    is_begin: bool,
}

/// More changes than these are told by a list of everybody.
const CHANGED_MAX: usize = 1000;

impl News {
    /// Owes everything, in a document with number `version`.
    pub fn everything(version: u32) -> Self {
        Self { version, is_full: true, changed: FxHashMap::default(), next: 0 }
    }

    /// Returns whether the next document is to list everybody.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns whether there is nobody to tell of.
    pub fn is_empty(&self) -> bool {
        !self.is_full && self.changed.is_empty()
    }

    /// Owes everything: the subscriber asked, or what it was sent last may not have reached it.
    pub fn owe_everything(&mut self) {
        self.is_full = true;
        // Who is there is listed anyway; who is gone is still to be told.
        self.changed.retain(|_, changed| changed.entry.status == watcher::Status::Terminated);
    }

    /// Owes the latest state of one watcher; `is_begin` says that it subscribes only now.
    pub fn owe(&mut self, entry: WatcherEntry, is_begin: bool) {
        let is_over = entry.status == watcher::Status::Terminated;
        if self.is_full && !is_over {
            // The list has it. Who comes back under an id that is over would stand there twice.
            self.changed.remove(&entry.id);
            return;
        }
        match self.changed.entry(entry.id.clone()) {
            // Who came and went untold was never there (RFC 3857 §4.7.2).
            Entry::Occupied(known) if is_over && known.get().is_begin => drop(known.remove()),
            Entry::Occupied(mut known) => known.get_mut().entry = entry,
            Entry::Vacant(place) => {
                place.insert(Changed { number: self.next, entry, is_begin });
                self.next += 1;
            }
        }
        if self.changed.len() > CHANGED_MAX {
            self.begin_anew();
        }
    }

    /// Corrects until when a watcher subscribes who is to be told of.
    pub fn prolong(&mut self, id: &SmolStr, deadline: Moment) {
        if let Some(changed) = self.changed.get_mut(id) {
            changed.entry.deadline = Some(deadline);
        }
    }

    /// Owes everything and nothing else: what was to be told of may not have happened, or is too much.
    pub fn begin_anew(&mut self) {
        self.is_full = true;
        self.changed.clear();
    }

    /// Numbers the next document `version` at least.
    pub fn number_from(&mut self, version: u32) {
        self.version = self.version.max(version);
    }

    /// Returns who changed, in the order they first did.
    fn changed(&self) -> Vec<&WatcherEntry> {
        let mut changed: Vec<_> = self.changed.values().collect();
        changed.sort_unstable_by_key(|changed| changed.number);
        changed.into_iter().map(|changed| &changed.entry).collect()
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
        let listed: FxHashSet<_> = entries.iter().map(|entry| entry.id.clone()).collect();
        entries.extend(self.changed().into_iter().filter(|entry| !listed.contains(&entry.id)).cloned());
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
    /// Returns the entry of a watcher without a subscription.
    pub fn waiting(id: &SmolStr, identity: &SmolStr, status: watcher::Status, event: watcher::Event) -> Self {
        Self {
            id: id.clone(),
            identity: identity.clone(),
            display_name: SmolStr::default(),
            status,
            event,
            subscribed_at: None,
            deadline: None,
        }
    }

    fn written(&self, now: Now) -> watcherinfo::Entry<'_> {
        let is_over = self.status == watcher::Status::Terminated;
        watcherinfo::Entry {
            id: &self.id,
            status: self.status,
            event: self.event,
            // What anybody can write into From says nothing of who watches (RFC 3858 §4.4).
            uri: if self.identity.is_empty() { ANONYMOUS } else { &self.identity },
            display_name: Some(&*self.display_name).filter(|name| !name.is_empty()),
            expiration_s: self.deadline.filter(|_| !is_over).map(|deadline| deadline.seconds_from(now.mono)),
            duration_subscribed_s: self.subscribed_at.map(|since| now.wall_s().saturating_sub(since)),
        }
    }
}

/// RFC 3323 §4.1.1.3.
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

#[cfg(test)]
mod tests {
    use super::*;
    use watcher::{Event, Status};

    fn entry(id: &str, status: Status, event: Event) -> WatcherEntry {
        WatcherEntry {
            id: id.into(),
            identity: format!("sip:{id}@pres.example").into(),
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
        news.owe(entry("eli", Status::Pending, Event::Subscribe), true);
        news.owe(entry("fay", Status::Active, Event::Subscribe), true);
        news.owe(entry("eli", Status::Active, Event::Approved), false);
        assert_eq!(statuses(&news), [("eli", Status::Active), ("fay", Status::Active)]);
    }

    #[test]
    fn s4_7_2_a_watcher_that_comes_and_goes_untold_was_never_there() {
        let mut news = News::everything(0);
        news.told();
        news.owe(entry("eli", Status::Active, Event::Subscribe), true);
        news.owe(entry("fay", Status::Active, Event::Approved), false);
        for id in ["eli", "fay"] {
            news.owe(entry(id, Status::Terminated, Event::Timeout), false);
        }
        assert_eq!(statuses(&news), [("fay", Status::Terminated)]);
    }

    #[test]
    fn who_is_gone_is_told_of_even_where_everything_is_owed() {
        let mut news = News::everything(0);
        news.owe(entry("eli", Status::Active, Event::Subscribe), true);
        assert_eq!(statuses(&news), [], "the list has it");
        news.told();
        news.owe(entry("eli", Status::Terminated, Event::Timeout), false);
        news.owe(entry("fay", Status::Pending, Event::Subscribe), true);
        news.owe_everything();
        assert_eq!(statuses(&news), [("eli", Status::Terminated)]);
    }

    #[test]
    fn too_much_news_is_told_by_a_list_of_everybody() {
        let mut news = News::everything(0);
        news.told();
        for n in 0..=CHANGED_MAX {
            news.owe(entry(&n.to_string(), Status::Active, Event::Approved), false);
        }
        assert!(news.is_full() && statuses(&news).is_empty());
    }

    #[test]
    fn nobody_is_listed_twice_and_who_proved_nothing_is_nobody() {
        let mut news = News::everything(0);
        news.owe(entry("eli", Status::Terminated, Event::Timeout), false);
        let everybody =
            || vec![WatcherEntry { identity: SmolStr::default(), ..entry("eli", Status::Active, Event::Subscribe) }];
        let now = Now::default();
        let document = String::from_utf8(news.write("sip:dana@pres.example", "presence", everybody, now)).unwrap();
        assert_eq!(document.matches("<watcher ").count(), 1, "{document}");
        assert!(document.contains("sip:anonymous@anonymous.invalid"), "{document}");
    }

    #[test]
    fn versions_begin_where_told_and_grow_by_one_with_each_document() {
        let mut news = News::everything(7);
        news.told();
        assert_eq!((news.version(), news.is_full()), (8, false));
        news.told();
        news.take_back();
        assert_eq!((news.version(), news.is_full()), (8, true));
        news.number_from(5);
        assert_eq!(news.version(), 8);
    }
}
