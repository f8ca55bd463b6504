//! One presentity against a reference model: whatever happens in whatever order, and whichever commits are refused.
//!
//! Single-threaded and deterministic. The wire is checked as it happens, memory and watchers when all is quiet.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use smol_str::{SmolStr, format_smolstr};

use super::memory_store::Disk;
use super::rig::{POLICY, document};
use crate::authorization::Rules;
use crate::change::{Change, Ending, Moment, Now, Status, SubscriptionKey, SubscriptionRow};
use crate::composition::{Source, compose};
use crate::dialog::DialogKey;
use crate::effect::{Decision, Effect, Notification, Reply};
use crate::headers::subscription_state::SubscriptionState;
use crate::notify_outcome::NotifyOutcome;
use crate::package::Package;
use crate::presentity::Presentity;
use crate::presentity_uri::{PresentityUri, UserAtDomain};
use crate::publication::{Condition, PublishRequest, PublishedBody};
use crate::store::recovery;
use crate::subscription::{InitialSubscribe, RefreshSubscribe};

const DEVICES: usize = 3;
const WATCHERS: usize = 3;

/// What may happen.
#[derive(Clone, Debug)]
enum Event {
    Publish {
        device: usize,
        note: Option<u8>,
        expires: u32,
    },
    Subscribe {
        watcher: usize,
        expires: u32,
    },
    Refresh {
        watcher: usize,
        expires: u32,
    },
    Answer {
        nth: usize,
        code: u16,
    },
    /// So many of the queued decisions are committed, and the rest is refused if so told.
    Commit {
        most: usize,
        refuses_rest: bool,
    },
    Wait {
        ms: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let expires = || prop_oneof![1 => Just(0), 4 => 1_u32..90];
    prop_oneof![
        4 => (0..DEVICES, proptest::option::weighted(0.7, any::<u8>()), expires())
            .prop_map(|(device, note, expires)| Event::Publish { device, note, expires }),
        2 => (0..WATCHERS, expires()).prop_map(|(watcher, expires)| Event::Subscribe { watcher, expires }),
        2 => (0..WATCHERS, expires()).prop_map(|(watcher, expires)| Event::Refresh { watcher, expires }),
        5 => (0..8_usize, prop_oneof![8 => Just(200), 1 => Just(481), 1 => Just(500)])
            .prop_map(|(nth, code)| Event::Answer { nth, code }),
        4 => (0..4_usize, proptest::bool::weighted(0.2))
            .prop_map(|(most, refuses_rest)| Event::Commit { most, refuses_rest }),
        1 => (0..40_000_u64).prop_map(|ms| Event::Wait { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_watcher_ends_up_with_what_is_stored(events in proptest::collection::vec(event(), 0..90)) {
        let mut model = Model::new();
        for event in events {
            model.meet(event);
        }
        model.settle_down();
        model.check_watchers();
        model.check_end();
    }
}

#[test]
fn a_dialog_outlives_its_first_block_of_cseqs() {
    let mut model = Model::new();
    model.meet(Event::Subscribe { watcher: 0, expires: 3600 });
    for round in 0..200 {
        model.meet(Event::Publish { device: 0, note: Some(round), expires: 3600 });
        model.settle_down();
    }
    model.check_watchers();
}

/// What a watcher has seen of one dialog.
#[derive(Default)]
struct View {
    cseq: u32,
    in_flight: Option<u32>,
    body: Vec<u8>,
    is_over: bool,
    /// It failed, or is too late to be told anything. If that was not written, its CSeqs go on above all reserved.
    is_given_up: bool,
}

/// What an answer tells a client.
enum Told {
    Dialog(usize, DialogKey),
    Tag(usize, SmolStr),
}

struct Model {
    presentity: Presentity,
    disk: Disk,
    queue: Vec<Decision>,
    now: Now,
    views: BTreeMap<DialogKey, View>,
    tags: [Option<SmolStr>; DEVICES],
    dialogs: [Option<DialogKey>; WATCHERS],
    told: BTreeMap<u64, Told>,
    /// Numbers requests, tags and rows.
    next: u64,
}

impl Model {
    fn new() -> Self {
        let mut presentity = Presentity::new(dana());
        presentity.set_rules(Rules::default());
        Self {
            presentity,
            disk: Disk::default(),
            queue: Vec::new(),
            now: Now { mono: Moment(1_000_000), wall_ms: 50_000_000 },
            views: BTreeMap::new(),
            tags: Default::default(),
            dialogs: Default::default(),
            told: BTreeMap::new(),
            next: 1,
        }
    }

    fn meet(&mut self, event: Event) {
        self.next += 1;
        match event {
            Event::Publish { device, note, expires } => self.publish(device, note, expires),
            Event::Subscribe { watcher, expires } => self.subscribe(watcher, expires),
            Event::Refresh { watcher, expires } => self.refresh(watcher, expires),
            Event::Answer { nth, code } => self.answer(nth, code),
            Event::Commit { most, refuses_rest } => self.commit(most, refuses_rest),
            Event::Wait { ms } => {
                self.now = Now { mono: Moment(self.now.mono.0 + ms), wall_ms: self.now.wall_ms + ms };
                self.step(|_, _| Decision::default());
            }
        }
    }

    fn publish(&mut self, device: usize, note: Option<u8>, expires: u32) {
        let (id, tag) = (self.next, format_smolstr!("t{}", self.next));
        let body = note.map_or(PublishedBody::None, |note| PublishedBody::Document(document(&note.to_string()).into()));
        let request = PublishRequest {
            package: Some(Package::Presence),
            condition: self.tags[device].clone().map_or(Condition::Absent, Condition::Matches),
            expires: Some(expires),
            body,
            entity_tag: tag.clone(),
            id,
            sender: None,
        };
        self.told.insert(id, Told::Tag(device, tag));
        self.step(|presentity, now| match presentity.on_publish(&request, &POLICY, now) {
            Ok(published) => {
                let code = if published.expires_s == 0 { 204 } else { 200 };
                Decision { changes: published.change.into_iter().collect(), ..reply(id, code) }
            }
            Err(_) => reply(id, 412),
        });
    }

    fn subscribe(&mut self, watcher: usize, expires: u32) {
        let id = self.next;
        let mut row = row(watcher, id);
        let key = DialogKey::of(row.call_id.as_bytes(), row.local_tag.as_bytes(), row.remote_tag.as_bytes());
        row.key = key.subscription("presence", "");
        self.told.insert(id, Told::Dialog(watcher, key));
        let request =
            InitialSubscribe { package: Package::Presence, row, expires: Some(expires), is_acceptable: true, flow: 0 };
        self.step(|presentity, now| {
            let subscribed = presentity.on_subscribe(key, request, &POLICY, now).expect("everybody may watch");
            Decision { changes: subscribed.changes, ..reply(id, if expires == 0 { 204 } else { 200 }) }
        });
    }

    fn refresh(&mut self, watcher: usize, expires: u32) {
        let Some(key) = self.dialogs[watcher] else { return };
        let id = self.next;
        self.told.insert(id, Told::Dialog(watcher, key));
        let request = RefreshSubscribe {
            package: Package::Presence,
            event_id: SmolStr::default(),
            cseq: id as u32,
            expires: Some(expires),
            is_acceptable: true,
            remote_target: None,
            accept: SmolStr::default(),
            identity: SmolStr::default(),
            source: None,
            is_behind_nat: false,
            socket: None,
            flow: 0,
            local_contact: None,
            user_agent: SmolStr::default(),
            watcher_id: format_smolstr!("i{id}"),
        };
        self.step(|presentity, now| match presentity.on_refresh(key, request, &POLICY, now) {
            Ok(subscribed) => {
                Decision { changes: subscribed.changes, ..reply(id, if expires == 0 { 204 } else { 200 }) }
            }
            Err(_) => reply(id, 481),
        });
    }

    fn answer(&mut self, nth: usize, code: u16) {
        let mut waiting = self.views.iter_mut().filter(|(_, view)| view.in_flight.is_some());
        let Some((&key, view)) = waiting.nth(nth) else { return };
        view.is_given_up |= code == 481;
        let cseq = view.in_flight.take().expect("filtered");
        let outcome = NotifyOutcome { code, is_local: false, remote_target: None, retry_after_s: None };
        self.step(|presentity, now| presentity.on_notify_outcome(key, cseq, &outcome, &POLICY, now));
    }

    /// As `edge/step.rs` does it.
    fn step(&mut self, decide: impl FnOnce(&mut Presentity, Now) -> Decision) {
        let mut decision = Decision::default();
        self.presentity.step(&POLICY, self.now, decide, &[], &mut decision);
        self.check_timeout();
        if decision.is_durable() || !self.queue.is_empty() {
            self.queue.push(decision);
        } else {
            self.act(decision.effects);
        }
    }

    /// As `edge/writer.rs` does it.
    fn commit(&mut self, most: usize, refuses_rest: bool) {
        let rest = self.queue.split_off(most.min(self.queue.len()));
        for decision in std::mem::replace(&mut self.queue, rest) {
            for change in &decision.changes {
                self.disk.write(change);
                self.give_up(change);
            }
            self.act(decision.effects);
        }
        if refuses_rest && !self.queue.is_empty() {
            for decision in std::mem::take(&mut self.queue) {
                self.presentity.take_back(&decision.effects);
                decision.changes.iter().for_each(|change| self.give_up(change));
            }
            self.read_back();
            self.step(|_, _| Decision::default());
        }
    }

    fn give_up(&mut self, change: &Change) {
        if let Change::SubscriptionRemoved { key, ending: Ending::Silent, .. } = change {
            let views = self.views.iter_mut().filter(|(dialog, _)| dialog.subscription("presence", "") == *key);
            views.for_each(|(_, view)| view.is_given_up = true);
        }
    }

    fn read_back(&mut self) {
        let publications =
            self.disk.publications.values().map(|row| recovery::publication(row.clone(), 3600, self.now)).collect();
        let subscriptions =
            self.disk.subscriptions.values().map(|row| recovery::subscription(row.clone(), self.now)).collect();
        let watchers = self.disk.watchers.values().cloned().map(|row| (row, None)).collect();
        self.presentity.restore(publications, subscriptions, watchers);
        self.check_timeout();
    }

    fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Notify(notification) => self.see(notification),
                Effect::Reply(reply) => match self.told.remove(&reply.transaction).expect("answered once") {
                    Told::Tag(device, tag) => self.tags[device] = (reply.code == 200).then_some(tag),
                    Told::Dialog(watcher, key) => self.dialogs[watcher] = (reply.code == 200).then_some(key),
                },
            }
        }
    }

    /// What holds for every NOTIFY on the wire.
    fn see(&mut self, notification: Notification) {
        let view = self.views.entry(notification.dialog).or_default();
        assert_eq!(view.in_flight, None, "one NOTIFY in flight");
        assert!(!view.is_over, "nothing follows the end");
        let is_next = notification.cseq == view.cseq + 1;
        assert!(
            is_next || view.is_given_up && notification.cseq > view.cseq,
            "CSeq {} after {}",
            notification.cseq,
            view.cseq
        );
        (view.cseq, view.in_flight) = (notification.cseq, Some(notification.cseq));
        match notification.state {
            SubscriptionState::Active { expires_s } => {
                assert!(expires_s > 0, "what is over is terminated");
                view.body = notification.body.to_vec();
            }
            SubscriptionState::Pending { .. } => panic!("nobody is pending"),
            SubscriptionState::Terminated { .. } => view.is_over = true,
        }
        if let Some(stored) = self.disk.subscriptions.get(&notification.row.key) {
            assert!(notification.cseq <= stored.local_cseq, "a CSeq is reserved before it is used");
        }
    }

    fn check_timeout(&self) {
        let publications = self.presentity.publications().iter().map(|publication| publication.deadline);
        let subscriptions = self.presentity.subscriptions().map(|usage| usage.deadline);
        let earliest = publications.chain(subscriptions).min();
        let is_kept = earliest.is_none_or(|earliest| self.presentity.next_timeout().is_some_and(|at| at <= earliest));
        assert!(is_kept, "{earliest:?} is forgotten, {:?} is expected", self.presentity.next_timeout());
    }

    /// Commits everything and answers every NOTIFY, until nothing more comes.
    fn settle_down(&mut self) {
        for _ in 0..50 {
            self.commit(usize::MAX, false);
            (0..self.views.len()).for_each(|_| self.answer(0, 200));
        }
        assert!(self.queue.is_empty() && self.views.values().all(|view| view.in_flight.is_none()), "it never ends");
    }

    fn check_watchers(&self) {
        let rows: BTreeMap<SubscriptionKey, SubscriptionRow> = self
            .presentity
            .dialogs()
            .flat_map(|dialog| {
                assert!(dialog.is_told(), "everything is told");
                dialog.usages().iter().map(|usage| (usage.row.key, (*usage.row).clone()))
            })
            .collect();
        assert_eq!(rows, self.disk.subscriptions);
        for (dialog, view) in &self.views {
            let is_live = rows.contains_key(&dialog.subscription("presence", ""));
            assert!(is_live != view.is_over || view.is_given_up, "whose subscription is over has heard of it");
        }
        let publications: Vec<_> = self.presentity.publications().iter().map(|publication| &publication.row).collect();
        assert!(publications.iter().copied().eq(self.disk.publications.values()), "memory is as the database");
        let sources: Vec<_> = publications
            .iter()
            .map(|row| Source { body: row.body.as_bytes(), received_at_ms: row.received_at_ms, number: row.id })
            .collect();
        let composed = compose(POLICY.composition, "sip:dana@pres.example", &sources);
        for dialog in self.presentity.dialogs() {
            assert_eq!(String::from_utf8_lossy(&self.views[&dialog.key].body), String::from_utf8_lossy(&composed));
        }
    }

    /// Everything ends with its deadline.
    fn check_end(&mut self) {
        self.meet(Event::Wait { ms: 4_000_000 });
        self.settle_down();
        assert!(self.presentity.is_idle(), "{:?}", self.presentity);
        assert!(self.disk.publications.is_empty() && self.disk.subscriptions.is_empty());
    }
}

fn dana() -> Arc<PresentityUri> {
    Arc::new(PresentityUri::new("dana", "pres.example"))
}

fn reply(transaction: u64, code: u16) -> Decision {
    Decision::reply(Reply {
        transaction,
        code,
        reason: SmolStr::default(),
        to_tag: SmolStr::default(),
        headers: Vec::new(),
        mirror_record_route: false,
        created: None,
    })
}

fn row(watcher: usize, id: u64) -> SubscriptionRow {
    SubscriptionRow {
        key: SubscriptionKey([0; 16]),
        presentity: dana(),
        watcher: UserAtDomain::new(format_smolstr!("w{watcher}"), "other.example"),
        event: "presence".into(),
        event_id: SmolStr::default(),
        call_id: format_smolstr!("c{id}"),
        local_tag: format_smolstr!("l{id}"),
        remote_tag: "r".into(),
        local_cseq: 0,
        remote_cseq: 1,
        remote_target: "sip:w@192.0.2.1".into(),
        route_set: SmolStr::default(),
        expires: 0,
        granted_s: 0,
        status: Status::Pending,
        version: 0,
        presentity_uri: "sip:dana@pres.example".into(),
        local_uri: "sip:dana@pres.example".into(),
        remote_uri: "sip:w@other.example".into(),
        identity: SmolStr::default(),
        accept: SmolStr::default(),
        local_contact: "sip:192.0.2.99".into(),
        received: None,
        socket: None,
        user_agent: SmolStr::default(),
        watcher_id: format_smolstr!("i{id}"),
        display_name: SmolStr::default(),
        subscribed_at: 0,
        instance: SmolStr::default(),
    }
}
