//! SUBSCRIBE and NOTIFY as a watcher sees them (RFC 6665 §4.2), and the dialog they travel in (RFC 3261 §12).

use tests::message::{Message, parameter, uri_of};
use tests::server::Server;
use tests::user_agent::Watcher;

use crate::scene::*;

mod answers; // what the answer to a NOTIFY does
mod changes; // NOTIFYs as changes make them
mod sharing; // several subscriptions in one dialog

/// Sends a SUBSCRIBE made by `change` from a faultless initial one; it must be refused with `expected`.
fn check_refused(server: &Server, expected: u16, change: impl Fn(Message) -> Message) -> Message {
    let mut watcher = watcher(server, ANN);
    let request = watcher.next_request(600);
    let response = watcher.request(change(request));
    assert_eq!(response.code(), Some(expected), "{response}");
    assert_eq!(watcher.notification_count(), 0);
    watcher.finish();
    response
}

/// trap_11, trap_13, trap_15
#[test]
fn s4_2_1_a_subscription_begins_goes_on_and_ends() {
    for_each_transport(|server, transport| {
        let mut watcher = Watcher::over(transport, server, DANA, ANN);
        let accepted = watcher.subscribe(600);
        assert_eq!((accepted.code(), accepted.get("Expires")), (Some(200), Some("600")), "{accepted}");
        let first = watcher.next_notification();
        check_state(&first, "active", true);
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
    });
}

/// §4.4.3: a fetch is told once, with the state, and nothing is left of it.
#[test]
fn s4_4_3_a_fetch_gets_the_state_once_and_leaves_nothing() {
    let server = Server::quickstart();
    let mut publisher = publishing(&server, &here("here"));
    let mut watcher = watcher(&server, ANN);
    let only = watcher.fetch();
    check_terminated(&only, "timeout");
    assert_eq!(only.notes(), ["here"]);
    assert_eq!(watcher.subscribe(600).code(), Some(481));
    publisher.modify(&here("busy"));
    assert_eq!(published(&server), ["busy"]);
    assert_eq!(watcher.notification_count(), 1);
    watcher.finish();
}

/// trap_13: initial, refresh, unsubscribe. The pending and the fetch have tests of their own.
#[test]
fn s4_2_1_2_a_notify_follows_every_200() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN);
    for requested in [600, 600, 300, 0] {
        assert_eq!(watcher.subscribe(requested).code(), Some(200));
        watcher.next_notification();
    }
    assert_eq!(watcher.notification_count(), 4);
    watcher.finish();
}

/// §4.2.1.4: a refresh is told the whole present state.
#[test]
fn s4_2_1_4_a_refresh_is_told_the_present_state() {
    let server = Server::quickstart();
    let _desk = publishing(&server, &here("here"));
    let mut watcher = watching(&server, ANN);
    assert_eq!(watcher.refresh_in_silence().notes(), ["here"]);
    watcher.finish();
}

/// §4.1.2.4: the 200 leaves before its NOTIFY; watchers that are not ready for the contrary are many.
#[test]
fn s4_2_1_2_the_200_goes_first() {
    for_each_transport(|server, transport| {
        let mut watcher = Watcher::over(transport, server, DANA, ANN);
        watcher.subscribe(600);
        watcher.next_notification();
        let ladder = watcher.endpoint.ladder();
        let at = |start: &str| ladder.find(start).unwrap_or_else(|| panic!("no {start} in\n{ladder}"));
        assert!(at("<- SIP/2.0 200") < at("<- NOTIFY"), "{ladder}");
        watcher.finish();
    });
}

/// trap_07
#[test]
fn s3_1_1_without_expires_the_package_default_is_granted() {
    let server = Server::quickstart();
    for change in [|request: Message| request.without("Expires"), |request: Message| request.set("Expires", "soon")] {
        let mut watcher = watcher(&server, ANN);
        let request = change(watcher.next_request(600));
        assert_eq!(watcher.request(request).get("Expires"), Some("3600"));
        watcher.next_notification();
        watcher.finish();
    }
}

