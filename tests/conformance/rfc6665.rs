//! SUBSCRIBE as a watcher sees it (RFC 6665 §4.2.1, RFC 3856 §6).

use tests::message::{Message, parameter};
use tests::pidf;
use tests::server::{Server, with_setting};
use tests::user_agent::{Notification, Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";

fn watcher(server: &Server) -> Watcher {
    Watcher::udp(server.udp_address(), DANA, ANN)
}

/// Sends a SUBSCRIBE made by `change` from a faultless initial one; it must be refused with `expected`.
fn check_refused(server: &Server, expected: u16, change: impl Fn(Message) -> Message) -> Message {
    let mut watcher = watcher(server);
    let request = watcher.next_request(600);
    let response = watcher.request(change(request));
    assert_eq!(response.code(), Some(expected), "{response}");
    assert_eq!(watcher.notification_count(), 0);
    watcher.finish();
    response
}

fn check_terminated(notification: &Notification, reason: &str) {
    let state = notification.state();
    assert!(state.is_terminated(), "{}", notification.message);
    assert_eq!(state.reason.as_deref(), Some(reason), "{}", notification.message);
}

#[test]
fn s4_2_1_a_subscription_begins_goes_on_and_ends() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let accepted = watcher.subscribe(600);
    assert_eq!((accepted.code(), accepted.get("Expires")), (Some(200), Some("600")), "{accepted}");
    let first = watcher.next_notification();
    assert_eq!(first.state().substate, "active");
    assert!(first.presence().is_closed_once(), "nothing is published: {}", first.message);
    assert_eq!(first.presence().entity, DANA);

    let refreshed = watcher.subscribe(300);
    assert_eq!((refreshed.code(), refreshed.get("Expires")), (Some(200), Some("300")), "{refreshed}");
    let second = watcher.next_notification();
    assert!(second.state().expires_s <= Some(300), "the remaining seconds: {}", second.message);
    assert!(second.state().expires_s > Some(280), "the remaining seconds: {}", second.message);

    let ended = watcher.unsubscribe();
    assert_eq!((ended.code(), ended.get("Expires")), (Some(200), Some("0")), "{ended}");
    check_terminated(&watcher.next_notification(), "timeout");
    assert_eq!(watcher.subscribe(600).code(), Some(481), "the dialog is over");
    watcher.finish();
}

#[test]
fn s4_4_3_a_fetch_gets_the_state_once_and_leaves_nothing() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&pidf::open(DANA, "t1", "here"));
    let mut watcher = watcher(&server);
    let only = watcher.fetch();
    check_terminated(&only, "timeout");
    assert_eq!(only.notes(), ["here"]);
    assert_eq!(watcher.subscribe(600).code(), Some(481));
    publisher.modify(&pidf::open(DANA, "t1", "busy"));
    let mut later = self::watcher(&server);
    assert_eq!(later.fetch().notes(), ["busy"]);
    assert_eq!(watcher.notification_count(), 1);
    watcher.finish();
    later.finish();
}

#[test]
fn s12_1_1_the_200_mirrors_record_route_and_has_a_contact() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let here = watcher.endpoint.local_address();
    let routes = [format!("<sip:{here};lr;x=y>"), "<sip:p2.example;lr>;y=\"a,b\"".to_owned()];
    let request = watcher.next_request(600).with("Record-Route", &routes[0]).with("Record-Route", &routes[1]);
    let accepted = watcher.request(request);
    assert_eq!(accepted.list("Record-Route"), routes, "{accepted}");
    let contact = accepted.uri_of("Contact").expect("a Contact");
    assert!(contact.contains(&server.udp_address().to_string()), "{contact}");
    watcher.next_notification();
    watcher.finish();
}

#[test]
fn s4_2_1_2_a_notify_follows_every_200() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    for requested in [600, 600, 300, 0] {
        assert_eq!(watcher.subscribe(requested).code(), Some(200));
        watcher.next_notification();
    }
    assert_eq!(watcher.notification_count(), 4);
    watcher.finish();
}

#[test]
fn s8_2_1_the_id_of_event_is_echoed() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server).with_event("presence;id=x7");
    watcher.subscribe(600);
    assert_eq!(parameter(watcher.next_notification().message.expect("Event"), "id").as_deref(), Some("x7"));
    watcher.finish();
}

#[test]
fn s3_1_1_without_expires_the_package_default_is_granted() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let request = watcher.next_request(600).without("Expires");
    assert_eq!(watcher.request(request).get("Expires"), Some("3600"));
    watcher.next_notification();
    watcher.finish();
}

#[test]
fn max_expires_bounds_what_is_granted() {
    let server = Server::start(&with_setting("modparam(\"presence\", \"max_expires\", 120)"), Default::default());
    let mut watcher = watcher(&server);
    assert_eq!(watcher.subscribe(600).get("Expires"), Some("120"));
    assert!(watcher.next_notification().state().expires_s <= Some(120));
    watcher.finish();
}

