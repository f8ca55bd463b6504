//! When something ends that was granted for a time, as far as who asked for it can know.

use std::time::{Duration, Instant};

/// The span in which the end lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    earliest: Instant,
    latest: Instant,
}

/// Rows hold whole seconds: a start may find up to one less than was granted.
const ROUNDED: Duration = Duration::from_secs(1);
/// A deadline is met within a quarter of a second, if the machine has time for it.
const LATE: Duration = Duration::from_secs(3);

impl Lifetime {
    /// Returns the lifetime of what was asked for at `sent`, and granted `granted_s` by an answer that came at `answered`.
    pub(super) fn granted(sent: Instant, answered: Instant, granted_s: u32) -> Self {
        let granted = Duration::from_secs(granted_s.into());
        Self { earliest: Self::earliest_end(sent, granted_s), latest: answered + granted + LATE }
    }

    /// Returns when something may have ended that was asked for at `sent` for `granted_s`.
    pub(super) fn earliest_end(sent: Instant, granted_s: u32) -> Instant {
        sent + Duration::from_secs(granted_s.into()).saturating_sub(ROUNDED)
    }

    /// Returns whether it may have ended.
    pub(super) fn may_be_over(self, now: Instant) -> bool {
        now >= self.earliest
    }

    /// Returns whether it must have ended.
    pub(super) fn is_over(self, now: Instant) -> bool {
        now >= self.latest
    }
}
