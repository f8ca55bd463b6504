//! What is told of the time that is left: never more than there is (RFC 6665 §4.1.3).

use std::time::Duration;

use super::Rig;
use super::rig::{document, header};

#[test]
fn the_time_left_is_rounded_down_and_is_never_nothing() {
    let rig = Rig::new();
    rig.answer(rig.subscribe("eli", "", 1, 60));
    rig.confirm(&rig.notify(1), 200);
    let lefts = [(0, "60"), (1, "59"), (998, "59"), (1, "59"), (1, "58"), (58_000, "1"), (998, "1")];
    for (count, (after_ms, left)) in lefts.into_iter().enumerate() {
        rig.pass(Duration::from_millis(after_ms));
        rig.answer(rig.publish("dana", &format!("p{count}"), "", 3600, &document(&format!("n{count}"))));
        let notify = rig.notify(count + 2);
        assert_eq!(notify.state(), format!("active;expires={left}"));
        rig.confirm(&notify, 200);
    }
}

#[test]
fn a_request_that_waited_for_its_turn_sees_no_earlier_time_than_the_one_before() {
    let rig = Rig::new();
    rig.host.advance(Duration::from_secs(100));
    let subscribed = rig.answer(rig.subscribe("eli", "", 1, 600));
    let first = rig.notify(1);
    // It read the clock before the SUBSCRIBE did, and came behind it.
    rig.host.turn_back(Duration::from_secs(10));
    let again = rig.answer(rig.subscribe("eli", "", 1, 600));
    rig.confirm(&first, 200);
    rig.answer(rig.publish("dana", "p", "", 600, &document("news")));
    for answer in [&subscribed, &again] {
        assert_eq!(header(answer, "Expires"), "600");
    }
    assert_eq!(rig.notify(2).state(), "active;expires=600");
    assert_eq!(rig.disk().0[0].expires, 700, "and what it grants begins then");
}
