//! The reference model: what is published, who watches and who waits, after each decision that was committed.
//!
//! It knows no dialog that is busy and nothing that is owed: everything is decided on anew with every step, from the
//! publications, the rules and the time.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::documents::sphere;
use super::records::{Changed, Name, Publication, Subscription, Watcher};
use super::rules::{self, Shows, Standing};
use crate::change::{Ending, Now, Status, SubscriptionKey};
use crate::dialog::DialogKey;
use crate::package::Package;
use crate::policy::Policy;
use crate::watcher;

/// What is so.
pub(super) struct Truth {
    pub(super) policy: Policy,
    pub(super) publications: BTreeMap<u64, Publication>,
    pub(super) subscriptions: BTreeMap<SubscriptionKey, Subscription>,
    /// What is over, and its watcher is still to hear so.
    pub(super) over: BTreeMap<SubscriptionKey, (Subscription, Ending)>,
    pub(super) watchers: BTreeMap<Name, Watcher>,
    /// The CSeq of the last request accepted in each dialog.
    pub(super) remote_cseqs: BTreeMap<DialogKey, u32>,
    /// The CSeq of the request that began or refreshed a subscription last, before a restart that may have lost its answer.
    pub(super) repeatable: BTreeMap<SubscriptionKey, u32>,
    /// Subscriptions that ended, and did not after all: whether their last requests may come again is nobody's promise.
    pub(super) restored: BTreeSet<SubscriptionKey>,
}

