//! What became of NOTIFYs, and what follows for those they were sent to (RFC 6665 §4.2.2, RFC 5057 §5.1).

use module_api::abi::Transport;
use smol_str::SmolStr;

use super::Presentity;
use crate::change::{Change, Ending, Now, RenewedRow};
use crate::dialog::{About, DialogKey};
use crate::effect::Decision;
use crate::notify_outcome::{NotifyOutcome, Verdict};
use crate::policy::Policy;
use crate::usage::Usage;

impl Presentity {
    /// Decides on what became of NOTIFY `cseq` in dialog `key`; the dialog is free for the next at once.
    pub fn on_notify_outcome(
        &mut self,
        key: DialogKey,
        cseq: u32,
        outcome: &NotifyOutcome,
        policy: &Policy,
        now: Now,
    ) -> Decision {
        let Some(told) = self.dialogs.settle(key, cseq) else { return Decision::default() };
        let changes = match outcome.verdict(policy.silence_ends) {
            // It has been heard of since, or will be when it opens its connection again.
            _ if outcome.is_silence() && told.is_superseded
                || outcome.is_unreachable() && self.is_on_connection(&told.about) =>
            {
                self.dialogs.change(told.about.key, |usage| usage.owe_after(0, now.mono));
                Vec::new()
            }
            Verdict::EndDialog => self.fail(key, |_| true, policy, now),
            Verdict::EndSubscription => self.fail(key, |usage| told.about.is(usage), policy, now),
            Verdict::Keep => {
                self.take_note(&told.about, outcome, now);
                self.moved(key, outcome.remote_target.as_ref())
            }
        };
        Decision { changes, effects: Vec::new() }
    }

    /// Returns whether a subscription was begun over a connection: nobody but its watcher can open that again, and does
    /// so to refresh.
    fn is_on_connection(&self, about: &About) -> bool {
        let usage = self.dialogs.usage(about.key).filter(|usage| about.is(usage) && !usage.is_ending());
        usage.and_then(|usage| usage.row.socket()).is_some_and(|socket| socket.transport == Transport::TCP)
    }

    /// Ends subscriptions whose watcher did not take a NOTIFY; nothing more is sent to it.
    fn fail(&mut self, key: DialogKey, about: impl Fn(&Usage) -> bool, policy: &Policy, now: Now) -> Vec<Change> {
        // A watcher that does not take this NOTIFY would not take the last one.
        self.dialogs.silence(key, &about);
        let Some(dialog) = self.dialogs.get(key) else { return Vec::new() };
        let failed = dialog.usages().iter().filter(|usage| !usage.is_ending() && about(usage));
        self.ends(failed.map(|usage| (usage, Ending::Silent)), policy, now)
    }

    /// Keeps in mind that a watcher may not have understood, or cannot take anything before a while.
    fn take_note(&mut self, about: &About, outcome: &NotifyOutcome, now: Now) {
        self.dialogs.change(about.key, |usage| match outcome.retry_after_s {
            _ if outcome.is_success() => usage.understood(),
            Some(retry_after_s) => usage.owe_after(retry_after_s, now.mono),
            None if outcome.is_silence() || outcome.is_put_off() => usage.owe_after(0, now.mono),
            None => usage.doubt(),
        });
    }

    /// Follows a watcher that says in its answer where it is from now on (RFC 3261 §12.2.1.2).
    fn moved(&self, key: DialogKey, target: Option<&SmolStr>) -> Vec<Change> {
        let (Some(dialog), Some(target)) = (self.dialogs.get(key), target) else { return Vec::new() };
        // Of a subscription that is over no row is left to change.
        let moved = dialog.usages().iter().filter(|usage| !usage.is_ending() && usage.row.remote_target() != target);
        let follow = |usage: &Usage| {
            let row = RenewedRow { remote_target: target.clone(), ..usage.row.renewed() };
            Change::SubscriptionMoved { row: Box::new(row), flow: usage.flow }
        };
        moved.map(follow).collect()
    }
}
