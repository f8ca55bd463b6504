//! Who lost its subscription before it was decided on waits, until it is (RFC 3857 §4.7.1).

use std::time::Duration;

use module_api::abi::Module;

use super::Rig;
use super::rig::document;
use super::rules::{ELI, NOTES, change_rules, for_eli, rule, ruleset, subscribed};
use super::watcher_information::{brief, is_of, is_winfo, told};
use crate::change::WatcherRow;

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

#[test]
fn who_was_never_told_that_it_is_pending_waits() {
    let (rig, mut from) = (Rig::new().restart_forced(true, false), 0);
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 3600));
    rig.next_notify("full", &mut from, is_winfo);
    rig.host.with(|seen| seen.stale.push(2));
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600)).code, 200, "and nobody hears it");
    let mut said = Vec::new();
    while said.last().is_none_or(|last| last != "eli waiting timeout") {
        said.extend(brief(&told(&rig.next_notify("partial", &mut from, is_winfo)).2));
    }
    assert!(
        ["eli pending subscribe", "eli waiting timeout"]
            .ends_with(&said.iter().map(String::as_str).collect::<Vec<_>>()),
        "{said:?}"
    );
    assert_eq!(rig.disk().1.iter().filter(|row| row.event == "presence").count(), 0);
    assert_eq!(states(&rig), [("eli", "waiting", "timeout")].map(text));
}

#[test]
fn who_waits_makes_no_stop_unclean_and_nobody_is_owed_anything_by_the_next_start() {
    let rig = Rig::new();
    let fay = "<cp:identity><cp:one id='sip:fay@pres.example'/></cp:identity>";
    let rules = ruleset(&(rule(ELI, "confirm", "") + &rule(fay, "allow", NOTES)));
    let to_tag = subscribed(&rig, &rules, "here").1;
    rig.confirm(&rig.notify(1), 200);
    rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 2, 0));
    rig.confirm(&rig.notify(2), 200);
    rig.answer(rig.subscribe_to("presence", "fay", "", 1, 3600));
    rig.confirm(&rig.notify(3), 200);
    // What changed before this run is seen to in this run.
    Module::refresh(&rig.presence);
    rig.pass(Duration::from_secs(1));
    rig.presence.drain();
    rig.presence.stop();
    assert!(rig.store.with(|disk| disk.was_clean));
    let rig = rig.restart(true);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.notify_count(), 0);
    assert_eq!(states(&rig), [("eli", "waiting", "timeout"), ("fay", "active", "")].map(text));
    rig.answer(rig.publish("dana", "p1", "", 3600, &document("news")));
    assert!(rig.notify(1).body.contains("news"));
}

/// What is written of watchers: who, the status, the reason.
fn states(rig: &Rig) -> Vec<[String; 3]> {
    let written = |row: &WatcherRow| text((&row.watcher.user, row.status.as_str(), &row.reason));
    rig.store.with(|disk| disk.watchers.values().filter(|row| row.event == "presence").map(written).collect())
}

fn text((who, status, reason): (&str, &str, &str)) -> [String; 3] {
    [who, status, reason].map(str::to_owned)
}
