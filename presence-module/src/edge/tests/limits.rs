//! At a bound and past it: who would go beyond is refused and counted, everybody else is served, and what was there before
//! stays, over a start under a smaller bound too.

use std::time::Duration;

use super::Rig;
use super::phone::Phone;
use super::rig::{document, header, publish_request};
use crate::edge::core::Settings;

fn publish(rig: &Rig, user: &str, call: &str, body: &str) -> u16 {
    rig.answer(rig.publish(user, call, "", 600, body)).code
}

/// Subscribes to Dana and confirms the NOTIFY of whoever is let in.
fn subscribe(rig: &Rig, phone: &Phone<'_>, expires: u32) -> (u16, String, String) {
    let before = rig.notify_count();
    let answer = rig.answer(phone.subscribe(rig, "presence", "", 1, expires));
    if answer.code == 200 {
        rig.confirm(&rig.notify(before + 1), 200);
        rig.until_settled();
    }
    (answer.code, answer.to_tag, answer.headers)
}

fn watcher(user: &str) -> Phone<'_> {
    Phone::of(user)
}

/// Another device of the same person.
fn device<'a>(user: &'a str, call: &str) -> Phone<'a> {
    Phone { call: call.into(), ..Phone::of(user) }
}

/// A rig under these bounds, and what it has counted under a name by the end of a test.
fn check(change: impl FnOnce(&mut Settings), counter: &str, refused: i64, test: impl FnOnce(&Rig)) {
    let rig = Rig::with(change);
    test(&rig);
    assert_eq!(rig.counted(counter), refused, "{counter}");
}

#[test]
fn a_document_as_long_as_one_may_be_is_taken_and_one_byte_more_is_413() {
    let longest = document("as long as may be");
    check(
        |settings| settings.documents.bytes_max = longest.len(),
        "over_document_total",
        1,
        |rig| {
            assert_eq!(publish(rig, "dana", "a", &longest), 200);
            assert_eq!(publish(rig, "dana", "b", &document("as long as may be.")), 413);
            assert_eq!(publish(rig, "eve", "c", &document("short")), 200);
        },
    );
}

#[test]
fn depth_elements_and_attributes_of_a_document_are_bounded_each_by_itself() {
    // It has five elements, the deepest the fourth, and at most two attributes.
    let own = document("n");
    for change in [
        (|settings: &mut Settings, less| settings.documents.depth_max = 4 - less) as fn(&mut Settings, usize),
        |settings, less| settings.documents.elements_max = 5 - less,
        |settings, less| settings.documents.attributes_max = 2 - less,
    ] {
        check(
            |settings| change(settings, 0),
            "over_document_parts_total",
            0,
            |rig| {
                assert_eq!(publish(rig, "dana", "a", &own), 200);
            },
        );
        check(
            |settings| change(settings, 1),
            "over_document_parts_total",
            1,
            |rig| {
                assert_eq!(publish(rig, "dana", "a", &own), 400);
            },
        );
    }
}

#[test]
fn one_publication_too_many_is_503_until_another_ends() {
    let bound = |settings: &mut Settings| settings.policy.limits.publications_max = 2;
    check(bound, "over_publications_per_presentity_total", 2, |rig| {
        let first = rig.answer(rig.publish("dana", "a", "", 600, &document("a")));
        let tag = format!("SIP-If-Match: {}\r\n", header(&first, "SIP-ETag"));
        assert_eq!(publish(rig, "dana", "b", &document("b")), 200);
        let refused = rig.answer(rig.publish("dana", "c", "", 600, &document("c")));
        assert_eq!((refused.code, header(&refused, "Retry-After").as_str()), (503, "60"));
        assert_eq!(publish(rig, "eve", "d", &document("d")), 200);
        // The same request again, as after a crash, is the one that was accepted.
        assert_eq!(rig.answer(rig.call(0, &publish_request("dana", "b", "", 600, &document("b"))).0).code, 200);
        let changed = rig.answer(rig.publish("dana", "e", &tag, 600, &document("e")));
        assert_eq!(changed.code, 200);
        assert_eq!(publish(rig, "dana", "f", &document("f")), 503);
        let tag = format!("SIP-If-Match: {}\r\n", header(&changed, "SIP-ETag"));
        assert_eq!(rig.answer(rig.publish("dana", "g", &tag, 0, "")).code, 200);
        assert_eq!(publish(rig, "dana", "h", &document("h")), 200);
    });
}

