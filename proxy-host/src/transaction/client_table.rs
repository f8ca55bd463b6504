//! Requests that went out, and what comes of each: a response, silence, or that it could not be sent (RFC 3261
//! §17.1.2, §17.1.3, §8.1.3).
//!
//! The transaction user hears one outcome for each request, exactly once.

use super::client_non_invite::{ClientNonInvite, ClientResponse, ClientTimer, Sent, Token};
use super::destinations::Settled;
use super::key::{ClientKey, StoredKey};
use super::shard::{Handle, Shard, Shards};
use super::table::{Action, Outcome, Table, count};
use super::timers::Moment;
use module_api::sip::header::HeaderId;
use module_api::sip::message::Message;
use module_api::sip::via::Via;
use rustc_hash::FxHashSet;

/// A request that is about to be sent for the first time.
#[derive(Debug)]
pub struct Outgoing<'a, B> {
    /// The branch of its top Via: unique, and not to be guessed.
    pub branch: &'a [u8],
    /// Its method.
    pub method: &'a [u8],
    /// The request and where it goes.
    pub sent: Sent<B>,
    /// What the user knows it by.
    pub token: Token,
}

/// A request as it would be sent, without a transaction yet.
#[derive(Debug)]
pub struct Held<B> {
    /// The branch of its top Via.
    pub branch: [u8; 32],
    /// Its method.
    pub method: Box<[u8]>,
    /// The request and where it goes.
    pub sent: Sent<B>,
    /// What the user knows it by.
    pub token: Token,
    /// When it was written.
    pub since: Moment,
}

/// Why a request has no transaction, and is not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SendError {
    /// There is a transaction with this branch and method.
    BranchInUse,
    /// There is no room for one more.
    Full,
}

/// A copy of a request to send.
#[derive(Debug)]
pub struct Retransmission<B> {
    /// The transaction, for [`Table::on_client_transport_error`].
    pub handle: u64,
    /// The request and where it goes.
    pub sent: Sent<B>,
}

/// What a response is to its transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answered {
    /// A provisional response, or one that came before: drop it.
    Absorbed,
    /// The outcome, for the user.
    Final(Outcome),
    /// No transaction waits for it: drop it (RFC 4320 §4.2).
    Stray,
}

/// All client transactions.
#[derive(Debug)]
pub(super) struct Clients<B>(Shards<Client<B>>);

#[derive(Debug)]
struct Client<B> {
    key: StoredKey,
    machine: ClientNonInvite<B>,
}

impl<B> Clients<B> {
    pub(super) fn new() -> Self {
        Self(Shards::new())
    }
}

