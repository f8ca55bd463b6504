//! Presence rules: every document of them adds to what is granted, in whatever order they are read.

use presence::authorization::{Authorization, Rules};

use super::parts;
use crate::xml::Element;

/// Who asks, in which sphere, and when.
const WATCHERS: [(Option<&str>, Option<&str>, u64); 5] = [
    (None, None, 0),
    (Some("sip:ben@pres.example"), Some("work"), 1_700_000_000_000),
    (Some("sips:Eli%40@other.example;transport=tcp"), Some("home"), 1_800_000_000_000),
    (Some("tel:+1-555-1234"), None, u64::MAX),
    (Some("no URI"), Some(""), 1),
];

/// Every part is a document of one presentity's rules.
pub(super) fn target(data: &[u8]) {
    let documents: Vec<_> = parts(data).take(4).filter_map(|part| std::str::from_utf8(part).ok()).collect();
    let (rules, malformed) = Rules::read(documents.iter().copied());
    for (number, document) in documents.iter().enumerate() {
        let is_refused = malformed.iter().any(|malformed| malformed.document == number);
        assert!(is_refused || Element::read(document.as_bytes()).is_ok(), "{document}");
    }
    let (reversed, _) = Rules::read(documents.iter().rev().copied());
    let (fewer, _) = Rules::read(documents.iter().skip(1).copied());
    assert_eq!(rules.is_absent(), reversed.is_absent());
    for (identity, sphere, now_ms) in WATCHERS {
        let decided = rules.decide(identity, sphere, now_ms);
        let other = reversed.decide(identity, sphere, now_ms);
        assert_eq!((decided.handling, &decided.permissions), (other.handling, &other.permissions));
        check_adds(&fewer.decide(identity, sphere, now_ms), &decided);
        assert!(rules.next_boundary_ms(now_ms).is_none_or(|at| at > now_ms));
        if !rules.mentions_sphere() {
            assert_eq!(decided, rules.decide(identity, Some("elsewhere"), now_ms));
        }
    }
}

/// Another document takes nothing away (RFC 4745 §10.2).
fn check_adds(before: &Authorization, after: &Authorization) {
    assert!(before.handling <= after.handling);
    let mut both = after.permissions.clone();
    both.combine(&before.permissions);
    assert_eq!(both, after.permissions);
}
