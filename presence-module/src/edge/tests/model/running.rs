//! Time, stops and starts: what happens to the machine by itself.

use super::events::{Answer, Then};
use super::requests::What;
use super::rules;
use super::world::{World, dana};
use crate::authorization::Rules;
use crate::change::{Change, Moment};
use crate::dialog::Dialog;
use crate::effect::Decision;
use crate::presentity::Presentity;
use crate::store::recovery;

impl World {
    /// Lets time pass until `at`, if that is to come.
    fn pass(&mut self, at: Moment) {
        let by_ms = at.0.saturating_sub(self.now.mono.0);
        (self.now.mono.0, self.now.wall_ms) = (self.now.mono.0 + by_ms, self.now.wall_ms + by_ms);
    }

    pub(super) fn set_clock(&mut self, by_s: i64) {
        self.now.wall_ms = self.now.wall_ms.saturating_add_signed(by_s * 1000);
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
            self.pass(next);
            self.wake();
        }
        self.pass(until);
        if !self.is_stale() && self.presentity.next_timeout().is_some_and(|next| next <= until) {
            self.wake();
        }
    }

    /// As `edge/taking_up.rs` does it; orderly if nobody is owed anything.
    pub(super) fn restart(&mut self, away_ms: u64, rules: Option<usize>) {
        let is_told = self.presentity.dialogs().all(Dialog::is_told) && !self.presentity.is_review_due();
        let was_clean = self.queue.is_empty() && !self.is_stale() && self.deferred.is_empty() && is_told;
        for step in std::mem::take(&mut self.queue) {
            self.note_written(&step.what);
        }
        self.deferred.clear();
        self.refused.clear();
        self.lost.clear();
        self.stale = None;
        self.pass(Moment(self.now.mono.0 + away_ms));
        self.rules = rules.unwrap_or(self.rules);
        self.are_readable = true;
        let unanswered = self.phones.restart();
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
        let mut next = Some(0).filter(|_| !was_clean);
        while let Some(from) = next {
            let owe = |presentity: &mut Presentity, _| {
                next = presentity.owe_from(from, 1).1;
                Decision::default()
            };
            self.step(What::Nothing, owe);
        }
        unanswered.into_iter().for_each(|request| self.repeat(request));
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
            self.presentity.resume(&row, deadline);
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
}
