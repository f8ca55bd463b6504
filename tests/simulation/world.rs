//! Everything there is, and what happens next: an agenda in virtual time, worked off on one thread.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use presence::edge::stepping::TICK_MS;
use tests::message::Message;

use crate::chance::Chance;
use crate::deadlines::Shifts;
use crate::devices::{Device, Publish, USERS};
use crate::disk::Database;
use crate::faults::Weather;
use crate::ground::Shared;
use crate::phones::{PHONES, Phone, Subscribe, Subscription};
use crate::rules::RuleSet;
use crate::server::{Configuration, Server};
use crate::streams::Links;
use crate::witness::Witness;

/// The world of one seed.
pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) ground: Shared,
    pub(crate) database: Database,
    pub(crate) configuration: Configuration,
    pub(crate) server: Option<Server>,
    agenda: BTreeMap<(u64, u64), Event>,
    entries: u64,
    pub(crate) devices: Vec<Device>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) by_call_id: BTreeMap<String, usize>,
    pub(crate) asks: BTreeMap<String, Ask>,
    pub(crate) branches: Branches,
    pub(crate) witness: Witness,
    /// The rules that are written, by user.
    pub(crate) rules: Vec<RuleSet>,
    /// Those that were written before, and until when they were.
    pub(crate) former_rules: Vec<Vec<(u64, RuleSet)>>,
    pub(crate) weather: Weather,
    pub(crate) shifts: Shifts,
    pub(crate) restarts: u64,
    numbers: u64,
    is_writing: bool,
    /// When the database failed last.
    pub(crate) failed_ms: u64,
    failures: u64,
    pub(crate) links: Links,
    /// Datagrams and segments under way.
    pub(crate) in_the_air: usize,
    /// What happened so far.
    pub(crate) events: u64,
    pub(crate) violation: Option<String>,
    /// What happened lately, for who has to find out why.
    pub(crate) trace: Option<Vec<String>>,
    /// Everything that left the server, folded: the same seed, the same number.
    pub(crate) fingerprint: u64,
}

/// What happens at a time.
#[derive(Debug)]
pub(crate) enum Event {
    /// The database is back.
    Back,
    /// The server notices that a connection is broken.
    HangUp(u64),
    /// A client transaction repeats its request, or gives up.
    Repeat(String),
    /// An agent sends.
    Say { from: SocketAddr, bytes: Vec<u8> },
    /// The server starts.
    Start,
    /// Bytes arrive at a phone.
    StreamToAgent { link: u64, bytes: Vec<u8> },
    /// Bytes arrive at the server.
    StreamToServer { link: u64, bytes: Vec<u8> },
    /// A datagram arrives at an agent.
    ToAgent { to: SocketAddr, bytes: Vec<u8> },
    /// A datagram arrives at the server.
    ToServer { from: SocketAddr, bytes: Vec<u8> },
    /// The writer goes a round.
    Write,
}

/// A client transaction of an agent's (RFC 3261 §17.1.2).
#[derive(Debug)]
pub(crate) struct Ask {
    from: SocketAddr,
    bytes: Vec<u8>,
    interval_ms: u64,
    gives_up_ms: u64,
    about: About,
}

/// What it is about.
#[derive(Clone, Debug)]
pub(crate) enum About {
    Publish(Publish),
    Subscribe(Subscribe),
}

/// Branches that nobody used before.
#[derive(Debug, Default)]
pub(crate) struct Branches(u64);

impl Branches {
    pub(crate) fn next(&mut self, of: &str) -> String {
        self.0 += 1;
        format!("z9hG4bK{of}{}", self.0)
    }
}

/// The longest that a datagram is under way.
pub(crate) const DELAY_MAX_MS: u64 = 3000;
const T1_MS: u64 = 500;
const T2_MS: u64 = 4000;
/// How often the host looks at its timers here; its own tick is shorter, and no promise rests on it.
const HOST_TICK_MS: u64 = 125;

