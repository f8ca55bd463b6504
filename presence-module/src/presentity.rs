//! A presentity: everything published of one user and everyone who watches, as one machine.
//!
//! Each `on_*` decides and changes nothing; `apply` stages a decision; `bind_notifications` then says what the watchers
//! are told. Pure: the caller brings `now`, holds the lock, and sees to the database (`edge/step.rs`).

use std::sync::Arc;

use module_api::abi::Body;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use crate::authorization;
use crate::change::{Change, Ending, Moment, Now, Status, SubscriptionRow, WatcherRow};
use crate::composition::{Policy, Source, compose};
use crate::dialog::{Dialog, DialogKey};
use crate::dialogs::Dialogs;
use crate::effect::{Creation, Decision, Effect, Notification};
use crate::headers::subscription_state::{Reason, SubscriptionState};
use crate::notify_outcome::{NotifyOutcome, Verdict};
use crate::package::Package;
use crate::presentity_uri::{PresentityUri, UserAtDomain};
use crate::publication::{self, Publication, PublishPolicy, PublishRequest, Published};
use crate::subscription::{self, InitialSubscribe, RefreshSubscribe, SubscribePolicy, Subscribed};

/// A subscription that ran out longer ago than 64·T1 ends without a NOTIFY: its watcher has given up by now.
const SILENT_AFTER_MS: u64 = 32_000;

/// One user's presence.
#[derive(Debug)]
pub struct Presentity {
    uri: Arc<PresentityUri>,
    publications: Vec<Publication>,
    dialogs: Dialogs,
    /// The authorisation state of each watcher, by event package, as its row has it.
    watchers: FxHashMap<(UserAtDomain, SmolStr), Status>,
    /// The document everyone allowed sees, composed when first needed.
    composed: Option<Body>,
    /// No deadline is earlier than this.
    earliest: Option<Moment>,
}

impl Presentity {
    /// Begins with nobody watching and nothing published.
    pub fn new(uri: Arc<PresentityUri>) -> Self {
        Self {
            uri,
            publications: Vec::new(),
            dialogs: Dialogs::default(),
            watchers: FxHashMap::default(),
            composed: None,
            earliest: None,
        }
    }

    /// Returns whose presence it is.
    pub fn uri(&self) -> &Arc<PresentityUri> {
        &self.uri
    }

    /// Returns whether nothing would be lost by forgetting it.
    pub fn is_idle(&self) -> bool {
        self.publications.is_empty() && self.dialogs.is_empty()
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
        policy: PublishPolicy,
        now: Now,
    ) -> Result<Published, publication::Rejection> {
        publication::on_publish(&self.uri, &self.publications, request, policy, now)
    }

    /// Decides on a SUBSCRIBE that would begin dialog `key`.
    pub fn on_subscribe(
        &self,
        key: DialogKey,
        request: InitialSubscribe,
        policy: SubscribePolicy,
        now: Now,
    ) -> Subscribed {
        let status = authorization::without_rules(policy.force_active);
        let change = self.authorisation_change(&request.row, status, now);
        let mut subscribed = subscription::on_initial(request, self.dialogs.get(key), policy, now);
        if subscribed.is_new {
            subscribed.changes.extend(change);
        }
        subscribed
    }

    /// Decides on a SUBSCRIBE inside dialog `key`.
    ///
    /// # Errors
    /// Why the dialog refuses it.
    pub fn on_refresh(
        &self,
        key: DialogKey,
        request: RefreshSubscribe,
        policy: SubscribePolicy,
        now: Now,
    ) -> Result<Subscribed, subscription::Rejection> {
        subscription::on_refresh(request, self.dialogs.get(key), policy, now)
    }

    /// Decides on what the operator's `policy` makes of the subscription in dialog `key`, which began under another.
    pub fn on_policy(&self, key: DialogKey, policy: SubscribePolicy, now: Now) -> Decision {
        let status = authorization::without_rules(policy.force_active);
        let differs = |dialog: &&Dialog| !dialog.is_ending() && dialog.row.status != status;
        let Some(dialog) = self.dialogs.get(key).filter(differs) else { return Decision::default() };
        let row = Arc::new(SubscriptionRow { status, ..SubscriptionRow::clone(&dialog.row) });
        let mut changes: Vec<_> = self.authorisation_change(&row, status, now).into_iter().collect();
        changes.push(Change::SubscriptionStored { row, deadline: dialog.deadline, flow: dialog.flow });
        Decision { changes, effects: Vec::new() }
    }

