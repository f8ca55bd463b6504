//! The non-INVITE client transaction (RFC 3261 §17.1.2, Figure 6).
//!
//! Pure: `table.rs` drives it and acts on what it returns. Its body may be that of a thousand others: it is never
//! copied, and let go as soon as nothing has to be repeated any more, with all that is known of the request.

use super::timers::{Moment, T1, T2, TIMER_F, TIMER_K};
use crate::transport::address::Peer;
use std::sync::Arc;
use std::time::Duration;

/// What the transaction user has its request known by: opaque here.
pub type Token = [u64; 4];

#[derive(Debug)]
pub(crate) struct ClientNonInvite<B> {
    state: State<B>,
    token: Token,
}

#[derive(Debug)]
enum State<B> {
    Trying(Box<Waiting<B>>),
    Proceeding(Box<Waiting<B>>),
    /// Until the moment at which timer K fires.
    Completed(Moment),
    Terminated,
}

/// A request that has no final response yet.
#[derive(Debug)]
struct Waiting<B> {
    request: Sent<B>,
    /// When timer E fires, where the transport is unreliable.
    retransmit_at: Option<Moment>,
    interval: Duration,
    /// When timer F fires.
    over_at: Moment,
}

/// A request as it was sent.
#[derive(Clone, Debug)]
pub struct Sent<B> {
    /// Where it went.
    pub peer: Peer,
    /// Start line, headers and empty line.
    pub head: Arc<[u8]>,
    /// The body, perhaps shared with others.
    pub body: B,
}

/// What a response means to its transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ClientResponse {
    /// The first final response: the user wants to know.
    Final,
    /// A final response after the first.
    Repeated,
    /// A provisional response.
    Provisional,
}

/// What a timer asks for.
#[derive(Debug)]
pub(crate) enum ClientTimer<B> {
    /// Timer E: send the request again.
    Retransmit(Sent<B>),
    /// Timer K: all is over.
    Terminate,
    /// Timer F: there will be no answer.
    TimedOut,
    /// Nothing is due.
    Wait,
}

impl<B: Clone> ClientNonInvite<B> {
    /// Starts with a request that is sent at `now`.
    pub(crate) fn new(request: Sent<B>, token: Token, now: Moment) -> Self {
        let retransmit_at = (!request.peer.transport.is_reliable()).then(|| now + T1);
        let waiting = Waiting { request, retransmit_at, interval: T1, over_at: now + TIMER_F };
        Self { state: State::Trying(Box::new(waiting)), token }
    }

    /// Takes a response with status `code`.
    pub(crate) fn on_response(&mut self, code: u16, now: Moment) -> ClientResponse {
        match (std::mem::replace(&mut self.state, State::Terminated), code) {
            (State::Trying(waiting) | State::Proceeding(waiting), ..200) => {
                self.state = State::Proceeding(waiting);
                ClientResponse::Provisional
            }
            (State::Trying(waiting) | State::Proceeding(waiting), _) => {
                // A reliable transport repeats nothing, so there timer K is zero.
                if !waiting.request.peer.transport.is_reliable() {
                    self.state = State::Completed(now + TIMER_K);
                }
                ClientResponse::Final
            }
            (state, _) => {
                self.state = state;
                ClientResponse::Repeated
            }
        }
    }

    /// Looks at what is due, and goes past it: one thing a call.
    pub(crate) fn on_timer(&mut self, now: Moment) -> ClientTimer<B> {
        let timer = match &mut self.state {
            State::Trying(waiting) | State::Proceeding(waiting) if waiting.over_at <= now => ClientTimer::TimedOut,
            State::Trying(waiting) => waiting.retransmission(now, |interval| (interval * 2).min(T2)),
            State::Proceeding(waiting) => waiting.retransmission(now, |_| T2),
            State::Completed(at) if *at <= now => ClientTimer::Terminate,
            State::Completed(_) | State::Terminated => ClientTimer::Wait,
        };
        if matches!(timer, ClientTimer::Terminate | ClientTimer::TimedOut) {
            self.state = State::Terminated;
        }
        timer
    }

    /// Takes the news that the request cannot be sent; returns whether the user still waits for an outcome.
    pub(crate) fn on_transport_error(&mut self) -> bool {
        let is_waiting = self.waiting().is_some();
        if is_waiting {
            self.state = State::Terminated;
        }
        is_waiting
    }

    /// Returns when to call [`Self::on_timer`] next.
    pub(crate) fn next_timeout(&self) -> Option<Moment> {
        match &self.state {
            State::Trying(waiting) | State::Proceeding(waiting) => {
                Some(waiting.retransmit_at.map_or(waiting.over_at, |at| at.min(waiting.over_at)))
            }
            State::Completed(at) => Some(*at),
            State::Terminated => None,
        }
    }

    pub(crate) fn token(&self) -> Token {
        self.token
    }

    /// Returns the far end, while the request may still have to be sent again.
    pub(crate) fn peer(&self) -> Option<Peer> {
        self.waiting().map(|waiting| waiting.request.peer)
    }

    fn waiting(&self) -> Option<&Waiting<B>> {
        match &self.state {
            State::Trying(waiting) | State::Proceeding(waiting) => Some(waiting),
            State::Completed(_) | State::Terminated => None,
        }
    }
}

