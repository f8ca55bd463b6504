//! In which order things stand, and whose ids they have: never who published first, nor what state a device is in.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::any_document::any_document;
use super::{ENTITY, Policy, Source, document, permutations};
use crate::composition::compose;
use crate::document::pidf::{Part, Pidf};
use crate::document::xml::Limits;

fn composed(documents: &[&str]) -> String {
    super::composed(Policy::Union, documents)
}

#[test]
fn what_one_publisher_wrote_stays_in_its_order() {
    let check = |composed: String, expected: &[&str]| {
        let places: Vec<_> = expected.iter().map(|part| composed.find(part)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{expected:?} in {composed}");
    };
    let tuple = |id| format!(r#"<tuple id="{id}"><status><basic>closed</basic></status></tuple>"#);
    let content = tuple("z")
        + &tuple("a")
        + r#"<note>z</note><note>a</note><dm:person id="y"/><dm:person id="b"/><e:z xmlns:e="u"/><e:a xmlns:e="u"/>"#;
    let (desk, cell) = (document(&content), document(&(tuple("c") + "<note>c</note>")));
    check(composed(&[&desk]), &[r#"id="z""#, r#"id="a""#, ">z<", ">a<", r#"id="y""#, r#"id="b""#, "<e:z", "<e:a"]);
    // Beside another's, what has an id is ordered by it; the rest stays together, in the order of the publications.
    check(
        composed(&[&cell, &desk]),
        &[r#"id="a""#, r#"id="c""#, r#"id="z""#, ">z<", ">a<", ">c<", r#"id="b""#, r#"id="y""#, "<e:z", "<e:a"],
    );
}

#[test]
fn what_the_schemas_have_no_place_for_is_left_out() {
    let content = r#"<status><basic>open</basic></status><basic/><tuple id="t"><status><basic>open</basic><note/></status><basic/>
        <dm:person id="i"/></tuple><dm:person id="p"><dm:person/><dm:deviceID>urn:x</dm:deviceID><tuple id="e"/></dm:person>"#;
    assert_snapshot!(composed(&[&document(content)]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t"><status><basic>open</basic></status><dm:person id="i"/></tuple>
      <dm:person id="p"><tuple id="e"/></dm:person>
    </presence>
    "#);
}

#[test]
fn of_clashing_ids_the_first_keeps_its_own() {
    let tuple = |contact| {
        document(&format!(r#"<tuple id="t1"><status><basic>open</basic></status><contact>{contact}</contact></tuple>"#))
    };
    assert_snapshot!(composed(&[&tuple("sip:a@x"), &tuple("sip:b@x"), &tuple("sip:c@x")]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t1"><status><basic>open</basic></status><contact>sip:a@x</contact></tuple>
      <tuple id="t1-2"><status><basic>open</basic></status><contact>sip:b@x</contact></tuple>
      <tuple id="t1-3"><status><basic>open</basic></status><contact>sip:c@x</contact></tuple>
    </presence>
    "#);
}

#[test]
fn ids_stay_with_their_devices_whatever_state_those_are_in() {
    let device = |contact: &str, basic: &str, activity: &str| {
        document(&format!(
            r#"<tuple id="t"><status><basic>{basic}</basic></status><contact>{contact}</contact></tuple><dm:person id="p"><rpid:activities><rpid:{activity}/></rpid:activities><dm:note>{contact}</dm:note></dm:person>"#
        ))
    };
    // The id of the tuple and of the person that are about `contact`.
    let ids = |composed: &str, contact: &str| {
        let lines = composed.lines().filter(|line| line.contains(&format!(">{contact}<")));
        lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect::<Vec<_>>()
    };
    let states = [("open", "away"), ("closed", "meeting"), ("open", "busy")];
    for ((first, activity), (second, other_activity)) in states.iter().flat_map(|one| states.map(|other| (*one, other)))
    {
        let [one, other] = [device("sip:a@x", first, activity), device("sip:b@x", second, other_activity)];
        let composed = composed(&[&other, &one]);
        assert_eq!(ids(&composed, "sip:a@x"), ["t", "p"], "{composed}");
        assert_eq!(ids(&composed, "sip:b@x"), ["t-2", "p-2"], "{composed}");
    }
}

#[test]
fn ids_are_unique_over_tuples_persons_and_devices() {
    let first = document(
        r#"<tuple id="a"><status><basic>open</basic></status></tuple><dm:device id="b"><dm:deviceID>urn:1</dm:deviceID></dm:device>"#,
    );
    let second =
        document(r#"<dm:person id="a"/><dm:device id="a"><dm:deviceID>urn:2</dm:deviceID></dm:device><dm:person/>"#);
    assert_snapshot!(composed(&[&first, &second]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="a"><status><basic>open</basic></status></tuple>
      <dm:person id="p"></dm:person>
      <dm:person id="a-2"></dm:person>
      <dm:device id="b"><dm:deviceID>urn:1</dm:deviceID></dm:device>
      <dm:device id="a-3"><dm:deviceID>urn:2</dm:deviceID></dm:device>
    </presence>
    "#);
}

#[test]
fn what_counts_comes_first_whoever_published_first() {
    let idle = document(
        r#"<tuple id="a"><status><basic>closed</basic></status></tuple><dm:person id="p"><rpid:activities/></dm:person>"#,
    );
    let busy = document(
        r#"<tuple id="b"><status><basic>open</basic></status></tuple><dm:person id="q"><rpid:activities><rpid:busy/></rpid:activities></dm:person>"#,
    );
    assert_snapshot!(composed(&[&idle, &busy]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="b"><status><basic>open</basic></status></tuple>
      <tuple id="a"><status><basic>closed</basic></status></tuple>
      <dm:person id="q"><rpid:activities><rpid:busy/></rpid:activities></dm:person>
      <dm:person id="p"><rpid:activities/></dm:person>
    </presence>
    "#);
}

/// What `policy` may have to choose between if two publications hold it.
fn things(policy: Policy, document: &str) -> BTreeSet<String> {
    let pidf = Pidf::read(document.as_bytes(), &Limits::default()).unwrap();
    let thing = |part| match part {
        Part::Tuple(tuple) if policy == Policy::Oma => Some(format!("service {:?}", tuple.contact())),
        Part::Tuple(tuple) => Some(format!("service {:?} {:?}", tuple.id(), tuple.contact())),
        Part::Person(_) if policy == Policy::Oma => Some("person".to_owned()),
        Part::Device(device) => device.device_id().map(|device_id| format!("device {device_id}")),
        Part::Person(_) | Part::Note(_) | Part::Extension(_) => None,
    };
    pidf.parts().filter_map(thing).collect()
}

proptest! {
    // That numbers show nowhere, conflict or not, is checked of every composed document.
    #[test]
    fn the_order_of_arrival_does_not_show(documents in prop::collection::vec(any_document(), 2..4)) {
        for policy in [Policy::Oma, Policy::Union] {
            let things: Vec<_> = documents.iter().map(|document| things(policy, document)).collect();
            let all: BTreeSet<_> = things.iter().flatten().collect();
            if all.len() < things.iter().map(BTreeSet::len).sum() {
                continue;
            }
            let bodies: Vec<_> = documents.iter().map(String::as_bytes).collect();
            let composed: BTreeSet<_> = permutations(&bodies)
                .iter()
                .map(|bodies| {
                    let sources = bodies.iter().zip(1..).map(|(body, number)| Source { body, received_at_ms: number, number });
                    compose(policy, ENTITY, &sources.collect::<Vec<_>>())
                })
                .collect();
            prop_assert_eq!(composed.len(), 1, "{:?}", composed.iter().map(|body| String::from_utf8_lossy(body)).collect::<Vec<_>>());
        }
    }
}
