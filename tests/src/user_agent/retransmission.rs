//! When a request is sent again, and when its sender gives up (RFC 3261 §17.1.2.2, timers E and F).
//!
//! Pure: the present is an argument.

use std::time::{Duration, Instant};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const TIMER_F: Duration = Duration::from_secs(32);

/// The timers of one client transaction.
#[derive(Clone, Debug)]
pub(crate) struct Retransmission {
    interval: Duration,
    next: Option<Instant>,
    give_up: Instant,
}

impl Retransmission {
    /// Starts the timers; a reliable transport repeats nothing.
    pub(crate) fn start(now: Instant, is_reliable: bool) -> Self {
        Self { interval: T1, next: (!is_reliable).then(|| now + T1), give_up: now + TIMER_F }
    }

    /// Returns when to look again.
    pub(crate) fn next_timeout(&self) -> Instant {
        self.next.map_or(self.give_up, |next| next.min(self.give_up))
    }

    /// Returns whether to send again.
    pub(crate) fn on_time(&mut self, now: Instant, has_provisional: bool) -> bool {
        let Some(next) = self.next.filter(|next| *next <= now) else { return false };
        self.interval = if has_provisional { T2 } else { (self.interval * 2).min(T2) };
        self.next = Some(next + self.interval);
        true
    }

    /// Returns whether timer F has fired.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.give_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies_at(is_reliable: bool) -> Vec<u128> {
        let start = Instant::now();
        let mut timers = Retransmission::start(start, is_reliable);
        let mut sent = Vec::new();
        loop {
            let now = timers.next_timeout();
            if timers.is_over(now) {
                return sent;
            }
            if timers.on_time(now, false) {
                sent.push((now - start).as_millis());
            }
        }
    }

    #[test]
    fn copies_leave_as_rfc_3261_counts_them() {
        assert_eq!(copies_at(false), [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
        assert!(copies_at(true).is_empty());
    }
}
