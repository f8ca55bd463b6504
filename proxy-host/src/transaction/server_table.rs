//! Requests that came in, and the answers they get (RFC 3261 §17.2.2, §17.2.3, §8.2.2.2, §9.2).
//!
//! A copy of a request never reaches the transaction user: what a request does is done once.

use super::answer::Answer;
use super::in_service::{Entered, InService};
use super::key::{ServerKey, StoredKey};
pub use super::server_non_invite::ReplyError;
use super::server_non_invite::{Pending, Repetition, ServerNonInvite, ServerTimer};
use super::shard::{Handle, Shard, Shards};
use super::table::{Action, Table, count};
use super::timers::Moment;
use crate::transport::address::Peer;
use crate::transport::response_route::{Destination, response_route};
use module_api::sip::header::HeaderId;
use module_api::sip::message::{HeaderTable, Message, scan};
use module_api::sip::via::Via;
use module_api::sip::writer::ResponseHead;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::cell::RefCell;

/// What a request is to its transaction.
#[derive(Debug)]
pub enum Matched {
    /// A copy of a request that has no answer yet: drop it.
    Absorbed,
    /// A new request: carry it out, and answer by this handle.
    New(u64),
    /// There is no room for one more: answer without a transaction, or not at all.
    Refused,
    /// A copy of a request that was answered: render this for it, and send that.
    Repeat(Answer),
}

/// The request that a CANCEL is about.
#[derive(Debug)]
pub struct Cancelled {
    /// Its transaction.
    pub handle: u64,
    /// What it was answered, if it was.
    pub answer: Option<Answer>,
}

/// All server transactions.
#[derive(Debug)]
pub(super) struct Servers {
    shards: Shards<Server>,
    /// Those that are carried out.
    in_service: InService,
    /// The first copy of each request that is looked after: hash to handle.
    copies: Mutex<FxHashMap<u64, u64>>,
}

#[derive(Debug)]
struct Server {
    key: StoredKey,
    machine: ServerNonInvite,
    /// What this request shares with its copies that came another way, where that was asked for.
    copies: Option<u64>,
    /// Where it is counted until it is answered.
    in_service: Option<Entered>,
}

impl Servers {
    pub(super) fn new(in_service_max: usize) -> Self {
        Self { shards: Shards::new(), in_service: InService::new(in_service_max), copies: Mutex::default() }
    }

    /// Takes out the transaction in `slot` with all that leads to it.
    fn remove(&self, shard: &mut Shard<Server>, slot: u32) {
        let handle = shard.handle(slot);
        let Some(Server { copies, in_service, .. }) = shard.remove(slot) else { return };
        in_service.into_iter().for_each(|entered| self.in_service.give_up(entered));
        let Some(hash) = copies else { return };
        let mut copies = self.copies.lock();
        if copies.get(&hash) == Some(&handle) {
            copies.remove(&hash);
            if copies.is_empty() && copies.capacity() > KEPT_MAX {
                *copies = FxHashMap::default();
            }
        }
    }
}

/// Room for so many hashes of copies is kept when there is none.
const KEPT_MAX: usize = 16_384;

