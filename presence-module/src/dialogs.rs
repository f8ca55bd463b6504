//! The dialogs of one presentity: found by dialog id and by subscription, remembered while they have something to tell.
//!
//! Pure. Keeps the indexes in step with the dialogs; what a dialog may do next, `dialog.rs` decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use slab::Slab;

use crate::change::{Ending, Moment, SubscriptionKey, SubscriptionRow};
use crate::dialog::{Dialog, DialogKey, Told};
use crate::usage::{Usage, View};
use crate::watcher_mark::WatcherMark;

/// Everyone who watches one presentity.
#[derive(Debug, Default)]
pub(crate) struct Dialogs {
    slots: Slab<Dialog>,
    by_key: FxHashMap<DialogKey, Place>,
    by_subscription: FxHashMap<SubscriptionKey, Place>,
    /// Those among the subscriptions that are to watcher information: few, and told of every change among the others.
    to_watchers: BTreeSet<SubscriptionKey>,
    /// Dialogs that may have become due since they were last asked for.
    touched: Vec<usize>,
    /// What began and ended since the caller last asked.
    news: Vec<News>,
}

/// What began or ended for good, for those who count.
#[derive(Clone, Debug)]
pub enum News {
    /// A subscription of a watcher.
    Begun(WatcherMark),
    /// A dialog, with everything in it.
    Dropped(DialogKey),
    /// A subscription, told of or not.
    Over(WatcherMark),
}

/// A slot in half the bytes: beside a key of 16 that leaves no gap.
#[derive(Clone, Copy, Debug)]
struct Place(u32);

impl Place {
    fn of(slot: usize) -> Self {
        Self(u32::try_from(slot).expect("nobody has four thousand million dialogs"))
    }

    fn slot(self) -> usize {
        self.0 as usize
    }
}

impl Dialogs {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns how many subscriptions there are, those included whose end is still to be told.
    pub(crate) fn subscription_count(&self) -> usize {
        self.by_subscription.len()
    }

