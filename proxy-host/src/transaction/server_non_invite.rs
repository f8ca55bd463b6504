//! The non-INVITE server transaction (RFC 3261 §17.2.2, Figure 8), as RFC 4320 §4.1 changed it.
//!
//! Pure: `table.rs` drives it and acts on what it returns. It sends no provisional response but 100, that one not
//! before 3.5 s, and never a 408: who cannot answer in time says nothing.

use super::answer::Answer;
use super::timers::{Moment, TIMER_F, TIMER_J, TRYING_AFTER};
use crate::transport::address::Peer;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct ServerNonInvite(State);

#[derive(Debug)]
enum State {
    Trying(Box<Pending>),
    Proceeding(Box<Pending>),
    /// Until the moment at which timer J fires.
    Completed(Answer, Moment),
    Terminated,
}

/// What is kept of a request until it is answered.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The request up to the end of its headers.
    pub(crate) head: Box<[u8]>,
    /// Where it came from.
    pub(crate) source: Peer,
    received_at: Moment,
    /// How long it had waited when it was given a 100.
    waited: Duration,
    /// When the transaction user is reminded, once.
    remind_at: Option<Moment>,
}

/// What to do about another copy of the request.
#[derive(Debug)]
pub(crate) enum Repetition {
    Absorb,
    Repeat(Answer),
}

/// Why an answer is not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReplyError {
    /// A final answer was given before.
    AlreadyAnswered,
    /// The code may not answer a non-INVITE request: 101 to 199, or 408 (RFC 4320 §4.1, §4.2).
    NotAllowed,
    /// The transaction has ended, or never was.
    Stale,
}

/// What a timer asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ServerTimer {
    /// It is time for 100.
    SendTrying,
    /// The transaction user is to be reminded.
    Remind,
    /// The transaction ends, answered or not.
    Terminate,
    /// Nothing is due.
    Wait,
}

impl ServerNonInvite {
    /// Starts with a request that came in at `now`; the user is reminded after `remind_after`.
    pub(crate) fn new(head: &[u8], source: Peer, remind_after: Duration, now: Moment) -> Self {
        let (received_at, waited, remind_at) = (now, Duration::ZERO, Some(now + remind_after));
        Self(State::Trying(Box::new(Pending { head: head.into(), source, received_at, waited, remind_at })))
    }

    /// Takes another copy of the request.
    pub(crate) fn on_copy(&self) -> Repetition {
        match &self.0 {
            State::Trying(_) | State::Terminated => Repetition::Absorb,
            State::Proceeding(pending) => Repetition::Repeat(pending.trying()),
            State::Completed(answer, _) => Repetition::Repeat(answer.clone()),
        }
    }

    /// Takes the final answer; it is sent once, by what is returned.
    pub(crate) fn on_answer(&mut self, answer: &Answer, now: Moment) -> Result<Box<Pending>, ReplyError> {
        if !matches!(answer.code(), 200..=407 | 409..=699) {
            return Err(ReplyError::NotAllowed);
        }
        match std::mem::replace(&mut self.0, State::Terminated) {
            State::Trying(pending) | State::Proceeding(pending) => {
                // A reliable transport repeats nothing, so there timer J is zero.
                if !pending.source.transport.is_reliable() {
                    self.0 = State::Completed(answer.clone(), now + TIMER_J);
                }
                Ok(pending)
            }
            state @ State::Completed(..) => {
                self.0 = state;
                Err(ReplyError::AlreadyAnswered)
            }
            State::Terminated => Err(ReplyError::Stale),
        }
    }

    /// Takes the news that a response could not be sent (§17.2.4).
    pub(crate) fn on_transport_error(&mut self) {
        self.0 = State::Terminated;
    }

