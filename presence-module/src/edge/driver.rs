//! The thread of deadlines, long fan-outs and what may take a while: it never holds up a commit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::core::Core;
use super::timers::TICK_MS;
use crate::dialog::DialogKey;
use crate::effect::{Created, Notification};
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

/// A watcher owed the present state since an unclean stop.
pub(super) type Owed = (Arc<PresentityUri>, DialogKey);

/// Runs until told to stop.
pub(super) fn run(core: &Core, jobs: &Receiver<Job>, mut owed: VecDeque<Owed>) {
    let tick = Duration::from_millis(TICK_MS);
    let mut next_tick = Instant::now() + tick;
    loop {
        match jobs.recv_deadline(next_tick) {
            Ok(Job::Notify(notifications)) => core.notify(&notifications),
            Ok(Job::ReplyLost(created)) => core.end_lost(created),
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                core.expire();
                core.pay(&mut owed);
                next_tick = Instant::now() + tick;
            }
        }
    }
}

impl Core {
    /// Lets every presentity whose deadline has passed decide on it.
    fn expire(&self) {
        for presentity in self.timers.due(self.now().mono) {
            if let Some(slot) = self.shards.lock(&presentity).get(&presentity) {
                slot.wakes_at = None;
            }
            let decided = self.step(&presentity, |presentity, now| {
                let decision = presentity.on_timeout(now);
                presentity.expect_next_timeout(now);
                decision
            });
            if decided.is_err() {
                // Looked at again with the next tick.
                self.timers.set(presentity, self.now().mono);
            }
        }
    }

    /// Tells a tick's share of the watchers that are owed the present state.
    fn pay(&self, owed: &mut VecDeque<Owed>) {
        let share = (u64::from(self.settings.recovery_notify_rate) * TICK_MS).div_ceil(1000) as usize;
        for _ in 0..share {
            let Some((presentity, dialog)) = owed.pop_front() else { return };
            let decided = self.step(&presentity, |presentity, _| {
                presentity.owe(dialog);
                Default::default()
            });
            if decided.is_err() {
                owed.push_front((presentity, dialog));
                return;
            }
        }
    }

    /// Ends what a 2xx created that came too late.
    fn end_lost(&self, created: Created) {
        if self.step(&created.presentity, |presentity, _| presentity.on_reply_lost(&created.what)).is_err() {
            self.hand_over(Job::ReplyLost(created));
        }
    }
}
