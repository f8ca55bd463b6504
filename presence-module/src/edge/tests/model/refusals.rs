//! What is refused, and how memory is made what the database is.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::events::Then;
use super::requests::What;
use super::world::{Step, World};
use crate::change::Change;
use crate::dialog::DialogKey;
use crate::effect::{Decision, Effect};
use crate::presentity::Presentity;
use crate::store::recovery;

impl World {
    /// Panics while it decides: what was staged before is taken back, and memory read back behind what is queued.
    pub(super) fn panic(&mut self) {
        let (mut decision, now, rules) = (Decision::default(), self.now, self.rules);
        let panics = |_: &mut Presentity, _| resume_unwind(Box::new("as a test has it"));
        let run = || self.presentity.step(&self.policy, now, panics, &[], &mut decision);
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        self.refuse(Step { what: What::Nothing, outcomes: Vec::new(), rules: Some(rules), now, decision });
        (self.stale, self.since) = (Some(Then::Refused), now.mono);
    }

    pub(super) fn refuse(&mut self, step: Step) {
        self.presentity.take_back(&step.decision);
        step.outcomes.iter().for_each(|outcome| self.truth.silence(outcome));
        for effect in &step.decision.effects {
            if let Effect::Reply(reply) = effect {
                self.phones.refused(reply);
            }
        }
        self.note_written(&step.what);
        self.refused.push(step.decision);
    }

    /// Lets the machine tell once more what it was about to tell, and forget where it was.
    fn excuse(&mut self, refused: &Decision) {
        for effect in &refused.effects {
            if let Effect::Notify(notification) = effect {
                self.wire.excuse(notification.row.key);
            }
        }
        for change in &refused.changes {
            match change {
                Change::SubscriptionRemoved { key, .. } => {
                    self.wire.excuse(*key);
                    self.truth.restored.insert(*key);
                    if let Some(subscription) = self.truth.subscriptions.get_mut(key) {
                        subscription.is_taken_up = true;
                        self.wire.forget(subscription.dialog, *key);
                    }
                }
                Change::SubscriptionStored { row, .. } | Change::SubscriptionFetched { row, .. } => {
                    // It took the place of one that was over, or is not over after all.
                    self.truth.over.remove(&row.key);
                    self.wire.excuse(row.key);
                    self.wire.forget(DialogKey::of_row(row), row.key);
                }
                Change::SubscriptionAuthorized { key, .. } => self.wire.excuse(*key),
                Change::SubscriptionRefreshed { row, .. } => self.wire.excuse(row.key),
                _ => {}
            }
        }
    }

    /// Takes up what the database holds in place of what was refused.
    pub(super) fn read_back(&mut self) {
        if !self.queue.is_empty() {
            return;
        }
        let Some(reason) = self.stale.take() else { return };
        let (now, waiting_time_s) = (self.now, self.policy.waiting_time_s);
        let publications = self.disk.publications.values().map(|row| recovery::publication(row.clone(), 3600, now));
        let subscriptions = self.disk.subscriptions.values().map(|row| recovery::subscription(row.clone(), now));
        let watchers = self.disk.watchers.values().map(|row| {
            let deadline = recovery::watcher_deadline(row, waiting_time_s, now);
            (row.clone(), deadline)
        });
        self.presentity.restore(publications.collect(), subscriptions.collect(), watchers.collect());
        self.presentity.take_news();
        for refused in std::mem::take(&mut self.refused) {
            self.excuse(&refused);
        }
        self.truth.read_back(now, &self.disk);
        self.wire.read_back();
        if reason == Then::Away {
            let outage_ms = now.mono.0 - self.since.0;
            self.presentity.prolong(now, outage_ms);
            self.truth.prolong(now, outage_ms);
        }
        self.is_woken = true;
    }
}
