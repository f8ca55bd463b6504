//! Several devices of one presentity, as a watcher sees them together (RFC 3903 §10.4, RFC 3863 §4).

use std::time::{Duration, Instant};

use tests::pidf;
use tests::server::Server;
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";

/// Publishes for one device; all of them use the same tuple id.
fn device(server: &Server, name: &str) -> Publisher {
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&document(name)).code(), Some(200));
    publisher
}

fn document(name: &str) -> String {
    pidf::open_at(DANA, "t1", name, &format!("sip:dana@{name}.example"))
}

fn watching(server: &Server) -> Watcher {
    let mut watcher = Watcher::udp(server.udp_address(), DANA, "sip:ann@watch.example");
    assert_eq!(watcher.subscribe(600).code(), Some(200));
    watcher
}

/// That ids are unique is what every watcher asserts on every document.
#[test]
fn two_devices_with_the_same_tuple_id_are_both_seen() {
    let server = Server::quickstart();
    let (mut desk, mut mobile) = (device(&server, "desk"), device(&server, "mobile"));
    let mut watcher = watching(&server);
    assert_eq!(watcher.next_notification().notes(), ["desk", "mobile"]);
    mobile.modify(&document("walking"));
    assert_eq!(watcher.next_notification().notes(), ["desk", "walking"]);
    mobile.remove();
    assert_eq!(watcher.next_notification().notes(), ["desk"]);
    desk.remove();
    let last = watcher.next_notification();
    assert!(last.presence().is_closed_once(), "{}", last.message);
    assert_eq!(last.state().substate, "active", "the subscription goes on");
    watcher.finish();
}

#[test]
fn an_id_stays_with_its_device_from_document_to_document() {
    let server = Server::quickstart();
    let (_desk, mut mobile) = (device(&server, "desk"), device(&server, "mobile"));
    let mut watcher = watching(&server);
    let id_of = |notification: &tests::user_agent::Notification, note: &str| {
        let tuples = &notification.presence().tuples;
        tuples.iter().find(|tuple| tuple.notes == [note]).map(|tuple| tuple.id.clone())
    };
    let before = watcher.next_notification();
    mobile.modify(&document("mobile").replace("open", "closed"));
    let after = watcher.next_notification();
    for note in ["desk", "mobile"] {
        assert_eq!(id_of(&before, note), id_of(&after, note), "{note}");
    }
    watcher.finish();
}

#[test]
fn a_publication_that_expires_closes_within_a_second() {
    let server = Server::quickstart();
    let mut watcher = watching(&server);
    watcher.next_notification();
    let mut publisher = Publisher::udp(server.udp_address(), DANA).expiring(2);
    let sent = Instant::now();
    publisher.publish(&document("desk"));
    let answered = Instant::now();
    assert_eq!(watcher.next_notification().notes(), ["desk"]);
    let closed = watcher.next_notification();
    assert!(closed.presence().is_closed_once(), "{}", closed.message);
    assert!(sent.elapsed() >= Duration::from_secs(2), "closed {:?} after it was published", sent.elapsed());
    // The deadline lies 2 s after a moment between the two; it may take up to a second, and the way here.
    assert!(answered.elapsed() < Duration::from_millis(3500), "closed {:?} after it was accepted", answered.elapsed());
    assert_eq!(publisher.refresh().code(), Some(412), "an expired publication cannot be refreshed");
    watcher.finish();
}

#[test]
fn one_device_that_expires_leaves_the_other() {
    let server = Server::quickstart();
    let _desk = device(&server, "desk");
    let mut watcher = watching(&server);
    watcher.next_notification();
    let mut mobile = Publisher::udp(server.udp_address(), DANA).expiring(1);
    mobile.publish(&document("mobile"));
    assert_eq!(watcher.next_notification().notes(), ["desk", "mobile"]);
    assert_eq!(watcher.next_notification().notes(), ["desk"]);
    watcher.finish();
}

#[test]
fn what_a_device_says_is_seen_as_it_said_it() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&pidf::open(DANA, "t1", "a &lt;b&gt; &amp; \u{e4}\u{1f600}"));
    let mut watcher = watching(&server);
    assert_eq!(watcher.next_notification().notes(), ["a <b> & \u{e4}\u{1f600}"]);
    watcher.finish();
}

#[test]
fn the_entity_is_the_presentity_whatever_the_publisher_wrote() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&pidf::open("sip:mallory@elsewhere.example", "t1", "here"));
    let mut watcher = watching(&server);
    assert_eq!(watcher.next_notification().presence().entity, DANA);
    watcher.finish();
}
