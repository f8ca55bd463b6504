//! A sequence of datagrams, of time and of mishaps into the whole server, host and module, as the simulation holds it: real script,
//! transactions, machines, queue and writer on one thread.
//!
//! Every answer and every NOTIFY is sound, valid to its watcher, and the next in its dialog; when all is over, nothing is left.

use std::collections::VecDeque;
use std::net::SocketAddr;

use presence::edge::stepping::Census;

use super::notifies::{Notifies, Seen};
use super::parts;
use crate::disk::{Database, Mishap};
use crate::ground::Shared;
use crate::server::{Configuration, Server};

/// One input may take so many steps.
const STEPS_MAX: usize = 24;
const MAX_EXPIRES_S: u32 = 90;

/// The first part is the rules of `dana`; each of the others is a step: a datagram as it stands, `+` and how many seconds pass, or
/// `!` and what befalls the server. `{etag}` and `{tag}` stand for what the server gave last, `{branch}` for that of the oldest
/// NOTIFY that nobody has answered.
pub(super) fn target(data: &[u8]) {
    let mut parts = parts(data);
    let mut world = World::start(parts.next().unwrap_or_default());
    for step in parts.take(STEPS_MAX) {
        match step {
            [b'+', seconds @ ..] => world.pass(seconds),
            [b'!', mishap, text @ ..] => world.befall(*mishap, text),
            _ => world.receive(step),
        }
    }
    world.end();
}

/// The server, and what it stands on.
pub(super) struct World {
    ground: Shared,
    database: Database,
    configuration: Configuration,
    server: Option<Server>,
    notifies: Notifies,
    /// Branches of NOTIFYs that nobody has answered.
    unanswered: VecDeque<Vec<u8>>,
    etag: Vec<u8>,
    to_tag: Vec<u8>,
    /// How far the clock was set back.
    back_s: u64,
}

impl World {
    /// Without rules everybody is let in.
    pub(super) fn start(rules: &[u8]) -> Self {
        let ground = Shared::new(7);
        let database = Database::new(ground.clone());
        let configuration = Configuration {
            force_active: rules.is_empty(),
            notify_interval_ms: 0,
            max_expires_s: MAX_EXPIRES_S,
            has_another_writer: false,
        };
        database.write_rules("dana", text_of(rules));
        let server = Some(Server::start(&configuration, &ground, &database));
        let (notifies, unanswered, etag, to_tag) = Default::default();
        Self { ground, database, configuration, server, notifies, unanswered, etag, to_tag, back_s: 0 }
    }

