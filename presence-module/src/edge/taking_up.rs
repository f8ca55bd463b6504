//! A start: every row into memory, and what is owed since the last run.
//!
//! The rows are taken up as they are read, by a thread of its own; nothing holds all of them but the state they become.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use module_api::abi::LogLevel;
use rustc_hash::{FxHashMap, FxHashSet};

use super::core::Core;
use super::driver::Owed;
use crate::change::{Change, Now, SubscriptionRow, WatcherRow};
use crate::planted;
use crate::presentity_uri::PresentityUri;
use crate::publication::Publication;
use crate::store::{RulesDocument, Scope, Store, StoreError, Stored, recovery};
use crate::watcher;

/// Rows handed over together, and how many times that may be read ahead.
const BATCH: usize = 256;
const BATCHES_AHEAD: usize = 16;

impl Core {
    /// Reads every row into memory and returns what is owed: after an unclean stop a NOTIFY to every watcher, first of those
    /// presentities about which there may be news, and always a review of presentities whose watchers stand elsewhere than
    /// the rules and the policy say by now.
    pub(super) fn recover(&self, store: &mut dyn Store, was_clean: bool) -> Result<VecDeque<Owed>, StoreError> {
        let now = self.now();
        let TakingUp { publications, subscriptions, skipped, .. } = self.take_up(store, now)?;
        self.host
            .log(LogLevel::INFO, &format!("took up {publications} publications and {subscriptions} subscriptions"));
        for (what, count) in skipped {
            self.metrics.add(self.metrics.skipped_rows, count);
            self.warn(&format!("passed over {count} rows of {what}"));
        }
        let mut owed = if was_clean { VecDeque::new() } else { self.owed_to_watchers() };
        owed.extend(self.take_up_rules(store, now)?);
        Ok(owed)
    }

    /// Reads and takes up at the same time.
    fn take_up(&self, store: &mut dyn Store, now: Now) -> Result<TakingUp<'_>, StoreError> {
        let (rows, read) = crossbeam_channel::bounded::<Vec<Stored>>(BATCHES_AHEAD);
        std::thread::scope(|scope| {
            let taker = std::thread::Builder::new().name("presence-start".into());
            let bug = planted::here();
            let taker = taker.spawn_scoped(scope, move || {
                planted::carry(bug);
                let mut taking_up = TakingUp::new(self, now);
                read.into_iter().flatten().for_each(|row| taking_up.take_up(row));
                taking_up
            });
            let taker = taker.map_err(|error| StoreError::Database(error.into()))?;
            let mut batch = Vec::with_capacity(BATCH);
            let loaded = store.load(Scope::All, &mut |row| {
                batch.push(row);
                if batch.len() == BATCH {
                    // Nobody takes them any more only after a panic, which is met below.
                    let _ = rows.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
                }
            });
            // As above.
            let _ = rows.send(batch);
            drop(rows);
            let taken_up = taker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            loaded.map(|()| taken_up)
        })
    }

    /// Returns everybody who is watched, who published or was subscribed to last first: what was done just before a crash
    /// is what was told least.
    fn owed_to_watchers(&self) -> VecDeque<Owed> {
        let mut watched = Vec::new();
        self.shards.for_each(|slot| {
            if slot.presentity.is_watched() {
                watched.push((slot.presentity.latest_request_s(), slot.presentity.uri().clone()));
            }
        });
        watched.sort_unstable_by_key(|(latest_s, _)| Reverse(*latest_s));
        watched.into_iter().map(|(_, presentity)| Owed::Notify { presentity, from: 0 }).collect()
    }

    /// Reads the rules of everybody who is watched, and returns whose watchers are to be decided on anew.
    fn take_up_rules(&self, store: &mut dyn Store, now: Now) -> Result<Vec<Owed>, StoreError> {
        let changed: FxHashSet<_> = store.changed_rules()?.into_iter().collect();
        let mut watched: FxHashMap<Arc<PresentityUri>, Vec<RulesDocument>> = FxHashMap::default();
        self.shards.for_each(|slot| {
            if slot.presentity.is_watched() {
                watched.insert(slot.presentity.uri().clone(), Vec::new());
            }
        });
        if !watched.is_empty() {
            store.load_rules(None, &mut |document| {
                if let Some(documents) = watched.get_mut(&document.owner) {
                    documents.push(document);
                }
            })?;
        }
        let mut reviews = Vec::new();
        for (uri, documents) in watched {
            let rules = self.read_rules(&uri, &documents);
            let mut shard = self.shards.lock(&uri);
            let slot = shard.slot(&uri);
            slot.presentity.take_up_rules(rules);
            if changed.contains(&*uri) || slot.presentity.needs_review(&self.settings.policy, now) {
                // Whoever comes first meets it: nobody is told anything by rules that are not in force any more.
                slot.presentity.review_soon();
                reviews.push(Owed::Review(uri.clone()));
            } else {
                slot.presentity.expect_boundary(now);
                self.wake(slot);
            }
        }
        Ok(reviews)
    }
}

