//! A host that writes down what it is given, and whose clock stands until it is moved.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use module_api::abi::{
    Clock, HostServices, LogLevel, Metric, MetricKind, OutgoingRequest, RSlice, RSliceMut, RStr, Reply, ReplyOutcome,
    Token,
};
use parking_lot::{Condvar, Mutex};

/// Longer than anything a sound server needs, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(10);

/// What the module handed over.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) replies: Vec<SeenReply>,
    pub(super) requests: Vec<SeenRequest>,
    /// Transactions nobody waits for any more.
    pub(super) stale: Vec<u64>,
    /// What was logged as an error.
    pub(super) errors: Vec<String>,
    /// What was counted, by name.
    pub(super) counted: Vec<(String, i64)>,
    clock: Clock,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct SeenReply {
    pub(super) transaction: u64,
    pub(super) code: u16,
    pub(super) to_tag: String,
    pub(super) headers: String,
}

#[derive(Clone, Debug)]
pub(super) struct SeenRequest {
    pub(super) token: Token,
    pub(super) head: String,
    pub(super) body: String,
    /// The connection it was to use, 0 for none.
    pub(super) flow: u64,
    /// Where it was to go, if not where its URI says.
    pub(super) address: Option<SocketAddr>,
}

impl SeenRequest {
    /// Returns Subscription-State.
    pub(super) fn state(&self) -> &str {
        self.header("Subscription-State")
    }

    /// Returns Event.
    pub(super) fn event(&self) -> &str {
        self.header("Event")
    }

    /// Returns the value of a header that every NOTIFY has.
    pub(super) fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

#[derive(Clone, Default)]
pub(super) struct FakeHost(Arc<(Mutex<Seen>, Condvar)>);

impl FakeHost {
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Seen) -> R) -> R {
        look(&mut self.0.0.lock())
    }

    pub(super) fn advance(&self, by: Duration) {
        self.with(|seen| {
            seen.clock.monotonic_ns += by.as_nanos() as u64;
            seen.clock.wall_ms += by.as_millis() as u64;
        });
    }

    /// Sets both clocks back: what a thread sees that read them before it waited for a lock.
    pub(super) fn turn_back(&self, by: Duration) {
        self.with(|seen| {
            seen.clock.monotonic_ns -= by.as_nanos() as u64;
            seen.clock.wall_ms -= by.as_millis() as u64;
        });
    }

    /// Sets the wall clock, as an operator does.
    pub(super) fn set_wall_clock(&self, wall_ms: u64) {
        self.with(|seen| seen.clock.wall_ms = wall_ms);
    }

    /// Waits until `look` finds what it wants.
    pub(super) fn wait_for<R>(&self, what: &str, mut look: impl FnMut(&mut Seen) -> Option<R>) -> R {
        let mut seen = self.0.0.lock();
        loop {
            if let Some(found) = look(&mut seen) {
                return found;
            }
            if self.0.1.wait_for(&mut seen, DEADLINE).timed_out() {
                let heads: Vec<_> = seen.requests.iter().map(|request| &request.head).collect();
                panic!("no {what}; replies {:?}, requests {heads:?}", seen.replies);
            }
        }
    }
}

impl HostServices for FakeHost {
    fn log(&self, level: LogLevel, _: RStr<'_>, message: RStr<'_>) {
        if level == LogLevel::ERROR {
            self.with(|seen| seen.errors.push(message.as_str().to_owned()));
        }
    }

    fn clock(&self) -> Clock {
        self.with(|seen| seen.clock)
    }

    fn random(&self, mut out: RSliceMut<'_, u8>) {
        out.as_mut_slice().fill(7);
    }

    fn metric(&self, _: MetricKind, name: RStr<'_>, _: RStr<'_>) -> Metric {
        self.with(|seen| {
            seen.counted.push((name.as_str().to_owned(), 0));
            Metric(seen.counted.len() as u32 - 1)
        })
    }

    fn measure(&self, metric: Metric, change: i64) {
        self.with(|seen| seen.counted[metric.0 as usize].1 += change);
    }

    fn is_local(&self, domain: RStr<'_>) -> bool {
        domain.as_str() == "pres.example"
    }

    fn reply_batch(&self, replies: RSlice<'_, Reply<'_>>, mut outcomes: RSliceMut<'_, ReplyOutcome>) {
        self.with(|seen| {
            for (reply, outcome) in replies.iter().zip(outcomes.as_mut_slice()) {
                let is_stale = seen.stale.contains(&reply.transaction());
                *outcome = if is_stale { ReplyOutcome::STALE } else { ReplyOutcome::SENT };
                seen.replies.push(SeenReply {
                    transaction: reply.transaction(),
                    code: reply.code(),
                    to_tag: String::from_utf8_lossy(reply.to_tag()).into(),
                    headers: String::from_utf8_lossy(reply.headers()).into(),
                });
            }
        });
        self.0.1.notify_all();
    }

    fn send_batch(&self, requests: RSlice<'_, OutgoingRequest<'_>>) {
        self.with(|seen| {
            for request in requests.iter() {
                let (line, headers) = request.head();
                let head = [line, headers].map(|part| String::from_utf8_lossy(part).into_owned()).concat();
                let body = String::from_utf8_lossy(request.body()).into_owned();
                let (flow, address) = (request.destination.flow, request.destination.address.get());
                seen.requests.push(SeenRequest { token: request.token, head, body, flow, address });
            }
        });
        self.0.1.notify_all();
    }
}
