//! What a peer writes into a SUBSCRIBE is stored and sent again: none of it may break a NOTIFY.

use module_api::sip::header::HeaderId;
use module_api::sip::message::{HeaderTable, scan};

use super::Rig;

/// A SUBSCRIBE of a sound peer, header by header.
const SOUND: [(&str, &str); 8] = [
    ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
    ("From", "<sip:eli@other.example>;tag=w"),
    ("To", "<sip:dana@pres.example>"),
    ("Call-ID", "c1"),
    ("CSeq", "1 SUBSCRIBE"),
    ("Contact", "<sip:eli@192.0.2.1>"),
    ("Event", "presence"),
    ("Content-Length", "0"),
];

fn subscribe(changed: &str, value: &str) -> String {
    let mut message = String::from("SUBSCRIBE sip:dana@pres.example SIP/2.0\r\n");
    for (name, sound) in SOUND {
        let value = if name == changed { value } else { sound };
        message += &format!("{name}: {value}\r\n");
    }
    if !SOUND.iter().any(|(name, _)| *name == changed) {
        message += &format!("{changed}: {value}\r\n");
    }
    message + "\r\n"
}

/// Sends a SUBSCRIBE with one header changed; it is refused with 400, or its NOTIFY is a sound message.
fn check(name: &str, value: &str, expected: u16) {
    let rig = Rig::new();
    let (transaction, _) = rig.call(1, &subscribe(name, value));
    let answer = rig.answer(transaction);
    assert_eq!(answer.code, expected, "{name}: {value:?}");
    assert!(!answer.headers.contains("X-Injected"), "{name}: {value:?}");
    if expected != 200 {
        assert_eq!(rig.disk().1.len(), 0);
        return;
    }
    let notify = rig.notify(1);
    assert!(!notify.head.contains("\r\nX-Injected"), "{}", notify.head);
    let with_via =
        notify.head.replacen("\r\n", "\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK9\r\n", 1) + &notify.body;
    let mut table = HeaderTable::new();
    let message = scan(with_via.as_bytes(), &mut table).expect("a NOTIFY is SIP");
    assert_eq!(message.defect(), None, "{with_via}");
    assert_eq!(message.body(), notify.body.as_bytes());
    for id in [HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ, HeaderId::EVENT] {
        assert_eq!(message.headers(id).count(), 1, "{with_via}");
    }
}

#[test]
fn a_peer_without_tags_and_one_with_a_display_name_are_served() {
    check("From", "<sip:eli@other.example>", 200);
    check("From", "sip:eli@other.example", 200);
    check("From", "\"Eli; <sip:x@y>\" <sip:eli@other.example>;tag=w", 200);
    check("From", "<tel:+15551234>;tag=w", 200);
    check("To", "sip:dana@pres.example", 200);
    check("Event", "presence;id=42", 200);
    check("Call-ID", "a{b}[c]<d>\"e\"@192.0.2.1", 200);
}

#[test]
fn what_would_break_a_notify_is_refused() {
    check("From", "\"Eli\"", 400);
    check("From", "\"Eli\" <>;tag=w", 400);
    check("From", "<sip:eli@other.example\r\n X-Injected: 1>;tag=w", 400);
    check("From", "<sip:eli@other.example>;tag=w\r\n\tX-Injected", 400);
    check("To", "<sip:dana@pres example>", 400);
    check("To", "sip:dana>@pres.example", 400);
    check("Call-ID", "c1\r\n X-Injected: 1", 400);
    check("Contact", "<sip:eli@192.0.2.1;x=a b>", 400);
    check("Contact", "<sip:eli@192.0.2.1\r\n X-Injected: 1>", 400);
    check("Contact", "<sip:eli@192.0.2.1?Route=%3Csip:mallory@192.0.2.2;lr%3E>", 400);
    check("Event", "presence;id=\"4\r\n X-Injected: 2\"", 400);
    check("Record-Route", "<sip:192.0.2.7;lr>;x=\"\r\n X-Injected: 1\"", 400);
    check("Record-Route", "<sip:192.0.2.7;lr (x>", 400);
    check("Record-Route", "<sip:192.0.2.7;lr>;x=\"y\r\nRecord-Route: <sip:192.0.2.8;lr>", 400);
    check("Record-Route", "<sip:192.0.2.7;lr>, 192.0.2.8", 400);
    check("Require", "a\r\n\tb", 400);
}

#[test]
fn values_as_long_as_a_message_may_have_them_are_kept_whole() {
    let long = "x".repeat(7000);
    check("Call-ID", &long, 200);
    check("From", &format!("<sip:eli@other.example;x={long}>;tag=w"), 200);
    check("Contact", &format!("<sip:{long}@192.0.2.1>"), 200);
    check("Record-Route", &format!("<sip:192.0.2.7;lr;x={long}>"), 200);
}

#[test]
fn a_watcher_whose_name_no_database_holds_or_tells_apart_is_refused() {
    let user = |characters| format!("<sip:{}@other.example>;tag=w", "x".repeat(characters));
    check("From", &user(255), 200);
    check("From", &user(256), 400);
    check("From", "<sip:eli%20@other.example>;tag=w", 400);
    check("From", "<sip:e%00li@other.example>;tag=w", 400);
}
