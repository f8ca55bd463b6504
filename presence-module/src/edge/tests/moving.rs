//! Where NOTIFYs go, and where we say we are: what every request in a dialog renews (RFC 3261 §12.2.2), for all
//! subscriptions in it.

use module_api::abi::Transport;

use super::Rig;
use super::phone::Phone;
use super::rig::{document, header};

/// Subscribes a phone to `presence` and, in the same dialog, to `presence;id=2`, and confirms what it is told.
fn furnish(rig: &Rig, phone: &Phone<'_>) -> String {
    let to_tag = rig.answer(phone.subscribe(rig, "presence", "", 1, 600)).to_tag;
    rig.confirm(&rig.notify(1), 200);
    assert_eq!(rig.answer(phone.subscribe(rig, "presence;id=2", &to_tag, 2, 600)).code, 200);
    rig.confirm(&rig.notify(2), 200);
    to_tag
}

#[test]
fn a_refresh_over_another_connection_takes_all_of_the_dialog_along() {
    for (event, joins) in [("presence", false), ("presence;id=2", false), ("presence;id=3", true)] {
        let rig = Rig::new();
        let phone = Phone { transport: Transport::TCP, flow: 5, ..Phone::of("eli") };
        let to_tag = furnish(&rig, &phone);
        assert_eq!(rig.notify(2).flow, 5);
        let moved = Phone { flow: 6, ..phone };
        assert_eq!(rig.answer(moved.subscribe(&rig, event, &to_tag, 3, 600)).code, 200);
        rig.confirm(&rig.notify(3), 200);
        rig.answer(rig.publish("dana", "p", "", 600, &document("news")));
        let told = if joins { 3..7 } else { 3..6 };
        for count in told {
            let notify = rig.notify(count);
            assert_eq!(notify.flow, 6, "{event}: {}", notify.head);
            rig.confirm(&notify, 200);
        }
    }
}

#[test]
fn a_phone_that_moves_behind_a_nat_is_told_where_its_request_came_from() {
    let rig = Rig::new();
    let phone = Phone::of("eli");
    let to_tag = furnish(&rig, &phone);
    assert_eq!(rig.notify(2).address, None);
    let inside = Phone { contact: "<sip:eli@10.0.0.5:5062>".into(), source: "198.51.100.7:40000", ..Phone::of("eli") };
    rig.answer(inside.subscribe(&rig, "presence", &to_tag, 3, 600));
    rig.confirm(&rig.notify(3), 200);
    rig.answer(rig.publish("dana", "p", "", 600, &document("news")));
    for count in 3..6 {
        let notify = rig.notify(count);
        assert!(notify.head.starts_with("NOTIFY sip:eli@10.0.0.5:5062 "), "{}", notify.head);
        assert_eq!(notify.address, Some("198.51.100.7:40000".parse().expect("an address")));
        rig.confirm(&notify, 200);
    }
    let received = |rig: &Rig| rig.disk().1.iter().map(|row| row.received.is_some()).collect::<Vec<_>>();
    rig.until_settled();
    assert_eq!(received(&rig), [true, true]);
    // And out again.
    rig.answer(phone.subscribe(&rig, "presence;id=2", &to_tag, 4, 600));
    assert_eq!(rig.notify(6).address, None);
    assert_eq!(received(&rig), [false, false]);
}

#[test]
fn the_contact_we_give_is_renewed_by_a_request_in_the_dialog() {
    let phone = Phone::of("eli");
    let rig = Rig::new();
    let to_tag = furnish(&rig, &phone);
    let rig = rig.restart_under(true, |settings| settings.server_address = "sip:pa.example".into());
    let refreshed = rig.answer(phone.subscribe(&rig, "presence", &to_tag, 3, 600));
    assert_eq!(header(&refreshed, "Contact"), "<sip:pa.example>");
    rig.confirm(&rig.notify(1), 200);
    rig.answer(rig.publish("dana", "p", "", 600, &document("news")));
    for count in 1..4 {
        let notify = rig.notify(count);
        assert_eq!(notify.header("Contact"), "<sip:pa.example>", "{}", notify.event());
        rig.confirm(&notify, 200);
    }
    assert!(rig.disk().1.iter().all(|row| row.local_contact == "sip:pa.example"));
}
