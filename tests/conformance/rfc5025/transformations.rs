//! What a watcher sees of a document (RFC 5025 §3.3): nothing that is not granted, each permission by itself.

use tests::pidf::{Presence, document_of};
use tests::rule_book::RuleBook;
use tests::rules::Rule;
use tests::server::Server;

use crate::scene::*;

/// Two services, two persons, two devices, with everything a permission is for; `x` is a namespace nobody knows.
const EVERYTHING: &str = "<tuple id=\"sip-1\"><status><basic>open</basic></status>\
    <rpid:class>work</rpid:class><dm:deviceID>urn:uuid:1</dm:deviceID><rpid:deviceID>urn:uuid:1</rpid:deviceID>\
    <rpid:privacy><rpid:audio/></rpid:privacy><rpid:relationship><rpid:self/></rpid:relationship>\
    <rpid:service-class><rpid:electronic/></rpid:service-class><rpid:status-icon>http://i.example/s</rpid:status-icon>\
    <rpid:user-input idle-threshold=\"600\" last-input=\"2025-01-01T08:00:00Z\">idle</rpid:user-input>\
    <x:extra xmlns:x=\"urn:x\">e</x:extra><contact>sip:dana@pres.example;gr=1</contact><note>tuple</note>\
    <timestamp>2025-01-01T08:00:00Z</timestamp></tuple>\
    <tuple id=\"tel-1\"><status><basic>closed</basic></status><rpid:class>home</rpid:class><contact>tel:+15550100</contact>\
    </tuple><note>top</note>\
    <dm:person id=\"me\"><rpid:activities><rpid:note>inner</rpid:note><rpid:away/></rpid:activities>\
    <rpid:class>work</rpid:class><rpid:mood><rpid:sad/></rpid:mood><rpid:place-is><rpid:text><rpid:ok/></rpid:text>\
    </rpid:place-is><rpid:place-type><rpid:other>x</rpid:other></rpid:place-type><rpid:privacy><rpid:text/></rpid:privacy>\
    <rpid:sphere><rpid:work/></rpid:sphere><rpid:status-icon>http://i.example/p</rpid:status-icon>\
    <rpid:time-offset>60</rpid:time-offset><rpid:user-input idle-threshold=\"60\">active</rpid:user-input>\
    <x:extra xmlns:x=\"urn:x\">e</x:extra><dm:note>person</dm:note><dm:timestamp>2025-01-01T08:00:00Z</dm:timestamp>\
    </dm:person><dm:person id=\"other\"><rpid:class>home</rpid:class></dm:person>\
    <dm:device id=\"desk\"><rpid:class>work</rpid:class><rpid:user-input>active</rpid:user-input>\
    <x:extra xmlns:x=\"urn:x\">e</x:extra><dm:deviceID>urn:uuid:1</dm:deviceID><dm:note>device</dm:note>\
    <dm:timestamp>2025-01-01T08:00:00Z</dm:timestamp></dm:device>\
    <dm:device id=\"cell\"><rpid:class>home</rpid:class><dm:deviceID>urn:uuid:2</dm:deviceID></dm:device>\
    <x:top xmlns:x=\"urn:x\"/>";

/// Dana has published it, and each watcher of a case has a rule of her own: one server, one document, one look.
fn seen_by_rule(transformations: &[String]) -> Vec<Presence> {
    let server = server_that_asks();
    let _desk = publishing(&server, &document_of(DANA, EVERYTHING));
    let identity = |number: usize| format!("sip:case-{number}@watch.example");
    let rule = |(number, provide): (usize, &String)| {
        Rule::new(&format!("r{number}")).one(&identity(number)).handling("allow").provide(provide)
    };
    let rules: Vec<_> = transformations.iter().enumerate().map(rule).collect();
    RuleBook::open(&server).set(DANA, &rules);
    let see = |number: usize| fetched(&server, &identity(number)).presence().clone();
    (0..transformations.len()).map(see).collect()
}

