//! What operators may set within the standards, each knob with the clause that leaves it to them.
//!
//! That a value out of range is refused with its line, `tests/tests/configuration.rs` sees to.

use std::time::{Duration, Instant};

use tests::message::{Message, uri_of};
use tests::server::{Options, Server, with_route};
use tests::user_agent::{Publisher, Rule, Watcher};

use crate::scene::*;

/// RFC 3903 §4.2: what is said may be shorter than what is kept, never nothing. trap_31
#[test]
fn expires_offset_shortens_what_is_said_but_never_to_nothing() {
    let server = server_with(&[("expires_offset", "10")]);
    for (requested, said) in [(600, "590"), (5, "1"), (10, "1")] {
        let mut publisher = publisher(&server).expiring(requested);
        let response = publisher.publish(&here("here"));
        assert_eq!(response.get("Expires"), Some(said), "{response}");
        let removed = publisher.remove();
        assert_eq!(removed.get("Expires"), Some("0"), "{removed}");
        publisher.finish();
    }
}

/// RFC 6665 §3.1.1, RFC 3903 §6 step 4b: less may be granted than was asked for.
#[test]
fn max_expires_bounds_what_is_granted() {
    let server = server_with(&[("max_expires", "120")]);
    let mut watcher = watcher(&server, ANN);
    assert_eq!(watcher.subscribe(600).get("Expires"), Some("120"));
    assert!(watcher.next_notification().state().expires_s <= Some(120));
    assert_eq!(publisher(&server).publish(&here("here")).get("Expires"), Some("120"));
    watcher.finish();
}

#[test]
fn max_expires_may_differ_for_publications_and_subscriptions() {
    let parameters = [("max_expires", "120"), ("max_expires_publish", "60"), ("max_expires_subscribe", "7200")];
    let server = server_with(&parameters);
    let mut watcher = watcher(&server, ANN);
    assert_eq!(watcher.subscribe(10_000).get("Expires"), Some("7200"));
    watcher.next_notification();
    let mut publisher = publisher(&server).expiring(10_000);
    assert_eq!(publisher.publish(&here("here")).get("Expires"), Some("60"));
    watcher.finish();
    publisher.finish();
}

/// RFC 5627 §4.3: a server may give any address that leads to it.
#[test]
fn server_address_is_the_contact_of_200_and_notify() {
    let server = server_with(&[("server_address", "sip:pa@presence.example:5099")]);
    let mut watcher = watcher(&server, ANN);
    let accepted = watcher.subscribe(600);
    for message in [&accepted, &watcher.next_notification().message] {
        let contact = uri_of(message.expect("Contact"));
        assert_eq!(contact.split(';').next(), Some("sip:pa@presence.example:5099"), "{message}");
    }
    let refreshed = watcher.refresh_in_silence();
    assert!(refreshed.message.expect("Contact").contains("presence.example:5099"));
    watcher.finish();
}

#[test]
fn contact_user_is_the_user_of_the_contact() {
    let server = server_with(&[("contact_user", "presence")]);
    let mut watcher = watcher(&server, ANN);
    let accepted = watcher.subscribe(600);
    let expected = format!("sip:presence@{}", server.udp_address());
    for message in [&accepted, &watcher.next_notification().message] {
        assert_eq!(uri_of(message.expect("Contact")).split(';').next(), Some(expected.as_str()), "{message}");
    }
    watcher.refresh_in_silence();
    watcher.finish();
}

/// RFC 3265 §3.1.4.1 had 202; RFC 6665 §8.3.1 forbids it, so that it must be asked for. trap_14
#[test]
fn subs_respond_200_off_answers_as_rfc_3265_did() {
    let server = server_with(&[("subs_respond_200", "0")]);
    let mut watcher = watcher(&server, ANN);
    assert_eq!(watcher.subscribe(600).code(), Some(202));
    watcher.next_notification();
    check_only_202(&watcher);
    watcher.finish();
}

/// Takes back what the user agents hold against a 202.
fn check_only_202(watcher: &Watcher) {
    for violation in watcher.endpoint.take_violations() {
        assert!(violation.rule == Rule::Response && violation.detail.starts_with("202"), "{violation}");
    }
}