/// trap_09, trap_10
#[test]
fn s3_1_1_no_more_is_granted_than_was_asked_for() {
    let server = Server::quickstart();
    for (requested, granted) in [("1", "1"), ("60", "60"), ("7200", "3600"), ("99999999999", "3600")] {
        let mut watcher = watcher(&server, ANN);
        let contact = format!("{};expires=5", watcher.endpoint.contact("ann"));
        let request = watcher.next_request(600).set("Expires", requested).set("Contact", contact);
        assert_eq!(watcher.request(request).get("Expires"), Some(granted), "{requested}");
        watcher.next_notification();
        watcher.finish();
    }
}

/// §4.2.1.1, §4.2.1.4: below the minimum, initially and on refresh; a fetch and an unsubscribe are never too brief. trap_08
#[test]
fn s4_2_1_1_too_brief_an_interval_is_423_with_the_minimum() {
    let server = server_with(&[("min_expires", "60")]);
    let response = check_refused(&server, 423, |request| request.set("Expires", 59));
    assert_eq!(response.get("Min-Expires"), Some("60"), "{response}");
    assert_eq!(answer_to_fetch(&server, BOB), Some(200));
    let mut watcher = watching(&server, ANN);
    let response = watcher.subscribe(59);
    assert_eq!((response.code(), response.get("Min-Expires")), (Some(423), Some("60")), "{response}");
    assert_eq!(watcher.subscribe(60).code(), Some(200), "it goes on as it was");
    watcher.next_notification();
    assert_eq!(watcher.unsubscribe().code(), Some(200));
    check_terminated(&watcher.next_notification(), "timeout");
    watcher.finish();
}

/// §4.2.1.1: an hour is never too brief for a subscription, whatever the minimum. trap_08
#[test]
fn s4_2_1_1_an_hour_is_never_too_brief() {
    let server = server_with(&[("min_expires", "7200"), ("max_expires", "10000")]);
    check_refused(&server, 423, |request| request.set("Expires", 3599));
    let mut watcher = watcher(&server, ANN);
    let accepted = watcher.subscribe(3600);
    assert_eq!((accepted.code(), accepted.get("Expires")), (Some(200), Some("3600")), "granted short: {accepted}");
    watcher.next_notification();
    watcher.finish();
}

#[test]
fn s4_2_1_4_a_subscription_ends_at_its_deadline() {
    for_each_transport(|server, transport| {
        let mut watcher = Watcher::over(transport, server, DANA, ANN);
        watcher.subscribe(1);
        assert_eq!(watcher.next_notification().state().expires_s, Some(1));
        check_terminated(&watcher.next_notification(), "timeout");
        assert_eq!(watcher.subscribe(600).code(), Some(481));
        watcher.finish();
    });
}

/// §4.2.2: what a NOTIFY says is left is what is left then, not what was granted. trap_11
#[test]
fn s4_2_2_active_says_the_remaining_seconds() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let mut short = publisher(&server).expiring(2);
    short.publish(&here("short"));
    watcher.next_notification();
    let two_seconds_later = watcher.next_notification();
    assert!(two_seconds_later.presence().is_closed_once());
    assert!(two_seconds_later.state().expires_s <= Some(598), "{}", two_seconds_later.message);
    watcher.finish();
}

/// trap_17, trap_18, trap_19
#[test]
fn s4_2_1_1_a_missing_or_unknown_event_is_489_with_allow_events() {
    let server = Server::quickstart();
    for event in ["dialog", "Presence", "presencefoo", "presence.winfo.winfo.winfo"] {
        let response = check_refused(&server, 489, |request| request.set("Event", event));
        assert!(response.list("Allow-Events").contains(&"presence".to_owned()), "{response}");
    }
    check_refused(&server, 489, |request| request.without("Event"));
}

