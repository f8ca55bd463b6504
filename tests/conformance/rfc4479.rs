//! Persons, devices and services beside each other (RFC 4479 §3), as one presentity's devices tell of them together.

use tests::pidf::{DATA_MODEL, PIDF, RPID, document_of};
use tests::server::Server;
use tests::user_agent::Notification;

use crate::scene::*;

/// What a watcher gets of these devices together.
fn told_of(contents: &[&str]) -> Notification {
    let server = Server::quickstart();
    let _devices: Vec<_> = contents.iter().map(|content| publishing(&server, &document_of(DANA, content))).collect();
    fetched(&server, ANN)
}

fn count(told: &Notification, namespace: &str, name: &str) -> usize {
    told.presence().root.children.iter().filter(|child| child.is(namespace, name)).count()
}

/// §3.1, §3.2: what a person or a device is said to be goes beside the tuples, not into their status. trap_38
#[test]
fn s3_1_persons_and_devices_stand_beside_the_tuples() {
    let told = told_of(&[
        "<tuple id=\"s\"><status><basic>open</basic></status><dm:deviceID>urn:uuid:1</dm:deviceID></tuple>\
        <dm:person id=\"p\"><rpid:activities><rpid:meeting/></rpid:activities><dm:note>back at ten</dm:note></dm:person>\
        <dm:device id=\"d\"><rpid:user-input>idle</rpid:user-input><dm:deviceID>urn:uuid:1</dm:deviceID></dm:device>",
    ]);
    let presence = told.presence();
    assert_eq!(presence.root.child_names(), ["tuple", "person", "device"], "{}", told.message);
    let tuple = presence.occurrence("s").expect("the service");
    assert_eq!(tuple.child(DATA_MODEL, "deviceID").map(|id| id.text.as_str()), Some("urn:uuid:1"));
    let person = presence.occurrence("p").expect("the person");
    assert!(person.child(RPID, "activities").is_some() && person.child(DATA_MODEL, "note").is_some());
    assert!(presence.occurrence("d").expect("the device").child(RPID, "user-input").is_some());
}

/// §3.5: an id is unique over tuples, persons and devices together. trap_35
#[test]
fn s3_5_ids_are_unique_over_all_kinds_of_occurrences() {
    let told = told_of(&[
        "<tuple id=\"x\"><status><basic>open</basic></status></tuple>",
        "<dm:person id=\"x\"/>",
        "<dm:device id=\"x\"><dm:deviceID>urn:uuid:1</dm:deviceID></dm:device>",
    ]);
    assert_eq!(told.presence().ids().len(), 3, "{}", told.message);
    // That no two are equal, every watcher checks.
}

/// §3.5: several persons are several accounts of one human; who watches judges them.
#[test]
fn s3_5_differing_accounts_of_the_person_are_all_told() {
    let told = told_of(&[
        "<dm:person id=\"p\"><rpid:activities><rpid:away/></rpid:activities></dm:person>",
        "<dm:person id=\"p\"><rpid:activities><rpid:busy/></rpid:activities></dm:person>",
    ]);
    assert_eq!(count(&told, DATA_MODEL, "person"), 2, "{}", told.message);
}

/// The same account twice is one account.
#[test]
fn s3_5_equal_accounts_of_the_person_are_told_once() {
    let person = "<dm:person id=\"p\"><rpid:activities><rpid:away/></rpid:activities></dm:person>";
    let told = told_of(&[person, person]);
    assert_eq!(count(&told, DATA_MODEL, "person"), 1, "{}", told.message);
}

/// §3.6: what nobody says is not said: nothing is made up for a component that went.
#[test]
fn s3_6_nothing_is_made_up() {
    let server = Server::quickstart();
    let tuple = "<tuple id=\"s\"><status/></tuple>".replace("<status/>", "<status><basic>open</basic></status>");
    let mut desk = publishing(&server, &document_of(DANA, &format!("{tuple}<dm:person id=\"p\"/>")));
    assert_eq!(fetched(&server, ANN).presence().ids(), ["s", "p"]);
    assert_eq!(desk.modify(&document_of(DANA, &tuple)).code(), Some(200));
    let told = fetched(&server, ANN);
    assert_eq!((count(&told, PIDF, "tuple"), told.presence().root.children.len()), (1, 1), "{}", told.message);
    desk.finish();
}

/// Of two accounts of one device the newer holds.
#[test]
fn s3_2_a_device_is_known_by_its_device_id() {
    let device = |class: &str, when: &str| {
        format!(
            "<dm:device id=\"d\"><rpid:class>{class}</rpid:class><dm:deviceID>urn:uuid:1</dm:deviceID>\
             <dm:timestamp>2025-01-01T{when}:00Z</dm:timestamp></dm:device>"
        )
    };
    let told = told_of(&[&device("new", "09:00"), &device("old", "08:00")]);
    assert_eq!(count(&told, DATA_MODEL, "device"), 1, "{}", told.message);
    let device = told.presence().root.child(DATA_MODEL, "device").expect("the device");
    assert_eq!(device.child(RPID, "class").map(|class| class.text.as_str()), Some("new"));
}