/// RFC 3261 §12.2.1.2 and RFC 6665 §4.2.2 SHOULD end it; watchers behind bad links are better off if it does not.
#[test]
fn timeout_rm_subs_off_keeps_a_subscription_after_408() {
    let server = server_with(&[("timeout_rm_subs", "0")]);
    let mut owner = watching_watchers(&server);
    let mut watcher = watching(&server, ANN);
    owner.next_notification();
    watcher.answer_next_with(408);
    let mut publisher = publishing(&server, &here("one"));
    assert_eq!(watcher.next_notification().notes(), ["one"]);
    publisher.modify(&here("two"));
    assert_eq!(watcher.next_notification().notes(), ["two"]);
    watcher.answer_next_with(481);
    publisher.modify(&here("three"));
    watcher.next_notification();
    // Another worker may read what comes after the answer first.
    assert_eq!(owner.next_notification().watcherinfo().only().status, "terminated");
    assert_eq!(watcher.subscribe(600).code(), Some(481), "481 means what it says");
    watcher.finish();
    owner.finish();
}

/// RFC 3261 §12.2.2 has no tolerance; some phones count badly.
#[test]
fn cseq_offset_tolerates_a_step_back() {
    let server = server_with(&[("cseq_offset", "5")]);
    let mut watcher = watcher(&server, ANN);
    let answer_to = |cseq: u32, watcher: &mut Watcher| {
        let request = watcher.next_request(600).set("CSeq", format!("{cseq} SUBSCRIBE"));
        let code = watcher.request(request).code();
        if code == Some(200) {
            watcher.next_notification();
        }
        code
    };
    assert_eq!(answer_to(100, &mut watcher), Some(200));
    assert_eq!(answer_to(94, &mut watcher), Some(500));
    assert_eq!(answer_to(96, &mut watcher), Some(200));
    assert_eq!(answer_to(101, &mut watcher), Some(200));
    watcher.finish();
}

/// RFC 3856 §6.10: one NOTIFY an interval; the first at once, the last state at its end. trap_24
#[test]
fn notify_interval_coalesces_and_loses_nothing() {
    let server = server_with(&[("notify_interval", "1000")]);
    let mut watcher = watching(&server, ANN);
    let mut publisher = publishing(&server, &here("one"));
    watcher.notification_where("one", |notification| notification.notes() == ["one"]);
    let first = Instant::now();
    for note in ["two", "three", "four"] {
        publisher.modify(&here(note));
    }
    let coalesced = watcher.next_notification();
    assert_eq!(coalesced.notes(), ["four"]);
    let after = first.elapsed();
    assert!((Duration::from_millis(850)..Duration::from_millis(2500)).contains(&after), "{after:?}");
    watcher.refresh_in_silence();
    watcher.finish();
}

/// What a SUBSCRIBE asks for, and the end, wait for no interval.
#[test]
fn notify_interval_delays_neither_answers_nor_ends() {
    let server = server_with(&[("notify_interval", "3600000")]);
    let mut watcher = watching(&server, ANN);
    let _desk = publishing(&server, &here("one"));
    assert_eq!(watcher.subscribe(300).code(), Some(200));
    watcher.notification_where("one", |told| told.notes() == ["one"] && told.state().expires_s <= Some(300));
    watcher.unsubscribe();
    check_terminated(&watcher.next_notification(), "timeout");
    let mut short = self::watcher(&server, BOB);
    short.subscribe(1);
    short.next_notification();
    check_terminated(&short.next_notification(), "timeout");
    watcher.finish();
    short.finish();
}

/// A decision of the presentity waits for no interval either (RFC 6446 §5.2).
#[test]
fn notify_interval_does_not_delay_an_approval() {
    let server = server_with(&[("notify_interval", "3600000"), ("force_active", "0")]);
    let _desk = publishing(&server, &here("here"));
    let mut ann = watching(&server, ANN);
    let mut rules = tests::rule_book::RuleBook::open(&server);
    rules.write(DANA, &tests::rules::ruleset(&[tests::rules::Rule::allow("a").one(ANN)]));
    rules.announce();
    assert_eq!(ann.next_notification().notes(), ["here"]);
    ann.finish();
}

/// Presentities live at the host's own domains and at these.
#[test]
fn presence_domains_are_ours_too() {
    let server = server_with(&[("presence_domains", "other.example, third.example")]);
    for (presentity, expected) in
        [("sip:x@other.example", 200), ("sip:x@Third.Example", 200), (DANA, 200), ("sip:x@fourth.example", 404)]
    {
        let mut publisher = Publisher::udp(server.udp_address(), presentity);
        let body = tests::pidf::open(presentity, "t1", "here");
        assert_eq!(publisher.publish(&body).code(), Some(expected), "{presentity}");
        let mut watcher = Watcher::udp(server.udp_address(), presentity, ANN);
        assert_eq!(watcher.subscribe(600).code(), Some(expected), "{presentity}");
        if expected == 200 {
            assert_eq!(watcher.next_notification().notes(), ["here"]);
        }
        watcher.finish();
    }
}

