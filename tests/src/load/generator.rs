//! Requests in a window, every answer and NOTIFY checked, lost ones repeated as RFC 3261 §17.1.2 has it.
//!
//! A request is finished when it has its answer and every watcher concerned its NOTIFY; then the next begins.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use memchr::memmem;
use rustc_hash::FxHashMap;

use super::agents::{Agents, Work};
use super::figures::Seen;
use super::text::{number_after, tag, uri, value_after};
use super::wire::{Outbox, Wire};

/// RFC 3261 §17.1.1.1, and the longest interval.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// Nothing has come for so long: nothing more will.
const SILENCE: Duration = Duration::from_secs(12);

/// How requests follow one another.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many are unfinished at most.
    pub window: usize,
    /// How many begin a second, if fewer than the window allows; what is late is measured from when it was due.
    pub rate: Option<f64>,
}

impl Pace {
    /// As fast as a window allows.
    pub fn window(window: usize) -> Self {
        Self { window, rate: None }
    }
}

/// A generator: a socket and all who use it.
pub struct Generator {
    wire: Wire,
    agents: Agents,
    open: FxHashMap<u32, Open>,
    /// When which request is repeated, for those of them that are still open.
    repetitions: VecDeque<(Instant, u32)>,
    requests: u32,
}

struct Open {
    work: Work,
    subject: usize,
    due: Instant,
    /// What is sent again; empty once it is answered.
    bytes: Vec<u8>,
    interval: Duration,
    notifies_left: u32,
}

impl Generator {
    /// Makes `presentities` users, and watchers of them: `watchers[n]` is whom watcher `n` watches.
    pub fn new(wire: Wire, presentities: usize, watchers: impl Iterator<Item = u32>) -> Self {
        let mut generator = Self {
            wire,
            agents: Agents::default(),
            open: FxHashMap::default(),
            repetitions: VecDeque::new(),
            requests: 0,
        };
        generator.agents.publishers.resize_with(presentities, Default::default);
        generator.watch(watchers);
        generator
    }

    /// Makes further watchers.
    pub fn watch(&mut self, presentities: impl Iterator<Item = u32>) {
        let watcher = |presentity| super::agents::Watcher { presentity, ..Default::default() };
        self.agents.watchers.extend(presentities.map(watcher));
    }

    /// Notes that the server was started again: the CSeqs of its NOTIFYs may go on above some that were never used.
    pub fn server_was_restarted(&mut self) {
        self.agents.watchers.iter_mut().for_each(|watcher| watcher.may_jump = true);
    }

    /// Has each of `subjects` do `work`, and waits for all that follows from it.
    pub fn run(&mut self, work: Work, subjects: impl ExactSizeIterator<Item = usize>, pace: Pace) -> Seen {
        self.run_each(subjects.map(|subject| (work, subject)), pace)
    }

    /// Has everybody do what `works` says, and waits for all that follows from it; of a presentity and its watchers only one
    /// may be in it.
    pub fn run_each(&mut self, works: impl ExactSizeIterator<Item = (Work, usize)>, pace: Pace) -> Seen {
        let (mut seen, mut works) = (Seen::default(), works);
        let (begun, mut started, mut heard) = (Instant::now(), 0_u32, Instant::now());
        while !self.open.is_empty() || works.len() > 0 {
            while self.open.len() < pace.window {
                let due = pace
                    .rate
                    .map_or_else(Instant::now, |rate| begun + Duration::from_secs_f64(f64::from(started) / rate));
                if due > Instant::now() {
                    break;
                }
                let Some((work, subject)) = works.next() else { break };
                self.begin(work, subject, due);
                started += 1;
            }
            self.wire.flush();
            if self.receive(&mut seen) {
                heard = Instant::now();
            }
            if self.wire.may_lose() {
                self.repeat(&mut seen);
            }
            if heard.elapsed() > SILENCE {
                seen.faults.lost += self.open.len();
                self.open.clear();
            }
        }
        self.wire.flush();
        self.repetitions.clear();
        seen.faults.lost += self.agents.on_time(Instant::now());
        seen.faults.outdated = self.agents.outdated();
        seen
    }

