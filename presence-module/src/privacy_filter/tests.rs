//! Whole documents, and what is left of them under permissions written as an owner writes them.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::composition::{Policy, Source, compose};
use crate::document::pidf::closed_document;
use crate::document::presence_rules::{Attribute, Components};
use crate::document::xml::{Limits, Xml};

const ENTITY: &str = "sip:dana@pres.example";

/// One of everything.
const RICH: &str = r#"
  <tuple id="desk" xml:lang="en"><status><basic>open</basic><g:geopriv/></status><r:class>biz</r:class><dm:deviceID>urn:1</dm:deviceID><r:privacy><r:audio/></r:privacy><r:relationship><r:self/></r:relationship><r:service-class><r:electronic/><r:note>s</r:note></r:service-class><r:status-icon>http://x/t</r:status-icon><r:user-input id="u1" idle-threshold="600" last-input="2025-03-04T08:00:00Z">idle</r:user-input><c:servcaps/><contact priority="0.8">sip:dana@pres.example;gr=desk</contact><note>tuple's</note><timestamp>2025-03-04T08:15:00Z</timestamp></tuple>
  <tuple id="mail"><status><basic>closed</basic></status><r:class>home</r:class><contact>mailto:dana@pres.example</contact></tuple>
  <tuple id="bare"><status><basic>open</basic></status></tuple>
  <note xml:lang="en">presence's</note>
  <dm:person id="pdana"><r:activities from="2025-03-04T08:00:00Z"><r:note>a</r:note><r:meeting/></r:activities><r:class>biz</r:class><r:mood><r:note>m</r:note><r:happy/></r:mood><r:place-is><r:audio><r:quiet/></r:audio></r:place-is><r:place-type><lt:office xmlns:lt="urn:ietf:params:xml:ns:location-type"/></r:place-type><r:privacy><r:text/></r:privacy><r:sphere><r:work/></r:sphere><r:status-icon>http://x/p</r:status-icon><r:time-offset>60</r:time-offset><r:user-input last-input="2025-03-04T08:00:00Z">active</r:user-input><c:homepage/><dm:note>person's</dm:note><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp></dm:person>
  <dm:person id="phome"><r:class>home</r:class></dm:person>
  <dm:device id="dpc"><r:class>biz</r:class><r:user-input idle-threshold="60">idle</r:user-input><c:devcaps/><dm:deviceID>urn:1</dm:deviceID><dm:note>device's</dm:note><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp></dm:device>
  <dm:device id="dcell"><r:class>home</r:class><dm:deviceID>urn:2</dm:deviceID></dm:device>
  <g:more/>
"#;

const COMPONENTS: &str = "<provide-services><all-services/></provide-services><provide-persons><all-persons/></provide-persons><provide-devices><all-devices/></provide-devices>";

/// Composes a document with `content`, as a watcher's would be.
fn composed(content: &str) -> Vec<u8> {
    let body = format!(
        r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:c="urn:c" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:g="urn:g" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="{ENTITY}">{content}</presence>"#
    );
    Pidf::read(body.as_bytes(), &Limits::default()).expect("a test's documents are valid");
    compose(Policy::Union, ENTITY, &[Source { body: body.as_bytes(), received_at_ms: 0, number: 1 }])
}

fn permissions(transformations: &str) -> Permissions {
    let document = format!(r#"<r xmlns="urn:ietf:params:xml:ns:pres-rules">{transformations}</r>"#);
    let xml = Xml::read(document.as_bytes(), &Limits::default()).unwrap();
    Permissions::read(xml::elements(xml.root()))
}

/// Filters what is composed of `content`, checks that filtering again changes nothing, and returns what is inside of `presence`.
fn filtered(content: &str, transformations: &str) -> String {
    let permissions = permissions(transformations);
    let once = filter(&composed(content), &permissions);
    Pidf::read(&once, &Limits::default()).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&once)));
    if !hides_a_class_it_selects_by(&permissions) {
        assert_eq!(filter(&once, &permissions), once, "D = F(D): {transformations}");
    }
    let text = String::from_utf8(once).unwrap();
    let start = text.find(">\n  <").unwrap() + 2;
    text[start..].trim_end().strip_suffix("</presence>").unwrap().to_owned()
}

