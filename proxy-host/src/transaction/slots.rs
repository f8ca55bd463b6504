//! Where transactions lie: numbered slots with generations, found again by number or by the hash of a key.
//!
//! A slot used again has a new generation, so that a stale handle names nothing. Never hashes or compares keys
//! itself, and never decides who goes.

use rustc_hash::FxHashMap;

#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// The first slot of each chain of values whose keys have the same hash.
    index: FxHashMap<u64, u32>,
    free: u32,
    used: usize,
    /// Values taken out since it was last looked whether slots can be given back.
    removed: usize,
    /// The highest generation of a slot that was given back: one in its place begins there.
    born: u32,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    hash: u64,
    generation: u32,
    /// The next in this value's chain, or the next free slot.
    next: u32,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), index: FxHashMap::default(), free: NONE, used: 0, removed: 0, born: 0 }
    }

    /// Stores `value`, or gives it back where no slot is left or too many keys have this hash.
    ///
    /// The caller has looked for its key first: nothing is replaced.
    pub(crate) fn insert(&mut self, hash: u64, value: T) -> Result<u32, T> {
        if self.chain(hash).count() >= CHAIN_MAX {
            return Err(value);
        }
        let number = match self.free {
            NONE if self.slots.len() >= SLOTS_MAX => return Err(value),
            NONE => {
                self.slots.push(Slot { value: None, hash: 0, generation: self.born, next: NONE });
                (self.slots.len() - 1) as u32
            }
            number => {
                self.free = self.slots[number as usize].next;
                number
            }
        };
        let next = self.index.insert(hash, number).unwrap_or(NONE);
        let slot = &mut self.slots[number as usize];
        // Generation 0 is never given out, so that the handle 0 names nothing.
        let generation = slot.generation.wrapping_add(1).max(1);
        *slot = Slot { value: Some(value), hash, generation, next };
        self.used += 1;
        Ok(number)
    }

    /// Takes the value of slot `number` out; the slot may be used again.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let slot = self.slots.get_mut(number as usize)?;
        let value = slot.value.take()?;
        let (hash, next) = (slot.hash, slot.next);
        slot.next = self.free;
        self.free = number;
        self.unchain(hash, number, next);
        self.used -= 1;
        self.removed += 1;
        Some(value)
    }

    /// Gives back the memory of what a burst left behind, now and then, and returns how many slots there are then.
    ///
    /// Low numbers are used first from then on, so that what is in use moves away from the end.
    pub(crate) fn trim(&mut self) -> Option<usize> {
        let slots = self.slots.len();
        let is_time = self.used == 0 || (self.used <= slots / 4 && self.removed >= slots / 4);
        if slots < TRIMMED_MIN || !is_time {
            return None;
        }
        let left = self.slots.iter().rposition(|slot| slot.value.is_some()).map_or(0, |last| last + 1);
        let given_back = self.slots.drain(left..).map(|slot| slot.generation).max();
        self.born = self.born.max(given_back.unwrap_or(0));
        self.slots.shrink_to_fit();
        self.index.shrink_to(2 * self.used);
        (self.free, self.removed) = (NONE, 0);
        for (number, slot) in self.slots.iter_mut().enumerate().rev().filter(|(_, slot)| slot.value.is_none()) {
            slot.next = std::mem::replace(&mut self.free, number as u32);
        }
        Some(left)
    }

    /// Returns the value a handle means, or `None` where it has gone.
    pub(crate) fn get_mut(&mut self, number: u32, generation: u32) -> Option<&mut T> {
        let slot = self.slots.get_mut(number as usize)?;
        if slot.generation != generation { None } else { slot.value.as_mut() }
    }

    /// Returns whatever value lies in slot `number`.
    pub(crate) fn at_mut(&mut self, number: u32) -> Option<&mut T> {
        self.slots.get_mut(number as usize)?.value.as_mut()
    }

    /// Returns the generation of slot `number`.
    pub(crate) fn generation(&self, number: u32) -> u32 {
        self.slots.get(number as usize).map_or(0, |slot| slot.generation)
    }

    /// Returns the slot of the value under `hash` that `is_it` recognises.
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(&T) -> bool) -> Option<u32> {
        self.chain(hash).find(|number| self.slots[*number as usize].value.as_ref().is_some_and(&mut is_it))
    }

    /// Returns the numbers of the slots in use whose values `is_it` recognises, in order.
    pub(crate) fn filter(&self, mut is_it: impl FnMut(&T) -> bool) -> Vec<u32> {
        let in_use = (0..).zip(&self.slots).filter(|(_, slot)| slot.value.as_ref().is_some_and(&mut is_it));
        in_use.map(|(number, _)| number).collect()
    }

    fn chain(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let first = self.index.get(&hash).copied();
        std::iter::successors(first, |number| match self.slots[*number as usize].next {
            NONE => None,
            next => Some(next),
        })
    }

    fn unchain(&mut self, hash: u64, number: u32, next: u32) {
        let first = self.index.get(&hash).copied().unwrap_or(NONE);
        if first == number {
            match next {
                NONE => self.index.remove(&hash),
                _ => self.index.insert(hash, next),
            };
            return;
        }
        let before = self.chain(hash).find(|candidate| self.slots[*candidate as usize].next == number);
        if let Some(before) = before {
            self.slots[before as usize].next = next;
        }
    }
}

