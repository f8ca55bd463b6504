//! Why the store in memory refuses what is to be written: told to, a row that is gone, a key that is taken.

use std::collections::BTreeMap;

use super::Disk;
use crate::change::{Change, SubscriptionKey};
use crate::store::{BoxedError, RowGone};

impl Disk {
    /// Returns why `changes` cannot be written, one after the other.
    pub(in crate::edge::tests) fn refusal<'c>(&self, changes: impl Iterator<Item = &'c Change>) -> Option<BoxedError> {
        // What the changes before have made of rows.
        let mut rows: BTreeMap<Key, bool> = BTreeMap::new();
        for change in changes {
            if self.is_guilty(change) {
                return Some("told to refuse".into());
            }
            let Some((key, then)) = touched(change) else { continue };
            let is_there = rows.get(&key).copied().unwrap_or_else(|| self.has(key));
            match then {
                Then::Changed if !is_there => return Some(Box::new(RowGone { table: key.table().into() })),
                Then::Inserted if is_there => return Some("duplicate key".into()),
                _ => rows.insert(key, then != Then::Removed),
            };
        }
        None
    }

    fn has(&self, key: Key) -> bool {
        match key {
            Key::Publication(id) => self.publications.contains_key(&id),
            Key::Subscription(key) => self.subscriptions.contains_key(&key),
        }
    }
}

/// A row that a change touches.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Key {
    Publication(u64),
    Subscription(SubscriptionKey),
}

impl Key {
    fn table(self) -> &'static str {
        match self {
            Self::Publication(_) => "presentity",
            Self::Subscription(_) => "active_watchers",
        }
    }
}

/// What becomes of it.
#[derive(PartialEq)]
enum Then {
    Changed,
    Inserted,
    Removed,
    /// Whether it is there or not.
    Written,
}

fn touched(change: &Change) -> Option<(Key, Then)> {
    Some(match change {
        Change::PublicationStored { row, .. } => (Key::Publication(row.id), Then::Inserted),
        Change::PublicationContinued { id, .. } => (Key::Publication(*id), Then::Changed),
        Change::PublicationRemoved { id } => (Key::Publication(*id), Then::Removed),
        Change::SubscriptionStored { row, .. } => (Key::Subscription(row.key), Then::Written),
        Change::SubscriptionMoved { row, .. } | Change::SubscriptionRefreshed { row, .. } => {
            (Key::Subscription(row.key), Then::Changed)
        }
        Change::CseqReserved { key, .. } | Change::SubscriptionAuthorized { key, .. } => {
            (Key::Subscription(*key), Then::Changed)
        }
        Change::SubscriptionRemoved { key, .. } => (Key::Subscription(*key), Then::Removed),
        Change::SubscriptionFetched { .. } | Change::WatcherRemoved { .. } | Change::WatcherStored { .. } => {
            return None;
        }
    })
}
