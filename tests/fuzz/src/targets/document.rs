//! Presence documents: what is accepted is XML to another reader too, and what is composed of it is valid whatever it was.

use presence::composition::{Policy, Source, compose};
use presence::document::pidf::Pidf;
use presence::document::xml::{Limits, Xml};

use super::parts;
use crate::pidf::Presence;
use crate::xml::Element;

const ENTITY: &str = "sip:dana@pres.example";
const POLICIES: [Policy; 3] = [Policy::Newest, Policy::Oma, Policy::Union];

/// Every part is a document of one publication.
pub(super) fn target(data: &[u8]) {
    let mut bodies = Vec::new();
    for body in parts(data).take(4) {
        if Xml::read(body, &Limits::default()).is_ok() {
            Element::read(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)));
        }
        match Pidf::read(body, &Limits::default()) {
            Ok(_) => bodies.push(body),
            Err(refusal) => check_phrase(&refusal.to_string()),
        }
    }
    for policy in POLICIES {
        check_composed(policy, &bodies);
    }
}

/// A reason phrase says nothing that a header may not hold.
fn check_phrase(phrase: &str) {
    assert!(phrase.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" :-".contains(&byte)), "{phrase}");
}

fn check_composed(policy: Policy, bodies: &[&[u8]]) {
    let mut sources: Vec<_> = bodies.iter().zip(1..).map(|(body, number)| source(body, number)).collect();
    let composed = compose(policy, ENTITY, &sources);
    check_valid(policy, &composed);
    sources.reverse();
    assert_eq!(composed, compose(policy, ENTITY, &sources), "{policy:?}: in whatever order they came");
    let again = compose(policy, ENTITY, &[source(&composed, 1)]);
    assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&composed), "{policy:?}: composed again");
}

fn source(body: &[u8], number: u64) -> Source<'_> {
    Source { body, received_at_ms: number, number }
}

fn check_valid(policy: Policy, document: &[u8]) {
    let presence = Presence::read(document)
        .unwrap_or_else(|error| panic!("{policy:?}: {error} in {}", String::from_utf8_lossy(document)));
    assert_eq!(presence.entity, ENTITY);
    assert!(Pidf::read_accepted(document).is_ok());
}