    /// Looks at what is due, and goes past it: one thing a call.
    pub(crate) fn on_timer(&mut self, now: Moment) -> ServerTimer {
        let (state, timer) = match std::mem::replace(&mut self.0, State::Terminated) {
            State::Trying(pending) | State::Proceeding(pending) if pending.over_at() <= now => {
                (State::Terminated, ServerTimer::Terminate)
            }
            State::Trying(pending) if pending.trying_at() <= now => {
                (State::Proceeding(pending.after_waiting(now)), ServerTimer::SendTrying)
            }
            State::Trying(pending) if pending.is_reminder_due(now) => {
                (State::Trying(pending.reminded()), ServerTimer::Remind)
            }
            State::Proceeding(pending) if pending.is_reminder_due(now) => {
                (State::Proceeding(pending.reminded()), ServerTimer::Remind)
            }
            State::Completed(_, at) if at <= now => (State::Terminated, ServerTimer::Terminate),
            state => (state, ServerTimer::Wait),
        };
        self.0 = state;
        timer
    }

    /// Returns when to call [`Self::on_timer`] next.
    pub(crate) fn next_timeout(&self) -> Option<Moment> {
        let sooner = |at: Moment, remind_at: Option<Moment>| remind_at.map_or(at, |remind_at| at.min(remind_at));
        match &self.0 {
            State::Trying(pending) => Some(sooner(pending.trying_at(), pending.remind_at)),
            State::Proceeding(pending) => Some(sooner(pending.over_at(), pending.remind_at)),
            State::Completed(_, at) => Some(*at),
            State::Terminated => None,
        }
    }

    /// Returns the final answer, once there is one.
    pub(crate) fn answer(&self) -> Option<&Answer> {
        match &self.0 {
            State::Completed(answer, _) => Some(answer),
            State::Trying(_) | State::Proceeding(_) | State::Terminated => None,
        }
    }

    /// Returns what is kept of the request, until it is answered.
    pub(crate) fn pending(&self) -> Option<&Pending> {
        match &self.0 {
            State::Trying(pending) | State::Proceeding(pending) => Some(pending),
            State::Completed(..) | State::Terminated => None,
        }
    }
}

impl Pending {
    /// Returns the 100 it is given: the same each time.
    pub(crate) fn trying(&self) -> Answer {
        Answer::trying(self.waited)
    }

    fn after_waiting(mut self: Box<Self>, now: Moment) -> Box<Self> {
        self.waited = now - self.received_at;
        self
    }

    fn trying_at(&self) -> Moment {
        self.received_at + TRYING_AFTER
    }

    /// By then the client has given up (§17.1.2.2, timer F), and RFC 4320 leaves nothing to say.
    fn over_at(&self) -> Moment {
        self.received_at + TIMER_F
    }

    fn is_reminder_due(&self, now: Moment) -> bool {
        self.remind_at.is_some_and(|at| at <= now)
    }

