//! The one thread that writes: it commits what is queued in one transaction, then lets the effects leave.
//!
//! No timed wait: when a commit ends, the next takes whatever has been queued meanwhile. A lone request is committed at
//! once, and batches grow with the load.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;

use super::commit_queue::Entry;
use super::core::Core;
use super::delivery::Outgoing;
use super::request::RETRY_AFTER;
use crate::change::{Moment, Now};
use crate::effect::{Decision, Effect};
use crate::presentity_uri::PresentityUri;
use crate::store::group_commit::{Candidate, Verdict, commit_group};
use crate::store::{RulesDocument, Store};

/// Decisions in one transaction at most.
const BATCH_MAX: usize = 256;
/// Rows that expired longer ago are nobody's: a live server removes its own at their deadline.
const SWEPT_AFTER_S: u64 = 3600;
/// The first and the longest pause between attempts to reach a database that is away.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// What ended while the database was away lives on for as long as that was, at most 64·T1, and some seconds more.
const OUTAGE_MADE_GOOD_MS: u64 = 32_000;
const GRACE_MS: u64 = 5_000;

/// Commits until the queue is closed and empty, and gives the store back.
pub(super) fn run(core: &Core, store: Box<dyn Store>) -> Box<dyn Store> {
    let mut writer = Writer {
        core,
        store,
        refused: FxHashSet::default(),
        stale: Vec::new(),
        asked: Vec::new(),
        unread: Vec::new(),
        retry_rules_at: Instant::now(),
        outage: None,
    };
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while core.queue.take(&mut batch, BATCH_MAX, writer.pause()) {
        writer.settle(batch.drain(..));
        if writer.outage.is_none()
            && let Err(error) = writer.store.maintain()
        {
            core.warn(&format!("database maintenance failed: {error}"));
        }
    }
    core.queue.settle(writer.stale.len());
    writer.store
}

struct Writer<'a> {
    core: &'a Core,
    store: Box<dyn Store>,
    /// Presentities to read back; what is queued for one of them before that is refused.
    refused: FxHashSet<Arc<PresentityUri>>,
    /// Those of them that everything queued before the order is settled of.
    stale: Vec<Arc<PresentityUri>>,
    /// Presentities whose privacy rules requests wait for.
    asked: Vec<Arc<PresentityUri>>,
    /// Presentities whose privacy rules changed and could not be read.
    unread: Vec<Arc<PresentityUri>>,
    /// When that is tried again.
    retry_rules_at: Instant,
    /// Set while the database is away: nothing waits for it, and it is tried now and then.
    outage: Option<Outage>,
}

/// Since when the database is away, and when it is tried again.
struct Outage {
    since: Moment,
    pause: Duration,
    retry_at: Instant,
}