#[test]
fn documents_of_one_user_may_have_so_many_bytes_together() {
    let bytes = document("a").len();
    let bound = |settings: &mut Settings| settings.policy.limits.document_bytes_max = 2 * bytes;
    check(bound, "over_bytes_per_presentity_total", 2, |rig| {
        let first = rig.answer(rig.publish("dana", "a", "", 600, &document("a")));
        assert_eq!(publish(rig, "dana", "b", &document("b")), 200);
        assert_eq!(publish(rig, "dana", "c", &document("c")), 413);
        let tag = format!("SIP-If-Match: {}\r\n", header(&first, "SIP-ETag"));
        assert_eq!(rig.answer(rig.publish("dana", "d", &tag, 600, &document("longer"))).code, 413);
        assert_eq!(rig.answer(rig.publish("dana", "e", &tag, 600, &document("e"))).code, 200);
        assert_eq!(publish(rig, "eve", "f", &document("f")), 200);
    });
}

#[test]
fn publications_in_all_are_bounded_and_make_room_when_they_expire() {
    let bound = |settings: &mut Settings| settings.ceilings.publications_max = 2;
    check(bound, "over_publications_total", 1, |rig| {
        assert_eq!(publish(rig, "dana", "a", &document("a")), 200);
        assert_eq!(publish(rig, "eve", "b", &document("b")), 200);
        assert_eq!(publish(rig, "eli", "c", &document("c")), 503);
        rig.pass(Duration::from_secs(601));
        assert_eq!(publish(rig, "eli", "d", &document("d")), 200);
    });
}

#[test]
fn what_all_state_is_estimated_to_take_is_bounded() {
    // A presentity with a publication takes 1024 + 512 bytes and its document twice.
    let bytes = 1536 + 2 * document("a").len();
    let bound = |settings: &mut Settings| settings.ceilings.memory_bytes_max = 2 * bytes;
    check(bound, "over_memory_total", 2, |rig| {
        let first = rig.answer(rig.publish("dana", "a", "", 600, &document("a")));
        assert_eq!(publish(rig, "eve", "b", &document("b")), 200);
        assert_eq!(publish(rig, "eli", "c", &document("c")), 503);
        assert_eq!(subscribe(rig, &watcher("eli"), 600).0, 503);
        let tag = format!("SIP-If-Match: {}\r\n", header(&first, "SIP-ETag"));
        assert_eq!(rig.answer(rig.publish("dana", "d", &tag, 600, "")).code, 200, "a refresh takes nothing more");
    });
}

#[test]
fn subscriptions_in_all_are_bounded_and_a_fetch_is_one_while_it_is_unanswered() {
    let bound = |settings: &mut Settings| settings.ceilings.subscriptions_max = 2;
    check(bound, "over_subscriptions_total", 2, |rig| {
        let (code, tag, _) = subscribe(rig, &watcher("eli"), 600);
        assert_eq!(code, 200);
        let fetch = rig.answer(watcher("bob").subscribe(rig, "presence", "", 1, 0));
        assert_eq!(fetch.code, 200);
        let (code, _, headers) = subscribe(rig, &watcher("eve"), 600);
        assert_eq!((code, headers.as_str()), (503, "Retry-After: 60\r\n"));
        // Who is in stays in, and may go.
        assert_eq!(rig.answer(watcher("eli").subscribe(rig, "presence", &tag, 2, 600)).code, 200);
        assert_eq!(subscribe(rig, &watcher("eve"), 600).0, 503);
        rig.confirm(&rig.notify(2), 200);
        rig.until_settled();
        assert_eq!(subscribe_anew(rig, "eve"), 200);
    });
}

fn subscribe_anew(rig: &Rig, user: &str) -> u16 {
    rig.answer(device(user, "anew").subscribe(rig, "presence", "", 1, 600)).code
}

#[test]
fn subscriptions_to_one_user_are_bounded_and_those_to_others_are_not() {
    let bound = |settings: &mut Settings| settings.policy.limits.subscriptions_max = 2;
    check(bound, "over_subscriptions_per_presentity_total", 2, |rig| {
        let (_, tag, _) = subscribe(rig, &watcher("eli"), 600);
        assert_eq!(subscribe(rig, &watcher("bob"), 600).0, 200);
        let (code, _, headers) = subscribe(rig, &watcher("eve"), 600);
        assert_eq!((code, headers.as_str()), (503, "Retry-After: 60\r\n"));
        // A further one in a dialog is one more.
        assert_eq!(rig.answer(watcher("eli").subscribe(rig, "presence;id=2", &tag, 2, 600)).code, 503);
        assert_eq!(rig.answer(watcher("eli").subscribe(rig, "presence", &tag, 3, 600)).code, 200);
        let other = "SUBSCRIBE sip:frank@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKf\r\n\
            From: <sip:eve@pres.example>;tag=w\r\nTo: <sip:frank@pres.example>\r\nCall-ID: f\r\nCSeq: 1 SUBSCRIBE\r\n\
            Contact: <sip:eve@192.0.2.1>\r\nEvent: presence\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(rig.answer(rig.call(1, other).0).code, 200);
    });
}