impl<B: AsRef<[u8]> + Clone + Send + Sync + 'static> Table<B> {
    /// Takes a request other than INVITE and ACK; `via` is its top Via, `source` where it came from.
    pub fn on_request(&self, request: &Message<'_>, via: &Via<'_>, source: Peer, now: Moment) -> Matched {
        let key = ServerKey::of(&self.secret, request, via);
        let mut shard = self.servers.shards.of_hash(key.hash());
        if let Some(copy) = self.match_copy(&mut shard, &key) {
            return copy;
        }
        if !self.take_place(|| self.evict_server_in(&mut shard)) {
            return Matched::Refused;
        }
        let machine = ServerNonInvite::new(head_of(request), source, self.limits.remind_after, now);
        let wake_at = machine.next_timeout();
        match shard.slots.insert(key.hash(), Server { key: key.to_stored(), machine, copies: None, in_service: None }) {
            Ok(slot) => {
                if let Some(server) = shard.slots.at_mut(slot) {
                    server.in_service = Some(self.servers.in_service.enter(&source.remote, now));
                }
                shard.wake(slot, wake_at);
                count(&self.counters.requests);
                Matched::New(shard.handle(slot))
            }
            Err(_) => {
                self.give_place_back();
                count(&self.counters.refused);
                Matched::Refused
            }
        }
    }

    /// Returns how many requests are carried out, and for whom.
    pub fn in_service(&self) -> &InService {
        &self.servers.in_service
    }

    /// Takes a request as [`Self::on_request`] does where it is a copy of one before; a new one gets no transaction.
    pub fn on_copy(&self, request: &Message<'_>, via: &Via<'_>) -> Option<Matched> {
        let key = ServerKey::of(&self.secret, request, via);
        let mut shard = self.servers.shards.of_hash(key.hash());
        self.match_copy(&mut shard, &key)
    }

    fn match_copy(&self, shard: &mut Shard<Server>, key: &ServerKey) -> Option<Matched> {
        let slot = shard.slots.find(key.hash(), |server| key.is(&server.key))?;
        let repetition = shard.slots.at_mut(slot)?.machine.on_copy();
        Some(match repetition {
            Repetition::Absorb => {
                count(&self.counters.copies_absorbed);
                Matched::Absorbed
            }
            Repetition::Repeat(answer) => {
                count(&self.counters.copies_answered);
                Matched::Repeat(answer)
            }
        })
    }

    /// Answers a request, once: appends the response to `out` and returns where it goes.
    ///
    /// What `response` says about where the request was seen to come from is passed over: the transaction knows.
    pub fn reply(
        &self,
        handle: u64,
        response: &ResponseHead<'_>,
        now: Moment,
        out: &mut Vec<u8>,
    ) -> Result<Destination, ReplyError> {
        let answer = Answer::new(response);
        let pending = self.complete(Handle::from_bits(handle), &answer, now)?;
        // Rendered without the lock: whoever repeats the request meanwhile gets an answer of its own.
        render(&pending, &answer, out).ok_or(ReplyError::Stale)
    }

    /// Takes the news that a response to this request could not be sent (§17.2.4).
    pub fn on_server_transport_error(&self, handle: u64) {
        let handle = Handle::from_bits(handle);
        let mut shard = self.servers.shards.of_handle(handle);
        let Some((slot, server)) = shard.by_handle(handle) else { return };
        server.machine.on_transport_error();
        self.servers.remove(&mut shard, slot);
        self.give_place_back();
        count(&self.counters.transport_errors);
    }

    /// Returns the request that a CANCEL is about: answer 200 if there is one, with the To-tag of the request's own
    /// answer, else 481, and in either case leave the request alone (§9.2).
    pub fn matches_cancel(&self, cancel: &Message<'_>, via: &Via<'_>) -> Option<Cancelled> {
        let key = ServerKey::of(&self.secret, cancel, via);
        let mut shard = self.servers.shards.of_hash(key.hash());
        let slot = shard.slots.find(key.hash(), |server| key.cancels(&server.key))?;
        let answer = shard.slots.at_mut(slot)?.machine.answer().cloned();
        Some(Cancelled { handle: shard.handle(slot), answer })
    }

    /// Returns whether the request behind `handle` came another way before, and that copy's transaction still lives:
    /// answer 482 (§8.2.2.2). For a server that carries requests out; a proxy forwards each copy.
    pub fn is_merged(&self, handle: u64, request: &Message<'_>) -> bool {
        let Some(hash) = self.secret.hash_of_copies(request) else { return false };
        let own = Handle::from_bits(handle);
        let mut shard = self.servers.shards.of_handle(own);
        let Some((_, server)) = shard.by_handle(own) else { return false };
        let first = *self.servers.copies.lock().entry(hash).or_insert(handle);
        if first == handle {
            server.copies = Some(hash);
        }
        first != handle
    }

    fn complete(&self, handle: Handle, answer: &Answer, now: Moment) -> Result<Box<Pending>, ReplyError> {
        let mut shard = self.servers.shards.of_handle(handle);
        let (slot, server) = shard.by_handle(handle).ok_or(ReplyError::Stale)?;
        let pending = server.machine.on_answer(answer, now)?;
        server.in_service.take().into_iter().for_each(|entered| self.servers.in_service.leave(entered, now));
        match server.machine.next_timeout() {
            Some(at) => {
                shard.wheel.set(slot, at);
                shard.note_completed(slot);
            }
            None => {
                self.servers.remove(&mut shard, slot);
                self.give_place_back();
            }
        }
        Ok(pending)
    }

    pub(super) fn tick_servers(&self, now: Moment, actions: &mut Vec<Action<B>>) {
        for mut shard in self.servers.shards.each() {
            while let Some(slot) = shard.wheel.pop_due(now) {
                self.on_server_timer(&mut shard, slot, now, actions);
            }
        }
    }

    fn on_server_timer(&self, shard: &mut Shard<Server>, slot: u32, now: Moment, actions: &mut Vec<Action<B>>) {
        let handle = shard.handle(slot);
        let Some(server) = shard.slots.at_mut(slot) else { return };
        let was_pending = server.machine.pending().is_some();
        match server.machine.on_timer(now) {
            ServerTimer::SendTrying => {
                count(&self.counters.trying_sent);
                let mut bytes = Vec::new();
                let pending = server.machine.pending();
                if let Some(destination) = pending.and_then(|it| render(it, &it.trying(), &mut bytes)) {
                    actions.push(Action::Respond { destination, bytes });
                }
            }
            ServerTimer::Remind => actions.push(Action::Remind(handle)),
            ServerTimer::Terminate => {
                if was_pending {
                    count(&self.counters.unanswered);
                }
                self.give_place_back();
                return self.servers.remove(shard, slot);
            }
            ServerTimer::Wait => {}
        }
        let wake_at = server.machine.next_timeout();
        shard.wake(slot, wake_at);
    }

    pub(super) fn evict_server(&self) -> bool {
        self.servers.shards.each_free().any(|mut shard| self.evict_server_in(&mut shard))
    }

    fn evict_server_in(&self, shard: &mut Shard<Server>) -> bool {
        let Some(slot) = shard.oldest_completed() else { return false };
        self.servers.remove(shard, slot);
        true
    }
}