impl Writer<'_> {
    /// Returns how long to wait for entries at most; `None` while there is nothing else to do.
    fn pause(&self) -> Option<Duration> {
        // Where nothing is stale yet, the order to read back is in the queue.
        let outage = self.outage.as_ref().filter(|_| !self.stale.is_empty());
        let unread = (!self.unread.is_empty() && self.outage.is_none()).then_some(self.retry_rules_at);
        let next = outage.map(|outage| outage.retry_at).into_iter().chain(unread).min();
        next.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Brings a batch to its end, in order: runs of decisions are committed together, and presentities read back together.
    fn settle(&mut self, batch: impl Iterator<Item = Entry>) {
        let mut run = Vec::new();
        for entry in batch {
            match entry {
                Entry::Decision(presentity, decision) => {
                    self.read_back();
                    run.push((presentity, decision));
                }
                Entry::ReadBack(presentity) => {
                    self.commit(std::mem::take(&mut run));
                    self.stale.push(presentity);
                }
                Entry::LoadRules(presentity) => self.asked.push(presentity),
                Entry::LookAtRules => {
                    self.commit(std::mem::take(&mut run));
                    self.look_at_rules();
                }
                Entry::Sweep => {
                    self.commit(std::mem::take(&mut run));
                    self.read_back();
                    self.sweep();
                }
            }
        }
        self.commit(run);
        self.read_back();
        self.load_rules();
        if !self.unread.is_empty() && self.outage.is_none() && self.retry_rules_at <= Instant::now() {
            self.reload_rules(&[]);
        }
    }

    /// Removes some of the rows that are long over; what is left is removed by the next sweeps.
    fn sweep(&mut self) {
        let before = self.core.earliest_wall_s().saturating_sub(SWEPT_AFTER_S);
        if self.outage.is_none() {
            match self.store.sweep(before) {
                Ok(removed) => self.core.metrics.add(self.core.metrics.swept_rows, removed),
                Err(error) => self.core.warn(&format!("the sweep failed: {error}")),
            }
        }
        self.core.queue.settle(1);
    }

    /// Reads the privacy rules that requests wait for, all in one go.
    fn load_rules(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        if asked.is_empty() {
            return;
        }
        let read = if self.outage.is_some() { None } else { self.rules_of(&asked) };
        for uri in &asked {
            match &read {
                Some(read) => self.core.install_rules(uri, read.get(&**uri).map_or(&[], Vec::as_slice)),
                None => self.core.refuse_parked(uri),
            }
        }
        self.core.queue.settle(asked.len());
    }

    /// Finds out whose rules other programs changed, and reads those that somebody may be watched by.
    fn look_at_rules(&mut self) {
        if self.outage.is_none() {
            match self.store.changed_rules() {
                Ok(changed) => self.reload_rules(&changed),
                Err(error) => self.core.warn(&format!("cannot look for changed privacy rules: {error}")),
            }
        }
        self.core.queue.settle(1);
    }

    fn reload_rules(&mut self, changed: &[PresentityUri]) {
        let mut known = std::mem::take(&mut self.unread);
        known.extend(changed.iter().filter_map(|uri| self.core.knows_rules_of(uri)));
        if known.is_empty() {
            return;
        }
        match self.rules_of(&known) {
            Some(read) => {
                for uri in &known {
                    self.core.install_rules(uri, read.get(&**uri).map_or(&[], Vec::as_slice));
                }
            }
            // What is in force is not what is written: nobody is let in by it any more, and it is tried again.
            None => {
                known.iter().for_each(|uri| self.core.forget_rules(uri));
                self.unread = known;
                self.retry_rules_at = Instant::now() + BACK_OFF.1;
            }
        }
    }

    fn rules_of(&mut self, owners: &[Arc<PresentityUri>]) -> Option<FxHashMap<PresentityUri, Vec<RulesDocument>>> {
        let mut read = FxHashMap::<PresentityUri, Vec<RulesDocument>>::default();
        let mut visit = |document: RulesDocument| read.entry(document.owner.clone()).or_default().push(document);
        match self.store.load_rules(Some(owners), &mut visit) {
            Ok(()) => Some(read),
            Err(error) => {
                self.core.warn(&format!("cannot read privacy rules: {error}"));
                None
            }
        }
    }

    fn commit(&mut self, run: Vec<(Arc<PresentityUri>, Decision)>) {
        if run.is_empty() {
            return;
        }
        let is_refused = |(uri, _): &(Arc<PresentityUri>, _)| self.outage.is_some() || self.refused.contains(uri);
        let (refused, run): (Vec<_>, Vec<_>) = run.into_iter().partition(is_refused);
        let refused_early = refused.len();
        for (uri, decision) in refused {
            self.refuse(&uri, decision, 503);
        }
        let candidates: Vec<_> =
            run.iter().map(|(presentity, decision)| Candidate { presentity, changes: &decision.changes }).collect();
        let outcome = commit_group(&mut *self.store, &candidates);
        if let Some(failure) = outcome.failure {
            self.note_outage(&failure, Duration::ZERO);
        }
        let metrics = &self.core.metrics;
        metrics.count(metrics.commits);
        let count = run.len() + refused_early;
        let mut committed = 0;
        let mut outgoing = Outgoing::default();
        for ((uri, decision), verdict) in run.into_iter().zip(outcome.verdicts) {
            match verdict {
                Verdict::Committed => {
                    committed += 1;
                    outgoing.add(decision.effects);
                }
                Verdict::Guilty => self.refuse(&uri, decision, 500),
                Verdict::Gone | Verdict::Refused => self.refuse(&uri, decision, 503),
            }
        }
        metrics.add(metrics.committed_decisions, committed);
        self.core.send_settling(outgoing, || self.core.queue.settle(count));
    }

    /// Takes back what was staged, and answers whoever waits. Nothing that rests on it leaves.
    fn refuse(&mut self, uri: &Arc<PresentityUri>, decision: Decision, code: u16) {
        self.core.refuse(uri, &decision);
        self.refused.insert(uri.clone());
        self.core.metrics.count(self.core.metrics.refused_decisions);
        let mut replies = Vec::new();
        for effect in decision.effects {
            if let Effect::Reply(mut reply) = effect {
                (reply.code, reply.reason) = (code, SmolStr::default());
                reply.headers = if code == 503 { RETRY_AFTER.to_vec() } else { Vec::new() };
                (reply.mirror_record_route, reply.created) = (false, None);
                replies.push(Effect::Reply(reply));
            }
        }
        self.core.act(replies);
    }

    /// Reads presentities back; while the database is away, they wait, and nobody else does.
    fn read_back(&mut self) {
        let is_early = |outage: &Outage| outage.retry_at > Instant::now();
        if self.stale.is_empty() || self.outage.as_ref().is_some_and(is_early) {
            return;
        }
        let now = self.core.now();
        let mut rows = match self.core.rows_of(&mut *self.store, &self.stale, now) {
            Ok(rows) => rows,
            Err(error) => return self.note_outage(&error, BACK_OFF.0),
        };
        for uri in &self.stale {
            self.refused.remove(uri);
            self.core.restore(uri, rows.remove(&**uri).unwrap_or_default(), now);
        }
        if let Some(outage) = self.outage.take() {
            self.core.prolong(outage.since, now);
            self.core.is_away.store(false, Ordering::Relaxed);
            self.core.warn("the database is back");
        }
        self.core.queue.settle(self.stale.len());
        self.stale.clear();
    }

    /// Notes that the database is away, and when it is tried again.
    fn note_outage(&mut self, error: &dyn std::error::Error, first_pause: Duration) {
        let (since, pause) = match &self.outage {
            Some(outage) => (outage.since, (outage.pause * 2).clamp(BACK_OFF.0, BACK_OFF.1)),
            None => {
                self.core.warn(&format!("{error}; requests are answered 503 until the database is back"));
                (self.core.now().mono, first_pause)
            }
        };
        self.outage = Some(Outage { since, pause, retry_at: Instant::now() + pause });
        self.core.is_away.store(true, Ordering::Relaxed);
    }
}

impl Core {
    /// Prolongs what ended while the database was away: nobody could refresh it.
    fn prolong(&self, since: Moment, now: Now) {
        let by_ms = (now.mono.0.saturating_sub(since.0)).min(OUTAGE_MADE_GOOD_MS) + GRACE_MS;
        self.shards.for_each(|slot| {
            slot.presentity.prolong(now, by_ms);
            self.wake(slot);
        });
    }
}
