//! The phones of those who watch and the devices that publish: what they know of the server.

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};

use super::documents::Document;
use super::events::{DEVICES, How, To};
use super::people::{PEOPLE, event_id_of, person_of, row, socket};
use super::requests::{InDialog, Publish, Subscribe, What};
use super::world::World;
use crate::change::SubscriptionRow;
use crate::dialog::DialogKey;
use crate::effect::{Creation, Decision, Reply};
use crate::package::Package;
use crate::publication::{self, Condition, PublishRequest, PublishedBody};
use crate::subscription::{InitialSubscribe, RefreshSubscribe, Rejection};

/// What they know.
pub(super) struct Phones {
    /// The entity-tag of each device.
    tags: [Option<SmolStr>; DEVICES],
    /// The dialog each phone has.
    pub(super) dialogs: Vec<Option<DialogKey>>,
    /// What the answers will tell that are still to come.
    asked: BTreeMap<u64, Asked>,
    /// What was asked, to be asked again.
    requests: BTreeMap<u64, Request>,
    /// Numbers requests, rows and tags; it is the CSeq of requests in dialogs too.
    next: u64,
}

/// A request that may come again after a crash.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Publish(Publish),
    Subscribe { phone: usize, to: To, expires: u32, id: u64 },
}

/// What the answer to a request tells.
enum Asked {
    /// A phone of the dialog it has.
    Dialog(usize, DialogKey, Option<Creation>),
    Nothing,
    /// A device of its entity-tag, if it has a publication.
    Tag(usize, Option<SmolStr>, Option<Creation>),
}

