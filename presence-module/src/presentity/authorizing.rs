//! Who may see, and what becomes of subscriptions when that changes (RFC 5025 §3.2.1, RFC 3857 §4.7.1).
//!
//! Everybody is decided on again when the rules change, when the sphere they ask for does, when one of them begins or
//! ceases to be valid, and when somebody set the clock by which they do.

use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::{Presentity, Validity};
use crate::authorization::{self, Rules};
use crate::change::{Change, Ending, Now, Status, SubscriptionKey};
use crate::document::presence_rules::{Permissions, SubHandling};
use crate::effect::Decision;
use crate::package::Package;
use crate::packed_row::PackedRow;
use crate::planted::Planted;
use crate::policy::Policy;
use crate::presentity_uri::UserAtDomain;
use crate::usage::{Usage, View};
use crate::watcher_information::WatcherEntry;

/// Where a watcher stands and what it may see; `None` if it is denied.
type Standing = Option<(Status, Permissions)>;

impl Presentity {
    /// Returns whether the privacy rules were read; nobody who is not yet a watcher can be decided on before.
    pub fn knows_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// Takes over the privacy rules, and decides on everybody anew with the next step.
    pub fn set_rules(&mut self, rules: Rules) {
        // Most have written none.
        static ABSENT: LazyLock<Arc<Rules>> = LazyLock::new(Arc::default);
        self.rules = Some(if rules.is_absent() { ABSENT.clone() } else { Arc::new(rules) });
        self.is_review_due = !Planted::RulesUnheeded.is_here();
        self.refresh_sphere();
    }

    /// Takes up the privacy rules at start, by which everybody was decided on in the last run.
    pub fn take_up_rules(&mut self, rules: Rules) {
        self.set_rules(rules);
        self.is_review_due = false;
    }

    /// Sees to it that everybody is decided on anew when a rule begins or ceases to be valid.
    pub fn expect_boundary(&mut self, now: Now) {
        let rules = self.rules.as_ref().filter(|rules| rules.next_boundary_ms(0).is_some());
        self.validity = rules.map(|rules| {
            let next = rules.next_boundary_ms(now.wall_s() * 1000);
            Validity { wall_ms: now.wall_ms..next.unwrap_or(u64::MAX), until: next.map(|at| now.at_wall_ms(at)) }
        });
        let until = self.validity.as_ref().and_then(|validity| validity.until);
        until.into_iter().for_each(|at| self.expect_timeout(at));
    }

    /// Returns whether what is decided depends on what time it is.
    pub fn depends_on_time(&self) -> bool {
        self.validity.is_some()
    }

    /// Forgets the privacy rules: nobody is decided on before they are read again.
    pub fn forget_rules(&mut self) {
        self.rules = None;
    }

