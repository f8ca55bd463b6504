//! Time as the transaction layer counts it (RFC 3261 §17.1.2.2, Appendix A; RFC 4320 §4), and the wheel its timers
//! hang on.
//!
//! Never reads a clock: `now` is always given.

use std::ops::{Add, Sub};
use std::time::Duration;

/// The round trip expected of the network: the unit of all other timers.
pub const T1: Duration = Duration::from_millis(500);
/// The longest pause between two copies of a non-INVITE request.
pub const T2: Duration = Duration::from_secs(4);
/// The longest a message stays in the network.
pub const T4: Duration = Duration::from_secs(5);
/// Timer F: how long a non-INVITE client transaction waits for a final response.
pub const TIMER_F: Duration = T1.saturating_mul(64);
/// Timer J: how long a completed non-INVITE server transaction repeats its answer over UDP.
pub const TIMER_J: Duration = T1.saturating_mul(64);
/// Timer K: how long a completed non-INVITE client transaction absorbs repeated finals over UDP.
pub const TIMER_K: Duration = T4;
/// When a request without an answer is given a 100, and over UDP never earlier (RFC 4320 §4.1).
pub const TRYING_AFTER: Duration = T1.saturating_mul(7);

/// A point in time: how long after the server's start.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(u64);

impl Moment {
    /// The server's start.
    pub const START: Self = Self(0);

    /// Returns the moment `nanos` nanoseconds after the server's start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the server's start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// Returns the time from `earlier` to `self`, or none at all where `earlier` is the later one.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Holds at most one timer for each slot number, in buckets of [`TICK`].
///
/// Setting and cancelling touch three links. A cancelled timer is gone at once, so that the wheel never holds more
/// entries than there are slots, however fast transactions come and go. A timer never fires early, except one set
/// further away than the wheel turns: its owner looks at its own deadline and sets it again.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// None before the first timer is set: most wheels of a small server never turn.
    heads: Box<[u32]>,
    links: Vec<Link>,
    /// Every bucket up to this tick has been emptied.
    swept: u64,
    /// How many timers are set.
    set: usize,
}

/// How exact a timer is: it fires up to this much late.
pub const TICK: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
    bucket: u32,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self { heads: Box::default(), links: Vec::new(), swept: 0, set: 0 }
    }

    /// Sets the timer of `slot` to `at`, whatever it was set to.
    pub(crate) fn set(&mut self, slot: u32, at: Moment) {
        self.cancel(slot);
        let index = slot as usize;
        if self.links.len() <= index {
            self.links.resize(index + 1, UNSET);
        }
        if self.heads.is_empty() {
            self.heads = vec![NONE; BUCKETS].into_boxed_slice();
        }
        let tick = at.0.div_ceil(TICK_NANOS).clamp(self.swept + 1, self.swept + BUCKETS as u64);
        let bucket = (tick % BUCKETS as u64) as usize;
        let next = std::mem::replace(&mut self.heads[bucket], slot);
        if next != NONE {
            self.links[next as usize].previous = slot;
        }
        self.links[index] = Link { previous: NONE, next, bucket: bucket as u32 };
        self.set += 1;
    }

    /// Forgets the timer of `slot`, if it has one.
    pub(crate) fn cancel(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        let Link { previous, next, bucket } = std::mem::replace(link, UNSET);
        if bucket == NONE {
            return;
        }
        self.set -= 1;
        match previous {
            NONE => self.heads[bucket as usize] = next,
            _ => self.links[previous as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
    }

    /// Gives back the memory of the slots from `count` on, none of which has a timer.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.links.truncate(count);
        self.links.shrink_to_fit();
    }

    /// Takes one slot whose time has come; its timer is no longer set.
    pub(crate) fn pop_due(&mut self, now: Moment) -> Option<u32> {
        let reached = now.0 / TICK_NANOS;
        // After a long pause one turn of the wheel meets every bucket.
        self.swept = self.swept.max(reached.saturating_sub(BUCKETS as u64));
        if self.set == 0 {
            self.swept = self.swept.max(reached);
        }
        while self.swept < reached {
            let slot = self.heads[((self.swept + 1) % BUCKETS as u64) as usize];
            if slot != NONE {
                self.cancel(slot);
                return Some(slot);
            }
            self.swept += 1;
        }
        None
    }
}

/// Buckets in one turn of the wheel: 51.2 s, more than the longest timer.
const BUCKETS: usize = 1024;
const TICK_NANOS: u64 = TICK.as_nanos() as u64;
const NONE: u32 = u32::MAX;
const UNSET: Link = Link { previous: NONE, next: NONE, bucket: NONE };

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn due(wheel: &mut Wheel, now_ms: u64) -> Vec<u32> {
        let mut slots: Vec<u32> = std::iter::from_fn(|| wheel.pop_due(at(now_ms))).collect();
        slots.sort_unstable();
        slots
    }

    fn check(set_ms: &[u64], now_ms: u64, expected: &[u32]) {
        let mut wheel = Wheel::new();
        for (slot, ms) in (0..).zip(set_ms) {
            wheel.set(slot, at(*ms));
        }
        assert_eq!(due(&mut wheel, now_ms), expected, "timers {set_ms:?} at {now_ms} ms");
    }

    #[test]
    fn a_timer_fires_on_its_tick_and_never_before() {
        check(&[500], 499, &[]);
        check(&[500], 500, &[0]);
        check(&[501], 549, &[]);
        check(&[501], 550, &[0]);
        check(&[100, 100, 150, 32_000], 120, &[0, 1]);
    }

    #[test]
    fn a_long_pause_fires_everything_once() {
        check(&[50, 500, 32_000], 3_600_000, &[0, 1, 2]);
    }

    #[test]
    fn setting_again_replaces_and_cancelling_forgets() {
        let mut wheel = Wheel::new();
        for slot in 0..4 {
            wheel.set(slot, at(500));
        }
        wheel.set(1, at(700));
        wheel.cancel(2);
        wheel.cancel(9);
        assert_eq!(due(&mut wheel, 600), [0, 3]);
        assert_eq!(due(&mut wheel, 700), [1]);
        assert_eq!(due(&mut wheel, 100_000), [0_u32; 0]);
    }

    #[test]
    fn the_timers_of_the_standards_have_their_values() {
        let ms = |timer: Duration| timer.as_millis();
        assert_eq!([T1, T2, T4].map(ms), [500, 4000, 5000]);
        assert_eq!([TIMER_F, TIMER_J, TIMER_K, TRYING_AFTER].map(ms), [32_000, 32_000, 5000, 3500]);
    }

    proptest! {
        /// Whatever is set, set again and cancelled: each timer left fires once, on its tick.
        #[test]
        fn the_wheel_agrees_with_a_plain_map(steps in prop::collection::vec((0_u32..16, prop::option::of(1_u64..40_000)), 0..64)) {
            let mut wheel = Wheel::new();
            let mut plain = std::collections::BTreeMap::new();
            for (slot, ms) in steps {
                match ms {
                    Some(ms) => { wheel.set(slot, at(ms)); plain.insert(slot, ms.div_ceil(50) * 50); }
                    None => { wheel.cancel(slot); plain.remove(&slot); }
                }
            }
            for now_ms in (0..=40_000).step_by(50) {
                let expected: Vec<u32> = plain.iter().filter(|(_, ms)| **ms == now_ms).map(|(slot, _)| *slot).collect();
                prop_assert_eq!(due(&mut wheel, now_ms), expected);
            }
        }
    }
}
