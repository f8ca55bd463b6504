//! What a watcher does not take, and when it is told again (RFC 6665 §4.2.2).

use std::time::Duration;

use module_api::abi::Transport;

use super::Rig;
use super::phone::Phone;
use super::rig::{cseq, document};

/// Silence, and a transport that failed.
const SILENCE: [u16; 2] = [408, 503];

#[test]
fn silence_from_before_a_refresh_ends_nothing_and_the_state_is_told_again() {
    for code in SILENCE {
        let rig = Rig::new();
        let to_tag = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600)).to_tag;
        let former = rig.notify(1);
        assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 2, 3600)).code, 200);
        rig.confirm(&former, code);
        let again = rig.notify(2);
        assert_eq!((cseq(&again), again.state(), &again.body), (2, "active;expires=3600", &former.body), "{code}");
        assert_eq!(rig.disk().1.len(), 1);
    }
}

#[test]
fn silence_from_before_any_request_in_the_dialog_ends_nothing_and_the_state_is_told_again() {
    for code in SILENCE {
        let rig = Rig::new();
        let to_tag = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600)).to_tag;
        let former = rig.notify(1);
        assert_eq!(rig.answer(rig.subscribe_to("presence;id=2", "eli", &to_tag, 2, 3600)).code, 200);
        rig.confirm(&former, code);
        let joined = rig.notify(2);
        assert_eq!(joined.event(), "presence;id=2", "{code}");
        rig.confirm(&joined, 200);
        rig.pass(Duration::from_secs(2));
        let again = rig.notify(3);
        assert_eq!((again.event(), &again.body), ("presence", &former.body), "{code}");
        assert_eq!(rig.disk().1.len(), 2);
    }
}

#[test]
fn silence_from_before_an_unsubscribe_leaves_the_end_to_be_told() {
    for code in SILENCE {
        let rig = Rig::new();
        let to_tag = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600)).to_tag;
        let former = rig.notify(1);
        rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 2, 0));
        rig.confirm(&former, code);
        assert_eq!(rig.notify(2).state(), "terminated;reason=timeout", "{code}");
    }
}

/// Leaves NOTIFY number `count` unanswered, and expects the next in `pause_s` and not sooner.
fn check_pause(rig: &Rig, count: usize, code: u16, pause_s: u64) {
    rig.confirm(&rig.notify(count), code);
    rig.pass(Duration::from_millis(pause_s * 1000 - 1));
    assert_eq!(rig.notify_count(), count, "{code}, {pause_s}");
    // The timers are a quarter of a second late at most.
    rig.pass(Duration::from_millis(251));
    rig.notify(count + 1);
}

#[test]
fn who_keeps_its_subscription_in_silence_is_told_again_after_a_pause_that_doubles() {
    for code in SILENCE {
        let rig = Rig::with(|settings| settings.policy.silence_ends = false);
        rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600));
        for (count, pause_s) in [(1, 2), (2, 4), (3, 8), (4, 16)] {
            check_pause(&rig, count, code, pause_s);
            assert_eq!(rig.notify(count + 1).body, rig.notify(1).body, "the state that was lost");
        }
        rig.confirm(&rig.notify(5), 200);
        rig.answer(rig.publish("dana", "p", "", 3600, &document("news")));
        assert!(rig.notify(6).body.contains("news"));
        check_pause(&rig, 6, code, 2);
        assert!(rig.notify(7).body.contains("news"));
        assert_eq!(rig.disk().1.len(), 1);
    }
}

#[test]
fn who_asks_for_no_pause_at_all_is_left_alone_for_a_moment() {
    let rig = Rig::new();
    rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600));
    rig.answer_with(&rig.notify(1), 486, "Retry-After: 0\r\n");
    rig.answer(rig.publish("dana", "p", "", 3600, &document("news")));
    rig.pass(Duration::ZERO);
    assert_eq!(rig.notify_count(), 1, "time stands still");
    rig.pass(Duration::from_secs(2));
    rig.answer_with(&rig.notify(2), 486, "Retry-After: 0\r\n");
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.notify_count(), 2);
    rig.pass(Duration::from_secs(2));
    assert!(rig.notify(3).body.contains("news"));
}

#[test]
fn who_came_over_a_connection_that_is_gone_is_told_when_it_comes_back() {
    let (rig, phone, to_tag) = lose_over_a_connection(503);
    let back = Phone { flow: 6, ..phone };
    assert_eq!(rig.answer(back.subscribe(&rig, "presence", &to_tag, 2, 3600)).code, 200);
    let told = rig.notify(3);
    assert_eq!((told.flow, told.body.contains("news")), (6, true));
}

#[test]
fn who_came_over_a_connection_that_is_gone_and_does_not_come_back_expires() {
    let (rig, _, _) = lose_over_a_connection(503);
    rig.pass(Duration::from_secs(3599));
    let again = rig.notify(3);
    assert_eq!((again.state(), again.body.contains("news")), ("active;expires=1", true));
    rig.confirm(&again, 503);
    rig.pass(Duration::from_secs(1));
    let last = rig.notify(4);
    assert_eq!(last.state(), "terminated;reason=timeout");
    rig.confirm(&last, 503);
    rig.until("it is gone", || rig.memory().1.is_empty() && rig.disk().1.is_empty());
}

#[test]
fn who_is_silent_over_a_connection_that_stands_has_no_subscription_any_more() {
    let (rig, phone, to_tag) = lose_over_a_connection(408);
    let back = Phone { flow: 6, ..phone };
    assert_eq!(rig.answer(back.subscribe(&rig, "presence", &to_tag, 2, 3600)).code, 481);
}

/// Subscribes over a connection, and has its second NOTIFY fail with `code`.
fn lose_over_a_connection(code: u16) -> (Rig, Phone<'static>, String) {
    let rig = Rig::new();
    let phone = Phone { transport: Transport::TCP, flow: 5, ..Phone::of("eli") };
    let to_tag = rig.answer(phone.subscribe(&rig, "presence", "", 1, 3600)).to_tag;
    rig.confirm(&rig.notify(1), 200);
    rig.answer(rig.publish("dana", "p", "", 3600, &document("news")));
    let lost = rig.notify(2);
    assert_eq!(lost.flow, 5);
    rig.confirm(&lost, code);
    rig.until_settled();
    (rig, phone, to_tag)
}
