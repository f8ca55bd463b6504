//! What the operator may set, each against what holds without it.

use std::time::Duration;

use module_api::abi::Argument;

use super::Rig;
use super::fake_host::SeenRequest;
use super::rig::{document, header, publish_request};
use crate::edge::core::AcceptedWith;
use crate::edge::identity::IdentitySource;

fn notes(notify: &SeenRequest) -> Vec<&str> {
    notify.body.split("<note>").skip(1).filter_map(|rest| rest.split("</note>").next()).collect()
}

#[test]
fn min_expires_refuses_what_is_too_brief_and_never_an_end() {
    let rig = Rig::with(|settings| {
        settings.policy.publish.min_expires_s = 60;
        settings.policy.subscribe.min_expires_s = 7200;
    });
    let brief = rig.answer(rig.publish("dana", "p0", "", 59, &document("x")));
    assert_eq!((brief.code, header(&brief, "Min-Expires").as_str()), (423, "60"));
    let published = rig.answer(rig.publish("dana", "p1", "", 60, &document("x")));
    let condition = format!("SIP-If-Match: {}\r\n", header(&published, "SIP-ETag"));
    assert_eq!(rig.answer(rig.publish("dana", "p2", &condition, 0, "")).code, 200);
    let brief = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3599));
    assert_eq!((brief.code, header(&brief, "Min-Expires").as_str()), (423, "7200"));
    // RFC 6665 §4.2.1.1: an hour is never too brief.
    assert_eq!(rig.answer(rig.subscribe_to("presence", "fay", "", 1, 3600)).code, 200);
    assert_eq!(rig.answer(rig.subscribe_to("presence", "gil", "", 1, 0)).code, 200);
}

#[test]
fn notify_interval_tells_the_first_change_at_once_and_the_last_one_when_it_is_over() {
    let rig = Rig::with(|settings| settings.policy.notify_interval_ms = 5000);
    let mut from = 0;
    let to_tag = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600)).to_tag;
    rig.next_notify("first", &mut from, |_| true);
    for n in 0..5 {
        rig.answer(rig.publish("dana", &format!("p{n}"), "", 3600, &document(&format!("n{n}"))));
    }
    rig.until_settled();
    assert_eq!(rig.notify_count(), 1, "the SUBSCRIBE was answered just now");
    rig.host.advance(Duration::from_millis(5000));
    let told = rig.next_notify("all of them", &mut from, |_| true);
    assert_eq!(notes(&told), ["n4"]);
    rig.host.advance(Duration::from_millis(6000));
    rig.answer(rig.publish("dana", "p9", "", 3600, &document("at once")));
    assert_eq!(notes(&rig.next_notify("leading edge", &mut from, |_| true)), ["at once"]);
    rig.answer(rig.publish("dana", "q", "", 3600, &document("later")));
    rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 2, 3600));
    assert_eq!(notes(&rig.next_notify("a refresh does not wait", &mut from, |_| true)), ["later"]);
}

#[test]
fn timeout_rm_subs_0_keeps_who_does_not_answer() {
    for (silence_ends, left) in [(true, 0), (false, 1)] {
        let rig = Rig::with(|settings| settings.policy.silence_ends = silence_ends);
        rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600));
        rig.confirm(&rig.notify(1), 408);
        rig.until_settled();
        assert_eq!(rig.disk().1.len(), left);
    }
}

#[test]
fn cseq_offset_allows_a_step_back() {
    for (cseq_offset, code) in [(0, 500), (2, 200)] {
        let rig = Rig::with(|settings| settings.policy.subscribe.cseq_offset = cseq_offset);
        let to_tag = rig.answer(rig.subscribe_to("presence", "eli", "", 10, 3600)).to_tag;
        assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 9, 3600)).code, code);
        assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 8, 3600)).code, 500);
        assert_eq!(rig.disk().1[0].remote_cseq, 10);
    }
}

/// A SUBSCRIBE of a phone after a restart: another Call-ID each time.
fn from_phone(rig: &Rig, call: &str, contact: &str) -> u16 {
    let transaction = rig.call(
        1,
        &format!(
            "SUBSCRIBE sip:dana@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call}\r\n\
             From: <sip:eli@pres.example>;tag=w\r\nTo: <sip:dana@pres.example>\r\nCall-ID: {call}\r\n\
             CSeq: 1 SUBSCRIBE\r\nContact: {contact}\r\nEvent: presence\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n"
        ),
    );
    rig.answer(transaction.0).code
}

