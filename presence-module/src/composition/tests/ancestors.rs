//! What the composition of 2006 and of its descendants got wrong, each under every policy it concerns.

use insta::assert_snapshot;

use super::{DESK, ENTITY, POLICIES, Policy, Source, composed, document};
use crate::composition::compose;
use crate::document::pidf::{Pidf, closed_document};
use crate::document::xml::Limits;

const BOTH: [Policy; 2] = [Policy::Oma, Policy::Union];

fn tuple(id: &str, basic: &str, contact: &str) -> String {
    format!(r#"<tuple id="{id}"><status><basic>{basic}</basic></status><contact>{contact}</contact></tuple>"#)
}

/// A document was left out whole if its first tuple had an id that a newer document had too.
#[test]
fn a_document_is_not_lost_because_its_first_tuple_has_an_id_of_another() {
    let older = document(&(tuple("t1", "open", "sip:a@x") + &tuple("t2", "open", "sip:b@x") + "<note>older</note>"));
    let newer = document(&tuple("t1", "closed", "sip:c@x"));
    for policy in BOTH {
        let composed = composed(policy, &[&older, &newer]);
        for part in ["sip:a@x", "sip:b@x", "sip:c@x", "<note>older</note>"] {
            assert!(composed.contains(part), "{policy:?}: {part} not in {composed}");
        }
    }
}

/// Only the first tuple of a document was compared; a second with an id of another document's stood there twice.
#[test]
fn the_second_tuple_of_a_document_has_an_id_of_its_own() {
    let first = document(&(tuple("a", "open", "sip:a@x") + &tuple("b", "open", "sip:b@x")));
    let second = document(&(tuple("c", "open", "sip:c@x") + &tuple("b", "open", "sip:d@x")));
    assert_snapshot!(composed(Policy::Union, &[&first, &second]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="a"><status><basic>open</basic></status><contact>sip:a@x</contact></tuple>
      <tuple id="b"><status><basic>open</basic></status><contact>sip:b@x</contact></tuple>
      <tuple id="b-2"><status><basic>open</basic></status><contact>sip:d@x</contact></tuple>
      <tuple id="c"><status><basic>open</basic></status><contact>sip:c@x</contact></tuple>
    </presence>
    "#);
}

#[test]
fn ids_that_differ_in_case_are_two() {
    let first = document(&tuple("T1", "open", "sip:a@x"));
    let second = document(&tuple("t1", "open", "sip:b@x"));
    for policy in BOTH {
        let composed = composed(policy, &[&first, &second]);
        assert!(composed.contains(r#"id="T1""#) && composed.contains(r#"id="t1""#), "{composed}");
    }
}

/// Persons and devices were appended with whatever ids they had.
#[test]
fn persons_and_devices_never_share_an_id() {
    let document = |device| {
        document(&format!(
            r#"<dm:person id="x"><rpid:mood><rpid:{device}/></rpid:mood></dm:person><dm:device id="x{device}"><dm:deviceID>urn:{device}</dm:deviceID></dm:device><dm:device id="x"/>"#
        ))
    };
    for policy in POLICIES {
        // That ids are unique is checked of every composed document.
        composed(policy, &[&document("happy"), &document("sad"), &document("happy")]);
    }
}

/// Documents were appended one to the other, which put the tuples of the second behind the persons of the first.
#[test]
fn tuples_stand_before_persons_whichever_document_they_are_from() {
    let person = document("<dm:person id='p'/><note>n</note>");
    let service = document(&tuple("t", "open", "sip:a@x"));
    for policy in BOTH {
        let composed = composed(policy, &[&service, &person]);
        let places = ["<tuple", "<note", "<dm:person"].map(|part| composed.find(part));
        assert!(places.is_sorted() && places[0].is_some(), "{composed}");
    }
}

/// A document without a tuple failed the whole composition; one that is empty crashed a descendant.
#[test]
fn a_document_without_a_tuple_is_composed_with_the_others() {
    let person = document("<dm:person id='p'/>");
    for policy in BOTH {
        let composed = composed(policy, &[DESK, &document(""), &person, &document("<!-- nothing -->")]);
        assert!(composed.contains("desk1") && composed.contains("<dm:person"), "{composed}");
    }
    for policy in POLICIES {
        assert!(composed(policy, &[&person]).contains("<dm:person id=\"p\">"));
    }
}

/// Elements were told by their local names.
#[test]
fn a_tuple_of_another_namespace_is_no_tuple() {
    let foreign = document(r#"<x:tuple xmlns:x="urn:x" id="t"><x:status><x:basic>away</x:basic></x:status></x:tuple>"#);
    let composed = composed(Policy::Oma, &[&foreign, &document(&tuple("t", "open", "sip:a@x"))]);
    assert_snapshot!(composed, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t"><status><basic>open</basic></status><contact>sip:a@x</contact></tuple>
      <x:tuple xmlns:x="urn:x" id="t"><x:status><x:basic>away</x:basic></x:status></x:tuple>
    </presence>
    "#);
}

/// To show a device closed, all but its first tuple was left out.
#[test]
fn a_closed_device_keeps_its_other_tuples_person_and_notes() {
    let content =
        tuple("a", "closed", "sip:a@x") + &tuple("b", "closed", "sip:b@x") + "<note>gone</note><dm:person id='p'/>";
    for policy in POLICIES {
        let composed = composed(policy, &[&document(&content)]);
        for part in ["sip:a@x", "sip:b@x", "<note>gone</note>", "<dm:person"] {
            assert!(composed.contains(part), "{policy:?}: {part} not in {composed}");
        }
    }
}

/// What a blocked watcher saw had the id of a real tuple, and nothing at all if nobody published.
#[test]
fn the_closed_document_says_nothing_of_what_is_published() {
    let closed = closed_document(ENTITY);
    let pidf = Pidf::read(&closed, &Limits::default()).unwrap();
    let ids: Vec<_> = pidf.parts().map(|part| part.as_tuple().map(|tuple| tuple.id())).collect();
    assert_eq!(ids, [Some("off")]);
    for policy in POLICIES {
        assert_eq!(compose(policy, ENTITY, &[]), closed);
    }
}

/// A document type was passed on to the watchers.
#[test]
fn a_document_type_is_refused_and_never_passed_on() {
    let body = format!("<!DOCTYPE presence [<!ENTITY e 'x'>]>{}", document("<note>&e;</note>"));
    assert!(Pidf::read(body.as_bytes(), &Limits::default()).is_err());
    // Not even if a row that another server wrote holds one.
    let row = Source { body: body.as_bytes(), received_at_ms: 2, number: 2 };
    let desk = Source { body: DESK.as_bytes(), received_at_ms: 1, number: 1 };
    for policy in POLICIES {
        assert_eq!(compose(policy, ENTITY, &[row]), closed_document(ENTITY));
        assert_eq!(compose(policy, ENTITY, &[row, desk]), composed(policy, &[DESK]).as_bytes());
    }
}

/// A status that merely began with `closed` was closed.
#[test]
fn a_status_is_compared_whole() {
    for basic in ["closedX", "opened", "CLOSED", "closed "] {
        let body = document(&tuple("t", basic, "sip:a@x"));
        assert!(Pidf::read(body.as_bytes(), &Limits::default()).is_err(), "{basic}");
    }
}

/// Documents were composed as their parts came: a repeated note stood there as often.
#[test]
fn what_is_repeated_is_said_once() {
    let body = document("<note>n</note><dm:person id='p'/><e:e xmlns:e='urn:e'/>");
    for policy in BOTH {
        let composed = composed(policy, &[&body, &body, &body]);
        for part in ["<note>", "<dm:person", "<e:e"] {
            assert_eq!(composed.matches(part).count(), 1, "{policy:?}: {composed}");
        }
    }
}

/// The row another server wrote may hold what is refused of a publisher.
#[test]
fn a_row_that_would_not_be_accepted_is_composed_all_the_same() {
    let body = document("<tuple><status/></tuple><tuple id='1'/><dm:person/>");
    let row = Source { body: body.as_bytes(), received_at_ms: 1, number: 1 };
    for policy in POLICIES {
        let out = compose(policy, ENTITY, &[row, row]);
        let composed = String::from_utf8(out).unwrap();
        assert!(composed.contains(r#"<tuple id="t"><status/></tuple>"#), "{policy:?}: {composed}");
    }
}
