//! Nothing leaves before it is durable, and nothing that was refused stays.

use std::sync::Arc;
use std::time::Duration;

use super::Rig;
use super::rig::{cseq, document, header};
use super::watcher_information::{brief, is_winfo, told};
use crate::edge::step::NotNow;
use crate::presentity_uri::PresentityUri;

type Operation = fn(&Rig, &str, &str) -> u64;

/// Every request that changes state, on a server that [`Rig::furnish`] has furnished.
const OPERATIONS: [(&str, Operation); 8] = [
    ("initial publish", |rig, _, _| rig.publish("dana", "op", "", 600, &document("second"))),
    ("modify", |rig, tag, _| rig.publish("dana", "op", &if_match(tag), 600, &document("second"))),
    ("refresh of a publication", |rig, tag, _| rig.publish("dana", "op", &if_match(tag), 900, "")),
    ("removal", |rig, tag, _| rig.publish("dana", "op", &if_match(tag), 0, "")),
    ("subscribe", |rig, _, _| rig.subscribe("fay", "", 1, 600)),
    ("refresh of a subscription", |rig, _, tag| rig.subscribe("eli", &format!(";tag={tag}"), 2, 900)),
    ("unsubscribe", |rig, _, tag| rig.subscribe("eli", &format!(";tag={tag}"), 2, 0)),
    ("stale modify", |rig, _, _| rig.publish("dana", "op", &if_match("stale"), 600, &document("second"))),
];

fn if_match(tag: &str) -> String {
    format!("SIP-If-Match: {tag}\r\n")
}

#[test]
fn nothing_is_acknowledged_or_told_before_it_is_durable() {
    for (name, operation) in OPERATIONS {
        let rig = Rig::new();
        let (entity_tag, to_tag) = rig.furnish();
        rig.store.hold();
        // A change in front, so that what is decided next rests on something uncommitted.
        let first = rig.publish("dana", "front", "", 600, &document("front"));
        rig.store.wait_held();
        let second = operation(&rig, &entity_tag, &to_tag);
        assert!(!rig.is_answered(first) && !rig.is_answered(second), "{name}");
        assert_eq!(rig.notify_count(), 1, "{name}");
        rig.store.release();
        assert_eq!(rig.answer(first).code, 200, "{name}");
        assert_eq!(rig.answer(second).code, if name == "stale modify" { 412 } else { 200 }, "{name}");
        assert_eq!(cseq(&rig.notify(2)), if name == "subscribe" { cseq(&rig.notify(2)) } else { 2 }, "{name}");
    }
}

#[test]
fn a_failing_database_answers_503_and_leaves_memory_as_the_database_is() {
    for (name, operation) in &OPERATIONS[..7] {
        let rig = Rig::new();
        let (entity_tag, to_tag) = rig.furnish();
        let before = rig.disk();
        rig.store.fail_next();
        let refused = rig.answer(operation(&rig, &entity_tag, &to_tag));
        assert_eq!((refused.code, header(&refused, "Retry-After").as_str()), (503, "2"), "{name}");
        rig.until_settled();
        assert_eq!(rig.disk(), before, "{name}");
        assert_eq!(rig.memory(), before, "{name}");
        rig.host.with(|seen| {
            assert!(seen.requests.iter().all(|notify| !notify.body.contains("second")), "{name}");
            assert!(seen.requests.iter().all(|notify| !notify.head.contains("terminated")), "{name}");
        });
        let served = rig.answer(rig.publish("dana", "after", &if_match(&entity_tag), 600, &document("third")));
        assert_eq!(served.code, 200, "{name}");
    }
}

#[test]
fn the_guilty_request_alone_is_refused() {
    let rig = Rig::new();
    rig.store.refuse("poison");
    rig.store.hold();
    let front = rig.publish("gus", "front", "", 600, &document("front"));
    rig.store.wait_held();
    let requests = [("dana", "fine"), ("eli", "poison"), ("eli", "on top"), ("fay", "fine")];
    let transactions = requests
        .map(|(user, note)| rig.publish(user, &format!("{user}{note}").replace(' ', ""), "", 600, &document(note)));
    rig.store.release();
    assert_eq!(rig.answer(front).code, 200);
    assert_eq!(transactions.map(|transaction| rig.answer(transaction).code), [200, 500, 503, 200]);
    rig.until_settled();
    assert_eq!(rig.answer(rig.publish("eli", "again", "", 600, &document("fine"))).code, 200);
}

