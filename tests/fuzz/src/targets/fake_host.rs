//! A host that keeps what the server sends, and whose clock stands until it is moved.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use module_api::abi::{
    Clock, HostServices, LogLevel, Metric, MetricKind, OutgoingRequest, RSlice, RSliceMut, RStr, Reply, ReplyOutcome,
    Token,
};
use parking_lot::{Condvar, Mutex};

/// Longer than anything a sound server needs, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// A NOTIFY as it was handed over, with the Via that the host adds.
#[derive(Clone)]
pub(super) struct Notify {
    pub(super) token: Token,
    pub(super) message: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Seen {
    /// How each transaction was answered: code and header lines.
    pub(super) replies: BTreeMap<u64, (u16, Vec<u8>)>,
    pub(super) notifies: Vec<Notify>,
    pub(super) to_tag: Vec<u8>,
    errors: Vec<String>,
    clock: Clock,
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

    /// Waits for the answer to a transaction.
    pub(super) fn wait_for_reply(&self, transaction: u64) {
        let mut seen = self.0.0.lock();
        while !seen.replies.contains_key(&transaction) {
            assert!(!self.0.1.wait_for(&mut seen, DEADLINE).timed_out(), "no answer to request {transaction}");
        }
    }

    /// Nothing may have gone wrong that only an operator would have heard of.
    pub(super) fn check_errors(&self) {
        self.with(|seen| assert!(seen.errors.is_empty(), "{:?}", seen.errors));
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

    fn metric(&self, _: MetricKind, _: RStr<'_>, _: RStr<'_>) -> Metric {
        Metric(0)
    }

    fn measure(&self, _: Metric, _: i64) {}

    fn is_local(&self, domain: RStr<'_>) -> bool {
        domain.as_str() == "pres.example"
    }

    fn reply_batch(&self, replies: RSlice<'_, Reply<'_>>, mut outcomes: RSliceMut<'_, ReplyOutcome>) {
        self.with(|seen| {
            for (reply, outcome) in replies.iter().zip(outcomes.as_mut_slice()) {
                *outcome = ReplyOutcome::SENT;
                let before = seen.replies.insert(reply.transaction(), (reply.code(), reply.headers().to_vec()));
                // No panic may cross the ABI.
                if before.is_some() {
                    seen.errors.push(format!("request {} is answered twice", reply.transaction()));
                }
                if reply.code() == 200 {
                    seen.to_tag = reply.to_tag().to_vec();
                }
            }
        });
        self.0.1.notify_all();
    }

    fn send_batch(&self, requests: RSlice<'_, OutgoingRequest<'_>>) {
        self.with(|seen| {
            for request in requests.iter() {
                let (line, headers) = request.head();
                let via = b"Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK9\r\n";
                let message = [line, via, headers, request.body()].concat();
                seen.notifies.push(Notify { token: request.token, message });
            }
        });
        self.0.1.notify_all();
    }
}
