//! How many requests may be in service so that none waits long: as many as are answered in some tens of milliseconds.
//!
//! Pure: samples in, a number out. Where a request alone takes long, as with a distant database, those that wait for it may
//! take twice that; else many would be sent away while the database could do more.

use std::time::Duration;

use super::timers::Moment;

/// What is measured, and what follows.
#[derive(Debug)]
pub(super) struct Pace {
    max: usize,
    limit: usize,
    /// How long a request takes while there is little else to do.
    alone: Duration,
    /// Of the present interval.
    began: Moment,
    sum: Duration,
    count: u32,
    was_refused: bool,
}

/// How long a request may be in service by our own doing, on average: one in a hundred takes three to five times that, where a
/// commit is slow, and is to be answered within a tenth of a second all the same.
const TARGET: Duration = Duration::from_millis(20);
/// How often the number is looked at again.
const INTERVAL: Duration = Duration::from_millis(50);
/// No fewer than that, however slow they are: what is committed together costs least.
const LIMIT_MIN: usize = 64;
/// With fewer than these a request is as good as alone.
pub(super) const FEW: usize = 8;

impl Pace {
    pub(super) fn new(max: usize) -> Self {
        let (alone, sum) = (Duration::ZERO, Duration::ZERO);
        Self { max, limit: max, alone, began: Moment::START, sum, count: 0, was_refused: false }
    }

    /// Takes note that a request had to wait for its turn.
    pub(super) fn on_refused(&mut self) {
        self.was_refused = true;
    }

    /// Takes note of how long a request was in service, with how many others when it began; returns how many may be.
    pub(super) fn on_answered(&mut self, took: Duration, others: usize, now: Moment) -> usize {
        if others < FEW {
            // An eighth of each: one that was slow by chance does not count for much.
            self.alone = (self.alone * 7 + took) / 8;
        }
        self.sum += took;
        self.count += 1;
        if now - self.began >= INTERVAL {
            self.adjust();
            (self.began, self.sum, self.count, self.was_refused) = (now, Duration::ZERO, 0, false);
        }
        self.limit
    }

    fn adjust(&mut self) {
        let average = self.sum / self.count.max(1);
        let target = TARGET.max(self.alone * 2);
        if average > target {
            let by = target.as_secs_f64() / average.as_secs_f64();
            self.limit = ((self.limit as f64 * by.max(0.5)) as usize).max(LIMIT_MIN.min(self.max));
        } else if self.was_refused || self.limit < self.max && average < target / 2 {
            self.limit = (self.limit + self.limit / 8 + 1).min(self.max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a server answer, `rate` a second and each alone taking `alone_ms`, for 40 intervals in which everybody wants more;
    /// returns how many may be in service at the end.
    fn run(pace: &mut Pace, rate: u32, alone_ms: u64) -> usize {
        for _ in 0..40 {
            let took = Duration::from_millis(alone_ms).max(Duration::from_secs(1) * pace.limit as u32 / rate);
            pace.on_refused();
            pace.on_answered(took, pace.limit, pace.began + INTERVAL / 2);
            pace.on_answered(took, pace.limit, pace.began + INTERVAL);
        }
        pace.limit
    }

    #[test]
    fn a_fast_server_may_have_all_and_a_slow_one_what_it_answers_soon() {
        assert_eq!(run(&mut Pace::new(512), 50_000, 1), 512);
        let some = run(&mut Pace::new(512), 5_000, 1);
        assert!((70..=135).contains(&some), "{some}");
        assert_eq!(run(&mut Pace::new(512), 500, 1), LIMIT_MIN);
    }

    #[test]
    fn a_distant_database_is_given_enough_to_do() {
        let mut pace = Pace::new(512);
        for n in 0..100 {
            pace.on_answered(Duration::from_millis(60), 0, Moment::START + Duration::from_millis(60 * n));
        }
        assert_eq!(run(&mut pace, 8_000, 60), 512);
    }

    #[test]
    fn what_was_slow_for_a_while_recovers() {
        let mut pace = Pace::new(512);
        assert_eq!(run(&mut pace, 500, 1), LIMIT_MIN);
        assert_eq!(run(&mut pace, 50_000, 1), 512);
    }

    #[test]
    fn a_small_bound_is_kept() {
        assert_eq!(run(&mut Pace::new(8), 10, 1), 8);
    }
}
