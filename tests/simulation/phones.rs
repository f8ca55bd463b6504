//! Watchers (RFC 6665 §4.1), written from the clauses: some answer, some do not, some say that they know of nothing, and
//! some ask for what they should not.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tests::message::Message;
use tests::watcherinfo::WatcherInfo;

use crate::deadlines::{Grant, Shifts};
use crate::devices::USERS;
use crate::documents::Shown;
use crate::rules::WATCHERS;
use crate::table::Table;
use crate::witness::is_begun_anew;
use crate::world::{About, Event, World};

/// How a phone takes NOTIFYs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mood {
    /// It cannot at present, and may say when.
    Busy,
    /// It knows of no such subscription.
    Forgetful,
    Good,
    /// It answers nothing.
    Mute,
}

/// A phone: somebody's.
#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) uri: String,
    pub(crate) address: SocketAddr,
    pub(crate) mood: Mood,
    /// It sends on connections, and listens for them.
    pub(crate) is_streaming: bool,
}

/// A subscription as its watcher holds it.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) phone: usize,
    /// Whom it watches.
    pub(crate) user: usize,
    pub(crate) event: &'static str,
    pub(crate) call_id: String,
    pub(crate) remote_tag: Option<String>,
    cseq: u32,
    /// That of the last request that was accepted.
    accepted_cseq: u32,
    /// When it was answered last.
    answered_ms: u64,
    is_waiting: bool,
    pub(crate) grant: Option<Grant>,
    pub(crate) bounds: Vec<Grant>,
    /// The watcher was told its end, or does not care any more.
    pub(crate) is_over: bool,
    /// The watcher did what may have ended it.
    pub(crate) is_doubtful: bool,
    last_cseq: u32,
    /// What it was told last.
    pub(crate) state: String,
    pub(crate) shown: Option<Shown>,
    pub(crate) table: Table,
    answers: BTreeMap<String, Vec<u8>>,
}

/// What a SUBSCRIBE was for.
#[derive(Clone, Debug)]
pub(crate) struct Subscribe {
    subscription: usize,
    cseq: u32,
    expires_s: u64,
    sent_ms: u64,
    /// What had moved deadlines by then.
    sent_at: Shifts,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Begin,
    Refresh,
    /// With a CSeq that was used before.
    Late,
    /// In a dialog that never was.
    Unknown,
}

impl Phone {
    /// Returns a phone of a watcher's, or one of a presentity's own.
    pub(crate) fn new(at: usize, is_streaming: bool) -> Self {
        let uri = match at.checked_sub(8) {
            Some(user) => format!("sip:{}@pres.example", USERS[user % USERS.len()]),
            None => WATCHERS[at % WATCHERS.len()].to_owned(),
        };
        Self { uri, address: ([203, 0, 113, at as u8 + 1], 5060).into(), mood: Mood::Good, is_streaming }
    }

    /// Returns whether it is the presentity's own.
    pub(crate) fn is_of(&self, user: usize) -> bool {
        self.uri == format!("sip:{}@pres.example", USERS[user])
    }
}

/// How many phones there are.
pub(crate) const PHONES: usize = 11;

impl Subscription {
    /// Returns when the server may have heard of the watcher last.
    pub(crate) fn heard_ms(&self, now_ms: u64) -> u64 {
        if self.is_waiting { now_ms } else { self.answered_ms }
    }

    /// Returns whether its watcher counts on it.
    pub(crate) fn is_counted_on(&self) -> bool {
        self.grant.is_some() && !self.is_over && !self.is_doubtful
    }
}

impl World {
    /// Lets a watcher subscribe, refresh, leave, or do what it should not.
    pub(crate) fn watch(&mut self) {
        let known: Vec<_> = (0..self.subscriptions.len()).filter(|at| self.is_usable(*at)).collect();
        if known.is_empty() || self.chance.permille(if known.len() < 12 { 400 } else { 100 }) {
            let expires_s = if self.chance.permille(100) { 0 } else { self.lifetime() };
            let phone = self.chance.index(PHONES);
            return self.begin(phone, expires_s);
        }
        let at = known[self.chance.index(known.len())];
        let expires_s = self.lifetime();
        match self.chance.below(12) {
            0 => self.ask_to_watch(at, 0, Kind::Refresh),
            1 => self.ask_to_watch(at, expires_s, Kind::Late),
            2 => self.ask_to_watch(at, expires_s, Kind::Unknown),
            _ => self.ask_to_watch(at, expires_s, Kind::Refresh),
        }
    }

    /// Lets one phone ask for more than anybody needs.
    pub(crate) fn flood(&mut self) {
        let phone = self.chance.index(PHONES);
        for _ in 0..20 {
            self.begin(phone, 2);
        }
    }

