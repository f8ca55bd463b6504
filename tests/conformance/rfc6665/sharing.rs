//! Several subscriptions in one dialog (RFC 6665 §4.5.2): told apart by Event and its id, sharing CSeq and remote target.

use tests::message::parameter;
use tests::server::Server;
use tests::user_agent::{Notification, Watcher};

use crate::scene::*;

fn event_of(notification: &Notification) -> &str {
    notification.message.expect("Event")
}

/// Two subscriptions of one dialog, each told once.
fn both(server: &Server, first: &str, second: &str, identity: &str) -> Watcher {
    let mut watcher = watcher(server, identity).with_event(first);
    assert_eq!(watcher.subscribe(600).code(), Some(200));
    assert_eq!(event_of(&watcher.next_notification()), first);
    let accepted = watcher.subscribe_to(second, 600);
    assert_eq!(accepted.code(), Some(200), "a new Event or id in the dialog is a new subscription: {accepted}");
    assert_eq!(event_of(&watcher.next_notification()), second);
    watcher
}

/// trap_16
#[test]
fn s4_5_2_another_id_in_a_dialog_is_another_subscription() {
    let server = Server::quickstart();
    let mut watcher = both(&server, "presence;id=1", "presence;id=2", ANN);
    let mut publisher = publishing(&server, &here("here"));
    let told = [watcher.next_notification(), watcher.next_notification()];
    assert!(told.iter().all(|notification| notification.notes() == ["here"]));
    let mut ids: Vec<_> = told.iter().map(|notification| parameter(event_of(notification), "id")).collect();
    ids.sort();
    assert_eq!(ids, [Some("1".to_owned()), Some("2".to_owned())]);
    publisher.remove();
    watcher.next_notification();
    watcher.next_notification();
    watcher.finish();
}

/// Ending one leaves the other, and it may begin again in the same dialog.
#[test]
fn s4_5_2_subscriptions_of_a_dialog_end_apart() {
    let server = Server::quickstart();
    let mut watcher = both(&server, "presence", "presence;id=2", ANN);
    assert_eq!(watcher.subscribe_to("presence;id=2", 0).code(), Some(200));
    let ended = watcher.next_notification();
    check_terminated(&ended, "timeout");
    assert_eq!(event_of(&ended), "presence;id=2");
    let _desk = publishing(&server, &here("here"));
    let told = watcher.next_notification();
    assert_eq!((event_of(&told), told.notes()), ("presence", vec!["here".to_owned()]));
    assert_eq!(watcher.subscribe_to("presence;id=2", 600).code(), Some(200));
    assert_eq!(event_of(&watcher.next_notification()), "presence;id=2");
    assert_eq!(watcher.unsubscribe().code(), Some(200));
    let ended = watcher.next_notification();
    assert_eq!(event_of(&ended), "presence");
    watcher.finish();
}

/// A refresh prolongs the one it names: the other runs out.
#[test]
fn s4_5_2_a_refresh_is_of_the_subscription_it_names() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN).with_event("presence;id=long");
    watcher.subscribe(600);
    watcher.next_notification();
    watcher.subscribe_to("presence;id=short", 2);
    watcher.next_notification();
    assert_eq!(watcher.subscribe(500).code(), Some(200));
    assert_eq!(event_of(&watcher.next_notification()), "presence;id=long");
    let ended = watcher.next_notification();
    check_terminated(&ended, "timeout");
    assert_eq!(event_of(&ended), "presence;id=short");
    assert_eq!(watcher.subscribe(400).code(), Some(200));
    watcher.next_notification();
    watcher.finish();
}

#[test]
fn s4_5_2_presence_and_its_watchers_share_a_dialog() {
    let server = Server::quickstart();
    let mut owner = both(&server, "presence", "presence.winfo", DANA);
    let ann = watching(&server, ANN);
    let told = owner.notification_where("Ann", |told| told.watchers.iter().any(|line| line.contains("ann")));
    assert_eq!(event_of(&told), "presence.winfo");
    let _desk = publishing(&server, &here("here"));
    let told = owner.notification_where("the change", |told| told.notes() == ["here"]);
    assert_eq!(event_of(&told), "presence");
    ann.finish();
    owner.finish();
}

/// An Event nobody knows is 489 in a dialog as elsewhere, and harms nothing. trap_16
#[test]
fn s4_5_2_an_unknown_event_in_a_dialog_is_489() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let request = watcher.next_request(600).set("Event", "dialog");
    let response = watcher.endpoint.request(request);
    assert_eq!(response.code(), Some(489), "{response}");
    watcher.refresh_in_silence();
    watcher.finish();
}

/// CSeq belongs to the dialog: what is too low for one is too low for the other.
#[test]
fn s4_5_2_the_remote_cseq_is_shared() {
    let server = Server::quickstart();
    let mut watcher = both(&server, "presence;id=1", "presence;id=2", ANN);
    let request = watcher.next_request_for("presence;id=1", 600).set("CSeq", "2 SUBSCRIBE");
    assert_eq!(watcher.endpoint.request(request).code(), Some(500));
    watcher.finish();
}

/// The remote target belongs to the dialog: a refresh of one moves both.
#[test]
fn s4_5_2_the_remote_target_is_shared() {
    let server = Server::quickstart();
    let mut watcher = both(&server, "presence;id=1", "presence;id=2", ANN);
    let moved = format!("sip:moved@{}", watcher.endpoint.local_address());
    watcher.move_to(&format!("<{moved}>"));
    watcher.subscribe(500);
    watcher.next_notification();
    let _desk = publishing(&server, &here("here"));
    for _ in 0..2 {
        assert_eq!(watcher.next_notification().message.uri(), Some(moved.as_str()));
    }
    watcher.finish();
}