impl World {
    pub(crate) fn new(seed: u64, is_traced: bool) -> Self {
        let mut chance = Chance::of(seed);
        let ground = Shared::new(chance.word());
        // The other seeds are what they were before there were any.
        let has_streams = matches!(seed % 5, 2 | 4);
        let database = Database::new(ground.clone());
        USERS.iter().for_each(|user| database.write_rules(user, None));
        let configuration = Configuration {
            force_active: chance.permille(700),
            notify_interval_ms: chance.pick(&[0, 0, 0, 1000, 5000]),
            max_expires_s: 90,
            has_another_writer: seed % 5 == 4,
        };
        let mut world = Self {
            database,
            configuration,
            server: None,
            agenda: BTreeMap::new(),
            entries: 0,
            devices: (0..6).map(|at| Device::new(at / 2, at % 2)).collect(),
            phones: (0..PHONES).map(|at| Phone::new(at, has_streams && at % 3 == 1)).collect(),
            subscriptions: Vec::new(),
            by_call_id: BTreeMap::new(),
            asks: BTreeMap::new(),
            branches: Branches::default(),
            witness: Witness::new(),
            rules: vec![RuleSet::default(); USERS.len()],
            former_rules: vec![Vec::new(); USERS.len()],
            weather: Weather::draw(&mut chance),
            shifts: Shifts::default(),
            restarts: 0,
            numbers: 0,
            is_writing: false,
            failed_ms: 0,
            failures: 0,
            links: Links::default(),
            in_the_air: 0,
            events: 0,
            violation: None,
            trace: is_traced.then(Vec::new),
            fingerprint: seed,
            ground,
            chance,
        };
        world.start();
        world
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.ground.with(|ground| ground.mono_ms)
    }

    pub(crate) fn wall_ms(&self) -> u64 {
        self.ground.with(|ground| ground.wall_ms)
    }

    /// Notes that something is as it must not be; only the first counts.
    pub(crate) fn fail(&mut self, what: String) {
        let at = self.now_ms();
        self.violation.get_or_insert_with(|| format!("at {at}: {what}"));
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let at = self.now_ms();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{at} {}", what()));
        }
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Draws how long something is asked for.
    pub(crate) fn lifetime(&mut self) -> u64 {
        self.chance.pick(&[2, 15, 40, 90, 90, 600])
    }

    /// Puts something on the agenda.
    pub(crate) fn at(&mut self, after_ms: u64, event: Event) {
        self.entries += 1;
        self.in_the_air += usize::from(event.is_in_the_air());
        self.agenda.insert((self.now_ms() + after_ms, self.entries), event);
    }

    /// Begins a client transaction.
    pub(crate) fn ask(&mut self, branch: String, from: SocketAddr, bytes: Vec<u8>, about: About) {
        let gives_up_ms = self.now_ms() + 64 * T1_MS;
        self.send(from, bytes.clone());
        // Nothing is repeated on a connection.
        let first_ms = if self.streaming_phone(from).is_some() { 64 * T1_MS } else { T1_MS };
        self.asks.insert(branch.clone(), Ask { from, bytes, interval_ms: T1_MS, gives_up_ms, about });
        self.at(first_ms, Event::Repeat(branch));
    }

    /// Lets time pass, with all that it brings, until `until_ms` or a violation.
    pub(crate) fn run_until(&mut self, until_ms: u64) {
        while self.violation.is_none() {
            let now = self.now_ms();
            let tick = (now / HOST_TICK_MS + 1) * HOST_TICK_MS;
            let next = self.agenda.first_key_value().map_or(u64::MAX, |((at, _), _)| *at);
            if next.min(tick) > until_ms {
                return self.pass_to(until_ms.max(now));
            }
            if next <= tick {
                let Some((_, event)) = self.agenda.pop_first() else { return };
                self.pass_to(next.max(now));
                self.in_the_air -= usize::from(event.is_in_the_air());
                self.meet(event);
            } else {
                self.pass_to(tick);
                self.tick(tick);
            }
        }
    }

    fn pass_to(&self, at_ms: u64) {
        self.ground.with(|ground| {
            ground.wall_ms += at_ms - ground.mono_ms;
            ground.mono_ms = at_ms;
        });
    }

    fn tick(&mut self, at_ms: u64) {
        let wall = self.wall_ms();
        self.witness.tick(at_ms, wall);
        self.serve(Server::tick);
        if at_ms.is_multiple_of(TICK_MS) {
            self.serve(Server::drive);
            // What the writer does of itself, it does by the clock.
            self.serve(|server| server.write(0));
        }
    }

    fn meet(&mut self, event: Event) {
        self.events += 1;
        match event {
            Event::Back => self.back(),
            Event::HangUp(link) => self.hang_up(link),
            Event::Repeat(branch) => self.repeat(branch),
            Event::Say { from, bytes } => self.send(from, bytes),
            Event::Start => self.start(),
            Event::StreamToAgent { link, bytes } => self.arrive_at_phone(link, &bytes),
            Event::StreamToServer { link, bytes } => self.arrive_at_server(link, &bytes),
            Event::ToAgent { to, bytes } => self.hear(to, &bytes),
            Event::ToServer { from, bytes } => {
                self.note(|| format!("-> {}", head(&bytes)));
                if self.server.is_some() && bytes.starts_with(b"SIP/2.0 ") {
                    let branch = Message::parse(&bytes).ok().and_then(|message| message.branch());
                    self.witness.answered(&branch.unwrap_or_default());
                }
                self.serve(|server| server.receive(from, &bytes));
            }
            Event::Write => {
                self.is_writing = false;
                let most = if self.chance.permille(300) { self.chance.between(1, 4) as usize } else { 256 };
                self.serve(|server| server.write(most));
            }
        }
    }