fn hides_a_class_it_selects_by(permissions: &Permissions) -> bool {
    let by_class =
        |components: &Components| matches!(components, Components::Selected(selected) if !selected.classes.is_empty());
    !permissions.attributes.include(Attribute::Class)
        && [&permissions.services, &permissions.persons, &permissions.devices].into_iter().any(by_class)
}

/// Returns the ids of what `transformations` choose, one of everything given.
fn chosen(transformations: &str) -> Vec<String> {
    let text = filtered(RICH, transformations);
    let ids = text.lines().filter_map(|line| line.split_once(" id=\"")?.1.split_once('"'));
    ids.map(|(id, _)| id.to_owned()).collect()
}

fn check_chosen(transformations: &str, expected: &[&str]) {
    assert_eq!(chosen(transformations), expected, "{transformations}");
}

/// Checks that `transformation` adds exactly these elements to what is shown of everything without it, and in their places.
fn check_shown(transformation: &str, expected: &[&str]) {
    let without = filtered(RICH, COMPONENTS);
    let with = filtered(RICH, &format!("{COMPONENTS}{transformation}"));
    let mut rest = with.clone();
    for element in expected {
        assert!(RICH.contains(element), "{element}");
        let at = rest.find(element).unwrap_or_else(|| panic!("{element} by {transformation} in {with}"));
        rest.replace_range(at..at + element.len(), "");
    }
    // The line of an element that stands on one of its own.
    assert_eq!(rest.replace("  \n", ""), without, "{transformation} shows more");
}

/// A tuple, a person and a device with `content` inside.
fn each_with(content: &str) -> String {
    format!(
        r#"<tuple id="t"><status><basic>open</basic></status>{content}</tuple><dm:person id="p">{content}</dm:person><dm:device id="d">{content}</dm:device>"#
    )
}

