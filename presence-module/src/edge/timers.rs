//! Deadlines of presentities, in buckets of a quarter of a second: cheap to set, never early, at most one bucket late.
//!
//! A bucket names presentities, not what expires: whoever is woken finds out, and is set anew if nothing is due yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::change::Moment;
use crate::presentity_uri::PresentityUri;

/// The width of a bucket.
pub const TICK_MS: u64 = 250;

/// What is to be looked at, and when.
#[derive(Default)]
pub(super) struct Timers {
    buckets: Mutex<BTreeMap<u64, Vec<Arc<PresentityUri>>>>,
}

impl Timers {
    /// Looks at `presentity` once `at` has passed.
    pub(super) fn set(&self, presentity: Arc<PresentityUri>, at: Moment) {
        self.buckets.lock().entry(at.0.div_ceil(TICK_MS)).or_default().push(presentity);
    }

    /// Returns how many wake-ups are set.
    pub(super) fn count(&self) -> usize {
        self.buckets.lock().values().map(Vec::len).sum()
    }

    /// Removes and returns what is due at `now`.
    pub(super) fn due(&self, now: Moment) -> Vec<Arc<PresentityUri>> {
        let mut buckets = self.buckets.lock();
        let mut due = Vec::new();
        while let Some(first) = buckets.first_entry()
            && *first.key() <= now.0 / TICK_MS
        {
            due.append(&mut first.remove());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_early_and_nothing_is_later_than_a_bucket() {
        let timers = Timers::default();
        let dana = Arc::new(PresentityUri::new("dana", "pres.example"));
        timers.set(dana.clone(), Moment(1001));
        assert_eq!(timers.due(Moment(1001 - 1)), []);
        assert_eq!(timers.due(Moment(1249)), []);
        assert_eq!(timers.due(Moment(1250)), [dana]);
        assert_eq!(timers.due(Moment(9999)), []);
    }
}