/// Values under one hash. An honest peer needs two, a request and its CANCEL; the bound keeps one that sends a branch
/// again and again under invented methods from making the chain long.
const CHAIN_MAX: usize = 8;
/// Slots in one table: what a handle has bits for.
pub(crate) const SLOTS_MAX: usize = 1 << 24;
/// Fewer slots than this are not worth giving back.
const TRIMMED_MIN: usize = if cfg!(test) { 4 } else { 256 };
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_handle_names_nothing_once_its_value_has_gone() {
        let mut slots = Slots::new();
        let first = slots.insert(7, "a").unwrap();
        let old = slots.generation(first);
        assert_eq!(slots.remove(first), Some("a"));
        assert_eq!(slots.remove(first), None);
        let second = slots.insert(7, "b").unwrap();
        assert_eq!(second, first);
        assert_eq!(slots.get_mut(first, old), None);
        let new = slots.generation(second);
        assert_eq!(slots.get_mut(second, new), Some(&mut "b"));
        assert_eq!(slots.get_mut(99, 1), None);
    }

    #[test]
    fn one_hash_holds_a_bounded_number_of_keys() {
        let mut slots = Slots::new();
        for n in 0..CHAIN_MAX {
            assert!(slots.insert(7, n).is_ok());
        }
        assert_eq!(slots.insert(7, 99), Err(99));
        assert!(slots.insert(8, 99).is_ok());
    }

    #[test]
    fn a_burst_leaves_nothing_behind() {
        let mut slots = Slots::new();
        let burst: Vec<u32> = (0..1000).map(|n| slots.insert(n, n).unwrap()).collect();
        let old = slots.generation(0);
        let later = slots.insert(5000, 5000).unwrap();
        burst.into_iter().for_each(|number| assert!(slots.remove(number).is_some()));
        assert_eq!(slots.trim(), Some(1001), "the last is in use");
        assert_eq!(slots.insert(6000, 6000), Ok(0));
        slots.remove(later);
        slots.remove(0);
        assert_eq!((slots.trim(), slots.slots.capacity(), slots.index.capacity()), (Some(0), 0, 0));
        assert_eq!(slots.insert(7000, 7000), Ok(0));
        assert_eq!(slots.get_mut(0, old), None, "it is another slot");
    }

    proptest! {
        #[test]
        fn values_are_found_until_they_are_removed(steps in prop::collection::vec((0_u64..6, any::<bool>()), 0..80)) {
            let mut slots = Slots::new();
            let mut plain: Vec<(u64, usize)> = Vec::new();
            let mut gone_handles: Vec<(u32, u32)> = Vec::new();
            for (step, (hash, insert)) in steps.into_iter().enumerate() {
                if insert {
                    if slots.insert(hash, (hash, step)).is_ok() { plain.push((hash, step)); }
                } else if let Some(gone) = plain.iter().position(|(other, _)| *other == hash) {
                    let value = plain.remove(gone);
                    let number = slots.find(hash, |other| *other == value).unwrap();
                    gone_handles.push((number, slots.generation(number)));
                    prop_assert_eq!(slots.remove(number), Some(value));
                    slots.trim();
                }
                for (number, generation) in &gone_handles {
                    prop_assert_eq!(slots.get_mut(*number, *generation), None);
                }
                prop_assert_eq!(slots.filter(|_| true).len(), plain.len());
                for value in &plain {
                    prop_assert!(slots.find(value.0, |other| other == value).is_some());
                }
            }
        }
    }
}