    /// Answers what comes for so long, and begins nothing.
    pub fn listen(&mut self, lasting: Duration, seen: &mut Seen) {
        let begun = Instant::now();
        while begun.elapsed() < lasting {
            self.receive(seen);
            self.wire.flush();
        }
        seen.faults.lost += self.agents.on_time(Instant::now());
    }

    /// Returns whether a presentity publishes.
    pub fn publishes(&self, user: usize) -> bool {
        self.agents.publishers[user].version > 0
    }

    /// Returns whether a watcher is subscribed.
    pub fn subscribes(&self, watcher: usize) -> bool {
        self.agents.watchers[watcher].is_subscribed
    }

    /// Returns whether nothing of a presentity's is about to be over of itself, `watchers` being its own.
    pub fn is_steady(&self, user: usize, watchers: &[usize]) -> bool {
        self.agents.is_steady(user, watchers)
    }

    fn begin(&mut self, work: Work, subject: usize, due: Instant) {
        self.requests += 1;
        let mut text = String::with_capacity(2048);
        let notifies_left = self.agents.begin(work, subject, self.requests, &self.wire, &mut text);
        self.wire.send(text.as_bytes());
        let open = Open { work, subject, due, bytes: text.into_bytes(), interval: T1, notifies_left };
        self.open.insert(self.requests, open);
        if self.wire.may_lose() {
            self.repetitions.push_back((Instant::now() + T1, self.requests));
        }
    }

    /// Takes in what has come, and returns whether anything has.
    fn receive(&mut self, seen: &mut Seen) -> bool {
        let Self { wire, agents, open, .. } = self;
        let mut is_anything = false;
        wire.receive(Duration::from_millis(1), |bytes, outbox| {
            is_anything = true;
            if bytes.starts_with(b"SIP/2.0 ") {
                on_answer(bytes, agents, open, seen);
            } else {
                on_notify(bytes, outbox, agents, open, seen);
            }
        });
        is_anything
    }

    /// Repeats what was not answered in time.
    fn repeat(&mut self, seen: &mut Seen) {
        let now = Instant::now();
        while let Some((at, number)) = self.repetitions.front().copied().filter(|(at, _)| *at <= now) {
            self.repetitions.pop_front();
            let Some(open) = self.open.get_mut(&number).filter(|open| !open.bytes.is_empty()) else { continue };
            self.wire.send(&open.bytes);
            seen.retransmitted += 1;
            open.interval = (open.interval * 2).min(T2);
            // Nearly in order: what is repeated for the first time stands behind for a while.
            self.repetitions.push_back((at + open.interval, number));
        }
    }
}

fn on_answer(bytes: &[u8], agents: &mut Agents, open: &mut FxHashMap<u32, Open>, seen: &mut Seen) {
    let code = number_after(bytes, b"SIP/2.0 ").unwrap_or(0);
    let number = number_after(bytes, b";branch=z9hG4bKload-").unwrap_or(0);
    if code < 200 {
        return;
    }
    let Some(request) = open.get_mut(&number).filter(|request| !request.bytes.is_empty()) else { return };
    request.bytes = Vec::new();
    seen.answers.add(request.due.elapsed());
    // A SUBSCRIBE may be accepted by 202, which RFC 6665 §8.3.1 still reads as 200.
    let is_right = code == request.work.code() || (code == 202 && !request.work.is_publish());
    if !is_right || !learn(bytes, request, agents) {
        seen.faults.wrong_answers += 1;
        request.notifies_left = 0;
    }
    finish(number, agents, open, seen);
}

