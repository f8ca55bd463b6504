//! One step of one presentity: decide, stage, queue — or act at once, if nothing uncommitted lies below.
//!
//! Locks are taken in the order shard → queue (dialog index and timers are leaves), and no call into the host is made
//! while one is held.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use module_api::abi::LogLevel;
use parking_lot::MutexGuard;
use smol_str::SmolStr;

use super::commit_queue::{Entry, Place};
use super::core::Core;
use super::request::Refusal;
use super::shards::{Shard, Slot};
use crate::change::{Change, Moment, Now};
use crate::dialog::DialogKey;
use crate::effect::{Decision, Effect};
use crate::notify_outcome::NotifyOutcome;
use crate::planted::Planted;
use crate::presentity::{News, Presentity};
use crate::presentity_uri::PresentityUri;

/// Why nothing was decided. The request is answered 503, or 500 after a panic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NotNow {
    /// The queue is full.
    Full,
    /// The database is away, or the presentity is being read back.
    Unsettled,
    /// The decision panicked; the presentity is being read back.
    Panicked,
}

/// A request that waits until the privacy rules of its presentity are read.
pub(super) struct Parked {
    pub(super) transaction: u64,
    /// The To-tag of its answer.
    pub(super) to_tag: SmolStr,
    pub(super) decide: Decide,
}

/// What a request makes of a presentity.
type Decide = Box<dyn FnOnce(&mut Presentity, Now) -> Decision + Send>;

fn refusal(transaction: u64, to_tag: SmolStr, not_now: NotNow) -> Effect {
    Effect::Reply(Refusal::from(not_now).into_reply(transaction, to_tag))
}

/// Requests that may wait for the rules of one presentity.
const PARKED_MAX: usize = 256;

impl Core {
    /// Runs a request on a presentity whose privacy rules it needs: at once if they are known, else when they are read.
    /// Returns `false` if it was refused at once; the answer is on its way.
    pub(super) fn step_knowing_rules(&self, uri: &Arc<PresentityUri>, parked: Parked) -> Result<bool, NotNow> {
        let (place, now) = self.begin()?;
        let mut shard = self.shards.lock(uri);
        let slot = shard.slot(uri);
        if !slot.presentity.knows_rules() && !slot.is_stale {
            if slot.parked.len() >= PARKED_MAX {
                return Err(NotNow::Full);
            }
            slot.parked.push_back(parked);
            self.queue.hold(place);
            if slot.parked.len() == 1 {
                self.queue.push_order(Entry::LoadRules(uri.clone()));
            }
            return Ok(true);
        }
        let mut is_accepted = false;
        let decide = |presentity: &mut Presentity, now| {
            let decision = (parked.decide)(presentity, now);
            is_accepted = !decision.is_refusal();
            decision
        };
        self.step_locked(uri, shard, place, now, decide)?;
        Ok(is_accepted)
    }

    /// Runs the requests that waited for rules, one after the other. Rules are forgotten with the last of them if nobody
    /// watches then; who comes after that has them read again, and waits for that.
    pub(super) fn unpark(&self, uri: &Arc<PresentityUri>) {
        loop {
            let now = self.now();
            let mut shard = self.shards.lock(uri);
            let knowing = shard.get(uri).filter(|slot| slot.presentity.knows_rules());
            let Some(parked) = knowing.and_then(|slot| slot.parked.pop_front()) else { return };
            let Parked { transaction, to_tag, decide } = parked;
            if let Err(not_now) = self.step_locked(uri, shard, self.queue.held(), now, decide) {
                self.act(vec![refusal(transaction, to_tag, not_now)]);
            }
        }
    }

    /// Sends away requests that waited.
    pub(super) fn refuse_all(&self, parked: VecDeque<Parked>, not_now: NotNow) {
        self.queue.release(parked.len());
        let refused = |parked: Parked| refusal(parked.transaction, parked.to_tag, not_now);
        self.act(parked.into_iter().map(refused).collect());
    }

    /// Runs `decide` on a presentity and stages what it decides. Effects leave when what they rest on is durable.
    pub(super) fn step(
        &self,
        uri: &Arc<PresentityUri>,
        decide: impl FnOnce(&mut Presentity, Now) -> Decision,
    ) -> Result<(), NotNow> {
        let (place, now) = self.begin()?;
        self.step_locked(uri, self.shards.lock(uri), place, now, decide)
    }

    /// What is done before any lock is taken: it may fail, or call into the host.
    pub(super) fn begin(&self) -> Result<(Place<'_>, Now), NotNow> {
        if self.is_away() {
            return Err(NotNow::Unsettled);
        }
        Ok((self.queue.reserve().ok_or(NotNow::Full)?, self.now()))
    }

