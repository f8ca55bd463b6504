//! A presentity: everything published of one user and everyone who watches, as one machine.
//!
//! Each `on_*` decides and changes nothing; `apply` stages a decision; then the watchers are told. Pure: the caller
//! brings `now`, holds the lock, and sees to the database (`edge/step.rs`). Read in this order:

mod applying; // what was decided, taken into memory
mod authorizing; // who may see, and what becomes of it when that changes
mod waiting; // who lost its subscription before it was decided on
mod telling; // what each watcher is told, bound to its dialog
mod answered; // what became of what it was told
mod room; // whether there is room for what a request would add
mod found; // rows that another program wrote, as events

#[cfg(test)]
pub(crate) mod tests;

pub use self::found::Found;
pub use self::room::Extent;
pub use crate::dialogs::News;

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use smol_str::SmolStr;

use crate::authorization::Rules;
use crate::change::{Change, Ending, Moment, Now, SubscriptionRow, WatcherRow};
use crate::dialog::{Dialog, DialogKey};
use crate::dialogs::Dialogs;
use crate::disclosure::Disclosure;
use crate::effect::{Creation, Decision, Effect};
use crate::limits::Bound;
use crate::notify_outcome::NotifyOutcome;
use crate::planted::Planted;
use crate::policy::Policy;
use crate::presentity_uri::PresentityUri;
use crate::publication::{self, Publication, PublishRequest, Published};
use crate::subscription::{self, InitialSubscribe, RefreshSubscribe, Rejection, Subscribed};
use crate::usage::Usage;
use crate::watchers::Watchers;

/// A subscription that ran out longer ago than 64·T1 ends without a NOTIFY: its watcher has given up by now.
const SILENT_AFTER_MS: u64 = 32_000;

/// The most of an outage that is added to what ended in it, and what is added besides.
const OUTAGE_MADE_GOOD_MS: u64 = 32_000;
const GRACE_MS: u64 = 5_000;

/// One user's presence.
#[derive(Debug)]
pub struct Presentity {
    uri: Arc<PresentityUri>,
    publications: Vec<Publication>,
    dialogs: Dialogs,
    watchers: Watchers,
    /// Its privacy rules, `None` until they are read.
    rules: Option<Arc<Rules>>,
    /// As all publications agree on it (RFC 5025 §3.1.2); kept only where rules ask for it.
    sphere: Option<SmolStr>,
    /// How long the rules decide as they do, where one of them is valid for a while.
    validity: Option<Validity>,
    /// Somebody may stand elsewhere now than when last decided on.
    is_review_due: bool,
    disclosure: Disclosure,
    /// No deadline is earlier than this.
    earliest: Option<Moment>,
}

/// Between which two boundaries of rules time is (RFC 4745 §7.4).
#[derive(Clone, Debug)]
struct Validity {
    /// Wall time from when everybody was last decided on until the next boundary. The clock may be set.
    wall_ms: Range<u64>,
    /// When that is expected to be over, `None` for never.
    until: Option<Moment>,
}

impl Presentity {
    /// Begins with nobody watching and nothing published.
    pub fn new(uri: Arc<PresentityUri>) -> Self {
        Self {
            uri,
            publications: Vec::new(),
            dialogs: Dialogs::default(),
            watchers: Watchers::default(),
            rules: None,
            sphere: None,
            validity: None,
            is_review_due: false,
            disclosure: Disclosure::default(),
            earliest: None,
        }
    }

    /// Returns whose presence it is.
    pub fn uri(&self) -> &Arc<PresentityUri> {
        &self.uri
    }

    /// Returns whether nothing would be lost by forgetting it.
    pub fn is_idle(&self) -> bool {
        self.publications.is_empty() && self.dialogs.is_empty() && !self.watchers.is_somebody_undecided()
    }

    /// Returns whether somebody watches, or waits to: then its privacy rules are needed.
    pub fn is_watched(&self) -> bool {
        !self.dialogs.is_empty() || self.watchers.is_somebody_undecided()
    }

    /// Returns a moment before which nothing expires, `None` if nothing does.
    pub fn next_timeout(&self) -> Option<Moment> {
        self.earliest
    }

