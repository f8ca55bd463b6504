//! What size costs: servers that differ in how many subscriptions they hold, side by side, and the same work on each in turn.

use std::ops::Range;

use super::agents::Work;
use super::figures::{Row, Seen};
use super::generator::{Generator, Pace};
use super::phases::{Site, Step, TIMER_J, WATCHERS_EACH, WINDOW, u32_of};
use super::subject::{Running, Subject};
use super::wire::Wire;

/// How often each server has its turn.
const ROUNDS: usize = 5;
/// How far watchers are from each other that subscribe one after the other: a prime, so that all have their turn.
const STRIDE: usize = 15_485_863;

/// Measures servers of `sizes`, in subscriptions, smallest first.
pub(super) fn measure(subject: Subject, sizes: &[usize]) -> Vec<Step> {
    let sample = sizes.first().map_or(0, |smallest| smallest / WATCHERS_EACH);
    let mut grown: Vec<_> = sizes.iter().map(|size| Grown::new(subject, size / WATCHERS_EACH)).collect();
    if !grown.is_empty() {
        // What the last of them remembers of requests that are over is no part of its size.
        std::thread::sleep(TIMER_J);
    }
    grown.iter_mut().for_each(Grown::weigh);
    for round in 0..ROUNDS {
        grown.iter_mut().for_each(|one| one.take_turn(sample, round));
    }
    grown.into_iter().map(Grown::into_step).collect()
}

struct Grown {
    site: Site,
    users: usize,
    /// Resident memory: before there was anything in it, and all that came since.
    empty: u64,
    grown: u64,
    filled: Seen,
    modify: Row,
    refresh: Row,
    scattered: Row,
}

impl Grown {
    /// Starts a server and fills it.
    fn new(subject: Subject, users: usize) -> Self {
        let watched = (0..users).flat_map(|user| std::iter::repeat_n(u32_of(user), WATCHERS_EACH));
        let generator = |server: &Running| Generator::new(Wire::udp(server.udp_address()), users, watched);
        let mut site = Site::new(0, subject.start(), generator);
        let empty = site.server.processes().memory().resident;
        let mut filled = site.generator.run(Work::PublishInitial, 0..users, Pace::window(WINDOW));
        let subscribers = began(users * WATCHERS_EACH, 0..users * WATCHERS_EACH);
        filled.add(site.generator.run(Work::SubscribeInitial, subscribers, Pace::window(WINDOW)));
        let row = || Row::of("a turn", WINDOW);
        Self { site, users, empty, grown: 0, filled, modify: row(), refresh: row(), scattered: row() }
    }

    fn weigh(&mut self) {
        self.grown = self.site.server.processes().memory().resident.saturating_sub(self.empty);
    }

    /// Does as much as every other server, with each turn for others: for users from all over, for watchers from all over,
    /// and for watchers who subscribed one after the other.
    fn take_turn(&mut self, sample: usize, round: usize) {
        let (chosen, pace) = (Chosen { all: self.users, sample, round }, Pace::window(WINDOW));
        self.site.measure(&mut self.modify, 1, |it| it.run(Work::PublishModify, chosen.users(), pace));
        let watchers = chosen.users().map(|user| user * WATCHERS_EACH + round % WATCHERS_EACH);
        self.site.measure(&mut self.scattered, 1, |it| it.run(Work::SubscribeRefresh, watchers, pace));
        let subscriptions = self.users * WATCHERS_EACH;
        let first = subscriptions / ROUNDS * round;
        let neighbours = began(subscriptions, first..first + sample);
        self.site.measure(&mut self.refresh, 1, |it| it.run(Work::SubscribeRefresh, neighbours, pace));
    }

    fn into_step(self) -> Step {
        let subscriptions = self.users * WATCHERS_EACH;
        let mut faults = self.filled.faults;
        faults.add(self.modify.seen.faults);
        faults.add(self.refresh.seen.faults);
        faults.add(self.scattered.seen.faults);
        Step {
            subscriptions,
            modify: self.modify.total_cost(),
            refresh: self.refresh.total_cost(),
            scattered: self.scattered.total_cost(),
            bytes: self.grown as f64 / subscriptions as f64,
            faults,
        }
    }
}

/// Returns who of `watchers` subscribe as those of numbers `places`: neighbours in time watch different users.
fn began(watchers: usize, places: Range<usize>) -> impl ExactSizeIterator<Item = usize> {
    places.map(move |place| place * STRIDE % watchers)
}

/// Whom a turn is about.
#[derive(Clone, Copy)]
struct Chosen {
    all: usize,
    sample: usize,
    round: usize,
}

impl Chosen {
    fn users(self) -> impl ExactSizeIterator<Item = usize> {
        let stride = self.all / self.sample;
        let places: Range<usize> = 0..self.sample;
        places.map(move |n| n * stride + self.round % stride)
    }
}
