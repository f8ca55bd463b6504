//! What a request, and what became of a NOTIFY, come to by the RFCs: the reference model's side of each step.

use smol_str::SmolStr;

use super::documents::Document;
use super::events::Answer;
use super::people::{PEOPLE, home, person_of};
use super::records::{Publication, Subscription};
use super::sql::Written;
use super::truth::Truth;
use crate::change::{Change, Ending, Now, Status, SubscriptionKey};
use crate::dialog::DialogKey;
use crate::effect::Creation;
use crate::package::Package;
use crate::watcher;

/// What a step was about.
#[derive(Clone, Debug)]
pub(super) enum What {
    InDialog(InDialog),
    Nothing,
    Publish(Publish),
    /// A 2xx reached nobody.
    ReplyLost(Creation),
    Subscribe(Subscribe),
    /// Another program wrote.
    Written(Written),
}

impl What {
    /// Notes the key of what begins: which of those that are possible it has, is nobody's promise.
    pub(super) fn note_begun(&mut self, changes: &[Change]) {
        let (Self::Subscribe(request) | Self::InDialog(InDialog { subscribe: request, .. })) = self else { return };
        request.begun = changes.iter().find_map(|change| match change {
            Change::SubscriptionStored { row, .. } | Change::SubscriptionFetched { row, .. } => Some(row.key),
            _ => None,
        });
    }
}

#[derive(Clone, Debug)]
pub(super) struct Publish {
    pub(super) device: usize,
    pub(super) document: Option<Document>,
    pub(super) expires: u32,
    /// Whose phones are not told of it.
    pub(super) sender: Option<usize>,
    pub(super) id: u64,
    pub(super) entity_tag: SmolStr,
    pub(super) matches: Option<SmolStr>,
}

#[derive(Clone, Debug)]
pub(super) struct Subscribe {
    pub(super) dialog: DialogKey,
    pub(super) phone: usize,
    pub(super) identity: &'static str,
    pub(super) package: Package,
    pub(super) event_id: SmolStr,
    pub(super) expires: u32,
    pub(super) watcher_id: SmolStr,
    /// The key of the subscription that it begins, if it begins one.
    pub(super) begun: Option<SubscriptionKey>,
}

/// What is answered does not matter: nothing comes of it.
pub(super) const ANY: u16 = u16::MAX;

#[derive(Clone, Debug)]
pub(super) struct InDialog {
    pub(super) subscribe: Subscribe,
    pub(super) cseq: u32,
    pub(super) remote_target: Option<SmolStr>,
}

/// What became of a NOTIFY.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) dialog: DialogKey,
    pub(super) cseq: u32,
    /// What it was about: a subscription, and its id in watcher information.
    pub(super) subscription: SubscriptionKey,
    pub(super) id: SmolStr,
    pub(super) answer: Answer,
    /// Where the answer says that the watcher is.
    pub(super) remote_target: Option<SmolStr>,
    /// Nobody answered, and it is tried again.
    pub(super) is_kept: bool,
}

impl Subscribe {
    /// Returns the key that was chosen for what begins.
    fn begun(&self) -> SubscriptionKey {
        self.begun.expect("what begins has a key")
    }
}

impl Truth {
    /// Takes a committed step, and returns the code of its answer, 0 for none.
    pub(super) fn step(&mut self, what: &What, outcomes: &[Outcome], rules: Option<usize>, now: Now) -> u16 {
        self.expire(now);
        self.review(rules, now);
        let code = match what {
            What::InDialog(request) => self.in_dialog(request, rules, now),
            What::Nothing => 0,
            What::Publish(request) => self.publish(request, now),
            What::ReplyLost(created) => self.lose(created, now),
            What::Subscribe(request) => self.subscribe(request, rules, now),
            What::Written(written) => self.take_up(written, now),
        };
        outcomes.iter().for_each(|outcome| self.settle(outcome, now));
        self.review(rules, now);
        code
    }

