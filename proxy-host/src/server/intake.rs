//! Datagrams of one socket on their way to the proxy: straight through while the socket runs dry between two batches; by
//! turns of their sources, through a backlog, once it does not.
//!
//! Under a flood the socket is emptied faster than it fills, for of what is too much nothing is read but where it came from;
//! so the system's queue, which all sources share, has room for everybody.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use module_api::sip::message::HeaderTable;

use super::backlog::{Backlog, Waiting};
use super::proxy::Proxy;
use crate::transport::address::Peer;
use crate::transport::udp::{BATCH_MAX, ReceiveBatch, Received, UdpSocket, WhenFull};
use crate::user_agent::outbox::Outbox;

/// What one worker does with the datagrams of one socket.
pub(super) struct Intake<'p> {
    proxy: &'p Proxy,
    number: u32,
    tables: Vec<HeaderTable>,
    outbox: Outbox,
    backlog: Backlog,
    taken: Vec<Waiting>,
}

/// Batches that are received before something is carried out.
const DRAINED_BATCHES_MAX: usize = 64;
/// Datagrams carried out before more are received: little work, so that the socket does not fill meanwhile.
const SERVED_MAX: usize = 32;
/// Requests that are told, each time the socket is emptied, that nobody has time for them; more are dropped.
const REFUSED_MAX: usize = 4;

impl<'p> Intake<'p> {
    pub(super) fn new(proxy: &'p Proxy, number: u32) -> Self {
        Self {
            proxy,
            number,
            tables: (0..BATCH_MAX).map(|_| HeaderTable::new()).collect(),
            outbox: Outbox::new(Arc::clone(&proxy.wire.network), WhenFull::Drop),
            backlog: Backlog::new(proxy.wire.limits.backlog_max),
            taken: Vec::new(),
        }
    }

    /// Returns whether something waits for its turn.
    pub(super) fn has_waiting(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Takes in a batch of `count` while nothing waits: if that was all, and there is little to do, it is carried out.
    pub(super) fn on_received(&mut self, batch: &ReceiveBatch, count: usize) {
        if count < BATCH_MAX && self.proxy.wire.table.in_service().is_calm() {
            let number = self.number;
            let whole = batch.datagrams().filter(|datagram| !datagram.truncated);
            let from = whole.map(|datagram| (peer(&datagram, number), datagram.bytes));
            self.proxy.on_batch(from, &mut self.tables, &mut self.outbox);
        } else {
            let mut refusals = REFUSED_MAX;
            self.keep(batch, &mut refusals);
        }
    }

    /// Empties the socket into the backlog.
    pub(super) fn drain(&mut self, socket: &UdpSocket, batch: &mut ReceiveBatch) {
        let mut refusals = REFUSED_MAX;
        for _ in 0..DRAINED_BATCHES_MAX {
            // Nothing there, or the ICMP error of some earlier datagram: there is the backlog to see to.
            let Ok(count) = batch.receive(socket) else { break };
            self.keep(batch, &mut refusals);
            if count < BATCH_MAX {
                break;
            }
        }
        self.outbox.flush();
    }

    /// Carries out what is next, some of each source. Returns whether there was anything.
    pub(super) fn serve(&mut self) -> bool {
        let in_service = self.proxy.wire.table.in_service();
        let now = self.proxy.wire.now();
        self.taken.clear();
        let has_room = |peer: &Peer| in_service.has_room(&peer.remote);
        let stale = self.backlog.take(&mut self.taken, SERVED_MAX, now, has_room);
        self.proxy.wire.shed.fetch_add(stale as u64, Ordering::Relaxed);
        if self.taken.is_empty() {
            return stale > 0;
        }
        let taken = self.taken.iter().map(|waiting| (waiting.peer, &*waiting.bytes));
        self.proxy.on_batch(taken, &mut self.tables, &mut self.outbox);
        true
    }

    fn keep(&mut self, batch: &ReceiveBatch, refusals: &mut usize) {
        let now = self.proxy.wire.now();
        let (mut deferred, mut shed) = (0, 0);
        for datagram in batch.datagrams().filter(|datagram| !datagram.truncated) {
            let peer = peer(&datagram, self.number);
            if self.backlog.push(peer, datagram.bytes, now) {
                deferred += 1;
                continue;
            }
            shed += 1;
            if *refusals > 0
                && let Some(table) = self.tables.first_mut()
            {
                *refusals -= 1;
                self.proxy.refuse(peer, datagram.bytes, table, &mut self.outbox);
            }
        }
        self.proxy.wire.deferred.fetch_add(deferred, Ordering::Relaxed);
        self.proxy.wire.shed.fetch_add(shed, Ordering::Relaxed);
    }
}

fn peer(datagram: &Received<'_>, number: u32) -> Peer {
    Peer::udp(datagram.remote, number).at(datagram.local)
}