    /// Lets the server do something, and takes in what comes of it.
    pub(crate) fn serve(&mut self, act: impl FnOnce(&mut Server)) {
        let Some(server) = &mut self.server else { return };
        act(server);
        let is_idle = server.is_queue_empty();
        let (sent, errors, is_dead) = self
            .ground
            .with(|ground| (std::mem::take(&mut ground.sent), std::mem::take(&mut ground.errors), ground.is_dead));
        let (read, failures) = self.database.with(|disk| (std::mem::take(&mut disk.read), disk.failures));
        let now = self.now_ms();
        if failures != self.failures {
            (self.failures, self.failed_ms) = (failures, now);
        }
        for user in read {
            if let Some(at) = USERS.iter().position(|known| *known == user) {
                self.witness.rules_read(at, now, &self.rules[at]);
            }
        }
        if let Some(error) = errors.first() {
            self.fail(format!("the server complains: {error}"));
        }
        for datagram in sent {
            self.note_sent(&datagram.bytes);
            self.fold(&datagram.bytes);
            self.see(&datagram);
            let (to, bytes) = (datagram.to, datagram.bytes);
            self.carry(|bytes| Event::ToAgent { to, bytes }, bytes);
        }
        if !is_dead {
            self.take_from_streams();
        }
        if is_dead {
            self.crash();
        } else if !is_idle && !self.is_writing {
            self.is_writing = true;
            let after_ms = self.commit_delay();
            self.at(after_ms, Event::Write);
        }
    }

    /// Notes what left the server.
    pub(crate) fn note_sent(&mut self, bytes: &[u8]) {
        self.note(|| format!("<- {}", head(bytes)));
    }

    /// Folds what left the server into the fingerprint.
    pub(crate) fn fold(&mut self, bytes: &[u8]) {
        let folded = |so_far: u64, byte: &u8| (so_far ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        self.fingerprint = bytes.iter().fold(self.fingerprint, folded);
    }

    fn send(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        if let Some(phone) = self.streaming_phone(from) {
            return self.send_on_stream(phone, &bytes);
        }
        self.carry(|bytes| Event::ToServer { from, bytes }, bytes);
    }

    fn repeat(&mut self, branch: String) {
        let now = self.now_ms();
        let Some(ask) = self.asks.get_mut(&branch) else { return };
        if now >= ask.gives_up_ms {
            let Some(ask) = self.asks.remove(&branch) else { return };
            return self.conclude(ask.about, None);
        }
        ask.interval_ms = (2 * ask.interval_ms).min(T2_MS);
        let (from, bytes) = (ask.from, ask.bytes.clone());
        let after_ms = ask.interval_ms.min(ask.gives_up_ms - now);
        self.send(from, bytes);
        self.at(after_ms, Event::Repeat(branch));
    }

    pub(crate) fn hear(&mut self, to: SocketAddr, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else { return };
        match message.code() {
            None => self.notified(to, &message),
            Some(..200) => {}
            Some(_) => {
                let ask = message.branch().and_then(|branch| self.asks.remove(&branch));
                ask.into_iter().for_each(|ask| self.conclude(ask.about, Some(&message)));
            }
        }
    }

    fn conclude(&mut self, about: About, response: Option<&Message>) {
        match about {
            About::Publish(publish) => self.published(publish, response),
            About::Subscribe(subscribe) => self.subscribed(subscribe, response),
        }
    }

    /// Loses what is on its way to the server: who is dead has no sockets.
    pub(crate) fn lose_what_comes(&mut self) {
        self.links.clear();
        let before = self.agenda.len();
        let is_lost = |event: &Event| match event {
            Event::HangUp(_) | Event::StreamToAgent { .. } => true,
            event => matches!(event, Event::StreamToServer { .. } | Event::ToServer { .. }),
        };
        self.agenda.retain(|_, event| !is_lost(event));
        self.in_the_air -= before - self.agenda.len();
        self.agenda.retain(|_, event| !matches!(event, Event::Write));
        self.is_writing = false;
    }
}

impl Event {
    fn is_in_the_air(&self) -> bool {
        !matches!(self, Self::Back | Self::Repeat(_) | Self::Start | Self::Write)
    }
}

fn head(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let wanted = ["CSeq", "Call-ID", "To:", "Event", "Expires", "SIP-", "Subscription-State", "version=", "sip:s"];
    let lines = text.lines().enumerate().filter(|(at, line)| *at == 0 || wanted.iter().any(|it| line.contains(it)));
    lines.map(|(_, line)| &line[..line.len().min(160)]).collect::<Vec<_>>().join(" | ")
}
