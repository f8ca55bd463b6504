//! What leaves the server, checked as it leaves: order, privacy, and that what is acknowledged is on the disk.

use std::collections::{BTreeMap, BTreeSet};

use tests::message::Message;
use tests::watcherinfo::WatcherInfo;

use crate::devices::USERS;
use crate::documents::Shown;
use crate::ground::Sent;
use crate::rules::{RuleSet, Standing};
use crate::world::World;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// Branches of NOTIFYs and of answered requests.
    seen: BTreeSet<String>,
    /// The highest CSeq in each dialog.
    cseqs: BTreeMap<String, u32>,
    /// The NOTIFY under way in each dialog: its branch, and when it was sent first.
    under_way: BTreeMap<String, UnderWay>,
    dialogs: BTreeMap<String, String>,
    /// The highest version in each dialog of watcher information.
    versions: BTreeMap<String, u32>,
    /// Rules as the server has read them, and when.
    read: Vec<Vec<(u64, RuleSet)>>,
    /// The wall clock when it was seen last: the monotonic clock, then the wall.
    walls: Vec<(u64, u64)>,
}

/// A NOTIFY that nobody has answered.
#[derive(Debug)]
struct UnderWay {
    branch: String,
    since_ms: u64,
}

/// When a transaction without an answer is over (RFC 3261 §17.1.2.2, Timer F).
const TIMER_F_MS: u64 = 32_000;
/// What was bound by rules may leave so much later: a commit that takes its time, a tick.
const WINDOW_MS: u64 = 6000;

impl Witness {
    pub(crate) fn new() -> Self {
        Self { read: USERS.iter().map(|_| Vec::new()).collect(), ..Self::default() }
    }

    /// Notes that the server has taken in the answer to a NOTIFY.
    pub(crate) fn answered(&mut self, branch: &str) {
        if let Some(dialog) = self.dialogs.remove(branch) {
            self.under_way.retain(|of, it| *of != dialog || it.branch != branch);
        }
    }

    /// Notes that whatever the server had under way is forgotten.
    pub(crate) fn restarted(&mut self) {
        self.under_way.clear();
    }

    /// Notes that the server has read somebody's rules.
    pub(crate) fn rules_read(&mut self, user: usize, now_ms: u64, rules: &RuleSet) {
        self.read[user].push((now_ms, rules.clone()));
    }

    /// Notes what time it is.
    pub(crate) fn tick(&mut self, mono_ms: u64, wall_ms: u64) {
        self.walls.retain(|(at, _)| at + 2 * WINDOW_MS + TIMER_F_MS > mono_ms);
        self.walls.push((mono_ms, wall_ms));
    }
}

impl World {
    /// Checks a datagram of the server's.
    pub(crate) fn see(&mut self, sent: &Sent) {
        let message = match Message::parse(&sent.bytes) {
            Ok(message) => message,
            Err(error) => return self.fail(format!("what leaves is no SIP: {error}: {:?}", sent.bytes)),
        };
        let Some(branch) = message.branch() else { return self.fail(format!("no branch: {message}")) };
        if message.code() == Some(100) || !self.witness.seen.insert(branch.clone()) {
            return;
        }
        match message.code() {
            Some(code) => self.see_answer(&message, code),
            None => self.see_notify(&message, branch),
        }
    }

    /// What is acknowledged is on the disk.
    fn see_answer(&mut self, response: &Message, code: u16) {
        let expires = response.get("Expires").and_then(|expires| expires.parse::<u64>().ok()).unwrap_or_default();
        if code != 200 || expires == 0 {
            return;
        }
        let is_written = match response.cseq() {
            Some((_, "PUBLISH")) => {
                let tag = response.get("SIP-ETag").unwrap_or_default();
                self.database.with(|disk| disk.written.contains(tag))
            }
            Some((cseq, _)) => {
                let tag = response.tag("To").unwrap_or_default();
                let key = format!("{} {tag} {cseq}", response.get("Call-ID").unwrap_or_default());
                self.database.with(|disk| disk.written.contains(&key))
            }
            None => false,
        };
        if !is_written {
            self.fail(format!("acknowledged and not on the disk: {response}"));
        }
    }

    fn see_notify(&mut self, request: &Message, branch: String) {
        let now = self.now_ms();
        let tag = |name| request.tag(name).unwrap_or_default();
        let call_id = request.get("Call-ID").unwrap_or_default();
        let dialog = format!("{call_id} {} {}", tag("From"), tag("To"));
        let Some((cseq, "NOTIFY")) = request.cseq() else { return self.fail(format!("no NOTIFY: {request}")) };
        let heard_ms = self.by_call_id.get(call_id).map_or(0, |at| self.subscriptions[*at].heard_ms(now));
        let failed_ms = self.failed_ms;
        let witness = &mut self.witness;
        let before = UnderWay { branch: branch.clone(), since_ms: now };
        if let Some(it) = witness.under_way.insert(dialog.clone(), before) {
            let complaint = match now < it.since_ms + TIMER_F_MS {
                true => "two NOTIFYs under way",
                // Who has asked since is there after all, and an end that was refused is no end.
                false if heard_ms >= it.since_ms || failed_ms + 5000 >= it.since_ms + TIMER_F_MS => "",
                false => "a watcher is told on that did not answer",
            };
            if !complaint.is_empty() {
                return self.fail(format!("{complaint}, {it:?}: {request}"));
            }
        }
        if let Some(last) = witness.cseqs.insert(dialog.clone(), cseq) {
            if is_begun_anew(last, cseq) {
                witness.versions.remove(&dialog);
            }
            if last >= cseq {
                return self.fail(format!("CSeq {cseq} after {last}: {request}"));
            }
        }
        witness.dialogs.insert(branch, dialog.clone());
        self.see_content(request, &dialog);
    }