    fn is_usable(&self, at: usize) -> bool {
        let subscription = &self.subscriptions[at];
        subscription.remote_tag.is_some() && !subscription.is_waiting && subscription.is_counted_on()
    }

    fn begin(&mut self, phone: usize, expires_s: u64) {
        let event = if phone >= 8 || self.chance.permille(100) { "presence.winfo" } else { "presence" };
        let user = match phone.checked_sub(8) {
            Some(own) if self.chance.permille(900) => own,
            _ => self.chance.index(USERS.len()),
        };
        let at = self.subscriptions.len();
        self.subscriptions.push(Subscription {
            phone,
            user,
            event,
            call_id: format!("w{at}"),
            remote_tag: None,
            cseq: self.chance.between(10, 1000) as u32,
            accepted_cseq: 0,
            answered_ms: 0,
            is_waiting: false,
            grant: None,
            bounds: Vec::new(),
            is_over: expires_s == 0,
            is_doubtful: false,
            last_cseq: 0,
            state: String::new(),
            shown: None,
            table: Table::default(),
            answers: BTreeMap::new(),
        });
        self.by_call_id.insert(format!("w{at}"), at);
        self.ask_to_watch(at, expires_s, Kind::Begin);
    }

    fn ask_to_watch(&mut self, at: usize, expires_s: u64, kind: Kind) {
        let (now, shifts, longest_s) = (self.now_ms(), self.shifts, u64::from(self.configuration.max_expires_s));
        let branch = self.branches.next("s");
        let subscription = &mut self.subscriptions[at];
        let phone = &self.phones[subscription.phone];
        let uri = format!("sip:{}@pres.example", USERS[subscription.user]);
        let cseq = match kind {
            Kind::Late => subscription.accepted_cseq - 1,
            _ => {
                subscription.cseq += 1;
                subscription.cseq
            }
        };
        let to = match (kind, &subscription.remote_tag) {
            (Kind::Unknown, _) => format!("<{uri}>;tag=never.was"),
            (_, Some(tag)) => format!("<{uri}>;tag={tag}"),
            (_, None) => format!("<{uri}>"),
        };
        let (transport, parameter) = if phone.is_streaming { ("TCP", ";transport=tcp") } else { ("UDP", "") };
        let request = Message::request("SUBSCRIBE", &uri)
            .with("Via", format!("SIP/2.0/{transport} {};branch={branch}", phone.address))
            .with("From", format!("<{}>;tag=w{at}", phone.uri))
            .with("To", to)
            .with("Call-ID", &subscription.call_id)
            .with("CSeq", format!("{cseq} SUBSCRIBE"))
            .with("Contact", format!("<sip:w@{}{parameter}>", phone.address))
            .with("Event", subscription.event)
            .with("Expires", expires_s);
        subscription.is_waiting = true;
        if matches!(kind, Kind::Begin | Kind::Refresh) {
            subscription.grant.iter_mut().for_each(|grant| grant.bound(now, expires_s));
            subscription.bounds.push(Grant::new(now, now + 40_000, expires_s.min(longest_s), shifts));
        }
        let (address, about) =
            (phone.address, Subscribe { subscription: at, cseq, expires_s, sent_ms: now, sent_at: shifts, kind });
        self.ask(branch, address, request.to_bytes(), About::Subscribe(about));
    }

    /// Takes in what a SUBSCRIBE came to; `None` if nobody answered.
    pub(crate) fn subscribed(&mut self, subscribe: Subscribe, response: Option<&Message>) {
        let now = self.now_ms();
        let longest_s = u64::from(self.configuration.max_expires_s);
        let Subscribe { subscription: at, cseq, expires_s, sent_ms, sent_at, kind } = subscribe;
        let is_sure = self.is_sure(at);
        let subscription = &mut self.subscriptions[at];
        (subscription.is_waiting, subscription.answered_ms) = (false, now);
        match (response.and_then(Message::code), kind) {
            (Some(200), Kind::Late | Kind::Unknown) => self.fail(format!("{kind:?} and accepted: {response:?}")),
            (Some(200), _) => {
                let tag = response.and_then(|response| response.tag("To"));
                if subscription.remote_tag.as_ref().is_some_and(|known| tag.as_ref() != Some(known)) {
                    return self.fail(format!("two To-tags of one dialog: {response:?}"));
                }
                (subscription.remote_tag, subscription.accepted_cseq) = (tag, cseq);
                // What is answered again after a crash may have less left, or be over.
                let left_s = response.map_or(0, expires_of).min(expires_s).min(longest_s);
                if left_s == 0 {
                    subscription.is_over = true;
                } else {
                    subscription.grant = Some(Grant::new(sent_ms, now, left_s, sent_at));
                }
            }
            (Some(481), Kind::Refresh) => {
                // Whoever repeats an end after a crash may have ended it already.
                if is_sure && expires_s > 0 {
                    let complaint = format!("an acknowledged subscription is forgotten: {subscription:?}");
                    return self.fail(complaint);
                }
                subscription.is_over = true;
            }
            (Some(500), Kind::Late) if is_sure => {}
            (Some(481 | 500 | 503), Kind::Late | Kind::Unknown) | (None, Kind::Late | Kind::Unknown) => {}
            // Whoever is refused may be subscribed all the same, if the database did not say.
            (Some(500 | 503) | None, _) => subscription.is_doubtful = true,
            (Some(403), _) => subscription.is_over = true,
            (Some(code), _) => self.fail(format!("a SUBSCRIBE is answered {code}: {response:?}")),
        }
    }

