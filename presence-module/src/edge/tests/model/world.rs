//! One presentity, its disk and its clocks, driven as the edge drives it: single-threaded and deterministic.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::events::{Answer, Then};
use super::people::PHONES;
use super::phones::Phones;
use super::requests::{ANY, InDialog, Outcome, What};
use super::rules::{self, BEGIN_S};
use super::truth::Truth;
use super::wire::Wire;
use crate::authorization::Rules;
use crate::change::{Moment, Now};
use crate::dialog::DialogKey;
use crate::edge::tests::memory_store::Disk;
use crate::effect::{Creation, Decision, Effect, Reply};
use crate::notify_outcome::NotifyOutcome;
use crate::policy::Policy;
use crate::presentity::Presentity;
use crate::presentity_uri::PresentityUri;

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
    pub(super) queue: VecDeque<Step>,
    /// Something was refused: memory is to be read back, for this reason.
    pub(super) stale: Option<Then>,
    pub(super) since: Moment,
    pub(super) refused: Vec<Decision>,
    pub(super) deferred: Vec<Outcome>,
    /// The dialogs whose watcher was heard of since the last NOTIFY was bound.
    heard: BTreeSet<DialogKey>,
    /// What was answered into the void.
    pub(super) lost: Vec<Creation>,
    pub(super) loses_next: bool,
    /// The timers look at it at once.
    pub(super) is_woken: bool,
}

/// A decision and what it was about.
pub(super) struct Step {
    pub(super) what: What,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) rules: Option<usize>,
    pub(super) now: Now,
    pub(super) decision: Decision,
}

impl World {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            presentity: Presentity::new(dana()),
            disk: Disk::default(),
            now: Now { mono: Moment(1_000_000), wall_ms: BEGIN_S * 1000 + 300 },
            truth: Truth::new(policy),
            wire: Wire::default(),
            phones: Phones::new(PHONES),
            rules: 0,
            are_readable: true,
            queue: VecDeque::new(),
            stale: None,
            since: Moment(0),
            refused: Vec::new(),
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
    pub(super) fn step(&mut self, mut what: What, decide: impl FnOnce(&mut Presentity, Now) -> Decision) {
        assert!(!self.is_stale(), "nothing is decided on what was refused");
        let (mut decision, mut outcomes) = (Decision::default(), std::mem::take(&mut self.deferred));
        let taken: Vec<_> = outcomes.iter().map(|outcome| (outcome.dialog, outcome.cseq, outcome.taken())).collect();
        self.presentity.step(&self.policy, self.now, decide, &taken, &mut decision);
        self.presentity.take_news();
        self.check_timeout();
        what.note_begun(&decision.changes);
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

    /// Notes that who sends a request is there.
    fn note_heard(&mut self, what: &What, decision: &Decision) {
        let is_accepted = |effect: &Effect| matches!(effect, Effect::Reply(Reply { code: 200, .. }));
        if let What::InDialog(InDialog { subscribe, .. }) | What::Subscribe(subscribe) = what
            && decision.effects.iter().any(is_accepted)
        {
            self.heard.insert(subscribe.dialog);
        }
    }

    /// Notes whether a watcher that did not take a NOTIFY is told again.
    fn note_retry(&mut self, outcome: &mut Outcome) {
        let is_silence = matches!(outcome.answer, Answer::Silence | Answer::Unreachable);
        // Nobody but the watcher can open its connection again.
        let is_on_connection = outcome.answer == Answer::Unreachable
            && self.presentity.subscriptions().any(|usage| {
                (usage.row.key, usage.row.watcher_id()) == (outcome.subscription, &outcome.id)
                    && usage.row.socket().is_some()
            });
        let is_tried = is_on_connection || self.heard.contains(&outcome.dialog) || !self.policy.silence_ends;
        outcome.is_kept = is_silence && is_tried;
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

    pub(super) fn wake(&mut self) {
        self.is_woken = false;
        self.step(What::Nothing, |_, _| Decision::default());
    }

    /// As `edge/writer.rs` does it.
    pub(super) fn commit(&mut self, most: usize, then: Then) {
        self.read_back();
        for _ in 0..most {
            let Some(step) = self.queue.pop_front() else { break };
            assert_eq!(self.disk.refusal(step.decision.changes.iter()).map(|refusal| refusal.to_string()), None);
            step.decision.changes.iter().for_each(|change| self.disk.write(change));
            self.settle(step);
        }
        if then == Then::Crash {
            if let Some(Step { what, outcomes, rules, now, decision }) = self.queue.pop_front() {
                decision.changes.iter().for_each(|change| self.disk.write(change));
                self.truth.step(&what, &outcomes, rules, now);
            }
            self.restart(0, None);
        } else if then != Then::Queued && !self.queue.is_empty() && (then != Then::Gone || self.remove_under_next()) {
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
        let code = self.truth.step(&what, &outcomes, rules, now);
        self.check_disk();
        for effect in decision.effects {
            match effect {
                Effect::Notify(notification) => {
                    self.check_reserved(&notification);
                    self.wire.see(&notification, &mut self.truth, rules, now);
                }
                Effect::Reply(reply) => {
                    assert!(code == ANY || reply.code == code, "{}, not {code}: {what:?}", reply.code);
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

    /// Forgets a presentity nobody would miss.
    fn forget_if_idle(&mut self) {
        if self.presentity.is_idle() && self.queue.is_empty() && !self.is_stale() {
            self.presentity = Presentity::new(dana());
        }
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

pub(super) fn dana() -> Arc<PresentityUri> {
    Arc::new(PresentityUri::new("dana", "pres.example"))
}
