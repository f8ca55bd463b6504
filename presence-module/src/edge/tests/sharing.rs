//! Several subscriptions in one dialog (RFC 6665 §4.5.2): one presentity, one line of CSeqs, an end each.

use std::time::Duration;

use super::Rig;
use super::rig::{cseq, document};
use super::watcher_information::{is_winfo, told};

/// Subscribes Eli to `presence` and, in the same dialog, to `presence;id=2`; returns the To-tag.
fn furnish(rig: &Rig, from: &mut usize) -> String {
    let to_tag = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600)).to_tag;
    rig.next_notify("first", from, |notify| notify.event() == "presence");
    let joined = rig.answer(rig.subscribe_to("presence;id=2", "eli", &to_tag, 2, 600));
    assert_eq!(joined.code, 200);
    let second = rig.next_notify("second", from, |notify| notify.event() == "presence;id=2");
    assert_eq!((cseq(&second), second.state()), (2, "active;expires=600"));
    to_tag
}

#[test]
fn each_is_told_of_a_change_one_after_the_other() {
    let (rig, mut from) = (Rig::new(), 0);
    furnish(&rig, &mut from);
    rig.answer(rig.publish("dana", "p", "", 600, &document("news")));
    let first = rig.next_notify("news", &mut from, |_| true);
    let second = rig.next_notify("news", &mut from, |_| true);
    assert_eq!([cseq(&first), cseq(&second)], [3, 4]);
    let mut events = [first.event(), second.event()];
    events.sort_unstable();
    assert_eq!(events, ["presence", "presence;id=2"]);
    assert!([first.body, second.body].iter().all(|body| body.contains("news")));
}

#[test]
fn the_end_of_one_leaves_the_other_and_the_last_one_ends_the_dialog() {
    let (rig, mut from) = (Rig::new(), 0);
    let to_tag = furnish(&rig, &mut from);
    assert_eq!(rig.answer(rig.subscribe_to("presence;id=2", "eli", &to_tag, 3, 0)).code, 200);
    let last = rig.next_notify("end", &mut from, |_| true);
    assert_eq!((last.event(), last.state()), ("presence;id=2", "terminated;reason=timeout"));
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 4, 300)).code, 200);
    assert_eq!(rig.next_notify("refresh", &mut from, |_| true).state(), "active;expires=300");
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 5, 0)).code, 200);
    rig.next_notify("end", &mut from, |notify| notify.state().starts_with("terminated"));
    rig.until("it is forgotten", || !rig.is_known("dana"));
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 6, 300)).code, 481);
}

#[test]
fn a_watcher_that_is_not_there_loses_the_dialog_and_one_that_lacks_a_subscription_that_one() {
    for (code, left) in [(404, 0), (481, 1), (489, 1)] {
        let (rig, mut from) = (Rig::new(), 0);
        furnish(&rig, &mut from);
        rig.answer(rig.publish("dana", "p", "", 600, &document("news")));
        rig.confirm(&rig.notify(3), code);
        rig.until("the subscription is gone", || rig.disk().1.len() == left);
        assert_eq!(rig.memory().1.len(), left, "{code}");
    }
}

#[test]
fn after_a_crash_the_dialog_goes_on_above_every_cseq_its_subscriptions_used() {
    let (rig, mut from) = (Rig::new(), 0);
    let to_tag = furnish(&rig, &mut from);
    for round in 0..70 {
        rig.answer(rig.publish("dana", &format!("p{round}"), "", 600, &document(&format!("n{round}"))));
        rig.next_notify("news", &mut from, |_| true);
        rig.next_notify("news", &mut from, |_| true);
    }
    // The row that reserved the last CSeqs is gone; the other must know of them.
    rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 3, 0));
    let last = cseq(&rig.next_notify("end", &mut from, |notify| notify.state().starts_with("terminated")));
    let rig = rig.restart(false);
    let first = rig.notify(1);
    assert!(cseq(&first) > last, "{} after {last}", cseq(&first));
    assert_eq!(first.event(), "presence;id=2");
}

#[test]
fn a_contact_in_any_request_moves_all_of_the_dialog() {
    let (rig, mut from) = (Rig::new(), 0);
    let to_tag = furnish(&rig, &mut from);
    let moved = rig.call(
        1,
        &format!(
            "SUBSCRIBE sip:dana@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKmoved\r\n\
         From: <sip:eli@pres.example>;tag=w\r\nTo: <sip:dana@pres.example>;tag={to_tag}\r\nCall-ID: c-eli\r\n\
         CSeq: 9 SUBSCRIBE\r\nContact: <sip:moved@192.0.2.1>\r\nEvent: presence;id=2\r\nExpires: 600\r\n\
         Content-Length: 0\r\n\r\n"
        ),
    );
    assert_eq!(rig.answer(moved.0).code, 200);
    rig.next_notify("refresh", &mut from, |_| true);
    rig.answer(rig.publish("dana", "p", "", 600, &document("news")));
    for _ in 0..2 {
        let news = rig.next_notify("news", &mut from, |_| true);
        assert!(news.head.starts_with("NOTIFY sip:moved@"), "{}", news.head);
    }
    assert!(rig.disk().1.iter().all(|row| row.remote_target == "sip:moved@192.0.2.1"));
}

