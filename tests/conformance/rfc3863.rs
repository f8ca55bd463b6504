//! Presence documents (RFC 3863) and what becomes of several (RFC 3856 §6.11.1, RFC 3903 §10): faithful, valid, the same
//! for the same devices.
//!
//! That ids are unique names, the order of the schema is kept and the namespaces are bound, every watcher of these tests
//! checks on every document.

use tests::pidf::{self, document_of};
use tests::server::Server;
use tests::user_agent::{Notification, Watcher};

use crate::scene::*;

mod policies; // `newest`, `union` and `oma`

/// What a watcher gets of one published document.
fn told_of(content: &str) -> Notification {
    let server = Server::quickstart();
    let _desk = publishing(&server, &document_of(DANA, content));
    fetched(&server, ANN)
}

/// trap_35
#[test]
fn s4_1_2_two_devices_with_the_same_tuple_id_are_both_seen() {
    let server = Server::quickstart();
    let (mut desk, mut mobile) = (publishing(&server, &device("desk")), publishing(&server, &device("mobile")));
    let mut watcher = watcher(&server, ANN);
    watcher.subscribe(600);
    assert_eq!(watcher.next_notification().notes(), ["desk", "mobile"]);
    mobile.modify(&device("walking"));
    assert_eq!(watcher.next_notification().notes(), ["desk", "walking"]);
    mobile.remove();
    assert_eq!(watcher.next_notification().notes(), ["desk"]);
    desk.remove();
    assert!(watcher.next_notification().presence().is_closed_once());
    watcher.finish();
}

#[test]
fn s4_1_2_an_id_stays_with_its_device_from_document_to_document() {
    let server = Server::quickstart();
    let (_desk, mut mobile) = (publishing(&server, &device("desk")), publishing(&server, &device("mobile")));
    let mut watcher = watcher(&server, ANN);
    watcher.subscribe(600);
    let id_of = |notification: &Notification, note: &str| {
        let tuples = &notification.presence().tuples;
        tuples.iter().find(|tuple| tuple.notes == [note]).map(|tuple| tuple.id.clone())
    };
    let before = watcher.next_notification();
    mobile.modify(&device("mobile").replace("open", "closed"));
    let after = watcher.next_notification();
    for note in ["desk", "mobile"] {
        assert_eq!(id_of(&before, note), id_of(&after, note), "{note}");
    }
    watcher.finish();
}

#[test]
fn s4_1_2_one_device_that_expires_leaves_the_other() {
    let server = Server::quickstart();
    let _desk = publishing(&server, &device("desk"));
    let mut watcher = watching(&server, ANN);
    let mut mobile = publisher(&server).expiring(1);
    mobile.publish(&device("mobile"));
    assert_eq!(watcher.next_notification().notes(), ["desk", "mobile"]);
    assert_eq!(watcher.next_notification().notes(), ["desk"]);
    watcher.finish();
}

/// An id that is no name comes in all the same, and goes out as one. trap_36
#[test]
fn s4_1_2_an_id_that_is_no_name_becomes_one() {
    let told = told_of("<tuple id=\"1234\"><status><basic>open</basic></status></tuple>");
    let ids = told.presence().ids();
    assert!(ids.len() == 1 && ids[0].contains("1234"), "{}", told.message);
}

/// What came in the wrong order goes out in the right one. trap_37, trap_38
#[test]
fn s4_1_children_are_put_in_the_order_of_the_schema() {
    let told = told_of(
        "<dm:person id=\"p\"><dm:timestamp>2025-01-01T00:00:00Z</dm:timestamp><rpid:activities><rpid:away/>\
         </rpid:activities></dm:person><note>last</note><tuple id=\"a\"><timestamp>2025-01-01T00:00:00Z</timestamp>\
         <note>n</note><contact>sip:dana@d.example</contact><status><basic>open</basic></status>\
         <rpid:class>c</rpid:class></tuple>",
    );
    let root = &told.presence().root;
    assert_eq!(root.child_names(), ["tuple", "note", "person"], "{}", told.message);
    assert_eq!(root.children[0].child_names(), ["status", "class", "contact", "note", "timestamp"]);
}

/// Prefixes mean nothing, expanded names everything. trap_39
#[test]
fn s4_2_extensions_of_any_namespace_arrive_with_it() {
    let server = Server::quickstart();
    let body = format!(
        "<?xml version=\"1.0\"?><p:presence xmlns:p=\"{}\" xmlns:dm=\"urn:x:not-the-data-model\" \
         xmlns:z=\"{}\" entity=\"{DANA}\"><p:tuple id=\"a\"><p:status><p:basic>open</p:basic>\
         <dm:inner mustUnderstand=\"1\"/></p:status><x:e xmlns:x=\"urn:x\" x:k=\"v &amp; w\"> t<!-- c --></x:e></p:tuple>\
         <z:person id=\"me\"/><dm:top/></p:presence>",
        pidf::PIDF,
        pidf::DATA_MODEL
    );
    let _desk = publishing(&server, &body);
    let told = fetched(&server, ANN);
    let root = &told.presence().root;
    let tuple = told.presence().occurrence("a").expect("the tuple");
    let status = tuple.child(pidf::PIDF, "status").expect("its status");
    assert!(status.child("urn:x:not-the-data-model", "inner").is_some(), "{}", told.message);
    let extension = tuple.child("urn:x", "e").expect("the extension");
    assert_eq!((extension.text.as_str(), extension.attributes.last().map(|(_, v)| v.as_str())), (" t", Some("v & w")));
    assert!(root.child(pidf::DATA_MODEL, "person").is_some(), "{}", told.message);
    assert!(root.child("urn:x:not-the-data-model", "top").is_some(), "{}", told.message);
}

