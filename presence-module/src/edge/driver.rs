//! The thread of deadlines, long fan-outs and what may take a while: it never holds up a commit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::commit_queue::Entry;
use super::core::Core;
use super::step::NotNow;
use super::sweep::Pace;
use super::timers::TICK_MS;
use crate::effect::{Created, Decision, Notification};
use crate::presentity::Presentity;
use crate::presentity_uri::PresentityUri;

/// What the driver is given to do.
pub(super) enum Job {
    /// Send a long fan-out.
    Notify(Vec<Notification>),
    /// Nobody waited for this 2xx any more: end what it created.
    ReplyLost(Created),
    /// End the thread.
    Stop,
}

/// What is to be made good since the last run.
pub(super) enum Owed {
    /// Watchers are owed the present state: the last stop was not clean.
    Notify {
        /// Whom they watch.
        presentity: Arc<PresentityUri>,
        /// From which place among them on.
        from: usize,
    },
    /// Everybody who watches is to be decided on anew: other rules or another policy are in force.
    Review(Arc<PresentityUri>),
}

/// Runs until told to stop, and returns whether nothing is left to be made good.
pub(super) fn run(core: Arc<Core>, jobs: &Receiver<Job>, owed: VecDeque<Owed>) -> bool {
    let tick = Duration::from_millis(TICK_MS);
    let mut next_tick = Instant::now() + tick;
    let mut driver = Driver::new(core, owed);
    loop {
        match jobs.recv_deadline(next_tick) {
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return driver.owes_nothing(),
            Ok(job) => driver.take(job),
            Err(RecvTimeoutError::Timeout) => {}
        }
        // However long the fan-outs are, deadlines are kept.
        if Instant::now() >= next_tick {
            driver.tick();
            next_tick = Instant::now() + tick;
        }
    }
}

pub(super) struct Driver {
    core: Arc<Core>,
    /// Watchers to be told the present state, some a tick.
    owed: VecDeque<Owed>,
    /// What a 2xx created that came too late, until its end is in the database.
    lost: Vec<Created>,
    sweeps: Periodic,
    looks: Periodic,
    /// By how much the wall clock was ahead of the monotonic one when that counted last.
    ahead_ms: i128,
}

/// A clock that was set by less is not heeded: no rule begins or ends to the second.
const CLOCK_LEEWAY_MS: u128 = 1000;

/// Something done now and then.
struct Periodic {
    period: Option<Duration>,
    next: Option<Instant>,
}

impl Periodic {
    fn every(period: Option<Duration>, now: Instant) -> Self {
        Self { period, next: period.map(|period| now + period) }
    }

    /// Returns whether it is time, and waits for the next time.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.next.is_some_and(|at| now >= at);
        if is_due {
            *self = Self::every(self.period, now);
        }
        is_due
    }
}

impl Driver {
    pub(super) fn new(core: Arc<Core>, owed: VecDeque<Owed>) -> Self {
        let now = core.instant();
        let [sweeps, looks] =
            [core.settings.clean_period, core.settings.rules_poll_period].map(|period| Periodic::every(period, now));
        let ahead_ms = core.now().wall_ahead_ms();
        Self { core, owed, lost: Vec::new(), sweeps, looks, ahead_ms }
    }

    /// Does a job, or keeps it for the next tick.
    pub(super) fn take(&mut self, job: Job) {
        match job {
            Job::Notify(notifications) => self.core.notify(&notifications),
            Job::ReplyLost(created) => self.lost.push(created),
            Job::Stop => {}
        }
    }

    /// Returns whether nothing is left to be made good.
    pub(super) fn owes_nothing(&self) -> bool {
        self.owed.is_empty() && self.lost.is_empty()
    }

    /// Does what is due, each [`TICK_MS`].
    pub(super) fn tick(&mut self) {
        if self.core.is_over() {
            return;
        }
        let now = self.core.instant();
        self.heed_the_clock();
        self.core.expire();
        self.pay();
        self.end_lost();
        if self.sweeps.is_due(now) {
            self.core.queue.push_order(Entry::Sweep(Pace::Leisurely));
        }
        if self.looks.is_due(now) {
            self.core.queue.push_order(Entry::LookAtRules);
        }
    }

    /// Once somebody set the wall clock, lets whoever has rules for a while be decided on anew: what was expected of the
    /// other time comes too early or too late.
    fn heed_the_clock(&mut self) {
        let ahead_ms = self.core.now().wall_ahead_ms();
        if ahead_ms.abs_diff(self.ahead_ms) > CLOCK_LEEWAY_MS {
            self.ahead_ms = ahead_ms;
            self.core.review_by_time();
        }
    }

    /// Tells a tick's share of the watchers that are owed the present state.
    fn pay(&mut self) {
        let rate = u64::from(self.core.settings.recovery_notify_rate);
        let mut left = (rate * TICK_MS).div_ceil(1000) as usize;
        while left > 0
            && let Some(owed) = self.owed.pop_front()
        {
            let (mut count, mut next) = (1, None);
            let decided = match &owed {
                Owed::Notify { presentity, from } => self.core.step(presentity, |presentity, _| {
                    (count, next) = presentity.owe_from(*from, left);
                    Decision::default()
                }),
                Owed::Review(presentity) => self.core.step(presentity, |presentity, _| {
                    presentity.review_soon();
                    Decision::default()
                }),
            };
            if is_to_be_tried_again(decided) {
                self.owed.push_front(owed);
                return;
            }
            left = left.saturating_sub(count.max(1));
            if let (Owed::Notify { presentity, .. }, Some(from)) = (owed, next) {
                self.owed.push_front(Owed::Notify { presentity, from });
            }
        }
    }

    /// Ends what nobody waited for, and has it in mind until the database has taken that: the end can be refused as well.
    fn end_lost(&mut self) {
        self.lost.retain(|created| {
            let (core, uri) = (&self.core, &created.presentity);
            let policy = &core.settings.policy;
            let end = |presentity: &mut Presentity, now| presentity.on_reply_lost(&created.what, policy, now);
            is_to_be_tried_again(core.step(uri, end))
                || core.shards.lock(uri).get(uri).is_some_and(|slot| !core.is_settled(slot))
        });
    }
}

impl Core {
    /// Sees to it that everybody on whom time decides is decided on anew.
    fn review_by_time(&self) {
        let now = self.now().mono;
        self.shards.for_each(|slot| {
            if slot.presentity.depends_on_time() {
                slot.presentity.review_soon();
                self.look_at(slot, now);
            }
        });
    }

    /// Lets every presentity whose deadline has passed decide on it.
    pub(super) fn expire(&self) {
        for presentity in self.timers.due(self.now().mono) {
            let now = self.now().mono;
            match self.shards.lock(&presentity).get(&presentity) {
                // Somebody may have set the next meanwhile.
                Some(slot) => slot.wakes_at = slot.wakes_at.filter(|wake_up| wake_up.at > now),
                None => continue,
            }
            // Whatever else is decided, what is over is ended first.
            if is_to_be_tried_again(self.step(&presentity, |_, _| Decision::default()))
                && let Some(slot) = self.shards.lock(&presentity).get(&presentity)
            {
                self.look_at(slot, self.now().mono);
            }
        }
    }
}

/// Returns whether a step comes to something else with a later tick. After a panic the reading back sees to it.
fn is_to_be_tried_again(decided: Result<(), NotNow>) -> bool {
    matches!(decided, Err(NotNow::Full | NotNow::Unsettled))
}