    /// Returns whether somebody stands elsewhere than the rules and the policy say, or may see something else since a rule
    /// began or ceased to be valid while nobody served.
    pub fn needs_review(&self, policy: &Policy, now: Now) -> bool {
        let are_all_active = self.are_all_active(policy);
        let stands_elsewhere = |usage: &Usage| {
            if are_all_active && usage.row.status == Status::Active && usage.row.event() == Package::Presence.name() {
                return false;
            }
            let standing = self.standing_of(usage, policy, now);
            standing.map(|(status, _)| status) != Some(usage.row.status)
        };
        let sees_otherwise = |usage: &Usage| {
            let refreshed_at_s = usage.row.expires.saturating_sub(usage.row.granted_s.into());
            // A clock that was set back since then may have passed any of them.
            let is_set_back = refreshed_at_s > now.wall_s();
            let since_ms = if is_set_back { 0 } else { refreshed_at_s * 1000 };
            let boundary = self.rules.as_ref().and_then(|rules| rules.next_boundary_ms(since_ms));
            boundary.is_some_and(|at| is_set_back || at <= now.wall_ms)
        };
        self.dialogs.live().any(|usage| stands_elsewhere(usage) || sees_otherwise(usage))
            || !self.decided_waiting(policy, now).is_empty()
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

    /// Returns whether anybody has a say in what a watcher with `identity` may see.
    pub(super) fn decides_on(&self, identity: &str, policy: &Policy) -> bool {
        !is_identity_of(identity, &self.uri) && !self.are_all_active(policy)
    }

    /// Returns whether everybody is active, whoever it is: nobody has written rules.
    fn are_all_active(&self, policy: &Policy) -> bool {
        policy.force_active && self.rules.as_ref().is_some_and(|rules| rules.is_absent())
    }

    fn by_rules(&self, identity: &str, policy: &Policy, now: Now) -> Standing {
        // Not read yet is not absent: who cannot be decided on is denied.
        let rules = self.rules.as_deref()?;
        if rules.is_absent() {
            let status = if policy.force_active { Status::Active } else { Status::Pending };
            return Some((status, Permissions::everything()));
        }
        let identity = Some(identity).filter(|identity| !identity.is_empty());
        let decided = rules.decide(identity, self.sphere.as_deref(), now.wall_s() * 1000);
        let status = match decided.handling {
            SubHandling::Block => return None,
            SubHandling::Confirm => Status::Pending,
            SubHandling::PoliteBlock => Status::PoliteBlocked,
            SubHandling::Allow => Status::Active,
        };
        Some((status, decided.permissions))
    }

    fn standing_of(&self, usage: &Usage, policy: &Policy, now: Now) -> Standing {
        let package = Package::of(usage.row.event())?;
        self.standing(package, usage.row.identity(), policy, now)
    }

    /// Returns what a watcher may see of the document.
    pub(super) fn permissions(&mut self, row: &PackedRow, policy: &Policy, now: Now) -> Arc<Permissions> {
        let package = Package::of(row.event()).unwrap_or(Package::Presence);
        // Transformations count where the handling is to allow, and nowhere else.
        let standing = self.standing(package, row.identity(), policy, now);
        let shown = standing.filter(|(status, _)| *status == Status::Active);
        self.disclosure.class(shown.map_or_else(Permissions::default, |(_, permissions)| permissions))
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
        self.review_unsubscribed(policy, now);
    }

    /// Sees to it that who unsubscribed, or asked once, and has not been told yet, is told what it may see by now.
    fn review_unsubscribed(&mut self, policy: &Policy, now: Now) {
        let mut unsubscribed = Vec::new();
        self.dialogs.change_unsubscribed(|usage| unsubscribed.push(usage.row.clone()));
        let standings: FxHashMap<_, _> = unsubscribed
            .iter()
            .filter_map(|row| Some((row.key, self.standing(Package::of(row.event())?, row.identity(), policy, now))))
            .collect();
        self.dialogs.change_unsubscribed(|usage| match standings.get(&usage.row.key) {
            Some(Some((status @ (Status::Active | Status::PoliteBlocked), _))) => {
                usage.row.status = *status;
                if let View::Presence(view) = &mut usage.view {
                    *view = None;
                }
            }
            // The end without a document.
            _ => usage.end(Ending::Expired),
        });
    }

    fn on_standings(&self, standings: &[(SubscriptionKey, Standing)], policy: &Policy, now: Now) -> Decision {
        let mut changes = Vec::new();
        for (key, standing) in standings {
            let Some(usage) = self.dialogs.usage(*key) else { continue };
            match standing {
                None => {
                    changes.push(Change::SubscriptionRemoved { key: *key, ending: Ending::Rejected, waits: false });
                    changes.extend(self.watcher_rejected(&usage.row.subscriber(), policy, now));
                }
                Some((status, _)) if *status != usage.row.status => {
                    changes.push(Change::SubscriptionAuthorized { key: *key, status: *status });
                    changes.extend(self.watcher_change(&usage.row.subscriber(), *status, policy, now));
                }
                Some(_) => {}
            }
        }
        changes.extend(self.decided_waiting(policy, now));
        Decision { changes, effects: Vec::new() }
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
}

/// Returns whether `identity` is the presentity itself.
pub(super) fn is_identity_of(identity: &str, presentity: &UserAtDomain) -> bool {
    use module_api::sip::uri::Uri;
    let aor = Uri::parse(identity.as_bytes()).ok().and_then(|uri| uri.aor());
    aor.is_some_and(|aor| aor.user == *presentity.user && aor.host == *presentity.domain)
}

impl Usage {
    /// Returns whether its watcher may see `entry` in watcher information of `presentity`: its own, or all if it is the
    /// presentity (RFC 3857 §4.6).
    pub(super) fn sees(&self, entry: &WatcherEntry, presentity: &UserAtDomain) -> bool {
        let is_own = !entry.identity.is_empty() && entry.identity == self.row.identity();
        is_own || is_identity_of(self.row.identity(), presentity)
    }
}