/// As the module of 2006 did: the presentity is To's, a SUBSCRIBE to presence gets 202.
#[test]
fn compat_seed2006_takes_to_and_answers_202() {
    let server = server_with(&[("compat", "seed2006")]);
    let mut publisher = publisher(&server);
    let request = publisher.next_request().with_body(tests::pidf::CONTENT_TYPE, here("here"));
    let elsewhere = Message { start: "PUBLISH sip:anything@pres.example SIP/2.0".into(), ..request };
    assert_eq!(publisher.request(elsewhere).code(), Some(200));
    let mut watcher = watcher(&server, ANN);
    let request = watcher.next_request(600);
    let elsewhere = Message { start: "SUBSCRIBE sip:anything@pres.example SIP/2.0".into(), ..request };
    assert_eq!(watcher.request(elsewhere).code(), Some(202));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    let mut owner = self::watcher(&server, DANA).with_event("presence.winfo");
    assert_eq!(owner.subscribe(600).code(), Some(200), "winfo had 200 then");
    owner.next_notification();
    check_only_202(&watcher);
    watcher.finish();
    owner.finish();
}

/// A phone that starts anew with a new Call-ID leaves no zombie behind, if the operator says so.
#[test]
fn one_subscription_per_device_replaces_the_one_before() {
    let subscribe = |server: &Server, instance: &str| {
        let mut phone = watcher(server, ANN);
        let contact = format!("{};+sip.instance=\"<urn:uuid:{instance}>\"", phone.endpoint.contact("ann"));
        phone.move_to(&contact);
        assert_eq!(phone.subscribe(600).code(), Some(200));
        phone.next_notification();
        phone
    };
    for (per_device, expected) in [("0", Some(200)), ("1", Some(481))] {
        let server = server_with(&[("one_subscription_per_device", per_device)]);
        let mut before = subscribe(&server, "0001");
        let mut other_device = subscribe(&server, "0002");
        let mut after = subscribe(&server, "0001");
        let request = before.next_request(600);
        assert_eq!(before.endpoint.request(request).code(), expected, "one_subscription_per_device {per_device}");
        let _desk = publishing(&server, &here("here"));
        for phone in [&mut other_device, &mut after] {
            phone.notification_where("the change", |told| told.notes() == ["here"]);
        }
        [before, other_device, after].into_iter().for_each(Watcher::finish);
    }
}

/// `handle_publish(sender)` as the field has it: the sender's own subscriptions are not told of what it says itself.
#[test]
fn handle_publish_with_a_sender_does_not_tell_the_sender() {
    let route = "if (method==\"PUBLISH\") handle_publish(\"sip:ann@watch.example\");\n\
        if (method==\"SUBSCRIBE\") handle_subscribe();";
    let server = Server::start(&with_route("", route), Options::default());
    let (mut sender, mut other) = (watching(&server, ANN), watching(&server, BOB));
    let _desk = publishing(&server, &here("here"));
    assert_eq!(other.next_notification().notes(), ["here"]);
    assert_eq!(sender.refresh_in_silence().notes(), ["here"], "a refresh tells everybody");
    sender.finish();
    other.finish();
}

/// Who takes From for proof is told so, once.
#[test]
fn identity_from_warns_once_at_start() {
    let mut server = Server::quickstart();
    fetched(&server, ANN);
    server.terminate();
    let warnings = |server: &Server| -> Vec<String> {
        let log = server.log();
        log.lines().filter(|line| line.contains("WARN") && line.contains("identity")).map(str::to_owned).collect()
    };
    assert_eq!(warnings(&server).len(), 1, "{}", server.log());
    let silent = server_with(&[("identity", "authenticated")]);
    assert_eq!(warnings(&silent).len(), 0, "{}", silent.log());
}

/// RFC 4745 §7.1: what the script states counts, and is kept with the subscription.
#[test]
fn presence_identity_lasts_for_the_dialog_and_over_a_restart() {
    let route = "if (method==\"PUBLISH\") handle_publish();\nif (method==\"SUBSCRIBE\") {\n\
        if ($fU==\"alias\") presence_identity(\"sip:ann@watch.example\");\nhandle_subscribe();\n}";
    let settings = "modparam(\"presence\", \"identity\", \"authenticated\")";
    let mut server = Server::start(&with_route(settings, route), Options::default());
    let mut alias = watcher(&server, "sip:alias@elsewhere.example");
    alias.subscribe(600);
    alias.next_notification();
    server.kill_nine();
    alias.allow_jump_once();
    server.restart();
    alias.next_notification();
    let mut rules = tests::rule_book::RuleBook::open(&server);
    let ann = tests::rules::Rule::allow("a").one(ANN);
    rules.set(DANA, &[ann]);
    let _desk = publishing(&server, &here("here"));
    alias.notification_where("the document", |told| told.notes() == ["here"]);
    alias.finish();
}
