//! What happens to a dialog while one of its NOTIFYs is unanswered.

use super::Rig;
use super::rig::{cseq, document};

#[test]
fn a_watcher_that_unsubscribes_while_a_notify_is_unanswered_is_told_the_end_after_it() {
    let rig = Rig::new();
    let subscribed = rig.answer(rig.subscribe("eli", "", 1, 600));
    let first = rig.notify(1);
    let unsubscribed = rig.answer(rig.subscribe("eli", &format!(";tag={}", subscribed.to_tag), 2, 0));
    assert_eq!((unsubscribed.code, rig.notify_count()), (200, 1));
    rig.confirm(&first, 200);
    let last = rig.notify(2);
    assert_eq!((cseq(&last), last.state()), (2, "terminated;reason=timeout"));
    assert!(last.body.contains("closed"));
    rig.confirm(&last, 200);
    rig.until("it is forgotten", || rig.memory() == (vec![], vec![]) && !rig.is_known("dana"));
}

#[test]
fn a_watcher_that_unsubscribes_and_fails_the_notify_before_the_last_is_sent_no_more() {
    let rig = Rig::new();
    let subscribed = rig.answer(rig.subscribe("eli", "", 1, 600));
    let first = rig.notify(1);
    rig.answer(rig.subscribe("eli", &format!(";tag={}", subscribed.to_tag), 2, 0));
    rig.confirm(&first, 481);
    rig.until("it is forgotten", || !rig.is_known("dana"));
    assert_eq!(rig.notify_count(), 1);
}

#[test]
fn the_end_of_a_subscription_is_told_although_another_commit_is_refused_meanwhile() {
    let rig = Rig::new();
    let subscribed = rig.answer(rig.subscribe("eli", "", 1, 600));
    let first = rig.notify(1);
    rig.answer(rig.subscribe("eli", &format!(";tag={}", subscribed.to_tag), 2, 0));
    rig.store.fail_next();
    assert_eq!(rig.answer(rig.publish("dana", "p", "", 600, &document("refused"))).code, 503);
    rig.until_settled();
    rig.confirm(&first, 200);
    let last = rig.notify(2);
    assert_eq!((cseq(&last), last.state()), (2, "terminated;reason=timeout"));
}

#[test]
fn a_fetch_that_comes_again_is_answered_again_and_told_once() {
    let rig = Rig::new();
    let once = rig.answer(rig.subscribe("eli", "", 1, 0));
    let first = rig.notify(1);
    let again = rig.answer(rig.subscribe("eli", "", 1, 0));
    assert_eq!((again.code, &again.to_tag), (200, &once.to_tag));
    rig.confirm(&first, 200);
    rig.until("it is forgotten", || !rig.is_known("dana"));
    assert_eq!(rig.notify_count(), 1);
}

#[test]
fn a_subscribe_repeated_after_its_unsubscribe_revives_nothing() {
    let rig = Rig::new();
    let subscribed = rig.answer(rig.subscribe("eli", "", 1, 600));
    let first = rig.notify(1);
    rig.answer(rig.subscribe("eli", &format!(";tag={}", subscribed.to_tag), 2, 0));
    let again = rig.answer(rig.subscribe("eli", "", 1, 600));
    assert_eq!((again.code, super::rig::header(&again, "Expires").as_str()), (200, "0"));
    rig.confirm(&first, 200);
    assert_eq!((rig.notify(2).state(), rig.disk().1.len()), ("terminated;reason=timeout", 0));
}

#[test]
fn a_second_subscription_under_one_call_id_and_from_tag_leaves_the_first_alone() {
    let rig = Rig::new();
    let first = rig.answer(rig.subscribe("eli", "", 1, 600));
    let second = rig.answer(rig.subscribe("eli", "", 2, 600));
    assert_ne!(first.to_tag, second.to_tag);
    assert_eq!(rig.disk().1.len(), 2);
    let refreshed = rig.answer(rig.subscribe("eli", &format!(";tag={}", first.to_tag), 3, 600));
    assert_eq!(refreshed.code, 200);
    assert_eq!((cseq(&rig.notify(1)), cseq(&rig.notify(2))), (1, 1));
}

#[test]
fn an_unsubscribe_that_was_refused_is_done_when_it_comes_again() {
    let rig = Rig::new();
    let (_, to_tag) = rig.furnish();
    rig.store.fail_next();
    let unsubscribe = || rig.answer(rig.subscribe("eli", &format!(";tag={to_tag}"), 2, 0)).code;
    assert_eq!(unsubscribe(), 503);
    rig.until_settled();
    assert_eq!(unsubscribe(), 200);
    let told = rig.host.with(|seen| seen.requests.len());
    rig.confirm(&rig.notify(told), 200);
    rig.until("it is told the end", || {
        rig.host.with(|seen| seen.requests.last().is_some_and(|last| last.head.contains("terminated")))
    });
    assert_eq!(rig.disk().1.len(), 0);
}
