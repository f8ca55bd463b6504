//! Deadlines of presentities, in buckets of a quarter of a second: cheap to set, never early, at most one bucket late.
//!
//! A wake-up names a presentity, not what expires: whoever is woken finds out, and is set anew if nothing is due yet. A presentity
//! has one at the most, and leaves none when it is forgotten: there are no more of them than presentities.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::change::Moment;
use crate::presentity_uri::PresentityUri;

/// The width of a bucket.
pub const TICK_MS: u64 = 250;

/// What is to be looked at, and when.
#[derive(Default)]
pub(super) struct Timers(Mutex<Buckets>);

#[derive(Default)]
struct Buckets {
    /// By bucket, then in the order in which they were set.
    wake_ups: BTreeMap<(u64, u64), Arc<PresentityUri>>,
    last: u64,
}

/// A wake-up that is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct WakeUp {
    pub(super) at: Moment,
    number: u64,
}

impl WakeUp {
    fn key(self) -> (u64, u64) {
        (self.at.0.div_ceil(TICK_MS), self.number)
    }
}

impl Timers {
    /// Looks at `presentity` once `at` has passed, and not at `former` any more.
    pub(super) fn set(&self, presentity: Arc<PresentityUri>, at: Moment, former: Option<WakeUp>) -> WakeUp {
        let mut buckets = self.0.lock();
        buckets.last += 1;
        let wake_up = WakeUp { at, number: buckets.last };
        former.map(|former| buckets.wake_ups.remove(&former.key()));
        buckets.wake_ups.insert(wake_up.key(), presentity);
        wake_up
    }

    /// Looks at nobody then.
    pub(super) fn unset(&self, wake_up: WakeUp) {
        self.0.lock().wake_ups.remove(&wake_up.key());
    }

    /// Returns how many wake-ups are set.
    pub(super) fn count(&self) -> usize {
        self.0.lock().wake_ups.len()
    }

    /// Removes and returns what is due at `now`.
    pub(super) fn due(&self, now: Moment) -> Vec<Arc<PresentityUri>> {
        let mut buckets = self.0.lock();
        let later = buckets.wake_ups.split_off(&(now.0 / TICK_MS + 1, 0));
        std::mem::replace(&mut buckets.wake_ups, later).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dana() -> Arc<PresentityUri> {
        Arc::new(PresentityUri::new("dana", "pres.example"))
    }

    #[test]
    fn nothing_is_early_and_nothing_is_later_than_a_bucket() {
        let timers = Timers::default();
        timers.set(dana(), Moment(1001), None);
        assert_eq!(timers.due(Moment(1001 - 1)), []);
        assert_eq!(timers.due(Moment(1249)), []);
        assert_eq!(timers.due(Moment(1250)), [dana()]);
        assert_eq!(timers.due(Moment(9999)), []);
    }

    #[test]
    fn a_wake_up_that_is_moved_or_unset_leaves_nothing() {
        let timers = Timers::default();
        let late = timers.set(dana(), Moment(9000), None);
        let early = timers.set(dana(), Moment(1000), Some(late));
        assert_eq!(timers.count(), 1);
        assert_eq!(timers.due(Moment(1000)), [dana()]);
        assert_eq!(timers.count(), 0);
        // It was met meanwhile.
        timers.unset(early);
        let again = timers.set(dana(), Moment(9000), Some(early));
        timers.unset(again);
        assert_eq!(timers.count(), 0);
    }
}