impl<B: Clone> Waiting<B> {
    fn retransmission(&mut self, now: Moment, next: impl Fn(Duration) -> Duration) -> ClientTimer<B> {
        let Some(due) = self.retransmit_at.filter(|at| *at <= now) else { return ClientTimer::Wait };
        self.interval = next(self.interval);
        // Counted from when it was due, so that lateness does not add up; one copy makes up for a long pause.
        let again = due + self.interval;
        self.retransmit_at = Some(if again > now { again } else { now + self.interval });
        ClientTimer::Retransmit(self.request.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Transaction = ClientNonInvite<Arc<[u8]>>;

    fn at(ms: u64) -> Moment {
        Moment::START + Duration::from_millis(ms)
    }

    fn udp() -> Peer {
        Peer::udp("192.0.2.1:5060".parse().unwrap(), 0)
    }

    fn tcp() -> Peer {
        Peer::tcp("192.0.2.1:5060".parse().unwrap(), 0, 1)
    }

    fn start(peer: Peer) -> Transaction {
        let request = Sent { peer, head: (*b"head").into(), body: (*b"body").into() };
        ClientNonInvite::new(request, [0, 1, 2, 3], at(0))
    }

    /// Runs a transaction on its timers alone, with `responses` at their times; returns what came of it and when.
    fn run(peer: Peer, responses: &[(u64, u16)]) -> Vec<(u64, String)> {
        let mut transaction = start(peer);
        let mut seen = Vec::new();
        for ms in 0..=60_000 {
            for (_, code) in responses.iter().filter(|(at, _)| *at == ms) {
                seen.push((ms, format!("{:?}", transaction.on_response(*code, at(ms)))));
            }
            if transaction.next_timeout().is_some_and(|due| due <= at(ms)) {
                seen.push((
                    ms,
                    match transaction.on_timer(at(ms)) {
                        ClientTimer::Retransmit(_) => "Retransmit".to_owned(),
                        ClientTimer::Terminate => "Terminate".to_owned(),
                        ClientTimer::TimedOut => "TimedOut".to_owned(),
                        ClientTimer::Wait => panic!("woken for nothing at {ms} ms"),
                    },
                ));
            }
        }
        assert!(transaction.next_timeout().is_none());
        seen
    }

    fn check(peer: Peer, responses: &[(u64, u16)], retransmissions_ms: &[u64], rest: &[(u64, &str)]) {
        let seen = run(peer, responses);
        let (copies, others): (Vec<_>, Vec<_>) = seen.into_iter().partition(|(_, what)| what == "Retransmit");
        assert_eq!(copies.into_iter().map(|(ms, _)| ms).collect::<Vec<_>>(), retransmissions_ms);
        assert_eq!(others, rest.iter().map(|(ms, what)| (*ms, (*what).to_owned())).collect::<Vec<_>>());
    }

    #[test]
    fn without_a_response_eleven_copies_go_out_and_timer_f_ends_it() {
        let copies = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
        check(udp(), &[], &copies, &[(32_000, "TimedOut")]);
    }

    #[test]
    fn a_reliable_transport_sends_one_copy() {
        check(tcp(), &[], &[], &[(32_000, "TimedOut")]);
    }

    #[test]
    fn a_final_response_ends_the_copies_and_later_ones_are_absorbed() {
        check(
            udp(),
            &[(600, 200), (700, 200), (800, 500), (900, 100)],
            &[500],
            &[(600, "Final"), (700, "Repeated"), (800, "Repeated"), (900, "Repeated"), (5600, "Terminate")],
        );
        check(tcp(), &[(600, 481)], &[], &[(600, "Final")]);
    }

    #[test]
    fn a_provisional_response_slows_the_copies_to_t2() {
        let copies = [500, 1500, 5500, 9500, 13_500, 17_500, 21_500, 25_500, 29_500];
        let rest = [(600, "Provisional"), (700, "Provisional"), (32_000, "TimedOut")];
        check(udp(), &[(600, 100), (700, 100)], &copies, &rest);
        check(
            udp(),
            &[(600, 100), (2000, 603)],
            &[500, 1500],
            &[(600, "Provisional"), (2000, "Final"), (7000, "Terminate")],
        );
        check(tcp(), &[(600, 100)], &[], &[(600, "Provisional"), (32_000, "TimedOut")]);
    }

    #[test]
    fn a_transport_error_is_an_outcome_only_while_one_is_awaited() {
        let mut trying = start(udp());
        assert!(trying.on_transport_error());
        assert!(trying.next_timeout().is_none());
        assert!(!trying.on_transport_error());
        let mut proceeding = start(udp());
        proceeding.on_response(100, at(1));
        assert!(proceeding.on_transport_error());
        let mut completed = start(udp());
        completed.on_response(200, at(1));
        assert!(!completed.on_transport_error());
        assert!(completed.next_timeout().is_some());
    }

    #[test]
    fn after_a_long_pause_one_copy_goes_out_and_not_all_that_were_missed() {
        let mut transaction = start(udp());
        assert!(matches!(transaction.on_timer(at(20_000)), ClientTimer::Retransmit(_)));
        assert_eq!(transaction.next_timeout(), Some(at(21_000)));
        assert!(matches!(transaction.on_timer(at(20_000)), ClientTimer::Wait));
        assert!(matches!(transaction.on_timer(at(32_000)), ClientTimer::TimedOut));
    }

    #[test]
    fn the_body_is_shared_and_let_go_with_the_final_response() {
        let body: Arc<[u8]> = (*b"body").into();
        let request = Sent { peer: udp(), head: (*b"head").into(), body: Arc::clone(&body) };
        let mut transactions: Vec<_> =
            (0..1000).map(|_| ClientNonInvite::new(request.clone(), [0; 4], at(0))).collect();
        assert_eq!(Arc::strong_count(&body), 1002);
        transactions.iter_mut().for_each(|it| _ = it.on_response(200, at(1)));
        assert_eq!(Arc::strong_count(&body), 2);
    }
}
