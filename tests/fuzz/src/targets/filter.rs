//! What a watcher sees of a document: no more than its permissions name, by a judge that shares no line with the filter.

use presence::authorization::Rules;
use presence::composition::{Policy, Source, compose};
use presence::document::pidf::Pidf;
use presence::document::presence_rules::Permissions;
use presence::document::xml::Limits;
use presence::privacy_filter::filter;

use super::{parts, shown};
use crate::pidf::Presence;

/// The first part is a document of rules, the others are publications.
pub(super) fn target(data: &[u8]) {
    let mut parts = parts(data).take(4);
    let rules = parts.next().and_then(|rules| std::str::from_utf8(rules).ok()).unwrap_or_default();
    let bodies: Vec<_> = parts.filter(|body| Pidf::read(body, &Limits::default()).is_ok()).collect();
    let number = |(body, number)| Source { body, received_at_ms: number, number };
    let sources: Vec<_> = bodies.into_iter().zip(1..).map(number).collect();
    let (rules, _) = Rules::read([rules]);
    let permissions = rules.decide(Some("sip:ben@pres.example"), Some("work"), 1_700_000_000_000).permissions;
    for policy in [Policy::Oma, Policy::Union] {
        let document = compose(policy, "sip:dana@pres.example", &sources);
        check(&document, &permissions);
        check(&document, &Permissions::default());
    }
}

fn check(document: &[u8], permissions: &Permissions) {
    let filtered = filter(document, permissions);
    assert_eq!(filtered, filter(document, permissions));
    let text = String::from_utf8_lossy(&filtered);
    let seen = Presence::read(&filtered).unwrap_or_else(|error| panic!("{error} in {text}"));
    let all = Presence::read(document).expect("what is composed is valid");
    if let Err(error) = shown::check(&all.root, &seen.root, permissions) {
        panic!("{error}\nshown: {text}\nof: {}", String::from_utf8_lossy(document));
    }
}
