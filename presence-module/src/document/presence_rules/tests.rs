//! What a rule grants, transformation by transformation.

use std::hash::{BuildHasher, RandomState};

use super::*;
use crate::document::xml::{Limits, Xml};

const NAMES: [(&str, Attribute); 12] = [
    ("provide-activities", Attribute::Activities),
    ("provide-class", Attribute::Class),
    ("provide-deviceID", Attribute::DeviceId),
    ("provide-mood", Attribute::Mood),
    ("provide-note", Attribute::Note),
    ("provide-place-is", Attribute::PlaceIs),
    ("provide-place-type", Attribute::PlaceType),
    ("provide-privacy", Attribute::Privacy),
    ("provide-relationship", Attribute::Relationship),
    ("provide-sphere", Attribute::Sphere),
    ("provide-status-icon", Attribute::StatusIcon),
    ("provide-time-offset", Attribute::TimeOffset),
];

fn read<T>(content: &str, read: impl for<'d, 'a> Fn(Vec<Node<'d, 'a>>) -> T) -> T {
    let document = format!(r#"<r xmlns="{NAMESPACE}" xmlns:x="urn:x">{content}</r>"#);
    let xml = Xml::read(document.as_bytes(), &Limits::default()).unwrap();
    read(xml::elements(xml.root()).collect())
}

fn permissions(content: &str) -> Permissions {
    read(content, |nodes| Permissions::read(nodes))
}

fn combined(one: &Permissions, other: &Permissions) -> Permissions {
    let mut both = one.clone();
    both.combine(other);
    both
}

fn check_handling(content: &str, expected: Option<SubHandling>) {
    assert_eq!(read(content, |nodes| SubHandling::read(nodes)), expected, "{content}");
}

fn check_nothing(content: &str) {
    assert_eq!(permissions(content), Permissions::default(), "{content}");
}

fn check_services(content: &str, expected: Components) {
    assert_eq!(permissions(&format!("<provide-services>{content}</provide-services>")).services, expected, "{content}");
}

fn set(values: &[&str]) -> BTreeSet<Box<str>> {
    values.iter().map(|value| (*value).into()).collect()
}

fn check_user_input(content: &str, expected: UserInput) {
    let content = format!("<provide-user-input>{content}</provide-user-input>");
    assert_eq!(permissions(&content).attributes.user_input(), expected, "{content}");
}

#[test]
fn s3_2_1_a_subscription_is_handled_as_the_token_says() {
    check_handling("<sub-handling>block</sub-handling>", Some(SubHandling::Block));
    check_handling("<sub-handling>confirm</sub-handling>", Some(SubHandling::Confirm));
    check_handling("<sub-handling>polite-block</sub-handling>", Some(SubHandling::PoliteBlock));
    check_handling("<sub-handling>allow</sub-handling>", Some(SubHandling::Allow));
}

#[test]
fn s3_2_1_handlings_are_ordered_and_block_is_the_default() {
    use SubHandling::*;
    assert!(Block < Confirm && Confirm < PoliteBlock && PoliteBlock < Allow);
    assert_eq!(SubHandling::default(), Block);
}

#[test]
fn white_space_around_a_token_makes_no_difference() {
    check_handling("<sub-handling>\n  allow\n</sub-handling>", Some(SubHandling::Allow));
    check_handling("<sub-handling>al<!-- c -->low</sub-handling>", Some(SubHandling::Allow));
    check_user_input("\n bare ", UserInput::Bare);
    assert!(permissions("<provide-mood>\n true </provide-mood>").attributes.include(Attribute::Mood));
}

#[test]
fn an_action_that_is_not_known_is_ignored() {
    check_handling("", None);
    check_handling("<sub-handling/>", None);
    check_handling("<sub-handling>Allow</sub-handling>", None);
    check_handling("<sub-handling>30</sub-handling>", None);
    check_handling("<x:sub-handling>allow</x:sub-handling>", None);
    check_handling(
        "<sub-handling>deny</sub-handling><x:y/><sub-handling>confirm</sub-handling>",
        Some(SubHandling::Confirm),
    );
}

#[test]
fn s3_3_what_is_not_granted_is_not_given() {
    check_nothing("");
    check_nothing("<provide-services/><provide-persons/><provide-devices/>");
    let nothing = Permissions::default();
    assert!(!nothing.is_everything());
    assert_eq!(nothing.services, Components::Selected(Selected::default()));
    assert!(NAMES.iter().all(|(_, attribute)| !nothing.attributes.include(*attribute)));
    assert!(!nothing.attributes.include_unknown("urn:x", "y"));
    assert_eq!(nothing.attributes.user_input(), UserInput::False);
}

#[test]
fn s5_a_transformation_that_is_not_known_is_ignored() {
    check_nothing("<x:provide-mood>true</x:provide-mood>");
    check_nothing("<provide-everything>true</provide-everything>");
    check_nothing("<x:provide-services><all-services/></x:provide-services>");
    check_nothing("<x:provide-all-attributes/>");
}

#[test]
fn s3_3_1_all_of_a_kind() {
    let all = permissions(
        "<provide-services><all-services/></provide-services><provide-persons> <all-persons/> </provide-persons><provide-devices><all-devices/></provide-devices>",
    );
    assert_eq!((all.services, all.persons, all.devices), (Components::All, Components::All, Components::All));
    check_nothing("<provide-services><x:all-services/><all-persons/><all/></provide-services>");
    check_nothing(
        "<provide-persons><all-services/></provide-persons><provide-devices><all-services/></provide-devices>",
    );
    check_nothing("<provide-services>all-services</provide-services>");
}

#[test]
fn s3_3_1_2_services_by_uri_scheme_id_and_class() {
    check_services(
        "<service-uri> sip:a@x </service-uri><service-uri-scheme>sip</service-uri-scheme><service-uri-scheme>mailto</service-uri-scheme>
         <occurrence-id>t1</occurrence-id><class>biz</class><deviceID>urn:1</deviceID><x:class>y</x:class>",
        Components::Selected(Selected {
            classes: set(&["biz"]),
            occurrence_ids: set(&["t1"]),
            uris: set(&["sip:a@x"]),
            uri_schemes: set(&["mailto", "sip"]),
        }),
    );
    check_services("<class>biz</class><all-services/>", Components::All);
}

#[test]
fn s3_3_1_1_devices_by_uri_id_and_class() {
    let content = "<deviceID>urn:1</deviceID><occurrence-id>d1</occurrence-id><class>biz</class><service-uri>sip:a@x</service-uri>";
    let expected = Selected {
        classes: set(&["biz"]),
        occurrence_ids: set(&["d1"]),
        uris: set(&["urn:1"]),
        uri_schemes: BTreeSet::new(),
    };
    let devices = permissions(&format!("<provide-devices>{content}</provide-devices>")).devices;
    assert_eq!(devices, Components::Selected(expected));
}

#[test]
fn s3_3_1_3_persons_by_id_and_class() {
    let content = "<occurrence-id>p1</occurrence-id><class>biz</class><deviceID>urn:1</deviceID><service-uri>sip:a@x</service-uri><service-uri-scheme>sip</service-uri-scheme>";
    let expected = Selected { classes: set(&["biz"]), occurrence_ids: set(&["p1"]), ..Selected::default() };
    let persons = permissions(&format!("<provide-persons>{content}</provide-persons>")).persons;
    assert_eq!(persons, Components::Selected(expected));
}

#[test]
fn s3_3_2_each_attribute_has_its_permission() {
    for (name, granted) in NAMES {
        let attributes = permissions(&format!("<{name}>true</{name}>")).attributes;
        for (_, attribute) in NAMES {
            assert_eq!(attributes.include(attribute), attribute == granted, "{attribute:?} by {name}");
        }
        assert_eq!(attributes.user_input(), UserInput::False);
    }
}

#[test]
fn every_spelling_of_a_boolean_is_read() {
    for (text, expected) in [("true", true), ("1", true), ("false", false), ("0", false), (" 1\n", true)] {
        let attributes = permissions(&format!("<provide-mood>{text}</provide-mood>")).attributes;
        assert_eq!(attributes.include(Attribute::Mood), expected, "{text}");
    }
    for text in ["", "TRUE", "True", "yes", "2", "true false"] {
        check_nothing(&format!("<provide-mood>{text}</provide-mood>"));
    }
}

#[test]
fn false_takes_nothing_away() {
    let both = permissions("<provide-mood>true</provide-mood><provide-mood>false</provide-mood>");
    assert!(both.attributes.include(Attribute::Mood));
    let all = permissions("<provide-all-attributes/><provide-mood>false</provide-mood>");
    assert!(all.attributes.include(Attribute::Mood));
}

#[test]
fn s3_3_2_12_user_input_by_degrees() {
    use UserInput::*;
    assert!(False < Bare && Bare < Thresholds && Thresholds < Full);
    check_user_input("false", False);
    check_user_input("bare", Bare);
    check_user_input("thresholds", Thresholds);
    check_user_input("full", Full);
    check_user_input("true", False);
    check_user_input("", False);
    check_user_input("full</provide-user-input><provide-user-input>bare", Full);
}

#[test]
fn s3_3_2_14_unknown_attributes_by_name_and_namespace() {
    let unknown = |value| {
        let element =
            format!(r#"<provide-unknown-attribute ns="urn:v" name="foo">{value}</provide-unknown-attribute>"#);
        permissions(&element).attributes
    };
    assert!(unknown("true").include_unknown("urn:v", "foo"));
    assert!(!unknown("true").include_unknown("urn:v", "Foo"));
    assert!(!unknown("true").include_unknown("urn:w", "foo"));
    assert!(!unknown("true").include_unknown("", "foo"));
    assert!(!unknown("false").include_unknown("urn:v", "foo"));
    check_nothing(r#"<provide-unknown-attribute name="foo">true</provide-unknown-attribute>"#);
    check_nothing(r#"<provide-unknown-attribute ns="urn:v">true</provide-unknown-attribute>"#);
    check_nothing(r#"<provide-unknown-attribute x:ns="urn:v" name="foo">true</provide-unknown-attribute>"#);
}

#[test]
fn s3_3_2_15_all_attributes_are_all_of_them() {
    let attributes = permissions("<provide-mood>true</provide-mood><provide-all-attributes/>").attributes;
    assert_eq!(attributes, Attributes::All);
    assert!(NAMES.iter().all(|(_, attribute)| attributes.include(*attribute)));
    assert!(attributes.include_unknown("urn:any", "thing"));
    assert_eq!(attributes.user_input(), UserInput::Full);
}

#[test]
fn everything_is_everything_and_nothing_less() {
    let everything = "<provide-services><all-services/></provide-services><provide-persons><all-persons/></provide-persons><provide-devices><all-devices/></provide-devices><provide-all-attributes/>";
    assert!(permissions(everything).is_everything());
    assert_eq!(permissions(everything), Permissions::everything());
    assert!(!permissions(&everything.replace("<provide-all-attributes/>", "")).is_everything());
    assert!(!permissions(&everything.replace("<all-persons/>", "<class>biz</class>")).is_everything());
}

#[test]
fn rfc_4745_s10_2_combining_is_union_or_and_maximum() {
    let one = permissions(
        r#"<provide-services><class>a</class><service-uri>sip:a@x</service-uri></provide-services><provide-mood>true</provide-mood><provide-user-input>full</provide-user-input>
           <provide-unknown-attribute ns="urn:v" name="foo">true</provide-unknown-attribute>"#,
    );
    let other = permissions(
        r#"<provide-services><class>b</class></provide-services><provide-persons><all-persons/></provide-persons><provide-mood>false</provide-mood><provide-note>true</provide-note>
           <provide-user-input>bare</provide-user-input><provide-unknown-attribute ns="urn:v" name="bar">true</provide-unknown-attribute>"#,
    );
    let both = permissions(
        r#"<provide-persons><all-persons/></provide-persons><provide-services><service-uri>sip:a@x</service-uri><class>b</class><class>a</class></provide-services><provide-note>1</provide-note><provide-mood>1</provide-mood>
           <provide-unknown-attribute ns="urn:v" name="foo">1</provide-unknown-attribute><provide-unknown-attribute ns="urn:v" name="bar">1</provide-unknown-attribute><provide-user-input>full</provide-user-input>"#,
    );
    assert_eq!(combined(&one, &other), both);
    assert_eq!(combined(&other, &one), both);
    for permissions in [one, other, both] {
        assert_eq!(combined(&permissions, &Permissions::default()), permissions);
        assert_eq!(combined(&permissions, &permissions), permissions);
        assert!(combined(&permissions, &Permissions::everything()).is_everything());
        assert!(combined(&Permissions::everything(), &permissions).is_everything());
    }
}

#[test]
fn equal_permissions_are_equal_values() {
    let hasher = RandomState::new();
    let one = permissions(
        "<provide-services><class>a</class><class>b</class></provide-services><provide-mood>1</provide-mood><provide-note>0</provide-note>",
    );
    let other = permissions(
        "<provide-mood> true </provide-mood><provide-services><class>b</class></provide-services><provide-services><class> a </class></provide-services>",
    );
    assert_eq!(one, other);
    assert_eq!(hasher.hash_one(&one), hasher.hash_one(&other));
    // What everything includes anyway leaves no trace.
    let all = permissions("<provide-all-attributes/>");
    assert_eq!(
        permissions(
            "<provide-mood>1</provide-mood><provide-user-input>bare</provide-user-input><provide-all-attributes/><provide-note>1</provide-note>"
        ),
        all
    );
}

#[test]
fn no_more_uris_are_compared_than_anybody_has() {
    let uris: String = (0..100).map(|number| format!("<service-uri>sip:{number:03}@x</service-uri>")).collect();
    let granted = permissions(&format!("<provide-services>{uris}</provide-services>"));
    let Components::Selected(selected) = &granted.services else { panic!("{granted:?}") };
    assert_eq!((selected.uris.len(), selected.uris.first().map(|uri| &**uri)), (64, Some("sip:000@x")));
    assert_eq!(combined(&granted, &granted), granted);
}