#[test]
fn s4_1_6_what_a_device_says_is_seen_as_it_said_it() {
    let told = told_of(
        "<tuple id=\"a\"><status><basic>open</basic></status><note xml:lang=\"de\">a &lt;b&gt; &amp; \u{e4}\u{1f600}\
         </note><note xml:lang=\"en\">b</note></tuple><note xml:lang=\"fr\">c</note>",
    );
    assert_eq!(told.notes(), ["a <b> & \u{e4}\u{1f600}", "b"]);
    let text = String::from_utf8_lossy(&told.message.body).into_owned();
    for language in ["de", "en", "fr"] {
        assert!(text.contains(&format!("xml:lang=\"{language}\"")), "{text}");
    }
}

/// The times are the publisher's: unchanged tuples are not stamped anew (§4.1.7).
#[test]
fn s4_1_7_timestamps_are_the_publishers() {
    let stamped = "<tuple id=\"a\"><status><basic>open</basic></status><timestamp>2025-03-04T08:15:00+02:00</timestamp></tuple>\
                   <tuple id=\"b\"><status><basic>open</basic></status></tuple>";
    let told = told_of(stamped);
    let text = String::from_utf8_lossy(&told.message.body).into_owned();
    assert_eq!(text.matches("timestamp>").count(), 2, "{text}");
    assert!(text.contains("2025-03-04T08:15:00+02:00"), "{text}");
}

/// Both may stand: two accounts of one service that contradict each other (§4.1.2).
#[test]
fn s4_1_2_contradicting_tuples_are_both_told() {
    let told = told_of(
        "<tuple id=\"a\"><status><basic>open</basic></status><contact priority=\"0.8\">sip:d@d.example</contact></tuple>\
         <tuple id=\"b\"><status><basic>closed</basic></status><contact priority=\"0.8\">sip:d@d.example</contact></tuple>",
    );
    let basics: Vec<_> = told.presence().tuples.iter().map(|tuple| tuple.basic.clone().unwrap_or_default()).collect();
    assert_eq!(basics, ["open", "closed"]);
}

#[test]
fn s4_1_1_the_entity_is_the_presentity_whatever_the_publisher_wrote() {
    let server = Server::quickstart();
    let _desk = publishing(&server, &pidf::open("sip:mallory@elsewhere.example", "t1", "here"));
    assert_eq!(fetched(&server, ANN).presence().entity, DANA);
}

/// An account of nothing but a person, or of nothing at all, is a document too.
#[test]
fn s4_1_1_a_document_needs_no_tuple() {
    let told = told_of("<dm:person id=\"p\"><rpid:mood><rpid:happy/></rpid:mood></dm:person>");
    assert_eq!(told.presence().ids(), ["p"]);
    let told = told_of("");
    assert!(told.presence().is_closed_once(), "{}", told.message);
}

/// The same devices make the same document, whichever published first.
#[test]
fn s6_11_1_of_rfc3856_the_order_of_arrival_does_not_show() {
    let tuple = |id: &str| {
        format!(
            "<tuple id=\"{id}\"><status><basic>open</basic></status><contact>sip:{id}@d.example</contact></tuple>\
             <dm:person id=\"p-{id}\"/><note>{id}</note>"
        )
    };
    let body_of = |names: [&str; 3]| {
        let server = Server::quickstart();
        let _devices = names.map(|name| publishing(&server, &document_of(DANA, &tuple(name))));
        String::from_utf8(fetched(&server, ANN).message.body).expect("UTF-8")
    };
    let first = body_of(["a", "b", "c"]);
    assert_eq!(body_of(["c", "a", "b"]), first);
    assert_eq!(body_of(["b", "c", "a"]), first);
}

/// A device that comes back after its 200 was lost is the same device: its old publication is not seen beside the new.
#[test]
fn s10_4_of_rfc3903_a_publication_left_over_hides_behind_its_successor() {
    let server = Server::quickstart();
    let _lost = publishing(&server, &here("before"));
    let mut again = publishing(&server, &here("after"));
    assert_eq!(published(&server), ["after"]);
    let mut watcher: Watcher = watching(&server, ANN);
    again.modify(&here("later"));
    assert_eq!(watcher.next_notification().notes(), ["later"]);
    watcher.finish();
}
