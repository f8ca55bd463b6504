//! Rows without a database: what it would make of changes, and of which it would refuse.
//!
//! Tests and the simulation put a store around it that waits, fails and forgets as they wish; no server uses it.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::{BoxedError, RowGone, RowKeys, Scope, Stored};
use crate::change::{Change, PublicationRow, SubscriptionKey, SubscriptionRow, WatcherRow};
use crate::presentity_uri::UserAtDomain;

/// Every row there is.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// `presentity`.
    pub publications: BTreeMap<u64, PublicationRow>,
    /// `active_watchers`.
    pub subscriptions: BTreeMap<SubscriptionKey, SubscriptionRow>,
    /// `watchers`: by presentity, watcher and event package.
    pub watchers: BTreeMap<(UserAtDomain, UserAtDomain, SmolStr), WatcherRow>,
}

impl Rows {
    /// Makes a change that is not refused.
    ///
    /// # Panics
    /// A row that is changed is not there.
    pub fn write(&mut self, change: &Change) {
        match change.clone() {
            Change::PublicationStored { row, .. } => drop(self.publications.insert(row.id, row)),
            Change::PublicationContinued { id, entity_tag, body, received_at_ms, expires, .. } => {
                let row = self.publications.get_mut(&id).expect("only what was stored is continued");
                (row.entity_tag, row.received_at_ms, row.expires) = (entity_tag, received_at_ms, expires);
                row.body = body.unwrap_or_else(|| row.body.clone());
            }
            Change::PublicationRemoved { id } => drop(self.publications.remove(&id)),
            Change::SubscriptionStored { row, .. } => drop(self.subscriptions.insert(row.key, (*row).clone())),
            Change::SubscriptionRefreshed { row, .. } => self.subscription(row.key).renew(&row),
            Change::SubscriptionMoved { row, .. } => self.subscription(row.key).go_over(&row),
            Change::CseqReserved { key, local_cseq } => self.subscription(key).local_cseq = local_cseq,
            Change::SubscriptionRemoved { key, .. } => drop(self.subscriptions.remove(&key)),
            Change::SubscriptionAuthorized { key, status } => self.subscription(key).status = status,
            Change::WatcherStored { row, .. } => {
                drop(self.watchers.insert(((*row.presentity).clone(), row.watcher.clone(), row.event.clone()), row));
            }
            Change::WatcherRemoved { presentity, watcher, event, .. } => {
                drop(self.watchers.remove(&((*presentity).clone(), watcher, event)));
            }
            Change::SubscriptionFetched { .. } => {}
        }
    }

    fn subscription(&mut self, key: SubscriptionKey) -> &mut SubscriptionRow {
        self.subscriptions.get_mut(&key).expect("only what was stored is changed")
    }

    /// Returns an id that no publication has, nor a higher one.
    pub fn next_publication_id(&self) -> u64 {
        self.publications.keys().last().map_or(1, |last| last + 1)
    }

    /// Shows what a store shows of `scope`, publications first.
    pub fn show(&self, scope: Scope<'_>, visit: &mut dyn FnMut(Stored)) {
        let all = RowKeys {
            publications: self.publications.keys().copied().collect(),
            subscriptions: self.subscriptions.keys().copied().collect(),
            watchers_of: Vec::new(),
        };
        let (keys, is_all) = match scope {
            Scope::All => (&all, true),
            Scope::Rows(keys) => (keys, false),
        };
        let publications = keys.publications.iter().filter_map(|id| self.publications.get(id));
        publications.for_each(|row| visit(Stored::Publication(row.clone())));
        let subscriptions = keys.subscriptions.iter().filter_map(|key| self.subscriptions.get(key));
        subscriptions.for_each(|row| visit(Stored::Subscription(Box::new(row.clone()))));
        let watchers = self.watchers.values().filter(|row| is_all || keys.watchers_of.contains(&row.presentity));
        watchers.for_each(|row| visit(Stored::Watcher(row.clone())));
    }

    /// Returns why `changes` cannot be written, one after the other.
    pub fn refusal<'c>(&self, changes: impl Iterator<Item = &'c Change>) -> Option<BoxedError> {
        // What the changes before have made of rows.
        let mut rows: BTreeMap<Key, bool> = BTreeMap::new();
        for change in changes {
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

/// Returns whether `change` writes a document that holds `text`: what a store may be told to refuse.
pub fn publishes(change: &Change, text: &str) -> bool {
    match change {
        Change::PublicationStored { row, .. } => row.body.contains(text),
        Change::PublicationContinued { body: Some(body), .. } => body.contains(text),
        _ => false,
    }
}

/// A row that a change touches.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Key {
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
