//! The one thread that writes: it commits what is queued in one transaction, then lets the effects leave.
//!
//! No timed wait: when a commit ends, the next takes whatever has been queued meanwhile. A lone request is committed at
//! once, and batches grow with the load.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustc_hash::FxHashSet;
use smol_str::SmolStr;

use super::commit_queue::{Entry, Work};
use super::core::Core;
use super::delivery::Outgoing;
use super::request::RETRY_AFTER;
use crate::change::Change;
use crate::effect::{Decision, Effect};
use crate::presentity_uri::PresentityUri;
use crate::store::group_commit::{Candidate, Verdict, commit_group};
use crate::store::{Scope, Store, StoreError, Stored, recovery};

/// Decisions in one transaction at most.
const BATCH_MAX: usize = 256;
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
    /// Brings a batch to its end, in order: runs of decisions are committed together, a read-back stands between them.
    fn settle(&mut self, batch: Vec<Entry>) {
        let mut run = Vec::with_capacity(batch.len());
        for Entry { presentity, work } in batch {
            match work {
                Work::Decision(decision) => run.push((presentity, decision)),
                Work::ReadBack => {
                    self.commit(std::mem::take(&mut run));
                    self.read_back(&presentity);
                }
            }
        }
        self.commit(run);
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
        let mut ended = Vec::new();
        for ((uri, decision), verdict) in run.into_iter().zip(outcome.verdicts) {
            match verdict {
                Verdict::Committed => {
                    committed += 1;
                    if decision.changes.iter().any(ends_something) {
                        ended.push(uri.clone());
                    }
                    outgoing.add(decision.effects);
                }
                Verdict::Guilty => self.refuse(&uri, decision, 500),
                Verdict::Refused => self.refuse(&uri, decision, 503),
            }
        }
        metrics.add(metrics.committed_decisions, committed);
        self.core.queue.settle(count);
        self.core.send(outgoing);
        for uri in ended {
            self.core.shards.lock(&uri).forget_if_idle(&uri, self.core.queue.settled());
        }
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

    /// Reads a presentity back, waiting for the database if need be; what is queued meanwhile is refused in its turn.
    fn read_back(&mut self, uri: &Arc<PresentityUri>) {
        let mut pause = BACK_OFF.0;
        let rows = loop {
            match self.rows_of(uri) {
                Ok(rows) => break rows,
                Err(error) => {
                    self.core.is_away.store(true, Ordering::Relaxed);
                    self.core.warn(&format!("the database does not answer: {error}"));
                    if self.core.queue.wait_closed(pause) {
                        self.core.queue.settle(1);
                        return;
                    }
                    pause = (pause * 2).min(BACK_OFF.1);
                }
            }
        };
        self.refused.remove(uri);
        self.restore(uri, rows);
        self.core.queue.settle(1);
        if self.core.is_away.swap(false, Ordering::Relaxed) {
            self.core.warn("the database is back");
        }
        // Whatever is owed since the refused decision is bound and told as by any other event.
        self.core.timers.set(uri.clone(), self.core.now().mono);
    }

    fn rows_of(&mut self, uri: &PresentityUri) -> Result<Vec<Stored>, StoreError> {
        let mut rows = Vec::new();
        self.store.load(Scope::Presentities(std::slice::from_ref(uri)), &mut |row| rows.push(row))?;
        Ok(rows)
    }

    fn restore(&self, uri: &Arc<PresentityUri>, rows: Vec<Stored>) {
        let now = self.core.now();
        let max_expires_s = self.core.settings.publish.max_expires_s;
        let (mut publications, mut subscriptions) = (Vec::new(), Vec::new());
        for row in rows {
            match row {
                Stored::Publication(row) => publications.push(recovery::publication(row, max_expires_s, now)),
                Stored::Subscription(row) => subscriptions.push(recovery::subscription(*row, now)),
                Stored::Watcher(_) => {}
                Stored::Skipped { .. } => self.core.metrics.count(self.core.metrics.skipped_rows),
            }
        }
        let mut shard = self.core.shards.lock(uri);
        let slot = shard.slot(uri);
        slot.presentity.restore(publications, subscriptions);
        slot.is_stale = false;
        for dialog in slot.presentity.take_dropped() {
            self.core.dialogs.remove(dialog);
        }
        for dialog in slot.presentity.dialogs() {
            self.core.dialogs.insert(dialog.key, uri.clone());
        }
        self.core.wake(slot);
    }
}

/// Returns whether the presentity may have become one that nobody would miss.
fn ends_something(change: &Change) -> bool {
    matches!(change, Change::PublicationRemoved { .. } | Change::SubscriptionRemoved { .. })
}