    fn publish(&mut self, request: &Publish, now: Now) -> u16 {
        let Publish { device, document, expires, id, .. } = *request;
        if self.publications.values().any(|known| known.entity_tag == request.entity_tag) {
            // It was executed before.
            return 200;
        }
        let matching = request.matches.as_ref().map(|tag| {
            self.publications.iter().find(|(_, publication)| publication.entity_tag == *tag).map(|(id, _)| *id)
        });
        let granted_s = u64::from(expires.min(3600));
        let (id, document, received_at_ms) = match (matching, document) {
            (Some(None), _) => return 412,
            (None, None) => return 400,
            (None, Some(_)) if expires == 0 => return 200,
            (None, Some(document)) => (id, document, now.wall_ms),
            (Some(Some(id)), _) if expires == 0 => {
                self.publications.remove(&id);
                return 200;
            }
            (Some(Some(id)), document) => {
                let known = &self.publications[&id];
                let document = document.filter(|document| *document != known.document);
                (id, document.unwrap_or(known.document), document.map_or(known.received_at_ms, |_| now.wall_ms))
            }
        };
        let is_changed = self.publications.get(&id).is_none_or(|known| known.document != document);
        let sender = request.sender.map(|person| PEOPLE[person].watcher());
        for subscription in self.subscriptions.values_mut().filter(|it| is_changed && sender.as_ref() == Some(&it.name))
        {
            subscription.is_spared = true;
        }
        let entity_tag = request.entity_tag.clone();
        let (expires, deadline) = (now.wall_s() + granted_s, now.mono.plus_s(granted_s));
        self.publications.insert(id, Publication { device, document, entity_tag, expires, deadline, received_at_ms });
        200
    }

    fn subscribe(&mut self, request: &Subscribe, rules: Option<usize>, now: Now) -> u16 {
        if self.key_of(request).is_some() {
            // It was executed before.
            return 200;
        }
        let code = self.join(request, home(request.phone), rules, now);
        if code == 200 {
            self.remote_cseqs.insert(request.dialog, 1);
        }
        if code == 200 && self.policy.subscribe.one_per_device && request.expires > 0 {
            let begun = &self.subscriptions[&request.begun()];
            let is_former = |(key, it): &(&SubscriptionKey, &Subscription)| {
                **key != request.begun()
                    && it.is_like(begun)
                    && it.remote_target == begun.remote_target
                    && it.event_id == begun.event_id
            };
            let former = self.subscriptions.iter().filter(is_former).map(|(key, _)| (*key, Ending::Silent));
            self.end(former.collect(), now);
        }
        code
    }

    /// Returns the key of the subscription that a request is about.
    fn key_of(&self, request: &Subscribe) -> Option<SubscriptionKey> {
        let is_it = |it: &Subscription| {
            it.dialog == request.dialog && it.package == request.package && it.event_id == request.event_id
        };
        self.subscriptions.iter().find(|(_, it)| is_it(it)).map(|(key, _)| *key)
    }

    /// Lets a subscription begin, or asks once.
    fn join(&mut self, request: &Subscribe, remote_target: SmolStr, rules: Option<usize>, now: Now) -> u16 {
        let Some(rules) = rules else { return 503 };
        let standing = self.standing(rules, request.identity, request.package, now);
        let Some((status, shows)) = standing else { return 403 };
        let granted_s = request.expires.min(3600);
        let subscription = Subscription {
            dialog: request.dialog,
            phone: request.phone,
            name: PEOPLE[person_of(request.phone)].watcher(),
            identity: request.identity,
            package: request.package,
            event_id: request.event_id.clone(),
            id: request.watcher_id.clone(),
            remote_target,
            status,
            shows,
            event: watcher::Event::Subscribe,
            expires: now.wall_s() + u64::from(granted_s),
            granted_s,
            deadline: now.mono.plus_s(granted_s.into()),
            is_claimed: true,
            is_moved: false,
            is_taken_up: false,
            is_spared: false,
            was_hidden: false,
            changed: Default::default(),
        };
        if granted_s > 0 {
            self.begin(request.begun(), subscription, rules, now);
            return 200;
        }
        let known = self.watchers.get(&subscription.of()).map(|known| known.status);
        let is_known = matches!(known, Some(watcher::Status::Pending | watcher::Status::Waiting));
        if status == Status::Pending && !is_known && !request.identity.is_empty() {
            self.wait(&subscription, now);
        }
        self.over.insert(request.begun(), (subscription, Ending::Unsubscribed));
        200
    }

