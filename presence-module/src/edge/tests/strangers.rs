//! Who sends NOTIFYs to those who never asked (RFC 6665 §6.3): it is slowed, and nobody else is.

use std::time::Duration;

use module_api::abi::Transport;

use super::Rig;
use super::phone::Phone;

const TOO_MANY: &str = "Retry-After: 60\r\n";

/// A phone number `n` that sends from `source`, and wants to be told at `contact`.
fn phone<'a>(n: u32, source: &'a str, contact: &str) -> Phone<'a> {
    let contact = format!("<sip:w@{contact}>");
    // A proxy in between, which stays out of it: NOTIFYs go to the Contact.
    Phone { call: format!("s-{n}"), contact, source, ..Phone::of("stranger") }
}

fn rig() -> Rig {
    Rig::with(|settings| (settings.unanswered_max, settings.follows_source) = (3, false))
}

/// Subscribes, and lets the NOTIFY come to `outcome` if the SUBSCRIBE was accepted.
fn subscribe(rig: &Rig, phone: &Phone<'_>, outcome: u16) -> (u16, String) {
    let before = rig.notify_count();
    let answer = rig.answer(phone.subscribe(rig, "presence", "", 1, 600));
    if answer.code == 200 {
        let notify = rig.notify(before + 1);
        if outcome == 200 {
            rig.answer_with(&notify, 200, "")
        } else {
            rig.confirm(&notify, outcome)
        }
        rig.until_settled();
    }
    (answer.code, answer.headers)
}

#[test]
fn a_source_and_a_target_of_many_unanswered_notifys_are_refused_and_others_are_not() {
    let rig = rig();
    for n in 0..3 {
        assert_eq!(subscribe(&rig, &phone(n, "192.0.2.1:5060", "198.51.100.7"), 408).0, 200);
    }
    // Whatever ports they use.
    for (source, contact) in [("192.0.2.1:999", "192.0.2.1"), ("192.0.2.2:5060", "198.51.100.7:99")] {
        assert_eq!(subscribe(&rig, &phone(4, source, contact), 200), (503, TOO_MANY.into()));
    }
    assert_eq!(subscribe(&rig, &phone(5, "192.0.2.2:5060", "192.0.2.2"), 200).0, 200);
    assert_eq!(rig.counted("over_unanswered_total"), 2);
    // Slowed, not shut out.
    rig.pass(Duration::from_secs(2));
    assert_eq!(subscribe(&rig, &phone(6, "192.0.2.1:5060", "198.51.100.7"), 408).0, 200);
    assert_eq!(subscribe(&rig, &phone(7, "192.0.2.1:5060", "198.51.100.7"), 408).0, 503);
}

#[test]
fn a_target_is_known_by_its_name_too() {
    let rig = rig();
    for n in 0..3 {
        subscribe(&rig, &phone(n, "192.0.2.1:5060", "victim.example:5070"), 408);
    }
    assert_eq!(subscribe(&rig, &phone(4, "192.0.2.2:5060", "VICTIM.example"), 200).0, 503);
}

#[test]
fn a_proxy_with_some_phones_that_have_vanished_goes_on_and_so_does_who_says_no() {
    let rig = rig();
    for n in 0..20 {
        let outcome = if n % 2 == 0 { 200 } else { 408 };
        assert_eq!(subscribe(&rig, &phone(n, "192.0.2.1:5060", "192.0.2.1"), outcome).0, 200, "{n}");
    }
    // Not our business: the host had no room, the transport failed at once.
    for n in 20..30 {
        assert_eq!(subscribe(&rig, &phone(n, "192.0.2.3:5060", "192.0.2.3"), 500).0, 200, "{n}");
    }
}

#[test]
fn who_has_opened_a_connection_has_shown_where_it_is() {
    let rig = rig();
    for n in 0..10 {
        let phone = Phone { transport: Transport::TCP, flow: 7, ..phone(n, "192.0.2.1:5060", "192.0.2.1") };
        assert_eq!(subscribe(&rig, &phone, 408).0, 200, "{n}");
    }
}

#[test]
fn a_refresh_is_never_refused_for_it() {
    let rig = rig();
    let standing = phone(0, "192.0.2.1:5060", "192.0.2.1");
    let tag = rig.answer(standing.subscribe(&rig, "presence", "", 1, 600)).to_tag;
    rig.answer_with(&rig.notify(1), 200, "");
    rig.until_settled();
    for n in 1..5 {
        subscribe(&rig, &phone(n, "192.0.2.1:5060", "192.0.2.1"), 408);
    }
    assert_eq!(subscribe(&rig, &phone(9, "192.0.2.1:5060", "192.0.2.1"), 408).0, 503);
    assert_eq!(rig.answer(standing.subscribe(&rig, "presence", &tag, 2, 600)).code, 200);
}

#[test]
fn a_notify_that_the_host_had_no_room_for_is_told_later_and_ends_nothing() {
    let rig = Rig::new();
    rig.answer(Phone::of("eli").subscribe(&rig, "presence", "", 1, 600));
    rig.confirm(&rig.notify(1), 500);
    rig.pass(Duration::from_secs(2));
    let again = rig.notify(2);
    assert_eq!((again.state(), rig.disk().1.len()), ("active;expires=598", 1));
}
