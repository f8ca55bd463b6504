//! Watcher information as a document (RFC 3858). That it is valid, its versions gapless and its ids stable, every watcher of
//! these tests checks on every document.

use tests::server::Server;
use tests::user_agent::{Publisher, Watcher};
use tests::watcherinfo::CONTENT_TYPE;

use crate::scene::*;

/// trap_40, trap_41
#[test]
fn s3_the_first_document_has_version_0_and_each_next_one_more() {
    let server = Server::quickstart();
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    owner.subscribe(600);
    let first = owner.next_notification();
    assert_eq!(first.message.get("Content-Type"), Some(CONTENT_TYPE));
    assert_eq!((first.watcherinfo().version, first.watcherinfo().is_full), (0, true));
    let mut ann = watching(&server, ANN);
    assert_eq!(owner.next_notification().watcherinfo().version, 1);
    ann.unsubscribe();
    assert_eq!(owner.next_notification().watcherinfo().version, 2);
    assert_eq!(owner.refresh_in_silence().watcherinfo().version, 3, "a refresh does not begin anew");
    ann.finish();
    owner.finish();
}

/// trap_40
#[test]
fn s3_versions_are_counted_by_each_subscription_for_itself() {
    let server = Server::quickstart();
    let mut early = watching_watchers(&server);
    let ann = watching(&server, ANN);
    assert_eq!(early.next_notification().watcherinfo().version, 1);
    let mut late = watcher(&server, DANA).with_event("presence.winfo");
    late.subscribe(600);
    assert_eq!(late.next_notification().watcherinfo().version, 0);
    let bob = watching(&server, BOB);
    assert_eq!(early.next_notification().watcherinfo().version, 2);
    assert_eq!(late.next_notification().watcherinfo().version, 1);
    [ann, bob, early, late].into_iter().for_each(Watcher::finish);
}

/// A NOTIFY that is refused for a while has been counted; what comes next goes on from it.
#[test]
fn s3_versions_have_no_gap_when_a_notify_is_refused() {
    let server = Server::quickstart();
    let mut owner = watching_watchers(&server);
    owner.answer_next_with(500);
    let ann = watching(&server, ANN);
    assert_eq!(owner.next_notification().watcherinfo().version, 1);
    let bob = watching(&server, BOB);
    owner.notification_where("Bob", |told| told.watchers.iter().any(|line| line.contains("bob")));
    [ann, bob, owner].into_iter().for_each(Watcher::finish);
}

/// trap_41
#[test]
fn s3_resource_and_watchers_are_addresses_of_record() {
    let server = Server::quickstart();
    let mut ann = Watcher::udp(server.udp_address(), "pres:%64ana@Pres.Example;x=y", ANN);
    ann.move_to(&format!("<sip:phone@{}>", ann.endpoint.local_address()));
    ann.subscribe(600);
    ann.next_notification();
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    let info = owner.fetch().watcherinfo().clone();
    assert_eq!((info.lists[0].resource.as_str(), info.lists[0].package.as_str()), (DANA, "presence"));
    assert_eq!(info.only().uri, ANN, "not its Contact");
    ann.finish();
    owner.finish();
}

/// Two phones of one watcher are two subscriptions, with ids of their own that stay.
#[test]
fn s3_each_subscription_has_an_id_that_stays_with_it() {
    let server = Server::quickstart();
    let mut phones = [watching(&server, ANN), watching(&server, ANN)];
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    owner.subscribe(600);
    let ids = |owner: &tests::user_agent::Notification| -> Vec<String> {
        let watchers = &owner.watcherinfo().lists[0].watchers;
        let mut ids: Vec<_> = watchers.iter().map(|entry| entry.id.clone()).collect();
        ids.sort();
        ids
    };
    let first = ids(&owner.next_notification());
    assert_eq!(first.len(), 2);
    assert_eq!(ids(&owner.refresh_in_silence()), first);
    let mut other = watcher(&server, DANA).with_event("presence.winfo");
    assert_eq!(ids(&other.fetch()), first, "the same for whoever looks");
    for id in &first {
        assert!(!phones.iter_mut().any(|phone| phone.next_request(600).get("Call-ID").is_some_and(|it| id == it)));
    }
    let [mut gone, stays] = phones;
    gone.unsubscribe();
    let told = owner.next_notification();
    assert!(first.contains(&told.watcherinfo().only().id), "{}", told.message);
    [gone, stays, owner, other].into_iter().for_each(Watcher::finish);
}

