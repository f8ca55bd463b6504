//! Who may see, and what becomes of subscriptions when that changes (RFC 5025 §3.2.1, RFC 3857 §4.7.1).
//!
//! Everybody is decided on again when the rules change, when the sphere they ask for does, and when one of them begins or
//! ceases to be valid.

use std::sync::Arc;

use smol_str::SmolStr;

use super::Presentity;
use crate::authorization::{self, Rules};
use crate::change::{Change, Ending, Now, Status, SubscriptionKey, SubscriptionRow, WatcherRow};
use crate::document::presence_rules::{Permissions, SubHandling};
use crate::effect::Decision;
use crate::package::Package;
use crate::policy::Policy;
use crate::presentity_uri::UserAtDomain;
use crate::usage::{Usage, View};
use crate::watcher;

/// Where a watcher stands and what it may see; `None` if it is denied.
type Standing = Option<(Status, Permissions)>;

impl Presentity {
    /// Returns whether the privacy rules were read; nobody who is not yet a watcher can be decided on before.
    pub fn knows_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// Takes over the privacy rules, and decides on everybody anew with the next step.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = Some(Arc::new(rules));
        self.is_review_due = true;
        self.refresh_sphere();
    }

    /// Takes up the privacy rules at start, by which everybody was decided on in the last run.
    pub fn take_up_rules(&mut self, rules: Rules) {
        self.set_rules(rules);
        self.is_review_due = false;
    }

    /// Sees to it that everybody is decided on anew when a rule begins or ceases to be valid.
    pub fn expect_boundary(&mut self, now: Now) {
        let boundary = self.rules.as_ref().and_then(|rules| rules.next_boundary_ms(now.wall_s * 1000));
        self.boundary = boundary.map(|at| now.at_wall_ms(at));
        self.boundary.into_iter().for_each(|at| self.expect_timeout(at));
    }

    /// Forgets the privacy rules: nobody is decided on before they are read again.
    pub fn forget_rules(&mut self) {
        self.rules = None;
    }

    /// Returns whether somebody stands elsewhere than the rules and the policy say.
    pub fn needs_review(&self, policy: &Policy, now: Now) -> bool {
        self.dialogs.live().any(|usage| {
            let standing = self.standing_of(usage, policy, now);
            standing.map(|(status, _)| status) != Some(usage.row.status)
        })
    }

    /// Returns where a watcher with `identity`, empty for none, stands.
    ///
    /// The presentity itself sees everything, which RFC 5025 leaves open; of watcher information others see themselves if
    /// they may see the presentity (RFC 3857 §4.6).
    pub(super) fn standing(&self, package: Package, identity: &str, policy: &Policy, now: Now) -> Standing {
        if is_identity_of(identity, &self.uri) {
            return Some((Status::Active, Permissions::everything()));
        }
        match package {
            Package::Presence => self.by_rules(identity, policy, now),
            Package::PresenceWinfo if !identity.is_empty() => {
                let (status, permissions) = self.by_rules(identity, policy, now)?;
                (status != Status::Pending).then_some((Status::Active, permissions))
            }
            Package::PresenceWinfo | Package::PresenceWinfoWinfo => None,
        }
    }

    fn by_rules(&self, identity: &str, policy: &Policy, now: Now) -> Standing {
        // Not read yet is not absent: who cannot be decided on is denied.
        let rules = self.rules.as_deref()?;
        if rules.is_absent() {
            let status = if policy.force_active { Status::Active } else { Status::Pending };
            return Some((status, Permissions::everything()));
        }
        let identity = Some(identity).filter(|identity| !identity.is_empty());
        let decided = rules.decide(identity, self.sphere.as_deref(), now.wall_s * 1000);
        let status = match decided.handling {
            SubHandling::Block => return None,
            SubHandling::Confirm => Status::Pending,
            SubHandling::PoliteBlock => Status::PoliteBlocked,
            SubHandling::Allow => Status::Active,
        };
        Some((status, decided.permissions))
    }

    fn standing_of(&self, usage: &Usage, policy: &Policy, now: Now) -> Standing {
        let package = Package::of(&usage.row.event)?;
        self.standing(package, &usage.row.identity, policy, now)
    }

    /// Returns what a watcher may see of the document.
    pub(super) fn permissions(&mut self, row: &SubscriptionRow, policy: &Policy, now: Now) -> Arc<Permissions> {
        let package = Package::of(&row.event).unwrap_or(Package::Presence);
        let standing = self.standing(package, &row.identity, policy, now);
        self.disclosure.class(standing.map_or_else(Permissions::default, |(_, permissions)| permissions))
    }

    /// Decides on everybody anew if there is a reason to.
    pub(super) fn review(&mut self, policy: &Policy, now: Now, whole: &mut Decision) {
        if !self.is_review_due || self.rules.is_none() {
            return;
        }
        self.is_review_due = false;
        self.expect_boundary(now);
        let standings: Vec<_> =
            self.dialogs.live().map(|usage| (usage.row.key, self.standing_of(usage, policy, now))).collect();
        let decided = self.on_standings(&standings, policy, now);
        self.stage(decided, whole);
        for (key, standing) in standings {
            if let Some((_, permissions)) = standing {
                self.show(key, permissions);
            }
        }
    }

    fn on_standings(&self, standings: &[(SubscriptionKey, Standing)], policy: &Policy, now: Now) -> Decision {
        let mut changes = Vec::new();
        for (key, standing) in standings {
            let Some(usage) = self.dialogs.usage(*key) else { continue };
            match standing {
                None => {
                    changes.push(Change::SubscriptionRemoved { key: *key, ending: Ending::Rejected });
                    changes.extend(self.watcher_rejected(&usage.row, now));
                }
                Some((status, _)) if *status != usage.row.status => {
                    changes.push(Change::SubscriptionAuthorized { key: *key, status: *status });
                    changes.extend(self.watcher_change(&usage.row, *status, policy, now));
                }
                Some(_) => {}
            }
        }
        changes.extend(self.decided_waiting(policy, now));
        Decision { changes, effects: Vec::new() }
    }

    /// Returns the end of the wait for those whom the rules decide on by now.
    fn decided_waiting(&self, policy: &Policy, now: Now) -> Vec<Change> {
        let waiting = self.watchers.undecided().filter(|(_, _, state)| state.status == watcher::Status::Waiting);
        let decided = waiting.filter_map(|(watcher, event, _)| {
            let because = match self.standing(Package::of(event)?, &watcher.to_uri("sip"), policy, now) {
                None => watcher::Event::Rejected,
                Some((Status::Pending, _)) => return None,
                Some((Status::Active | Status::PoliteBlocked, _)) => watcher::Event::Approved,
            };
            Some(self.watcher_removed(watcher, event, because))
        });
        decided.collect()
    }

    /// Lets a watcher see what `permissions` show, and owes it the document if that is another.
    fn show(&mut self, key: SubscriptionKey, permissions: Permissions) {
        let class = self.disclosure.class(permissions);
        let is_shown = |usage: &Usage| match &usage.view {
            View::Presence(shown) => shown.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, &class)),
            View::Watchers(_) => true,
        };
        if self.dialogs.usage(key).is_some_and(|usage| !is_shown(usage)) {
            self.dialogs.change(key, |usage| {
                usage.view = View::Presence(Some(class.clone()));
                if usage.row.status == Status::Active {
                    usage.owe_news();
                }
            });
        }
    }

    /// Finds the sphere anew, if rules ask for it.
    pub(super) fn refresh_sphere(&mut self) {
        let asked = self.rules.as_ref().is_some_and(|rules| rules.mentions_sphere());
        let bodies = self.publications.iter().map(|publication| publication.row.body.as_bytes());
        let sphere = if asked { authorization::sphere(bodies).map(SmolStr::from) } else { None };
        self.is_review_due |= sphere != self.sphere;
        self.sphere = sphere;
    }

    /// Adds to the begin of a subscription what is to be written of its watcher.
    pub(super) fn note_begin(&self, changes: &mut Vec<Change>, policy: &Policy, now: Now) {
        let begun = changes.iter().find_map(|change| match change {
            Change::SubscriptionStored { row, .. } => self.watcher_change(row, row.status, policy, now),
            Change::SubscriptionFetched { row, .. } => self.note_unauthorized_fetch(row, policy, now),
            _ => None,
        });
        changes.extend(begun);
    }

    /// Returns what is to be written of watchers who lost their last subscription before they were decided on: they
    /// wait, so that the presentity can see who asked (RFC 3857 §4.7.1).
    pub(super) fn note_waiting(&self, ended: &[&Usage], policy: &Policy, now: Now) -> Vec<Change> {
        let is_left = |usage: &Usage| {
            self.dialogs.live().any(|other| {
                other.row.watcher == usage.row.watcher
                    && other.row.event == usage.row.event
                    && !ended.iter().any(|ended| ended.row.key == other.row.key)
            })
        };
        let mut waiting: Vec<&&Usage> = Vec::new();
        for usage in ended.iter().filter(|usage| usage.row.status == Status::Pending && !is_left(usage)) {
            let of_same =
                |known: &&&Usage| known.row.watcher == usage.row.watcher && known.row.event == usage.row.event;
            // The last one to end is the one that waits.
            waiting.retain(|known| !of_same(known));
            waiting.push(usage);
        }
        waiting.into_iter().map(|usage| self.waits(&usage.row, policy, now)).collect()
    }

    /// Who asks once without being authorised waits as if a subscription had run out.
    fn note_unauthorized_fetch(&self, row: &SubscriptionRow, policy: &Policy, now: Now) -> Option<Change> {
        let is_known = self
            .watchers
            .get(&row.watcher, &row.event)
            .is_some_and(|known| matches!(known.status, watcher::Status::Pending | watcher::Status::Waiting));
        (row.status == Status::Pending && !is_known).then(|| self.waits(row, policy, now))
    }

    fn waits(&self, row: &SubscriptionRow, policy: &Policy, now: Now) -> Change {
        self.watcher_stored(row, watcher::Status::Waiting, "timeout", policy, now)
    }

    /// Returns what is to be written of a watcher that stands at `status`, `None` if that is written already.
    fn watcher_change(&self, row: &SubscriptionRow, status: Status, policy: &Policy, now: Now) -> Option<Change> {
        let known = self.watchers.get(&row.watcher, &row.event);
        let is_written = known.is_some_and(|known| known.status == status.watcher() && known.reason == status.reason());
        (!is_written).then(|| self.watcher_stored(row, status.watcher(), status.reason(), policy, now))
    }

    fn watcher_rejected(&self, row: &SubscriptionRow, now: Now) -> Option<Change> {
        let known = self.watchers.get(&row.watcher, &row.event);
        let is_written = known.is_some_and(|known| known.status == watcher::Status::Terminated);
        let row = self.watcher_row(row, watcher::Status::Terminated, "rejected", now);
        (!is_written).then_some(Change::WatcherStored { row, deadline: None })
    }

    fn watcher_stored(
        &self,
        row: &SubscriptionRow,
        status: watcher::Status,
        reason: &str,
        policy: &Policy,
        now: Now,
    ) -> Change {
        let mut row = self.watcher_row(row, status, reason, now);
        let is_undecided = matches!(status, watcher::Status::Pending | watcher::Status::Waiting);
        let deadline = is_undecided.then(|| now.mono.plus_s(policy.waiting_time_s));
        row.deadline = if is_undecided { now.wall_s + policy.waiting_time_s } else { 0 };
        Change::WatcherStored { row, deadline }
    }

    fn watcher_row(&self, row: &SubscriptionRow, status: watcher::Status, reason: &str, now: Now) -> WatcherRow {
        WatcherRow {
            presentity: self.uri.clone(),
            watcher: row.watcher.clone(),
            event: row.event.clone(),
            status,
            reason: reason.into(),
            inserted_time: now.wall_s,
            watcher_id: row.watcher_id.clone(),
            deadline: 0,
        }
    }

    fn watcher_removed(&self, watcher: &UserAtDomain, event: &SmolStr, because: watcher::Event) -> Change {
        let (presentity, watcher, event) = (self.uri.clone(), watcher.clone(), event.clone());
        Change::WatcherRemoved { presentity, watcher, event, because }
    }

    /// Gives up those on whom nobody decided in time.
    pub(super) fn give_up(&self, policy: &Policy, now: Now) -> Vec<Change> {
        let mut changes = Vec::new();
        let late = |deadline: Option<crate::change::Moment>| deadline.is_some_and(|deadline| deadline <= now.mono);
        for (watcher, event, _) in self.watchers.undecided().filter(|(_, _, state)| late(state.deadline)) {
            let is_theirs = |usage: &&Usage| {
                usage.row.watcher == *watcher
                    && usage.row.event == *event
                    && usage.row.status == Status::Pending
                    && usage.deadline > now.mono
            };
            let given_up = self.dialogs.live().filter(is_theirs).map(|usage| (usage, Ending::GivenUp));
            changes.extend(self.ends(given_up, policy, now));
            changes.push(self.watcher_removed(watcher, event, watcher::Event::Giveup));
        }
        changes
    }

    /// Ends what the device of a subscription that begins subscribed to before, under another Call-ID: it has forgotten.
    pub(super) fn end_former(&self, changes: &mut Vec<Change>) {
        let Some(begun) = changes.iter().find_map(|change| match change {
            Change::SubscriptionStored { row, .. } => Some(row.clone()),
            _ => None,
        }) else {
            return;
        };
        let is_former = |usage: &&Usage| {
            let row = &usage.row;
            let is_same_device = match (&*row.instance, &*begun.instance) {
                ("", "") => row.remote_target == begun.remote_target,
                (former, present) => former == present,
            };
            is_same_device
                && row.key != begun.key
                && row.watcher == begun.watcher
                && row.event == begun.event
                && row.event_id == begun.event_id
        };
        let former = self.dialogs.live().filter(is_former);
        changes.extend(former.map(|usage| Change::SubscriptionRemoved { key: usage.row.key, ending: Ending::Silent }));
    }
}

/// Returns whether `identity` is the presentity itself.
pub(super) fn is_identity_of(identity: &str, presentity: &UserAtDomain) -> bool {
    use module_api::sip::uri::Uri;
    let aor = Uri::parse(identity.as_bytes()).ok().and_then(|uri| uri.aor());
    aor.is_some_and(|aor| aor.user == *presentity.user && aor.host == *presentity.domain)
}

impl Usage {
    /// Returns whether its watcher is `presentity` itself.
    pub(super) fn is_of(&self, presentity: &UserAtDomain) -> bool {
        is_identity_of(&self.row.identity, presentity)
    }
}
