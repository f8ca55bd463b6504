//! What `oma` makes of several publications.

use insta::assert_snapshot;

use super::{CELL, DESK, Policy, Source, composed_sources, document};

fn composed(documents: &[&str]) -> String {
    super::composed(Policy::Oma, documents)
}

/// A document of one tuple.
fn tuple(id: &str, basic: &str, inner: &str) -> String {
    document(&format!(r#"<tuple id="{id}"><status><basic>{basic}</basic></status>{inner}</tuple>"#))
}

/// How many tuples `documents` come to.
fn check_tuples(documents: &[String], expected: usize) {
    let documents: Vec<_> = documents.iter().map(String::as_str).collect();
    let composed = composed(&documents);
    assert_eq!(composed.matches("<tuple").count(), expected, "{composed}");
}

#[test]
fn services_that_differ_stand_side_by_side() {
    assert_eq!(composed(&[DESK, CELL]), super::composed(Policy::Union, &[DESK, CELL]));
}

#[test]
fn one_service_of_two_devices_is_one_tuple() {
    let desk = tuple(
        "desk",
        "open",
        r#"<dm:deviceID>urn:1</dm:deviceID><rpid:user-input>idle</rpid:user-input><rpid:privacy><rpid:audio/></rpid:privacy><contact priority="0.8">sip:a@x</contact><note>at the desk</note><note xml:lang="de">am Tisch</note><timestamp>2025-03-04T08:15:00Z</timestamp>"#,
    );
    let cell = tuple(
        "cell",
        "open",
        r#"<dm:deviceID>urn:2</dm:deviceID><rpid:user-input>active</rpid:user-input><e:e xmlns:e="urn:e"/><contact priority="0.3">sip:a@x</contact><note>on the train</note><timestamp>2025-03-04T08:16:00Z</timestamp>"#,
    );
    let expected = composed(&[&desk, &cell]);
    assert_snapshot!(expected, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="cell"><status><basic>open</basic></status><dm:deviceID>urn:2</dm:deviceID><rpid:user-input>active</rpid:user-input><e:e xmlns:e="urn:e"/><dm:deviceID>urn:1</dm:deviceID><rpid:privacy><rpid:audio/></rpid:privacy><contact priority="0.8">sip:a@x</contact><note>on the train</note><timestamp>2025-03-04T08:16:00Z</timestamp></tuple>
    </presence>
    "#);
    // The timestamps decide, not who came last; the id is the first in order, whoever is the newest.
    assert_eq!(composed(&[&cell, &desk]), expected);
}

#[test]
fn contact_service_and_class_tell_services_apart() {
    let with = |inner: &str| tuple(&format!("t{}", inner.len()), "open", inner);
    let op = |id: &str, version: &str, description: &str| {
        with(&format!(
            r#"<op:service-description xmlns:op="urn:oma:xml:prs:pidf:oma-pres"><op:service-id>{id}</op:service-id><op:version>{version}</op:version><op:description>{description}</op:description></op:service-description>"#
        ))
    };
    let electronic = "<rpid:service-class><rpid:electronic/></rpid:service-class>";
    let cases = [
        with(""),
        with("<contact>sip:a@x</contact>"),
        with("<contact>sip:bb@x</contact>"),
        with(&format!("{electronic}<contact>sip:a@x</contact>")),
        with("<rpid:class>biz</rpid:class><contact>sip:a@x</contact>"),
    ];
    check_tuples(&cases, cases.len());
    let cases = [op("im", "1.0", ""), op("im", "2", ""), op("PoC", "1.0", ""), with("")];
    check_tuples(&cases, cases.len());
    check_tuples(&[op("im", "1.0", "messages"), op(" im ", "1.0", "Nachrichten")], 1);
    check_tuples(&[with("<rpid:class>biz</rpid:class>"), with("<rpid:class> BIZ </rpid:class>")], 2);
}

#[test]
fn s4_1_2_tuples_that_deny_each_other_are_kept_apart() {
    let [open, closed] = ["open", "closed"].map(|basic| tuple(basic, basic, "<contact>sip:a@x</contact>"));
    assert_snapshot!(composed(&[&open, &closed]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="open"><status><basic>open</basic></status><contact>sip:a@x</contact></tuple>
      <tuple id="closed"><status><basic>closed</basic></status><contact>sip:a@x</contact></tuple>
    </presence>
    "#);
    // One that says nothing about it denies neither, and goes with the open ones.
    let silent = document("<tuple id='s'><status><e:im xmlns:e='urn:e'/></status><contact>sip:a@x</contact></tuple>");
    let also_open = tuple("more", "open", "<rpid:user-input>idle</rpid:user-input><contact>sip:a@x</contact>");
    assert_snapshot!(composed(&[&open, &closed, &silent, &also_open]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="more"><status><basic>open</basic><e:im xmlns:e="urn:e"/></status><rpid:user-input>idle</rpid:user-input><contact>sip:a@x</contact></tuple>
      <tuple id="closed"><status><basic>closed</basic></status><contact>sip:a@x</contact></tuple>
    </presence>
    "#);
}

#[test]
fn of_leftovers_nothing_remains() {
    let tuple = |basic, inner: &str| tuple("t", basic, &format!("{inner}<contact>sip:a@x</contact>"));
    let leftover = tuple("open", "<rpid:user-input>idle</rpid:user-input>");
    assert_eq!(composed(&[&leftover, &tuple("closed", "")]), composed(&[&tuple("closed", "")]));
}

#[test]
fn a_service_one_publication_holds_twice_merges_with_none() {
    let twice = document(
        "<tuple id='a'><status><basic>open</basic></status></tuple><tuple id='b'><status><basic>open</basic></status></tuple>",
    );
    check_tuples(std::slice::from_ref(&twice), 2);
    check_tuples(&[twice.clone(), tuple("c", "open", "")], 3);
    check_tuples(&[tuple("c", "open", ""), twice, tuple("d", "open", "")], 4);
}

#[test]
fn of_equal_contacts_the_one_preferred_most_is_kept() {
    let with = |id: &str, priority: &str| tuple(id, "open", &format!("<contact{priority}>sip:a@x</contact>"));
    let check = |first, second, expected: &str| {
        let composed = composed(&[&with("a", first), &with("b", second)]);
        assert!(composed.contains(&format!("<contact{expected}>")), "{composed}");
    };
    check(" priority='0.8'", " priority='0.3'", " priority='0.8'");
    check(" priority='0.3'", " priority='0.8'", " priority='0.8'");
    check(" priority='0.05'", "", " priority='0.05'");
    // Out of range is as absent (RFC 3863 §4.1.5), and of equal ones the newest counts.
    check(" priority='0.0'", " priority='7'", " priority='0.0'");
    check(" priority='7'", " priority='-1'", " priority='-1'");
}

#[test]
fn the_status_is_merged_one_by_one() {
    let first = document(
        "<tuple id='t'><status><basic>open</basic><e:call xmlns:e='urn:e'>ringing</e:call><e:im xmlns:e='urn:e'>busy</e:im></status></tuple>",
    );
    let second = document("<tuple id='u'><status><e:im xmlns:e='urn:e'>free</e:im></status></tuple>");
    assert_snapshot!(composed(&[&first, &second]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t"><status><basic>open</basic><e:im xmlns:e="urn:e">free</e:im><e:call xmlns:e="urn:e">ringing</e:call></status></tuple>
    </presence>
    "#);
}

#[test]
fn one_person_is_told_by_all() {
    let person = |id: &str, inner: &str| document(&format!(r#"<dm:person id="{id}">{inner}</dm:person>"#));
    let desk = person(
        "desk",
        "<rpid:activities><rpid:meeting/></rpid:activities><rpid:mood><rpid:happy/></rpid:mood><dm:note>back at ten</dm:note>",
    );
    let cell = person(
        "cell",
        "<rpid:activities><rpid:meal/></rpid:activities><rpid:activities from='x'/><rpid:place-type><rpid:other>train</rpid:other></rpid:place-type>",
    );
    assert_snapshot!(composed(&[&desk, &cell]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <dm:person id="cell"><rpid:activities><rpid:meal/></rpid:activities><rpid:activities from='x'/><rpid:place-type><rpid:other>train</rpid:other></rpid:place-type><rpid:mood><rpid:happy/></rpid:mood><dm:note>back at ten</dm:note></dm:person>
    </presence>
    "#);
    // By timestamp, where there is one: neither clock nor arrival of the other counts then.
    let early =
        person("early", "<rpid:sphere><rpid:home/></rpid:sphere><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp>");
    let late =
        person("late", "<rpid:sphere><rpid:work/></rpid:sphere><dm:timestamp>2025-03-04T08:16:00Z</dm:timestamp>");
    assert_snapshot!(composed(&[&late, &early]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <dm:person id="early"><rpid:sphere><rpid:work/></rpid:sphere><dm:timestamp>2025-03-04T08:16:00Z</dm:timestamp></dm:person>
    </presence>
    "#);
}

#[test]
fn an_attribute_the_newest_does_not_state_keeps_the_older_value_but_not_its_timestamp() {
    let sources = [
        "<dm:person id='a'><rpid:mood><rpid:happy/></rpid:mood><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp></dm:person>",
        "<dm:person id='b'><rpid:sphere><rpid:work/></rpid:sphere></dm:person>",
    ]
    .map(document);
    let [stamped, later] = &sources;
    let composed = composed(&[stamped, later]);
    assert!(composed.contains("happy") && composed.contains("work") && !composed.contains("timestamp"), "{composed}");
}

#[test]
fn a_publication_modified_last_is_the_newest() {
    let sphere = |value| document(&format!("<dm:person id='p'><rpid:sphere><rpid:{value}/></rpid:sphere></dm:person>"));
    let [home, work] = ["home", "work"].map(sphere);
    let first = Source { body: home.as_bytes(), received_at_ms: 2_000, number: 1 };
    let second = Source { body: work.as_bytes(), received_at_ms: 1_000, number: 2 };
    let composed = composed_sources(Policy::Oma, &[first, second]);
    assert!(composed.contains("home") && !composed.contains("work"), "{composed}");
}

#[test]
fn one_device_is_told_by_all() {
    let device = |id: &str, inner: &str| document(&format!(r#"<dm:device id="{id}">{inner}</dm:device>"#));
    let first = device(
        "d1",
        "<e:battery xmlns:e='urn:e'>low</e:battery><rpid:user-input>idle</rpid:user-input><dm:deviceID>urn:1</dm:deviceID><dm:note>old</dm:note>",
    );
    let second = device("d2", "<rpid:user-input>active</rpid:user-input><dm:deviceID> urn:1 </dm:deviceID>");
    let other = device("d1", "<dm:deviceID>urn:2</dm:deviceID>");
    let nameless = device("d", "<rpid:user-input>active</rpid:user-input>");
    assert_snapshot!(composed(&[&first, &second, &other, &nameless, &nameless]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <dm:device id="d"><rpid:user-input>active</rpid:user-input></dm:device>
      <dm:device id="d-2"><rpid:user-input>active</rpid:user-input></dm:device>
      <dm:device id="d1"><rpid:user-input>active</rpid:user-input><e:battery xmlns:e="urn:e">low</e:battery><dm:deviceID> urn:1 </dm:deviceID><dm:note>old</dm:note></dm:device>
      <dm:device id="d1-2"><dm:deviceID>urn:2</dm:deviceID></dm:device>
    </presence>
    "#);
}

#[test]
fn what_is_merged_keeps_its_names_and_its_language() {
    let first = r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" xmlns:e="urn:1" entity="sip:x@y" xml:lang="de"><d:person id="p"><e:a/><d:note>weg</d:note></d:person><tuple id="t"><status><e:s>e:v</e:s></status><e:u/></tuple></presence>"#;
    let second = r#"<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns="urn:ietf:params:xml:ns:pidf:data-model" xmlns:e="urn:2" entity="sip:x@y"><person id="q"><e:a/><bare xmlns=""/></person><p:tuple id="u"><p:status><e:s/></p:status><e:u/></p:tuple></p:presence>"#;
    assert_snapshot!(composed(&[first, second]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" xmlns:e="urn:1" xmlns:p="urn:ietf:params:xml:ns:pidf" entity="sip:dana@pres.example">
      <p:tuple xmlns:e="urn:2" xmlns="urn:ietf:params:xml:ns:pidf:data-model" id="t"><p:status><e:s/><e:s xmlns:e="urn:1" xmlns="urn:ietf:params:xml:ns:pidf" xml:lang="de">e:v</e:s></p:status><e:u/><e:u xmlns:e="urn:1" xmlns="urn:ietf:params:xml:ns:pidf" xml:lang="de"/></p:tuple>
      <person xmlns:e="urn:2" xmlns="urn:ietf:params:xml:ns:pidf:data-model" id="p"><e:a/><bare xmlns=""/><e:a xmlns:e="urn:1" xmlns="urn:ietf:params:xml:ns:pidf" xml:lang="de"/><d:note xmlns="urn:ietf:params:xml:ns:pidf" xml:lang="de">weg</d:note></person>
    </presence>
    "#);
    assert_snapshot!(composed(&[second, first]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" xmlns:e="urn:1" xmlns:p="urn:ietf:params:xml:ns:pidf" entity="sip:dana@pres.example">
      <tuple id="t" xml:lang="de"><status><e:s>e:v</e:s><e:s xmlns:e="urn:2" xmlns="urn:ietf:params:xml:ns:pidf:data-model" xml:lang=""/></status><e:u/><e:u xmlns:e="urn:2" xmlns="urn:ietf:params:xml:ns:pidf:data-model" xml:lang=""/></tuple>
      <d:person id="p" xml:lang="de"><e:a/><e:a xmlns:e="urn:2" xmlns="urn:ietf:params:xml:ns:pidf:data-model" xml:lang=""/><bare xmlns="" xml:lang=""/><d:note>weg</d:note></d:person>
    </presence>
    "#);
}

#[test]
fn notes_and_extensions_are_as_in_the_union() {
    let first = document("<note>away</note><note xml:lang='en'>away</note><e:e xmlns:e='urn:e'/>");
    let second = document("<note> away </note><note>back</note><f:e xmlns:f='urn:e'/><f:e xmlns:f='urn:f'/>");
    assert_eq!(composed(&[&first, &second]), super::composed(Policy::Union, &[&first, &second]));
}