/// Takes from an answer what the next request needs; returns whether it was there.
fn learn(bytes: &[u8], request: &Open, agents: &mut Agents) -> bool {
    if request.work == Work::SubscribeUnknown {
        return true;
    }
    if request.work.is_publish() {
        let tag = value_after(bytes, b"\r\nSIP-ETag: ").and_then(|tag| std::str::from_utf8(tag).ok());
        return tag.is_some_and(|tag| {
            agents.publishers[request.subject].entity_tag = tag.into();
            true
        });
    }
    let tag = value_after(bytes, b"\r\nTo: ").and_then(tag);
    let target = value_after(bytes, b"\r\nContact: ").and_then(uri).map(|uri| agents.target(uri));
    let watcher = &mut agents.watchers[request.subject];
    let is_known = !watcher.to_tag.is_empty() && !request.work.is_initial();
    let (Some(tag), Some(target)) = (tag, target.or(is_known.then_some(watcher.target))) else { return false };
    let is_same = !is_known || watcher.to_tag == tag;
    (watcher.to_tag, watcher.target) = (tag.into(), target);
    is_same
}

fn on_notify(
    bytes: &[u8],
    outbox: &mut Outbox<'_>,
    agents: &mut Agents,
    open: &mut FxHashMap<u32, Open>,
    seen: &mut Seen,
) {
    answer(bytes, outbox);
    let call = value_after(bytes, b"\r\nCall-ID: ").unwrap_or_default();
    let dialog = number_after(call, b"load-").map_or(usize::MAX, |number| number as usize);
    let (Some(cseq), Some(watcher)) = (number_after(bytes, b"\r\nCSeq: "), agents.watchers.get_mut(dialog)) else {
        seen.faults.disordered += 1;
        return;
    };
    let is_of_now = call.ends_with(format!("-{}", watcher.generation).as_bytes());
    if cseq == watcher.notify_cseq || !is_of_now {
        seen.repeated += 1;
        return;
    }
    // The first may begin anywhere (RFC 3261 §12.2.1.1).
    let may_jump = watcher.notify_cseq == 0 || std::mem::take(&mut watcher.may_jump);
    let is_next = cseq == watcher.notify_cseq + 1 || (may_jump && cseq > watcher.notify_cseq);
    seen.faults.disordered += usize::from(!is_next);
    if cseq < watcher.notify_cseq {
        return;
    }
    watcher.notify_cseq = cseq;
    let body = memmem::find(bytes, b"\r\n\r\n").map_or(&[][..], |at| &bytes[at + 4..]);
    watcher.version = number_after(body, b"<note>v").unwrap_or(0);
    seen.notified += 1;
    let state = value_after(bytes, b"\r\nSubscription-State: ").unwrap_or_default();
    let (presentity, own, version) = (watcher.presentity, watcher.request, watcher.version);
    if state.starts_with(b"terminated") {
        agents.on_terminated(dialog);
    }
    let publisher = &agents.publishers[presentity as usize];
    let number = match own {
        // What it brings is what the publisher's request caused, or nobody's.
        0 if version == publisher.version => publisher.request,
        own => own,
    };
    if let Some(request) = open.get_mut(&number) {
        request.notifies_left = request.notifies_left.saturating_sub(1);
        finish(number, agents, open, seen);
    }
}

/// Ends a request that has all it waits for.
fn finish(number: u32, agents: &mut Agents, open: &mut FxHashMap<u32, Open>, seen: &mut Seen) {
    let Some(request) = open.get(&number).filter(|request| request.bytes.is_empty() && request.notifies_left == 0)
    else {
        return;
    };
    seen.notifies.add(request.due.elapsed());
    seen.done += 1;
    match request.work.is_publish() {
        true => agents.publishers[request.subject].request = 0,
        false => agents.watchers[request.subject].request = 0,
    }
    open.remove(&number);
}

/// Confirms a NOTIFY with what RFC 3261 §8.2.6.2 has a UAS copy.
fn answer(notify: &[u8], outbox: &mut Outbox<'_>) {
    let value = |name: &[u8]| value_after(notify, name).unwrap_or_default();
    let names: [&[u8]; 5] = [b"\r\nVia: ", b"\r\nFrom: ", b"\r\nTo: ", b"\r\nCall-ID: ", b"\r\nCSeq: "];
    let copied = names.into_iter().flat_map(|name| [name, value(name)]);
    outbox.send([&b"SIP/2.0 200 OK"[..]].into_iter().chain(copied).chain([&b"\r\nContent-Length: 0\r\n\r\n"[..]]));
}
