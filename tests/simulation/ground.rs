//! What the server stands on: clocks, randomness, and where its datagrams and its complaints go.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use module_api::abi::{
    Clock, HostServices, LogLevel, Metric, MetricKind, OutgoingRequest, RSlice, RSliceMut, RStr, Reply, ReplyOutcome,
};
use parking_lot::Mutex;
use proxy_host::modules::host_services::Services;
use proxy_host::transport::resolver::Resolver;
use proxy_host::transport::udp::Datagram;
use proxy_host::user_agent::world::World;

use crate::chance::Chance;

/// A datagram of the server's.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// The ground itself.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) mono_ms: u64,
    pub(crate) wall_ms: u64,
    chance: Chance,
    /// What left the server since somebody looked.
    pub(crate) sent: Vec<Sent>,
    /// What it reported as broken.
    pub(crate) errors: Vec<String>,
    /// The process is dead already: nothing leaves any more.
    pub(crate) is_dead: bool,
}

/// A handle on it.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<Ground>>);

impl Shared {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Ground {
            mono_ms: 1000,
            // An hour of a summer's day.
            wall_ms: 1_750_000_000_000,
            chance: Chance::of(seed),
            sent: Vec::new(),
            errors: Vec::new(),
            is_dead: false,
        })))
    }

    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut Ground) -> R) -> R {
        look(&mut self.0.lock())
    }
}

impl World for Shared {
    fn clock(&self) -> Clock {
        self.with(|ground| Clock { monotonic_ns: ground.mono_ms * 1_000_000, wall_ms: ground.wall_ms })
    }

    fn random(&self, out: &mut [u8]) -> io::Result<()> {
        self.with(|ground| out.iter_mut().for_each(|byte| *byte = ground.chance.word() as u8));
        Ok(())
    }

    fn resolver(&self) -> io::Result<Resolver> {
        Ok(Resolver::without_names())
    }

    fn send(&self, _from: SocketAddr, datagram: &Datagram<'_>) {
        let bytes = [datagram.head, datagram.body].concat();
        self.with(|ground| {
            if !ground.is_dead {
                ground.sent.push(Sent { to: datagram.remote, bytes });
            }
        });
    }
}

/// The host's services to the module, and what that says of itself.
pub(crate) struct Overheard {
    pub(crate) services: Services,
    pub(crate) ground: Shared,
}

impl HostServices for Overheard {
    fn log(&self, level: LogLevel, module: RStr<'_>, message: RStr<'_>) {
        if level == LogLevel::ERROR {
            self.ground.with(|ground| ground.errors.push(message.as_str().to_owned()));
        }
        self.services.log(level, module, message);
    }

    fn clock(&self) -> Clock {
        self.services.clock()
    }

    fn random(&self, out: RSliceMut<'_, u8>) {
        self.services.random(out);
    }

    fn metric(&self, kind: MetricKind, name: RStr<'_>, help: RStr<'_>) -> Metric {
        self.services.metric(kind, name, help)
    }

    fn measure(&self, metric: Metric, change: i64) {
        self.services.measure(metric, change);
    }

    fn is_local(&self, domain: RStr<'_>) -> bool {
        self.services.is_local(domain)
    }

    fn reply_batch(&self, replies: RSlice<'_, Reply<'_>>, outcomes: RSliceMut<'_, ReplyOutcome>) {
        self.services.reply_batch(replies, outcomes);
    }

    fn send_batch(&self, requests: RSlice<'_, OutgoingRequest<'_>>) {
        self.services.send_batch(requests);
    }
}
