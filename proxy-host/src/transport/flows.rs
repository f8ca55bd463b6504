//! The connections that are open: a number for each, a bounded queue into each, and limits on how many there are.
//!
//! A number is never given twice, so that one kept too long reaches nobody else. Never reads or writes a socket:
//! `tcp.rs` does, and drops its `Registration` when the connection has ended.

use super::address::{Peer, Transport, source_of};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// All open connections of the host.
pub struct Flows {
    limits: FlowLimits,
    state: Mutex<State>,
    on_closed: Box<dyn Fn(Peer) + Send + Sync>,
    /// What happened to connections so far.
    pub counters: FlowCounters,
}

/// How many connections there may be, and how much may wait in each.
#[derive(Clone, Copy, Debug)]
pub struct FlowLimits {
    /// Connections in all.
    pub connections_max: usize,
    /// Connections of one source: an IPv4 address, or an IPv6 /64.
    pub connections_per_source_max: usize,
    /// Messages that wait to be written on one connection.
    pub queue_messages_max: usize,
}

impl Default for FlowLimits {
    fn default() -> Self {
        Self { connections_max: 16_384, connections_per_source_max: 1024, queue_messages_max: 256 }
    }
}

/// What happened to connections so far.
#[derive(Debug, Default)]
pub struct FlowCounters {
    /// Connections that have been open.
    pub opened: AtomicU64,
    /// Connections refused by a limit.
    pub refused: AtomicU64,
    /// Messages for connections that were not there any more.
    pub messages_without_flow: AtomicU64,
    /// Messages that found the queue of their connection full.
    pub messages_without_room: AtomicU64,
}

/// Why a connection may not be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The source has as many as one may have.
    TooManyFromSource,
    /// There are as many as there may be.
    TooMany,
}

/// Why a message will not be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Undelivered {
    /// The connection has ended.
    Closed,
    /// Too much waits in its queue: the peer does not read.
    QueueFull,
}

#[derive(Default)]
struct State {
    last_flow: u64,
    by_flow: FxHashMap<u64, Entry>,
    /// Connections that are open, those included whose last bytes are on their way.
    connections: usize,
    /// The newest connection to each address from each of our sockets.
    by_remote: FxHashMap<(Transport, SocketAddr, u32), u64>,
    by_source: FxHashMap<IpAddr, usize>,
}

struct Entry {
    peer: Peer,
    queue: mpsc::Sender<Vec<u8>>,
}

impl Flows {
    /// Makes an empty registry; `on_closed` is told of each connection that ends, after it has gone from here.
    pub fn new(limits: FlowLimits, on_closed: impl Fn(Peer) + Send + Sync + 'static) -> Arc<Self> {
        let counters = FlowCounters::default();
        Arc::new(Self { limits, state: Mutex::default(), on_closed: Box::new(on_closed), counters })
    }

    /// Gives the connection to `remote` a number and a queue.
    pub fn register(
        self: &Arc<Self>,
        transport: Transport,
        remote: SocketAddr,
        local_socket: u32,
    ) -> Result<Registration, Refused> {
        let mut state = self.state.lock();
        self.register_locked(&mut state, transport, remote, local_socket)
    }

    /// Returns the newest connection to `remote`, or registers one for the caller to open.
    ///
    /// Two callers who both find none do not open two.
    pub fn find_or_register(
        self: &Arc<Self>,
        transport: Transport,
        remote: SocketAddr,
        local_socket: u32,
    ) -> Result<Found, Refused> {
        let mut state = self.state.lock();
        match state.by_remote.get(&(transport, remote, local_socket)) {
            Some(flow) => Ok(Found::Open(Peer { transport, remote, local_socket, flow: *flow, local: None })),
            None => self.register_locked(&mut state, transport, remote, local_socket).map(Found::New),
        }
    }

    /// Returns who is at the far end of a connection, if it is open.
    pub fn peer(&self, flow: u64) -> Option<Peer> {
        self.state.lock().by_flow.get(&flow).map(|entry| entry.peer)
    }