fn all_components() -> String {
    ["services", "persons", "devices"]
        .map(|what| format!("<pr:provide-{what}><pr:all-{what}/></pr:provide-{what}>"))
        .concat()
}

fn granted(name: &str) -> String {
    format!("<pr:provide-{name}>true</pr:provide-{name}>")
}

/// Each selection must leave exactly these occurrences.
fn check_selections(cases: &[(&str, &[&str])]) {
    let transformations: Vec<_> = cases.iter().map(|(selection, _)| (*selection).to_owned()).collect();
    for ((selection, expected), seen) in cases.iter().zip(seen_by_rule(&transformations)) {
        assert_eq!(seen.ids(), *expected, "{selection}");
    }
}

/// What each permission adds to what is always seen: names of the children of each occurrence.
fn check_attributes(cases: &[(String, &[(&str, &str)])]) {
    let transformations: Vec<_> = cases.iter().map(|(provide, _)| format!("{}{provide}", all_components())).collect();
    for ((provide, added), seen) in cases.iter().zip(seen_by_rule(&transformations)) {
        for (id, always) in ALWAYS {
            let names = |id: &str| seen.occurrence(id).unwrap_or_else(|| panic!("{provide}: no {id}")).child_names();
            let mut expected: Vec<_> = always.to_vec();
            expected.extend(added.iter().filter(|(of, _)| *of == id).map(|(_, name)| *name));
            let mut names = names(id);
            names.sort_unstable();
            expected.sort_unstable();
            assert_eq!(names, expected, "{provide} in {id}");
        }
    }
}

/// §3.3.2: what goes with a component in any case.
const ALWAYS: [(&str, &[&str]); 6] = [
    ("sip-1", &["status", "service-class", "contact", "timestamp"]),
    ("tel-1", &["status", "contact"]),
    ("me", &["timestamp"]),
    ("other", &[]),
    ("desk", &["deviceID", "timestamp"]),
    ("cell", &["deviceID"]),
];

/// trap_46
#[test]
fn s3_3_1_services_are_selected_by_uri_scheme_occurrence_and_class() {
    check_selections(&[
        ("<pr:provide-services><pr:all-services/></pr:provide-services>", &["sip-1", "tel-1"]),
        (
            "<pr:provide-services><pr:service-uri>sip:dana@PRES.example;gr=1</pr:service-uri></pr:provide-services>",
            &["sip-1"],
        ),
        ("<pr:provide-services><pr:service-uri-scheme>tel</pr:service-uri-scheme></pr:provide-services>", &["tel-1"]),
        ("<pr:provide-services><pr:occurrence-id>tel-1</pr:occurrence-id></pr:provide-services>", &["tel-1"]),
        ("<pr:provide-services><pr:class>work</pr:class></pr:provide-services>", &["sip-1"]),
        (
            "<pr:provide-services><pr:class>work</pr:class><pr:occurrence-id>tel-1</pr:occurrence-id></pr:provide-services>",
            &["sip-1", "tel-1"],
        ),
    ]);
}

/// What is selected by nothing, or by what is spelt otherwise, leaves the document of one who is offline. trap_50
#[test]
fn s3_3_1_a_selection_that_finds_nothing_shows_nothing() {
    let selections = [
        "<pr:provide-services/>",
        "<pr:provide-services><pr:class>Work</pr:class></pr:provide-services>",
        "<pr:provide-services><pr:occurrence-id>SIP-1</pr:occurrence-id></pr:provide-services>",
        "<pr:provide-services><pr:service-uri-scheme>SIP</pr:service-uri-scheme></pr:provide-services>",
        "<pr:provide-services><pr:service-uri>sips:dana@pres.example;gr=1</pr:service-uri></pr:provide-services>",
        "<pr:provide-mood>true</pr:provide-mood>",
    ];
    let seen = seen_by_rule(&selections.map(str::to_owned));
    for (selection, presence) in selections.iter().zip(seen) {
        assert!(presence.is_closed_once() && presence.ids() != ["sip-1"], "{selection}: {presence:?}");
        assert_eq!(presence.root.children.len(), 1, "{selection}: {presence:?}");
    }
}