/// trap_17
#[test]
fn s8_2_1_parameters_other_than_id_do_not_count_and_compact_names_do() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN);
    let request = watcher.next_request(600).without("Event").with("o", "presence;foo=bar");
    assert_eq!(watcher.request(request).code(), Some(200));
    watcher.next_notification();
    assert_eq!(watcher.subscribe(300).code(), Some(200), "Event: presence is the same subscription");
    watcher.next_notification();
    watcher.finish();
    check_refused(&server, 400, |request| request.with("Event", "presence;id=2"));
}

#[test]
fn s8_2_1_the_id_of_event_is_echoed() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN).with_event("presence;id=x7");
    watcher.subscribe(600);
    assert_eq!(parameter(watcher.next_notification().message.expect("Event"), "id").as_deref(), Some("x7"));
    watcher.finish();
}

/// RFC 3261 §20.1: an Accept without a value accepts nothing.
#[test]
fn s4_1_2_1_an_accept_that_we_cannot_serve_is_406() {
    let server = Server::quickstart();
    for accept in ["text/plain", "application/pidf+xml;q=0", "", "application/pidf-diff+xml"] {
        check_refused(&server, 406, |request| request.set("Accept", accept));
    }
    for accept in ["*/*", "application/*;q=0.5", "text/plain, application/pidf+xml", "APPLICATION/PIDF+XML"] {
        let mut watcher = watcher(&server, ANN);
        let request = watcher.next_request(600).set("Accept", accept);
        assert_eq!(watcher.request(request).code(), Some(200), "{accept}");
        watcher.next_notification();
        watcher.finish();
    }
}

#[test]
fn s4_2_1_a_presentity_that_is_not_ours_is_404() {
    let server = Server::quickstart();
    check_refused(&server, 404, |request| Message {
        start: "SUBSCRIBE sip:dana@elsewhere.example SIP/2.0".into(),
        ..request
    });
}

#[test]
fn s4_2_1_an_extension_nobody_knows_is_420_naming_it() {
    let server = Server::quickstart();
    let response = check_refused(&server, 420, |request| request.with("Require", "eventlist, teleport"));
    assert_eq!(response.list("Unsupported"), ["eventlist", "teleport"], "{response}");
}

/// RFC 3261 §8.1.1.8: a request that makes a dialog has exactly one Contact, of SIP.
#[test]
fn rfc3261_s8_1_1_8_a_contact_that_leads_nowhere_is_400() {
    let server = Server::quickstart();
    check_refused(&server, 400, |request| request.without("Contact"));
    check_refused(&server, 400, |request| request.set("Contact", "<tel:+1>"));
    check_refused(&server, 400, |request| request.set("Contact", "<sip:a@127.0.0.1>, <sip:b@127.0.0.1>"));
}

/// §4.5.1, RFC 7621 §2: the local target of every dialog is a GRUU of our own (RFC 5627 §4.3).
#[test]
fn s4_5_1_the_contact_of_200_and_notify_is_a_gruu() {
    for_each_transport(|server, transport| {
        let mut watcher = Watcher::over(transport, server, DANA, ANN);
        let accepted = watcher.subscribe(600);
        let notify = watcher.next_notification().message;
        for message in [&accepted, &notify] {
            let contact = uri_of(message.expect("Contact"));
            let is_gr = |part: &str| part == "gr" || part.starts_with("gr=");
            assert!(contact.split(';').skip(1).any(is_gr), "{contact}");
            assert!(contact.contains(&server.address(transport).to_string()), "{contact} leads elsewhere");
        }
        assert_eq!(uri_of(accepted.expect("Contact")), uri_of(notify.expect("Contact")));
        watcher.finish();
    });
}

/// trap_32
#[test]
fn rfc3261_s12_1_1_the_200_mirrors_record_route_and_has_a_contact() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN);
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

/// trap_16
#[test]
fn rfc3261_s12_2_2_an_unknown_dialog_is_481() {
    let server = Server::quickstart();
    check_refused(&server, 481, |request| request.set("To", format!("<{DANA}>;tag=unknown")));
    let mut watcher = watching(&server, ANN);
    let right = watcher.next_request(600);
    for wrong in [
        right.clone().set("Call-ID", right.expect("Call-ID").to_uppercase() + "X"),
        right.clone().set("From", format!("<{ANN}>;tag=other")),
        right.clone().set("To", right.expect("To").to_owned() + "x"),
    ] {
        assert_eq!(watcher.endpoint.request(wrong).code(), Some(481));
    }
    assert_eq!(watcher.request(right).code(), Some(200));
    watcher.next_notification();
    watcher.finish();
}

