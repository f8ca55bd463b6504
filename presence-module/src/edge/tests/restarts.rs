//! What a second start finds.

use std::time::Duration;

use super::Rig;
use super::rig::{cseq, document, header};
use crate::change::Status;

#[test]
fn after_a_crash_every_watcher_is_told_once_with_a_cseq_above_all_used() {
    let rig = Rig::new();
    rig.furnish();
    let rig = rig.restart(false);
    let notify = rig.notify(1);
    assert!(notify.body.contains("first"));
    assert_eq!(cseq(&notify), 65, "64 were reserved");
    rig.confirm(&notify, 200);
    assert_eq!(rig.disk().1[0].local_cseq, 128);
}

#[test]
fn after_a_crash_those_are_told_first_about_whom_there_may_be_news() {
    let rig = Rig::new();
    let subscribe = |user: &str| {
        let request =
            String::from("SUBSCRIBE sip:dana@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKn\r\n")
                + "From: <sip:eli@other.example>;tag=w\r\nTo: <sip:dana@pres.example>\r\nCall-ID: dana\r\n"
                + "CSeq: 1 SUBSCRIBE\r\nContact: <sip:eli@192.0.2.1>\r\nEvent: presence\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(rig.answer(rig.call(1, &request.replace("dana", user)).0).code, 200);
    };
    let users = ["ada", "bob", "cid", "dan", "eve", "fay", "gil", "hal"];
    users.into_iter().for_each(subscribe);
    for user in users {
        rig.pass(Duration::from_secs(2));
        assert_eq!(rig.answer(rig.publish(user, user, "", 600, &document(user))).code, 200);
    }
    let rig = rig.restart_under(false, |settings| settings.recovery_notify_rate = 1);
    for (number, user) in users.into_iter().rev().enumerate() {
        assert!(rig.notify(number + 1).body.contains(user), "{user} is number {number} of those who published last");
    }
}

#[test]
fn a_stop_while_watchers_are_still_to_be_told_is_not_clean() {
    let rig = Rig::new();
    rig.furnish();
    for number in 0..20 {
        assert_eq!(rig.answer(rig.subscribe(&format!("w{number}"), "", 1, 600)).code, 200);
    }
    let rig = rig.restart_under(false, |settings| settings.recovery_notify_rate = 1);
    rig.confirm(&rig.notify(1), 200);
    let rig = rig.restart_under(true, |settings| settings.recovery_notify_rate = 1000);
    assert!(rig.notify(21).body.contains("first"));
}

#[test]
fn after_a_clean_stop_nobody_is_told_anything_and_all_goes_on() {
    let rig = Rig::new();
    let (entity_tag, to_tag) = rig.furnish();
    let rig = rig.restart(true);
    let refreshed = rig.answer(rig.subscribe("eli", &format!(";tag={to_tag}"), 2, 600));
    assert_eq!((refreshed.code, rig.notify(1).body.contains("first")), (200, true));
    let condition = format!("SIP-If-Match: {entity_tag}\r\n");
    assert_eq!(rig.answer(rig.publish("dana", "p1", &condition, 600, "")).code, 200);
    assert_eq!(rig.notify_count(), 1);
}

#[test]
fn a_request_repeated_after_a_crash_gets_its_old_answer_and_changes_nothing_twice() {
    let rig = Rig::new();
    let published = rig.answer(rig.publish("dana", "p", "", 600, &document("once")));
    let subscribed = rig.answer(rig.subscribe("eli", "", 1, 600));
    let rig = rig.restart(false);
    let again = rig.answer(rig.publish("dana", "p", "", 600, &document("once")));
    assert_eq!((again.code, header(&again, "SIP-ETag")), (200, header(&published, "SIP-ETag")));
    let again = rig.answer(rig.subscribe("eli", "", 1, 600));
    assert_eq!((again.code, again.to_tag), (200, subscribed.to_tag));
    assert_eq!((rig.disk().0.len(), rig.disk().1.len()), (1, 1));
}

#[test]
fn a_subscribe_that_comes_again_after_a_start_when_all_it_began_is_over_has_higher_cseqs() {
    for event in ["presence", "presence.winfo"] {
        let (mut rig, mut tags, mut last) = (Rig::new(), Vec::new(), 0);
        for (start, expires) in [(false, 2), (true, 2), (false, 0), (false, 2)] {
            tags.push(rig.answer(rig.subscribe_to(event, "dana", "", 1, expires)).to_tag);
            let first = rig.notify(1);
            assert!(cseq(&first) > last, "{last} was used: {}", first.head);
            // It is another subscription, and its documents begin with 0 (RFC 3858 §3).
            assert_eq!(first.body.contains(" version=\"0\""), event != "presence", "{}", first.body);
            rig.confirm(&first, 200);
            if expires > 0 {
                rig.pass(Duration::from_secs(3));
                last = cseq(&rig.notify(2));
                rig.confirm(&rig.notify(2), 200);
                rig.until("it is over", || rig.disk().1.is_empty());
            }
            rig = rig.restart(start);
        }
        tags.dedup();
        assert_eq!(tags.len(), 1, "one dialog: {tags:?}");
    }
}

#[test]
fn a_dialog_begins_with_1_when_no_request_can_come_again_any_more() {
    let rig = Rig::new().restart(false);
    rig.host.advance(Duration::from_secs(37));
    rig.answer(rig.subscribe("eli", "", 1, 600));
    assert_eq!(cseq(&rig.notify(1)), 1);
}

#[test]
fn a_watcher_learns_of_another_policy_after_a_clean_stop_and_its_state_is_written_once() {
    let mut rig = Rig::new();
    rig.furnish();
    let stored = |rig: &Rig| {
        let watchers = rig.store.with(|disk| disk.watchers.values().map(|row| row.status).collect::<Vec<_>>());
        (rig.disk().1[0].status, watchers)
    };
    for (force_active, status, said) in [(false, Status::Pending, "pending"), (true, Status::Active, "active")] {
        let next = rig.restart_forced(true, force_active);
        let told = next.notify(1);
        assert!(told.head.contains(&format!("Subscription-State: {said};expires=")), "{}", told.head);
        assert_eq!(told.body.is_empty(), !force_active);
        assert_eq!(stored(&next), (status, vec![status.watcher()]));
        next.confirm(&told, 200);
        rig = next;
    }
}
