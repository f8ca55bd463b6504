//! Reading presentities back whose staged decisions were refused: memory becomes what the database holds.
//!
//! By keys, those that memory holds and those that the refused decisions name: no table is scanned, however many rows are
//! in it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::comparing::RowKey;
use super::core::Core;
use super::shards::Slot;
use crate::change::{Change, Moment, Now, SubscriptionRow, WatcherRow};
use crate::dialog::Dialog;
use crate::presentity_uri::PresentityUri;
use crate::publication::Publication;
use crate::store::{RowKeys, Scope, Store, StoreError, Stored, recovery};

/// What the database holds of one presentity.
#[derive(Default)]
pub(super) struct Rows {
    publications: Vec<Publication>,
    subscriptions: Vec<(Arc<SubscriptionRow>, Moment)>,
    watchers: Vec<(WatcherRow, Option<Moment>)>,
}

impl Rows {
    /// Returns their keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = RowKey> {
        let publications = self.publications.iter().map(|publication| RowKey::Publication(publication.row.id));
        publications.chain(self.subscriptions.iter().map(|(row, _)| RowKey::Subscription(row.key)))
    }
}

impl Core {
    /// Reads every row that may be one of `presentities`.
    pub(super) fn rows_of(
        &self,
        store: &mut dyn Store,
        presentities: &[Arc<PresentityUri>],
        now: Now,
    ) -> Result<FxHashMap<PresentityUri, Rows>, StoreError> {
        let (keys, mut rows) = (self.keys_of(presentities), FxHashMap::<PresentityUri, Rows>::default());
        let mut take = |row| match row {
            Stored::Publication(row) => {
                let uri = PresentityUri::clone(&row.presentity);
                let publication = recovery::publication(row, self.settings.policy.publish.max_expires_s, now);
                rows.entry(uri).or_default().publications.push(publication);
            }
            Stored::Subscription(row) => {
                let uri = PresentityUri::clone(&row.presentity);
                rows.entry(uri).or_default().subscriptions.push(recovery::subscription(*row, now));
            }
            Stored::Watcher(row) => {
                let uri = PresentityUri::clone(&row.presentity);
                let deadline = recovery::watcher_deadline(&row, self.settings.policy.waiting_time_s, now);
                rows.entry(uri).or_default().watchers.push((row, deadline));
            }
            Stored::Skipped { .. } => self.metrics.count(self.metrics.skipped_rows),
        };
        store.load(Scope::Rows(&keys), &mut |row| {
            self.note_key(&row);
            take(row);
        })?;
        Ok(rows)
    }

    fn keys_of(&self, presentities: &[Arc<PresentityUri>]) -> RowKeys {
        let mut keys = RowKeys { watchers_of: presentities.to_vec(), ..RowKeys::default() };
        for uri in presentities {
            if let Some(slot) = self.shards.lock(uri).get(uri) {
                slot.name_rows(&mut keys);
            }
        }
        keys.publications.sort_unstable();
        keys.publications.dedup();
        keys.subscriptions.sort_unstable();
        keys.subscriptions.dedup();
        keys
    }

    /// Makes memory what the database holds. Whatever is owed since the refused decision is bound and told as by any other
    /// event.
    pub(super) fn restore(&self, uri: &Arc<PresentityUri>, rows: Rows, now: Now) {
        let mut shard = self.shards.lock(uri);
        let slot = shard.slot(uri);
        slot.presentity.restore(rows.publications, rows.subscriptions, rows.watchers);
        (slot.is_stale, slot.refused) = (false, RowKeys::default());
        self.take_stock(slot);
        for dialog in slot.presentity.dialogs() {
            self.dialogs.insert(dialog.key, uri.clone());
        }
        self.look_at(slot, now.mono);
    }
}

impl Slot {
    /// Keeps in mind which rows a refused decision was about: what it removed from memory may still be in the database.
    pub(super) fn note_refused(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::PublicationStored { row, .. } => self.refused.publications.push(row.id),
                Change::PublicationContinued { id, .. } | Change::PublicationRemoved { id } => {
                    self.refused.publications.push(*id);
                }
                Change::SubscriptionFetched { row, .. } | Change::SubscriptionStored { row, .. } => {
                    self.refused.subscriptions.push(row.key);
                }
                Change::SubscriptionMoved { row, .. } | Change::SubscriptionRefreshed { row, .. } => {
                    self.refused.subscriptions.push(row.key);
                }
                Change::CseqReserved { key, .. }
                | Change::SubscriptionAuthorized { key, .. }
                | Change::SubscriptionRemoved { key, .. } => self.refused.subscriptions.push(*key),
                // All states of its watchers are read anyway.
                Change::WatcherRemoved { .. } | Change::WatcherStored { .. } => {}
            }
        }
    }

    /// Adds the keys of every row that may be this presentity's.
    fn name_rows(&self, keys: &mut RowKeys) {
        let publications = self.presentity.publications().iter().map(|publication| publication.row.id);
        keys.publications.extend(publications.chain(self.refused.publications.iter().copied()));
        let subscriptions = self.presentity.dialogs().flat_map(Dialog::usages).map(|usage| usage.row.key);
        keys.subscriptions.extend(subscriptions.chain(self.refused.subscriptions.iter().copied()));
    }
}