#[test]
fn s3_3_1_persons_and_devices_are_selected_by_occurrence_class_and_device_id() {
    check_selections(&[
        ("<pr:provide-persons><pr:all-persons/></pr:provide-persons>", &["me", "other"]),
        ("<pr:provide-persons><pr:occurrence-id>other</pr:occurrence-id></pr:provide-persons>", &["other"]),
        ("<pr:provide-persons><pr:class>work</pr:class></pr:provide-persons>", &["me"]),
        ("<pr:provide-devices><pr:all-devices/></pr:provide-devices>", &["desk", "cell"]),
        ("<pr:provide-devices><pr:deviceID>urn:uuid:2</pr:deviceID></pr:provide-devices>", &["cell"]),
        ("<pr:provide-devices><pr:occurrence-id>desk</pr:occurrence-id></pr:provide-devices>", &["desk"]),
        ("<pr:provide-devices><pr:class>home</pr:class></pr:provide-devices>", &["cell"]),
        (
            "<pr:provide-persons><pr:class>home</pr:class></pr:provide-persons>\
             <pr:provide-devices><pr:class>work</pr:class></pr:provide-devices>",
            &["other", "desk"],
        ),
    ]);
}

/// Nothing is shown but what is granted; class selects although it is not shown. trap_46
#[test]
fn s3_3_2_each_permission_shows_its_attribute_and_no_other() {
    check_attributes(&[
        (String::new(), &[]),
        (granted("activities"), &[("me", "activities")]),
        (
            granted("class"),
            &[
                ("sip-1", "class"),
                ("tel-1", "class"),
                ("me", "class"),
                ("other", "class"),
                ("desk", "class"),
                ("cell", "class"),
            ],
        ),
        (granted("deviceID"), &[("sip-1", "deviceID"), ("sip-1", "deviceID")]),
        (granted("mood"), &[("me", "mood")]),
        (granted("place-is"), &[("me", "place-is")]),
        (granted("place-type"), &[("me", "place-type")]),
        (granted("privacy"), &[("sip-1", "privacy"), ("me", "privacy")]),
        (granted("relationship"), &[("sip-1", "relationship")]),
        (granted("status-icon"), &[("sip-1", "status-icon"), ("me", "status-icon")]),
        (granted("sphere"), &[("me", "sphere")]),
        (granted("time-offset"), &[("me", "time-offset")]),
        (granted("note"), &[("sip-1", "note"), ("me", "note"), ("desk", "note")]),
        ("<pr:provide-mood> 1\n</pr:provide-mood><pr:provide-note>0</pr:provide-note>".into(), &[("me", "mood")]),
        (
            "<pr:provide-unknown-attribute name=\"extra\" ns=\"urn:x\">true</pr:provide-unknown-attribute>".into(),
            &[("sip-1", "extra"), ("me", "extra"), ("desk", "extra")],
        ),
        (
            "<pr:provide-unknown-attribute name=\"extra\" ns=\"urn:y\">true</pr:provide-unknown-attribute>\
             <pr:provide-unknown-attribute name=\"other\" ns=\"urn:x\">true</pr:provide-unknown-attribute>\
             <pr:provide-unknown-attribute name=\"mood\" ns=\"urn:ietf:params:xml:ns:pidf:rpid\">true\
             </pr:provide-unknown-attribute>"
                .into(),
            &[],
        ),
    ]);
}

