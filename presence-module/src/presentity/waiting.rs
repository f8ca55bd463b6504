//! What is written of watchers, and who waits: a person who lost its last subscription before anybody decided on it
//! (RFC 3857 §4.7.1).
//!
//! Of a watcher who has not proven who it is, nothing is written and nobody waits: whoever asks under many names would
//! leave as many states (RFC 3857 §6.1). Nor is anything written where there is nothing to decide: of the presentity's own
//! devices, and of whoever watches a user without rules under a policy that lets everybody.

use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;

use super::Presentity;
use crate::change::{Change, Ending, Moment, Now, Status, SubscriptionRow, WatcherRow};
use crate::package::Package;
use crate::packed_row::{PackedRow, Subscriber};
use crate::policy::Policy;
use crate::presentity_uri::UserAtDomain;
use crate::usage::Usage;
use crate::watcher;
use crate::watchers::Watcher;

/// Who, as whom it was proven, and of which event package.
type Who<'u> = (UserAtDomain, &'u str, &'u SmolStr);

fn who(usage: &Usage) -> Who<'_> {
    (usage.row.watcher(), usage.row.identity(), usage.row.event())
}

impl Presentity {
    /// Returns what ends subscriptions, and what is to be written of watchers who lose the last one before they were
    /// decided on: they wait, so that the presentity can see who asked.
    pub(super) fn ends<'u>(
        &self,
        ended: impl IntoIterator<Item = (&'u Usage, Ending)>,
        policy: &Policy,
        now: Now,
    ) -> Vec<Change> {
        let ended: Vec<_> = ended.into_iter().collect();
        let waits = self.who_waits(&ended);
        let mut changes = Vec::with_capacity(ended.len());
        for (usage, ending) in ended {
            let key = usage.row.key;
            changes.push(Change::SubscriptionRemoved { key, ending, waits: waits.contains(&key) });
            if waits.contains(&key) {
                changes.push(self.waits(&usage.row.subscriber(), policy, now));
            }
        }
        changes
    }

    /// Returns the subscriptions under whose ids somebody waits once `ended` are over: of each watcher who is left with none
    /// the one that began last, as keys go.
    fn who_waits(&self, ended: &[(&Usage, Ending)]) -> FxHashSet<crate::change::SubscriptionKey> {
        let is_undecided = |(usage, ending): &&(&Usage, Ending)| {
            ending.event() == watcher::Event::Timeout
                && usage.row.status == Status::Pending
                && !usage.row.identity().is_empty()
        };
        let mut last: FxHashMap<Who<'_>, _> = FxHashMap::default();
        for (usage, _) in ended.iter().filter(is_undecided) {
            let key = last.entry(who(usage)).or_insert(usage.row.key);
            *key = usage.row.key.max(*key);
        }
        if last.is_empty() {
            return FxHashSet::default();
        }
        let over: FxHashSet<_> = ended.iter().map(|(usage, _)| usage.row.key).collect();
        for usage in self.dialogs.live().filter(|usage| !over.contains(&usage.row.key)) {
            last.remove(&who(usage));
        }
        last.into_values().collect()
    }

    /// Adds to the begin of a subscription what is to be written of its watcher.
    pub(super) fn note_begin(&self, changes: &mut Vec<Change>, policy: &Policy, now: Now) {
        let begun = changes.iter().find_map(|change| match change {
            Change::SubscriptionStored { row, .. } => self.watcher_change(&row.subscriber(), row.status, policy, now),
            Change::SubscriptionFetched { row, .. } => self.note_unauthorized_fetch(row, policy, now),
            _ => None,
        });
        changes.extend(begun);
    }

    /// Who asks once without being authorised waits as if a subscription had run out.
    fn note_unauthorized_fetch(&self, row: &SubscriptionRow, policy: &Policy, now: Now) -> Option<Change> {
        let is_undecided = |known: &Watcher| !known.identity.is_empty();
        let is_known = self.watchers.get(&row.watcher, &row.event).is_some_and(is_undecided);
        let waits = row.status == Status::Pending && !row.identity.is_empty() && !is_known;
        waits.then(|| self.waits(&row.subscriber(), policy, now))
    }

    /// Returns the end of the wait for those whom the rules decide on by now.
    pub(super) fn decided_waiting(&self, policy: &Policy, now: Now) -> Vec<Change> {
        let waiting = self.watchers.undecided().filter(|(_, _, state)| state.status == watcher::Status::Waiting);
        let decided = waiting.filter_map(|(watcher, event, state)| {
            let because = match self.standing(Package::of(event)?, &state.identity, policy, now) {
                None => watcher::Event::Rejected,
                Some((Status::Pending, _)) => return None,
                Some((Status::Active | Status::PoliteBlocked, _)) => watcher::Event::Approved,
            };
            Some(self.watcher_removed(watcher, event, because))
        });
        decided.collect()
    }