#[test]
fn one_poisonous_request_among_256_is_refused_and_the_others_are_served_by_few_commits() {
    let rig = Rig::new();
    rig.store.refuse("poison");
    rig.store.hold();
    let front = rig.publish("gus", "front", "", 600, &document("front"));
    rig.store.wait_held();
    let poisonous = |n: u32| n == 137;
    let note = |n| if poisonous(n) { "poison" } else { "fine" };
    let batch: Vec<_> =
        (0..256).map(|n| rig.publish(&format!("u{n}"), &format!("c{n}"), "", 600, &document(note(n)))).collect();
    let before = rig.store.with(|disk| disk.commits);
    rig.store.release();
    assert_eq!(rig.answer(front).code, 200);
    for (n, transaction) in (0..).zip(batch) {
        assert_eq!(rig.answer(transaction).code, if poisonous(n) { 500 } else { 200 }, "{n}");
    }
    let commits = rig.store.with(|disk| disk.commits) - before;
    assert!(commits <= 1 + 2 * 8 + 3, "{commits} commits");
    rig.until_settled();
    assert_eq!(rig.disk().0.len(), 256);
}

#[test]
fn an_answer_to_a_notify_between_stage_and_commit_sends_nothing_early() {
    let rig = Rig::new();
    rig.answer(rig.subscribe("eli", "", 1, 600));
    let first = rig.notify(1);
    rig.store.hold();
    let publish = rig.publish("dana", "p", "", 600, &document("news"));
    rig.store.wait_held();
    rig.confirm(&first, 200);
    assert_eq!((rig.notify_count(), rig.is_answered(publish)), (1, false));
    rig.store.release();
    let second = rig.notify(2);
    assert_eq!((cseq(&second), second.body.contains("news")), (2, true));
    assert!(rig.is_answered(publish), "the 200 leaves before the NOTIFY");
}

#[test]
fn a_notify_that_rested_on_a_refused_commit_never_leaves_and_costs_no_cseq() {
    let rig = Rig::new();
    rig.answer(rig.subscribe("eli", "", 1, 600));
    let first = rig.notify(1);
    rig.store.hold();
    let publish = rig.publish("dana", "p", "", 600, &document("refused"));
    rig.store.wait_held();
    rig.confirm(&first, 200);
    rig.store.fail_next();
    rig.store.release();
    assert_eq!(rig.answer(publish).code, 503);
    rig.until_settled();
    rig.host.advance(Duration::from_secs(1));
    let second = rig.notify(2);
    assert_eq!((cseq(&second), second.body.contains("refused")), (2, false));
}

#[test]
fn one_notify_is_in_flight_and_the_last_state_follows_it() {
    let rig = Rig::new();
    let (mut entity_tag, _) = rig.furnish();
    for round in 0..5 {
        let body = document(&format!("round {round}"));
        let answer = rig.answer(rig.publish("dana", &format!("r{round}"), &if_match(&entity_tag), 600, &body));
        entity_tag = header(&answer, "SIP-ETag");
    }
    let held = rig.notify(2);
    assert!(held.body.contains("round 0"));
    assert_eq!(rig.notify_count(), 2);
    rig.confirm(&held, 200);
    let last = rig.notify(3);
    assert_eq!((cseq(&last), last.body.contains("round 4")), (3, true));
    rig.confirm(&last, 200);
    assert_eq!(rig.notify_count(), 3);
}

#[test]
fn a_full_queue_answers_503_at_once_and_drains() {
    let rig = Rig::with_queue_places(2);
    rig.store.hold();
    let held = rig.publish("dana", "p0", "", 600, &document("a"));
    rig.store.wait_held();
    let queued = [rig.publish("eli", "p1", "", 600, &document("b")), rig.publish("fay", "p2", "", 600, &document("c"))];
    let refused = rig.publish("gus", "p3", "", 600, &document("d"));
    assert_eq!(rig.answer(refused).code, 503);
    assert!(!rig.is_answered(held));
    rig.store.release();
    for transaction in [held, queued[0], queued[1]] {
        assert_eq!(rig.answer(transaction).code, 200);
    }
    assert_eq!(rig.answer(rig.publish("gus", "p4", "", 600, &document("d"))).code, 200);
}

#[test]
fn a_panic_while_deciding_is_contained_and_the_presentity_read_back() {
    let rig = Rig::new();
    let (entity_tag, _) = rig.furnish();
    let before = rig.disk();
    let dana = Arc::new(PresentityUri::new("dana", "pres.example"));
    let panicked = rig.presence.core().step(&dana, |_, _| panic!("as a test has it"));
    assert_eq!(panicked, Err(NotNow::Panicked));
    rig.until_settled();
    assert_eq!(rig.memory(), before);
    assert_eq!(rig.answer(rig.publish("dana", "after", &if_match(&entity_tag), 600, "")).code, 200);
}

#[test]
fn what_a_2xx_created_that_nobody_waited_for_is_ended() {
    let rig = Rig::new();
    rig.host.with(|seen| seen.stale.extend([1, 2]));
    rig.answer(rig.publish("dana", "p", "", 600, &document("orphan")));
    rig.answer(rig.subscribe("eli", "", 1, 600));
    rig.until("both are gone", || rig.disk() == (vec![], vec![]));
}