#[test]
fn s3_name_and_times_go_with_a_watcher() {
    let server = Server::quickstart();
    let mut ann = watcher(&server, ANN);
    let request = ann.next_request(600);
    let from = format!("\"Ann \\\"A\\\" <&> O'Neil\" {}", request.expect("From"));
    ann.request(request.set("From", from));
    ann.next_notification();
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    let told = owner.fetch();
    let entry = told.watcherinfo().only().clone();
    assert_eq!(entry.display_name.as_deref(), Some("Ann \"A\" <&> O'Neil"), "{}", told.message);
    assert!(entry.expiration_s.is_some_and(|left| (580..=600).contains(&left)), "{}", told.message);
    assert!(entry.duration_subscribed_s.is_some_and(|since| since < 20), "{}", told.message);
    ann.finish();
    owner.finish();
}

/// `expiration` and `duration-subscribed` go with the clock, not with what was granted.
#[test]
fn s3_expiration_and_duration_are_of_the_moment() {
    let server = Server::quickstart();
    let mut ann = watching(&server, ANN);
    let mut short = publisher(&server).expiring(2);
    short.publish(&here("short"));
    ann.next_notification();
    assert!(ann.next_notification().presence().is_closed_once(), "two seconds later");
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    let told = owner.fetch();
    let entry = told.watcherinfo().only();
    assert!(entry.expiration_s <= Some(598), "{}", told.message);
    assert!(entry.duration_subscribed_s >= Some(2), "{}", told.message);
    ann.finish();
    owner.finish();
}

/// Whatever a URI may hold arrives as it was, however long it is.
#[test]
fn s3_uris_are_escaped_and_never_cut() {
    let server = Server::quickstart();
    let long = format!("sip:{}@watch.example", "a".repeat(255));
    let identities = ["sip:a&b;c=d@watch.example", "sip:it's@watch.example", long.as_str()];
    let watchers = identities.map(|identity| watching(&server, identity));
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    let told = owner.fetch();
    let mut expected = identities.map(|identity| format!("{identity} active subscribe"));
    expected.sort();
    assert_eq!(told.watcherinfo().summary(), expected);
    watchers.into_iter().for_each(Watcher::finish);
    owner.finish();
}

/// After a restart the next document says all, and its version is higher than any before; ids are what they were.
#[test]
fn s4_a_restart_goes_on_with_a_full_document_and_a_higher_version() {
    let mut server = Server::quickstart();
    let mut ann = watching(&server, ANN);
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    owner.subscribe(600);
    let before = owner.next_notification();
    let bob = watching(&server, BOB);
    owner.next_notification();
    server.kill_nine();
    for watcher in [&ann, &bob, &owner] {
        watcher.allow_jump_once();
    }
    server.restart();
    let owed = owner.next_notification();
    assert!(owed.watcherinfo().is_full, "{}", owed.message);
    assert_eq!(owed.watchers.len(), 2, "{}", owed.message);
    let known = &before.watcherinfo().only().id;
    assert!(owed.watcherinfo().lists[0].watchers.iter().any(|entry| &entry.id == known), "{}", owed.message);
    ann.next_notification();
    ann.unsubscribe();
    let told = owner.next_notification();
    assert_eq!(told.watcherinfo().only().summary(), "sip:ann@watch.example terminated timeout");
    [ann, bob, owner].into_iter().for_each(Watcher::finish);
}

/// More than fits into a datagram's usual size comes whole.
#[test]
fn s3_a_long_list_comes_whole() {
    let server = Server::quickstart();
    let names: Vec<_> = (0..40).map(|number| format!("sip:watcher-{number}@watch.example")).collect();
    let watchers: Vec<_> = names.iter().map(|name| watching(&server, name)).collect();
    let mut owner = Watcher::tcp(server.tcp_address(), DANA, DANA).with_event("presence.winfo");
    assert_eq!(owner.fetch().watcherinfo().summary().len(), names.len());
    watchers.into_iter().for_each(Watcher::finish);
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&here("here"));
    publisher.finish();
    owner.finish();
}
