//! Whole documents: what watchers see of what publishers sent. Every case is composed in every order of its sources, and as
//! if they had begun in any.

use std::collections::HashSet;

use insta::assert_snapshot;

use super::{Policy, Source, compose};
use crate::document::child_order;
use crate::document::pidf::{Part, Pidf, closed_document};
use crate::document::xml::{Limits, elements};

mod ancestors; // what the 2006 module and its descendants got wrong
mod any_document; // what holds whatever is published
mod fidelity; // what is passed on as it was written
mod newest; // what `newest` leaves of several publications
mod oma; // what `oma` makes of several publications
mod order; // in which order things stand
mod union; // what `union` makes of several publications

const POLICIES: [Policy; 3] = [Policy::Newest, Policy::Oma, Policy::Union];

const ENTITY: &str = "sip:dana@pres.example";

const DESK: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf"
          xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
          xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
  <tuple id="desk1">
    <status><basic>open</basic></status>
    <rpid:class>biz</rpid:class>
    <dm:deviceID>urn:uuid:5f2c0c34-7a31-4c55-9a51-0d6f2b8f9e01</dm:deviceID>
    <contact priority="0.8">sip:dana@pres.example;gr=desk</contact>
    <timestamp>2025-03-04T08:15:00Z</timestamp>
  </tuple>
  <dm:person id="pdana"><rpid:activities><rpid:meeting/></rpid:activities>
    <dm:note xml:lang="en">back at ten</dm:note>
    <dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp></dm:person>
</presence>"#;

const CELL: &str = r#"<?xml version="1.0"?>
<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="pres:dana@pres.example">
  <p:tuple id="cell1"><p:status><p:basic>closed</p:basic></p:status>
    <p:contact priority="0.3">tel:+15550100</p:contact>
    <p:timestamp>2025-03-04T07:59:10Z</p:timestamp></p:tuple>
</p:presence>"#;

/// Wraps top-level elements in a document that declares the usual prefixes.
fn document(content: &str) -> String {
    format!(
        r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:x@y">{content}</presence>"#
    )
}

/// Composes documents received one second after another, after every instant they name.
fn composed(policy: Policy, documents: &[&str]) -> String {
    let sources: Vec<Source<'_>> = documents
        .iter()
        .zip(1_742_000_000..)
        .map(|(body, second)| Source { body: body.as_bytes(), received_at_ms: second * 1000, number: second })
        .collect();
    composed_sources(policy, &sources)
}

/// Composes `sources` in every order and checks the result as its receiver would.
fn composed_sources(policy: Policy, sources: &[Source<'_>]) -> String {
    for source in sources {
        Pidf::read(source.body, &Limits::default()).expect("a test's documents are valid");
    }
    let expected = compose(policy, ENTITY, sources);
    let moments: HashSet<_> = sources.iter().map(|source| source.received_at_ms).collect();
    for mut permutation in permutations(sources) {
        assert_eq!(compose(policy, ENTITY, &permutation), expected, "the order of sources shows");
        // Which began first tells only what came at one moment apart.
        if moments.len() == sources.len() {
            (1..).zip(&mut permutation).for_each(|(number, source)| source.number = number);
            assert_eq!(compose(policy, ENTITY, &permutation), expected, "the order of beginning shows");
        }
    }
    assert_valid(&expected);
    String::from_utf8(expected).expect("documents are UTF-8")
}

fn permutations<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for shorter in permutations(rest) {
        for at in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(at, *first);
            all.push(longer);
        }
    }
    all
}

/// Checks what the schemas ask of a document, and that nothing is in it that no watcher needs.
fn assert_valid(document: &[u8]) {
    let pidf = Pidf::read(document, &Limits::default())
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(document)));
    assert!(document.starts_with(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\""));
    assert!(!pidf.root().document().descendants().any(|node| node.is_comment() || node.is_pi()));
    let (mut ids, mut last) = (HashSet::new(), 0);
    for part in pidf.parts() {
        let (id, place) = match part {
            Part::Tuple(tuple) => (Some(tuple.id()), 0),
            Part::Note(_) => (None, 1),
            Part::Person(person) => (Some(person.id()), 2),
            Part::Device(device) => (Some(device.id()), 2),
            Part::Extension(_) => (None, 2),
        };
        assert!(id.is_none_or(|id| ids.insert(id)), "id {id:?} given twice");
        assert!(id.is_none_or(|id| id.starts_with(char::is_alphabetic) && !id.contains(' ')), "id {id:?} is no name");
        assert!(last <= place, "parts out of order");
        last = place;
        let parents = std::iter::once(part.node()).filter(|_| id.is_some());
        for parent in parents.chain(part.as_tuple().and_then(|tuple| tuple.status())) {
            assert!(child_order::of(parent).into_iter().eq(elements(parent)), "children out of order in {parent:?}");
        }
    }
}

#[test]
fn every_policy_has_a_name() {
    for (token, policy) in [("newest", Policy::Newest), ("oma", Policy::Oma), ("union", Policy::Union)] {
        assert_eq!(Policy::from_token(token), Some(policy));
    }
    assert_eq!(Policy::from_token("Union"), None);
    assert_eq!(Policy::from_token(""), None);
}

#[test]
fn nothing_published_is_one_closed_tuple() {
    assert_snapshot!(composed(Policy::Union, &[]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:dana@pres.example">
      <tuple id="off"><status><basic>closed</basic></status></tuple>
    </presence>
    "#);
    for policy in POLICIES {
        assert_eq!(composed(policy, &[]).as_bytes(), closed_document(ENTITY));
        assert_eq!(composed(policy, &[&document("")]).as_bytes(), closed_document(ENTITY));
        let nobody = [&*document("<!-- nobody -->"), &*document(" ")];
        assert_eq!(composed(policy, &nobody).as_bytes(), closed_document(ENTITY));
    }
}

#[test]
fn an_entity_is_escaped() {
    let entity = "sip:\"d&a\"<n>'a\u{1}@x";
    assert_snapshot!(String::from_utf8(compose(Policy::Union, entity, &[])).unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:&quot;d&amp;a&quot;&lt;n&gt;'a�@x">
      <tuple id="off"><status><basic>closed</basic></status></tuple>
    </presence>
    "#);
    let body = document("<note>n</note>");
    let source = Source { body: body.as_bytes(), received_at_ms: 0, number: 1 };
    for policy in POLICIES {
        let out = compose(policy, entity, &[source]);
        assert_eq!(Pidf::read(&out, &Limits::default()).unwrap().entity(), "sip:\"d&a\"<n>'a\u{fffd}@x");
    }
}

#[test]
fn a_source_that_cannot_be_read_is_passed_over() {
    let source = |body, number| Source { body, received_at_ms: number, number };
    let unreadable: [&[u8]; 4] = [b"", b"<presence", b"\xff", b"<presence entity='sip:x@y'/>"];
    for (policy, body) in POLICIES.into_iter().flat_map(|policy| unreadable.map(|body| (policy, body))) {
        let out = compose(policy, ENTITY, &[source(DESK.as_bytes(), 1), source(body, 2)]);
        assert_eq!(out, composed(policy, &[DESK]).as_bytes());
    }
}
