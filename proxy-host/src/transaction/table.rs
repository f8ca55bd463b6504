//! All transactions of the host: who a message belongs to, what is to be sent, and what the transaction users hear.
//!
//! Sans-io: it sends nothing and reads no clock. Requests that came in are in `server_table.rs`, requests that went
//! out in `client_table.rs`; this file owns what the two share: the bound, the secret, the counters.
//! INVITE and its ACK are not for these machines.

use super::client_non_invite::Token;
use super::client_table::{Clients, Held, Retransmission};
use super::destinations::{Admitted, Destinations, Settled};
use super::key::KeySecret;
use super::server_table::Servers;
use super::timers::Moment;
use crate::limits::Limits;
use crate::transport::address::{Peer, Transport};
use crate::transport::response_route::Destination;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// All transactions of the host. `B` is the body of a request that goes out, shared by all who send it.
pub struct Table<B> {
    pub(super) servers: Servers,
    pub(super) clients: Clients<B>,
    pub(super) secret: KeySecret,
    pub(super) limits: TableLimits,
    live: AtomicUsize,
    /// Where requests go, and those that wait until they may.
    destinations: Mutex<Destinations<Held<B>>>,
    /// Those that may by now.
    released: Mutex<Vec<Held<B>>>,
    /// What happened so far.
    pub counters: Counters,
}

/// What the table holds at most.
#[derive(Clone, Copy, Debug)]
pub struct TableLimits {
    /// Transactions of both kinds, completed ones included.
    pub transactions_max: usize,
    /// Requests that came in and are not answered, where there is more to do than can be done.
    pub in_service_max: usize,
    /// Requests of ours that are unanswered at an address that has accepted none, and at any other.
    pub unproven_max: usize,
    /// As above.
    pub per_destination_max: usize,
    /// When the user of a request without an answer is reminded of it.
    pub remind_after: Duration,
}

impl TableLimits {
    /// Takes the bounds of the configuration.
    pub fn of(limits: &Limits) -> Self {
        let Limits { transactions_max, in_service_max, unproven_max, per_destination_max, .. } = *limits;
        Self { transactions_max, in_service_max, unproven_max, per_destination_max, ..Self::default() }
    }
}

impl Default for TableLimits {
    fn default() -> Self {
        Self {
            transactions_max: 1_000_000,
            in_service_max: 512,
            unproven_max: 16,
            per_destination_max: 10_000,
            remind_after: Duration::from_secs(10),
        }
    }
}

/// Something to do because its time has come.
#[derive(Debug)]
pub enum Action<B> {
    /// Tell the user that sent a request what came of it: 408, no answer (RFC 3261 §8.1.3.1).
    Outcome(Outcome),
    /// Send a response: a 100, because the answer takes long.
    Respond {
        /// Where to.
        destination: Destination,
        /// What.
        bytes: Vec<u8>,
    },
    /// Send a request again.
    Retransmit(Retransmission<B>),
    /// Remind the user of a request that it has not answered. The handle still takes an answer.
    Remind(u64),
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// What the user knows its request by.
    pub token: Token,
    /// The status code of the response, or what stands for its absence.
    pub code: u16,
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests that came in and were new.
    pub requests: AtomicU64,
    /// Copies of requests that were dropped because there is no answer yet.
    pub copies_absorbed: AtomicU64,
    /// Copies of requests that were answered again.
    pub copies_answered: AtomicU64,
    /// Requests, coming in or going out, for which there was no room.
    pub refused: AtomicU64,
    /// Completed transactions that went early, to make room.
    pub evicted: AtomicU64,
    /// Requests nobody answered.
    pub unanswered: AtomicU64,
    /// 100 responses sent.
    pub trying_sent: AtomicU64,
    /// Requests that had to wait because too many were unanswered where they went.
    pub held: AtomicU64,
    /// Requests sent.
    pub requests_sent: AtomicU64,
    /// Requests sent again.
    pub retransmissions: AtomicU64,
    /// Final responses that came in first.
    pub responses: AtomicU64,
    /// Provisional responses, and final responses that came in again.
    pub responses_absorbed: AtomicU64,
    /// Responses to nothing, and responses meant for somebody else.
    pub responses_stray: AtomicU64,
    /// Requests that got no response in time.
    pub timeouts: AtomicU64,
    /// Requests and responses that could not be sent.
    pub transport_errors: AtomicU64,
}

impl<B: AsRef<[u8]> + Clone + Send + Sync + 'static> Table<B> {
    /// Makes an empty table. The secret is random, or from a seed where runs are to be repeated.
    pub fn new(limits: TableLimits, secret: KeySecret) -> Self {
        let (servers, clients) = (Servers::new(limits.in_service_max), Clients::new());
        Self {
            servers,
            clients,
            secret,
            limits,
            live: AtomicUsize::new(0),
            destinations: Mutex::new(Destinations::new(limits.unproven_max, limits.per_destination_max)),
            released: Mutex::default(),
            counters: Counters::default(),
        }
    }

    /// Returns how many transactions there are.
    pub fn len(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Returns whether there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends to `actions` what is to be done at `now`. To be called each [`super::timers::TICK`]
    /// while there is any transaction.
    pub fn tick(&self, now: Moment, actions: &mut Vec<Action<B>>) {
        self.tick_servers(now, actions);
        self.tick_clients(now, actions);
    }

    /// Asks whether a request may go to its address by UDP at present; if not it is kept, and comes with the released ones.
    pub fn admit(&self, request: Held<B>, now: Moment) -> Admitted<Held<B>> {
        let remote = request.sent.peer.remote;
        let admitted = self.destinations.lock().admit(&remote, request, now);
        if matches!(admitted, Admitted::Later) {
            count(&self.counters.held);
        }
        admitted
    }

    /// Takes note of what became of a request that was admitted.
    pub fn settle(&self, peer: &Peer, settled: Settled) {
        if peer.transport == Transport::Udp {
            let mut destinations = self.destinations.lock();
            destinations.on_settled(&peer.remote, settled, &mut self.released.lock());
        }
    }

    /// Returns the requests that waited and may go now; they are admitted.
    pub fn take_released(&self) -> Vec<Held<B>> {
        std::mem::take(&mut *self.released.lock())
    }

    /// Takes a place for one more transaction, if need be that of a completed one.
    ///
    /// Completed client transactions go first: without them a repeated response is a stray and nothing else, while
    /// without a completed server transaction a repeated request is carried out again. The oldest of a shard goes
    /// first. `evict_own` looks in the shard the caller has locked.
    pub(super) fn take_place(&self, evict_own: impl FnOnce() -> bool) -> bool {
        if self.live.fetch_add(1, Ordering::Relaxed) < self.limits.transactions_max {
            return true;
        }
        let evicted = self.evict_client() || evict_own() || self.evict_server();
        self.give_place_back();
        let counter = if evicted { &self.counters.evicted } else { &self.counters.refused };
        count(counter);
        evicted
    }

    /// Gives the place of a transaction that has ended back.
    pub(super) fn give_place_back(&self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