impl Truth {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            publications: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            over: BTreeMap::new(),
            watchers: BTreeMap::new(),
            remote_cseqs: BTreeMap::new(),
            repeatable: BTreeMap::new(),
            restored: BTreeSet::new(),
        }
    }

    /// Returns where somebody stands.
    pub(super) fn standing(&self, rules: usize, identity: &str, package: Package, now: Now) -> Standing {
        let sphere = sphere(self.publications.values().map(|publication| publication.document));
        rules::standing((rules, self.policy.force_active), identity, package, sphere, now.wall_s())
    }

    /// Ends what is over by now.
    pub(super) fn expire(&mut self, now: Now) {
        self.publications.retain(|_, publication| publication.deadline > now.mono);
        let is_late = |watcher: &Watcher| watcher.deadline.is_some_and(|deadline| deadline <= now.mono);
        let late: Vec<_> = self.watchers.iter().filter(|(_, watcher)| is_late(watcher)).collect();
        let late: Vec<_> = late.into_iter().map(|(name, watcher)| (name.clone(), watcher.identity)).collect();
        // 64·T1 late, its watcher is not told any more.
        let ending = |late_ms| if late_ms > 32_000 { Ending::Silent } else { Ending::Expired };
        let expired = self.subscriptions.iter().filter(|(_, subscription)| subscription.deadline <= now.mono);
        let expired = expired.map(|(key, subscription)| (*key, ending(now.mono.0 - subscription.deadline.0)));
        self.end(expired.collect(), now);
        for (name, identity) in late {
            let is_theirs =
                |it: &Subscription| it.of() == name && it.identity == identity && it.status == Status::Pending;
            let given_up = self.subscriptions.iter().filter(|(_, subscription)| is_theirs(subscription));
            self.end(given_up.map(|(key, _)| (*key, Ending::GivenUp)).collect(), now);
            self.forget(&name, watcher::Event::Giveup);
        }
    }

    /// Decides on everybody by the rules, if they are known.
    pub(super) fn review(&mut self, rules: Option<usize>, now: Now) {
        let Some(rules) = rules else { return };
        let standing = |it: &Subscription| self.standing(rules, it.identity, it.package, now);
        let standings: Vec<_> = self.subscriptions.iter().map(|(key, it)| (*key, standing(it))).collect();
        let mut denied = Vec::new();
        for (key, standing) in standings {
            match standing {
                Some((status, shows)) => self.authorize(key, status, shows, rules, now),
                None => denied.push((key, Ending::Rejected)),
            }
        }
        for (key, _) in &denied {
            let subscription = self.subscriptions[key].clone();
            self.write(&subscription, (watcher::Status::Terminated, "rejected"), true, now);
        }
        self.end(denied, now);
        let mut over = std::mem::take(&mut self.over);
        for (it, _) in over.values_mut() {
            let standing = self.standing(rules, it.identity, it.package, now).map(|(status, _)| status);
            if matches!(standing, None | Some(Status::Pending)) {
                it.was_hidden = true;
            }
        }
        self.over = over;
        let waiting = self.watchers.iter().filter(|(_, watcher)| watcher.status == watcher::Status::Waiting);
        let waiting: Vec<_> = waiting.map(|(name, watcher)| (name.clone(), watcher.identity)).collect();
        for (name, identity) in waiting {
            match self.standing(rules, identity, Package::of(name.1).expect("ours"), now) {
                None => self.forget(&name, watcher::Event::Rejected),
                Some((Status::Pending, _)) => {}
                Some(_) => self.forget(&name, watcher::Event::Approved),
            }
        }
    }

    fn authorize(&mut self, key: SubscriptionKey, status: Status, shows: Shows, rules: usize, now: Now) {
        let subscription = self.subscriptions.get_mut(&key).expect("it lives");
        let former = std::mem::replace(&mut subscription.status, status);
        subscription.shows = shows;
        if former == status {
            return;
        }
        let is_shown = former.watcher() != status.watcher();
        if !is_shown {
            subscription.is_moved = true;
        } else {
            subscription.is_claimed = true;
            let is_approved = status.watcher() == watcher::Status::Active;
            subscription.event = if is_approved { watcher::Event::Approved } else { watcher::Event::Subscribe };
        }
        let subscription = subscription.clone();
        if is_shown {
            self.tell(&subscription, (status.watcher(), subscription.event), false);
        }
        let is_decided = rules::are_asked((rules, self.policy.force_active), subscription.identity);
        self.write(&subscription, (status.watcher(), status.reason()), is_decided, now);
    }

    /// Takes in a subscription.
    pub(super) fn begin(&mut self, key: SubscriptionKey, subscription: Subscription, rules: usize, now: Now) {
        let status = subscription.status;
        self.over.remove(&key);
        self.tell(&subscription, (status.watcher(), subscription.event), true);
        self.subscriptions.insert(key, subscription.clone());
        let is_decided = rules::are_asked((rules, self.policy.force_active), subscription.identity);
        self.write(&subscription, (status.watcher(), status.reason()), is_decided, now);
    }

    /// Ends subscriptions. Who loses the last one undecided waits, if it is proven who that is: of several that end together under
    /// the id of the one with the greatest key.
    pub(super) fn end(&mut self, ended: Vec<(SubscriptionKey, Ending)>, now: Now) {
        let mut waiting: BTreeMap<Name, BTreeMap<SubscriptionKey, Subscription>> = BTreeMap::new();
        let ended: Vec<_> =
            ended.iter().filter_map(|(key, ending)| Some((*key, self.subscriptions.remove(key)?, *ending))).collect();
        for (key, subscription, ending) in ended {
            let is_undecided = subscription.status == Status::Pending && ending.event() == watcher::Event::Timeout;
            let is_last = !self.subscriptions.values().any(|other| other.is_like(&subscription));
            if is_undecided && is_last && !subscription.identity.is_empty() {
                waiting.entry(subscription.of()).or_default().insert(key, subscription.clone());
            } else {
                let event = if is_undecided { watcher::Event::Giveup } else { ending.event() };
                self.tell(&subscription, (watcher::Status::Terminated, event), false);
            }
            if ending != Ending::Silent {
                self.over.insert(key, (subscription, ending));
            }
        }
        for mut ended in waiting.into_values() {
            let Some((_, waits)) = ended.pop_last() else { continue };
            for other in ended.values() {
                self.tell(other, (watcher::Status::Terminated, watcher::Event::Giveup), false);
            }
            self.wait(&waits, now);
        }
    }

    /// Lets a person wait for a decision.
    pub(super) fn wait(&mut self, subscription: &Subscription, now: Now) {
        self.write(subscription, (watcher::Status::Waiting, "timeout"), true, now);
        self.tell(subscription, (watcher::Status::Waiting, watcher::Event::Timeout), false);
    }

    /// Writes where somebody stands of whom it is proven who that is, unless it is written, or there was nothing to decide.
    fn write(
        &mut self,
        of: &Subscription,
        (status, reason): (watcher::Status, &'static str),
        is_decided: bool,
        now: Now,
    ) {
        let known = self.watchers.get(&of.of()).cloned();
        if !is_decided && known.as_ref().is_none_or(|known| known.deadline.is_none()) {
            return;
        }
        let is_it = |known: &Watcher| (known.status, known.reason, known.identity) == (status, reason, of.identity);
        if known.as_ref().is_some_and(is_it) || of.identity.is_empty() {
            return;
        }
        if known.is_some_and(|known| known.status == watcher::Status::Waiting) {
            self.forget(&of.of(), watcher::Event::Giveup);
        }
        let is_undecided = matches!(status, watcher::Status::Pending | watcher::Status::Waiting);
        let deadline = is_undecided.then(|| now.mono.plus_s(self.policy.waiting_time_s));
        let deadline_s = if is_undecided { now.wall_s() + self.policy.waiting_time_s } else { 0 };
        let watcher = Watcher { status, reason, identity: of.identity, id: of.id.clone(), deadline_s, deadline };
        self.watchers.insert(of.of(), watcher);
    }

    fn forget(&mut self, name: &Name, because: watcher::Event) {
        let Some(former) = self.watchers.remove(name) else { return };
        if former.status == watcher::Status::Waiting {
            self.tell_of(name.1, former.identity, &former.id, (watcher::Status::Terminated, because), false);
        }
    }

    fn tell(&mut self, of: &Subscription, what: (watcher::Status, watcher::Event), is_begin: bool) {
        self.tell_of(of.package.name(), of.identity, &of.id, what, is_begin);
    }

    /// Notes for whoever sees it that a watcher changed. Who comes and goes untold was never there (RFC 3857 §4.7.2).
    fn tell_of(
        &mut self,
        package: &str,
        identity: &str,
        id: &SmolStr,
        (status, event): (watcher::Status, watcher::Event),
        is_begin: bool,
    ) {
        for subscription in self.subscriptions.values_mut().filter(|it| it.sees(identity, package)) {
            let is_begin = is_begin || subscription.changed.get(id).is_some_and(|changed| changed.is_begin);
            if is_begin && status == watcher::Status::Terminated {
                subscription.changed.remove(id);
            } else {
                subscription.changed.insert(id.clone(), Changed { status, event, is_begin });
            }
        }
    }

    /// Returns everybody whom a subscriber to watcher information sees.
    pub(super) fn table(&self, subscriber: &Subscription) -> BTreeMap<SmolStr, watcher::Status> {
        let subscribed = self.subscriptions.values().filter(|it| subscriber.sees(it.identity, it.package.name()));
        let subscribed = subscribed.map(|it| (it.id.clone(), it.status.watcher()));
        let waiting = self.watchers.iter().filter(|((_, package), watcher)| {
            watcher.status == watcher::Status::Waiting && subscriber.sees(watcher.identity, package)
        });
        subscribed.chain(waiting.map(|(_, watcher)| (watcher.id.clone(), watcher.status))).collect()
    }
}
