//! What waits in a worker while there is more to do than can be done: each source has a queue of its own, and they take turns.
//!
//! Pure: `now` is an argument, and who may have its turn is the caller's to say. Of a datagram nothing is looked at but its
//! source and whether it is a response: those are never held back, for they end what is under way.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::transaction::timers::{Moment, T1};
use crate::transport::address::{Peer, source_of};

/// Datagrams of all sources, in the order of their turns.
#[derive(Debug)]
pub(super) struct Backlog {
    per_source_max: usize,
    sources: FxHashMap<IpAddr, Source>,
    /// Those with something in their queues, each once.
    turns: VecDeque<IpAddr>,
    requests: usize,
    responses: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Source {
    requests: VecDeque<Waiting>,
    responses: VecDeque<Waiting>,
    bytes: usize,
}

/// One datagram.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) peer: Peer,
    pub(super) bytes: Box<[u8]>,
    arrived: Moment,
}

/// So many sources may fill their queues; more share what there is.
const FULL_QUEUES: usize = 8;

/// Room for each datagram in a queue: many are smaller, few are larger.
const DATAGRAM_BYTES: usize = 2048;

/// What has waited so long is not looked at any more: its sender sends it again, or has, and must not be answered twice.
pub(super) const PATIENCE: Duration = T1.saturating_sub(Duration::from_millis(100));

impl Backlog {
    pub(super) fn new(per_source_max: usize) -> Self {
        let (sources, turns) = (FxHashMap::default(), VecDeque::new());
        Self { per_source_max, sources, turns, requests: 0, responses: 0, bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests + self.responses == 0
    }

    /// Keeps a datagram. Returns `false` if its source's queue is full: it is dropped.
    pub(super) fn push(&mut self, peer: Peer, bytes: &[u8], now: Moment) -> bool {
        let address = source_of(&peer.remote);
        let is_response = bytes.starts_with(b"SIP/");
        let in_all_max = FULL_QUEUES * self.per_source_max;
        if self.bytes + bytes.len() > in_all_max * DATAGRAM_BYTES || self.sources.len() >= in_all_max {
            return false;
        }
        let share = in_all_max / (self.sources.len() + 1);
        let queue_max = self.per_source_max.min(share.max(1));
        let source = self.sources.entry(address).or_default();
        if source.is_empty() {
            self.turns.push_back(address);
        }
        let is_full = self.requests + self.responses >= in_all_max;
        let is_too_long = source.bytes + bytes.len() > queue_max * DATAGRAM_BYTES;
        let (queue, count) = match is_response {
            true => (&mut source.responses, &mut self.responses),
            false => (&mut source.requests, &mut self.requests),
        };
        // One is taken however long it is: else its source would have a turn and nothing to do with it.
        if !queue.is_empty() && (is_full || is_too_long || queue.len() >= queue_max) {
            return false;
        }
        queue.push_back(Waiting { peer, bytes: bytes.into(), arrived: now });
        *count += 1;
        source.bytes += bytes.len();
        self.bytes += bytes.len();
        true
    }

    /// Moves up to `most` datagrams into `out`, one of each source after the other. A request needs `has_room` for its
    /// source. Returns how many were dropped because they had waited too long.
    pub(super) fn take(
        &mut self,
        out: &mut Vec<Waiting>,
        most: usize,
        now: Moment,
        mut has_room: impl FnMut(&Peer) -> bool,
    ) -> usize {
        let (mut stale, mut passed) = (0, 0);
        while out.len() < most && passed < self.turns.len() {
            let Some(address) = self.turns.pop_front() else { break };
            let Some(source) = self.sources.get_mut(&address) else { continue };
            while source.requests.front().is_some_and(|waiting| now - waiting.arrived >= PATIENCE) {
                self.bytes -= source.drop_oldest();
                self.requests -= 1;
                stale += 1;
            }
            let mut took = false;
            if let Some(response) = source.responses.pop_front() {
                self.responses -= 1;
                source.bytes -= response.bytes.len();
                self.bytes -= response.bytes.len();
                out.push(response);
                took = true;
            }
            let is_next = |waiting: &Waiting| has_room(&waiting.peer);
            if out.len() < most
                && source.requests.front().is_some_and(is_next)
                && let Some(request) = source.requests.pop_front()
            {
                self.requests -= 1;
                source.bytes -= request.bytes.len();
                self.bytes -= request.bytes.len();
                out.push(request);
                took = true;
            }
            if source.is_empty() {
                self.sources.remove(&address);
            } else {
                self.turns.push_back(address);
                // Once round without anything to take is enough.
                passed = if took { 0 } else { passed + 1 };
            }
        }
        stale
    }
}

impl Source {
    /// Drops the oldest request, and returns how many bytes it had.
    fn drop_oldest(&mut self) -> usize {
        let bytes = self.requests.pop_front().map_or(0, |oldest| oldest.bytes.len());
        self.bytes -= bytes;
        bytes
    }

    fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.responses.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> Peer {
        Peer::udp(([192, 0, 2, n], 5060).into(), 0)
    }

    fn at(ms: u64) -> Moment {
        Moment::START + Duration::from_millis(ms)
    }

    /// Takes so many, and tells each by the last byte of its source and its text.
    fn take(backlog: &mut Backlog, most: usize, now: Moment, has_room: impl FnMut(&Peer) -> bool) -> Vec<(u8, String)> {
        let mut out = Vec::new();
        backlog.take(&mut out, most, now, has_room);
        let last = |peer: &Peer| match peer.remote.ip() {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => 0,
        };
        out.iter().map(|it| (last(&it.peer), String::from_utf8_lossy(&it.bytes).into_owned())).collect()
    }

    #[test]
    fn sources_take_turns_however_much_one_of_them_has_sent() {
        let mut backlog = Backlog::new(1000);
        for _ in 0..900 {
            assert!(backlog.push(peer(1), b"flood", at(0)));
        }
        backlog.push(peer(2), b"a", at(0));
        backlog.push(peer(2), b"b", at(0));
        let taken = take(&mut backlog, 4, at(1), |_| true);
        assert_eq!(taken, [(1, "flood".into()), (2, "a".into()), (1, "flood".into()), (2, "b".into())]);
        assert_eq!(take(&mut backlog, 1000, at(1), |_| true).len(), 898);
        assert!(backlog.is_empty());
    }

    #[test]
    fn a_full_queue_drops_and_fills_no_other() {
        let mut backlog = Backlog::new(2);
        let pushed: Vec<_> = (0..3).map(|_| backlog.push(peer(1), b"x", at(0))).collect();
        assert_eq!(pushed, [true, true, false]);
        assert!(backlog.push(peer(2), b"x", at(0)));
        assert!(backlog.push(peer(1), b"SIP/2.0 200 OK", at(0)), "responses have a queue of their own");
    }

    #[test]
    fn long_datagrams_fill_a_queue_sooner_and_leave_it_empty() {
        let mut backlog = Backlog::new(4);
        let long = vec![b'x'; 3000];
        let pushed: Vec<_> = (0..3).map(|_| backlog.push(peer(1), &long, at(0))).collect();
        assert_eq!(pushed, [true, true, false]);
        assert_eq!(take(&mut backlog, 9, at(1), |_| true).len(), 2);
        assert!(backlog.push(peer(1), &long, at(2)));
        assert_eq!(backlog.take(&mut Vec::new(), 9, at(900), |_| true), 1);
        assert!(backlog.is_empty());
    }

    #[test]
    fn many_sources_together_fill_no_more_than_a_few_would() {
        let mut backlog = Backlog::new(64);
        for n in 0..=255 {
            (0..64).for_each(|_| _ = backlog.push(peer(n), b"x", at(0)));
        }
        let taken = take(&mut backlog, usize::MAX, at(1), |_| true).len();
        assert!(taken <= FULL_QUEUES * 64 + 256, "{taken}");
        assert!(taken >= 256, "everybody has a place");
    }

    #[test]
    fn a_source_without_room_waits_and_the_others_and_its_responses_go_on() {
        let mut backlog = Backlog::new(10);
        backlog.push(peer(1), b"request", at(0));
        backlog.push(peer(1), b"SIP/2.0 200 OK", at(0));
        backlog.push(peer(2), b"other", at(0));
        let has_room = |peer: &Peer| peer.remote.ip() != IpAddr::from([192, 0, 2, 1]);
        assert_eq!(take(&mut backlog, 10, at(1), has_room), [(1, "SIP/2.0 200 OK".into()), (2, "other".into())]);
        assert_eq!(take(&mut backlog, 10, at(2), |_| false), []);
        assert_eq!(take(&mut backlog, 10, at(3), |_| true), [(1, "request".into())]);
    }

    #[test]
    fn a_request_that_waited_until_it_is_sent_again_is_dropped_and_a_response_is_not() {
        let mut backlog = Backlog::new(10);
        backlog.push(peer(1), b"old", at(0));
        backlog.push(peer(1), b"SIP/2.0 200 OK", at(0));
        backlog.push(peer(1), b"young", at(399));
        let mut out = Vec::new();
        assert_eq!(backlog.take(&mut out, 10, at(400), |_| true), 1);
        let texts: Vec<_> = out.iter().map(|it| &*it.bytes).collect();
        assert_eq!(texts, [b"SIP/2.0 200 OK" as &[u8], b"young"]);
    }
}
