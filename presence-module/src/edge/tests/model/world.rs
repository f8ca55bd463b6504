//! One presentity, its disk and its clocks, driven as the edge drives it: single-threaded and deterministic.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::events::{Answer, Then};
use super::people::PHONES;
use super::phones::Phones;
use super::requests::{Outcome, What};
use super::rules::{self, BEGIN_S};
use super::truth::Truth;
use super::wire::Wire;
use crate::authorization::Rules;
use crate::change::{Change, Moment, Now};
use crate::dialog::{Dialog, DialogKey};
use crate::edge::tests::memory_store::Disk;
use crate::effect::{Creation, Decision, Effect, Reply};
use crate::notify_outcome::NotifyOutcome;
use crate::policy::Policy;
use crate::presentity::Presentity;
use crate::presentity_uri::PresentityUri;
use crate::store::recovery;

/// Everything there is.
pub(super) struct World {
    pub(super) policy: Policy,
    pub(super) presentity: Presentity,
    pub(super) disk: Disk,
    pub(super) now: Now,
    pub(super) truth: Truth,
    pub(super) wire: Wire,
    pub(super) phones: Phones,
    /// The rules as they are written, and whether the last attempt to read them succeeded.
    pub(super) rules: usize,
    pub(super) are_readable: bool,
    /// Decisions that are not committed.
    queue: VecDeque<Step>,
    /// Something was refused: memory is to be read back, for this reason.
    stale: Option<Then>,
    since: Moment,
    deferred: Vec<Outcome>,
    /// The dialogs whose watcher was heard of since the last NOTIFY was bound.
    heard: BTreeSet<DialogKey>,
    /// What was answered into the void.
    lost: Vec<Creation>,
    pub(super) loses_next: bool,
    /// The timers look at it at once.
    pub(super) is_woken: bool,
}

/// A decision and what it was about.
struct Step {
    what: What,
    outcomes: Vec<Outcome>,
    rules: Option<usize>,
    now: Now,
    decision: Decision,
}