    pub(super) fn step_locked(
        &self,
        uri: &Arc<PresentityUri>,
        mut shard: MutexGuard<'_, Shard>,
        place: Place<'_>,
        now: Now,
        decide: impl FnOnce(&mut Presentity, Now) -> Decision,
    ) -> Result<(), NotNow> {
        let slot = shard.slot(uri);
        if slot.is_stale {
            return Err(NotNow::Unsettled);
        }
        // Who waited for the lock must not see time run back.
        let now = slot.latest(now);
        let Some(mut decision) = self.stage(slot, now, decide) else {
            // Read back through the queue, behind everything staged before.
            slot.is_stale = true;
            slot.staged = self.queue.push_order(Entry::ReadBack(uri.clone()));
            drop(shard);
            self.metrics.count(self.metrics.decision_panics);
            self.host
                .log(LogLevel::ERROR, "panic while deciding, contained: the presentity is read back from the database");
            return Err(NotNow::Panicked);
        };
        let settled = self.queue.settled();
        let can_act = !decision.is_durable() && slot.staged <= settled;
        if can_act {
            shard.forget_if_idle(uri, settled, &self.timers);
            drop(shard);
            drop(place);
            self.act(decision.effects);
        } else {
            let early = if Planted::AnswerBeforeCommit.is_here() { decision.take_replies() } else { Vec::new() };
            slot.staged = self.queue.push(place, Entry::Decision(uri.clone(), decision));
            if slot.presentity.is_idle() {
                // Once this is committed nobody would miss it: the timers come by and it is forgotten.
                self.look_at(slot, now.mono);
            }
            drop(shard);
            self.act(early);
        }
        Ok(())
    }

    /// Hands a presentity what became of one of its NOTIFYs, or keeps it until the presentity is read back.
    pub(super) fn settle_notify(&self, uri: &Arc<PresentityUri>, dialog: DialogKey, cseq: u32, outcome: NotifyOutcome) {
        let policy = &self.settings.policy;
        let decide =
            |presentity: &mut Presentity, now| presentity.on_notify_outcome(dialog, cseq, &outcome, policy, now);
        if self.step(uri, decide).is_err() && !self.is_over() {
            let now = self.now();
            let mut shard = self.shards.lock(uri);
            let slot = shard.slot(uri);
            slot.deferred.push((dialog, cseq, outcome));
            // Read back or not, the timers come by and settle what was left.
            self.look_at(slot, now.mono);
        }
    }

    /// Decides and applies, then binds what the watchers are owed. Returns `None` after a panic.
    fn stage(
        &self,
        slot: &mut Slot,
        now: Now,
        decide: impl FnOnce(&mut Presentity, Now) -> Decision,
    ) -> Option<Decision> {
        let mut decision = Decision::default();
        let (presentity, deferred) = (&mut slot.presentity, &slot.deferred);
        let run = || presentity.step(&self.settings.policy, now, decide, deferred, &mut decision);
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            // What was staged before the panic never leaves. Outcomes stay: one that was met is not expected again.
            slot.presentity.take_back(&decision);
            slot.note_refused(&decision.changes);
            self.take_stock(slot);
            slot.back_off(now.mono);
            return None;
        }
        slot.deferred.clear();
        slot.panics = 0;
        self.index(slot, &decision);
        self.wake(slot);
        Some(decision)
    }

    /// Keeps the dialog index in step with what was staged.
    fn index(&self, slot: &mut Slot, decision: &Decision) {
        self.take_stock(slot);
        for change in &decision.changes {
            if let Change::SubscriptionStored { row, .. } | Change::SubscriptionFetched { row, .. } = change {
                self.dialogs.insert(DialogKey::of_row(row), slot.presentity.uri().clone());
            }
        }
    }

    /// Counts what a presentity holds by now, and forgets the dialogs that are over.
    pub(super) fn take_stock(&self, slot: &mut Slot) {
        for news in slot.presentity.take_news() {
            self.ceilings.note(&news);
            if let News::Dropped(dialog) = news
                && !Planted::IndexLeaks.is_here()
            {
                self.dialogs.remove(dialog);
            }
        }
        self.ceilings.recount(&mut slot.counted, slot.presentity.extent());
    }

    /// Sees to it that the timers look at a presentity no later than its next deadline.
    pub(super) fn wake(&self, slot: &mut Slot) {
        if let Some(at) = slot.presentity.next_timeout() {
            self.look_at(slot, at);
        }
    }

    /// Sees to it that the timers look at a presentity at `at`, or when it may be looked at again after a panic.
    pub(super) fn look_at(&self, slot: &mut Slot, at: Moment) {
        let at = at.max(slot.not_before);
        if slot.wakes_at.is_none_or(|wake_up| at < wake_up.at) {
            slot.wakes_at = Some(self.timers.set(slot.presentity.uri().clone(), at, slot.wakes_at));
        }
    }

    /// Returns whether what memory holds of a presentity is what the database holds.
    pub(super) fn is_settled(&self, slot: &Slot) -> bool {
        !slot.is_stale && slot.staged <= self.queue.settled()
    }

    /// Marks a presentity whose staged decision was refused, and takes back what rested on it.
    pub(super) fn refuse(&self, uri: &Arc<PresentityUri>, decision: &Decision) {
        let mut shard = self.shards.lock(uri);
        let slot = shard.slot(uri);
        slot.presentity.take_back(decision);
        slot.note_refused(&decision.changes);
        self.take_stock(slot);
        if !slot.is_stale {
            slot.is_stale = true;
            slot.staged = self.queue.push_order(Entry::ReadBack(uri.clone()));
        }
    }
}
