//! The package `presence` (RFC 3856 §6): who may watch, and what they are told.

use tests::pidf;
use tests::server::Server;
use tests::user_agent::{Publisher, Watcher};

use crate::scene::*;

/// §5: `pres:` names the same presentity as `sip:`.
#[test]
fn s5_a_pres_uri_names_the_presentity_of_its_user_and_host() {
    let server = Server::quickstart();
    let _desk = publishing(&server, &here("here"));
    for uri in ["pres:dana@pres.example", "sip:dana@PRES.example", "sip:%64ana@pres.example;x=y"] {
        let mut watcher = Watcher::udp(server.udp_address(), uri, ANN);
        assert_eq!(watcher.subscribe(600).code(), Some(200), "{uri}");
        assert_eq!(watcher.next_notification().notes(), ["here"], "{uri}");
        watcher.finish();
    }
}

/// A refresh names our Contact in its Request-URI and may name anybody in To; the presentity stays.
#[test]
fn s5_the_presentity_is_that_of_the_first_request_uri() {
    let server = Server::quickstart();
    let _desk = publishing(&server, &here("here"));
    let mut watcher = watcher(&server, ANN);
    let request = watcher.next_request(600).set("To", "<sip:alias@elsewhere.example>");
    assert_eq!(watcher.request(request).code(), Some(200));
    let first = watcher.next_notification();
    assert_eq!(first.notes(), ["here"]);
    assert_eq!(first.message.uri_of("From").as_deref(), Some("sip:alias@elsewhere.example"), "From is the To of it");
    assert_eq!(first.presence().entity, DANA);
    watcher.finish();
}

/// §6.3: a filter may be ignored; what is no filter and must be understood is 415.
#[test]
fn s6_3_a_filter_is_ignored_and_anything_else_is_415() {
    let server = Server::quickstart();
    let bodies = [
        ("application/simple-filter+xml", "session", 200),
        ("text/plain", "render;handling=optional", 200),
        ("text/plain", "session", 415),
    ];
    for (content_type, disposition, expected) in bodies {
        let mut watcher = watcher(&server, ANN);
        let request = watcher.next_request(600).with_body(content_type, "<filter-set/>");
        let response = watcher.request(request.with("Content-Disposition", disposition));
        assert_eq!(response.code(), Some(expected), "{content_type}: {response}");
        if expected == 200 {
            watcher.next_notification();
        }
        watcher.finish();
    }
}

#[test]
fn s6_5_without_accept_the_document_is_pidf() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN);
    let request = watcher.next_request(600).without("Accept");
    assert_eq!(watcher.request(request).code(), Some(200));
    let first = watcher.next_notification();
    assert_eq!(first.message.get("Content-Type"), Some(pidf::CONTENT_TYPE));
    watcher.finish();
}

/// The Accept of the latest SUBSCRIBE counts; one we cannot serve changes nothing. trap_23
#[test]
fn s6_7_a_refresh_may_change_accept() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let refresh = watcher.next_request(600).set("Accept", "text/plain");
    assert_eq!(watcher.request(refresh).code(), Some(406));
    let mut publisher = publishing(&server, &here("here"));
    assert_eq!(watcher.next_notification().notes(), ["here"], "a refused refresh ends nothing");
    for accept in [None, Some("*/*")] {
        let refresh = watcher.next_request(600).without("Accept");
        let refresh = accept.into_iter().fold(refresh, |request, value| request.with("Accept", value));
        assert_eq!(watcher.request(refresh).code(), Some(200));
        assert_eq!(watcher.next_notification().notes(), ["here"]);
    }
    publisher.remove();
    assert!(watcher.next_notification().presence().is_closed_once());
    watcher.finish();
}