/// The tags and the Call-ID make a dialog; what the URIs beside them say is of no account.
#[test]
fn rfc3261_s12_2_2_the_uris_of_from_and_to_do_not_name_the_dialog() {
    let server = server_with(&[("identity", "authenticated")]);
    let mut watcher = watching(&server, ANN);
    let request = watcher.next_request(300);
    let tags = [request.tag("From").expect("a tag"), request.tag("To").expect("a tag")];
    let request = request.set("From", format!("\"Ann\" <sip:ann@new.example>;tag={}", tags[0]));
    let request = request.set("To", format!("<pres:dana@pres.example>;tag={}", tags[1]));
    assert_eq!(watcher.request(request).code(), Some(200));
    watcher.next_notification();
    watcher.finish();
}

/// Whoever has overheard a dialog may not end it or move it: a SUBSCRIBE in it is authenticated like the first (§4.2.1.3).
#[test]
fn s4_2_1_3_a_refresh_by_somebody_else_is_403() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let foreign = watcher.next_request(0);
    let tag = foreign.tag("From").expect("a tag");
    let response = watcher.endpoint.request(foreign.set("From", format!("<{EVE}>;tag={tag}")));
    assert_eq!(response.code(), Some(403), "{response}");
    watcher.refresh_in_silence();
    watcher.finish();
}

/// trap_16
#[test]
fn rfc3261_s12_2_2_a_cseq_that_is_not_higher_is_500() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN);
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

/// Reordering: an unsubscribe that overtakes a refresh has the last word.
#[test]
fn rfc3261_s12_2_2_a_refresh_that_comes_after_the_end_does_not_revive_it() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let overtaken = watcher.next_request(600);
    assert_eq!(watcher.unsubscribe().code(), Some(200));
    check_terminated(&watcher.next_notification(), "timeout");
    let late = watcher.endpoint.request(overtaken).code();
    assert!([Some(481), Some(500)].contains(&late), "{late:?}");
    let _desk = publishing(&server, &here("here"));
    assert_eq!(published(&server), ["here"]);
    assert_eq!(watcher.notification_count(), 2);
    watcher.finish();
}

/// trap_06
#[test]
fn rfc3261_s12_2_2_a_refresh_moves_the_watcher() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let moved = format!("sip:moved@{}", watcher.endpoint.local_address());
    watcher.move_to(&format!("<{moved}>"));
    watcher.subscribe(600);
    assert_eq!(watcher.next_notification().message.uri(), Some(moved.as_str()));
    watcher.finish();
}

#[test]
fn rfc3261_s17_2_2_a_retransmission_makes_no_second_dialog() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN);
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

/// On a connection no transaction outlives its answer; the copy must find the dialog it made (RFC 3261 §8.2.7). trap_59
#[test]
fn rfc3261_s8_2_7_a_copy_after_the_end_of_its_transaction_makes_no_second_dialog() {
    let server = Server::quickstart();
    let mut watcher = Watcher::tcp(server.tcp_address(), DANA, ANN);
    let request = watcher.next_request(600);
    let sent = watcher.send(request);
    let tag = watcher.answer_to(&sent).tag("To").expect("a tag");
    watcher.next_notification();
    watcher.endpoint.send_bytes(&sent.to_bytes());
    let answers = watcher.endpoint.responses(&sent, 2);
    assert!(String::from_utf8_lossy(&answers[1]).contains(&tag), "{}", watcher.endpoint.ladder());
    watcher.subscribe(0);
    watcher.notification_where("the end", |notification| notification.state().is_terminated());
    let _desk = publishing(&server, &here("here"));
    assert_eq!(published(&server), ["here"]);
    watcher.finish();
}
