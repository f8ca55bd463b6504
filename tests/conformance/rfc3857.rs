//! The template `winfo` (RFC 3857): who watches whom, as the presentity is told and as watchers are.
//!
//! Its state machine (§4.7.1, Figure 1) has a file of its own.

use tests::message::Message;
use tests::server::Server;
use tests::user_agent::Watcher;
use tests::watcherinfo;

use crate::scene::*;

mod figure_1; // one test for each arrow
mod who_may_see; // §4.6

/// Starts a SUBSCRIBE of Dana to her own watchers, changed; it must be answered with `expected`.
fn check(server: &Server, expected: u16, change: impl Fn(Message) -> Message) {
    let mut owner = watcher(server, DANA).with_event("presence.winfo");
    let request = owner.next_request(600);
    let response = owner.request(change(request));
    assert_eq!(response.code(), Some(expected), "{response}");
    if expected == 200 {
        owner.next_notification();
    }
    owner.finish();
}

/// trap_41
#[test]
fn s4_1_the_watchers_of_a_presentity_are_a_package() {
    for_each_transport(|server, transport| {
        let ann = watching(server, ANN);
        let mut owner = Watcher::over(transport, server, DANA, DANA).with_event("presence.winfo");
        let accepted = owner.subscribe(600);
        assert_eq!((accepted.code(), accepted.get("Expires")), (Some(200), Some("600")), "{accepted}");
        let first = owner.next_notification();
        check_state(&first, "active", true);
        let [list] = &first.watcherinfo().lists[..] else { panic!("{}", first.message) };
        assert_eq!((list.resource.as_str(), list.package.as_str()), (DANA, "presence"));
        assert_eq!(first.watchers, ["sip:ann@watch.example active subscribe"]);
        owner.unsubscribe();
        check_terminated(&owner.next_notification(), "timeout");
        ann.finish();
        owner.finish();
    });
}

#[test]
fn s4_4_an_hour_is_the_default() {
    let server = Server::quickstart();
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    let request = owner.next_request(600).without("Expires");
    assert_eq!(owner.request(request).get("Expires"), Some("3600"));
    owner.next_notification();
    owner.finish();
}

#[test]
fn s4_5_an_accept_must_list_watcherinfo() {
    let server = Server::quickstart();
    check(&server, 406, |request| request.set("Accept", "application/pidf+xml"));
    check(&server, 200, |request| request.without("Accept"));
    check(&server, 200, |request| request.set("Accept", format!("text/plain, {}", watcherinfo::CONTENT_TYPE)));
}

/// §4.7.2: full after every SUBSCRIBE, partial with what changed after a change.
#[test]
fn s4_7_2_subscribes_are_told_all_and_changes_only_themselves() {
    let server = Server::quickstart();
    let ann = watching(&server, ANN);
    let mut owner = watching_watchers(&server);
    let mut bob = watching(&server, BOB);
    let change = owner.next_notification();
    assert!(!change.watcherinfo().is_full, "{}", change.message);
    assert_eq!(change.watcherinfo().summary(), ["sip:bob@watch.example active subscribe"]);
    let refreshed = owner.refresh_in_silence();
    assert!(refreshed.watcherinfo().is_full, "{}", refreshed.message);
    assert_eq!(refreshed.watcherinfo().summary().len(), 2, "{}", refreshed.message);
    bob.unsubscribe();
    let change = owner.next_notification();
    assert_eq!(change.watcherinfo().summary(), ["sip:bob@watch.example terminated timeout"]);
    assert_eq!(change.watchers, ["sip:ann@watch.example active subscribe"]);
    ann.finish();
    bob.finish();
    owner.finish();
}

/// A fetch of the watchers is told all, once.
#[test]
fn s4_7_2_a_fetch_of_the_watchers_is_told_all() {
    let server = Server::quickstart();
    let ann = watching(&server, ANN);
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    let only = owner.fetch();
    check_terminated(&only, "timeout");
    assert!(only.watcherinfo().is_full);
    assert_eq!(only.watcherinfo().summary(), ["sip:ann@watch.example active subscribe"]);
    ann.finish();
    owner.finish();
}

/// §4.3: an authorised fetch comes and goes in one moment; refreshes are no transition. Nobody is told of either.
#[test]
fn s4_7_2_what_does_not_last_is_not_told() {
    let server = Server::quickstart();
    let mut ann = watching(&server, ANN);
    let mut owner = watching_watchers(&server);
    fetched(&server, BOB);
    ann.refresh_in_silence();
    let mut publisher = publishing(&server, &here("here"));
    publisher.remove();
    assert_eq!(owner.refresh_in_silence().watchers, ["sip:ann@watch.example active subscribe"]);
    ann.finish();
    owner.finish();
}

/// §4.10: what happens while a NOTIFY is unanswered is told in one, each watcher as it stands then.
#[test]
fn s4_10_changes_behind_an_unanswered_notify_become_one() {
    let server = Server::quickstart();
    let mut owner = watching_watchers(&server);
    owner.hold_answers();
    let ann = watching(&server, ANN);
    owner.next_notification();
    let mut bob = watching(&server, BOB);
    let eve = watching(&server, EVE);
    bob.unsubscribe();
    bob.next_notification();
    owner.release();
    let told = owner.next_notification();
    assert!(told.watchers.iter().any(|line| line.contains("eve")), "{}", told.message);
    assert!(!told.watchers.iter().any(|line| line.contains("bob")), "{}", told.message);
    owner.refresh_in_silence();
    ann.finish();
    bob.finish();
    eve.finish();
    owner.finish();
}

/// A change of the watchers of one presentity is nothing to those who watch another's.
#[test]
fn s4_7_the_watchers_of_another_are_not_told() {
    let server = Server::quickstart();
    let mut owner = watching_watchers(&server);
    let mut ann = Watcher::udp(server.udp_address(), ED, ANN);
    ann.subscribe(600);
    ann.next_notification();
    assert!(owner.refresh_in_silence().watchers.is_empty());
    ann.finish();
    owner.finish();
}

/// A winfo subscriber of the presentity is no watcher of its presence.
#[test]
fn s4_7_who_watches_the_watchers_is_not_among_them() {
    let server = Server::quickstart();
    let mut owner = watching_watchers(&server);
    let mut second = watching_watchers(&server);
    assert!(owner.refresh_in_silence().watchers.is_empty());
    assert!(second.refresh_in_silence().watchers.is_empty());
    let mut presence = watching(&server, DANA);
    for own in [&mut owner, &mut second] {
        assert_eq!(own.next_notification().watchers, ["sip:dana@pres.example active subscribe"]);
    }
    presence.unsubscribe();
    presence.next_notification();
    presence.finish();
    owner.finish();
    second.finish();
}
