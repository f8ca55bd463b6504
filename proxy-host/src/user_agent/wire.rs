//! Sockets and transactions together: what host services, workers and the clock stand on.

use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use module_api::abi::{Body, Clock};
use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use super::myself::Myself;
use super::network::{Listener, Network};
use super::outbox::Outbox;
use super::to_tag::ToTags;
use super::world::World;
use crate::config::Alias;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::transaction::key::KeySecret;
use crate::transaction::table::{Outcome, Table, TableLimits};
use crate::transaction::timers::Moment;
use crate::transport::udp::WhenFull;

/// How long a module's thread waits for room in a socket, each time.
pub(crate) const ROOM_WAIT: Duration = Duration::from_millis(20);

/// What is shared by everything that sends.
pub struct Wire {
    /// Every transaction.
    pub table: Table<Body>,
    /// Every descriptor.
    pub network: Arc<Network>,
    /// The names of this server.
    pub myself: Myself,
    /// Every metric of every module.
    pub metrics: Metrics,
    /// The tags of answers that create nothing.
    pub(crate) to_tags: ToTags,
    /// Outcomes that nobody has been told yet; the clock delivers them.
    pub(crate) outcomes: Mutex<Vec<Outcome>>,
    /// Connections that have ended since the clock last looked.
    pub(crate) closed_flows: Arc<Mutex<FxHashSet<u64>>>,
    /// Nothing new is begun any more.
    pub(crate) is_draining: AtomicBool,
    pub(crate) branches: AtomicU64,
    /// How much is taken from others.
    pub(crate) limits: Limits,
    /// Messages that were too long or had too much in them, and those whose body was too long.
    too_long: [AtomicU64; 2],
    /// Datagrams that waited for their source's turn, and those that were dropped unread.
    pub(crate) deferred: AtomicU64,
    pub(crate) shed: AtomicU64,
    /// Requests that went out over UDP although they are longer than [`super::outgoing::UDP_BYTES_MAX`].
    pub(crate) long_over_udp: AtomicU64,
    /// Begun with a secret of this process, so that branches cannot be guessed.
    pub(crate) branch_secret: DefaultHasher,
    world: Arc<dyn World>,
}

impl Wire {
    /// Takes up bound listeners; To-tags are in the AVP `to_tag_avp`, and nothing goes beyond `limits`.
    ///
    /// # Errors
    /// No thread, or no randomness.
    pub fn new(
        listeners: Vec<Listener>,
        aliases: &[Alias],
        to_tag_avp: i32,
        limits: Limits,
        world: Arc<dyn World>,
    ) -> io::Result<Arc<Self>> {
        let closed_flows: Arc<Mutex<FxHashSet<u64>>> = Arc::default();
        let noted = Arc::clone(&closed_flows);
        let network = Network::new(listeners, world.resolver()?, &limits, move |peer| {
            noted.lock().insert(peer.flow);
        });
        let myself = Myself::new(network.addresses(), aliases);
        let mut secrets = [0_u8; 64];
        world.random(&mut secrets)?;
        let mut branch_secret = DefaultHasher::new();
        branch_secret.write(&secrets[48..]);
        let word = |at: usize| u64::from_ne_bytes(secrets[at * 8..][..8].try_into().expect("eight bytes"));
        Ok(Arc::new(Self {
            table: Table::new(TableLimits::of(&limits), KeySecret([word(0), word(1)])),
            network: Arc::new(network),
            myself,
            metrics: Metrics::default(),
            to_tags: ToTags::new(&secrets[16..48], to_tag_avp),
            outcomes: Mutex::default(),
            closed_flows,
            is_draining: AtomicBool::new(false),
            branches: AtomicU64::new(1),
            limits,
            too_long: Default::default(),
            deferred: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            long_over_udp: AtomicU64::new(0),
            branch_secret,
            world,
        }))
    }

    /// Returns an outbox for a thread that may wait a moment for room: a module's.
    pub(crate) fn outbox(&self) -> Outbox {
        Outbox::new(Arc::clone(&self.network), WhenFull::Wait(ROOM_WAIT))
    }

    /// Returns all counters, the host's own and the modules', that are not zero, on one line.
    pub(crate) fn summary(&self) -> String {
        let own = self.network.counters().into_iter().chain(self.transaction_counters());
        let own = own.filter(|(_, value)| *value != 0).map(|(name, value)| format!("{name}={value} "));
        own.collect::<String>() + &self.metrics.summary()
    }

    /// Counts a request that is refused with `code`, if that is for its size.
    pub(crate) fn count_excess(&self, code: u16) {
        let at = match code {
            413 => 1,
            513 => 0,
            _ => return,
        };
        self.too_long[at].fetch_add(1, Ordering::Relaxed);
    }

    fn transaction_counters(&self) -> [(&'static str, u64); 13] {
        let counters = &self.table.counters;
        [
            ("requests_total", &counters.requests),
            ("messages_too_long_total", &self.too_long[0]),
            ("bodies_too_long_total", &self.too_long[1]),
            ("datagrams_deferred_total", &self.deferred),
            ("datagrams_shed_total", &self.shed),
            ("requests_refused_total", &counters.refused),
            ("requests_unanswered_total", &counters.unanswered),
            ("requests_held_total", &counters.held),
            ("requests_sent_total", &counters.requests_sent),
            ("requests_long_over_udp_total", &self.long_over_udp),
            ("retransmissions_total", &counters.retransmissions),
            ("responses_stray_total", &counters.responses_stray),
            ("timeouts_total", &counters.timeouts),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }

    /// Returns the moment on the transactions' clock.
    pub fn now(&self) -> Moment {
        Moment::from_nanos(self.world.clock().monotonic_ns)
    }

    /// Reads both clocks for a module.
    pub fn clock(&self) -> Clock {
        self.world.clock()
    }

    /// Fills `out` with what nobody can foresee.
    pub(crate) fn random(&self, out: &mut [u8]) {
        self.world.random(out).expect("the kernel has given randomness at the start");
    }
}
