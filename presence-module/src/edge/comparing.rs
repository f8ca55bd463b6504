//! Rows of the database beside memory: whether they are the same, and what becomes of those that are not.
//!
//! Under the lock of the presentity, and only while nothing about it is staged: then memory is what this server wrote, and
//! every difference is another program's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::commit_queue::Entry;
use super::core::Core;
use super::shards::Slot;
use crate::change::{Now, PublicationRow, SubscriptionKey};
use crate::dialog::DialogKey;
use crate::effect::Decision;
use crate::presentity::{Found, Presentity};
use crate::presentity_uri::PresentityUri;
use crate::store::{Stored, recovery};

/// The key of a row of `presentity` or of `active_watchers`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum RowKey {
    Publication(u64),
    Subscription(SubscriptionKey),
}

/// Where a row is, or was: whose it is, and its key.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) presentity: Arc<PresentityUri>,
    pub(super) key: RowKey,
    /// How often it was looked at in vain.
    pub(super) looks: u8,
}

/// A row that is not as memory has it; `None` if it is gone.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) place: Place,
    pub(super) row: Option<Stored>,
}

/// How a row is beside memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seen {
    AsItIs,
    Other,
    /// It is another, but something is being decided: this may be why.
    Unsettled,
}

/// How many rows came, changed and are gone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    pub(super) came: usize,
    pub(super) changed: usize,
    pub(super) gone: usize,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.came += other.came;
        self.changed += other.changed;
        self.gone += other.gone;
    }
}

impl Place {
    /// Returns where a row is that the sweep looks at.
    pub(super) fn of(row: &Stored) -> Option<Self> {
        let (presentity, key) = match row {
            Stored::Publication(row) => (&row.presentity, RowKey::Publication(row.id)),
            Stored::Subscription(row) => (&row.presentity, RowKey::Subscription(row.key)),
            Stored::Skipped { .. } | Stored::Watcher(_) => return None,
        };
        Some(Self { presentity: presentity.clone(), key, looks: 0 })
    }
}

impl Core {
    /// Compares what is in a place with what memory has there.
    pub(super) fn compare(&self, place: &Place, row: Option<&Stored>) -> Seen {
        let mut shard = self.shards.lock(&place.presentity);
        let Some(slot) = shard.get(&place.presentity) else {
            return if row.is_some() { Seen::Other } else { Seen::AsItIs };
        };
        match is_held(&slot.presentity, place.key, row) {
            true => Seen::AsItIs,
            false if self.is_settled(slot) => Seen::Other,
            false => Seen::Unsettled,
        }
    }

    /// Takes up what is not as memory has it, and returns how much that was; `None` if something came in between.
    pub(super) fn take_up_found(&self, uri: &Arc<PresentityUri>, differences: Vec<Difference>) -> Option<Counts> {
        // What is over, or denied, is ended first, and by itself: it must not come back by the row that is removed with it.
        let (place, now) = self.begin().ok()?;
        self.step_locked(uri, self.shards.lock(uri), place, now, |_, _| Decision::default()).ok()?;
        let (place, _) = self.begin().ok()?;
        let mut shard = self.shards.lock(uri);
        let slot = shard.slot(uri);
        if !self.is_settled(slot) {
            return None;
        }
        let now = slot.latest(now);
        let (found, counts) = found(&slot.presentity, differences, self.earliest(now));
        let decide = |presentity: &mut Presentity, now| {
            let dialogs: Vec<_> = found.subscriptions.iter().map(|(row, _)| DialogKey::of_row(row)).collect();
            let decision = presentity.on_found(found, now);
            for dialog in dialogs.into_iter().filter(|dialog| presentity.dialog(*dialog).is_some()) {
                self.dialogs.insert(dialog, uri.clone());
            }
            decision
        };
        self.step_locked(uri, shard, place, now, decide).ok().map(|()| counts)
    }

    /// Sees to it that a presentity about which there is always something being decided is read anew, this row among its.
    pub(super) fn read_anew(&self, place: &Place) {
        let mut shard = self.shards.lock(&place.presentity);
        let slot = shard.slot(&place.presentity);
        match place.key {
            RowKey::Publication(id) => slot.refused.publications.push(id),
            RowKey::Subscription(key) => slot.refused.subscriptions.push(key),
        }
        if !slot.is_stale {
            slot.is_stale = true;
            slot.staged = self.queue.push_order(Entry::ReadBack(place.presentity.clone()));
        }
    }

    /// Sees to it that no publication gets the key of a row that another program wrote.
    pub(super) fn note_key(&self, row: &Stored) {
        // Beyond, whoever chose the key would leave none to choose.
        if let Stored::Publication(PublicationRow { id: id @ ..KEY_MAX, .. }) = row {
            self.next_publication_id.fetch_max(id + 1, Ordering::Relaxed);
        }
    }
}

/// Keys of publications that are followed up to here.
const KEY_MAX: u64 = 1 << 62;

impl Slot {
    /// Returns the keys of the rows that memory holds.
    pub(super) fn row_keys(&self) -> impl Iterator<Item = RowKey> {
        let publications = self.presentity.publications().iter().map(|it| RowKey::Publication(it.row.id));
        publications.chain(self.presentity.subscriptions().map(|usage| RowKey::Subscription(usage.row.key)))
    }
}

/// Returns whether memory holds exactly what is in a place.
fn is_held(presentity: &Presentity, key: RowKey, row: Option<&Stored>) -> bool {
    match (key, row) {
        (RowKey::Publication(id), None) => presentity.publication(id).is_none(),
        (RowKey::Subscription(key), None) => presentity.subscription(key).is_none(),
        (_, Some(Stored::Publication(row))) => presentity.publication(row.id).is_some_and(|known| is_same(known, row)),
        (_, Some(Stored::Subscription(row))) => presentity.subscription(row.key).is_some_and(|known| *known == **row),
        (_, Some(_)) => true,
    }
}

/// Returns whether two rows of a publication are the same, as far as a row says so: it knows no milliseconds.
fn is_same(known: &PublicationRow, row: &PublicationRow) -> bool {
    let PublicationRow { id, presentity, event, entity_tag, expires, received_at_ms, body } = known;
    (id, presentity, event, entity_tag, expires, received_at_ms / 1000, body)
        == (&row.id, &row.presentity, &row.event, &row.entity_tag, &row.expires, row.received_at_ms / 1000, &row.body)
}

/// Sorts differences, as of the moment `now`.
fn found(presentity: &Presentity, differences: Vec<Difference>, now: Now) -> (Found, Counts) {
    let (mut found, mut counts) = (Found::default(), Counts::default());
    for Difference { place, row } in differences {
        let is_known = !is_held(presentity, place.key, None);
        match &row {
            None => counts.gone += 1,
            Some(_) if is_known => counts.changed += 1,
            Some(_) => counts.came += 1,
        }
        match (row, place.key) {
            (None, RowKey::Publication(id)) => found.gone_publications.push(id),
            (None, RowKey::Subscription(key)) => found.gone_subscriptions.push(key),
            // Nobody granted it: it ends when it says.
            (Some(Stored::Publication(row)), _) => found.publications.push(recovery::publication(row, u32::MAX, now)),
            (Some(Stored::Subscription(row)), _) => found.subscriptions.push(recovery::subscription(*row, now)),
            (Some(Stored::Skipped { .. } | Stored::Watcher(_)), _) => {}
        }
    }
    (found, counts)
}