#[test]
fn s3_3_2_of_components_without_attributes_the_least_is_shown() {
    assert_snapshot!(filtered(RICH, COMPONENTS), @r#"
    <tuple id="desk" xml:lang="en"><status><basic>open</basic></status><r:service-class><r:electronic/><r:note>s</r:note></r:service-class><contact priority="0.8">sip:dana@pres.example;gr=desk</contact><timestamp>2025-03-04T08:15:00Z</timestamp></tuple>
    <tuple id="mail"><status><basic>closed</basic></status><contact>mailto:dana@pres.example</contact></tuple>
    <tuple id="bare"><status><basic>open</basic></status></tuple>
    <dm:person id="pdana"><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp></dm:person>
    <dm:person id="phome"></dm:person>
    <dm:device id="dpc"><dm:deviceID>urn:1</dm:deviceID><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp></dm:device>
    <dm:device id="dcell"><dm:deviceID>urn:2</dm:deviceID></dm:device>
    "#);
}

#[test]
fn the_whole_document_of_a_friend() {
    let transformations = "<provide-services><service-uri-scheme>sip</service-uri-scheme></provide-services><provide-persons><all-persons/></provide-persons>
        <provide-activities>true</provide-activities><provide-note>true</provide-note><provide-user-input>bare</provide-user-input>";
    let shown = filter(&composed(RICH), &permissions(transformations));
    assert_snapshot!(String::from_utf8(shown).unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="desk" xml:lang="en"><status><basic>open</basic></status><r:service-class><r:electronic/><r:note>s</r:note></r:service-class><r:user-input id="u1">idle</r:user-input><contact priority="0.8">sip:dana@pres.example;gr=desk</contact><note>tuple's</note><timestamp>2025-03-04T08:15:00Z</timestamp></tuple>
      <note xml:lang="en">presence's</note>
      <dm:person id="pdana"><r:activities from="2025-03-04T08:00:00Z"><r:note>a</r:note><r:meeting/></r:activities><r:user-input>active</r:user-input><dm:note>person's</dm:note><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp></dm:person>
      <dm:person id="phome"></dm:person>
    </presence>
    "#);
}

#[test]
fn a_vocabulary_that_is_not_shown_is_not_declared_either() {
    let shown = filter(&composed(RICH), &permissions("<provide-services><all-services/></provide-services>"));
    let shown = String::from_utf8(shown).unwrap();
    assert!(!shown.contains("urn:g") && !shown.contains("data-model"), "{shown}");
}

#[test]
fn nothing_is_shown_without_transformations() {
    assert_eq!(filter(&composed(RICH), &Permissions::default()), closed_document(ENTITY));
}

#[test]
fn where_nothing_is_left_the_presentity_is_not_there() {
    for transformations in [
        "<provide-services><class>other</class></provide-services><provide-mood>true</provide-mood>",
        "<provide-activities>true</provide-activities><provide-user-input>full</provide-user-input>",
    ] {
        assert_eq!(
            filter(&composed(RICH), &permissions(transformations)),
            closed_document(ENTITY),
            "{transformations}"
        );
    }
    let device = composed(r#"<dm:device id="d"><dm:deviceID>urn:1</dm:deviceID></dm:device>"#);
    let services = permissions("<provide-services><all-services/></provide-services><provide-all-attributes/>");
    assert_eq!(filter(&device, &services), closed_document(ENTITY));
}

#[test]
fn the_closed_document_stays_itself() {
    let closed = closed_document("sip:\"d&a\"<n>'a@x");
    for transformations in
        ["", COMPONENTS, "<provide-all-attributes/>", "<provide-services><class>biz</class></provide-services>"]
    {
        assert_eq!(filter(&closed, &permissions(transformations)), closed, "{transformations}");
    }
    assert_eq!(filter(&closed, &Permissions::everything()), closed);
}

#[test]
fn who_may_see_everything_sees_every_byte() {
    let document = composed(RICH);
    assert_eq!(filter(&document, &Permissions::everything()), document);
    // Copying piece by piece comes to the same.
    let pidf = Pidf::read_accepted(&document).unwrap();
    assert_eq!(shown(&pidf, &Permissions::everything()), Some(document.clone()));
}

#[test]
fn what_cannot_be_read_is_not_shown() {
    assert_eq!(filter(b"<presence", &permissions(COMPONENTS)), closed_document(""));
}

#[test]
fn s3_3_1_all_components_of_a_kind_are_chosen_together() {
    check_chosen("<provide-services><all-services/></provide-services>", &["desk", "mail", "bare"]);
    check_chosen("<provide-persons><all-persons/></provide-persons>", &["pdana", "phome"]);
    check_chosen("<provide-devices><all-devices/></provide-devices>", &["dpc", "dcell"]);
    check_chosen(COMPONENTS, &["desk", "mail", "bare", "pdana", "phome", "dpc", "dcell"]);
}

#[test]
fn s3_3_1_2_a_service_is_chosen_by_its_uri() {
    let check = |uri: &str, expected| {
        check_chosen(&format!("<provide-services><service-uri>{uri}</service-uri></provide-services>"), expected);
    };
    check("sip:dana@pres.example;gr=desk", &["desk"]);
    check("sip:%64ana@PRES.example;gr=desk", &["desk"]);
    check("sip:dana@pres.example;gr=other", &["off"]);
    check("sips:dana@pres.example;gr=desk", &["off"]);
    check("sip:dana@pres.example:5060;gr=desk", &["off"]);
    check("mailto:dana@pres.example", &["mail"]);
    check("MAILTO:dana@pres.example", &["mail"]);
    check("", &["off"]);
}

#[test]
fn s3_3_1_2_a_service_is_chosen_by_its_scheme() {
    let check = |scheme: &str, expected| {
        let transformation =
            format!("<provide-services><service-uri-scheme>{scheme}</service-uri-scheme></provide-services>");
        check_chosen(&transformation, expected);
    };
    check("sip", &["desk"]);
    check("SIP", &["off"]);
    check("si", &["off"]);
    check("mailto", &["mail"]);
    check("", &["off"]);
}

#[test]
fn s3_3_1_a_component_is_chosen_by_its_id_in_its_case() {
    let check = |id: &str, expected| {
        let inside = format!("<occurrence-id>{id}</occurrence-id>");
        check_chosen(
            &format!(
                "<provide-services>{inside}</provide-services><provide-persons>{inside}</provide-persons><provide-devices>{inside}</provide-devices>"
            ),
            expected,
        );
    };
    check("desk", &["desk"]);
    check("pdana", &["pdana"]);
    check("dcell", &["dcell"]);
    check("Desk", &["off"]);
    check("des", &["off"]);
}

#[test]
fn s3_3_1_a_component_is_chosen_by_its_class_in_its_case() {
    let check = |class: &str, expected| {
        let inside = format!("<class> {class} </class>");
        check_chosen(
            &format!(
                "<provide-services>{inside}</provide-services><provide-persons>{inside}</provide-persons><provide-devices>{inside}</provide-devices>"
            ),
            expected,
        );
    };
    check("biz", &["desk", "pdana", "dpc"]);
    check("home", &["mail", "phome", "dcell"]);
    check("Biz", &["off"]);
    check("", &["off"]);
}

#[test]
fn a_class_chooses_though_it_is_not_shown() {
    let by_class = "<provide-services><class>biz</class></provide-services>";
    assert!(!filtered(RICH, by_class).contains("class>biz"));
    assert!(filtered(RICH, &format!("{by_class}<provide-class>true</provide-class>")).contains("class>biz"));
}

#[test]
fn s3_3_1_1_a_device_is_chosen_by_its_uri() {
    let check = |uri: &str, expected| {
        check_chosen(&format!("<provide-devices><deviceID>{uri}</deviceID></provide-devices>"), expected);
    };
    check("urn:1", &["dpc"]);
    check("URN:1", &["dpc"]);
    check("urn:2", &["dcell"]);
    check("urn:", &["off"]);
}

#[test]
fn devices_are_filtered_as_services_and_persons_are() {
    check_chosen(
        &format!("{COMPONENTS}<provide-devices><deviceID>urn:9</deviceID></provide-devices>"),
        &["desk", "mail", "bare", "pdana", "phome", "dpc", "dcell"],
    );
    let others = COMPONENTS.replace("<all-devices/>", "<deviceID>urn:2</deviceID>");
    check_chosen(&others, &["desk", "mail", "bare", "pdana", "phome", "dcell"]);
    check_chosen(&COMPONENTS.replace("<all-devices/>", ""), &["desk", "mail", "bare", "pdana", "phome"]);
}

#[test]
fn several_selectors_choose_what_any_of_them_does() {
    check_chosen(
        "<provide-services><occurrence-id>bare</occurrence-id><service-uri-scheme>mailto</service-uri-scheme></provide-services><provide-devices><class>biz</class><deviceID>urn:2</deviceID></provide-devices>",
        &["mail", "bare", "dpc", "dcell"],
    );
}

#[test]
fn s3_3_2_each_permission_shows_its_attribute() {
    check_shown(
        "<provide-activities>true</provide-activities>",
        &[r#"<r:activities from="2025-03-04T08:00:00Z"><r:note>a</r:note><r:meeting/></r:activities>"#],
    );
    check_shown("<provide-mood>true</provide-mood>", &["<r:mood><r:note>m</r:note><r:happy/></r:mood>"]);
    check_shown(
        "<provide-place-is>true</provide-place-is>",
        &["<r:place-is><r:audio><r:quiet/></r:audio></r:place-is>"],
    );
    check_shown(
        "<provide-place-type>true</provide-place-type>",
        &[r#"<r:place-type><lt:office xmlns:lt="urn:ietf:params:xml:ns:location-type"/></r:place-type>"#],
    );
    check_shown(
        "<provide-privacy>true</provide-privacy>",
        &["<r:privacy><r:audio/></r:privacy>", "<r:privacy><r:text/></r:privacy>"],
    );
    check_shown("<provide-relationship>true</provide-relationship>", &["<r:relationship><r:self/></r:relationship>"]);
    check_shown("<provide-sphere>true</provide-sphere>", &["<r:sphere><r:work/></r:sphere>"]);
    check_shown(
        "<provide-status-icon>true</provide-status-icon>",
        &["<r:status-icon>http://x/t</r:status-icon>", "<r:status-icon>http://x/p</r:status-icon>"],
    );
    check_shown("<provide-time-offset>true</provide-time-offset>", &["<r:time-offset>60</r:time-offset>"]);
    let (biz, home) = ("<r:class>biz</r:class>", "<r:class>home</r:class>");
    check_shown("<provide-class>true</provide-class>", &[biz, biz, biz, home, home, home]);
}

#[test]
fn s3_3_2_3_device_ids_of_tuples_have_a_permission_and_those_of_devices_need_none() {
    let device_ids = "<dm:deviceID>urn:1</dm:deviceID>";
    assert_eq!(filtered(RICH, COMPONENTS).matches(device_ids).count(), 1);
    check_shown("<provide-deviceID>true</provide-deviceID>", &[device_ids]);
    let rpid = each_with("<r:deviceID>urn:3</r:deviceID>");
    assert_snapshot!(filtered(&rpid, &format!("{COMPONENTS}<provide-deviceID>true</provide-deviceID>")), @r#"
    <tuple id="t"><status><basic>open</basic></status><r:deviceID>urn:3</r:deviceID></tuple>
    <dm:person id="p"></dm:person>
    <dm:device id="d"><r:deviceID>urn:3</r:deviceID></dm:device>
    "#);
}

#[test]
fn s3_3_2_13_notes_of_components_and_of_the_whole_have_one_permission() {
    check_shown(
        "<provide-note>true</provide-note>",
        &[
            "<note>tuple's</note>",
            "<note xml:lang=\"en\">presence's</note>",
            "<dm:note>person's</dm:note>",
            "<dm:note>device's</dm:note>",
        ],
    );
}

#[test]
fn s3_3_2_13_a_note_inside_of_an_attribute_goes_with_it() {
    let note = filtered(RICH, &format!("{COMPONENTS}<provide-note>true</provide-note>"));
    assert!(!note.contains("r:activities") && !note.contains("<r:note>a"));
    let activities = filtered(RICH, &format!("{COMPONENTS}<provide-activities>true</provide-activities>"));
    assert!(activities.contains("<r:note>a</r:note>") && !activities.contains("person's"));
    // That of a service-class needs no permission.
    assert!(activities.contains("<r:note>s</r:note>"));
}

#[test]
fn s3_3_2_12_user_input_is_shown_by_degrees() {
    let input = each_with(
        r#"<r:user-input id="u" idle-threshold="600" last-input="2025-03-04T08:00:00Z" since='x' g:more="y" xmlns:z="urn:z">idle</r:user-input>"#,
    );
    let degree =
        |degree: &str| filtered(&input, &format!("{COMPONENTS}<provide-user-input>{degree}</provide-user-input>"));
    assert_snapshot!(degree("false"), @r#"
    <tuple id="t"><status><basic>open</basic></status></tuple>
    <dm:person id="p"></dm:person>
    <dm:device id="d"></dm:device>
    "#);
    assert_snapshot!(degree("bare"), @r#"
    <tuple id="t"><status><basic>open</basic></status><r:user-input id="u" xmlns:z="urn:z">idle</r:user-input></tuple>
    <dm:person id="p"><r:user-input id="u" xmlns:z="urn:z">idle</r:user-input></dm:person>
    <dm:device id="d"><r:user-input id="u" xmlns:z="urn:z">idle</r:user-input></dm:device>
    "#);
    assert_snapshot!(degree("thresholds"), @r#"
    <tuple id="t"><status><basic>open</basic></status><r:user-input id="u" idle-threshold="600" xmlns:z="urn:z">idle</r:user-input></tuple>
    <dm:person id="p"><r:user-input id="u" idle-threshold="600" xmlns:z="urn:z">idle</r:user-input></dm:person>
    <dm:device id="d"><r:user-input id="u" idle-threshold="600" xmlns:z="urn:z">idle</r:user-input></dm:device>
    "#);
    assert_snapshot!(degree("full"), @r#"
    <tuple id="t"><status><basic>open</basic></status><r:user-input id="u" idle-threshold="600" last-input="2025-03-04T08:00:00Z" since='x' g:more="y" xmlns:z="urn:z">idle</r:user-input></tuple>
    <dm:person id="p"><r:user-input id="u" idle-threshold="600" last-input="2025-03-04T08:00:00Z" since='x' g:more="y" xmlns:z="urn:z">idle</r:user-input></dm:person>
    <dm:device id="d"><r:user-input id="u" idle-threshold="600" last-input="2025-03-04T08:00:00Z" since='x' g:more="y" xmlns:z="urn:z">idle</r:user-input></dm:device>
    "#);
    let empty = r#"<dm:person id="p"><r:user-input
        last-input = "2025-03-04T08:00:00Z" /></dm:person>"#;
    let bare = filtered(empty, &format!("{COMPONENTS}<provide-user-input>bare</provide-user-input>"));
    assert_eq!(bare, "  <dm:person id=\"p\"><r:user-input /></dm:person>\n");
}

#[test]
fn s3_3_2_14_unknown_attributes_are_shown_by_name() {
    let unknown = |ns: &str, name: &str| {
        format!(r#"<provide-unknown-attribute ns="{ns}" name="{name}">true</provide-unknown-attribute>"#)
    };
    check_shown(&unknown("urn:c", "servcaps"), &["<c:servcaps/>"]);
    check_shown(&unknown("urn:c", "homepage"), &["<c:homepage/>"]);
    check_shown(&unknown("urn:g", "geopriv"), &["<g:geopriv/>"]);
    check_shown(
        &format!("{}{}", unknown("urn:c", "devcaps"), unknown("urn:c", "servcaps")),
        &["<c:servcaps/>", "<c:devcaps/>"],
    );
    check_shown(&unknown("urn:g", "servcaps"), &[]);
    check_shown(&unknown("", "servcaps"), &[]);
    // It stands outside of all components.
    check_shown(&unknown("urn:g", "more"), &[]);
}

#[test]
fn s3_3_2_14_what_has_a_permission_is_not_unknown() {
    let names = [
        "activities",
        "class",
        "mood",
        "privacy",
        "sphere",
        "status-icon",
        "time-offset",
        "user-input",
        "deviceID",
        "note",
        "relationship",
        "later",
    ];
    let namespaces =
        ["urn:ietf:params:xml:ns:pidf:rpid", "urn:ietf:params:xml:ns:pidf:data-model", "urn:ietf:params:xml:ns:pidf"];
    for (namespace, name) in namespaces.into_iter().flat_map(|namespace| names.map(|name| (namespace, name))) {
        check_shown(
            &format!(r#"<provide-unknown-attribute ns="{namespace}" name="{name}">true</provide-unknown-attribute>"#),
            &[],
        );
    }
}

#[test]
fn s3_3_2_15_all_attributes_are_shown_of_chosen_components_alone() {
    let all = filtered(RICH, &format!("{COMPONENTS}<provide-all-attributes/>"));
    assert_eq!(
        all,
        filtered(RICH, &format!("<provide-all-attributes/>{COMPONENTS}<provide-mood>false</provide-mood>"))
    );
    assert!(composed(RICH).ends_with(format!("{all}</presence>\n").as_bytes()));
    let persons = "<provide-persons><class>home</class></provide-persons><provide-all-attributes/>";
    assert_snapshot!(filtered(RICH, persons), @r#"
    <note xml:lang="en">presence's</note>
    <dm:person id="phome"><r:class>home</r:class></dm:person>
    <g:more/>
    "#);
}

#[test]
fn attributes_that_are_not_mentioned_are_not_shown() {
    check_shown("<provide-mood>false</provide-mood>", &[]);
    check_shown("<provide-geopriv>true</provide-geopriv>", &[]);
}

#[test]
fn an_attribute_out_of_its_place_is_shown_to_those_alone_who_see_all() {
    let grants: String = [
        "activities",
        "class",
        "deviceID",
        "mood",
        "note",
        "place-is",
        "place-type",
        "privacy",
        "relationship",
        "sphere",
        "status-icon",
        "time-offset",
    ]
    .map(|name| format!("<provide-{name}>true</provide-{name}>"))
    .concat();
    let out_of_place = r#"<tuple id="t"><status><basic>open</basic><r:activities/><note/><r:user-input>idle</r:user-input></status><r:mood/><r:sphere/><dm:timestamp/><later/></tuple>
        <dm:person id="p"><r:relationship/><r:service-class/><r:deviceID>urn:1</r:deviceID><dm:deviceID>urn:1</dm:deviceID><timestamp/><contact/><status><basic>open</basic></status><dm:mood/><activities/></dm:person>
        <dm:device id="d"><r:mood/><r:status-icon/><r:privacy/><contact/></dm:device><dm:other/><r:mood/><later/>"#;
    let grants = format!("{COMPONENTS}{grants}<provide-user-input>full</provide-user-input>");
    assert_snapshot!(filtered(out_of_place, &grants), @r#"
    <tuple id="t"><status><basic>open</basic></status></tuple>
    <dm:person id="p"></dm:person>
    <dm:device id="d"></dm:device>
    "#);
    let all = filtered(out_of_place, &format!("{COMPONENTS}<provide-all-attributes/>"));
    assert!(composed(out_of_place).ends_with(format!("{all}</presence>\n").as_bytes()));
}

#[test]
fn xml_attributes_of_components_are_shown_as_far_as_they_are_known() {
    let content = r#"<tuple g:where="here" id="t" xml:lang="de"
        more='x'><status g:since="noon"  ><basic>open</basic></status></tuple><dm:person xmlns:h="urn:h" h:where="there" id="p"/>"#;
    assert_snapshot!(filtered(content, COMPONENTS), @r#"
    <tuple id="t" xml:lang="de"><status  ><basic>open</basic></status></tuple>
    <dm:person xmlns:h="urn:h" id="p"></dm:person>
    "#);
}

#[test]
fn what_stays_keeps_its_white_space_and_order() {
    let content = "<tuple id='t'><status>\n\t<basic>open</basic> text <g:a/><!-- c -->\n\t<g:b/>\n</status><r:class\n>biz</r:class ></tuple>";
    assert_eq!(
        filtered(content, &format!("{COMPONENTS}<provide-class>1</provide-class>")),
        "  <tuple id=\"t\"><status>\n\t<basic>open</basic>\n</status><r:class\n>biz</r:class ></tuple>\n"
    );
    let unknown = r#"<provide-unknown-attribute ns="urn:g" name="b">1</provide-unknown-attribute>"#;
    assert_eq!(
        filtered(content, &format!("{COMPONENTS}{unknown}")),
        "  <tuple id=\"t\"><status>\n\t<basic>open</basic>\n\t<g:b/>\n</status></tuple>\n"
    );
}

#[test]
fn a_status_of_nothing_but_extensions_stays_and_is_empty() {
    let content = "<tuple id='t'><status><g:a/></status><contact>sip:a@x</contact></tuple>";
    let shown = String::from_utf8(filter(&composed(content), &permissions(COMPONENTS))).unwrap();
    assert!(shown.contains("<tuple id=\"t\"><status></status><contact>sip:a@x</contact></tuple>"), "{shown}");
}

#[test]
fn text_that_parts_would_join_into_a_mark_is_not_shown() {
    let content = "<tuple id='t'><status><basic>open</basic>]]<g:a/>></status></tuple>";
    assert!(filtered(content, COMPONENTS).contains("<status><basic>open</basic></status>"));
}

/// Some content of a document, with ids, children and attributes that clash.
fn any_content() -> impl Strategy<Value = String> {
    let inner = prop::sample::select(vec![
        "<contact>sip:a@x</contact>",
        "<contact priority='1'>mailto:b@x</contact>",
        "<note xml:lang='en'>n</note><timestamp>2025-03-04T08:15:00Z</timestamp>",
        "<dm:note>n</dm:note><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp>",
        "<dm:deviceID>urn:1</dm:deviceID>",
        "<r:deviceID>urn:2</r:deviceID>",
        "<r:class>biz</r:class>",
        "<r:class> home </r:class><r:class>biz</r:class>",
        "<r:activities><r:note>n</r:note><r:away/></r:activities>",
        "<r:user-input idle-threshold='5' last-input='2025-03-04T08:00:00Z' g:x='y'>idle</r:user-input>",
        "<r:user-input last-input = 'x'/><r:service-class/><r:privacy/>",
        "<e:ext xmlns:e='urn:1' xmlns=''><bare/> ]]&gt; </e:ext>",
        "<g:ext>]]<!-- c -->&gt;</g:ext>",
        " text <![CDATA[ ]]> ",
        "",
    ]);
    let inner = prop::collection::vec(inner, 0..5).prop_map(|inner| inner.concat());
    let id = prop::sample::select(vec!["a", "b", "1", "", "x y"]);
    let status = prop::sample::select(vec!["", "<g:s/>", "<g:s/> x]]<g:t/>> ", "\n<r:class>biz</r:class>\n"]);
    let part = (0..6_u8, id, inner, status).prop_map(|(kind, id, inner, status)| match kind {
        0 | 1 => format!(
            "<tuple id='{id}' g:a='1'>{inner}<status g:b='2'>{status}<basic>open</basic>{status}</status></tuple>"
        ),
        2 => format!("<dm:person id='{id}' b='1'>{inner}</dm:person>"),
        3 => format!("<dm:device id='{id}'>{inner}</dm:device>"),
        4 => format!("<note>{id}</note>"),
        _ => format!("<q:more xmlns:q='urn:{id}' xmlns='urn:d'>{inner}</q:more>"),
    });
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.join("\n"))
}

fn any_transformations() -> impl Strategy<Value = String> {
    let selector = prop::sample::select(vec![
        "<all-services/>",
        "<all-persons/>",
        "<all-devices/>",
        "<class>biz</class>",
        "<class>home</class>",
        "<occurrence-id>a</occurrence-id>",
        "<occurrence-id>b-2</occurrence-id>",
        "<service-uri>sip:a@X</service-uri>",
        "<service-uri-scheme>mailto</service-uri-scheme>",
        "<deviceID>urn:1</deviceID>",
    ]);
    let components =
        (prop::sample::select(vec!["services", "persons", "devices"]), prop::collection::vec(selector, 0..4))
            .prop_map(|(kind, selectors)| format!("<provide-{kind}>{}</provide-{kind}>", selectors.concat()));
    let attribute = prop::sample::select(vec![
        "<provide-activities>1</provide-activities>",
        "<provide-class>true</provide-class>",
        "<provide-deviceID>true</provide-deviceID>",
        "<provide-note>true</provide-note>",
        "<provide-privacy>true</provide-privacy>",
        "<provide-user-input>bare</provide-user-input>",
        "<provide-user-input>thresholds</provide-user-input>",
        "<provide-user-input>full</provide-user-input>",
        "<provide-unknown-attribute ns='urn:g' name='ext'>1</provide-unknown-attribute>",
        "<provide-unknown-attribute ns='urn:g' name='s'>1</provide-unknown-attribute>",
        "<provide-unknown-attribute ns='urn:1' name='ext'>1</provide-unknown-attribute>",
        "<provide-all-attributes/>",
    ]);
    (prop::collection::vec(components, 0..5), prop::collection::vec(attribute, 0..8))
        .prop_map(|(components, attributes)| format!("{}{}", components.concat(), attributes.concat()))
}

/// Returns the elements of a document in order: each one's name and id, and its text where that has a meaning.
fn elements(document: &[u8]) -> Vec<String> {
    let xml = Xml::read(document, &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    let describe = |node: Node<'_, '_>| {
        let is_container = matches!(node.tag_name().name(), "presence" | "tuple" | "status" | "person" | "device");
        let text = if is_container { "".into() } else { xml::text(node) };
        format!("{:?}", (node.tag_name(), node.attribute("id"), text))
    };
    xml.root().descendants().filter(Node::is_element).map(describe).collect()
}

/// Says whether all of `part` is in `whole`, in its order.
fn is_part_of(part: &[u8], whole: &[u8]) -> bool {
    let mut rest = elements(whole).into_iter();
    part == closed_document(ENTITY) || elements(part).iter().all(|element| rest.any(|other| other == *element))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn s4_filtering_again_changes_nothing(content in any_content(), transformations in any_transformations()) {
        let permissions = permissions(&transformations);
        let once = filter(&composed(&content), &permissions);
        let twice = filter(&once, &permissions);
        if hides_a_class_it_selects_by(&permissions) {
            // What cannot be chosen again is gone; nothing is shown that was not.
            prop_assert!(is_part_of(&twice, &once));
        } else {
            prop_assert_eq!(String::from_utf8_lossy(&twice), String::from_utf8_lossy(&once));
        }
    }

    #[test]
    fn what_is_shown_is_a_document_and_part_of_the_whole(content in any_content(), transformations in any_transformations()) {
        let whole = composed(&content);
        let shown = filter(&whole, &permissions(&transformations));
        prop_assert!(Pidf::read(&shown, &Limits::default()).is_ok());
        prop_assert!(is_part_of(&shown, &whole));
    }

    #[test]
    fn everything_is_every_byte(content in any_content()) {
        let whole = composed(&content);
        let pidf = Pidf::read_accepted(&whole).unwrap();
        let copied = shown(&pidf, &Permissions::everything()).unwrap_or_else(|| closed_document(ENTITY));
        let mut expected = whole.clone();
        drop_unused_prefixes(pidf.root(), &mut expected);
        prop_assert_eq!(String::from_utf8_lossy(&copied), String::from_utf8_lossy(&expected));
    }

    /// One who may see more sees all that one who may see less does.
    #[test]
    fn more_permissions_never_show_less(content in any_content(), less in any_transformations(), more in any_transformations()) {
        let whole = composed(&content);
        let (less, more) = (permissions(&less), permissions(&format!("{less}{more}")));
        prop_assert!(is_part_of(&filter(&whole, &less), &filter(&whole, &more)));
    }

    #[test]
    fn no_bytes_are_too_strange_to_filter(bytes in prop::collection::vec(any::<u8>(), 0..200), content in ".{0,100}") {
        let services = permissions("<provide-services><all-services/></provide-services>");
        filter(&bytes, &services);
        filter(format!("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity=''>{content}<tuple id=''>{content}</tuple></presence>").as_bytes(), &services);
    }
}