#[test]
fn one_subscription_per_device_leaves_nothing_behind() {
    let phone = |port: u16| format!("<sip:eli@192.0.2.1:{port}>;+sip.instance=\"<urn:uuid:5f2c>\"");
    for (one_per_device, left) in [(false, 3), (true, 2)] {
        let rig = Rig::with(|settings| settings.policy.subscribe.one_per_device = one_per_device);
        for (call, contact) in [("a", phone(5060)), ("b", "<sip:eli@192.0.2.2>".to_owned()), ("c", phone(5062))] {
            assert_eq!(from_phone(&rig, call, &contact), 200);
        }
        rig.until_settled();
        assert_eq!(rig.disk().1.len(), left);
        assert!(rig.disk().1.iter().any(|row| row.call_id == "c"));
    }
}

#[test]
fn a_device_without_an_instance_is_known_by_its_contact() {
    let rig = Rig::with(|settings| settings.policy.subscribe.one_per_device = true);
    for call in ["a", "b"] {
        assert_eq!(from_phone(&rig, call, "<sip:eli@192.0.2.1:5060>"), 200);
    }
    rig.until_settled();
    assert_eq!(rig.disk().1.len(), 1);
}

#[test]
fn the_contact_we_give_is_what_the_operator_says() {
    let contact = |rig: &Rig| header(&rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600)), "Contact");
    assert_eq!(contact(&Rig::new()), "<sip:192.0.2.99:5060;gr>");
    let user = Rig::with(|settings| settings.contact_user = "presence".into());
    assert_eq!(contact(&user), "<sip:presence@192.0.2.99:5060;gr>");
    let address = Rig::with(|settings| settings.server_address = "sip:pa.example;transport=tcp".into());
    assert_eq!(contact(&address), "<sip:pa.example;transport=tcp>");
}

#[test]
fn a_subscribe_is_accepted_with_the_code_of_its_time() {
    for (accepted, presence, winfo) in [
        (AcceptedWith::Code200, 200, 200),
        (AcceptedWith::Code202, 202, 202),
        (AcceptedWith::Code202ForPresence, 202, 200),
    ] {
        let rig = Rig::with(|settings| settings.accepted = accepted);
        assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600)).code, presence);
        assert_eq!(rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600)).code, winfo);
    }
}

#[test]
fn presence_domains_are_served_besides_the_hosts_own() {
    for (domains, code) in [(vec![], 404), (vec!["net.example".into()], 200)] {
        let rig = Rig::with(|settings| settings.domains = domains);
        let publish = publish_request("dana", "p", "", 600, &document("x"));
        let publish = publish.replacen("sip:dana@pres.example", "sip:dana@net.example", 1);
        assert_eq!(rig.answer(rig.call(0, &publish).0).code, code);
    }
}

#[test]
fn in_2006_the_presentity_was_in_to() {
    let rig = Rig::with(|settings| settings.presentity_in_to = true);
    let publish = publish_request("dana", "p", "", 600, &document("x"));
    let publish = publish.replacen("sip:dana@pres.example", "sip:192.0.2.99", 1);
    assert_eq!(rig.answer(rig.call(0, &publish).0).code, 200);
    assert_eq!(rig.disk().0[0].presentity.to_string(), "dana@pres.example");
}

#[test]
fn from_is_believed_only_if_the_operator_says_so() {
    for (identity, stored) in [(IdentitySource::Authenticated, ""), (IdentitySource::From, "sip:eli@pres.example")] {
        let rig = Rig::with(|settings| settings.identity = identity);
        rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600));
        assert_eq!(rig.disk().1[0].identity, stored);
        let is_owner = rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600)).code;
        assert_eq!(is_owner, if stored.is_empty() { 403 } else { 200 });
    }
}

#[test]
fn the_sender_of_a_publication_is_not_told_of_it() {
    let (rig, mut from) = (Rig::new(), 0);
    for watcher in ["eli", "fay"] {
        rig.answer(rig.subscribe_to("presence", watcher, "", 1, 600));
        rig.next_notify("first", &mut from, |_| true);
    }
    let sender = [Argument::text(b"<sip:eli@pres.example>;tag=x")];
    let publish = publish_request("dana", "p", "", 600, &document("x"));
    rig.answer(rig.call_with(0, &publish, &sender).0);
    let told = rig.next_notify("news", &mut from, |_| true);
    assert!(told.head.starts_with("NOTIFY sip:fay@"), "{}", told.head);
    rig.until_settled();
    assert_eq!(rig.notify_count(), from);
}

#[test]
fn a_watcher_that_asks_for_a_pause_is_told_when_it_is_over() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600));
    rig.next_notify("first", &mut from, |_| true);
    rig.answer(rig.publish("dana", "p", "", 600, &document("x")));
    let refused = rig.notify(2);
    rig.answer_with(&refused, 503, "Retry-After: 10 (busy)\r\n");
    rig.answer(rig.publish("dana", "q", "", 600, &document("y")));
    rig.until_settled();
    assert_eq!(rig.notify_count(), 2, "it asked for a pause");
    rig.host.advance(Duration::from_secs(10));
    assert_eq!(notes(&rig.next_notify("news", &mut 2, |_| true)), ["y"]);
}
