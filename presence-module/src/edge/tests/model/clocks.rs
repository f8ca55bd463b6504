//! What reading back, an outage and a restart do to the reference model.

use super::truth::Truth;
use crate::change::{Moment, Now};
use crate::dialog::DialogKey;
use crate::edge::tests::memory_store::Disk;

impl Truth {
    /// Reads every deadline and CSeq anew, as from rows.
    pub(super) fn read_back(&mut self, now: Now, disk: &Disk) {
        // It may be so by what was refused.
        self.over.values_mut().for_each(|(it, _)| it.was_hidden = true);
        self.remote_cseqs.clear();
        for row in disk.subscriptions.values() {
            let cseq = self.remote_cseqs.entry(DialogKey::of_row(row)).or_default();
            *cseq = row.remote_cseq.max(*cseq);
        }
        let read = |expires: u64, granted_s: u64| match (1000 * expires).checked_sub(now.wall_ms) {
            Some(left_ms) => Moment(now.mono.0 + left_ms.min(1000 * granted_s)),
            None => Moment(now.mono.0.saturating_sub(now.wall_ms - 1000 * expires)),
        };
        for publication in self.publications.values_mut() {
            publication.deadline = read(publication.expires, 3600);
        }
        for subscription in self.subscriptions.values_mut() {
            subscription.deadline = read(subscription.expires, subscription.granted_s.into());
        }
        for watcher in self.watchers.values_mut().filter(|watcher| watcher.deadline_s > 0) {
            watcher.deadline = Some(read(watcher.deadline_s, self.policy.waiting_time_s));
        }
    }

    /// Lets what ended before `now`, in an outage or before it, live on for a while.
    pub(super) fn prolong(&mut self, now: Now, outage_ms: u64) {
        let publications = self.publications.values_mut().map(|publication| &mut publication.deadline);
        let subscriptions = self.subscriptions.values_mut().map(|subscription| &mut subscription.deadline);
        let ended = publications.chain(subscriptions).filter(|deadline| **deadline <= now.mono);
        ended.for_each(|deadline| {
            deadline.0 = (deadline.0 + outage_ms.min(32_000) + 5000).max(now.mono.0 + 5000);
        });
    }

    /// Takes in that the machine began anew: after an orderly stop nothing was owed, else everybody is told.
    pub(super) fn restart(&mut self, was_clean: bool, now: Now, disk: &Disk) {
        self.read_back(now, disk);
        self.repeatable = disk.subscriptions.values().map(|row| (row.key, row.remote_cseq)).collect();
        if was_clean {
            assert!(self.over.is_empty() && self.subscriptions.values().all(|it| !it.is_claimed), "all was told");
        } else {
            self.over.clear();
            self.subscriptions.values_mut().for_each(|it| it.is_claimed = true);
        }
        self.subscriptions.values_mut().for_each(|it| it.is_taken_up = true);
    }
}
