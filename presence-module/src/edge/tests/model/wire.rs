//! What watchers see of the machine, checked NOTIFY by NOTIFY against the reference model.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::documents::SECRET;
use super::events::Answer;
use super::people::{PEOPLE, entity};
use super::records::Subscription;
use super::rules::Shows;
use super::table::{Table, Told};
use super::truth::Truth;
use crate::change::{Ending, Moment, Now, Status, SubscriptionKey};
use crate::composition::{Source, compose};
use crate::dialog::DialogKey;
use crate::document::pidf;
use crate::effect::Notification;
use crate::headers::subscription_state::{Reason, SubscriptionState};
use crate::package::Package;
use crate::privacy_filter::filter;

/// Everything that watchers know.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) dialogs: BTreeMap<DialogKey, Dialog>,
    pub(super) subscriptions: BTreeMap<SubscriptionKey, View>,
    /// Subscriptions that may be told once more than they need to, since something about them was refused.
    excused: BTreeSet<SubscriptionKey>,
    pub(super) seen: usize,
}

/// A dialog as its watcher has it.
#[derive(Default)]
pub(super) struct Dialog {
    cseq: u32,
    pub(super) in_flight: Option<InFlight>,
    /// Memory has forgotten what was used; CSeqs go on above all that were reserved.
    may_jump: bool,
}

/// A NOTIFY whose outcome is unknown.
pub(super) struct InFlight {
    pub(super) cseq: u32,
    pub(super) subscription: SubscriptionKey,
    pub(super) id: SmolStr,
    package: Package,
    document: Vec<u8>,
}

/// A subscription as its watcher has it.
#[derive(Default)]
pub(super) struct View {
    /// Which of several that had one key.
    id: SmolStr,
    is_over: bool,
    /// The document it took last.
    pub(super) document: Vec<u8>,
    /// Its table, for watcher information.
    pub(super) table: Table,
    /// The document told last, as far as the machine can know.
    told: Option<Vec<u8>>,
    told_at: Moment,
    /// It is left alone until then, since it did not take what it was told so often in a row.
    pub(super) rests_until: Moment,
    failures: u32,
    /// The presentity was read back: if it does not take what is under way, it may be told again.
    may_repeat: bool,
    /// The last NOTIFY failed, and is not repeated.
    pub(super) is_doubtful: bool,
}

impl Wire {
    /// Takes a NOTIFY that leaves, bound at `now`.
    pub(super) fn see(&mut self, notification: &Notification, truth: &mut Truth, rules: Option<usize>, now: Now) {
        self.seen += 1;
        let key = notification.row.key;
        let (subscription, ending) = match (truth.subscriptions.get(&key), truth.over.get(&key)) {
            (Some(live), _) => (live.clone(), None),
            (None, Some((over, ending))) => (over.clone(), Some(*ending)),
            (None, None) => panic!("nobody subscribes: {notification:?}"),
        };
        let begin = || Dialog { may_jump: subscription.is_taken_up, ..Dialog::default() };
        let dialog = self.dialogs.entry(notification.dialog).or_insert_with(begin);
        assert!(dialog.in_flight.is_none(), "one NOTIFY in flight");
        let is_next = notification.cseq == dialog.cseq + 1;
        let is_later = dialog.may_jump && notification.cseq > dialog.cseq;
        assert!(is_next || is_later, "CSeq {} after {}", notification.cseq, dialog.cseq);
        (dialog.cseq, dialog.may_jump) = (notification.cseq, false);

        assert_eq!(notification.row.remote_target(), subscription.remote_target, "it goes where the watcher is");
        let view = self.subscriptions.entry(key).or_default();
        if view.id != subscription.id {
            *view = View { id: subscription.id.clone(), ..View::default() };
            if subscription.is_taken_up {
                view.table.forget();
            }
        }
        assert!(!view.is_over, "nothing follows the end");
        view.is_over = ending.is_some();
        check_state(notification.state, &subscription, ending, now);

        let document = notification.body.to_vec();
        let (cseq, id, package) = (notification.cseq, view.id.clone(), subscription.package);
        dialog.in_flight = Some(InFlight { cseq, subscription: key, id, package, document: document.clone() });
        let is_excused = self.excused.remove(&key);
        if !subscription.is_claimed && !is_excused && ending.is_none() {
            view.check_unasked(&document, &subscription, truth, now);
        }
        let expected = truth.shown(&subscription, ending, rules, now);
        match (subscription.package, expected) {
            // By which rules it was decided on last, what was refused knows.
            (Package::Presence, _) if rules.is_none() => {}
            (Package::Presence, expected) => check_presence(&document, expected.as_ref(), ending),
            (_, None) => assert!(document.is_empty(), "{ending:?} tells nothing"),
            (_, Some(shown)) if document.is_empty() => assert!(shown.is_optional, "{ending:?} tells who watches"),
            (_, Some(_)) => view.table.check(&document, &subscription, ending, is_excused, truth, now),
        }
        view.told = Some(document).filter(|document| !document.is_empty());
        (view.told_at, view.rests_until, view.may_repeat) = (now.mono, Moment(0), false);
        if let Some(live) = truth.subscriptions.get_mut(&key) {
            (live.is_claimed, live.is_moved, live.is_spared) = (false, false, false);
            live.changed.clear();
        } else {
            truth.over.remove(&key);
        }
    }

