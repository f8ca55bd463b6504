//! What becomes of several devices under each `composition_policy` (RFC 3903 §10.3 leaves it to the server).

use tests::pidf::{DATA_MODEL, PIDF, RPID, document_of};
use tests::server::Server;
use tests::user_agent::Notification;
use tests::xml::Element;

use crate::scene::*;

fn server(policy: &str) -> Server {
    server_with(&[("composition_policy", policy)])
}

/// A tuple of a service: contact and class tell it apart, the note is what it says.
fn service(id: &str, contact: &str, class: &str, note: &str, when: &str) -> String {
    format!(
        "<tuple id=\"{id}\"><status><basic>open</basic></status><rpid:class>{class}</rpid:class>\
         <contact>{contact}</contact><note>{note}</note><timestamp>2025-01-01T{when}:00Z</timestamp></tuple>"
    )
}

fn person(id: &str, attributes: &str, when: &str) -> String {
    format!("<dm:person id=\"{id}\">{attributes}<dm:timestamp>2025-01-01T{when}:00Z</dm:timestamp></dm:person>")
}

fn parts<'a>(notification: &'a Notification, name: &str) -> Vec<&'a Element> {
    let namespace = if name == "tuple" { PIDF } else { DATA_MODEL };
    notification.presence().root.children.iter().filter(|child| child.is(namespace, name)).collect()
}

/// The document of the last who published is all there is; when it goes, that of the one before comes back.
#[test]
fn newest_shows_the_last_device_alone() {
    let server = server("newest");
    let mut desk = publishing(&server, &device("desk"));
    let mut mobile = publishing(&server, &device("mobile"));
    let mut watcher = watcher(&server, ANN);
    watcher.subscribe(600);
    assert_eq!(watcher.next_notification().notes(), ["mobile"]);
    desk.modify(&device("desk again"));
    assert_eq!(watcher.next_notification().notes(), ["desk again"]);
    desk.remove();
    assert_eq!(watcher.next_notification().notes(), ["mobile"]);
    mobile.remove();
    assert!(watcher.next_notification().presence().is_closed_once());
    watcher.finish();
}

/// A change of a device that is not shown changes nothing, so nobody is told.
#[test]
fn newest_keeps_quiet_about_a_refresh_of_what_it_does_not_show() {
    let server = server("newest");
    let mut desk = publishing(&server, &device("desk"));
    let _mobile = publishing(&server, &device("mobile"));
    let mut watcher = watching(&server, ANN);
    desk.refresh();
    assert_eq!(watcher.refresh_in_silence().notes(), ["mobile"]);
    watcher.finish();
}

/// `union` is the default: all that is said is told, and what differs stands side by side.
#[test]
fn union_tells_all_that_is_said() {
    for server in [Server::quickstart(), server("union")] {
        let one = service("a", "sip:d@d.example", "work", "one", "08:00") + &person("p", "<rpid:mood/>", "08:00");
        let two = service("b", "sip:d@d.example", "work", "two", "09:00")
            + &person("p", "<rpid:class>x</rpid:class>", "09:00");
        let _devices = [one, two].map(|content| publishing(&server, &document_of(DANA, &content)));
        let told = fetched(&server, ANN);
        assert_eq!(told.notes(), ["one", "two"]);
        assert_eq!(parts(&told, "person").len(), 2, "{}", told.message);
    }
}

/// `oma`: tuples of one contact, service and class are one; what the later of them says holds.
#[test]
fn oma_merges_tuples_of_the_same_contact_and_class() {
    let server = server("oma");
    let contents = [
        service("a", "sip:d@d.example", "work", "early", "08:00"),
        service("b", "sip:d@d.example", "work", "late", "09:00"),
        service("c", "sip:d@d.example", "home", "other class", "08:30"),
        service("d", "sip:e@d.example", "work", "other contact", "08:30"),
    ];
    let _devices = contents.map(|content| publishing(&server, &document_of(DANA, &content)));
    let told = fetched(&server, ANN);
    assert_eq!(told.notes(), ["late", "other class", "other contact"], "{}", told.message);
}

/// `oma`: there is one human: each attribute as the newest account of it has it.
#[test]
fn oma_merges_persons_attribute_by_attribute() {
    let server = server("oma");
    let early = person("p", "<rpid:mood><rpid:happy/></rpid:mood><rpid:sphere><rpid:work/></rpid:sphere>", "08:00");
    let late =
        person("q", "<rpid:activities><rpid:away/></rpid:activities><rpid:mood><rpid:sad/></rpid:mood>", "09:00");
    // The later account comes first: its time counts, not its arrival.
    let _devices = [late, early].map(|content| publishing(&server, &document_of(DANA, &content)));
    let told = fetched(&server, ANN);
    let persons = parts(&told, "person");
    assert_eq!(persons.len(), 1, "{}", told.message);
    let person = persons[0];
    assert!(person.child(RPID, "activities").is_some() && person.child(RPID, "sphere").is_some(), "{}", told.message);
    let moods: Vec<_> = person.children.iter().filter(|child| child.is(RPID, "mood")).collect();
    assert_eq!(moods.len(), 1, "{}", told.message);
    assert_eq!(moods[0].child_names(), ["sad"], "{}", told.message);
}

/// `oma`: devices of one deviceID are one, the same way.
#[test]
fn oma_merges_devices_of_the_same_id() {
    let server = server("oma");
    let device = |id: &str, attributes: &str, urn: &str, when: &str| {
        format!(
            "<dm:device id=\"{id}\">{attributes}<dm:deviceID>{urn}</dm:deviceID>\
             <dm:timestamp>2025-01-01T{when}:00Z</dm:timestamp></dm:device>"
        )
    };
    let contents = [
        device("a", "<rpid:class>old</rpid:class><rpid:user-input>idle</rpid:user-input>", "urn:uuid:1", "08:00"),
        device("b", "<rpid:class>new</rpid:class>", "urn:uuid:1", "09:00"),
        device("c", "", "urn:uuid:2", "08:00"),
    ];
    let _devices = contents.map(|content| publishing(&server, &document_of(DANA, &content)));
    let told = fetched(&server, ANN);
    let devices = parts(&told, "device");
    assert_eq!(devices.len(), 2, "{}", told.message);
    let merged = devices.into_iter().find(|device| device.child(RPID, "class").is_some()).expect("the first");
    assert_eq!(merged.child(RPID, "class").map(|class| class.text.as_str()), Some("new"));
    assert!(merged.child(RPID, "user-input").is_some(), "{}", told.message);
}