/// §3.3.2.11: `bare` takes both times away, `thresholds` the last input, `full` nothing; the highest wins.
#[test]
fn s3_3_2_11_user_input_has_levels() {
    let level = |words: &[&str]| -> String {
        words.iter().map(|word| format!("<pr:provide-user-input>{word}</pr:provide-user-input>")).collect()
    };
    let cases = [
        (level(&["false"]), None),
        (level(&["bare"]), Some(vec![])),
        (level(&["thresholds"]), Some(vec!["idle-threshold"])),
        (level(&["full"]), Some(vec!["idle-threshold", "last-input"])),
    ];
    let transformations: Vec<_> = cases.iter().map(|(provide, _)| format!("{}{provide}", all_components())).collect();
    for ((provide, expected), seen) in cases.iter().zip(seen_by_rule(&transformations)) {
        let tuple = seen.occurrence("sip-1").expect("the service");
        let input = tuple.child(tests::pidf::RPID, "user-input");
        let names = input.map(|input| input.attributes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
        assert_eq!(&names, expected, "{provide}");
        assert!(input.is_none_or(|input| input.text == "idle"), "{provide}");
    }
}

/// §3.3.2.13: a note inside an attribute goes with the attribute; that of the document itself with `provide-note`.
#[test]
fn s3_3_2_13_notes_inside_attributes_go_with_them() {
    let provides = [granted("activities"), granted("note"), granted("note") + &granted("activities")];
    let seen = seen_by_rule(&provides.map(|provide| all_components() + &provide));
    let inner = |presence: &Presence| {
        let activities = presence.occurrence("me").expect("the person").child(tests::pidf::RPID, "activities");
        activities.map(|activities| activities.child_names().join(" "))
    };
    let has_top = |presence: &Presence| presence.root.child_names().contains(&"note");
    assert_eq!((inner(&seen[0]).as_deref(), has_top(&seen[0])), (Some("note away"), false));
    assert_eq!((inner(&seen[1]).as_deref(), has_top(&seen[1])), (None, true));
    assert_eq!((inner(&seen[2]).as_deref(), has_top(&seen[2])), (Some("note away"), true));
}

/// §3.3.2.15: all attributes, known or not, of what is selected; and what stands beside the components.
#[test]
fn s3_3_2_15_all_attributes_are_all() {
    let all = "<pr:provide-all-attributes/>";
    let server = server_that_asks();
    let _desk = publishing(&server, &document_of(DANA, EVERYTHING));
    let only_desk = "<pr:provide-devices><pr:occurrence-id>desk</pr:occurrence-id></pr:provide-devices>";
    let rules = [
        Rule::new("a").one(ANN).handling("allow").provide(&all_components()).provide(all),
        Rule::new("b").one(BOB).handling("allow").provide(only_desk).provide(all),
    ];
    RuleBook::open(&server).set(DANA, &rules);
    assert_eq!(fetched(&server, ANN).message.body, fetched(&server, DANA).message.body, "as the presentity sees it");
    let told = fetched(&server, BOB);
    assert_eq!(told.presence().ids(), ["desk"]);
    let expected = ["class", "user-input", "extra", "deviceID", "note", "timestamp"];
    assert_eq!(told.presence().occurrence("desk").map(|device| device.child_names()), Some(expected.to_vec()));
}

/// §4: what is left is a document as it might have been published: order, namespaces and bytes of what stays.
#[test]
fn s4_what_is_filtered_twice_is_filtered_once() {
    let provides = [all_components() + &granted("mood") + &granted("note")];
    let first = seen_by_rule(&provides).remove(0);
    assert_eq!(first.occurrence("me").map(|person| person.child_names()), Some(vec!["mood", "note", "timestamp"]));
    // Dana publishes what Ann saw; under the same rule it is seen whole.
    let server = Server::quickstart();
    let reduced = format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"{DANA}\"><tuple id=\"t\">\
         <status><basic>open</basic></status><contact>sip:d@d.example</contact><note>n</note></tuple></presence>"
    );
    let _desk = publishing(&server, &reduced);
    RuleBook::open(&server).set(DANA, &[Rule::new("a").one(ANN).handling("allow").provide(&provides[0])]);
    assert_eq!(fetched(&server, ANN).message.body, fetched(&server, DANA).message.body);
}