    /// Decides on a PUBLISH.
    ///
    /// # Errors
    /// The step of RFC 3903 §6 that refuses it.
    pub fn on_publish(
        &self,
        request: &PublishRequest,
        policy: &Policy,
        now: Now,
    ) -> Result<Published, publication::Rejection> {
        let published = publication::on_publish(&self.uri, &self.publications, request, policy.publish, now)?;
        match self.refuse_publication(published.change.as_ref(), request.no_room, policy.limits) {
            Some(bound) => Err(publication::Rejection::NoRoom(bound)),
            None => Ok(published),
        }
    }

    /// Decides on a SUBSCRIBE that would begin dialog `key`.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn on_subscribe(
        &mut self,
        key: DialogKey,
        mut request: InitialSubscribe,
        policy: &Policy,
        now: Now,
    ) -> Result<Subscribed, Rejection> {
        if !self.knows_rules() {
            return Err(Rejection::Undecidable);
        }
        // One name for all of them, not one for each request.
        request.row.presentity = self.uri.clone();
        let standing = self.standing(request.package, &request.row.identity, policy, now).map(|(status, _)| status);
        let (existing, no_room) = (self.dialogs.get(key), request.no_room);
        let mut subscribed = subscription::on_initial(key, request, existing, standing, policy.subscribe, now)?;
        self.has_room_for(&subscribed, no_room, policy)?;
        self.note_begin(&mut subscribed.changes, policy, now);
        if policy.subscribe.one_per_device {
            self.end_former(&mut subscribed.changes);
        }
        self.note_repeated(key, &subscribed);
        Ok(subscribed)
    }

    /// Decides on a SUBSCRIBE inside dialog `key`.
    ///
    /// # Errors
    /// Why the dialog refuses it.
    pub fn on_refresh(
        &mut self,
        key: DialogKey,
        request: RefreshSubscribe,
        policy: &Policy,
        now: Now,
    ) -> Result<Subscribed, Rejection> {
        let (dialog, live) = subscription::in_dialog(&request, self.dialogs.get(key), policy.subscribe, now)?;
        // Whoever knows the tags of a dialog is taken for who began it, unless it is known to be somebody else.
        let owner = dialog.identity(now.mono);
        if !request.identity.is_empty() && request.identity != owner {
            return Err(if owner.is_empty() { Rejection::NoSuchDialog } else { Rejection::Forbidden });
        }
        let known = dialog.usage_of(request.package.name(), &request.event_id);
        let known = known.filter(|usage| usage.is_live(now.mono));
        let mut subscribed = match known {
            Some(usage) => subscription::on_refresh(request, dialog, usage, policy.subscribe, now)?,
            None if !self.knows_rules() => return Err(Rejection::Undecidable),
            None => {
                let standing = self.standing(request.package, &request.identity, policy, now);
                let standing = standing.map(|(status, _)| status);
                let no_room = request.no_room;
                let subscribed = subscription::on_joining(request, dialog, live, standing, policy.subscribe, now)?;
                self.has_room_for(&subscribed, no_room, policy)?;
                subscribed
            }
        };
        match known {
            // The target it names is where its last NOTIFY goes, so the refresh comes before the end.
            Some(usage) if subscribed.expires_s == 0 => {
                subscribed.changes.extend(self.ends([(usage, Ending::Unsubscribed)], policy, now));
            }
            Some(_) => {}
            None => self.note_begin(&mut subscribed.changes, policy, now),
        }
        self.note_repeated(key, &subscribed);
        Ok(subscribed)
    }

    /// Whoever sends a request again is there, though nothing comes of it.
    fn note_repeated(&mut self, key: DialogKey, subscribed: &Subscribed) {
        if subscribed.changes.is_empty() {
            self.dialogs.heard_again(key);
        }
    }

    fn has_room_for(
        &self,
        subscribed: &Subscribed,
        elsewhere: Option<Bound>,
        policy: &Policy,
    ) -> Result<(), Rejection> {
        let refused = self.refuse_subscription(&subscribed.changes, elsewhere, policy.limits);
        refused.map_or(Ok(()), |bound| Err(Rejection::NoRoom(bound)))
    }

    /// Decides on everything whose deadline has passed, in one go: two devices that expire together are one change.
    fn on_timeout(&self, policy: &Policy, now: Now) -> Decision {
        let expired = self.publications.iter().filter(|publication| publication.deadline <= now.mono);
        let mut changes: Vec<_> =
            expired.map(|publication| Change::PublicationRemoved { id: publication.row.id }).collect();
        let over = self.dialogs.live().filter(|usage| usage.deadline <= now.mono).map(|usage| {
            let is_stale = now.mono.0 - usage.deadline.0 > SILENT_AFTER_MS;
            (usage, if is_stale { Ending::Silent } else { Ending::Expired })
        });
        if !Planted::SubscriptionOutlives.is_here() {
            changes.extend(self.ends(over, policy, now));
        }
        changes.extend(self.give_up(policy, now));
        Decision { changes, effects: Vec::new() }
    }

    /// Decides on the end of what an answer created that nobody waited for any more.
    pub fn on_reply_lost(&self, created: &Creation, policy: &Policy, now: Now) -> Decision {
        let changes = match created {
            Creation::Publication { id, entity_tag } => {
                let is_it =
                    |publication: &&Publication| publication.row.id == *id && publication.row.entity_tag == *entity_tag;
                let lost = self.publications.iter().find(is_it);
                lost.map(|_| Change::PublicationRemoved { id: *id }).into_iter().collect()
            }
            Creation::Subscription(key) => {
                let usage = self.dialogs.usage(*key).filter(|usage| !usage.is_ending());
                self.ends(usage.map(|usage| (usage, Ending::Silent)), policy, now)
            }
        };
        Decision { changes, effects: Vec::new() }
    }

    /// Decides on what is over, then as `decide` does, then on the `outcomes` that waited; stages all of it, and binds what
    /// the watchers are owed by then. What it comes to is added to `whole` as it goes, so that a panic shows how far it came.
    ///
    /// No request meets state whose deadline has passed, or a watcher that the rules deny by now.
    pub fn step(
        &mut self,
        policy: &Policy,
        now: Now,
        decide: impl FnOnce(&mut Self, Now) -> Decision,
        outcomes: &[(DialogKey, u32, NotifyOutcome)],
        whole: &mut Decision,
    ) {
        if self.earliest.is_some_and(|at| at <= now.mono) {
            let over = self.on_timeout(policy, now);
            self.stage(over, whole);
            let until = self.validity.as_ref().and_then(|validity| validity.until);
            self.is_review_due |= until.is_some_and(|until| until <= now.mono);
            self.dialogs.touch_waiting(now.mono);
            self.expect_next_timeout(now);
        }
        let is_past = |validity: &Validity| !validity.wall_ms.contains(&now.wall_ms);
        self.is_review_due |= self.validity.as_ref().is_some_and(is_past);
        self.review(policy, now, whole);
        let decided = decide(self, now);
        self.stage(decided, whole);
        for (dialog, cseq, outcome) in outcomes {
            let settled = self.on_notify_outcome(*dialog, *cseq, outcome, policy, now);
            self.stage(settled, whole);
        }
        self.review(policy, now, whole);
        self.bind_notifications(policy, now, whole);
    }

    fn stage(&mut self, decided: Decision, whole: &mut Decision) {
        let applied = whole.changes.len();
        whole.changes.extend(decided.changes);
        self.apply(&whole.changes[applied..]);
        whole.effects.extend(decided.effects);
    }

    /// Takes back the NOTIFYs of a refused decision, which never leave, and the subscriptions it began, whose end nobody
    /// is to hear of.
    pub fn take_back(&mut self, refused: &Decision) {
        for effect in &refused.effects {
            if let Effect::Notify(notification) = effect {
                self.dialogs.unbind(notification.dialog, notification.cseq);
            }
        }
        for change in &refused.changes {
            if let Change::SubscriptionStored { row, .. } | Change::SubscriptionFetched { row, .. } = change {
                self.dialogs.take_back(row);
            }
        }
    }

    /// Owes watchers the present state that were not told it already, from place `from` on and so many at most: what a start
    /// after a crash does. Returns how many are owed it, and the place to go on from if that is not the end.
    pub fn owe_from(&mut self, from: usize, most: usize) -> (usize, Option<usize>) {
        self.dialogs.touch_from(from, most, Usage::owe_first)
    }

    /// Returns when somebody published or subscribed last, wall seconds: who died just then may not have told.
    pub fn latest_request_s(&self) -> u64 {
        let published = self.publications.iter().map(|publication| publication.row.received_at_ms / 1000);
        let refreshed = |usage: &Usage| usage.row.expires.saturating_sub(usage.row.granted_s.into());
        published.chain(self.dialogs.live().map(refreshed)).max().unwrap_or(0)
    }

    /// Decides on everybody anew with the next step: other rules or another policy may be in force.
    pub fn review_soon(&mut self) {
        self.is_review_due = true;
    }

    /// Returns whether somebody is to be decided on anew.
    pub fn is_review_due(&self) -> bool {
        self.is_review_due && self.is_watched()
    }

    /// Takes up the state of a watcher from its row at start.
    pub fn take_up_watcher(&mut self, row: &WatcherRow, deadline: Option<Moment>) {
        self.watchers.store(row, deadline);
        deadline.into_iter().for_each(|deadline| self.expect_timeout(deadline));
    }

    /// Returns the dialogs, in the order they began.
    pub fn dialogs(&self) -> impl Iterator<Item = &Dialog> {
        self.dialogs.iter()
    }

    /// Returns the subscriptions that are not over.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Usage> {
        self.dialogs.live()
    }

    /// Returns the live publications, in the order they began.
    pub fn publications(&self) -> &[Publication] {
        &self.publications
    }

    /// Returns the subscriptions and dialogs that began and ended since the last call.
    pub fn take_news(&mut self) -> Vec<News> {
        self.dialogs.take_news()
    }

    /// Takes the place of what memory held by what the database holds, after a commit was refused.
    ///
    /// What is on the wire stays: a dialog whose NOTIFY is unanswered lives until it is. What a refused decision began is
    /// taken back before; so a subscription that is alive and has no row is one whose row another program removed.
    pub fn restore(
        &mut self,
        publications: Vec<Publication>,
        subscriptions: Vec<(Arc<SubscriptionRow>, Moment)>,
        watchers: Vec<(WatcherRow, Option<Moment>)>,
    ) {
        if !Planted::RefusalLeavesTrace.is_here() {
            self.publications = publications;
        }
        self.watchers = Watchers::default();
        watchers.iter().for_each(|(row, deadline)| self.watchers.store(row, *deadline));
        let rows: FxHashSet<_> = subscriptions.iter().map(|(row, _)| row.key).collect();
        let live = self.dialogs.live().map(|usage| usage.row.key);
        let gone: Vec<_> = live.filter(|key| !rows.contains(key)).collect();
        self.dialogs.restore(subscriptions);
        let removed = |key| Change::SubscriptionRemoved { key, ending: Ending::Deactivated, waits: false };
        self.apply(&gone.into_iter().map(removed).collect::<Vec<_>>());
        self.publications_changed();
        self.is_review_due = true;
        self.earliest = self.deadlines().min();
    }

    /// Lets what ended before `now` and could not be refreshed for `outage_ms` live on for as long as that was, at most
    /// 64·T1, and some seconds more; some seconds from `now` at least.
    pub fn prolong(&mut self, now: Now, outage_ms: u64) {
        let by_ms = outage_ms.min(OUTAGE_MADE_GOOD_MS) + GRACE_MS;
        let prolong = |deadline: &mut Moment| {
            if *deadline <= now.mono {
                deadline.0 = (deadline.0 + by_ms).max(now.mono.0 + GRACE_MS);
            }
        };
        self.publications.iter_mut().for_each(|publication| prolong(&mut publication.deadline));
        self.dialogs.touch_live(|usage| {
            prolong(&mut usage.deadline);
            false
        });
        self.earliest = self.deadlines().min();
    }

    /// Takes up a subscription from its row at start; nothing is owed yet.
    pub fn resume(&mut self, row: &SubscriptionRow, deadline: Moment) -> DialogKey {
        let key = DialogKey::of_row(row);
        self.dialogs.resume(key, Usage::resume(row, deadline));
        self.expect_timeout(deadline);
        key
    }

    /// Returns the dialog `key`.
    pub fn dialog(&self, key: DialogKey) -> Option<&Dialog> {
        self.dialogs.get(key)
    }

    /// Finds the earliest deadline after `now` anew; those before it are being decided on.
    fn expect_next_timeout(&mut self, now: Now) {
        self.earliest = self.deadlines().filter(|deadline| *deadline > now.mono).min();
    }

    fn deadlines(&self) -> impl Iterator<Item = Moment> {
        let subscriptions = self.dialogs.live().map(|usage| usage.deadline);
        let waiting = self.dialogs.iter().filter_map(Dialog::waits_until);
        let publications = self.publications.iter().map(|publication| publication.deadline);
        let boundary = self.validity.as_ref().and_then(|validity| validity.until);
        publications.chain(subscriptions).chain(waiting).chain(self.watchers.deadlines()).chain(boundary)
    }

    fn expect_timeout(&mut self, deadline: Moment) {
        self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
    }
}
