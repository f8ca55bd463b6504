//! How many requests are carried out at a time, and how that is shared between those they come from.
//!
//! A request is in service from its transaction's begin to its answer. Whoever takes requests in asks first whether their
//! source has room: alone, a source may have all there is; together, each has its share, so that what waits in front of one
//! source's request is never all that another one can send. How many there may be follows from how long they take (`pace.rs`).
//! Sources are told apart by a keyed hash: two that meet in one place share a share, and nobody can choose with whom.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::pace::{FEW, Pace};
use super::timers::Moment;
use crate::transport::address::source_of;

/// The requests in service.
#[derive(Debug)]
pub struct InService {
    /// How many there may be at present.
    limit: AtomicUsize,
    pace: Mutex<Pace>,
    total: AtomicUsize,
    /// Places in `by_source` that are not zero.
    active: AtomicUsize,
    by_source: Box<[AtomicU32]>,
    hasher: RandomState,
}

/// Where the requests of a source are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place(u16);

/// A request in service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entered {
    place: Place,
    /// Whether it was one of few.
    is_among_few: bool,
    at: Moment,
}

const PLACES: usize = 4096;

impl InService {
    /// Allows for `max` requests in all; each source may always have one.
    pub fn new(max: usize) -> Self {
        let by_source = (0..PLACES).map(|_| AtomicU32::new(0)).collect();
        let (total, active) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (limit, pace) = (AtomicUsize::new(max), Mutex::new(Pace::new(max)));
        Self { limit, pace, total, active, by_source, hasher: RandomState::new() }
    }

    /// Returns whether there is so little to do that nobody needs to be asked for whose it is.
    pub fn is_calm(&self) -> bool {
        self.total.load(Ordering::Relaxed) < self.limit() / 2
    }

    /// Returns whether one more request from `remote` may be carried out.
    pub fn has_room(&self, remote: &SocketAddr) -> bool {
        let has_room = self.is_calm() || self.has_share(self.place(remote));
        if !has_room {
            self.pace.lock().on_refused();
        }
        has_room
    }

    fn has_share(&self, place: Place) -> bool {
        let own = self.by_source[usize::from(place.0)].load(Ordering::Relaxed) as usize;
        // Who has none yet is one more.
        let sources = self.active.load(Ordering::Relaxed) + usize::from(own == 0);
        own < (self.limit() / sources.max(1)).max(1)
    }

    fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Counts a request from `remote`.
    pub(super) fn enter(&self, remote: &SocketAddr, now: Moment) -> Entered {
        let place = self.place(remote);
        let others = self.total.fetch_add(1, Ordering::Relaxed);
        if self.by_source[usize::from(place.0)].fetch_add(1, Ordering::Relaxed) == 0 {
            self.active.fetch_add(1, Ordering::Relaxed);
        }
        Entered { place, is_among_few: others < FEW, at: now }
    }

    /// Counts a request that was entered as answered.
    pub(super) fn leave(&self, entered: Entered, now: Moment) {
        let others = if entered.is_among_few { 0 } else { FEW };
        let limit = self.pace.lock().on_answered(now - entered.at, others, now);
        self.limit.store(limit, Ordering::Relaxed);
        self.give_up(entered);
    }

    /// Counts a request that was entered as one that nobody will answer.
    pub(super) fn give_up(&self, Entered { place, .. }: Entered) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        if self.by_source[usize::from(place.0)].fetch_sub(1, Ordering::Relaxed) == 1 {
            self.active.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn place(&self, remote: &SocketAddr) -> Place {
        Place((self.hasher.hash_one(source_of(remote)) % PLACES as u64) as u16)
    }

    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns sources of which no two meet in one place.
    fn sources<const N: usize>(in_service: &InService) -> [SocketAddr; N] {
        let mut taken = Vec::new();
        let mut found = (0..=255).map(|n| SocketAddr::from(([192, 0, 2, n], 5060))).filter(|source| {
            let place = in_service.place(source);
            let is_free = !taken.contains(&place);
            taken.push(place);
            is_free
        });
        std::array::from_fn(|_| found.next().expect("of 256 most have a place of their own"))
    }

    /// Enters as many from `source` as have room, and says how many that were.
    fn fill(in_service: &InService, source: &SocketAddr) -> Vec<Entered> {
        std::iter::from_fn(|| in_service.has_room(source).then(|| in_service.enter(source, Moment::START))).collect()
    }

    #[test]
    fn one_source_alone_may_have_everything() {
        let in_service = InService::new(100);
        let [one] = sources(&in_service);
        assert_eq!(fill(&in_service, &one).len(), 100);
        assert!(!in_service.has_room(&one) && !in_service.is_calm());
    }

    #[test]
    fn another_one_has_its_share_whatever_the_first_has_taken_and_the_first_gets_no_more() {
        let in_service = InService::new(100);
        let [one, another] = sources(&in_service);
        let first = fill(&in_service, &one);
        assert_eq!(fill(&in_service, &another).len(), 50);
        for entered in &first[..50] {
            assert!(!in_service.has_room(&one));
            in_service.leave(*entered, Moment::START);
        }
        assert!(!in_service.has_room(&one));
        in_service.leave(first[50], Moment::START);
        assert!(in_service.has_room(&one));
    }

    #[test]
    fn shares_grow_again_when_sources_have_nothing_left_to_do() {
        let in_service = InService::new(100);
        let [one, others @ ..] = sources::<11>(&in_service);
        let others = others.map(|source| in_service.enter(&source, Moment::START));
        assert!(fill(&in_service, &one).len() < 100);
        others.into_iter().for_each(|entered| in_service.leave(entered, Moment::START));
        fill(&in_service, &one);
        assert_eq!(in_service.total(), 100);
    }

    #[test]
    fn everybody_may_have_one() {
        let in_service = InService::new(8);
        for source in sources::<40>(&in_service) {
            assert!(in_service.has_room(&source), "{source}");
            in_service.enter(&source, Moment::START);
        }
    }
}
