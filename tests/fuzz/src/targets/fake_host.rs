//! A host that keeps what the server sends, and whose clock stands until it is moved. Its transactions are those of the real one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use module_api::abi::{
    Clock, HostServices, LogLevel, Metric, MetricKind, OutgoingRequest, RSlice, RSliceMut, RStr, Reply, ReplyOutcome,
    Token,
};
use module_api::sip::header::HeaderId;
use module_api::sip::message::{HeaderTable, Message, scan};
use module_api::sip::via::Via;
use module_api::sip::writer::ResponseHead;
use parking_lot::{Condvar, Mutex};
use proxy_host::transaction::key::KeySecret;
use proxy_host::transaction::server_table::Matched;
use proxy_host::transaction::table::{Action, Table, TableLimits};
use proxy_host::transaction::timers::Moment;
use proxy_host::transport::address::Peer;

/// Longer than anything a sound server needs, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// A NOTIFY as it was handed over, with the Via that the host adds.
#[derive(Clone)]
pub(super) struct Notify {
    pub(super) token: Token,
    pub(super) message: Vec<u8>,
    /// How often time had passed before.
    pub(super) epoch: usize,
}

#[derive(Default)]
pub(super) struct Seen {
    /// How each transaction was answered.
    pub(super) replies: BTreeMap<u64, u16>,
    /// What stands in the last answer that has one.
    pub(super) etag: Vec<u8>,
    pub(super) notifies: Vec<Notify>,
    pub(super) to_tag: Vec<u8>,
    errors: Vec<String>,
    clock: Clock,
    epoch: usize,
}

#[derive(Clone)]
pub(super) struct FakeHost(Arc<Inner>);

struct Inner {
    seen: Mutex<Seen>,
    has_more: Condvar,
    transactions: Table<Vec<u8>>,
}

impl FakeHost {
    pub(super) fn new() -> Self {
        let transactions = Table::new(TableLimits::default(), KeySecret([1, 2]));
        Self(Arc::new(Inner { seen: Mutex::default(), has_more: Condvar::new(), transactions }))
    }

    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Seen) -> R) -> R {
        look(&mut self.0.seen.lock())
    }

    /// Returns the transaction of a request that is to be carried out: new, and no other way of one that came.
    pub(super) fn begin(&self, request: &Message<'_>) -> Option<u64> {
        let via = Via::parse_first(request.header(HeaderId::VIA)?).ok()?;
        let (peer, now) = (Peer::udp(([192, 0, 2, 1], 5060).into(), 0), self.now());
        match self.0.transactions.on_request(request, &via, peer, now) {
            Matched::New(handle) if self.0.transactions.is_merged(handle, request) => {
                let head = ResponseHead { code: 482, ..ResponseHead::default() };
                self.0.transactions.reply(handle, &head, now, &mut Vec::new()).expect("it waits");
                None
            }
            Matched::New(handle) => Some(handle),
            Matched::Absorbed => panic!("a request is answered before the next comes"),
            Matched::Refused | Matched::Repeat(_) => None,
        }
    }

    /// Lets time pass; no request waits for an answer meanwhile.
    pub(super) fn advance(&self, by: Duration) {
        self.with(|seen| {
            seen.clock.monotonic_ns += by.as_nanos() as u64;
            seen.clock.wall_ms += by.as_millis() as u64;
            seen.epoch += 1;
        });
        let mut actions = Vec::new();
        self.0.transactions.tick(self.now(), &mut actions);
        assert!(!actions.iter().any(|action| matches!(action, Action::Remind(_))), "{actions:?}");
    }

    /// Waits for the answer to a transaction, and returns its code.
    pub(super) fn wait_for_reply(&self, transaction: u64) -> u16 {
        let mut seen = self.0.seen.lock();
        loop {
            if let Some(code) = seen.replies.get(&transaction) {
                return *code;
            }
            assert!(!self.0.has_more.wait_for(&mut seen, DEADLINE).timed_out(), "no answer to request {transaction}");
        }
    }

    fn now(&self) -> Moment {
        Moment::from_nanos(self.with(|seen| seen.clock.monotonic_ns))
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
        let now = self.now();
        self.with(|seen| {
            for (reply, outcome) in replies.iter().zip(outcomes.as_mut_slice()) {
                *outcome = self.reply(reply, now, seen);
            }
        });
        self.0.has_more.notify_all();
    }

    fn send_batch(&self, requests: RSlice<'_, OutgoingRequest<'_>>) {
        self.with(|seen| {
            for request in requests.iter() {
                let (line, headers) = request.head();
                let via = b"Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK9\r\n";
                let message = [line, via, headers, request.body()].concat();
                let epoch = seen.epoch;
                seen.notifies.push(Notify { token: request.token, message, epoch });
            }
        });
        self.0.has_more.notify_all();
    }
}

impl FakeHost {
    /// Answers a transaction. No panic may cross the ABI: what is wrong is told later.
    fn reply(&self, reply: &Reply<'_>, now: Moment, seen: &mut Seen) -> ReplyOutcome {
        let head = ResponseHead {
            code: reply.code(),
            reason: reply.reason(),
            to_tag: reply.to_tag(),
            mirror_record_route: reply.mirrors_record_route(),
            headers: reply.headers(),
            ..ResponseHead::default()
        };
        let (mut out, mut table) = (Vec::new(), HeaderTable::new());
        if self.0.transactions.reply(reply.transaction(), &head, now, &mut out).is_err() {
            if seen.replies.contains_key(&reply.transaction()) {
                seen.errors.push(format!("request {} is answered twice", reply.transaction()));
            }
            return ReplyOutcome::STALE;
        }
        match scan(&out, &mut table) {
            Ok(response) if response.status_code() == Some(head.code) && response.defect().is_none() => {
                if let Some(tag) = response.header(HeaderId::SIP_ETAG) {
                    seen.etag = tag.to_vec();
                }
                if head.code == 200 {
                    seen.to_tag = head.to_tag.to_vec();
                }
            }
            read => seen.errors.push(format!("{read:?}: {}", out.escape_ascii())),
        }
        seen.replies.insert(reply.transaction(), head.code);
        ReplyOutcome::SENT
    }
}
