//! What a phase saw, and what it cost.

use std::time::Duration;

/// How long some things took, in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    pub(super) fn add(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Returns the time within which `share` of them were done, in microseconds; 0 if there was none.
    pub fn percentile(&self, share: f64) -> u32 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(0)
    }
}

/// What a generator saw in one run.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Requests that were answered as they should be, and all of whose NOTIFYs came.
    pub done: usize,
    /// NOTIFYs received and answered, repetitions excepted.
    pub notified: usize,
    /// From a request to its final answer.
    pub answers: Latencies,
    /// From a request to the last NOTIFY it causes.
    pub notifies: Latencies,
    /// Requests of ours that had to be repeated.
    pub retransmitted: usize,
    /// NOTIFYs that came a second time.
    pub repeated: usize,
    /// What must not be.
    pub faults: Faults,
}

impl Seen {
    /// Adds what another run saw.
    pub(super) fn add(&mut self, other: Self) {
        self.done += other.done;
        self.notified += other.notified;
        self.answers.0.extend(other.answers.0);
        self.notifies.0.extend(other.notifies.0);
        self.retransmitted += other.retransmitted;
        self.repeated += other.repeated;
        self.faults.add(other.faults);
    }
}

/// What must not be, counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Faults {
    /// Answers with another code than the right one, or without what they must carry.
    pub wrong_answers: usize,
    /// NOTIFYs with a CSeq below one that came before, or above the next.
    pub disordered: usize,
    /// Requests whose answer or NOTIFYs never came.
    pub lost: usize,
    /// Watchers whose last document is not what is published.
    pub outdated: usize,
}

impl Faults {
    /// Returns whether there is none.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Returns how many there are.
    pub fn all(self) -> usize {
        self.wrong_answers + self.disordered + self.lost + self.outdated
    }

    /// Adds others.
    pub(crate) fn add(&mut self, other: Self) {
        self.wrong_answers += other.wrong_answers;
        self.disordered += other.disordered;
        self.lost += other.lost;
        self.outdated += other.outdated;
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { wrong_answers, disordered, lost, outdated } = self;
        write!(
            f,
            "{wrong_answers} wrong answers, {disordered} NOTIFYs out of order, {lost} requests lost, {outdated} watchers with an old document"
        )
    }
}

/// One line of the result.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub work: &'static str,
    /// How many requests were unfinished at most.
    pub window: usize,
    /// How often: NOTIFYs in a fan-out, else requests.
    pub operations: usize,
    /// The server's processor time for all of it.
    pub server: Duration,
    /// The database's.
    pub database: Duration,
    /// The time it took.
    pub elapsed: Duration,
    /// What was seen.
    pub seen: Seen,
}

impl Row {
    /// Begins the row of some work, of which nothing is done yet.
    pub(super) fn of(work: &'static str, window: usize) -> Self {
        let (server, database, elapsed) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        Self { work, window, operations: 0, server, database, elapsed, seen: Seen::default() }
    }

    /// Returns the processor time of one operation in microseconds: the server's and the database's.
    pub fn cost(&self) -> (f64, f64) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / self.operations.max(1) as f64;
        (each(self.server), each(self.database))
    }

    /// Returns both together.
    pub fn total_cost(&self) -> f64 {
        let (server, database) = self.cost();
        server + database
    }

    /// Returns operations per second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_added() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(0.5), 0);
        (1..=101).rev().for_each(|ms| latencies.add(Duration::from_millis(ms)));
        let at = |share| latencies.percentile(share) / 1000;
        assert_eq!((at(0.0), at(0.5), at(0.99), at(1.0)), (1, 51, 100, 101));
    }
}
