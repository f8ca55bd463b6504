//! How many requests of ours may be unanswered at one address (RFC 6665 §6.3): a few until somebody there has accepted one, many
//! afterwards. Those that are too many wait here, in order, and are not sent; each answer lets further ones go.
//!
//! Pure: `now` is an argument. An address is an IPv4 address or an IPv6 /64, whatever the port: who points others at a victim
//! chooses the port. Only a 2xx proves that requests are wanted: a stranger refuses them.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::timers::Moment;
use crate::transport::address::source_of;

/// The addresses that requests go to.
#[derive(Debug)]
pub struct Destinations<T> {
    bounds: Bounds,
    by_address: FxHashMap<IpAddr, Destination<T>>,
    /// Requests that wait, for all addresses together.
    held: usize,
    /// When those that are idle are looked through again.
    sweep_at: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    unproven_max: usize,
    per_destination_max: usize,
}

#[derive(Debug)]
struct Destination<T> {
    unanswered: usize,
    /// When somebody there last accepted a request.
    proven_at: Option<Moment>,
    held: VecDeque<T>,
}

/// What becomes of a request.
#[derive(Debug, Eq, PartialEq)]
pub enum Admitted<T> {
    /// It is sent.
    Now(T),
    /// It waits.
    Later,
    /// Too many wait already.
    Never(T),
}

/// How an address was left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settled {
    /// Somebody there accepted the request just now.
    Accepted(Moment),
    /// Nobody did.
    NotAccepted,
}

/// Requests that may wait for one address, and for all.
const HELD_MAX: usize = 4096;
const HELD_IN_ALL_MAX: usize = 65_536;
/// How long an address is remembered that accepted a request and has none unanswered.
const PROVEN_FOR: Duration = Duration::from_secs(600);
/// How many such are remembered; past that, those of the last minutes only.
const PROVEN_MAX: usize = 65_536;
const SWEEP_EVERY: Duration = Duration::from_secs(10);

impl<T> Destinations<T> {
    /// Lets `unproven_max` requests be unanswered at an address that has accepted none, else `per_destination_max`.
    pub fn new(unproven_max: usize, per_destination_max: usize) -> Self {
        let bounds = Bounds { unproven_max: unproven_max.min(per_destination_max), per_destination_max };
        Self { bounds, by_address: FxHashMap::default(), held: 0, sweep_at: Moment::START }
    }

    /// Takes a request for `remote`.
    pub fn admit(&mut self, remote: &SocketAddr, request: T, now: Moment) -> Admitted<T> {
        self.sweep(now);
        let destination = self.by_address.entry(source_of(remote)).or_default();
        if destination.held.is_empty() && destination.has_room(self.bounds) {
            destination.unanswered += 1;
            return Admitted::Now(request);
        }
        if destination.held.len() >= HELD_MAX || self.held >= HELD_IN_ALL_MAX {
            return Admitted::Never(request);
        }
        destination.held.push_back(request);
        self.held += 1;
        Admitted::Later
    }

    /// Takes note of the end of a request that was sent to `remote`; appends those that are sent now to `released`.
    pub fn on_settled(&mut self, remote: &SocketAddr, settled: Settled, released: &mut Vec<T>) {
        let address = source_of(remote);
        let Some(destination) = self.by_address.get_mut(&address) else { return };
        destination.unanswered = destination.unanswered.saturating_sub(1);
        if let Settled::Accepted(now) = settled {
            destination.proven_at = Some(now);
        }
        while destination.has_room(self.bounds)
            && let Some(request) = destination.held.pop_front()
        {
            destination.unanswered += 1;
            self.held -= 1;
            released.push(request);
        }
        if destination.is_idle() && destination.proven_at.is_none() {
            self.by_address.remove(&address);
        }
    }

    /// Forgets addresses with nothing to wait for: those proven long ago, and if they are many, those not quite so long ago.
    fn sweep(&mut self, now: Moment) {
        if now < self.sweep_at || self.by_address.len() < PROVEN_MAX / 8 {
            return;
        }
        self.sweep_at = now + SWEEP_EVERY;
        for kept_for in [PROVEN_FOR, PROVEN_FOR / 8, SWEEP_EVERY] {
            let is_fresh = |at: Option<Moment>| at.is_some_and(|at| now - at < kept_for);
            self.by_address.retain(|_, destination| !destination.is_idle() || is_fresh(destination.proven_at));
            if self.by_address.len() < PROVEN_MAX {
                break;
            }
        }
    }
}

