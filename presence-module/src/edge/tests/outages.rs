//! While the database is away nobody waits for it, nothing ends, and all goes on when it is back.

use std::time::Duration;

use module_api::abi::Module;

use super::Rig;
use super::rig::{document, header};
use crate::edge::commit_queue::Entry;
use crate::edge::sweep::Pace;

/// Takes the database away while Gus is being read back.
fn lose_database(rig: &Rig) {
    rig.store.refuse("poison");
    rig.store.fail_loads(true);
    assert_eq!(rig.answer(rig.publish("gus", "poison", "", 600, &document("poison"))).code, 500);
    rig.until("it is noticed", || rig.presence.core().is_away());
}

fn bring_database_back(rig: &Rig) {
    rig.store.fail_loads(false);
    rig.until("it is noticed", || !rig.presence.core().is_away());
    rig.until_settled();
}

#[test]
fn what_is_queued_when_the_database_goes_away_is_refused_and_not_kept_waiting() {
    let rig = Rig::new();
    rig.store.refuse("poison");
    rig.store.hold_loads();
    assert_eq!(rig.answer(rig.publish("gus", "p0", "", 600, &document("poison"))).code, 500);
    rig.until("it is being read back", || rig.store.loads() == 1);
    let queued = ["fay", "eli", "fay"].map(|user| rig.publish(user, user, "", 600, &document("queued")));
    rig.store.fail_loads(true);
    rig.store.release_loads();
    for transaction in queued {
        let refused = rig.answer(transaction);
        assert_eq!((refused.code, header(&refused, "Retry-After").as_str()), (503, "2"));
    }
    assert_eq!(rig.answer(rig.publish("fay", "p1", "", 600, &document("away"))).code, 503);
    bring_database_back(&rig);
    assert_eq!(rig.answer(rig.publish("fay", "p2", "", 600, &document("back"))).code, 200);
    assert_eq!(rig.answer(rig.publish("gus", "p3", "", 600, &document("back"))).code, 200);
}

#[test]
fn nothing_ends_while_the_database_is_away_and_there_is_time_to_refresh_when_it_is_back() {
    let rig = Rig::new();
    rig.answer(rig.publish("dana", "p", "", 60, &document("here")));
    let subscribed = rig.answer(rig.subscribe("eli", "", 1, 70));
    rig.confirm(&rig.notify(1), 200);
    lose_database(&rig);
    rig.host.advance(Duration::from_secs(90));
    rig.presence.core().expire();
    bring_database_back(&rig);
    rig.presence.core().expire();
    assert_eq!((rig.memory().0.len(), rig.memory().1.len(), rig.notify_count()), (1, 1, 1));
    let refreshed = rig.answer(rig.subscribe("eli", &format!(";tag={}", subscribed.to_tag), 2, 600));
    assert_eq!((refreshed.code, rig.notify(2).body.contains("here")), (200, true));
    rig.confirm(&rig.notify(2), 200);
    rig.host.advance(Duration::from_secs(10));
    assert!(rig.notify(3).body.contains("<basic>closed</basic>"));
}

#[test]
fn what_ended_early_in_a_long_outage_can_be_refreshed_as_well() {
    let rig = Rig::new();
    let published = rig.answer(rig.publish("dana", "p", "", 60, &document("here")));
    lose_database(&rig);
    rig.host.advance(Duration::from_secs(600));
    rig.presence.core().expire();
    bring_database_back(&rig);
    rig.host.advance(Duration::from_secs(4));
    rig.presence.core().expire();
    let condition = format!("SIP-If-Match: {}\r\n", header(&published, "SIP-ETag"));
    assert_eq!(rig.answer(rig.publish("dana", "r", &condition, 60, "")).code, 200);
}

/// A disk that is full takes a heartbeat, and then no row.
#[test]
fn a_database_that_fails_whenever_it_is_back_is_tried_now_and_then_and_seldom_spoken_of() {
    let rig = Rig::new();
    let began = std::time::Instant::now();
    let mut failures = 0;
    while began.elapsed() < Duration::from_secs(1) {
        rig.store.fail_next();
        rig.answer(rig.publish("dana", &format!("p{failures}"), "", 600, &document("no room")));
        rig.until("it is back", || !rig.presence.core().is_away());
        failures += 1;
    }
    assert!(failures <= 8, "{failures} outages in a second");
}

#[test]
fn a_stop_while_the_database_is_away_ends() {
    let rig = Rig::new();
    rig.furnish();
    lose_database(&rig);
    rig.presence.stop();
    assert!(!rig.store.with(|disk| disk.was_clean), "what could not be read back is told after the next start");
}

