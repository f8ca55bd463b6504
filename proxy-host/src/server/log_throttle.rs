//! So many log lines a second, and how many more there would have been.
//!
//! Pure: `now` is the time since some start. The first line past the bound asks for a reminder, so that what was suppressed is
//! told although nothing is logged any more.

use std::time::Duration;

/// Counts the lines of the present second.
#[derive(Debug)]
pub(super) struct Throttle {
    lines_max: usize,
    /// When the present second began.
    began: Duration,
    lines: usize,
    suppressed: u64,
    /// All there ever were.
    suppressed_in_all: u64,
}

/// What becomes of a line.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Admitted {
    /// It is written, after it is told how many were not, if any.
    Line {
        /// How many were not.
        suppressed: u64,
    },
    /// It is not written.
    Suppressed,
    /// It is not written, and is the first: how many were not is to be told after so long.
    FirstSuppressed(Duration),
}

const SECOND: Duration = Duration::from_secs(1);

impl Throttle {
    pub(super) fn new(lines_max: usize) -> Self {
        Self { lines_max, began: Duration::ZERO, lines: 0, suppressed: 0, suppressed_in_all: 0 }
    }

    /// Decides on a line.
    pub(super) fn on_line(&mut self, now: Duration) -> Admitted {
        if now.saturating_sub(self.began) >= SECOND {
            (self.began, self.lines) = (now, 0);
        }
        self.lines += 1;
        if self.lines <= self.lines_max {
            return Admitted::Line { suppressed: std::mem::take(&mut self.suppressed) };
        }
        self.suppressed += 1;
        self.suppressed_in_all += 1;
        match self.suppressed {
            1 => Admitted::FirstSuppressed((self.began + SECOND).saturating_sub(now)),
            _ => Admitted::Suppressed,
        }
    }

    /// Returns how many lines were suppressed and not told of yet.
    pub(super) fn take_suppressed(&mut self) -> u64 {
        std::mem::take(&mut self.suppressed)
    }

    /// Returns how many lines were suppressed so far.
    pub(super) fn suppressed_in_all(&self) -> u64 {
        self.suppressed_in_all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_at_the_bound_is_written_and_what_is_past_it_is_counted() {
        let mut throttle = Throttle::new(2);
        assert_eq!(throttle.on_line(ms(5000)), Admitted::Line { suppressed: 0 });
        assert_eq!(throttle.on_line(ms(5400)), Admitted::Line { suppressed: 0 });
        assert_eq!(throttle.on_line(ms(5400)), Admitted::FirstSuppressed(ms(600)));
        assert_eq!(throttle.on_line(ms(5999)), Admitted::Suppressed);
        assert_eq!(throttle.on_line(ms(6000)), Admitted::Line { suppressed: 2 });
        assert_eq!(throttle.on_line(ms(6001)), Admitted::Line { suppressed: 0 });
        assert_eq!((throttle.take_suppressed(), throttle.suppressed_in_all()), (0, 2));
    }

    #[test]
    fn a_million_times_the_same_is_told_in_few_lines_and_one_number() {
        let mut throttle = Throttle::new(10);
        let written = (0..1_000_000).filter(|_| matches!(throttle.on_line(ms(1)), Admitted::Line { .. })).count();
        assert_eq!((written, throttle.take_suppressed()), (10, 999_990));
    }
}