    /// Notes what a watcher answers, and returns what it was about.
    pub(super) fn answer(&mut self, dialog: DialogKey, answer: Answer) -> InFlight {
        let in_flight = self.dialogs.get_mut(&dialog).and_then(|dialog| dialog.in_flight.take()).expect("in flight");
        let view = self.subscriptions.get_mut(&in_flight.subscription).filter(|view| view.id == in_flight.id);
        let Some(view) = view else { return in_flight };
        match answer {
            Answer::Ok | Answer::Moved => {
                (view.is_doubtful, view.failures) = (false, 0);
                match in_flight.package {
                    _ if in_flight.document.is_empty() => {}
                    Package::Presence => view.document = in_flight.document.clone(),
                    Package::PresenceWinfo | Package::PresenceWinfoWinfo => view.table.take(&in_flight.document),
                }
            }
            _ => {
                (view.told, view.is_doubtful) = (None, true);
                view.table.doubt();
            }
        }
        in_flight
    }

    /// Notes that a watcher is told again, whatever it is, after a pause of at least `asked_s`.
    pub(super) fn retry(&mut self, subscription: SubscriptionKey, id: &SmolStr, asked_s: u32, now: Now) {
        let Some(view) = self.subscriptions.get_mut(&subscription).filter(|view| view.id == *id) else { return };
        let pause_s = (2_u64 << view.failures).min(3600).max(asked_s.into());
        view.rests_until = view.rests_until.max(now.mono.plus_s(pause_s));
        view.failures += 1;
        view.is_doubtful = false;
        self.excused.insert(subscription);
    }

    /// Notes that what was staged about a subscription was refused.
    pub(super) fn excuse(&mut self, subscription: SubscriptionKey) {
        self.excused.insert(subscription);
    }

    /// Notes that the machine has forgotten a dialog whose end was refused.
    pub(super) fn forget(&mut self, dialog: DialogKey, subscription: SubscriptionKey) {
        self.dialogs.entry(dialog).or_default().may_jump = true;
        if let Some(view) = self.subscriptions.get_mut(&subscription) {
            view.table.forget();
        }
    }

    /// Notes that a presentity was read back.
    pub(super) fn read_back(&mut self) {
        for view in self.subscriptions.values_mut() {
            view.table.doubt();
            view.may_repeat = true;
        }
    }

    /// Notes that everything begins anew.
    pub(super) fn restart(&mut self) {
        for dialog in self.dialogs.values_mut() {
            (dialog.in_flight, dialog.may_jump) = (None, true);
        }
        for view in self.subscriptions.values_mut() {
            (view.told, view.told_at, view.rests_until) = (None, Moment(0), Moment(0));
            view.table.forget();
        }
        self.excused.clear();
    }
}

