//! Who watches Dana, and with what: people, and two phones each.

use module_api::abi::Transport;
use smol_str::{SmolStr, format_smolstr};

use super::events::To;
use super::world::dana;
use crate::change::{Status, SubscriptionKey, SubscriptionRow, TransportAddress};
use crate::dialog::DialogKey;
use crate::presentity_uri::UserAtDomain;

/// Somebody who watches, or tries to.
#[derive(Debug)]
pub(super) struct Person {
    user: &'static str,
    domain: &'static str,
    /// As which the host authenticates them; empty for who was not.
    pub(super) identity: &'static str,
}

/// The first of them is the presentity itself; of the last two nobody knows who they are, and one of them says that it is
/// Eli.
pub(super) const PEOPLE: [Person; 6] = [
    Person { user: "dana", domain: "pres.example", identity: "sip:dana@pres.example" },
    Person { user: "eli", domain: "pres.example", identity: "sip:eli@pres.example" },
    Person { user: "fay", domain: "other.example", identity: "sip:fay@other.example" },
    Person { user: "hal", domain: "pres.example", identity: "pres:hal@pres.example" },
    Person { user: "gil", domain: "other.example", identity: "" },
    Person { user: "eli", domain: "pres.example", identity: "" },
];

pub(super) const OWNER: &str = PEOPLE[0].identity;
pub(super) const PHONES: usize = PEOPLE.len() * 2;

/// Returns whose phone it is.
pub(super) fn person_of(phone: usize) -> usize {
    phone / 2
}

/// Returns Dana's URI as a phone asks for it, and is told it.
pub(super) fn entity(phone: usize) -> &'static str {
    if phone.is_multiple_of(2) { "sip:dana@pres.example" } else { "pres:dana@pres.example" }
}

/// Returns where a phone is at first.
pub(super) fn home(phone: usize) -> SmolStr {
    format_smolstr!("sip:p{phone}@192.0.2.1")
}

impl Person {
    pub(super) fn watcher(&self) -> UserAtDomain {
        UserAtDomain::new(self.user, self.domain)
    }
}

/// Returns the row that a SUBSCRIBE numbered `id` would have, and its dialog.
pub(super) fn row(phone: usize, (package, event_id): To, id: u64) -> (SubscriptionRow, DialogKey) {
    let person = &PEOPLE[person_of(phone)];
    let row = SubscriptionRow {
        key: SubscriptionKey([0; 16]),
        presentity: dana(),
        watcher: person.watcher(),
        event: package.name().into(),
        event_id: event_id_of(event_id),
        call_id: format_smolstr!("c{id}"),
        local_tag: format_smolstr!("l{id}"),
        remote_tag: "r".into(),
        local_cseq: 0,
        remote_cseq: 1,
        remote_target: home(phone),
        route_set: SmolStr::default(),
        expires: 0,
        granted_s: 0,
        status: Status::Pending,
        version: 0,
        presentity_uri: entity(phone).into(),
        local_uri: "sip:dana@pres.example".into(),
        remote_uri: person.watcher().to_uri("sip").into(),
        identity: person.identity.into(),
        accept: SmolStr::default(),
        local_contact: "sip:192.0.2.99".into(),
        received: None,
        socket: socket(phone),
        user_agent: SmolStr::default(),
        instance: SmolStr::default(),
        watcher_id: format_smolstr!("i{id}"),
        display_name: SmolStr::default(),
        subscribed_at: 0,
    };
    let dialog = DialogKey::of_row(&row);
    (row, dialog)
}

/// Returns where we are for a phone that keeps a connection, as Fay's do.
pub(super) fn socket(phone: usize) -> Option<TransportAddress> {
    let address = "192.0.2.99:5060".parse().expect("an address");
    (PEOPLE[person_of(phone)].identity == "sip:fay@other.example")
        .then_some(TransportAddress { transport: Transport::TCP, address })
}

/// Returns the `id` of Event that has a number.
pub(super) fn event_id_of(number: usize) -> SmolStr {
    if number == 0 { SmolStr::default() } else { format_smolstr!("{number}") }
}
