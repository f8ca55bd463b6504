//! Rows back into memory, at start and after a refused commit.
//!
//! Rows know wall time only. What remains of them is bounded by what was granted, so that a clock set back prolongs
//! nothing.

use std::sync::Arc;

use crate::change::{Moment, Now, PublicationRow, SubscriptionRow, WatcherRow};
use crate::publication::Publication;

/// Returns when something ends whose row says `expires`, granted for at most `granted_s`.
fn deadline(expires: u64, granted_s: u64, now: Now) -> Moment {
    let (expires_ms, granted_ms) = (expires.saturating_mul(1000), granted_s.saturating_mul(1000));
    match expires_ms.checked_sub(now.wall_ms) {
        Some(left_ms) => Moment(now.mono.0.saturating_add(left_ms.min(granted_ms))),
        None => Moment(now.mono.0.saturating_sub(now.wall_ms - expires_ms)),
    }
}

/// Takes up a publication; none lives longer than `max_expires_s` from now.
pub fn publication(row: PublicationRow, max_expires_s: u32, now: Now) -> Publication {
    let deadline = deadline(row.expires, max_expires_s.into(), now);
    Publication { row, deadline }
}

/// Takes up a subscription.
pub fn subscription(row: SubscriptionRow, now: Now) -> (Arc<SubscriptionRow>, Moment) {
    let deadline = deadline(row.expires, row.granted_s.into(), now);
    (Arc::new(row), deadline)
}

/// Takes up an authorisation state: when somebody nobody decided on is given up, `None` for never.
pub fn watcher_deadline(row: &WatcherRow, waiting_time_s: u64, now: Now) -> Option<Moment> {
    (row.deadline > 0).then(|| deadline(row.deadline, waiting_time_s, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_remains_is_bounded_by_what_was_granted_whatever_the_clock_says() {
        let now = Now { mono: Moment(100_000), wall_ms: 5_000_000 };
        let check = |expires, expected| assert_eq!(deadline(expires, 60, now), Moment(expected), "{expires}");
        check(5010, 110_000);
        check(9999, 160_000);
        check(5000, 100_000);
        check(4990, 90_000);
        check(0, 0);
    }

    #[test]
    fn a_part_of_a_second_that_is_over_is_not_given_back() {
        let now = Now { mono: Moment(100_000), wall_ms: 5_000_900 };
        let check = |expires, expected| assert_eq!(deadline(expires, 60, now), Moment(expected), "{expires}");
        check(5010, 109_100);
        check(5001, 100_100);
        check(5000, 99_100);
    }
}