/// Nobody has decided: 200, pending, and not a word of Dana, now or at a change or at the end. trap_13, trap_14
#[test]
fn s6_6_2_an_undecided_watcher_is_pending_and_shown_nothing() {
    let server = server_that_asks();
    let mut publisher = publishing(&server, &here("here"));
    let mut watcher = watcher(&server, ANN);
    assert_eq!(watcher.subscribe(600).code(), Some(200), "202 is of RFC 3265");
    check_state(&watcher.next_notification(), "pending", false);
    publisher.modify(&here("busy"));
    check_state(&watcher.refresh_in_silence(), "pending", false);
    watcher.unsubscribe();
    let last = watcher.next_notification();
    check_terminated(&last, "timeout");
    assert!(last.message.body.is_empty(), "{}", last.message);
    watcher.finish();
}

/// A fetch by somebody nobody has decided on is told, and shown nothing. trap_13
#[test]
fn s6_6_2_an_undecided_fetch_is_shown_nothing() {
    let server = server_that_asks();
    let _desk = publishing(&server, &here("here"));
    let only = fetched(&server, ANN);
    check_terminated(&only, "timeout");
    assert!(only.message.body.is_empty(), "{}", only.message);
}

/// A NOTIFY shows all there is, not only what changed.
#[test]
fn s6_7_a_notify_shows_the_whole_document() {
    let server = Server::quickstart();
    let _desk = publishing(&server, &device("desk"));
    let mut mobile = publishing(&server, &device("mobile"));
    let mut watcher = watching(&server, ANN);
    mobile.modify(&device("walking"));
    assert_eq!(watcher.next_notification().notes(), ["desk", "walking"]);
    mobile.remove();
    assert_eq!(watcher.next_notification().notes(), ["desk"]);
    watcher.finish();
}

/// §6.8: an empty NOTIFY would leave the old document in force. The last device to leave is told by a document, once. trap_22
#[test]
fn s6_8_offline_is_said_with_a_document_and_once() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let mut publisher = publishing(&server, &here("here"));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    publisher.remove();
    let offline = watcher.next_notification();
    assert!(offline.presence().is_closed_once(), "{}", offline.message);
    assert_eq!(offline.state().substate, "active", "the subscription goes on");
    let again = watcher.refresh_in_silence();
    assert_eq!(again.message.body, offline.message.body);
    watcher.finish();
}

/// Two devices whose time is over while a NOTIFY is unanswered leave in one, which shows neither.
#[test]
fn s6_8_devices_that_expire_behind_an_unanswered_notify_leave_together() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    watcher.hold_answers();
    let mut devices: Vec<_> = ["desk", "mobile"].iter().map(|_| publisher(&server).expiring(1)).collect();
    for (publisher, name) in devices.iter_mut().zip(["desk", "mobile"]) {
        publisher.publish(&device(name));
    }
    assert_eq!(watcher.next_notification().notes(), ["desk"]);
    let mut witness = watching(&server, BOB);
    let gone = witness.notification_where("nothing", |notification| notification.notes().is_empty());
    assert!(gone.presence().is_closed_once());
    watcher.release();
    assert!(watcher.next_notification().presence().is_closed_once());
    watcher.refresh_in_silence();
    watcher.finish();
    witness.finish();
}

/// §6.9: one SUBSCRIBE, one dialog; two phones of one watcher are two. trap_56
#[test]
fn s6_9_each_subscribe_is_a_dialog_of_its_own() {
    let server = Server::quickstart();
    let mut phones = [watching(&server, ANN), watching(&server, ANN)];
    let mut publisher = Publisher::tcp(server.tcp_address(), DANA);
    publisher.publish(&here("here"));
    phones.iter_mut().for_each(|phone| assert_eq!(phone.next_notification().notes(), ["here"]));
    let [mut gone, mut stays] = phones;
    gone.unsubscribe();
    check_terminated(&gone.next_notification(), "timeout");
    publisher.modify(&here("busy"));
    assert_eq!(stays.next_notification().notes(), ["busy"]);
    gone.finish();
    stays.finish();
}
