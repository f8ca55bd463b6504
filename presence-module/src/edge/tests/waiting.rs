//! Who lost its subscription before it was decided on waits, until it is (RFC 3857 §4.7.1).

use std::time::Duration;

use super::Rig;
use super::rules::{change_rules, for_eli, subscribed};
use super::watcher_information::{brief, is_of, is_winfo, told};

#[test]
fn who_waits_is_decided_on_by_a_change_of_rules() {
    for (rules, event) in [(for_eli("allow", ""), "approved"), (for_eli("block", ""), "rejected")] {
        let (rig, mut from) = (Rig::new(), 0);
        assert_eq!(subscribed(&rig, &for_eli("confirm", ""), "here").0, 200);
        rig.next_notify("pending", &mut from, |_| true);
        rig.host.advance(Duration::from_secs(3601));
        rig.next_notify("end", &mut from, |notify| notify.state() == "terminated;reason=timeout");
        rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600));
        let waiting = rig.next_notify("full", &mut from, |_| true);
        assert!(waiting.body.contains("status=\"waiting\" event=\"timeout\""), "{}", waiting.body);
        change_rules(&rig, &rules);
        let decided = rig.next_notify("partial", &mut from, |_| true);
        assert!(decided.body.contains(&format!("status=\"terminated\" event=\"{event}\"")), "{}", decided.body);
        rig.until("the row is gone", || {
            rig.store.with(|disk| disk.watchers.values().all(|row| row.event == "presence.winfo"))
        });
    }
}

#[test]
fn who_leaves_before_being_decided_on_waits_and_is_given_up() {
    let (rig, mut from) = (Rig::new().restart_forced(true, false), 0);
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 900_000));
    rig.next_notify("full", &mut from, is_winfo);
    let eli = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600)).to_tag;
    let pending = told(&rig.next_notify("partial", &mut from, is_winfo));
    assert_eq!(brief(&pending.2), ["eli pending subscribe"]);
    rig.next_notify("first of eli", &mut 0, |notify| is_of(notify, "eli"));
    rig.answer(rig.subscribe_to("presence", "eli", &eli, 2, 0));
    let waiting = told(&rig.next_notify("partial", &mut from, is_winfo));
    assert_eq!(brief(&waiting.2), ["eli waiting timeout"]);
    assert_eq!(waiting.2[0].id, pending.2[0].id);
    let status = |rig: &Rig| {
        rig.store.with(|disk| {
            let elis = disk.watchers.values().find(|row| row.watcher.user == "eli");
            elis.map(|row| (row.status.as_str(), row.reason.to_string(), row.deadline > 0))
        })
    };
    assert_eq!(status(&rig), Some(("waiting", "timeout".to_owned(), true)));

    // A second try takes the place of the first.
    rig.answer(rig.subscribe_to("presence", "eli", "", 3, 600));
    let again = told(&rig.next_notify("partial", &mut from, is_winfo));
    assert_eq!(brief(&again.2), ["eli pending subscribe", "eli terminated giveup"]);
    assert_eq!(again.2[1].id, pending.2[0].id);
    rig.host.advance(Duration::from_secs(601));
    let waiting = told(&rig.next_notify("partial", &mut from, is_winfo));
    assert_eq!(brief(&waiting.2), ["eli waiting timeout"]);
}

#[test]
fn who_waits_is_forgotten_in_the_end_and_survives_a_restart_until_then() {
    let rig = Rig::new().restart_forced(true, false);
    rig.answer(rig.subscribe_to("presence", "eli", "", 1, 0));
    rig.confirm(&rig.notify(1), 200);
    rig.until_settled();
    let (rig, mut from) = (rig.restart(false), 0);
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 3600));
    let first = told(&rig.next_notify("full", &mut from, is_winfo));
    assert_eq!(brief(&first.2), ["eli waiting timeout"], "who asked once waits too");
    rig.host.advance(Duration::from_secs(259_300));
    rig.until("the row is gone", || rig.store.with(|disk| disk.watchers.values().all(|row| row.watcher.user != "eli")));
    rig.until("it is forgotten", || !rig.is_known("dana"));
}

#[test]
fn who_stays_pending_too_long_is_given_up() {
    let (rig, mut from) = (Rig::new().restart_forced(true, false), 0);
    let eli = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600)).to_tag;
    rig.next_notify("pending", &mut from, |notify| is_of(notify, "eli"));
    for round in 0..72 {
        rig.host.advance(Duration::from_secs(3599));
        rig.answer(rig.subscribe_to("presence", "eli", &eli, round + 2, 3600));
        rig.next_notify("pending", &mut from, |notify| is_of(notify, "eli"));
    }
    rig.host.advance(Duration::from_secs(100));
    let last = rig.next_notify("end", &mut from, |notify| is_of(notify, "eli"));
    assert!(last.head.contains("Subscription-State: terminated;reason=giveup"), "{}", last.head);
}