#[test]
fn subscriptions_of_one_watcher_are_bounded_and_those_of_others_are_not() {
    let bound = |settings: &mut Settings| settings.ceilings.per_watcher_max = 2;
    check(bound, "over_subscriptions_per_watcher_total", 2, |rig| {
        let (_, tag, _) = subscribe(rig, &device("eli", "a"), 600);
        assert_eq!(subscribe(rig, &device("eli", "b"), 600).0, 200);
        assert_eq!(subscribe(rig, &device("eli", "c"), 600).0, 403);
        assert_eq!(rig.answer(device("eli", "a").subscribe(rig, "presence;id=2", &tag, 2, 600)).code, 403);
        assert_eq!(subscribe(rig, &watcher("bob"), 600).0, 200);
        let before = rig.notify_count();
        assert_eq!(rig.answer(device("eli", "a").subscribe(rig, "presence", &tag, 3, 0)).code, 200);
        rig.confirm(&rig.notify(before + 1), 200);
        rig.until_settled();
        assert_eq!(subscribe(rig, &device("eli", "d"), 600).0, 200);
    });
}

#[test]
fn watchers_on_whom_nobody_decides_are_bounded_while_they_are_pending_and_while_they_wait() {
    let bound = |settings: &mut Settings| {
        settings.policy.force_active = false;
        settings.policy.limits.undecided_max = 2;
    };
    check(bound, "over_undecided_total", 3, |rig| {
        assert_eq!(subscribe(rig, &watcher("eli"), 600).0, 200);
        // One asks once, and waits.
        assert_eq!(subscribe(rig, &watcher("bob"), 0).0, 200);
        assert_eq!(subscribe(rig, &watcher("eve"), 600).0, 503);
        assert_eq!(subscribe(rig, &device("eli", "b"), 600).0, 200, "the same watcher has one state");
        rig.pass(Duration::from_secs(601));
        assert_eq!(subscribe(rig, &watcher("eve"), 600).0, 503, "both wait");
        // The owner sees everything of its own.
        assert_eq!(subscribe(rig, &watcher("dana"), 600).0, 200);
        assert_eq!(subscribe(rig, &watcher("eve"), 0).0, 503);
    });
}

#[test]
fn a_start_under_smaller_bounds_keeps_everything_that_was_acknowledged() {
    let rig = Rig::new();
    for (n, user) in ["dana", "dana", "eve"].iter().enumerate() {
        assert_eq!(publish(&rig, user, &format!("p{n}"), &document(&format!("note {n}"))), 200);
    }
    let (_, tag, _) = subscribe(&rig, &device("eli", "a"), 3600);
    subscribe(&rig, &device("eli", "b"), 3600);
    rig.until_settled();
    let before = rig.disk();
    let rig = rig.restart_under(true, |settings| {
        settings.policy.limits.publications_max = 1;
        settings.policy.limits.document_bytes_max = 1;
        settings.policy.limits.subscriptions_max = 1;
        settings.ceilings.publications_max = 1;
        settings.ceilings.subscriptions_max = 1;
        settings.ceilings.per_watcher_max = 1;
        settings.ceilings.memory_bytes_max = 1;
        settings.documents.bytes_max = 1;
    });
    assert_eq!((rig.disk().0.len(), rig.disk().1.len(), rig.memory().0.len(), rig.memory().1.len()), (3, 2, 2, 2));
    assert_eq!(rig.disk(), before);
    assert_eq!(rig.answer(device("eli", "a").subscribe(&rig, "presence", &tag, 2, 3600)).code, 200);
    assert_eq!(subscribe(&rig, &watcher("bob"), 600).0, 503);
    assert_eq!(publish(&rig, "dana", "x", &document("x")), 413);
    // Everything ends as it would: nothing is left that counts.
    rig.pass(Duration::from_secs(3601));
    rig.until("the rows are gone", || rig.disk().0.is_empty());
}

#[test]
fn a_refused_commit_gives_back_the_room_that_it_took() {
    let rig = Rig::with(|settings| settings.ceilings.publications_max = 1);
    rig.store.refuse("poison");
    let refused = publish(&rig, "dana", "a", &document("poison"));
    assert!([500, 503].contains(&refused), "{refused}");
    rig.until_settled();
    assert_eq!(publish(&rig, "dana", "b", &document("b")), 200);
    assert_eq!(publish(&rig, "dana", "c", &document("c")), 503);
}