impl<T> Destination<T> {
    fn has_room(&self, bounds: Bounds) -> bool {
        let max = if self.proven_at.is_some() { bounds.per_destination_max } else { bounds.unproven_max };
        self.unanswered < max
    }

    fn is_idle(&self) -> bool {
        self.unanswered == 0 && self.held.is_empty()
    }
}

impl<T> Default for Destination<T> {
    fn default() -> Self {
        Self { unanswered: 0, proven_at: None, held: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(n: u8, port: u16) -> SocketAddr {
        ([192, 0, 2, n], port).into()
    }

    fn at(s: u64) -> Moment {
        Moment::START + Duration::from_secs(s)
    }

    /// Sends so many to an address, one port each, and says how many left.
    fn send(destinations: &mut Destinations<u16>, n: u8, count: u16) -> usize {
        let admitted = (0..count).map(|port| destinations.admit(&remote(n, port), port, at(0)));
        admitted.filter(|admitted| matches!(admitted, Admitted::Now(_))).count()
    }

    fn settle(destinations: &mut Destinations<u16>, n: u8, settled: Settled) -> Vec<u16> {
        let mut released = Vec::new();
        destinations.on_settled(&remote(n, 9), settled, &mut released);
        released
    }

    #[test]
    fn an_address_that_is_silent_gets_few_whatever_port_it_is_called_by() {
        let mut destinations = Destinations::new(3, 100);
        assert_eq!(send(&mut destinations, 1, 50), 3);
        assert_eq!(send(&mut destinations, 2, 2), 2, "another address has its own");
        // Each that is given up lets one more try.
        assert_eq!(settle(&mut destinations, 1, Settled::NotAccepted), [3]);
        assert_eq!(settle(&mut destinations, 1, Settled::NotAccepted), [4]);
    }

    #[test]
    fn the_first_that_is_accepted_lets_everything_go_in_order() {
        let mut destinations = Destinations::new(2, 100);
        send(&mut destinations, 1, 50);
        assert_eq!(settle(&mut destinations, 1, Settled::Accepted(at(1))), (2..50).collect::<Vec<_>>());
        assert_eq!(send(&mut destinations, 1, 10), 10);
    }

    #[test]
    fn an_address_that_accepts_has_a_bound_too() {
        let mut destinations = Destinations::new(1, 4);
        send(&mut destinations, 1, 1);
        settle(&mut destinations, 1, Settled::Accepted(at(1)));
        assert_eq!(send(&mut destinations, 1, 5), 4);
        assert_eq!(settle(&mut destinations, 1, Settled::Accepted(at(1))), [4]);
    }

    #[test]
    fn who_waits_is_not_overtaken_and_not_too_many_wait() {
        let mut destinations = Destinations::new(1, 10);
        assert_eq!(send(&mut destinations, 1, 1 + HELD_MAX as u16), 1);
        assert_eq!(destinations.admit(&remote(1, 1), 7, at(0)), Admitted::Never(7));
        assert_eq!(destinations.held, HELD_MAX);
        assert_eq!(settle(&mut destinations, 1, Settled::NotAccepted).len(), 1);
        assert_eq!(destinations.admit(&remote(1, 1), 7, at(0)), Admitted::Later);
    }

    #[test]
    fn nothing_is_remembered_of_those_that_did_not_accept_and_of_the_others_for_a_while() {
        let mut destinations = Destinations::new(1, 10);
        send(&mut destinations, 1, 1);
        settle(&mut destinations, 1, Settled::NotAccepted);
        assert!(destinations.by_address.is_empty());
        for n in 0..PROVEN_MAX as u32 / 8 {
            let remote = SocketAddr::from((n.to_be_bytes(), 1));
            destinations.admit(&remote, 0, at(0));
            destinations.on_settled(&remote, Settled::Accepted(at(0)), &mut Vec::new());
        }
        destinations.admit(&remote(1, 1), 0, at(700));
        assert_eq!(destinations.by_address.len(), 1);
    }
}