    /// Returns whether a subscription cannot be over, whatever happened since it was granted.
    pub(crate) fn is_sure(&self, at: usize) -> bool {
        let subscription = &self.subscriptions[at];
        let Some(grant) = subscription.grant.filter(|_| subscription.is_counted_on()) else { return false };
        grant.is_sure(self.now_ms(), self.shifts) && !self.may_be_denied(at, grant.since_ms)
    }

    /// Takes in a NOTIFY at `address`.
    pub(crate) fn notified(&mut self, address: SocketAddr, request: &Message) {
        let branch = request.branch().unwrap_or_default();
        let known = request.get("Call-ID").and_then(|call_id| self.by_call_id.get(call_id).copied());
        let Some(at) = known.filter(|at| self.phones[self.subscriptions[*at].phone].address == address) else {
            return self.fail(format!("a NOTIFY for nobody at {address}: {request}"));
        };
        if let Some(answer) = self.subscriptions[at].answers.get(&branch).cloned() {
            return self.answer_later(address, answer);
        }
        let mood = self.phones[self.subscriptions[at].phone].mood;
        let code = match mood {
            Mood::Mute => {
                self.subscriptions[at].is_doubtful = true;
                return;
            }
            Mood::Forgetful => 481,
            Mood::Busy if self.chance.permille(500) => 503,
            // It has been told, and nobody tells it again before there is news.
            Mood::Busy => {
                self.take(at, request);
                500
            }
            Mood::Good => self.take(at, request),
        };
        let subscription = &mut self.subscriptions[at];
        subscription.is_doubtful |= code == 481;
        let tag =
            format!("{};tag=w{at}", request.get("To").unwrap_or_default().split(";tag=").next().unwrap_or_default());
        let mut response = Message::response_to(request, code).set("To", tag);
        if code == 503 {
            response = response.with("Retry-After", self.chance.between(0, 3));
        }
        let bytes = response.to_bytes();
        self.subscriptions[at].answers.insert(branch, bytes.clone());
        self.answer_later(address, bytes);
    }

    fn answer_later(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        let is_slow = self.chance.permille(100);
        let after_ms = self.chance.below(if is_slow { 2000 } else { 50 });
        self.at(after_ms, Event::Say { from, bytes });
    }

    /// Takes what a NOTIFY says, and returns the code of the answer.
    fn take(&mut self, at: usize, request: &Message) -> u16 {
        let subscription = &mut self.subscriptions[at];
        let Some((cseq, _)) = request.cseq() else { return 400 };
        if cseq <= subscription.last_cseq {
            return 500;
        }
        let tag = request.tag("From");
        if subscription.remote_tag.is_some() && subscription.remote_tag != tag {
            return 481;
        }
        if is_begun_anew(subscription.last_cseq, cseq) {
            subscription.table = Table::default();
        }
        (subscription.last_cseq, subscription.remote_tag) = (cseq, tag);
        let state = request.get("Subscription-State").unwrap_or_default().to_owned();
        if !request.body.is_empty() && subscription.event == "presence" {
            subscription.shown = Some(Shown::read(&request.body));
        }
        if !request.body.is_empty() && subscription.event == "presence.winfo" {
            let read = WatcherInfo::read(&request.body);
            if let Err(error) = read.and_then(|info| subscription.table.apply(&info)) {
                self.fail(format!("watcher information: {error}: {request}"));
                return 200;
            }
        }
        let is_sure = self.is_sure(at) && !self.subscriptions[at].is_waiting;
        let subscription = &mut self.subscriptions[at];
        if state.starts_with("terminated") {
            if state.contains("timeout") && is_sure {
                self.fail(format!("a subscription ends before its time: {:?} {request}", self.subscriptions[at]));
                return 200;
            }
            subscription.is_over = true;
        }
        self.subscriptions[at].state = state;
        200
    }
}

/// Returns what an answer grants.
pub(crate) fn expires_of(response: &Message) -> u64 {
    response.get("Expires").and_then(|expires| expires.parse().ok()).unwrap_or_default()
}
