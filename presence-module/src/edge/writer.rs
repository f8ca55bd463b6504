//! The one thread that writes: it commits what is queued in one transaction, then lets the effects leave.
//!
//! No timed wait: when a commit ends, the next takes whatever has been queued meanwhile. A lone request is committed at
//! once, and batches grow with the load.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;

use super::commit_queue::Entry;
use super::core::Core;
use super::delivery::Outgoing;
use super::driver::Job;
use super::outage::{BACK_OFF, Database};
use super::request::RETRY_AFTER;
use super::sweep::Sweeping;
use crate::effect::{Decision, Effect};
use crate::presentity_uri::PresentityUri;
use crate::store::group_commit::{Candidate, Verdict, commit_group};
use crate::store::{RulesDocument, Store};

/// Decisions in one transaction at most.
const BATCH_MAX: usize = 256;
/// Commits until the queue is closed and empty, and gives the store back.
pub(super) fn run(core: Arc<Core>, store: Box<dyn Store>) -> Box<dyn Store> {
    let mut writer = Writer::new(core, store);
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while writer.core.queue.take(&mut batch, BATCH_MAX, writer.pause()) {
        writer.work(batch.drain(..));
    }
    writer.end()
}

pub(super) struct Writer {
    pub(super) core: Arc<Core>,
    pub(super) store: Box<dyn Store>,
    pub(super) database: Database,
    /// When the database was back last, and how long the pause before that was.
    pub(super) last_outage: Option<(Instant, Duration)>,
    /// Presentities to read back; what is queued for one of them before that is refused.
    pub(super) refused: FxHashSet<Arc<PresentityUri>>,
    /// Those of them that everything queued before the order is settled of.
    pub(super) stale: Vec<Arc<PresentityUri>>,
    /// Presentities whose privacy rules requests wait for.
    asked: Vec<Arc<PresentityUri>>,
    /// Presentities whose privacy rules changed and could not be read.
    unread: Vec<Arc<PresentityUri>>,
    /// When that is tried again.
    retry_rules_at: Instant,
    pub(super) sweeping: Sweeping,
}

impl Writer {
    pub(super) fn new(core: Arc<Core>, store: Box<dyn Store>) -> Self {
        let now = core.instant();
        Self {
            core,
            store,
            refused: FxHashSet::default(),
            stale: Vec::new(),
            asked: Vec::new(),
            unread: Vec::new(),
            retry_rules_at: now,
            database: Database::Here(now),
            last_outage: None,
            sweeping: Sweeping::default(),
        }
    }

    /// Goes one round: brings what was taken from the queue to its end, then does what else is due.
    pub(super) fn work(&mut self, batch: impl Iterator<Item = Entry>) {
        self.settle(batch);
        self.keep_alive();
        self.sweep();
        if self.is_here()
            && let Err(error) = self.store.maintain()
        {
            self.warn("database maintenance failed", &error);
        }
    }

    /// Gives the store back, once the queue is closed and empty.
    pub(super) fn end(self) -> Box<dyn Store> {
        self.core.queue.settle(self.stale.len());
        self.store
    }

    /// Returns how long to wait for entries at most; `None` while there is nothing else to do.
    fn pause(&self) -> Option<Duration> {
        let unread = (!self.unread.is_empty() && self.is_here()).then_some(self.retry_rules_at);
        let step = self.sweeping.next_step().filter(|_| self.is_here());
        let next = self.next_attempt().into_iter().chain(unread).chain(step).min();
        next.map(|at| at.saturating_duration_since(self.core.instant()))
    }