impl View {
    /// Checks a NOTIFY that nobody asked for and that tells of no other standing.
    fn check_unasked(&self, document: &[u8], subscription: &Subscription, truth: &Truth, now: Now) {
        let is_blocked = subscription.status == Status::PoliteBlocked && !subscription.is_moved && !self.may_repeat;
        assert!(!is_blocked, "who is blocked politely is told of no change");
        assert_ne!(subscription.status, Status::Pending, "who is pending is told of no change");
        let quiet_until = Moment(self.told_at.0 + truth.policy.notify_interval_ms);
        let is_first = self.told_at == Moment(0);
        assert!(is_first || quiet_until <= now.mono, "told at {:?}, again at {:?}", self.told_at, now.mono);
        assert!(self.rests_until <= now.mono, "not before {:?}", self.rests_until);
        if subscription.package == Package::Presence {
            assert!(self.told.as_deref() != Some(document), "told of nothing new");
        }
    }
}

fn check_state(state: SubscriptionState, subscription: &Subscription, ending: Option<Ending>, now: Now) {
    let left_s = subscription.deadline.seconds_from(now.mono) as u32;
    let expected = match (ending, subscription.status) {
        (None, Status::Pending) => SubscriptionState::Pending { expires_s: left_s },
        (None, Status::Active | Status::PoliteBlocked) => SubscriptionState::Active { expires_s: left_s },
        (Some(ending), _) => {
            let reason = match ending {
                Ending::Deactivated => Reason::Deactivated,
                Ending::Expired | Ending::Silent | Ending::Unsubscribed => Reason::Timeout,
                Ending::GivenUp => Reason::Giveup,
                Ending::Rejected => Reason::Rejected,
            };
            SubscriptionState::Terminated { reason, retry_after_s: None }
        }
    };
    assert_eq!(state, expected, "{subscription:?}");
}

/// A document that may be shown.
pub(super) struct Shown {
    pub(super) document: Vec<u8>,
    /// It may also be left out.
    is_optional: bool,
    has_notes: bool,
}

impl Truth {
    /// Returns what a watcher may be shown at this moment.
    pub(super) fn shown(
        &self,
        subscription: &Subscription,
        ending: Option<Ending>,
        rules: Option<usize>,
        now: Now,
    ) -> Option<Shown> {
        let was_pending = subscription.status == Status::Pending || subscription.was_hidden;
        let (standing, is_optional) = match (ending, rules) {
            (None, _) | (Some(Ending::Unsubscribed), None) => {
                (Some((subscription.status, subscription.shows)), rules.is_none())
            }
            // Its last document is of the moment it leaves, as any other.
            (Some(Ending::Unsubscribed), Some(rules)) => {
                (self.standing(rules, subscription.identity, subscription.package, now), was_pending)
            }
            (Some(_), _) => (None, false),
        };
        let (status, shows) = standing?;
        let (document, has_notes) = match status {
            Status::Pending => return None,
            Status::PoliteBlocked => (pidf::closed_document(entity(subscription.phone)), false),
            Status::Active => (self.document(subscription.phone, shows), shows.has_notes()),
        };
        Some(Shown { document, is_optional, has_notes })
    }

    fn document(&self, phone: usize, shows: Shows) -> Vec<u8> {
        let bodies: Vec<_> =
            self.publications.values().map(|publication| publication.document.written(publication.device)).collect();
        let sources = bodies.iter().zip(&self.publications).map(|(body, (id, publication))| Source {
            body: body.as_bytes(),
            received_at_ms: publication.received_at_ms,
            number: *id,
        });
        let composed = compose(self.policy.composition, entity(phone), &sources.collect::<Vec<_>>());
        filter(&composed, &shows.permissions())
    }
}

fn check_presence(document: &[u8], expected: Option<&Shown>, ending: Option<Ending>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let Some(expected) = expected else {
        assert!(document.is_empty(), "{ending:?} shows {}", text(document));
        return;
    };
    assert!(expected.has_notes || !text(document).contains(SECRET), "a note that is not for it: {}", text(document));
    if !(document.is_empty() && expected.is_optional) {
        assert_eq!(text(document), text(&expected.document), "{ending:?}");
    }
}

impl Told {
    /// Returns whether the URI is of a person who is known by it.
    pub(super) fn is_somebody(&self) -> bool {
        let is_anonymous = self.uri == "sip:anonymous@anonymous.invalid";
        is_anonymous || !self.uri.is_empty() && PEOPLE.iter().any(|person| person.identity == self.uri)
    }
}