    /// Decides on what became of NOTIFY `cseq` in dialog `key`; the dialog is free for the next at once.
    pub fn on_notify_outcome(&mut self, key: DialogKey, cseq: u32, outcome: &NotifyOutcome) -> Decision {
        let is_failure = outcome.verdict() == Verdict::EndSubscription;
        let Some(dialog) = self.dialogs.settle(key, cseq, is_failure) else { return Decision::default() };
        let row = &dialog.row;
        let change = match &outcome.remote_target {
            _ if is_failure => Change::SubscriptionRemoved { key: row.key, ending: Ending::Silent },
            // Of a subscription that is over no row is left to change.
            Some(target) if *target != row.remote_target && !dialog.is_ending() => {
                Change::RemoteTargetChanged { key: row.key, remote_target: target.clone() }
            }
            _ => return Decision::default(),
        };
        Decision { changes: vec![change], effects: Vec::new() }
    }

    /// Decides on everything whose deadline has passed, in one go: two devices that expire together are one change.
    fn on_timeout(&self, now: Now) -> Decision {
        let expired = self.publications.iter().filter(|publication| publication.deadline <= now.mono);
        let mut changes: Vec<_> =
            expired.map(|publication| Change::PublicationRemoved { id: publication.row.id }).collect();
        for dialog in self.dialogs.iter() {
            if dialog.deadline <= now.mono && !dialog.is_ending() {
                let is_stale = now.mono.0 - dialog.deadline.0 > SILENT_AFTER_MS;
                let ending = if is_stale { Ending::Silent } else { Ending::Expired };
                changes.push(Change::SubscriptionRemoved { key: dialog.row.key, ending });
            }
        }
        Decision { changes, effects: Vec::new() }
    }

    /// Decides on the end of what an answer created that nobody waited for any more.
    pub fn on_reply_lost(&self, created: &Creation) -> Decision {
        let change = match created {
            Creation::Publication { id, entity_tag } => {
                let is_it =
                    |publication: &&Publication| publication.row.id == *id && publication.row.entity_tag == *entity_tag;
                self.publications.iter().find(is_it).map(|_| Change::PublicationRemoved { id: *id })
            }
            Creation::Subscription(key) => {
                let dialog = self.dialogs.of(*key).filter(|dialog| !dialog.is_ending());
                dialog.map(|_| Change::SubscriptionRemoved { key: *key, ending: Ending::Silent })
            }
        };
        Decision { changes: change.into_iter().collect(), effects: Vec::new() }
    }

    /// Decides on what is over, then as `decide` does, then on the `outcomes` that waited; stages all of it, and binds what
    /// the watchers are owed by then. What it comes to is added to `whole` as it goes, so that a panic shows how far it came.
    ///
    /// No request meets state whose deadline has passed.
    pub fn step(
        &mut self,
        now: Now,
        decide: impl FnOnce(&mut Self, Now) -> Decision,
        outcomes: &[(DialogKey, u32, NotifyOutcome)],
        whole: &mut Decision,
    ) {
        if self.earliest.is_some_and(|at| at <= now.mono) {
            let over = self.on_timeout(now);
            self.stage(over, whole);
            self.expect_next_timeout(now);
        }
        let decided = decide(self, now);
        self.stage(decided, whole);
        for (dialog, cseq, outcome) in outcomes {
            let settled = self.on_notify_outcome(*dialog, *cseq, outcome);
            self.stage(settled, whole);
        }
        self.bind_notifications(now, whole);
    }

    fn stage(&mut self, decided: Decision, whole: &mut Decision) {
        self.apply(&decided.changes);
        whole.changes.extend(decided.changes);
        whole.effects.extend(decided.effects);
    }