impl World {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            presentity: Presentity::new(dana()),
            disk: Disk::default(),
            now: at(Moment(1_000_000)),
            truth: Truth::new(policy),
            wire: Wire::default(),
            phones: Phones::new(PHONES),
            rules: 0,
            are_readable: true,
            queue: VecDeque::new(),
            stale: None,
            since: Moment(0),
            deferred: Vec::new(),
            heard: BTreeSet::new(),
            lost: Vec::new(),
            loses_next: false,
            is_woken: false,
        }
    }

    pub(super) fn is_stale(&self) -> bool {
        self.stale.is_some()
    }

    /// Has the rules read, if they can be.
    pub(super) fn read_rules(&mut self) {
        if self.are_readable {
            let documents = rules::documents(self.rules);
            let (rules, _) = Rules::read(documents.iter().map(String::as_str));
            self.presentity.set_rules(rules);
            self.is_woken = true;
        }
    }

    /// As `edge/step.rs` does it.
    pub(super) fn step(&mut self, what: What, decide: impl FnOnce(&mut Presentity, Now) -> Decision) {
        assert!(!self.is_stale(), "nothing is decided on what was refused");
        let (mut decision, mut outcomes) = (Decision::default(), std::mem::take(&mut self.deferred));
        let taken: Vec<_> = outcomes.iter().map(|outcome| (outcome.dialog, outcome.cseq, outcome.taken())).collect();
        self.presentity.step(&self.policy, self.now, decide, &taken, &mut decision);
        self.presentity.take_dropped();
        self.check_timeout();
        self.note_heard(&what, &decision);
        outcomes.iter_mut().for_each(|outcome| self.note_retry(outcome));
        self.note_bound(&decision);
        let rules = self.presentity.knows_rules().then_some(self.rules);
        let step = Step { what, outcomes, rules, now: self.now, decision };
        if step.decision.is_durable() || !self.queue.is_empty() {
            self.queue.push_back(step);
        } else {
            self.settle(step);
        }
    }

    /// Notes that who sends a request in a dialog is there.
    fn note_heard(&mut self, what: &What, decision: &Decision) {
        let is_accepted = |effect: &Effect| matches!(effect, Effect::Reply(Reply { code: 200, .. }));
        if let What::InDialog(request) = what
            && decision.effects.iter().any(is_accepted)
        {
            self.heard.insert(request.subscribe.dialog);
        }
    }

    /// Notes whether a watcher that did not take a NOTIFY is told again.
    fn note_retry(&mut self, outcome: &mut Outcome) {
        let is_silence = matches!(outcome.answer, Answer::Silence | Answer::Unreachable);
        outcome.is_kept = is_silence && (self.heard.contains(&outcome.dialog) || !self.policy.silence_ends);
        match outcome.answer {
            Answer::Later(asked_s) => self.wire.retry(outcome.subscription, &outcome.id, asked_s, self.now),
            _ if outcome.is_kept => self.wire.retry(outcome.subscription, &outcome.id, 0, self.now),
            _ => {}
        }
    }

    fn note_bound(&mut self, decision: &Decision) {
        for effect in &decision.effects {
            if let Effect::Notify(notification) = effect {
                self.heard.remove(&notification.dialog);
            }
        }
    }

    fn wake(&mut self) {
        self.is_woken = false;
        self.step(What::Nothing, |_, _| Decision::default());
    }

    /// As `edge/writer.rs` does it.
    pub(super) fn commit(&mut self, most: usize, then: Then) {
        self.read_back();
        for _ in 0..most {
            let Some(step) = self.queue.pop_front() else { break };
            step.decision.changes.iter().for_each(|change| self.disk.write(change));
            self.settle(step);
        }
        if then != Then::Queued && !self.queue.is_empty() {
            (self.stale, self.since) = (Some(then), self.now.mono);
            for step in std::mem::take(&mut self.queue) {
                self.refuse(step);
            }
        }
        self.forget_if_idle();
    }

    /// Lets what was committed be seen.
    fn settle(&mut self, step: Step) {
        let Step { what, outcomes, rules, now, decision } = step;
        let code = self.truth.step(&what, &outcomes, rules, now, &self.disk);
        self.check_disk();
        for effect in decision.effects {
            match effect {
                Effect::Notify(notification) => self.wire.see(&notification, &mut self.truth, rules, now),
                Effect::Reply(reply) => {
                    assert_eq!(reply.code, code, "{what:?}");
                    let is_lost = code == 200 && self.phones.creates(&reply) && std::mem::take(&mut self.loses_next);
                    if is_lost {
                        self.lost.extend(self.phones.lose(&reply));
                    } else {
                        self.phones.hear(&reply);
                    }
                }
            }
        }
    }

    fn refuse(&mut self, step: Step) {
        self.presentity.take_back(&step.decision);
        step.outcomes.iter().for_each(|outcome| self.truth.silence(outcome));
        for effect in &step.decision.effects {
            match effect {
                Effect::Notify(notification) => self.wire.excuse(notification.row.key),
                Effect::Reply(reply) => self.phones.refused(reply),
            }
        }
        for change in &step.decision.changes {
            match change {
                Change::SubscriptionRemoved { key, .. } => {
                    self.wire.excuse(*key);
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
        let Some(reason) = self.stale.take() else { return };
        let (now, waiting_time_s) = (self.now, self.policy.waiting_time_s);
        let publications = self.disk.publications.values().map(|row| recovery::publication(row.clone(), 3600, now));
        let subscriptions = self.disk.subscriptions.values().map(|row| recovery::subscription(row.clone(), now));
        let watchers = self.disk.watchers.values().map(|row| {
            let deadline = recovery::watcher_deadline(row, waiting_time_s, now);
            (row.clone(), deadline)
        });
        self.presentity.restore(publications.collect(), subscriptions.collect(), watchers.collect());
        self.presentity.take_dropped();
        self.truth.read_back(now, &self.disk);
        self.wire.read_back();
        if reason == Then::Away {
            let by_ms = (now.mono.0 - self.since.0).min(32_000) + 5000;
            self.presentity.prolong(now, by_ms);
            self.truth.prolong(now, by_ms);
        }
        self.is_woken = true;
    }

    /// Takes what became of a NOTIFY, now or once memory is as the database again.
    pub(super) fn answer(&mut self, dialog: DialogKey, answer: Answer) {
        let in_flight = self.wire.answer(dialog, answer);
        let remote_target = (answer == Answer::Moved).then(|| self.phones.move_by_answer());
        let (cseq, subscription, id) = (in_flight.cseq, in_flight.subscription, in_flight.id);
        self.deferred.push(Outcome { dialog, cseq, subscription, id, answer, remote_target, is_kept: false });
        if !self.is_stale() {
            self.wake();
        }
    }

    pub(super) fn wait(&mut self, ms: u64, is_asleep: bool) {
        let until = Moment(self.now.mono.0 + ms);
        for created in std::mem::take(&mut self.lost) {
            if self.is_stale() {
                self.lost.push(created);
            } else {
                let what = What::ReplyLost(created.clone());
                let policy = self.policy;
                self.step(what, |presentity, now| presentity.on_reply_lost(&created, &policy, now));
            }
        }
        if self.is_woken && !self.is_stale() {
            self.wake();
        }
        let mut in_vain = 0;
        while !is_asleep
            && !self.is_stale()
            && let Some(next) = self.presentity.next_timeout().filter(|next| *next <= until)
        {
            in_vain = if next > self.now.mono { 0 } else { in_vain + 1 };
            assert!(in_vain < 3, "the timers never leave it alone: {next:?}");
            self.now = at(next.max(self.now.mono));
            self.wake();
        }
        self.now = at(until);
        if !self.is_stale() && self.presentity.next_timeout().is_some_and(|next| next <= until) {
            self.wake();
        }
    }

    /// Forgets a presentity nobody would miss.
    fn forget_if_idle(&mut self) {
        if self.presentity.is_idle() && self.queue.is_empty() && !self.is_stale() {
            self.presentity = Presentity::new(dana());
        }
    }

    /// As `edge/taking_up.rs` does it; orderly if nobody is owed anything.
    pub(super) fn restart(&mut self, away_ms: u64, rules: Option<usize>) {
        let is_told = self.presentity.dialogs().all(Dialog::is_told);
        let was_clean = self.queue.is_empty() && !self.is_stale() && self.deferred.is_empty() && is_told;
        self.queue.clear();
        self.deferred.clear();
        self.lost.clear();
        self.stale = None;
        self.now = at(Moment(self.now.mono.0 + away_ms));
        self.rules = rules.unwrap_or(self.rules);
        self.are_readable = true;
        self.phones.restart();
        self.wire.restart();
        self.truth.restart(was_clean, self.now, &self.disk);
        self.presentity = Presentity::new(dana());
        self.take_up();
        if self.presentity.is_watched() {
            let documents = rules::documents(self.rules);
            let (read, _) = Rules::read(documents.iter().map(String::as_str));
            self.presentity.take_up_rules(read);
            let is_due = rules.is_some() || self.presentity.needs_review(&self.policy, self.now);
            if is_due {
                self.presentity.review_soon();
            } else {
                self.presentity.expect_boundary(self.now);
            }
        }
        let owed: Vec<_> = self.disk.subscriptions.keys().copied().filter(|_| !was_clean).collect();
        for subscription in owed {
            let owe = |presentity: &mut Presentity, _| {
                presentity.owe(subscription);
                Decision::default()
            };
            self.step(What::Nothing, owe);
        }
        self.is_woken = true;
    }

    fn take_up(&mut self) {
        let now = self.now;
        for row in self.disk.publications.values() {
            let publication = recovery::publication(row.clone(), 3600, now);
            let (row, deadline) = (publication.row, publication.deadline);
            self.presentity.apply(&[Change::PublicationStored { row, deadline, sender: None }]);
        }
        for row in self.disk.subscriptions.values() {
            let (row, deadline) = recovery::subscription(row.clone(), now);
            self.presentity.resume(row, deadline);
        }
        for row in self.disk.watchers.values() {
            let deadline = recovery::watcher_deadline(row, self.policy.waiting_time_s, now);
            if deadline.is_some() || !self.presentity.is_idle() {
                self.presentity.take_up_watcher(row, deadline);
            }
        }
    }

    /// Commits everything and answers every NOTIFY, as far as that is not a matter of time.
    pub(super) fn drain(&mut self) {
        for _ in 0..2 {
            self.wait(0, false);
            self.commit(usize::MAX, Then::Queued);
        }
        while let Some(dialog) = self.waiting(0) {
            self.answer(dialog, Answer::Ok);
            self.commit(usize::MAX, Then::Queued);
        }
    }

    /// Lets everything come to rest.
    pub(super) fn settle_down(&mut self) {
        if !self.are_readable {
            self.are_readable = true;
            self.read_rules();
        }
        for _ in 0..200 {
            let before = self.wire.seen;
            self.drain();
            // Longer than any throttle and any rest.
            let resting = self.truth.subscriptions.keys().filter_map(|key| self.wire.subscriptions.get(key));
            let rests_until = resting.map(|view| view.rests_until).max().unwrap_or_default();
            self.wait(rests_until.0.saturating_sub(self.now.mono.0).max(21_000), false);
            if self.wire.seen == before && self.queue.is_empty() && self.waiting(0).is_none() {
                return;
            }
        }
        panic!("it never ends");
    }

    /// Returns the dialog of one of the NOTIFYs under way.
    pub(super) fn waiting(&self, nth: usize) -> Option<DialogKey> {
        let waiting: Vec<_> =
            self.wire.dialogs.iter().filter(|(_, dialog)| dialog.in_flight.is_some()).map(|(key, _)| *key).collect();
        (!waiting.is_empty()).then(|| waiting[nth % waiting.len()])
    }
}

impl Outcome {
    /// Returns it as the machine takes it.
    fn taken(&self) -> NotifyOutcome {
        let (code, is_local, retry_after_s) = match self.answer {
            Answer::Failed => (500, false, None),
            Answer::Gone => (410, false, None),
            Answer::Later(seconds) => (503, false, Some(seconds)),
            Answer::Moved | Answer::Ok => (200, false, None),
            Answer::Silence => (408, true, None),
            Answer::Unknown => (481, false, None),
            Answer::Unreachable => (503, true, None),
        };
        NotifyOutcome { code, is_local, remote_target: self.remote_target.clone(), retry_after_s }
    }
}

fn at(mono: Moment) -> Now {
    Now { mono, wall_ms: (BEGIN_S - 1000) * 1000 + mono.0 + 300 }
}

pub(super) fn dana() -> Arc<PresentityUri> {
    Arc::new(PresentityUri::new("dana", "pres.example"))
}