    /// What is told may be told.
    fn see_content(&mut self, request: &Message, dialog: &str) {
        let known = request.get("Call-ID").and_then(|call_id| self.by_call_id.get(call_id).copied());
        let Some(at) = known else { return self.fail(format!("a NOTIFY in nobody's dialog: {request}")) };
        let (user, event) = (self.subscriptions[at].user, self.subscriptions[at].event);
        let phone = &self.phones[self.subscriptions[at].phone];
        let (watcher, is_own) = (phone.uri.clone(), phone.is_of(user));
        if event == "presence.winfo" && !request.body.is_empty() {
            let info = match WatcherInfo::read(&request.body) {
                Ok(info) => info,
                Err(error) => return self.fail(format!("{error}: {request}")),
            };
            let former = self.witness.versions.insert(dialog.to_owned(), info.version);
            if former.is_some_and(|former| former >= info.version) {
                return self.fail(format!("version {} after {former:?}: {request}", info.version));
            }
            let mut told = info.lists.iter().flat_map(|list| &list.watchers);
            if !is_own && told.any(|entry| entry.uri != watcher) {
                return self.fail(format!("{watcher} learns who watches: {request}"));
            }
        }
        if is_own {
            return;
        }
        let state = request.get("Subscription-State").unwrap_or_default().to_owned();
        let shown = Shown::read(&request.body);
        let is_told = |standing: &Standing| match standing {
            Standing::Allowed { services, notes } => {
                !state.contains("rejected")
                    && (*services || shown.services.is_empty())
                    && (*services && *notes || shown.notes.is_empty())
            }
            Standing::Blocked => state.starts_with("terminated") && request.body.is_empty(),
            Standing::Pending => !state.starts_with("active") && request.body.is_empty(),
            Standing::PolitelyBlocked => !state.contains("rejected") && shown == Shown::default(),
        };
        let is_harmless = shown == Shown::default() && !state.contains("rejected") && !state.starts_with("active");
        // Who was rejected while a NOTIFY was under way hears of it once that is over, whatever the rules say by then.
        let is_end = state.starts_with("terminated") && request.body.is_empty();
        let window_ms = if is_end { WINDOW_MS + TIMER_F_MS } else { WINDOW_MS };
        let standings = self.standings(user, &watcher, event, window_ms);
        if !is_harmless && !standings.iter().any(is_told) {
            self.fail(format!("{watcher} is told what the rules forbid ({standings:?}): {request}"));
        }
    }

    /// Decides about a watcher who is not the presentity. Of watcher information it sees itself, if it may see the presentity
    /// at all (RFC 3857 §4.6).
    pub(crate) fn decide(&self, rules: &RuleSet, watcher: &str, event: &str, wall_ms: u64) -> Standing {
        match rules.decide(watcher, wall_ms / 1000, self.configuration.force_active) {
            Standing::Pending if event == "presence.winfo" => Standing::Blocked,
            Standing::PolitelyBlocked if event == "presence.winfo" => {
                Standing::Allowed { services: false, notes: false }
            }
            standing => standing,
        }
    }

    /// Returns where a watcher stood lately, by rules that the server had read.
    fn standings(&self, user: usize, watcher: &str, event: &str, window_ms: u64) -> Vec<Standing> {
        let oldest = self.now_ms().saturating_sub(window_ms);
        let read = &self.witness.read[user];
        let first = read.iter().rposition(|(at, _)| *at < oldest).unwrap_or(0);
        let walls = self.witness.walls.iter().filter(|(at, _)| *at >= oldest).map(|(_, wall)| *wall);
        let walls: Vec<_> = walls.chain([self.wall_ms()]).collect();
        let decide = |rules: &RuleSet, wall: &u64| self.decide(rules, watcher, event, *wall);
        let mut standings = Vec::new();
        for (_, rules) in &read[first..] {
            for wall in &walls {
                let standing = decide(rules, wall);
                if !standings.contains(&standing) {
                    standings.push(standing);
                }
            }
        }
        standings
    }
}

/// Returns whether CSeqs took the step of a start: a SUBSCRIBE that came again when all it had begun was over began another
/// subscription, whose documents of watcher information begin with version 0 (RFC 3858 §3).
pub(crate) fn is_begun_anew(last: u32, cseq: u32) -> bool {
    const STEP: u32 = 1 << 20;
    cseq / STEP > last / STEP
}