/// Takes up one row after the other.
struct TakingUp<'c> {
    core: &'c Core,
    now: Now,
    publications: usize,
    subscriptions: usize,
    /// Rows that were passed over, by what is wrong with them.
    skipped: FxHashMap<String, usize>,
}

impl<'c> TakingUp<'c> {
    fn new(core: &'c Core, now: Now) -> Self {
        Self { core, now, publications: 0, subscriptions: 0, skipped: FxHashMap::default() }
    }

    fn take_up(&mut self, row: Stored) {
        match row {
            Stored::Publication(row) => {
                let max_expires_s = self.core.settings.policy.publish.max_expires_s;
                self.take_up_publication(recovery::publication(row, max_expires_s, self.now));
                self.publications += 1;
            }
            Stored::Subscription(row) => {
                self.take_up_subscription(*row);
                self.subscriptions += 1;
            }
            Stored::Watcher(row) => self.take_up_watcher(&row),
            Stored::Skipped { table, reason } => *self.skipped.entry(format!("{table}: {reason}")).or_default() += 1,
        }
    }

    fn take_up_publication(&self, publication: Publication) {
        let uri = publication.row.presentity.clone();
        let mut shard = self.core.shards.lock(&uri);
        let slot = shard.slot(&uri);
        let Publication { mut row, deadline } = publication;
        row.presentity = slot.presentity.uri().clone();
        slot.presentity.apply(&[Change::PublicationStored { row, deadline, sender: None }]);
        self.core.take_stock(slot);
        self.core.wake(slot);
    }

    fn take_up_subscription(&self, mut row: SubscriptionRow) {
        let uri = row.presentity.clone();
        let mut shard = self.core.shards.lock(&uri);
        let slot = shard.slot(&uri);
        row.presentity = slot.presentity.uri().clone();
        let (row, deadline) = recovery::subscription(row, self.now);
        let dialog = slot.presentity.resume(&row, deadline);
        self.core.dialogs.insert(dialog, slot.presentity.uri().clone());
        self.core.take_stock(slot);
        self.core.wake(slot);
    }

    /// Takes up the state of a watcher, if it waits for a decision or somebody would ask for it.
    fn take_up_watcher(&self, row: &WatcherRow) {
        let deadline = recovery::watcher_deadline(row, self.core.settings.policy.waiting_time_s, self.now);
        let uri = row.presentity.clone();
        let is_undecided = matches!(row.status, watcher::Status::Pending | watcher::Status::Waiting);
        let mut shard = self.core.shards.lock(&uri);
        if !is_undecided && shard.get(&uri).is_none() {
            return;
        }
        let slot = shard.slot(&uri);
        slot.presentity.take_up_watcher(row, deadline);
        self.core.take_stock(slot);
        self.core.wake(slot);
    }
}