    pub(super) fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("it is taken only while it starts anew")
    }

    fn receive(&mut self, step: &[u8]) {
        let datagram = self.filled_in(step);
        if datagram.starts_with(b"SIP/2.0 ") && !datagram.starts_with(b"SIP/2.0 2") {
            self.notifies.dialogs_may_be_over();
        }
        let from = SocketAddr::from(([192, 0, 2, 1], 5060));
        self.server().receive(from, &datagram);
        self.settle();
    }

    /// Puts what the server gave last where a step asks for it.
    fn filled_in(&mut self, step: &[u8]) -> Vec<u8> {
        let filled = replaced(&replaced(step, b"{etag}", &self.etag), b"{tag}", &self.to_tag);
        if !filled.windows(8).any(|window| window == b"{branch}") {
            return filled;
        }
        replaced(&filled, b"{branch}", &self.unanswered.pop_front().unwrap_or_default())
    }

    fn pass(&mut self, seconds: &[u8]) {
        let seconds = std::str::from_utf8(seconds).ok().and_then(|seconds| seconds.trim().parse::<u32>().ok());
        self.pass_s(seconds.unwrap_or(1).into());
    }

    fn pass_s(&mut self, seconds: u64) {
        self.ground.with(|ground| {
            ground.mono_ms += seconds * 1000;
            ground.wall_ms += seconds * 1000;
        });
        self.notifies.dialogs_may_be_over();
        self.settle();
    }

    /// Whatever a mishap makes of the server, an operator is told of no mistake of ours.
    fn befall(&mut self, mishap: u8, text: &[u8]) {
        let fails = |mishap| move |disk: &mut crate::disk::Disk| disk.mishap = Some(mishap);
        match mishap {
            b'a' => self.database.with(|disk| disk.is_away = !disk.is_away),
            b'b' => {
                let by_s = u64::from(text.first().copied().unwrap_or(60));
                self.back_s += by_s;
                self.ground.with(|ground| ground.wall_ms -= by_s * 1000);
            }
            b'd' => self.database.with(fails(Mishap::DiesAfter)),
            b'f' => self.database.with(fails(Mishap::Fails)),
            b'k' => self.start_anew(),
            b'n' => self.database.with(fails(Mishap::SaysNothing)),
            b'p' => {
                self.notifies.is_poisoned = true;
                self.database.with(|disk| disk.poison = text_of(text));
            }
            b'r' => self.database.write_rules("dana", text_of(text)),
            b's' => {
                if let Some(server) = self.server.take() {
                    server.stop();
                }
                self.start_anew();
            }
            _ => {}
        }
        self.settle();
    }

    /// Another server starts where one has ended, on a database that works.
    fn start_anew(&mut self) {
        self.server = None;
        self.notifies.dialogs_may_be_over();
        self.ground.with(|ground| {
            ground.is_dead = false;
            ground.sent.clear();
        });
        self.database.with(|disk| (disk.is_away, disk.mishap) = (false, None));
        self.server = Some(Server::start(&self.configuration, &self.ground, &self.database));
    }

    /// Lets the server do what it can do without time.
    fn settle(&mut self) {
        /// One for the request, one for rules, one for what those decide, one for what is read back.
        const ROUNDS_MAX: usize = 8;
        for _ in 0..ROUNDS_MAX {
            self.server().tick();
            self.server().drive();
            self.server().write(256);
            // Nobody can be reached over TCP.
            drop(self.server().take_wanted());
            self.look();
            if self.ground.with(|ground| ground.is_dead) {
                self.start_anew();
            }
            if self.server().is_settled() {
                break;
            }
        }
        let census = self.server().census();
        assert!(census.timers <= census.presentities, "wake-ups for who is forgotten: {census:?}");
    }

    /// Judges what has left the server.
    pub(super) fn look(&mut self) {
        let (sent, errors) =
            self.ground.with(|ground| (std::mem::take(&mut ground.sent), std::mem::take(&mut ground.errors)));
        assert!(errors.is_empty(), "{errors:?}");
        for datagram in sent {
            match self.notifies.check(&datagram.bytes) {
                Seen::Answer { etag, to_tag } => {
                    self.etag = etag.unwrap_or_else(|| std::mem::take(&mut self.etag));
                    self.to_tag = to_tag.unwrap_or_else(|| std::mem::take(&mut self.to_tag));
                }
                Seen::Notify { branch } => self.unanswered.push_back(branch),
                Seen::Repeated => {}
            }
        }
    }

    /// Lets everything expire, and sees that nothing is left.
    fn end(&mut self) {
        self.database.with(|disk| (disk.is_away, disk.mishap, disk.poison) = (false, None, None));
        // What nobody answers is given up, what is undecided waits for 30 s more, and each may bring about another.
        let expired_s = u64::from(MAX_EXPIRES_S) + self.back_s + 30;
        for seconds in [40, expired_s, 40, 40, 40] {
            self.pass_s(seconds);
        }
        let left = (self.server().census(), self.server().transactions());
        assert_eq!(left, (Census::default(), 0), "all is over");
        let rows = self.database.with(|disk| disk.rows.clone());
        assert!(rows.publications.is_empty() && rows.subscriptions.is_empty(), "all is over: {rows:?}");
    }
}

/// Returns what a database would hold, nothing for nothing.
fn text_of(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}

fn replaced(text: &[u8], mark: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + value.len());
    let mut rest = text;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value);
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}