    /// Returns all of them, in the order they began.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Dialog> {
        self.slots.iter().map(|(_, dialog)| dialog)
    }

    /// Returns the subscriptions that are not over, in the order their dialogs began.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Usage> {
        self.iter().flat_map(Dialog::usages).filter(|usage| !usage.is_ending())
    }

    /// Shows each subscription that is not over to `change`, which says whether it is owed something now.
    pub(crate) fn touch_live(&mut self, mut change: impl FnMut(&mut Usage) -> bool) {
        for (slot, dialog) in &mut self.slots {
            let live = dialog.usages_mut().iter_mut().filter(|usage| !usage.is_ending());
            if live.fold(false, |touched, usage| change(usage) | touched) {
                self.touched.push(slot);
            }
        }
    }

    /// Shows each subscription that is not over to `change`, which says whether it is owed something now, from a slot on
    /// until so many are. Returns how many, and the slot to go on from if that is not the end.
    pub(crate) fn touch_from(
        &mut self,
        from: usize,
        most: usize,
        mut change: impl FnMut(&mut Usage) -> bool,
    ) -> (usize, Option<usize>) {
        let mut count = 0;
        for slot in from..self.slots.capacity() {
            if count >= most {
                return (count, Some(slot));
            }
            let Some(dialog) = self.slots.get_mut(slot) else { continue };
            let live = dialog.usages_mut().iter_mut().filter(|usage| !usage.is_ending());
            let touched = live.map(&mut change).filter(|is_owed| *is_owed).count();
            if touched > 0 {
                self.touched.push(slot);
            }
            count += touched;
        }
        (count, None)
    }

    pub(crate) fn get(&self, key: DialogKey) -> Option<&Dialog> {
        Some(&self.slots[self.by_key.get(&key)?.slot()])
    }

    /// Returns a subscription.
    pub(crate) fn usage(&self, key: SubscriptionKey) -> Option<&Usage> {
        self.dialog_of(key)?.usage(key)
    }

    /// Returns the dialog of a subscription.
    pub(crate) fn dialog_of(&self, key: SubscriptionKey) -> Option<&Dialog> {
        Some(&self.slots[self.by_subscription.get(&key)?.slot()])
    }

    /// Takes in a subscription that begins, in a new dialog or in one that is there.
    pub(crate) fn insert(&mut self, key: DialogKey, usage: Usage) {
        let slot = self.place(key, usage, Dialog::begin, Dialog::add);
        self.touched.push(slot);
    }

    /// Takes up a subscription from its row; it is owed nothing.
    pub(crate) fn resume(&mut self, key: DialogKey, usage: Usage) {
        self.place(key, usage, Dialog::resume, Dialog::add_resumed);
    }

    fn place(
        &mut self,
        key: DialogKey,
        usage: Usage,
        begin: fn(DialogKey, Usage) -> Dialog,
        add: fn(&mut Dialog, Usage),
    ) -> usize {
        let (subscription, watcher) = (usage.row.key, WatcherMark::of_row(&usage.row));
        if matches!(usage.view, View::Watchers(_)) {
            self.to_watchers.insert(subscription);
        }
        let slot = match self.by_key.get(&key) {
            Some(place) => {
                add(&mut self.slots[place.slot()], usage);
                place.slot()
            }
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // Doubled each time, half of it would be empty, and a dialog is large.
                    self.slots.reserve_exact(self.slots.len() / 8 + 1);
                }
                self.slots.insert(begin(key, usage))
            }
        };
        self.by_key.insert(key, Place::of(slot));
        if self.by_subscription.insert(subscription, Place::of(slot)).is_none() {
            self.news.push(News::Begun(watcher));
        }
        slot
    }

    /// Changes a subscription, and sees whether it is owed something now.
    pub(crate) fn change(&mut self, key: SubscriptionKey, change: impl FnOnce(&mut Usage)) {
        let Some(slot) = self.by_subscription.get(&key).map(|place| place.slot()) else { return };
        if let Some(usage) = self.slots[slot].usage_mut(key) {
            change(usage);
            self.touch_or_drop(slot);
        }
    }

    /// Returns whether anybody subscribes to watcher information.
    pub(crate) fn is_anybody_to_watchers(&self) -> bool {
        !self.to_watchers.is_empty()
    }

    /// Shows each live subscription to watcher information to `change`.
    pub(crate) fn change_to_watchers(&mut self, mut change: impl FnMut(&mut Usage)) {
        for key in &self.to_watchers {
            let Some(slot) = self.by_subscription.get(key).map(|place| place.slot()) else { continue };
            if let Some(usage) = self.slots[slot].usage_mut(*key).filter(|usage| !usage.is_ending()) {
                change(usage);
                self.touched.push(slot);
            }
        }
    }

    /// Shows each subscription that the watcher ended and has not been told the end of to `change`.
    pub(crate) fn change_unsubscribed(&mut self, mut change: impl FnMut(&mut Usage)) {
        let usages = self.slots.iter_mut().flat_map(|(_, dialog)| dialog.usages_mut());
        usages.filter(|usage| usage.ending() == Some(Ending::Unsubscribed)).for_each(&mut change);
    }

    /// Sees again to the dialogs that wait for `now`.
    pub(crate) fn touch_waiting(&mut self, now: Moment) {
        let waiting = self.slots.iter().filter(|(_, dialog)| dialog.waits_until().is_some_and(|at| at <= now));
        self.touched.extend(waiting.map(|(slot, _)| slot));
    }

    /// Returns the slots of those to which a NOTIFY can be bound, and of some to which none can.
    pub(crate) fn take_touched(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.touched)
    }

    /// Returns the dialog in a slot.
    pub(crate) fn slot(&self, slot: usize) -> Option<&Dialog> {
        self.slots.get(slot)
    }

    /// Returns the dialog in a slot, to be changed.
    pub(crate) fn slot_mut(&mut self, slot: usize) -> Option<&mut Dialog> {
        self.slots.get_mut(slot)
    }

    /// Takes back a NOTIFY that never left.
    pub(crate) fn unbind(&mut self, key: DialogKey, cseq: u32) {
        if let Some(slot) = self.by_key.get(&key).map(|place| place.slot()) {
            self.slots[slot].unbind(cseq);
            self.touch_or_drop(slot);
        }
    }

    /// Takes back a subscription that never began.
    pub(crate) fn take_back(&mut self, row: &SubscriptionRow) {
        self.change(row.key, |usage| {
            // Another may have taken its place.
            if usage.row.watcher_id() == row.watcher_id {
                usage.end(Ending::Silent);
            }
        });
    }

    /// Notes that the outcome of a NOTIFY is known, and returns the subscription it was about if it was expected.
    pub(crate) fn settle(&mut self, key: DialogKey, cseq: u32) -> Option<Told> {
        let slot = self.by_key.get(&key)?.slot();
        let told = self.slots[slot].settle(cseq)?;
        self.touch_or_drop(slot);
        Some(told)
    }

    /// Notes that the watcher in the dialog of a subscription sent a request.
    pub(crate) fn heard(&mut self, key: SubscriptionKey, remote_cseq: u32) {
        if let Some(slot) = self.by_subscription.get(&key).map(|place| place.slot()) {
            self.slots[slot].heard(remote_cseq);
        }
    }

    /// Notes that the watcher in a dialog sent a request that it had sent before.
    pub(crate) fn heard_again(&mut self, key: DialogKey) {
        if let Some(slot) = self.by_key.get(&key).map(|place| place.slot()) {
            self.slots[slot].heard_again();
        }
    }

    /// Ends what is over and not told yet in a dialog whose watcher takes nothing any more.
    pub(crate) fn silence(&mut self, key: DialogKey, about: impl Fn(&Usage) -> bool) {
        let Some(slot) = self.by_key.get(&key).map(|place| place.slot()) else { return };
        let ending = self.slots[slot].usages_mut().iter_mut().filter(|usage| usage.is_ending() && about(usage));
        ending.for_each(|usage| usage.end(Ending::Silent));
        self.touch_or_drop(slot);
    }

    /// Takes over what the database holds, after a commit was refused. What is on the wire stays.
    pub(crate) fn restore(&mut self, subscriptions: Vec<(Arc<SubscriptionRow>, Moment)>) {
        let kept: FxHashSet<_> = self.by_key.keys().copied().collect();
        for (row, deadline) in subscriptions {
            let key = DialogKey::of_row(&row);
            let known = self.by_key.get(&key).and_then(|place| self.slots[place.slot()].usage_mut(row.key));
            match known {
                Some(usage) => usage.restore(&row, deadline),
                None => {
                    let mut usage = Usage::resume(&row, deadline);
                    usage.owe();
                    // If its dialog is still there, its CSeqs go on; else they go on above all that were reserved.
                    let add = if kept.contains(&key) { Dialog::add_restored } else { Dialog::add_resumed };
                    self.place(key, usage, Dialog::resume, add);
                }
            }
        }
        self.slots.iter_mut().for_each(|(_, dialog)| dialog.restore_remote_cseq());
        self.touched = self.slots.iter().map(|(slot, _)| slot).collect();
    }

    /// Returns what began and ended since the last call.
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    fn touch_or_drop(&mut self, slot: usize) {
        for (key, watcher) in self.slots[slot].remove_silent() {
            self.by_subscription.remove(&key);
            self.to_watchers.remove(&key);
            self.news.push(News::Over(watcher));
        }
        if self.slots[slot].is_over() {
            let dialog = self.slots.remove(slot);
            self.by_key.remove(&dialog.key);
            self.news.push(News::Dropped(dialog.key));
        } else {
            self.touched.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a subscription takes beside the texts of its row; whoever makes it larger does so knowingly.
    #[test]
    fn a_subscription_is_small() {
        assert_eq!(size_of::<(DialogKey, Place)>(), 20);
        assert_eq!(size_of::<(SubscriptionKey, Place)>(), 20);
        assert_eq!((size_of::<Usage>(), size_of::<Dialog>()), (152, 200));
    }
}