impl<B: AsRef<[u8]> + Clone + Send + Sync + 'static> Table<B> {
    /// Makes the transaction of a request, which the caller then sends. Returns its handle.
    pub fn on_send(&self, outgoing: Outgoing<'_, B>, now: Moment) -> Result<u64, SendError> {
        let key = ClientKey::of(&self.secret, outgoing.branch, outgoing.method);
        let mut shard = self.clients.0.of_hash(key.hash());
        if shard.slots.find(key.hash(), |client| key.is(&client.key)).is_some() {
            return Err(SendError::BranchInUse);
        }
        if !self.take_place(|| evict_in(&mut shard)) {
            return Err(SendError::Full);
        }
        let machine = ClientNonInvite::new(outgoing.sent, outgoing.token, now);
        let wake_at = machine.next_timeout();
        let Ok(slot) = shard.slots.insert(key.hash(), Client { key: key.to_stored(), machine }) else {
            self.give_place_back();
            count(&self.counters.refused);
            return Err(SendError::Full);
        };
        shard.wake(slot, wake_at);
        count(&self.counters.requests_sent);
        Ok(shard.handle(slot))
    }

    /// Takes a response; `via` is its top Via.
    ///
    /// One with another Via is meant for somebody else (§8.1.3.3), and one with a defect, such as a body cut short,
    /// counts as lost (§18.3).
    pub fn on_response(&self, response: &Message<'_>, via: &Via<'_>, now: Moment) -> Answered {
        let answered = self.match_response(response, via, now);
        count(match answered {
            Answered::Absorbed => &self.counters.responses_absorbed,
            Answered::Final(_) => &self.counters.responses,
            Answered::Stray => &self.counters.responses_stray,
        });
        answered
    }

    /// Takes the news that a request could not be sent; returns the outcome, unless there was one before.
    pub fn on_client_transport_error(&self, handle: u64) -> Option<Outcome> {
        let handle = Handle::from_bits(handle);
        let mut shard = self.clients.0.of_handle(handle);
        let (slot, _) = shard.by_handle(handle)?;
        self.fail(&mut shard, slot)
    }

    /// Takes the news that connections have closed; appends the outcomes of the requests that went on them.
    ///
    /// Looks at every transaction: many closed connections are one call.
    pub fn on_flows_closed(&self, flows: &FxHashSet<u64>, outcomes: &mut Vec<Outcome>) {
        for mut shard in self.clients.0.each() {
            let lost = |client: &Client<B>| client.machine.peer().is_some_and(|peer| flows.contains(&peer.flow));
            let slots = shard.slots.filter(lost);
            outcomes.extend(slots.into_iter().filter_map(|slot| self.fail(&mut shard, slot)));
        }
    }

    fn match_response(&self, response: &Message<'_>, via: &Via<'_>, now: Moment) -> Answered {
        let (Some(code), Some(branch)) = (response.status_code(), via.branch()) else { return Answered::Stray };
        if response.defect().is_some() || has_second_via(response, via) {
            return Answered::Stray;
        }
        let key = ClientKey::of(&self.secret, branch, response.method_name());
        let mut shard = self.clients.0.of_hash(key.hash());
        let slot = shard.slots.find(key.hash(), |client| key.is(&client.key));
        let Some((slot, client)) = slot.and_then(|slot| Some((slot, shard.slots.at_mut(slot)?))) else {
            return Answered::Stray;
        };
        let peer = client.machine.peer();
        match client.machine.on_response(code, now) {
            // The timer that is set stays: it looks at the state it finds.
            ClientResponse::Provisional | ClientResponse::Repeated => Answered::Absorbed,
            ClientResponse::Final => {
                let outcome = Outcome { token: client.machine.token(), code };
                let settled = if code < 300 { Settled::Accepted(now) } else { Settled::NotAccepted };
                peer.iter().for_each(|peer| self.settle(peer, settled));
                match client.machine.next_timeout() {
                    Some(at) => {
                        shard.wheel.set(slot, at);
                        shard.note_completed(slot);
                    }
                    None => self.remove_client(&mut shard, slot),
                }
                Answered::Final(outcome)
            }
        }
    }

    /// Ends a transaction whose request cannot be sent: 503, as RFC 3261 §8.1.3.1 has it.
    fn fail(&self, shard: &mut Shard<Client<B>>, slot: u32) -> Option<Outcome> {
        let client = shard.slots.at_mut(slot)?;
        let peer = client.machine.peer();
        if !client.machine.on_transport_error() {
            return None;
        }
        peer.iter().for_each(|peer| self.settle(peer, Settled::NotAccepted));
        let token = client.machine.token();
        self.remove_client(shard, slot);
        count(&self.counters.transport_errors);
        Some(Outcome { token, code: 503 })
    }

    fn remove_client(&self, shard: &mut Shard<Client<B>>, slot: u32) {
        shard.remove(slot);
        self.give_place_back();
    }

    pub(super) fn tick_clients(&self, now: Moment, actions: &mut Vec<Action<B>>) {
        for mut shard in self.clients.0.each() {
            while let Some(slot) = shard.wheel.pop_due(now) {
                self.on_client_timer(&mut shard, slot, now, actions);
            }
        }
    }

    fn on_client_timer(&self, shard: &mut Shard<Client<B>>, slot: u32, now: Moment, actions: &mut Vec<Action<B>>) {
        let handle = shard.handle(slot);
        let Some(client) = shard.slots.at_mut(slot) else { return };
        let peer = client.machine.peer();
        match client.machine.on_timer(now) {
            ClientTimer::Retransmit(sent) => {
                count(&self.counters.retransmissions);
                actions.push(Action::Retransmit(Retransmission { handle, sent }));
            }
            ClientTimer::Terminate => return self.remove_client(shard, slot),
            ClientTimer::TimedOut => {
                count(&self.counters.timeouts);
                peer.iter().for_each(|peer| self.settle(peer, Settled::NotAccepted));
                actions.push(Action::Outcome(Outcome { token: client.machine.token(), code: 408 }));
                return self.remove_client(shard, slot);
            }
            ClientTimer::Wait => {}
        }
        let wake_at = client.machine.next_timeout();
        shard.wake(slot, wake_at);
    }

    pub(super) fn evict_client(&self) -> bool {
        self.clients.0.each_free().any(|mut shard| evict_in(&mut shard))
    }
}

