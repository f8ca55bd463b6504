//! What the host offers its modules. Statics, logs and clocks are per library, so all of them cross here.
//!
//! A host never calls a module from inside one of these; a module holds no lock of its own while it calls one.

use std::sync::Arc;

use abi_stable::StableAbi;
use abi_stable::sabi_trait;
use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RBox, RSlice, RSliceMut, RStr};

use super::{OutgoingRequest, Reply, ReplyOutcome};

/// How grave a log line is.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, StableAbi)]
pub struct LogLevel(pub u8);

impl LogLevel {
    /// Something is broken and needs a person.
    pub const ERROR: Self = Self(1);
    /// Something is wrong and was coped with.
    pub const WARNING: Self = Self(2);
    /// What an operator wants to see once.
    pub const INFO: Self = Self(3);
    /// May hold personal data.
    pub const DEBUG: Self = Self(4);
}

/// The host's clocks, read together.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, StableAbi)]
pub struct Clock {
    /// Nanoseconds since some fixed moment; never goes back.
    pub monotonic_ns: u64,
    /// Milliseconds since 1970-01-01 UTC, as the machine believes.
    pub wall_ms: u64,
}

/// Whether a metric only grows.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, StableAbi)]
pub struct MetricKind(pub u8);

impl MetricKind {
    /// Only grows.
    pub const COUNTER: Self = Self(1);
    /// Goes up and down.
    pub const GAUGE: Self = Self(2);
}

/// A registered metric.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, StableAbi)]
pub struct Metric(pub u32);

/// The services themselves. New ones only at the end, with a default body.
#[sabi_trait]
pub trait HostServices: Send + Sync {
    /// Writes a log line on behalf of `module`.
    fn log(&self, level: LogLevel, module: RStr<'_>, message: RStr<'_>);

    /// Reads the clocks.
    fn clock(&self) -> Clock;

    /// Fills `out` with unpredictable bytes.
    fn random(&self, out: RSliceMut<'_, u8>);

    /// Registers a metric; the same name gives the same metric.
    fn metric(&self, kind: MetricKind, name: RStr<'_>, help: RStr<'_>) -> Metric;

    /// Adds to a metric.
    fn measure(&self, metric: Metric, change: i64);

    /// Returns whether `domain` is one this server answers for: a listener, an `alias`.
    fn is_local(&self, domain: RStr<'_>) -> bool;

    /// Sends final responses, in order, with one system call where the transport can. `outcomes` is as long as `replies`.
    fn reply_batch(&self, replies: RSlice<'_, Reply<'_>>, outcomes: RSliceMut<'_, ReplyOutcome>);

    /// Sends requests, in order, each in a client transaction whose outcome comes back later.
    #[sabi(last_prefix_field)]
    fn send_batch(&self, requests: RSlice<'_, OutgoingRequest<'_>>);
}

/// The host as a module holds it.
#[derive(Clone)]
pub struct Host {
    services: Arc<HostServices_TO<'static, RBox<()>>>,
    module: &'static str,
}

impl Host {
    /// Wraps services for `module`: what a host does for each module, and a test for the one it tests.
    pub fn new(services: impl HostServices + 'static, module: &'static str) -> Self {
        Self::from_object(into_object(services), module)
    }

    pub(super) fn from_object(services: HostServices_TO<'static, RBox<()>>, module: &'static str) -> Self {
        Self { services: Arc::new(services), module }
    }

    /// Writes a log line. Bodies, URIs and credentials belong at debug level only.
    pub fn log(&self, level: LogLevel, message: &str) {
        self.services.log(level, self.module.into(), message.into());
    }

    /// Reads the clocks.
    pub fn clock(&self) -> Clock {
        self.services.clock()
    }

    /// Fills `out` with unpredictable bytes.
    pub fn random(&self, out: &mut [u8]) {
        self.services.random(out.into());
    }

    /// Registers a counter or gauge under the module's name.
    pub fn metric(&self, kind: MetricKind, name: &str, help: &str) -> Metric {
        self.services.metric(kind, name.into(), help.into())
    }

    /// Adds to a metric.
    pub fn measure(&self, metric: Metric, change: i64) {
        self.services.measure(metric, change);
    }

    /// Returns whether `domain` is one this server answers for.
    pub fn is_local(&self, domain: &str) -> bool {
        self.services.is_local(domain.into())
    }

    /// Sends final responses and says what became of each.
    pub fn reply_batch(&self, replies: &[Reply<'_>], outcomes: &mut [ReplyOutcome]) {
        debug_assert_eq!(replies.len(), outcomes.len());
        self.services.reply_batch(replies.into(), outcomes.into());
    }

    /// Sends requests, each in a client transaction of its own.
    pub fn send_batch(&self, requests: &[OutgoingRequest<'_>]) {
        self.services.send_batch(requests.into());
    }
}

pub(super) fn into_object(services: impl HostServices + 'static) -> HostServices_TO<'static, RBox<()>> {
    HostServices_TO::from_value(services, TD_Opaque)
}
