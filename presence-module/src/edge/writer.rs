//! The one thread that writes: it commits what is queued in one transaction, then lets the effects leave.
//!
//! No timed wait: when a commit ends, the next takes whatever has been queued meanwhile. A lone request is committed at
//! once, and batches grow with the load.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;

use super::commit_queue::Entry;
use super::core::Core;
use super::delivery::Outgoing;
use super::request::RETRY_AFTER;
use crate::change::{Moment, Now, SubscriptionRow};
use crate::effect::{Decision, Effect};
use crate::presentity_uri::PresentityUri;
use crate::publication::Publication;
use crate::store::group_commit::{Candidate, Verdict, commit_group};
use crate::store::{Scope, Store, Stored, recovery};

/// Decisions in one transaction at most.
const BATCH_MAX: usize = 256;
/// Rows that expired longer ago are nobody's: a live server removes its own at their deadline.
const SWEPT_AFTER_S: u64 = 64;
/// The first and the longest pause between attempts to reach a database that is away.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Commits until the queue is closed and empty, and gives the store back.
pub(super) fn run(core: &Core, store: Box<dyn Store>) -> Box<dyn Store> {
    let mut writer = Writer { core, store, refused: FxHashSet::default() };
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while core.queue.take(&mut batch, BATCH_MAX) {
        writer.settle(std::mem::take(&mut batch));
        if let Err(error) = writer.store.maintain() {
            core.warn(&format!("database maintenance failed: {error}"));
        }
    }
    writer.store
}

struct Writer<'a> {
    core: &'a Core,
    store: Box<dyn Store>,
    /// Presentities to read back; what is queued for one of them before that is refused.
    refused: FxHashSet<Arc<PresentityUri>>,
}

impl Writer<'_> {
    /// Brings a batch to its end, in order: runs of decisions are committed together, and presentities read back together.
    fn settle(&mut self, batch: Vec<Entry>) {
        let (mut run, mut stale) = (Vec::with_capacity(batch.len()), Vec::new());
        for entry in batch {
            match entry {
                Entry::Decision(presentity, decision) => {
                    self.read_back(std::mem::take(&mut stale));
                    run.push((presentity, decision));
                }
                Entry::ReadBack(presentity) => {
                    self.commit(std::mem::take(&mut run));
                    stale.push(presentity);
                }
                Entry::Sweep => self.sweep(),
            }
        }
        self.commit(run);
        self.read_back(stale);
    }

    /// Removes some of the rows that are long over; what is left is removed by the next sweeps.
    fn sweep(&mut self) {
        let before = self.core.now().wall_s.saturating_sub(SWEPT_AFTER_S);
        match self.store.sweep(before) {
            Ok(removed) => self.core.metrics.add(self.core.metrics.swept_rows, removed),
            Err(error) => self.core.warn(&format!("the sweep failed: {error}")),
        }
        self.core.queue.settle(1);
    }

    fn commit(&mut self, run: Vec<(Arc<PresentityUri>, Decision)>) {
        if run.is_empty() {
            return;
        }
        let (refused, run): (Vec<_>, Vec<_>) = run.into_iter().partition(|(uri, _)| self.refused.contains(uri));
        let refused_early = refused.len();
        for (uri, decision) in refused {
            self.refuse(&uri, decision, 503);
        }
        let candidates: Vec<_> =
            run.iter().map(|(presentity, decision)| Candidate { presentity, changes: &decision.changes }).collect();
        let outcome = commit_group(&mut *self.store, &candidates);
        if let Some(failure) = outcome.failure {
            self.core.is_away.store(true, Ordering::Relaxed);
            self.core.warn(&format!("{failure}; requests that need it are answered 503 until it is back"));
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
                Verdict::Refused => self.refuse(&uri, decision, 503),
            }
        }
        metrics.add(metrics.committed_decisions, committed);
        self.core.queue.settle(count);
        self.core.send(outgoing);
    }

    /// Takes back what was staged, and answers whoever waits. Nothing that rests on it leaves.
    fn refuse(&mut self, uri: &Arc<PresentityUri>, decision: Decision, code: u16) {
        self.core.refuse(uri, &decision.effects);
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

    /// Reads presentities back, waiting for the database if need be.
    fn read_back(&mut self, stale: Vec<Arc<PresentityUri>>) {
        if stale.is_empty() {
            return;
        }
        let Some(mut rows) = self.rows_of(&stale) else { return };
        let was_away = self.core.is_away.swap(false, Ordering::Relaxed);
        let now = self.core.now();
        for uri in &stale {
            self.refused.remove(uri);
            self.restore(uri, rows.remove(&**uri).unwrap_or_default(), now);
        }
        self.core.queue.settle(stale.len());
        if was_away {
            self.core.warn("the database is back");
        }
    }

    /// Reads the rows of some presentities; `None` if the server stops before the database answers.
    fn rows_of(&mut self, stale: &[Arc<PresentityUri>]) -> Option<FxHashMap<PresentityUri, Rows>> {
        let wanted: Vec<_> = stale.iter().map(|uri| PresentityUri::clone(uri)).collect();
        let mut pause = BACK_OFF.0;
        loop {
            let (now, core) = (self.core.now(), self.core);
            let mut rows: FxHashMap<PresentityUri, Rows> = FxHashMap::default();
            let mut visit = |row| match row {
                Stored::Publication(row) => {
                    let uri = PresentityUri::clone(&row.presentity);
                    let publication = recovery::publication(row, core.settings.publish.max_expires_s, now);
                    rows.entry(uri).or_default().publications.push(publication);
                }
                Stored::Subscription(row) => {
                    let uri = PresentityUri::clone(&row.presentity);
                    rows.entry(uri).or_default().subscriptions.push(recovery::subscription(*row, now));
                }
                Stored::Watcher(_) => {}
                Stored::Skipped { .. } => core.metrics.count(core.metrics.skipped_rows),
            };
            match self.store.load(Scope::Presentities(&wanted), &mut visit) {
                Ok(()) => return Some(rows),
                Err(error) => {
                    core.is_away.store(true, Ordering::Relaxed);
                    core.warn(&format!("the database does not answer: {error}"));
                }
            }
            if core.queue.wait_closed(pause) {
                core.queue.settle(stale.len());
                return None;
            }
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    fn restore(&self, uri: &Arc<PresentityUri>, rows: Rows, now: Now) {
        let mut shard = self.core.shards.lock(uri);
        let slot = shard.slot(uri);
        slot.presentity.restore(rows.publications, rows.subscriptions);
        slot.is_stale = false;
        for dialog in slot.presentity.take_dropped() {
            self.core.dialogs.remove(dialog);
        }
        for dialog in slot.presentity.dialogs() {
            self.core.dialogs.insert(dialog.key, uri.clone());
        }
        // Whatever is owed since the refused decision is bound and told as by any other event.
        self.core.look_at(slot, now.mono);
    }
}

/// What the database holds of one presentity.
#[derive(Default)]
struct Rows {
    publications: Vec<Publication>,
    subscriptions: Vec<(Arc<SubscriptionRow>, Moment)>,
}