fn evict_in<B>(shard: &mut Shard<Client<B>>) -> bool {
    shard.oldest_completed().and_then(|slot| shard.remove(slot)).is_some()
}

/// Returns whether a Via stands behind the first, in the same line or another.
fn has_second_via(response: &Message<'_>, first: &Via<'_>) -> bool {
    let mut lines = response.headers(HeaderId::VIA);
    let rest = lines.next().and_then(|line| line.get((first.span.start + first.span.len) as usize..));
    rest.is_some_and(|rest| rest.contains(&b',')) || lines.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::super::key::KeySecret;
    use super::super::table::TableLimits;
    use super::*;
    use crate::transport::address::Peer;
    use module_api::sip::message::{HeaderTable, scan};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    type Transactions = Table<Arc<[u8]>>;

    fn table(transactions_max: usize) -> Transactions {
        let limits = TableLimits { transactions_max, ..TableLimits::default() };
        Table::new(limits, KeySecret([1, 2]))
    }

    fn at(ms: u64) -> Moment {
        Moment::START + Duration::from_millis(ms)
    }

    fn udp() -> Peer {
        Peer::udp("192.0.2.1:5060".parse().unwrap(), 0)
    }

    fn send_to(table: &Transactions, peer: Peer, branch: &str, ms: u64) -> Result<u64, SendError> {
        let sent = Sent { peer, head: (*b"head").into(), body: (*b"body").into() };
        let outgoing = Outgoing { branch: branch.as_bytes(), method: b"NOTIFY", sent, token: [ms, 0, 0, 0] };
        table.on_send(outgoing, at(ms))
    }

    fn send(table: &Transactions, branch: &str, ms: u64) -> u64 {
        send_to(table, udp(), branch, ms).unwrap()
    }

    fn answer(table: &Transactions, code: u16, vias: &str, method: &str, ms: u64) -> Answered {
        let response = format!(
            "SIP/2.0 {code} Whatever\r\n{vias}\r\nFrom: <sip:a@b>;tag=f\r\nTo: <sip:c@d>;tag=t\r\nCall-ID: c\r\n\
             CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        let mut headers = HeaderTable::new();
        let message = scan(response.as_bytes(), &mut headers).unwrap();
        let via = Via::parse_first(message.header(HeaderId::VIA).unwrap()).unwrap();
        table.on_response(&message, &via, at(ms))
    }

    fn tick(table: &Transactions, ms: u64) -> Vec<Action<Arc<[u8]>>> {
        let mut actions = Vec::new();
        table.tick(at(ms), &mut actions);
        actions
    }

    const VIA: &str = "Via: SIP/2.0/UDP h;branch=z9hG4bKa";

    /// What a 200 with these Vias and this CSeq method is to a NOTIFY with branch `z9hG4bKa`.
    fn check(vias: &str, method: &str, expected: Answered) {
        let table = table(10);
        send(&table, "z9hG4bKa", 7);
        assert_eq!(answer(&table, 200, vias, method, 8), expected, "{vias} {method}");
    }

    #[test]
    fn a_response_is_matched_by_branch_and_method_and_has_one_via() {
        let found = Answered::Final(Outcome { token: [7, 0, 0, 0], code: 200 });
        check(VIA, "NOTIFY", found);
        check("v: SIP/2.0/UDP other:99;received=1.2.3.4;branch=z9hG4bKa", "NOTIFY", found);
        check("Via: SIP/2.0/UDP h;branch=z9hG4bKb", "NOTIFY", Answered::Stray);
        check("Via: SIP/2.0/UDP h", "NOTIFY", Answered::Stray);
        check(VIA, "SUBSCRIBE", Answered::Stray);
        check(&format!("{VIA}, SIP/2.0/UDP next"), "NOTIFY", Answered::Stray);
        check(&format!("{VIA}\r\nVia: SIP/2.0/UDP next"), "NOTIFY", Answered::Stray);
    }

    #[test]
    fn a_response_that_came_mangled_counts_as_lost() {
        check(&format!("{VIA}\r\nCall-ID: another"), "NOTIFY", Answered::Stray);
        check(&format!("{VIA}\r\nNo colon"), "NOTIFY", Answered::Stray);
    }

    #[test]
    fn the_user_hears_one_outcome() {
        let table = table(10);
        send(&table, "z9hG4bKa", 0);
        assert_eq!(answer(&table, 100, VIA, "NOTIFY", 1), Answered::Absorbed);
        let outcome = Outcome { token: [0; 4], code: 481 };
        assert_eq!(answer(&table, 481, VIA, "NOTIFY", 2), Answered::Final(outcome));
        assert_eq!(answer(&table, 200, VIA, "NOTIFY", 3), Answered::Absorbed);
        assert!((3..6000).step_by(50).all(|ms| tick(&table, ms).is_empty()));
        assert!(table.is_empty());
        assert_eq!(answer(&table, 200, VIA, "NOTIFY", 6001), Answered::Stray);
    }

    #[test]
    fn silence_is_ten_more_copies_and_then_408() {
        let table = table(10);
        let handle = send(&table, "z9hG4bKa", 0);
        let mut copies_ms = Vec::new();
        for ms in (0..32_000).step_by(50) {
            for action in tick(&table, ms) {
                let Action::Retransmit(Retransmission { handle: of, sent }) = action else { panic!("{action:?}") };
                assert_eq!(
                    (of, sent.peer, &*sent.head, &*sent.body),
                    (handle, udp(), b"head" as &[u8], b"body" as &[u8])
                );
                copies_ms.push(ms);
            }
        }
        assert_eq!(copies_ms, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        let actions = tick(&table, 32_000);
        assert!(matches!(actions[..], [Action::Outcome(Outcome { code: 408, token: [0, 0, 0, 0] })]), "{actions:?}");
        assert!(table.is_empty() && tick(&table, 90_000).is_empty());
    }

    #[test]
    fn a_request_that_cannot_be_sent_is_503_once() {
        let table = table(10);
        let handle = send(&table, "z9hG4bKa", 5);
        assert_eq!(table.on_client_transport_error(handle), Some(Outcome { token: [5, 0, 0, 0], code: 503 }));
        assert_eq!(table.on_client_transport_error(handle), None);
        assert_eq!(answer(&table, 200, VIA, "NOTIFY", 6), Answered::Stray);
        let answered = send(&table, "z9hG4bKa", 7);
        answer(&table, 200, VIA, "NOTIFY", 8);
        assert_eq!(table.on_client_transport_error(answered), None);
        assert_eq!(answer(&table, 200, VIA, "NOTIFY", 9), Answered::Absorbed);
    }

    #[test]
    fn a_closed_connection_ends_what_went_on_it() {
        let table = table(10);
        let tcp = |flow| Peer::tcp("192.0.2.1:5060".parse().unwrap(), 0, flow);
        send_to(&table, tcp(1), "z9hG4bKa", 1).unwrap();
        send_to(&table, tcp(2), "z9hG4bKb", 2).unwrap();
        send_to(&table, tcp(1), "z9hG4bKc", 3).unwrap();
        send(&table, "z9hG4bKd", 4);
        let mut outcomes = Vec::new();
        table.on_flows_closed(&FxHashSet::from_iter([1, 9]), &mut outcomes);
        outcomes.sort_by_key(|outcome| outcome.token);
        assert_eq!(outcomes, [1, 3].map(|n| Outcome { token: [n, 0, 0, 0], code: 503 }));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_branch_is_used_once_at_a_time() {
        let table = table(10);
        send(&table, "z9hG4bKa", 0);
        assert_eq!(send_to(&table, udp(), "z9hG4bKa", 1), Err(SendError::BranchInUse));
    }

    #[test]
    fn a_full_table_lets_completed_requests_go_and_then_refuses() {
        let table = table(2);
        send(&table, "z9hG4bKa", 0);
        send(&table, "z9hG4bKb", 0);
        assert_eq!(send_to(&table, udp(), "z9hG4bKc", 1), Err(SendError::Full));
        answer(&table, 200, VIA, "NOTIFY", 2);
        send(&table, "z9hG4bKc", 3);
        assert_eq!(answer(&table, 200, VIA, "NOTIFY", 4), Answered::Stray);
        assert_eq!(table.counters.evicted.load(Ordering::Relaxed), 1);
        assert_eq!(table.len(), 2);
    }
}