#[test]
fn a_dialog_holds_a_bounded_number() {
    let (rig, mut from) = (Rig::new(), 0);
    let to_tag = furnish(&rig, &mut from);
    let codes: Vec<_> = (3..12)
        .map(|id| rig.answer(rig.subscribe_to(&format!("presence;id={id}"), "eli", &to_tag, id, 600)).code)
        .collect();
    assert_eq!(codes, [200, 200, 200, 200, 200, 200, 403, 403, 403]);
}

#[test]
fn another_person_cannot_speak_in_a_dialog() {
    let (rig, mut from) = (Rig::new(), 0);
    let to_tag = furnish(&rig, &mut from);
    let foreign = rig.call(
        1,
        &format!(
            "SUBSCRIBE sip:dana@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKforeign\r\n\
         From: <sip:mallory@pres.example>;tag=w\r\nTo: <sip:dana@pres.example>;tag={to_tag}\r\nCall-ID: c-eli\r\n\
         CSeq: 9 SUBSCRIBE\r\nContact: <sip:mallory@192.0.2.6>\r\nEvent: presence\r\nExpires: 600\r\n\
         Content-Length: 0\r\n\r\n"
        ),
    );
    assert_eq!(rig.answer(foreign.0).code, 403);
    rig.host.advance(Duration::from_secs(1));
    assert!(rig.disk().1.iter().all(|row| row.remote_target == "sip:eli@192.0.2.1"));
}

#[test]
fn a_subscription_that_begins_again_is_not_ended_by_what_became_of_its_predecessors_last_notify() {
    for code in [200, 408, 481, 489] {
        let (rig, mut from) = (Rig::new(), 0);
        let to_tag = furnish(&rig, &mut from);
        rig.answer(rig.subscribe_to("presence;id=2", "eli", &to_tag, 3, 0));
        let last = rig.notify(3);
        assert_eq!((last.event(), last.state()), ("presence;id=2", "terminated;reason=timeout"));
        assert_eq!(rig.answer(rig.subscribe_to("presence;id=2", "eli", &to_tag, 4, 600)).code, 200);
        rig.confirm(&last, code);
        let first = rig.notify(4);
        assert_eq!((first.event(), first.state(), cseq(&first)), ("presence;id=2", "active;expires=600", 4), "{code}");
        rig.confirm(&first, 200);
        rig.answer(rig.publish("dana", "p", "", 600, &document("news")));
        let mut events = [rig.next_notify("news", &mut 4, |_| true), rig.next_notify("news", &mut 5, |_| true)]
            .map(|news| news.event().to_owned());
        events.sort_unstable();
        assert_eq!(events, ["presence", "presence;id=2"], "{code}");
        assert_eq!(rig.disk().1.len(), 2);
    }
}

#[test]
fn the_cseq_of_a_subscription_that_is_over_counts_in_its_dialog() {
    let (rig, mut from) = (Rig::new(), 0);
    let to_tag = furnish(&rig, &mut from);
    assert_eq!(rig.answer(rig.subscribe_to("presence;id=2", "eli", &to_tag, 9, 600)).code, 200);
    rig.next_notify("refresh", &mut from, |_| true);
    assert_eq!(rig.answer(rig.subscribe_to("presence;id=2", "eli", &to_tag, 10, 0)).code, 200);
    rig.next_notify("end", &mut from, |_| true);
    rig.until("it is gone", || rig.memory().1.len() == 1);
    let refresh = |cseq| rig.answer(rig.subscribe_to("presence", "eli", &to_tag, cseq, 600)).code;
    assert_eq!([3, 9, 10, 11].map(refresh), [500, 500, 500, 200]);
}

#[test]
fn documents_of_watcher_information_are_numbered_upwards_over_a_restart() {
    for joins in [false, true] {
        let (rig, mut from) = (Rig::new(), 0);
        let to_tag = rig.answer(rig.subscribe_to("presence", "dana", "", 1, 3600)).to_tag;
        rig.next_notify("first", &mut from, |_| true);
        let to_tag = if joins { to_tag } else { String::new() };
        rig.answer(rig.subscribe_to("presence.winfo", "dana", &to_tag, 2, 3600));
        let mut before = told(&rig.next_notify("full", &mut from, is_winfo)).0;
        // Past the CSeqs that the first row reserves.
        for n in 0..80 {
            rig.answer(rig.subscribe_to("presence", "eli", "", n + 1, 3600));
            let next = told(&rig.next_notify("partial", &mut from, is_winfo)).0;
            assert_eq!(next, before + 1);
            before = next;
        }
        let (rig, mut from) = (rig.restart(false), 0);
        let after = told(&rig.confirm_until("full", &mut from, is_winfo));
        assert!(after.0 > before, "{} after {before}", after.0);
        assert_eq!(after.1, "full");
    }
}