    fn reminded(mut self: Box<Self>) -> Box<Self> {
        self.remind_at = None;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use module_api::sip::writer::ResponseHead;

    /// What happens to a transaction, in milliseconds after its request.
    enum Event {
        Answer(u16),
        Copy,
        Timer,
        TransportError,
    }
    use Event::{Answer as Final, Copy as Again, Timer, TransportError};

    fn at(ms: u64) -> Moment {
        Moment::START + Duration::from_millis(ms)
    }

    fn answer(code: u16) -> Answer {
        Answer::new(&ResponseHead { code, ..ResponseHead::default() })
    }

    fn happen(transaction: &mut ServerNonInvite, event: &Event, now: Moment) -> String {
        match event {
            Event::Answer(code) => match transaction.on_answer(&answer(*code), now) {
                Ok(_) => format!("send {code}"),
                Err(error) => format!("{error:?}"),
            },
            Event::Copy => match transaction.on_copy() {
                Repetition::Absorb => "absorb".to_owned(),
                Repetition::Repeat(answer) => format!("send {}", answer.code()),
            },
            Event::Timer => format!("{:?}", transaction.on_timer(now)),
            Event::TransportError => {
                transaction.on_transport_error();
                format!("{:?}", transaction.next_timeout())
            }
        }
    }

    /// Lets `events` happen to a transaction whose user is reminded after 10 s, and tells what comes of each.
    fn check(source: Peer, events: &[(u64, Event, &str)]) {
        let mut transaction = ServerNonInvite::new(b"head", source, Duration::from_secs(10), at(0));
        for (place, (ms, event, expected)) in events.iter().enumerate() {
            assert_eq!(happen(&mut transaction, event, at(*ms)), *expected, "event {place} at {ms} ms");
        }
    }

    fn udp() -> Peer {
        Peer::udp("192.0.2.1:5060".parse().unwrap(), 0)
    }

    fn tcp() -> Peer {
        Peer::tcp("192.0.2.1:5060".parse().unwrap(), 0, 1)
    }

    #[test]
    fn copies_are_absorbed_until_there_is_an_answer_and_then_get_that_one() {
        check(
            udp(),
            &[
                (500, Again, "absorb"),
                (600, Final(200), "send 200"),
                (1500, Again, "send 200"),
                (32_599, Timer, "Wait"),
                (32_600, Timer, "Terminate"),
                (32_601, Again, "absorb"),
                (32_602, Timer, "Wait"),
            ],
        );
    }

    #[test]
    fn a_late_answer_is_announced_by_100_at_3_5_s_on_every_transport() {
        for source in [udp(), tcp()] {
            check(
                source,
                &[
                    (3499, Timer, "Wait"),
                    (3500, Timer, "SendTrying"),
                    (3501, Timer, "Wait"),
                    (3502, Again, "send 100"),
                    (5000, Final(202), "send 202"),
                ],
            );
        }
    }

    #[test]
    fn a_second_answer_is_refused_and_changes_nothing() {
        check(
            udp(),
            &[
                (1, Final(412), "send 412"),
                (2, Final(200), "AlreadyAnswered"),
                (3, Again, "send 412"),
                (32_001, Timer, "Terminate"),
                (32_002, Final(200), "Stale"),
            ],
        );
    }

    #[test]
    fn a_reliable_transport_needs_no_timer_j() {
        check(tcp(), &[(1, Final(200), "send 200"), (2, Final(200), "Stale"), (3, Timer, "Wait")]);
    }

    #[test]
    fn no_provisional_but_100_and_never_a_408() {
        for code in [0, 100, 101, 180, 183, 199, 408, 700] {
            check(udp(), &[(1, Final(code), "NotAllowed"), (2, Again, "absorb"), (3, Final(503), "send 503")]);
        }
    }

    #[test]
    fn the_user_is_reminded_once_and_a_request_never_answered_ends_in_silence() {
        check(
            udp(),
            &[
                (3500, Timer, "SendTrying"),
                (9999, Timer, "Wait"),
                (10_000, Timer, "Remind"),
                (10_001, Timer, "Wait"),
                (31_999, Timer, "Wait"),
                (32_000, Timer, "Terminate"),
                (32_001, Final(200), "Stale"),
            ],
        );
        check(udp(), &[(40_000, Timer, "Terminate")]);
        check(udp(), &[(12_000, Timer, "SendTrying"), (12_000, Timer, "Remind"), (12_000, Timer, "Wait")]);
    }

    #[test]
    fn a_reminder_may_come_before_the_100() {
        let mut transaction = ServerNonInvite::new(b"head", udp(), Duration::from_secs(2), at(0));
        assert_eq!(transaction.next_timeout(), Some(at(2000)));
        assert_eq!(transaction.on_timer(at(2000)), ServerTimer::Remind);
        assert_eq!(transaction.next_timeout(), Some(at(3500)));
        assert_eq!(transaction.on_timer(at(3500)), ServerTimer::SendTrying);
        assert_eq!(transaction.next_timeout(), Some(at(32_000)));
    }

    #[test]
    fn a_transport_error_ends_it_in_every_state() {
        check(udp(), &[(1, TransportError, "None"), (2, Final(200), "Stale")]);
        check(udp(), &[(3500, Timer, "SendTrying"), (3501, TransportError, "None"), (3502, Final(200), "Stale")]);
        check(udp(), &[(1, Final(200), "send 200"), (2, TransportError, "None"), (3, Again, "absorb")]);
    }
}
