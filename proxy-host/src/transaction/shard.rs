//! A part of a table under its own lock: transactions in their slots, their timers, and the order in which the
//! completed ones may be let go.
//!
//! Never decides when anything happens; it is told.

use super::slots::{SLOTS_MAX, Slots};
use super::timers::{Moment, Wheel};
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;

/// All parts of one table.
#[derive(Debug)]
pub(crate) struct Shards<T>(Box<[Part<T>]>);

/// On cache lines of its own, so that two workers in two parts do not disturb each other.
#[derive(Debug)]
#[repr(align(128))]
struct Part<T>(Mutex<Shard<T>>);

#[derive(Debug)]
pub(crate) struct Shard<T> {
    pub(crate) slots: Slots<T>,
    pub(crate) wheel: Wheel,
    number: u32,
    /// Slots and generations in the order they were completed; those that have gone since are passed over.
    completed: VecDeque<(u32, u32)>,
}

/// What a transaction is known by outside: its slot, and the generation that makes the slot this transaction's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Handle {
    shard: u32,
    slot: u32,
    generation: u32,
}

impl Handle {
    pub(crate) fn from_bits(bits: u64) -> Self {
        let (generation, low) = ((bits >> 32) as u32, bits as u32);
        Self { shard: low % SHARDS as u32, slot: low / SHARDS as u32, generation }
    }

    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot * SHARDS as u32 + self.shard)
    }
}

impl<T> Shards<T> {
    pub(crate) fn new() -> Self {
        let shard = |number| Shard { slots: Slots::new(), wheel: Wheel::new(), number, completed: VecDeque::new() };
        Self((0..SHARDS as u32).map(|number| Part(Mutex::new(shard(number)))).collect())
    }

    /// Locks the part that keys with this hash lie in.
    pub(crate) fn of_hash(&self, hash: u64) -> MutexGuard<'_, Shard<T>> {
        // The index inside a part takes the low bits.
        self.0[(hash >> 32) as usize % SHARDS].0.lock()
    }

    pub(crate) fn of_handle(&self, handle: Handle) -> MutexGuard<'_, Shard<T>> {
        self.0[handle.shard as usize].0.lock()
    }

    /// Locks one part after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Shard<T>>> {
        self.0.iter().map(|part| part.0.lock())
    }

    /// Locks one part after the other, except those that are locked: for a caller that holds a lock already.
    pub(crate) fn each_free(&self) -> impl Iterator<Item = MutexGuard<'_, Shard<T>>> {
        self.0.iter().filter_map(|part| part.0.try_lock())
    }
}

impl<T> Shard<T> {
    /// Returns the handle of the transaction in `slot`.
    pub(crate) fn handle(&self, slot: u32) -> u64 {
        Handle { shard: self.number, slot, generation: self.slots.generation(slot) }.to_bits()
    }

    /// Returns the transaction that `handle` means and its slot, unless it has gone.
    pub(crate) fn by_handle(&mut self, handle: Handle) -> Option<(u32, &mut T)> {
        self.slots.get_mut(handle.slot, handle.generation).map(|it| (handle.slot, it))
    }

    /// Sets the timer of `slot`, where there is one to set.
    pub(crate) fn wake(&mut self, slot: u32, at: Option<Moment>) {
        if let Some(at) = at {
            self.wheel.set(slot, at);
        }
    }

    /// Notes that the transaction in `slot` may be let go, after all that were noted before.
    pub(crate) fn note_completed(&mut self, slot: u32) {
        self.completed.push_back((slot, self.slots.generation(slot)));
    }

    /// Takes out the transaction in `slot`.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        self.wheel.cancel(slot);
        let removed = self.slots.remove(slot);
        // Transactions are completed and forgotten in the same order, so what has gone is at the front.
        while let Some(&(slot, generation)) = self.completed.front()
            && self.slots.get_mut(slot, generation).is_none()
        {
            self.completed.pop_front();
        }
        if let Some(left) = self.slots.trim() {
            self.wheel.truncate(left);
            self.completed.shrink_to(2 * self.completed.len());
        }
        removed
    }

    /// Returns the slot of the transaction that was completed first.
    pub(crate) fn oldest_completed(&self) -> Option<u32> {
        self.completed.front().map(|(slot, _)| *slot)
    }
}

/// Parts of a table; a handle has six bits for them.
const SHARDS: usize = 64;
const _: () = assert!(SHARDS * SLOTS_MAX <= 1 << 32, "a slot and its shard share 32 bits");

#[cfg(test)]
mod tests {
    use super::*;

    fn check(handle: Handle) {
        assert_eq!(Handle::from_bits(handle.to_bits()), handle);
    }

    #[test]
    fn a_handle_survives_being_a_number() {
        let slot = SLOTS_MAX as u32 - 1;
        check(Handle { shard: 63, slot, generation: u32::MAX });
        check(Handle { shard: 0, slot: 0, generation: 1 });
        check(Handle { shard: 5, slot: 70_000, generation: 9 });
    }

    #[test]
    fn the_oldest_completed_goes_first_and_those_that_have_gone_are_passed_over() {
        let shards = Shards::new();
        let mut shard = shards.of_hash(0);
        let slots: Vec<u32> = (0..4).map(|n| shard.slots.insert(n, n).unwrap()).collect();
        slots[1..].iter().for_each(|slot| shard.note_completed(*slot));
        assert_eq!(shard.remove(slots[1]), Some(1));
        assert_eq!(shard.remove(slots[0]), Some(0));
        let again = shard.slots.insert(9, 9).unwrap();
        assert!(slots.contains(&again));
        for expected in [2, 3] {
            let oldest = shard.oldest_completed().unwrap();
            assert_eq!(shard.remove(oldest), Some(expected));
        }
        assert_eq!(shard.oldest_completed(), None);
        assert_eq!(shard.slots.filter(|_| true), [again]);
    }
}
