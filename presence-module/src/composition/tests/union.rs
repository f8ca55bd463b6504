//! What `union` makes of several publications.

use insta::assert_snapshot;

use super::{CELL, DESK, Policy, document};

fn composed(documents: &[&str]) -> String {
    super::composed(Policy::Union, documents)
}

#[test]
fn one_device_is_passed_on() {
    assert_snapshot!(composed(&[DESK]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="desk1"><status><basic>open</basic></status><rpid:class>biz</rpid:class><dm:deviceID>urn:uuid:5f2c0c34-7a31-4c55-9a51-0d6f2b8f9e01</dm:deviceID><contact priority="0.8">sip:dana@pres.example;gr=desk</contact><timestamp>2025-03-04T08:15:00Z</timestamp></tuple>
      <dm:person id="pdana"><rpid:activities><rpid:meeting/></rpid:activities><dm:note xml:lang="en">back at ten</dm:note><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp></dm:person>
    </presence>
    "#);
}

#[test]
fn two_devices_stand_side_by_side() {
    assert_snapshot!(composed(&[DESK, CELL]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="desk1"><status><basic>open</basic></status><rpid:class>biz</rpid:class><dm:deviceID>urn:uuid:5f2c0c34-7a31-4c55-9a51-0d6f2b8f9e01</dm:deviceID><contact priority="0.8">sip:dana@pres.example;gr=desk</contact><timestamp>2025-03-04T08:15:00Z</timestamp></tuple>
      <p:tuple id="cell1"><p:status><p:basic>closed</p:basic></p:status><p:contact priority="0.3">tel:+15550100</p:contact><p:timestamp>2025-03-04T07:59:10Z</p:timestamp></p:tuple>
      <dm:person id="pdana"><rpid:activities><rpid:meeting/></rpid:activities><dm:note xml:lang="en">back at ten</dm:note><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp></dm:person>
    </presence>
    "#);
}

#[test]
fn of_tuples_that_are_one_service_the_newest_is_kept() {
    let tuple = |basic, time| {
        document(&format!(
            r#"<tuple id="t1"><status><basic>{basic}</basic></status><contact> sip:a@x </contact>{time}</tuple>"#
        ))
    };
    let stamped = |second| format!("<timestamp>2025-03-04T08:15:{second:02}Z</timestamp>");
    // Without timestamps the later publication counts.
    assert_snapshot!(composed(&[&tuple("open", String::new()), &tuple("closed", String::new())]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t1"><status><basic>closed</basic></status><contact> sip:a@x </contact></tuple>
    </presence>
    "#);
    // With them, the later timestamp.
    assert_snapshot!(composed(&[&tuple("open", stamped(30)), &tuple("closed", stamped(20))]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t1"><status><basic>open</basic></status><contact> sip:a@x </contact><timestamp>2025-03-04T08:15:30Z</timestamp></tuple>
    </presence>
    "#);
    // And one without is as old as its publication, which came after those timestamps.
    assert_snapshot!(composed(&[&tuple("closed", stamped(10)), &tuple("open", String::new()), &tuple("closed", stamped(9))]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t1"><status><basic>open</basic></status><contact> sip:a@x </contact></tuple>
    </presence>
    "#);
}

#[test]
fn a_clock_that_is_ahead_wins_nothing() {
    let tuple = |basic, year| {
        document(&format!(
            "<tuple id='t1'><status><basic>{basic}</basic></status><timestamp>{year}-01-01T00:00:00Z</timestamp></tuple>"
        ))
    };
    let composed = composed(&[&tuple("open", 2099), &tuple("closed", 2098)]);
    assert!(composed.contains("closed") && !composed.contains("open"), "{composed}");
}

#[test]
fn device_and_service_class_tell_services_apart() {
    let tuple = |inner: &str| {
        document(&format!(
            r#"<tuple id="t1"><status><basic>open</basic></status>{inner}<contact>sip:a@x</contact></tuple>"#
        ))
    };
    let electronic = tuple("<rpid:service-class><rpid:electronic/></rpid:service-class>");
    let courier = tuple("<rpid:service-class><rpid:courier/></rpid:service-class>");
    let device = tuple("<dm:deviceID>urn:a</dm:deviceID>");
    assert_snapshot!(composed(&[&electronic, &courier, &device, &tuple("")]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t1"><status><basic>open</basic></status><contact>sip:a@x</contact></tuple>
      <tuple id="t1-2"><status><basic>open</basic></status><rpid:service-class><rpid:courier/></rpid:service-class><contact>sip:a@x</contact></tuple>
      <tuple id="t1-3"><status><basic>open</basic></status><rpid:service-class><rpid:electronic/></rpid:service-class><contact>sip:a@x</contact></tuple>
      <tuple id="t1-4"><status><basic>open</basic></status><dm:deviceID>urn:a</dm:deviceID><contact>sip:a@x</contact></tuple>
    </presence>
    "#);
    let op = |id: &str| {
        tuple(&format!(
            "<op:service-description xmlns:op='urn:oma:xml:prs:pidf:oma-pres'><op:service-id>{id}</op:service-id></op:service-description>"
        ))
    };
    let composed_services = composed(&[&op("PoC"), &op("IM"), &op(" IM ")]);
    assert_eq!(composed_services.matches("<tuple").count(), 2, "{composed_services}");
    // RFC 4480 knew the element first, and means the same.
    let same_device = tuple("<rpid:deviceID> urn:a </rpid:deviceID>");
    assert_snapshot!(composed(&[&device, &same_device]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t1"><status><basic>open</basic></status><rpid:deviceID> urn:a </rpid:deviceID><contact>sip:a@x</contact></tuple>
    </presence>
    "#);
}

#[test]
fn ids_that_are_no_names_become_names() {
    let odd = document(
        r#"<tuple xml:id="x" id="1234"><status><basic>open</basic></status></tuple><tuple id="a b&amp;c"><status><basic>open</basic></status></tuple><dm:person id=""/><dm:device id="0-1"><dm:deviceID>urn:1</dm:deviceID></dm:device><tuple id=' t1234 '><status><basic>closed</basic></status></tuple>"#,
    );
    assert_snapshot!(composed(&[&odd]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple xml:id="x" id="t1234-2"><status><basic>open</basic></status></tuple>
      <tuple id="ta_b_c"><status><basic>open</basic></status></tuple>
      <tuple id="t1234"><status><basic>closed</basic></status></tuple>
      <dm:person id="p"></dm:person>
      <dm:device id="d0-1"><dm:deviceID>urn:1</dm:deviceID></dm:device>
    </presence>
    "#);
}

#[test]
fn notes_are_kept_once_for_each_text_and_language() {
    let first = document(r#"<note xml:lang="en">away</note><note>away</note><note xml:lang="de">weg</note>"#);
    let second = r#"<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="sip:x@y" xml:lang="en"><p:note> away </p:note><p:note>back</p:note><p:tuple id="t"><p:status><p:basic>open</p:basic></p:status><p:note>hi</p:note></p:tuple></p:presence>"#;
    assert_snapshot!(composed(&[&first, second]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <p:tuple id="t" xml:lang="en"><p:status><p:basic>open</p:basic></p:status><p:note>hi</p:note></p:tuple>
      <note xml:lang="en">away</note>
      <note>away</note>
      <note xml:lang="de">weg</note>
      <p:note xml:lang="en">back</p:note>
    </presence>
    "#);
}

#[test]
fn one_word_in_two_languages_is_two() {
    let person = |language| {
        document("<dm:person id='p'><dm:note>Pain</dm:note></dm:person><e:e xmlns:e='urn:e'>Pain</e:e>")
            .replace(" entity=", &format!(" xml:lang='{language}' entity="))
    };
    assert_snapshot!(composed(&[&person("en"), &person("fr"), &person("en")]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <dm:person id="p" xml:lang="en"><dm:note>Pain</dm:note></dm:person>
      <dm:person id="p-2" xml:lang="fr"><dm:note>Pain</dm:note></dm:person>
      <e:e xmlns:e="urn:e" xml:lang="en">Pain</e:e>
      <e:e xmlns:e="urn:e" xml:lang="fr">Pain</e:e>
    </presence>
    "#);
}

#[test]
fn several_persons_stay_several_and_a_repeated_one_is_one() {
    let person = |activity| {
        document(&format!(r#"<dm:person id="p"><rpid:activities><rpid:{activity}/></rpid:activities></dm:person>"#))
    };
    assert_snapshot!(composed(&[&person("away"), &person("meeting"), &person("away")]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <dm:person id="p"><rpid:activities><rpid:away/></rpid:activities></dm:person>
      <dm:person id="p-2"><rpid:activities><rpid:meeting/></rpid:activities></dm:person>
    </presence>
    "#);
}

#[test]
fn of_one_device_the_newest_is_kept() {
    let device = |id: &str, inner: &str| {
        document(&format!(r#"<dm:device id="{id}">{inner}<rpid:user-input>active</rpid:user-input></dm:device>"#))
    };
    let stamped = |second: u32| {
        format!("<dm:deviceID>urn:1</dm:deviceID><dm:timestamp>2025-03-04T08:15:{second:02}Z</dm:timestamp>")
    };
    let nameless = device("d3", "");
    assert_snapshot!(composed(&[&device("d1", &stamped(20)), &device("d2", &stamped(10)), &nameless, &nameless]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <dm:device id="d3"><rpid:user-input>active</rpid:user-input></dm:device>
      <dm:device id="d3-2"><rpid:user-input>active</rpid:user-input></dm:device>
      <dm:device id="d1"><rpid:user-input>active</rpid:user-input><dm:deviceID>urn:1</dm:deviceID><dm:timestamp>2025-03-04T08:15:20Z</dm:timestamp></dm:device>
    </presence>
    "#);
}
