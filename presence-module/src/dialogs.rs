//! The dialogs of one presentity: found by dialog id and by subscription, remembered while they have something to tell.
//!
//! Pure. Keeps the indexes in step with the dialogs; what a dialog may do next, `dialog.rs` decides.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use slab::Slab;

use crate::change::{Ending, Moment, Status, SubscriptionKey, SubscriptionRow};
use crate::dialog::{Dialog, DialogKey, Settled};

/// Everyone who watches one presentity.
#[derive(Debug, Default)]
pub(crate) struct Dialogs {
    slots: Slab<Dialog>,
    by_key: FxHashMap<DialogKey, usize>,
    by_subscription: FxHashMap<SubscriptionKey, usize>,
    /// Dialogs that may have become due since they were last asked for.
    touched: Vec<usize>,
    /// Dialogs that ended for good since the caller last asked.
    dropped: Vec<DialogKey>,
}

impl Dialogs {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns all of them, in the order they began.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Dialog> {
        self.slots.iter().map(|(_, dialog)| dialog)
    }

    /// Returns those whose subscription is alive, to be changed.
    pub(crate) fn live_mut(&mut self) -> impl Iterator<Item = &mut Dialog> {
        self.slots.iter_mut().map(|(_, dialog)| dialog).filter(|dialog| !dialog.is_ending())
    }

    pub(crate) fn get(&self, key: DialogKey) -> Option<&Dialog> {
        self.by_key.get(&key).map(|&slot| &self.slots[slot])
    }

    /// Returns the dialog of a subscription.
    pub(crate) fn of(&self, subscription: SubscriptionKey) -> Option<&Dialog> {
        self.by_subscription.get(&subscription).map(|&slot| &self.slots[slot])
    }

    /// Takes one in. It follows one that has its id: a subscription that begins again, or under another authorisation.
    pub(crate) fn insert(&mut self, dialog: Dialog) {
        let (key, subscription) = (dialog.key, dialog.row.key);
        let slot = match self.by_key.get(&key) {
            Some(&slot) => {
                let former = std::mem::replace(&mut self.slots[slot], dialog);
                self.slots[slot].follow(&former);
                self.by_subscription.remove(&former.row.key);
                slot
            }
            None => self.slots.insert(dialog),
        };
        self.by_key.insert(key, slot);
        self.by_subscription.insert(subscription, slot);
        self.touched.push(slot);
    }

    /// Takes over the row of a refreshed subscription, and owes its watcher the present state.
    pub(crate) fn refresh(&mut self, row: &Arc<SubscriptionRow>, deadline: Moment, flow: u64) {
        let Some(&slot) = self.by_subscription.get(&row.key) else { return };
        let dialog = &mut self.slots[slot];
        (dialog.row, dialog.deadline, dialog.flow) = (row.clone(), deadline, flow);
        dialog.owe();
        self.touched.push(slot);
    }

    /// Changes the row of a subscription.
    pub(crate) fn change_row(&mut self, key: SubscriptionKey, change: impl FnOnce(&mut SubscriptionRow)) {
        if let Some(&slot) = self.by_subscription.get(&key) {
            change(Arc::make_mut(&mut self.slots[slot].row));
        }
    }

    /// Ends a subscription; its dialog lives until there is nothing more to tell or to wait for.
    pub(crate) fn end(&mut self, key: SubscriptionKey, ending: Ending) {
        if let Some(&slot) = self.by_subscription.get(&key) {
            self.slots[slot].end(ending);
            self.touch_or_drop(slot);
        }
    }

    /// Owes one watcher the present state.
    pub(crate) fn owe(&mut self, key: DialogKey) {
        if let Some(&slot) = self.by_key.get(&key) {
            self.slots[slot].owe();
            self.touched.push(slot);
        }
    }

    /// Owes everyone the present state who sees the document.
    pub(crate) fn owe_document(&mut self) {
        for (slot, dialog) in &mut self.slots {
            if dialog.row.status == Status::Active && !dialog.is_ending() {
                dialog.owe();
                self.touched.push(slot);
            }
        }
    }

    /// Returns the slots of those to which a NOTIFY can be bound, and of some to which none can.
    pub(crate) fn take_touched(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.touched)
    }

    /// Returns the dialog in `slot` if a NOTIFY can be bound to it.
    pub(crate) fn due(&mut self, slot: usize) -> Option<&mut Dialog> {
        self.slots.get_mut(slot).filter(|dialog| dialog.is_due())
    }

    /// Takes back a NOTIFY that never left.
    pub(crate) fn unbind(&mut self, key: DialogKey, cseq: u32) {
        if let Some(&slot) = self.by_key.get(&key) {
            self.slots[slot].unbind(cseq);
            self.touch_or_drop(slot);
        }
    }

    /// Notes that the outcome of a NOTIFY is known. Returns the dialog if it was expected and there is more to come.
    pub(crate) fn settle(&mut self, key: DialogKey, cseq: u32, is_failure: bool) -> Option<&Dialog> {
        let &slot = self.by_key.get(&key)?;
        let settled = self.slots[slot].settle(cseq);
        let is_ending = self.slots[slot].is_ending();
        match settled {
            Settled::Unexpected => None,
            // A watcher that does not take this NOTIFY would not take the last one.
            Settled::Free if !(is_ending && is_failure) => {
                self.touched.push(slot);
                Some(&self.slots[slot])
            }
            Settled::Free | Settled::Over => {
                self.drop(slot);
                None
            }
        }
    }

    /// Takes over what the database holds, after a commit was refused. What is on the wire stays.
    pub(crate) fn restore(&mut self, subscriptions: Vec<(Arc<SubscriptionRow>, Moment)>) {
        let rows: FxHashSet<_> = subscriptions.iter().map(|(row, _)| DialogKey::of_row(row)).collect();
        let gone: Vec<_> =
            self.slots.iter().filter(|(_, dialog)| !rows.contains(&dialog.key)).map(|(slot, _)| slot).collect();
        for slot in gone {
            let dialog = &mut self.slots[slot];
            // The end of a subscription that is in the database is still to be told.
            if !(dialog.is_ending() && dialog.has_spoken()) {
                dialog.end(Ending::Silent);
                self.touch_or_drop(slot);
            }
        }
        for (row, deadline) in subscriptions {
            let key = DialogKey::of_row(&row);
            match self.by_key.get(&key) {
                Some(&slot) => self.slots[slot].restore(row, deadline),
                None => {
                    let mut dialog = Dialog::resume(key, row, deadline);
                    dialog.owe();
                    self.insert(dialog);
                }
            }
        }
        self.touched = self.slots.iter().map(|(slot, _)| slot).collect();
    }

    /// Returns the dialogs that ended for good since the last call.
    pub(crate) fn take_dropped(&mut self) -> Vec<DialogKey> {
        std::mem::take(&mut self.dropped)
    }

    fn touch_or_drop(&mut self, slot: usize) {
        if self.slots[slot].is_over() {
            self.drop(slot);
        } else {
            self.touched.push(slot);
        }
    }

    fn drop(&mut self, slot: usize) {
        let dialog = self.slots.remove(slot);
        self.by_key.remove(&dialog.key);
        self.by_subscription.remove(&dialog.row.key);
        self.dropped.push(dialog.key);
    }
}