impl Phones {
    pub(super) fn new(phones: usize) -> Self {
        Self {
            tags: Default::default(),
            dialogs: vec![None; phones],
            asked: BTreeMap::new(),
            requests: BTreeMap::new(),
            next: 1,
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Returns whether an answer brings something into being.
    pub(super) fn creates(&self, reply: &Reply) -> bool {
        matches!(self.asked.get(&reply.transaction), Some(Asked::Dialog(_, _, Some(_)) | Asked::Tag(_, _, Some(_))))
    }

    fn answered(&mut self, reply: &Reply) -> Asked {
        self.requests.remove(&reply.transaction);
        self.asked.remove(&reply.transaction).expect("answered once")
    }

    /// Takes an answer.
    pub(super) fn hear(&mut self, reply: &Reply) {
        let is_ok = reply.code == 200;
        match self.answered(reply) {
            Asked::Dialog(phone, dialog, _) if is_ok => self.dialogs[phone] = Some(dialog),
            Asked::Tag(device, tag, _) => self.tags[device] = tag.filter(|_| is_ok),
            Asked::Dialog(..) | Asked::Nothing => {}
        }
    }

    /// Loses an answer, and returns what it brought into being.
    pub(super) fn lose(&mut self, reply: &Reply) -> Option<Creation> {
        match self.answered(reply) {
            Asked::Dialog(_, _, created) | Asked::Tag(_, _, created) => created,
            Asked::Nothing => None,
        }
    }

    /// Takes 503 in place of an answer.
    pub(super) fn refused(&mut self, reply: &Reply) {
        self.answered(reply);
    }

    /// Returns what was asked and is not answered any more.
    pub(super) fn restart(&mut self) -> Vec<Request> {
        self.asked.clear();
        std::mem::take(&mut self.requests).into_values().collect()
    }

    /// Returns where a phone is that says so in an answer.
    pub(super) fn move_by_answer(&mut self) -> SmolStr {
        format_smolstr!("sip:moved{}@192.0.2.2", self.number())
    }
}

impl World {
    pub(super) fn publish(&mut self, device: usize, document: Option<Document>, expires: u32, sender: Option<usize>) {
        if !self.is_stale() {
            let id = self.phones.number();
            let (entity_tag, matches) = (format_smolstr!("t{id}"), self.phones.tags[device].clone());
            self.send(id, Request::Publish(Publish { device, document, expires, sender, id, entity_tag, matches }));
        }
    }

    pub(super) fn subscribe(&mut self, phone: usize, to: To, expires: u32) {
        if !self.presentity.knows_rules() {
            self.read_rules();
        }
        if !self.is_stale() && self.presentity.knows_rules() {
            let id = self.phones.number();
            self.send(id, Request::Subscribe { phone, to, expires, id });
        }
    }

    /// Sends a request again that was not answered before a crash.
    pub(super) fn repeat(&mut self, request: Request) {
        let transaction = self.phones.number();
        if let Request::Subscribe { phone, to, expires, id } = request {
            let (asked, _) = row(phone, to, id);
            let is_it = |row: &SubscriptionRow| {
                (&row.call_id, &row.event, &row.event_id) == (&asked.call_id, &asked.event, &asked.event_id)
            };
            let is_written = self.disk.subscriptions.values().any(is_it);
            // One that asked once, or is over by now, begins a dialog that nobody knows of any more.
            let is_over = self.presentity.next_timeout().is_some_and(|at| at <= self.now.mono)
                || self.presentity.subscriptions().all(|usage| usage.row.call_id() != format!("c{id}"));
            if expires == 0 || is_written && is_over {
                return;
            }
            if !self.presentity.knows_rules() {
                self.read_rules();
            }
        }
        self.send(transaction, request);
    }

    fn send(&mut self, transaction: u64, request: Request) {
        self.phones.requests.insert(transaction, request.clone());
        match request {
            Request::Publish(publish) => self.send_publish(transaction, publish),
            Request::Subscribe { phone, to, expires, id } => self.send_subscribe(transaction, phone, to, expires, id),
        }
    }

    fn send_publish(&mut self, transaction: u64, publish: Publish) {
        let Publish { device, document, expires, sender, id, entity_tag, matches } = publish.clone();
        let body = document.map(|document| PublishedBody::Document(document.written(device).into()));
        let request = PublishRequest {
            package: Some(Package::Presence),
            condition: matches.clone().map_or(Condition::Absent, Condition::Matches),
            expires: Some(expires),
            body: body.unwrap_or(PublishedBody::None),
            entity_tag: entity_tag.clone(),
            id,
            no_room: None,
            sender: sender.map(|person| Box::new(PEOPLE[person].watcher())),
        };
        let created = Creation::Publication { id, entity_tag: entity_tag.clone() };
        let created = Some(created).filter(|_| matches.is_none() && expires > 0);
        let told = Asked::Tag(device, Some(entity_tag).filter(|_| expires > 0), created);
        self.phones.asked.insert(transaction, told);
        let policy = self.policy;
        self.step(What::Publish(publish), |presentity, now| match presentity.on_publish(&request, &policy, now) {
            Ok(published) => Decision { changes: published.change.into_iter().collect(), ..reply(transaction, 200) },
            Err(publication::Rejection::ConditionalRequestFailed) => reply(transaction, 412),
            Err(_) => reply(transaction, 400),
        });
    }

    fn send_subscribe(&mut self, transaction: u64, phone: usize, to: To, expires: u32, id: u64) {
        let (row, dialog) = row(phone, to, id);
        let subscribe = asked(phone, to, dialog, expires, id);
        let told = if expires > 0 { Asked::Dialog(phone, dialog, None) } else { Asked::Nothing };
        self.phones.asked.insert(transaction, told);
        let request = InitialSubscribe {
            package: to.0,
            row,
            expires: Some(expires),
            is_acceptable: true,
            flow: 0,
            no_room: None,
        };
        let (policy, mut created) = (self.policy, None);
        self.step(What::Subscribe(subscribe), |presentity, now| {
            let subscribed = presentity.on_subscribe(dialog, request, &policy, now);
            created = subscribed.as_ref().ok().and_then(|subscribed| subscribed.created);
            subscribed.map_or_else(
                |rejection| reply(transaction, code(rejection)),
                |subscribed| Decision { changes: subscribed.changes, ..reply(transaction, 200) },
            )
        });
        // What creates something is written, so its answer is not heard yet.
        if let (Some(key), Some(Asked::Dialog(.., told))) = (created, self.phones.asked.get_mut(&transaction)) {
            *told = Some(Creation::Subscription(key));
        }
    }

    pub(super) fn ask_in_dialog(&mut self, phone: usize, to: To, expires: u32, moves: bool, how: How) {
        let Some(dialog) = self.phones.dialogs[phone].filter(|_| !self.is_stale()) else { return };
        let id = self.phones.number();
        let last = self.truth.remote_cseqs.get(&dialog).copied().unwrap_or(1);
        let cseq = if how == How::Late { last } else { id as u32 };
        let identity = match how {
            How::Late | How::Properly => PEOPLE[person_of(phone)].identity,
            How::Stranger => "sip:mallory@pres.example",
            How::Unproven => "",
        };
        let remote_target = moves.then(|| format_smolstr!("sip:m{id}@192.0.2.1"));
        self.phones.asked.insert(id, Asked::Nothing);
        let subscribe = Subscribe { identity, ..asked(phone, to, dialog, expires, id) };
        let request = RefreshSubscribe {
            package: to.0,
            event_id: subscribe.event_id.clone(),
            cseq,
            expires: Some(expires),
            is_acceptable: true,
            remote_target: remote_target.clone(),
            accept: SmolStr::default(),
            identity: identity.into(),
            is_behind_nat: false,
            source: None,
            socket: socket(phone),
            flow: 0,
            local_contact: None,
            user_agent: SmolStr::default(),
            no_room: None,
            watcher_id: subscribe.watcher_id.clone(),
        };
        let policy = self.policy;
        self.step(What::InDialog(InDialog { subscribe, cseq, remote_target }), |presentity, now| {
            let subscribed = presentity.on_refresh(dialog, request, &policy, now);
            subscribed.map_or_else(
                |rejection| reply(id, code(rejection)),
                |subscribed| Decision { changes: subscribed.changes, ..reply(id, 200) },
            )
        });
    }
}

fn asked(phone: usize, (package, event_id): To, dialog: DialogKey, expires: u32, id: u64) -> Subscribe {
    let watcher_id = format_smolstr!("i{id}");
    let identity = PEOPLE[person_of(phone)].identity;
    Subscribe { dialog, phone, identity, package, event_id: event_id_of(event_id), expires, watcher_id, begun: None }
}

fn code(rejection: Rejection) -> u16 {
    match rejection {
        Rejection::Forbidden | Rejection::TooManySubscriptions => 403,
        Rejection::IntervalTooBrief { .. } => 423,
        Rejection::NoRoom(_) => 503,
        Rejection::NoSuchDialog => 481,
        Rejection::NotAcceptable => 406,
        Rejection::OutOfOrder => 500,
        Rejection::Undecidable => 503,
    }
}

fn reply(transaction: u64, code: u16) -> Decision {
    Decision::reply(Reply { code, ..Reply::ok(transaction, SmolStr::default(), Vec::new()) })
}