    /// Gives up those on whom nobody decided in time.
    pub(super) fn give_up(&self, policy: &Policy, now: Now) -> Vec<Change> {
        let is_late = |deadline: Option<Moment>| deadline.is_some_and(|deadline| deadline <= now.mono);
        let late: Vec<Who<'_>> = self
            .watchers
            .undecided()
            .filter(|(_, _, state)| is_late(state.deadline))
            .map(|(watcher, event, state)| (watcher.clone(), &*state.identity, event))
            .collect();
        if late.is_empty() {
            return Vec::new();
        }
        let theirs: FxHashSet<_> = late.iter().cloned().collect();
        let is_theirs = |usage: &&Usage| {
            theirs.contains(&who(usage)) && usage.row.status == Status::Pending && usage.deadline > now.mono
        };
        let given_up = self.dialogs.live().filter(is_theirs).map(|usage| (usage, Ending::GivenUp));
        let mut changes = self.ends(given_up, policy, now);
        let removed = |(watcher, _, event): Who<'_>| self.watcher_removed(&watcher, event, watcher::Event::Giveup);
        changes.extend(late.into_iter().map(removed));
        changes
    }

    fn waits(&self, subscriber: &Subscriber, policy: &Policy, now: Now) -> Change {
        self.watcher_stored(subscriber, watcher::Status::Waiting, "timeout", policy, now)
    }

    /// Returns what is to be written of a watcher that stands at `status`, `None` if that is written already, or if it has
    /// not proven who it is.
    pub(super) fn watcher_change(
        &self,
        subscriber: &Subscriber,
        status: Status,
        policy: &Policy,
        now: Now,
    ) -> Option<Change> {
        self.watcher_stands(subscriber, status.watcher(), status.reason(), policy, now)
    }

    /// Returns what is to be written of a watcher whom the rules deny from now on.
    pub(super) fn watcher_rejected(&self, subscriber: &Subscriber, policy: &Policy, now: Now) -> Option<Change> {
        self.watcher_stands(subscriber, watcher::Status::Terminated, "rejected", policy, now)
    }

    fn watcher_stands(
        &self,
        subscriber: &Subscriber,
        status: watcher::Status,
        reason: &str,
        policy: &Policy,
        now: Now,
    ) -> Option<Change> {
        let Subscriber { watcher, event, identity, .. } = subscriber;
        let is_decided = || self.watchers.get(watcher, event).is_some() || self.decides_on(identity, policy);
        let is_up_to_date = || {
            self.watchers.is_written((watcher, event), (status, reason, identity))
                || status == watcher::Status::Active && !is_decided()
        };
        let is_proven = !identity.is_empty();
        (is_proven && !is_up_to_date()).then(|| self.watcher_stored(subscriber, status, reason, policy, now))
    }

    fn watcher_stored(
        &self,
        subscriber: &Subscriber,
        status: watcher::Status,
        reason: &str,
        policy: &Policy,
        now: Now,
    ) -> Change {
        let mut row = self.watcher_row(subscriber, status, reason, now);
        let is_undecided = matches!(status, watcher::Status::Pending | watcher::Status::Waiting);
        let deadline = is_undecided.then(|| now.mono.plus_s(policy.waiting_time_s));
        row.deadline = if is_undecided { now.wall_s() + policy.waiting_time_s } else { 0 };
        Change::WatcherStored { row, deadline }
    }

    fn watcher_row(&self, subscriber: &Subscriber, status: watcher::Status, reason: &str, now: Now) -> WatcherRow {
        let Subscriber { watcher, event, identity, watcher_id } = subscriber.clone();
        let (presentity, reason, inserted_time) = (self.uri.clone(), reason.into(), now.wall_s());
        WatcherRow { presentity, watcher, event, status, reason, inserted_time, identity, watcher_id, deadline: 0 }
    }

    fn watcher_removed(&self, watcher: &UserAtDomain, event: &SmolStr, because: watcher::Event) -> Change {
        let (presentity, watcher, event) = (self.uri.clone(), watcher.clone(), event.clone());
        Change::WatcherRemoved { presentity, watcher, event, because }
    }

    /// Ends what the device of a subscription that begins subscribed to before, under another Call-ID: it has forgotten.
    pub(super) fn end_former(&self, changes: &mut Vec<Change>) {
        let begun = changes.iter().find_map(|change| match change {
            Change::SubscriptionStored { row, .. } => Some(row.clone()),
            _ => None,
        });
        let Some(begun) = begun else { return };
        let former = self.dialogs.live().filter(|usage| is_former(&usage.row, &begun));
        changes.extend(former.map(|usage| {
            let (key, ending) = (usage.row.key, Ending::Silent);
            Change::SubscriptionRemoved { key, ending, waits: false }
        }));
    }
}

/// Returns whether one device of one person subscribed to the same before.
fn is_former(row: &PackedRow, begun: &SubscriptionRow) -> bool {
    let is_same_device = || match (row.instance(), &*begun.instance) {
        ("", "") => row.remote_target() == begun.remote_target,
        (former, present) => former == present,
    };
    let is_same = || {
        (row.identity(), row.event(), row.event_id()) == (&begun.identity, &begun.event, &begun.event_id)
            && row.is_of(&begun.watcher)
    };
    row.key != begun.key && is_same_device() && is_same()
}