    /// Queues a message, given in parts, on a connection. Never waits.
    pub fn send(&self, flow: u64, parts: &[&[u8]]) -> Result<(), Undelivered> {
        let queue = self.state.lock().by_flow.get(&flow).map(|entry| entry.queue.clone());
        let Some(queue) = queue else { return Err(self.count(Undelivered::Closed)) };
        match queue.try_reserve() {
            // The parts are joined here, and not shared: a stream wants them in one write.
            Ok(place) => {
                place.send(parts.concat());
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(())) => Err(self.count(Undelivered::QueueFull)),
            Err(mpsc::error::TrySendError::Closed(())) => Err(self.count(Undelivered::Closed)),
        }
    }

    /// Returns how many connections there are.
    pub fn len(&self) -> usize {
        self.state.lock().by_flow.len()
    }

    /// Returns whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn register_locked(
        self: &Arc<Self>,
        state: &mut State,
        transport: Transport,
        remote: SocketAddr,
        local_socket: u32,
    ) -> Result<Registration, Refused> {
        let source = source_of(&remote);
        let of_source = state.by_source.get(&source).copied().unwrap_or(0);
        let refused = if state.connections >= self.limits.connections_max {
            Some(Refused::TooMany)
        } else if of_source >= self.limits.connections_per_source_max {
            Some(Refused::TooManyFromSource)
        } else {
            None
        };
        if let Some(refused) = refused {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(refused);
        }
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        state.last_flow += 1;
        state.connections += 1;
        let peer = Peer { transport, remote, local_socket, flow: state.last_flow, local: None };
        let (queue, outgoing) = mpsc::channel(self.limits.queue_messages_max);
        state.by_flow.insert(peer.flow, Entry { peer, queue });
        state.by_remote.insert((transport, remote, local_socket), peer.flow);
        state.by_source.insert(source, of_source + 1);
        Ok(Registration { peer, outgoing: Some(outgoing), flows: Arc::clone(self) })
    }

    fn count(&self, undelivered: Undelivered) -> Undelivered {
        let counter = match undelivered {
            Undelivered::Closed => &self.counters.messages_without_flow,
            Undelivered::QueueFull => &self.counters.messages_without_room,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        undelivered
    }

    fn close(&self, flow: u64) {
        let Some(peer) = self.state.lock().close(flow) else { return };
        (self.on_closed)(peer);
    }
}

impl State {
    fn close(&mut self, flow: u64) -> Option<Peer> {
        let peer = self.by_flow.remove(&flow)?.peer;
        let remote = (peer.transport, peer.remote, peer.local_socket);
        if self.by_remote.get(&remote) == Some(&flow) {
            self.by_remote.remove(&remote);
        }
        Some(peer)
    }

    fn forget(&mut self, remote: &SocketAddr) {
        self.connections -= 1;
        let source = source_of(remote);
        match self.by_source.get_mut(&source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.by_source.remove(&source);
            }
        }
    }
}

/// What [`Flows::find_or_register`] found.
pub enum Found {
    /// There is none: the caller opens it.
    New(Registration),
    /// There is one.
    Open(Peer),
}

/// A connection's place among the open ones. Dropped, the connection is closed for everybody.
pub struct Registration {
    peer: Peer,
    outgoing: Option<mpsc::Receiver<Vec<u8>>>,
    flows: Arc<Flows>,
}

impl Registration {
    /// Returns the far end, with the number of the connection.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Takes the end of the queue that the connection's task reads; there is one.
    pub fn take_outgoing(&mut self) -> Option<mpsc::Receiver<Vec<u8>>> {
        self.outgoing.take()
    }

    /// Closes the connection for everybody: nothing more is queued. It counts towards the limits until it is dropped.
    pub fn close(&self) {
        self.flows.close(self.peer.flow);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.close();
        self.flows.state.lock().forget(&self.peer.remote);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn flows(limits: FlowLimits) -> (Arc<Flows>, Arc<Mutex<Vec<u64>>>) {
        let closed = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&closed);
        (Flows::new(limits, move |peer| seen.lock().push(peer.flow)), closed)
    }