    /// Brings a batch to its end, in order: runs of decisions are committed together, and presentities read back together.
    fn settle(&mut self, batch: impl Iterator<Item = Entry>) {
        let mut run = Vec::new();
        for entry in batch {
            match entry {
                Entry::Decision(presentity, decision) => {
                    if self.is_here() {
                        self.read_back();
                    }
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
                Entry::Sweep(pace) => {
                    self.commit(std::mem::take(&mut run));
                    self.begin_sweep(pace);
                    self.core.queue.settle(1);
                }
            }
        }
        self.commit(run);
        if !self.is_here() {
            // Nobody waits while the database is tried.
            self.load_rules();
        }
        self.read_back();
        self.load_rules();
        if !self.unread.is_empty() && self.is_here() && self.retry_rules_at <= self.core.instant() {
            self.reload_rules(&[]);
        }
    }

    /// Reads the privacy rules that requests wait for, all in one go.
    fn load_rules(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        if asked.is_empty() {
            return;
        }
        let read = if self.is_here() { self.rules_of(&asked) } else { None };
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
        if self.is_here() {
            match self.store.changed_rules() {
                Ok(changed) => self.reload_rules(&changed),
                Err(error) => self.warn("cannot look for changed privacy rules", &error),
            }
        }
        self.core.queue.settle(1);
    }

    fn reload_rules(&mut self, changed: &[PresentityUri]) {
        let mut known = std::mem::take(&mut self.unread);
        known.extend(changed.iter().filter_map(|uri| self.core.knows_rules_of(uri)));
        self.read_rules_now(known);
    }

    /// Reads the privacy rules of those who are watched, now or as soon as they can be read.
    pub(super) fn read_rules_now(&mut self, known: Vec<Arc<PresentityUri>>) {
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
                self.unread.extend(known);
                self.retry_rules_at = self.core.instant() + BACK_OFF.1;
            }
        }
    }

    fn rules_of(&mut self, owners: &[Arc<PresentityUri>]) -> Option<FxHashMap<PresentityUri, Vec<RulesDocument>>> {
        let mut read = FxHashMap::<PresentityUri, Vec<RulesDocument>>::default();
        let mut visit = |document: RulesDocument| read.entry(document.owner.clone()).or_default().push(document);
        match self.store.load_rules(Some(owners), &mut visit) {
            Ok(()) => Some(read),
            Err(error) => {
                self.warn("cannot read privacy rules", &error);
                None
            }
        }
    }

    fn commit(&mut self, mut run: Vec<(Arc<PresentityUri>, Decision)>) {
        if run.is_empty() {
            return;
        }
        let count = run.len();
        let is_refused = |(uri, _): &mut (Arc<PresentityUri>, _)| !self.is_here() || self.refused.contains(uri);
        let refused: Vec<_> = run.extract_if(.., is_refused).collect();
        for (uri, decision) in refused {
            self.refuse(&uri, decision, 503);
        }
        let candidates: Vec<_> =
            run.iter().map(|(presentity, decision)| Candidate { presentity, changes: &decision.changes }).collect();
        let outcome = commit_group(&mut *self.store, &candidates);
        match outcome.failure {
            Some(failure) => self.note_failure(&failure, Duration::ZERO),
            None if run.iter().any(|(_, decision)| decision.is_durable()) => self.note_renewed(),
            None => {}
        }
        if let Some(refusal) = outcome.refusal {
            self.core.warn(&format!("{refusal}; only who needs that is refused"));
        }
        self.core.metrics.count(self.core.metrics.commits);
        let (mut committed, mut outgoing) = (0, Outgoing::of(run.len()));
        for ((uri, decision), verdict) in run.into_iter().zip(outcome.verdicts) {
            match verdict {
                Verdict::Committed => {
                    committed += 1;
                    self.sweeping.note_written(&uri, &decision.changes);
                    outgoing.add(decision.effects);
                }
                Verdict::Guilty => self.refuse(&uri, decision, 500),
                Verdict::Gone | Verdict::Held | Verdict::Refused => self.refuse(&uri, decision, 503),
            }
        }
        self.core.metrics.add(self.core.metrics.committed_decisions, committed);
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
                reply.mirror_record_route = false;
                if let Some(created) = reply.created.take() {
                    // It may be in the database all the same, if that did not say; nobody will ever refer to it.
                    self.core.hand_over(Job::ReplyLost(created));
                }
                replies.push(Effect::Reply(reply));
            }
        }
        self.core.act(replies);
    }
}