/// Returns the request without its body.
fn head_of<'a>(request: &Message<'a>) -> &'a [u8] {
    let raw = request.raw();
    raw.get(..request.body_span().start as usize).unwrap_or(raw)
}

/// Appends `answer` to the request that is kept; returns where it goes.
fn render(pending: &Pending, answer: &Answer, out: &mut Vec<u8>) -> Option<Destination> {
    SCAN_TABLE.with_borrow_mut(|table| {
        // It was scanned when it came in, so it can be scanned again.
        let request = scan(&pending.head, table).ok()?;
        let via = request.header(HeaderId::VIA).and_then(|value| Via::parse_first(value).ok());
        let route = response_route(via.as_ref(), pending.source);
        answer.render(out, &request, route.stamp);
        Some(route.destination)
    })
}

thread_local! {
    static SCAN_TABLE: RefCell<HeaderTable> = RefCell::new(HeaderTable::new());
}

#[cfg(test)]
mod tests {
    use super::super::key::KeySecret;
    use super::super::table::TableLimits;
    use super::*;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    type Transactions = Table<&'static [u8]>;

    fn table(transactions_max: usize) -> Transactions {
        let limits = TableLimits { transactions_max, ..TableLimits::default() };
        Table::new(limits, KeySecret([1, 2]))
    }

    fn at(ms: u64) -> Moment {
        Moment::START + Duration::from_millis(ms)
    }

    fn udp() -> Peer {
        Peer::udp("192.0.2.1:40000".parse().unwrap(), 0)
    }

    fn request(method: &str, branch: &str) -> String {
        format!(
            "{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bK{branch}\r\n\
             From: <sip:a@b>;tag=f\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\nContent-Length: 4\r\n\r\nbody"
        )
    }

    fn with<T>(request: &str, act: impl FnOnce(&Message<'_>, &Via<'_>) -> T) -> T {
        let mut headers = HeaderTable::new();
        let message = scan(request.as_bytes(), &mut headers).unwrap();
        let via = Via::parse_first(message.header(HeaderId::VIA).unwrap()).unwrap();
        act(&message, &via)
    }

    fn arrive(table: &Transactions, request: &str, ms: u64) -> Matched {
        with(request, |message, via| table.on_request(message, via, udp(), at(ms)))
    }

    fn new(table: &Transactions, request: &str, ms: u64) -> u64 {
        match arrive(table, request, ms) {
            Matched::New(handle) => handle,
            other => panic!("expected a new transaction: {other:?}"),
        }
    }

    fn repeated(table: &Transactions, request: &str, ms: u64) -> String {
        let Matched::Repeat(answer) = arrive(table, request, ms) else { panic!("expected a repeated answer") };
        let mut out = Vec::new();
        with(request, |message, via| answer.render(&mut out, message, response_route(Some(via), udp()).stamp));
        String::from_utf8(out).unwrap()
    }