#[test]
fn without_force_active_nobody_is_told_anything_yet() {
    let server = Server::start(&with_setting("modparam(\"presence\", \"force_active\", 0)"), Default::default());
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&pidf::open(DANA, "t1", "here"));
    let mut watcher = watcher(&server);
    assert_eq!(watcher.subscribe(600).code(), Some(200), "202 is of RFC 3265");
    let pending = watcher.next_notification();
    assert_eq!(pending.state().substate, "pending");
    assert!(pending.message.body.is_empty(), "{}", pending.message);
    publisher.modify(&pidf::open(DANA, "t1", "busy"));
    watcher.unsubscribe();
    let last = watcher.next_notification();
    check_terminated(&last, "timeout");
    assert!(last.message.body.is_empty(), "{}", last.message);
    watcher.finish();
}

#[test]
fn a_subscription_ends_at_its_deadline() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    watcher.subscribe(1);
    assert_eq!(watcher.next_notification().state().expires_s, Some(1));
    check_terminated(&watcher.next_notification(), "timeout");
    assert_eq!(watcher.subscribe(600).code(), Some(481));
    watcher.finish();
}

#[test]
fn s12_2_2_an_unknown_dialog_is_481() {
    let server = Server::quickstart();
    check_refused(&server, 481, |request| request.set("To", format!("<{DANA}>;tag=unknown")));
}

#[test]
fn s12_2_2_a_cseq_that_is_not_higher_is_500() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let first = watcher.next_request(600).set("CSeq", "10 SUBSCRIBE");
    assert_eq!(watcher.request(first).code(), Some(200));
    watcher.next_notification();
    for cseq in [9, 10] {
        let request = watcher.next_request(600).set("CSeq", format!("{cseq} SUBSCRIBE"));
        assert_eq!(watcher.request(request).code(), Some(500), "CSeq {cseq}");
    }
    let gap = watcher.next_request(600).set("CSeq", "20 SUBSCRIBE");
    assert_eq!(watcher.request(gap).code(), Some(200), "gaps are allowed");
    watcher.next_notification();
    assert_eq!(watcher.notification_count(), 2);
    watcher.finish();
}

#[test]
fn a_missing_or_unknown_event_is_489_with_allow_events() {
    let server = Server::quickstart();
    for event in ["dialog", "Presence", "presencefoo"] {
        let response = check_refused(&server, 489, |request| request.set("Event", event));
        assert!(response.list("Allow-Events").contains(&"presence".to_owned()), "{response}");
    }
    check_refused(&server, 489, |request| request.without("Event"));
}

#[test]
fn an_accept_that_we_cannot_serve_is_406() {
    let server = Server::quickstart();
    check_refused(&server, 406, |request| request.set("Accept", "text/plain"));
    check_refused(&server, 406, |request| request.set("Accept", "application/pidf+xml;q=0"));
    for accept in ["*/*", "application/*;q=0.5", "text/plain, application/pidf+xml"] {
        let mut watcher = watcher(&server);
        let request = watcher.next_request(600).set("Accept", accept);
        assert_eq!(watcher.request(request).code(), Some(200), "{accept}");
        watcher.next_notification();
        watcher.finish();
    }
}

#[test]
fn a_contact_that_leads_nowhere_is_400() {
    let server = Server::quickstart();
    check_refused(&server, 400, |request| request.without("Contact"));
    check_refused(&server, 400, |request| request.set("Contact", "<tel:+1>"));
    check_refused(&server, 400, |request| request.set("Contact", "<sip:a@127.0.0.1>, <sip:b@127.0.0.1>"));
}

#[test]
fn a_presentity_that_is_not_ours_is_404() {
    let server = Server::quickstart();
    check_refused(&server, 404, |mut request| {
        request.start = "SUBSCRIBE sip:dana@elsewhere.example SIP/2.0".into();
        request
    });
}

#[test]
fn a_retransmission_makes_no_second_dialog() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let request = watcher.next_request(600);
    let sent = watcher.send(request);
    watcher.endpoint.send_bytes(&sent.to_bytes());
    watcher.answer_to(&sent);
    watcher.endpoint.send_bytes(&sent.to_bytes());
    let answers = watcher.endpoint.responses(&sent, 2);
    assert_eq!(answers[0], answers[1], "{}", watcher.endpoint.ladder());
    watcher.next_notification();
    watcher.unsubscribe();
    watcher.next_notification();
    assert_eq!(watcher.notification_count(), 2, "{}", watcher.endpoint.ladder());
    watcher.finish();
}

#[test]
fn s12_2_2_a_refresh_moves_the_watcher() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    watcher.subscribe(600);
    let first = watcher.next_notification();
    let moved = format!("sip:moved@{}", watcher.endpoint.local_address());
    assert_ne!(first.message.uri(), Some(moved.as_str()));
    watcher.move_to(&format!("<{moved}>"));
    watcher.subscribe(600);
    assert_eq!(watcher.next_notification().message.uri(), Some(moved.as_str()));
    watcher.finish();
}