#[test]
fn a_dialog_that_nobody_knows_is_481() {
    let rig = Rig::new();
    rig.furnish();
    assert_eq!(rig.answer(rig.subscribe("eli", ";tag=unknown", 2, 600)).code, 481);
}

#[test]
fn a_notify_answered_481_ends_the_subscription_and_500_does_not() {
    for (code, remaining) in [(481, 0), (408, 0), (500, 1), (200, 1)] {
        let rig = Rig::new();
        rig.answer(rig.subscribe("eli", "", 1, 600));
        rig.confirm(&rig.notify(1), code);
        rig.until("the outcome is durable", || rig.disk().1.len() == remaining && rig.memory().1.len() == remaining);
        assert_eq!(rig.notify_count(), 1, "{code}");
    }
}

#[test]
fn a_publication_that_expires_closes_and_a_subscription_that_expires_is_told() {
    let rig = Rig::new();
    rig.answer(rig.publish("dana", "p", "", 60, &document("here")));
    rig.answer(rig.subscribe("eli", "", 1, 120));
    rig.confirm(&rig.notify(1), 200);
    rig.host.advance(Duration::from_secs(61));
    let closed = rig.notify(2);
    assert!(
        closed.body.contains("<basic>closed</basic>") && closed.head.contains("active;expires=59"),
        "{}",
        closed.head
    );
    rig.confirm(&closed, 200);
    rig.host.advance(Duration::from_secs(60));
    let over = rig.notify(3);
    assert!(over.head.contains("Subscription-State: terminated;reason=timeout\r\n"), "{}", over.head);
    assert_eq!((over.body.as_str(), rig.disk()), ("", (vec![], vec![])));
}

#[test]
fn the_last_state_is_told_although_a_refused_one_was_no_news_beside_it() {
    let rig = Rig::new();
    let (mut entity_tag, _) = rig.furnish();
    let modify = |call: &str, tag: &str, note: &str| rig.publish("dana", call, &if_match(tag), 600, &document(note));
    for (call, note) in [("p1", "before"), ("p2", "last")] {
        entity_tag = header(&rig.answer(modify(call, &entity_tag, note)), "SIP-ETag");
    }
    let unanswered = rig.notify(2);
    assert!(unanswered.body.contains("before"));
    rig.store.hold();
    let refused = modify("p3", &entity_tag, "before");
    rig.store.wait_held();
    // What it would be told now it has already.
    rig.confirm(&unanswered, 200);
    rig.store.fail_next();
    rig.store.release();
    assert_eq!(rig.answer(refused).code, 503);
    assert!(rig.notify(3).body.contains("last"));
}

#[test]
fn nobody_is_told_the_end_of_a_subscription_whose_end_was_refused() {
    let (rig, mut from) = (Rig::new(), 2);
    let to_tag = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600)).to_tag;
    let of_eli = rig.notify(1);
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 3600));
    let of_dana = rig.notify(2);
    rig.store.fail_next();
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 2, 0)).code, 503);
    rig.until_settled();
    [of_eli, of_dana].iter().for_each(|unanswered| rig.confirm(unanswered, 200));
    let list = rig.confirm_until("who watches", &mut from, is_winfo);
    let (version, completeness, watchers) = told(&list);
    assert_eq!((version, &*completeness, &*brief(&watchers)), (1, "full", &["eli active subscribe".to_owned()][..]));
    rig.answer(rig.publish("dana", "p", "", 600, &document("news")));
    let news = rig.confirm_until("news", &mut from, |notify| notify.body.contains("news"));
    assert!(news.state().starts_with("active"), "{}", news.head);
}

#[test]
fn what_was_refused_in_a_dialog_is_not_told_in_it() {
    for expires in [0, 600] {
        let rig = Rig::new();
        let to_tag = rig.answer(rig.subscribe_to("presence", "dana", "", 1, 3600)).to_tag;
        rig.confirm(&rig.notify(1), 200);
        rig.store.hold();
        let publish = rig.publish("dana", "p0", "", 600, &document("refused"));
        rig.store.wait_held();
        let joining = rig.subscribe_to("presence.winfo", "dana", &to_tag, 2, expires);
        rig.store.fail_next();
        rig.store.release();
        assert_eq!([publish, joining].map(|transaction| rig.answer(transaction).code), [503, 503]);
        rig.until_settled();
        rig.answer(rig.publish("dana", "p1", "", 600, &document("news")));
        rig.confirm_until("news", &mut 1, |notify| notify.body.contains("news"));
        rig.until_settled();
        rig.host.with(|seen| assert!(seen.requests.iter().all(|told| told.event() == "presence"), "{expires}"));
        assert_eq!(rig.disk().1.len(), 1);
    }
}