#[test]
fn what_came_about_though_its_request_was_refused_is_ended() {
    let rig = Rig::new();
    rig.store.lose_next_answer();
    assert_eq!(rig.answer(rig.publish("dana", "p1", "", 600, &document("refused"))).code, 503);
    rig.until("it is removed", || rig.store.with(|disk| disk.publications.is_empty()));
    rig.store.lose_next_answer();
    assert_eq!(rig.answer(rig.subscribe("eli", "", 1, 600)).code, 503);
    rig.until("it is removed", || rig.store.with(|disk| disk.subscriptions.is_empty()));
    assert_eq!(rig.answer(rig.publish("dana", "p2", "", 600, &document("here"))).code, 200);
    assert_eq!(rig.memory().0.len(), 1);
}

#[test]
fn what_came_about_though_its_request_was_refused_is_ended_however_often_the_end_is_refused() {
    let requests: [fn(&Rig) -> u64; 2] =
        [|rig| rig.publish("dana", "p", "", 600, &document("refused")), |rig| rig.subscribe("eli", "", 1, 600)];
    for request in requests {
        let rig = Rig::new();
        rig.store.lose_next_answer();
        assert_eq!(rig.answer(request(&rig)).code, 503);
        rig.store.fail_next();
        // The request, its end that is refused, its end.
        rig.until("it is removed", || rig.store.with(|disk| disk.commits) >= 3 && rig.disk() == (vec![], vec![]));
    }
}

#[test]
fn nothing_counts_as_durable_because_a_sweep_was_queued_behind_it() {
    let rig = Rig::new();
    rig.store.hold();
    let front = rig.publish("dana", "p0", "", 600, &document("front"));
    rig.store.wait_held();
    rig.publish("eli", "p1", "", 600, &document("behind"));
    rig.presence.core().queue.push_order(Entry::Sweep(Pace::AtOnce));
    rig.store.release_one();
    rig.answer(front);
    rig.store.wait_held();
    assert_eq!(rig.presence.core().queue.settled(), 1);
    rig.store.release();
}

#[test]
fn an_authorisation_state_whose_commit_was_refused_is_written_with_the_next_subscription() {
    let rig = Rig::new().restart_forced(true, false);
    let known = || rig.store.with(|disk| disk.watchers.len());
    rig.store.fail_next();
    assert_eq!((rig.answer(rig.subscribe("eli", "", 1, 600)).code, known()), (503, 0));
    rig.until_settled();
    assert_eq!((rig.answer(rig.subscribe("eli", "", 2, 600)).code, known()), (200, 1));
}

#[test]
fn who_has_lost_its_database_to_another_server_says_so_once_and_serves_nobody_any_more() {
    let rig = Rig::new();
    let (entity_tag, to_tag) = rig.furnish();
    rig.store.take_over();
    let condition = format!("SIP-If-Match: {entity_tag}\r\n");
    for round in 0..3 {
        let requests = [
            rig.publish("dana", &format!("t{round}"), &condition, 600, ""),
            rig.publish("fay", &format!("q{round}"), "", 600, &document("new")),
            rig.subscribe("eli", &format!(";tag={to_tag}"), 2 + round, 600),
            rig.subscribe("gil", "", 1 + round, 600),
        ];
        for transaction in requests {
            let refused = rig.answer(transaction);
            assert_eq!((refused.code, header(&refused, "Retry-After").as_str()), (503, "2"));
        }
    }
    rig.until("all is settled", || rig.presence.core().queue.settled() >= rig.presence.core().queue.last());
    let (asked, read) = rig.store.with(|disk| (disk.commits + disk.heartbeats, disk.read.publications.len()));
    rig.host.advance(Duration::from_secs(3600));
    rig.presence.core().queue.push_order(Entry::LookAtRules);
    rig.until("all is settled", || rig.presence.core().queue.settled() >= rig.presence.core().queue.last());
    assert_eq!(rig.store.with(|disk| disk.commits + disk.heartbeats), asked, "nothing is tried again");
    assert_eq!((read, rig.notify_count()), (0, 1));
    let said = "another server took over this database: elsewhere:7; every request is answered 503 from here on";
    rig.host.with(|seen| assert_eq!(seen.errors, [said]));
}

#[test]
fn a_server_that_is_idle_renews_its_claim_and_notices_by_that_that_the_database_is_away() {
    let rig = Rig::new();
    rig.furnish();
    rig.store.fail_loads(true);
    rig.until("nobody can write", || rig.presence.core().is_away());
    assert_eq!(rig.answer(rig.publish("dana", "p1", "", 600, &document("away"))).code, 503);
    bring_database_back(&rig);
    assert_eq!(rig.answer(rig.publish("dana", "p2", "", 600, &document("back"))).code, 200);
}
