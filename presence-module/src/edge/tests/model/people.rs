//! Who watches Dana, and with what: people, and two phones each.

use smol_str::SmolStr;

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
    smol_str::format_smolstr!("sip:p{phone}@192.0.2.1")
}

impl Person {
    pub(super) fn watcher(&self) -> UserAtDomain {
        UserAtDomain::new(self.user, self.domain)
    }
}