    fn ok() -> ResponseHead<'static> {
        ResponseHead { code: 200, to_tag: b"t", headers: b"SIP-ETag: e\r\nExpires: 60\r\n", ..ResponseHead::default() }
    }

    fn reply(table: &Transactions, handle: u64, ms: u64) -> Result<String, ReplyError> {
        let mut out = Vec::new();
        let destination = table.reply(handle, &ok(), at(ms), &mut out)?;
        assert_eq!(destination, Destination::Address(udp()));
        Ok(String::from_utf8(out).unwrap())
    }

    fn tick(table: &Transactions, ms: u64) -> Vec<Action<&'static [u8]>> {
        let mut actions = Vec::new();
        table.tick(at(ms), &mut actions);
        actions
    }

    /// What the second of two requests is to the first, which has no answer yet.
    fn check(first: &str, second: &str, expected: &str) {
        let table = table(10);
        new(&table, first, 0);
        let matched = format!("{:?}", arrive(&table, second, 1));
        assert!(matched.starts_with(expected), "{matched}");
    }

    #[test]
    fn a_request_is_new_once() {
        check(&request("PUBLISH", "a"), &request("PUBLISH", "a"), "Absorbed");
        check(&request("PUBLISH", "a"), &request("PUBLISH", "b"), "New");
        check(&request("PUBLISH", "a"), &request("CANCEL", "a"), "New");
    }

    #[test]
    fn a_copy_gets_the_same_bytes_as_the_request_did() {
        let table = table(10);
        let handle = new(&table, &request("PUBLISH", "a"), 0);
        let first = reply(&table, handle, 5).unwrap();
        assert!(first.starts_with(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa;received=192.0.2.1;rport=40000\r\n"
        ));
        assert!(first.contains("To: <sip:a@b>;tag=t\r\n") && first.contains("SIP-ETag: e\r\n"));
        assert_eq!(repeated(&table, &request("PUBLISH", "a"), 500), first);
        assert_eq!(repeated(&table, &request("PUBLISH", "a"), 32_000), first);
        assert!(tick(&table, 32_050).is_empty());
        assert!(table.is_empty());
        new(&table, &request("PUBLISH", "a"), 32_051);
    }

    #[test]
    fn a_handle_answers_once_and_stale_ones_answer_nothing() {
        let table = table(10);
        let handle = new(&table, &request("PUBLISH", "a"), 0);
        assert!(reply(&table, handle, 1).is_ok());
        assert_eq!(reply(&table, handle, 2), Err(ReplyError::AlreadyAnswered));
        tick(&table, 40_000);
        assert_eq!(reply(&table, handle, 40_001), Err(ReplyError::Stale));
        let next = new(&table, &request("PUBLISH", "a"), 40_002);
        assert_ne!(next, handle);
        assert_eq!(reply(&table, handle, 40_003), Err(ReplyError::Stale));
        for invented in [0, 1, u64::MAX, next ^ 1, next ^ (1 << 40)] {
            assert_eq!(reply(&table, invented, 40_003), Err(ReplyError::Stale));
        }
        assert!(reply(&table, next, 40_004).is_ok());
    }

    #[test]
    fn a_late_answer_is_announced_its_user_reminded_and_none_at_all_is_silence() {
        let table = table(10);
        let handle = new(&table, &request("PUBLISH", "a"), 0);
        assert!(tick(&table, 3499).is_empty());
        let actions = tick(&table, 3500);
        let [Action::Respond { destination, bytes }] = &actions[..] else { panic!("expected a 100: {actions:?}") };
        let trying = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(*destination, Destination::Address(udp()));
        assert!(trying.starts_with("SIP/2.0 100 Trying\r\n") && trying.contains("To: <sip:a@b>\r\n"));
        assert_eq!(repeated(&table, &request("PUBLISH", "a"), 4000), trying);
        let actions = tick(&table, 10_000);
        assert!(matches!(&actions[..], [Action::Remind(reminded)] if *reminded == handle));
        assert!(tick(&table, 32_000).is_empty());
        assert_eq!(reply(&table, handle, 32_001), Err(ReplyError::Stale));
        assert!(table.is_empty());
        assert_eq!(table.counters.unanswered.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn over_a_stream_the_answer_goes_on_the_connection_and_nothing_is_kept() {
        let table = table(10);
        let source = Peer::tcp("192.0.2.1:40000".parse().unwrap(), 0, 7);
        let text = request("PUBLISH", "a");
        let matched = with(&text, |message, via| table.on_request(message, via, source, at(0)));
        let Matched::New(handle) = matched else { panic!("{matched:?}") };
        let destination = table.reply(handle, &ok(), at(1), &mut Vec::new()).unwrap();
        assert_eq!(destination, Destination::Flow { peer: source, or_else: "192.0.2.1:5070".parse().unwrap() });
        assert!(table.is_empty());
    }

    #[test]
    fn a_cancel_finds_its_request_and_leaves_it_alone() {
        let table = table(10);
        let cancel = request("CANCEL", "a");
        let find = || with(&cancel, |message, via| table.matches_cancel(message, via));
        let handle = || find().map(|cancelled| cancelled.handle);
        assert_eq!(handle(), None);
        let publish = new(&table, &request("PUBLISH", "a"), 0);
        assert_eq!(handle(), Some(publish));
        let own = new(&table, &cancel, 1);
        assert_eq!(handle(), Some(publish));
        assert!(find().is_some_and(|cancelled| cancelled.answer.is_none()));
        assert!(reply(&table, own, 2).is_ok());
        assert!(reply(&table, publish, 3).is_ok());
        assert_eq!(handle(), Some(publish));
        let answer = find().and_then(|cancelled| cancelled.answer);
        assert_eq!(answer.as_ref().map(Answer::to_tag), Some(b"t".as_slice()));
    }

    #[test]
    fn a_request_that_comes_two_ways_is_merged_while_the_first_lives() {
        let table = table(10);
        let merged = |handle, text: &str| with(text, |message, _| table.is_merged(handle, message));
        let (one, other) = (request("PUBLISH", "a"), request("PUBLISH", "b"));
        let first = new(&table, &one, 0);
        assert!(!merged(first, &one));
        assert!(!merged(first, &one));
        let second = new(&table, &other, 1);
        assert!(merged(second, &other));
        assert!(!merged(first ^ (1 << 40), &one), "a stale handle claims nothing");
        table.on_server_transport_error(first);
        assert!(!merged(second, &other));
        let in_dialog = one.replace("To: <sip:a@b>", "To: <sip:a@b>;tag=t").replace("bKa", "bKc");
        assert!(!merged(new(&table, &in_dialog, 2), &in_dialog));
        tick(&table, 40_000);
        tick(&table, 80_000);
        assert!(table.servers.copies.lock().is_empty());
    }

    #[test]
    fn a_full_table_lets_the_completed_go_and_then_refuses() {
        let table = table(2);
        let (first, second) = (new(&table, &request("PUBLISH", "a"), 0), new(&table, &request("PUBLISH", "b"), 0));
        assert!(matches!(arrive(&table, &request("PUBLISH", "c"), 1), Matched::Refused));
        assert!(reply(&table, second, 2).is_ok());
        let third = new(&table, &request("PUBLISH", "c"), 3);
        assert_eq!(reply(&table, second, 4), Err(ReplyError::Stale));
        assert!(matches!(arrive(&table, &request("PUBLISH", "d"), 4), Matched::Refused));
        assert!(matches!(arrive(&table, &request("PUBLISH", "a"), 4), Matched::Absorbed));
        assert!(reply(&table, first, 5).is_ok() && reply(&table, third, 5).is_ok());
        assert_eq!(table.len(), 2);
        assert_eq!(table.counters.evicted.load(Ordering::Relaxed), 1);
        assert_eq!(table.counters.refused.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn one_branch_under_many_methods_is_bounded() {
        let table = table(100);
        let refused = (0..50).filter(|n| {
            let text = request(&format!("METHOD{n}"), "a");
            matches!(arrive(&table, &text, 0), Matched::Refused)
        });
        assert_eq!(refused.count(), 42);
        assert_eq!(table.len(), 8);
    }

    #[test]
    fn ten_thousand_transactions_leave_nothing_behind() {
        let table = table(100_000);
        let handles: Vec<u64> =
            (0..10_000).map(|n| new(&table, &request("PUBLISH", &format!("{n}")), n / 10)).collect();
        for (n, handle) in (0..).zip(&handles) {
            assert!(n % 2 == 1 || reply(&table, *handle, 1000).is_ok());
        }
        let mut actions = 0;
        for ms in (1000..=40_000).step_by(50) {
            actions += tick(&table, ms).len();
        }
        assert_eq!(actions, 10_000, "a 100 and a reminder for each of those without an answer");
        assert!(table.is_empty());
    }
}
