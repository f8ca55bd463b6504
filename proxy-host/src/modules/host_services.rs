//! What the host does for one module. Nothing in here calls a module, and nothing waits for a peer.

use std::sync::Arc;

use module_api::abi::{
    Clock, HostServices, LogLevel, Metric, MetricKind, OutgoingRequest, RSlice, RSliceMut, RStr, Reply, ReplyOutcome,
};
use module_api::sip::writer::ResponseHead;

use crate::user_agent::wire::Wire;

/// The services of one module.
pub struct Services {
    wire: Arc<Wire>,
    /// Its number: what it sends comes back to it.
    module: u32,
    name: String,
}

impl Services {
    /// Serves module number `module`.
    pub fn new(wire: Arc<Wire>, module: u32, name: &str) -> Self {
        Self { wire, module, name: name.into() }
    }
}

impl HostServices for Services {
    fn log(&self, level: LogLevel, _module: RStr<'_>, message: RStr<'_>) {
        let (module, message) = (&self.name, message.as_str());
        match level {
            LogLevel::ERROR => tracing::error!("{module}: {message}"),
            LogLevel::WARNING => tracing::warn!("{module}: {message}"),
            LogLevel::INFO => tracing::info!("{module}: {message}"),
            _ => tracing::debug!("{module}: {message}"),
        }
    }

    fn clock(&self) -> Clock {
        self.wire.clock()
    }

    fn random(&self, mut out: RSliceMut<'_, u8>) {
        self.wire.random(out.as_mut_slice());
    }

    fn metric(&self, kind: MetricKind, name: RStr<'_>, _help: RStr<'_>) -> Metric {
        self.wire.metrics.register(&self.name, kind, name.as_str())
    }

    fn measure(&self, metric: Metric, change: i64) {
        self.wire.metrics.add(metric, change);
    }

    fn is_local(&self, domain: RStr<'_>) -> bool {
        self.wire.myself.is_domain(domain.as_str())
    }

    fn reply_batch(&self, replies: RSlice<'_, Reply<'_>>, mut outcomes: RSliceMut<'_, ReplyOutcome>) {
        let now = self.wire.now();
        let mut outbox = self.wire.outbox();
        for (reply, outcome) in replies.iter().zip(outcomes.as_mut_slice()) {
            let head = ResponseHead {
                code: reply.code(),
                reason: reply.reason(),
                to_tag: reply.to_tag(),
                mirror_record_route: reply.mirrors_record_route(),
                headers: reply.headers(),
                ..ResponseHead::default()
            };
            let start = outbox.bytes.len();
            *outcome = match self.wire.table.reply(reply.transaction(), &head, now, &mut outbox.bytes) {
                Ok(destination) => {
                    outbox.post(destination, start, now);
                    ReplyOutcome::SENT
                }
                Err(_) => ReplyOutcome::STALE,
            };
        }
        outbox.flush();
    }

    fn send_batch(&self, requests: RSlice<'_, OutgoingRequest<'_>>) {
        self.wire.send_requests(self.module, requests.as_slice());
    }
}