    fn in_dialog(&mut self, request: &InDialog, rules: Option<usize>, now: Now) -> u16 {
        let InDialog { subscribe, cseq, remote_target } = request;
        let live: Vec<_> = self.subscriptions.values().filter(|it| it.dialog == subscribe.dialog).collect();
        let Some(any) = live.first() else { return 481 };
        let (last, key) = (self.remote_cseqs[&subscribe.dialog], self.key_of(subscribe));
        let is_repeated = key.is_some_and(|key| self.repeatable.get(&key) == Some(cseq));
        let is_repeated = *cseq == last && subscribe.expires > 0 && is_repeated;
        if *cseq <= last && !is_repeated {
            let is_restored = key.is_some_and(|key| self.restored.contains(&key));
            return if *cseq == last && is_restored { ANY } else { 500 };
        }
        // Who is somebody, and nobody who subscribes in it.
        if !subscribe.identity.is_empty() && !live.iter().any(|it| it.identity == subscribe.identity) {
            return if live.iter().any(|it| !it.identity.is_empty()) { 403 } else { 481 };
        }
        if is_repeated {
            // It is answered as it was before the restart, and changes nothing twice.
            return 200;
        }
        let target = remote_target.clone().unwrap_or_else(|| any.remote_target.clone());
        if let Some(known) = key.and_then(|key| self.subscriptions.get_mut(&key)) {
            let granted_s = subscribe.expires.min(3600);
            (known.granted_s, known.expires) = (granted_s, now.wall_s() + u64::from(granted_s));
            known.deadline = now.mono.plus_s(granted_s.into());
            known.is_claimed = true;
        } else {
            let code = self.join(subscribe, target.clone(), rules, now);
            if code != 200 {
                return code;
            }
        }
        self.remote_cseqs.insert(subscribe.dialog, *cseq);
        let others = &self.subscriptions;
        self.repeatable.retain(|key, _| others.get(key).is_some_and(|it| it.dialog != subscribe.dialog));
        self.move_to(subscribe.dialog, &target);
        if let Some(key) = key.filter(|_| subscribe.expires == 0) {
            self.end(vec![(key, Ending::Unsubscribed)], now);
        }
        200
    }

    /// Moves every subscription of a dialog: the remote target is the dialog's.
    fn move_to(&mut self, dialog: DialogKey, target: &SmolStr) {
        for subscription in self.subscriptions.values_mut().filter(|it| it.dialog == dialog) {
            subscription.remote_target = target.clone();
        }
    }

    fn lose(&mut self, created: &Creation, now: Now) -> u16 {
        match created {
            Creation::Publication { id, entity_tag } => {
                if self.publications.get(id).is_some_and(|publication| publication.entity_tag == *entity_tag) {
                    self.publications.remove(id);
                }
            }
            Creation::Subscription(key) => self.end(vec![(*key, Ending::Silent)], now),
        }
        0
    }

    /// Takes what became of a NOTIFY (RFC 6665 §4.2.2, RFC 5057 §5.1).
    fn settle(&mut self, outcome: &Outcome, now: Now) {
        self.silence(outcome);
        let failed = self.subscriptions.iter().filter(|(key, it)| outcome.ends(**key, it));
        self.end(failed.map(|(key, _)| (*key, Ending::Silent)).collect(), now);
        if let Some(target) = &outcome.remote_target {
            self.move_to(outcome.dialog, target);
        }
    }

    /// A watcher that does not take a NOTIFY is not told the end either, whether or not that is ever written.
    pub(super) fn silence(&mut self, outcome: &Outcome) {
        self.over.retain(|key, (it, _)| !outcome.ends(*key, it));
    }
}

impl Outcome {
    /// Says whether it ends a subscription.
    fn ends(&self, key: SubscriptionKey, it: &Subscription) -> bool {
        let is_it = key == self.subscription && it.id == self.id;
        match self.answer {
            Answer::Gone => it.dialog == self.dialog,
            Answer::Silence | Answer::Unreachable => is_it && !self.is_kept,
            Answer::Unknown => is_it,
            Answer::Failed | Answer::Later(_) | Answer::Moved | Answer::Ok => false,
        }
    }
}