    /// Returns the newest connection to `remote`, whoever opened it.
    fn newest(flows: &Flows, remote: SocketAddr, local_socket: u32) -> Option<u64> {
        flows.state.lock().by_remote.get(&(Transport::Tcp, remote, local_socket)).copied()
    }

    /// Opens connections to all of `open`; the last ends as `expected`, all others are open.
    fn check(limits: FlowLimits, open: &[&str], expected: Option<Refused>) {
        let (flows, _) = flows(limits);
        let mut opened: Vec<_> = open.iter().map(|text| flows.register(Transport::Tcp, remote(text), 0)).collect();
        let last = opened.pop().unwrap();
        assert!(opened.iter().all(Result::is_ok));
        assert_eq!(last.as_ref().err().copied(), expected);
        drop((last, opened));
        assert!(flows.is_empty());
        assert!(flows.register(Transport::Tcp, remote(open[0]), 0).is_ok(), "the limits are free again");
    }

    #[test]
    fn connections_are_limited_in_all_and_by_source() {
        let limits = FlowLimits { connections_max: 3, connections_per_source_max: 2, queue_messages_max: 1 };
        check(limits, &["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"], None);
        check(limits, &["192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"], Some(Refused::TooManyFromSource));
        check(limits, &["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"], Some(Refused::TooManyFromSource));
        check(limits, &["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.3:1"], Some(Refused::TooMany));
    }

    #[test]
    fn a_queue_is_bounded_and_a_closed_flow_is_told_once() {
        let (flows, closed) = flows(FlowLimits { queue_messages_max: 1, ..FlowLimits::default() });
        let mut open = flows.register(Transport::Tcp, remote("192.0.2.1:1"), 0).unwrap();
        let flow = open.peer().flow;
        assert_eq!(flows.peer(flow), Some(open.peer()));
        assert_eq!(flows.send(flow, &[b"head", b"body"]), Ok(()));
        assert_eq!(flows.send(flow, &[b"more"]), Err(Undelivered::QueueFull));
        assert_eq!(open.take_outgoing().unwrap().try_recv().unwrap(), b"headbody");
        assert_eq!(flows.send(flow, &[b"more"]), Err(Undelivered::Closed), "nobody reads the queue");
        drop(open);
        assert_eq!(*closed.lock(), [flow]);
        assert_eq!(flows.peer(flow), None);
        assert_eq!(flows.send(flow, &[b"more"]), Err(Undelivered::Closed));
        assert_eq!(flows.counters.messages_without_flow.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_closing_connection_counts_until_it_is_gone() {
        let (flows, closed) = flows(FlowLimits { connections_max: 1, ..FlowLimits::default() });
        let open = flows.register(Transport::Tcp, remote("192.0.2.1:1"), 0).unwrap();
        open.close();
        assert_eq!(closed.lock().len(), 1);
        assert!(flows.is_empty());
        assert!(flows.register(Transport::Tcp, remote("192.0.2.2:1"), 0).is_err());
        drop(open);
        assert_eq!(closed.lock().len(), 1);
        assert!(flows.register(Transport::Tcp, remote("192.0.2.2:1"), 0).is_ok());
    }

    #[test]
    fn the_newest_connection_to_an_address_is_used_and_numbers_are_never_used_again() {
        let (flows, _) = flows(FlowLimits::default());
        let to = remote("192.0.2.1:1");
        let Ok(Found::New(old)) = flows.find_or_register(Transport::Tcp, to, 0) else { panic!("there was none") };
        let Ok(Found::Open(found)) = flows.find_or_register(Transport::Tcp, to, 0) else { panic!("there is one") };
        assert_eq!(found, old.peer());
        let new = flows.register(Transport::Tcp, to, 0).unwrap();
        assert_eq!(newest(&flows, to, 0), Some(new.peer().flow));
        let old_flow = old.peer().flow;
        drop(old);
        assert_eq!(newest(&flows, to, 0), Some(new.peer().flow));
        assert_eq!(newest(&flows, to, 1), None, "another of our sockets");
        drop(new);
        assert_eq!(newest(&flows, to, 0), None);
        let next = flows.register(Transport::Tcp, to, 0).unwrap();
        assert!(next.peer().flow > old_flow + 1);
    }
}
