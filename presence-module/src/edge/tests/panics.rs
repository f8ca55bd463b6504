//! A panic while deciding is contained: nothing is lost by it, and nothing is tried for ever.

use std::sync::Arc;
use std::time::Duration;

use super::Rig;
use super::rig::{cseq, document};
use crate::edge::step::NotNow;
use crate::presentity::tests::PANICS;
use crate::presentity_uri::PresentityUri;

fn panicking(note: &str) -> String {
    document(note) + std::str::from_utf8(PANICS).expect("ASCII")
}

fn dana() -> Arc<PresentityUri> {
    Arc::new(PresentityUri::new("dana", "pres.example"))
}

#[test]
fn an_outcome_that_came_while_a_presentity_was_read_back_survives_a_panic() {
    let rig = Rig::new();
    rig.answer(rig.subscribe("eli", "", 1, 600));
    let first = rig.notify(1);
    rig.store.hold();
    let refused = rig.publish("dana", "p", "", 600, &document("refused"));
    rig.store.wait_held();
    rig.store.fail_next();
    rig.store.hold_loads();
    rig.store.release();
    assert_eq!(rig.answer(refused).code, 503);
    rig.confirm(&first, 200);
    rig.store.release_loads();
    // Whoever comes first meets the outcome that waited, and panics.
    let panic = || rig.presence.core().step(&dana(), |_, _| panic!("as a test has it"));
    rig.until("a decision panics", || panic() == Err(NotNow::Panicked));
    rig.host.advance(Duration::from_secs(1));
    rig.until_settled();
    assert_eq!(rig.answer(rig.publish("dana", "q", "", 600, &document("good"))).code, 200);
    assert_eq!(cseq(&rig.notify(2)), 2, "the dialog is free for what it is owed");
}

#[test]
fn what_was_bound_before_a_panic_is_told_after_it_with_the_same_cseq() {
    let rig = Rig::new();
    rig.answer(rig.subscribe("eli", "", 1, 60));
    rig.confirm(&rig.notify(1), 200);
    rig.answer(rig.subscribe("fay", "", 1, 600));
    rig.confirm(&rig.notify(2), 200);
    rig.host.advance(Duration::from_secs(61));
    assert_eq!(rig.answer(rig.publish("dana", "p", "", 600, &panicking("bad"))).code, 500);
    rig.until_settled();
    rig.host.advance(Duration::from_secs(1));
    let last = rig.host.wait_for("end for eli", |seen| {
        seen.requests.iter().find(|notify| notify.head.contains("terminated")).cloned()
    });
    assert!(last.head.starts_with("NOTIFY sip:eli@"));
    assert_eq!(cseq(&last), 2);
    assert_eq!(rig.answer(rig.publish("dana", "q", "", 600, &document("good"))).code, 200);
}

#[test]
fn a_decision_that_always_panics_is_tried_ever_less_often() {
    let rig = Rig::new();
    rig.furnish();
    rig.store.with(|disk| {
        let row = disk.publications.values_mut().next().expect("one publication");
        row.body = panicking("bad").into();
    });
    let rig = rig.restart(false);
    for _ in 0..100 {
        rig.presence.core().expire();
        rig.until_settled();
    }
    assert!(rig.store.loads() <= 4, "{} loads", rig.store.loads());
    let before = rig.store.loads();
    rig.host.advance(Duration::from_secs(100));
    rig.until("it is tried again", || rig.store.loads() > before);
    assert_eq!(rig.notify_count(), 0);
}
