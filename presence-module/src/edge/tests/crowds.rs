//! Thousands at once: what all of them do together takes time in proportion, which the rig does not wait for otherwise.

use std::time::Duration;

use super::Rig;
use super::watcher_information::{is_winfo, told};

const MANY: u32 = 4000;

fn confirm_all(rig: &Rig) {
    let told = rig.host.with(|seen| std::mem::take(&mut seen.requests));
    told.iter().for_each(|notify| rig.confirm(notify, 200));
}

/// Subscribes so many strangers, who are pending, for `expires` seconds.
fn strangers(rig: &Rig, count: u32, expires: u32) {
    for n in 0..count {
        let transaction = rig.subscribe_to("presence", &format!("w{n}"), "", 1, expires);
        // No more at a time than may wait for rules, or than the queue has places.
        if n % 200 == 199 {
            assert_eq!(rig.answer(transaction).code, 200);
        }
    }
    rig.until_settled();
}

#[test]
fn thousands_who_are_pending_expire_together_and_wait() {
    // In time to be told the end, and too late for that.
    for late_s in [1, 100] {
        let rig = Rig::new().restart_forced(true, false);
        strangers(&rig, MANY, 3600);
        // A commit is settled a moment before what follows from it has left.
        rig.until("all are told that they are pending", || rig.notify_count() == MANY as usize);
        confirm_all(&rig);
        rig.host.advance(Duration::from_secs(3600 + late_s));
        rig.until("all are gone", || rig.disk().1.is_empty());
        assert_eq!(rig.store.with(|disk| disk.watchers.len()), MANY as usize);
        rig.until_settled();
        let ends = if late_s == 1 { MANY as usize } else { 0 };
        rig.until("all are told", || rig.notify_count() == ends);
    }
}

#[test]
fn thousands_of_strangers_ask_once_and_wait_while_the_owner_looks_on() {
    let rig = Rig::new().restart_forced(true, false);
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 3600));
    for n in 0..MANY {
        let transaction = rig.subscribe_to("presence", &format!("w{n}"), "", 1, 0);
        if n % 50 == 49 {
            rig.answer(transaction);
            confirm_all(&rig);
        }
    }
    rig.until_settled();
    assert_eq!(rig.store.with(|disk| disk.watchers.len()), MANY as usize);
}

#[test]
fn more_than_a_thousand_changes_are_told_by_a_list_of_everybody() {
    let rig = Rig::new().restart_forced(true, false);
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 3600));
    let unanswered = rig.notify(1);
    strangers(&rig, 1100, 600);
    rig.confirm(&unanswered, 200);
    let (first, ..) = told(&unanswered);
    let (version, completeness, watchers) = told(&rig.next_notify("list", &mut 1, is_winfo));
    assert_eq!((version, &*completeness, watchers.len()), (first + 1, "full", 1100));
}
