//! A start: every row into memory, and what is owed since the last run.

use std::collections::VecDeque;
use std::sync::Arc;

use module_api::abi::LogLevel;
use rustc_hash::{FxHashMap, FxHashSet};

use super::core::Core;
use super::driver::Owed;
use crate::change::{Change, Now, SubscriptionRow, WatcherRow};
use crate::presentity_uri::PresentityUri;
use crate::publication::Publication;
use crate::store::{RulesDocument, Scope, Store, StoreError, Stored, recovery};
use crate::watcher;

impl Core {
    /// Reads every row into memory and returns what is owed: after an unclean stop a NOTIFY to every watcher, and always a
    /// review of presentities whose watchers stand elsewhere than the rules and the policy say by now.
    pub(super) fn recover(&self, store: &mut dyn Store, was_clean: bool) -> Result<VecDeque<Owed>, StoreError> {
        let now = self.now();
        let (mut publications, mut subscriptions, mut owed) = (0_usize, 0_usize, VecDeque::new());
        let mut skipped: FxHashMap<String, usize> = FxHashMap::default();
        store.load(Scope::All, &mut |row| match row {
            Stored::Publication(row) => {
                let max_expires_s = self.settings.policy.publish.max_expires_s;
                self.take_up_publication(recovery::publication(row, max_expires_s, now));
                publications += 1;
            }
            Stored::Subscription(row) => {
                let (presentity, subscription) = (row.presentity.clone(), row.key);
                self.take_up_subscription(*row, now);
                owed.extend((!was_clean).then_some(Owed::Notify(presentity, subscription)));
                subscriptions += 1;
            }
            Stored::Watcher(row) => self.take_up_watcher(row, now),
            Stored::Skipped { table, reason } => *skipped.entry(format!("{table}: {reason}")).or_default() += 1,
        })?;
        self.host
            .log(LogLevel::INFO, &format!("took up {publications} publications and {subscriptions} subscriptions"));
        for (what, count) in skipped {
            self.metrics.add(self.metrics.skipped_rows, count);
            self.warn(&format!("passed over {count} rows of {what}"));
        }
        owed.extend(self.take_up_rules(store, now)?);
        Ok(owed)
    }

    fn take_up_publication(&self, publication: Publication) {
        let uri = publication.row.presentity.clone();
        let mut shard = self.shards.lock(&uri);
        let slot = shard.slot(&uri);
        let Publication { row, deadline } = publication;
        slot.presentity.apply(&[Change::PublicationStored { row, deadline, sender: None }]);
        self.wake(slot);
    }

    fn take_up_subscription(&self, row: SubscriptionRow, now: Now) {
        let uri = row.presentity.clone();
        let (row, deadline) = recovery::subscription(row, now);
        let mut shard = self.shards.lock(&uri);
        let slot = shard.slot(&uri);
        let dialog = slot.presentity.resume(row, deadline);
        self.dialogs.insert(dialog, uri.clone());
        self.wake(slot);
    }

    /// Takes up the state of a watcher, if it waits for a decision or somebody would ask for it.
    fn take_up_watcher(&self, row: WatcherRow, now: Now) {
        let deadline = recovery::watcher_deadline(&row, self.settings.policy.waiting_time_s, now);
        let uri = row.presentity.clone();
        let is_undecided = matches!(row.status, watcher::Status::Pending | watcher::Status::Waiting);
        let mut shard = self.shards.lock(&uri);
        if !is_undecided && shard.get(&uri).is_none() {
            return;
        }
        let slot = shard.slot(&uri);
        slot.presentity.take_up_watcher(&row, deadline);
        self.wake(slot);
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
