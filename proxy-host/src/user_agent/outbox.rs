//! Messages collected until they leave together: one system call a socket and batch.

use std::cell::Cell;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use super::network::Network;
use super::world::UdpPort;
use crate::transaction::timers::Moment;
use crate::transport::address::{Peer, Transport};
use crate::transport::flows::Undelivered;
use crate::transport::response_route::Destination;
use crate::transport::udp::{BATCH_MAX, Datagram, WhenFull};

/// Responses on their way out.
pub(crate) struct Outbox {
    network: Arc<Network>,
    /// The bytes of every datagram, one behind the other.
    pub(crate) bytes: Vec<u8>,
    datagrams: Vec<Posted>,
    when_full: WhenFull,
}

thread_local! {
    /// What the last outbox of this thread wrote into: the next one need not grow, nor the allocator fetch pages for it.
    static SPARE: Cell<(Vec<u8>, Vec<Posted>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// Where a datagram goes, and where its bytes are.
type Posted = (Peer, Range<usize>);

/// What a thread keeps for the next batch, at most.
const SPARE_BYTES_MAX: usize = 256 * 1024;

impl Outbox {
    pub(crate) fn new(network: Arc<Network>, when_full: WhenFull) -> Self {
        let (bytes, datagrams) = SPARE.take();
        Self { network, bytes, datagrams, when_full }
    }

    /// Sends what was appended to `bytes` from `start` on.
    pub(crate) fn post(&mut self, destination: Destination, start: usize, now: Moment) {
        let range = start..self.bytes.len();
        match destination {
            Destination::Address(peer) => self.post_to(peer, range),
            Destination::Flow { peer, or_else } => {
                let message = &self.bytes[range.clone()];
                // A client that has gone repeats nothing over TCP; whoever listens there still gets its answer (RFC 3261
                // §18.2.2). One that does not read goes without: a second connection would not make it.
                if self.network.flows.send(peer.flow, &[message]) == Err(Undelivered::Closed) {
                    self.network.send_tcp(peer.local_socket, or_else, &[message]);
                }
                self.bytes.truncate(range.start);
            }
            Destination::Name { host, port, local_socket } => {
                let message = self.bytes.split_off(range.start);
                let network = Arc::clone(&self.network);
                let answer = move |addresses: &[SocketAddr]| network.send_udp(local_socket, addresses, &message);
                // A resolver that is too busy is a lost datagram: the request comes again.
                let _ = self.network.resolver.resolve(&host, Some(port), Transport::Udp, now, Box::new(answer));
            }
        }
    }

    fn post_to(&mut self, peer: Peer, range: Range<usize>) {
        match peer.transport {
            Transport::Udp => self.datagrams.push((peer, range)),
            Transport::Tcp => {
                self.network.send_tcp(peer.local_socket, peer.remote, &[&self.bytes[range.clone()]]);
                self.bytes.truncate(range.start);
            }
        }
    }

    /// Lets everything leave.
    pub(crate) fn flush(&mut self) {
        for (number, listener) in self.network.listeners.iter().enumerate() {
            if let Some(socket) = &listener.udp {
                self.send(number, socket);
            }
        }
        self.datagrams.clear();
        self.bytes.clear();
    }

    /// Sends what leaves from listener `number`.
    fn send(&self, number: usize, socket: &UdpPort) {
        let own = || self.datagrams.iter().filter(|(peer, _)| peer.local_socket as usize == number);
        let mut batch = Vec::with_capacity(own().count().min(BATCH_MAX));
        for (peer, range) in own() {
            let head = &self.bytes[range.clone()];
            batch.push(Datagram { remote: peer.remote, local: peer.local, head, body: &[] });
            if batch.len() == BATCH_MAX {
                self.send_batch(socket, &mut batch);
            }
        }
        self.send_batch(socket, &mut batch);
    }

    fn send_batch(&self, socket: &UdpPort, batch: &mut Vec<Datagram<'_>>) {
        if !batch.is_empty() {
            // A response that the system refuses is lost like any other: the request comes again.
            socket.send_batch(batch, self.when_full, |_, _| {});
            batch.clear();
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let (mut bytes, mut datagrams) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.datagrams));
        if (1..=SPARE_BYTES_MAX).contains(&bytes.capacity()) {
            bytes.clear();
            datagrams.clear();
            // A thread that ends keeps nothing.
            let _ = SPARE.try_with(|spare| spare.set((bytes, datagrams)));
        }
    }
}

impl Network {
    /// Sends one datagram from listener `local_socket` to the first of `addresses` that it can reach.
    fn send_udp(&self, local_socket: u32, addresses: &[SocketAddr], message: &[u8]) {
        let Some(listener) = self.listener(local_socket) else { return };
        let remote = addresses.iter().find(|remote| listener.address.is_ipv4() == remote.is_ipv4());
        if let (Some(socket), Some(&remote)) = (&listener.udp, remote) {
            // Lost like any other if the system refuses it.
            socket.send_batch(&[Datagram { remote, local: None, head: message, body: &[] }], WhenFull::Drop, |_, _| {});
        }
    }
}