    /// Takes back the NOTIFYs among `effects`, which never leave.
    pub fn take_back(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Notify(notification) = effect {
                self.dialogs.unbind(notification.dialog, notification.cseq);
            }
        }
    }

    /// Stages changes: the next request sees them, nobody outside does.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.apply_one(change);
        }
    }

    fn apply_one(&mut self, change: &Change) {
        match change {
            Change::PublicationStored { row, deadline } => {
                self.publications.push(Publication { row: row.clone(), deadline: *deadline });
                self.expect_timeout(*deadline);
                self.document_changed();
            }
            Change::PublicationContinued { id, entity_tag, body, received_time, expires, deadline } => {
                let Some(publication) = self.publications.iter_mut().find(|publication| publication.row.id == *id)
                else {
                    return;
                };
                publication.deadline = *deadline;
                let row = &mut publication.row;
                (row.entity_tag, row.received_time, row.expires) = (entity_tag.clone(), *received_time, *expires);
                if let Some(body) = body {
                    row.body = body.clone();
                    self.document_changed();
                }
                self.expect_timeout(*deadline);
            }
            Change::PublicationRemoved { id } => {
                self.publications.retain(|publication| publication.row.id != *id);
                self.document_changed();
            }
            Change::SubscriptionStored { row, deadline, flow } => {
                self.dialogs.insert(Dialog::begin(DialogKey::of_row(row), row.clone(), *deadline, *flow));
                self.expect_timeout(*deadline);
            }
            Change::SubscriptionFetched { row, flow } => {
                let mut dialog = Dialog::begin(DialogKey::of_row(row), row.clone(), Moment(0), *flow);
                dialog.end(Ending::Unsubscribed);
                self.dialogs.insert(dialog);
            }
            Change::SubscriptionRefreshed { row, deadline, flow } => {
                self.dialogs.refresh(row, *deadline, *flow);
                self.expect_timeout(*deadline);
            }
            Change::RemoteTargetChanged { key, remote_target } => {
                self.dialogs.change_row(*key, |row| row.remote_target = remote_target.clone());
            }
            Change::CseqReserved { key, local_cseq } => {
                self.dialogs.change_row(*key, |row| row.local_cseq = *local_cseq);
            }
            Change::SubscriptionRemoved { key, ending } => self.dialogs.end(*key, *ending),
            Change::WatcherStored(row) => {
                self.watchers.insert((row.watcher.clone(), row.event.clone()), row.status);
            }
        }
    }

    /// Binds a NOTIFY to every dialog that is free and owed one: CSeq, state and document of this moment.
    fn bind_notifications(&mut self, now: Now, decision: &mut Decision) {
        for slot in self.dialogs.take_touched() {
            let Some(dialog) = self.dialogs.due(slot) else { continue };
            let (state, shows_document) = state_of(dialog, now);
            let package = Package::of(&dialog.row.event).filter(|_| shows_document);
            // Composed before anything is bound, so that a panic leaves no NOTIFY bound that nobody knows of.
            let body = package.map_or_else(Body::empty, |package| self.document(package));
            let Some(dialog) = self.dialogs.due(slot) else { continue };
            let bound = dialog.bind();
            if let Some(local_cseq) = bound.reserve {
                Arc::make_mut(&mut dialog.row).local_cseq = local_cseq;
                decision.changes.push(Change::CseqReserved { key: dialog.row.key, local_cseq });
            }
            let (row, cseq, flow) = (dialog.row.clone(), bound.cseq, dialog.flow);
            decision.effects.push(Effect::Notify(Notification { dialog: dialog.key, row, cseq, state, body, flow }));
        }
    }

    /// Owes every watcher the present state: what a start after a crash does, watcher by watcher.
    pub fn owe(&mut self, key: DialogKey) {
        self.dialogs.owe(key);
    }

    /// Returns the live dialogs, in the order they began.
    pub fn dialogs(&self) -> impl Iterator<Item = &Dialog> {
        self.dialogs.iter()
    }

    /// Returns the live publications, in the order they began.
    pub fn publications(&self) -> &[Publication] {
        &self.publications
    }

    /// Returns the dialogs that ended for good since the last call.
    pub fn take_dropped(&mut self) -> Vec<DialogKey> {
        self.dialogs.take_dropped()
    }

    /// Takes the place of what memory held by what the database holds, after a commit was refused.
    ///
    /// What is on the wire stays: a dialog whose NOTIFY is unanswered lives until it is.
    pub fn restore(
        &mut self,
        publications: Vec<Publication>,
        subscriptions: Vec<(Arc<SubscriptionRow>, Moment)>,
        watchers: Vec<WatcherRow>,
    ) {
        self.publications = publications;
        self.watchers = watchers.into_iter().map(|row| ((row.watcher, row.event), row.status)).collect();
        self.composed = None;
        self.dialogs.restore(subscriptions);
        self.earliest = self.deadlines().min();
    }

    /// Lets what ended before `now` and is not decided on live `by_ms` longer.
    pub fn prolong(&mut self, now: Now, by_ms: u64) {
        let publications = self.publications.iter_mut().map(|publication| &mut publication.deadline);
        let deadlines = publications.chain(self.dialogs.live_mut().map(|dialog| &mut dialog.deadline));
        for deadline in deadlines.filter(|deadline| **deadline <= now.mono) {
            deadline.0 += by_ms;
        }
        self.earliest = self.deadlines().min();
    }

    /// Takes up a subscription from its row at start; nothing is owed yet.
    pub fn resume(&mut self, row: Arc<SubscriptionRow>, deadline: Moment) -> DialogKey {
        let key = DialogKey::of_row(&row);
        self.dialogs.insert(Dialog::resume(key, row, deadline));
        self.expect_timeout(deadline);
        key
    }

    /// Finds the earliest deadline after `now` anew; those before it are being decided on.
    fn expect_next_timeout(&mut self, now: Now) {
        self.earliest = self.deadlines().filter(|deadline| *deadline > now.mono).min();
    }

    fn deadlines(&self) -> impl Iterator<Item = Moment> {
        let dialogs = self.dialogs.iter().filter(|dialog| !dialog.is_ending()).map(|dialog| dialog.deadline);
        self.publications.iter().map(|publication| publication.deadline).chain(dialogs)
    }

    /// Returns the dialog `key`.
    pub fn dialog(&self, key: DialogKey) -> Option<&Dialog> {
        self.dialogs.get(key)
    }

    fn expect_timeout(&mut self, deadline: Moment) {
        self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
    }

    fn document_changed(&mut self) {
        self.composed = None;
        self.dialogs.owe_document();
    }

    /// Returns the document of this moment, composed when it is first needed.
    fn document(&mut self, package: Package) -> Body {
        if let Some(composed) = &self.composed {
            return composed.clone();
        }
        let published = self.publications.iter().filter(|publication| publication.row.event == package.name());
        let sources: Vec<_> = published
            .map(|publication| Source {
                body: publication.row.body.as_bytes(),
                received_at_ms: publication.row.received_time * 1000,
                number: publication.row.id,
            })
            .collect();
        #[cfg(test)]
        assert!(!sources.iter().any(|source| source.body.ends_with(tests::PANICS)), "as a test has it");
        let body = Body::from(compose(Policy::Union, &self.uri.to_uri("sip"), &sources));
        self.composed = Some(body.clone());
        body
    }

    /// Returns what is to be written of a watcher's authorisation state, `None` if that is written already.
    fn authorisation_change(&self, row: &SubscriptionRow, status: Status, now: Now) -> Option<Change> {
        let (watcher, event) = (row.watcher.clone(), row.event.clone());
        if self.watchers.get(&(watcher.clone(), event.clone())) == Some(&status) {
            return None;
        }
        Some(Change::WatcherStored(WatcherRow {
            presentity: self.uri.clone(),
            watcher,
            event,
            status,
            reason: SmolStr::default(),
            inserted_time: now.wall_s,
            watcher_id: row.watcher_id.clone(),
        }))
    }
}

/// Returns what the watcher is told of its subscription, and whether with the document.
fn state_of(dialog: &Dialog, now: Now) -> (SubscriptionState, bool) {
    let is_active = dialog.row.status == Status::Active;
    let expires_s = dialog.deadline.seconds_from(now.mono) as u32;
    match dialog.ending() {
        None if is_active => (SubscriptionState::Active { expires_s }, true),
        None => (SubscriptionState::Pending { expires_s }, false),
        Some(ending) => {
            let state = SubscriptionState::Terminated { reason: Reason::Timeout, retry_after_s: None };
            (state, is_active && ending == Ending::Unsubscribed)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    /// What a document ends with whose composition panics.
    pub(crate) const PANICS: &[u8] = b"<!--panics-->";
}
