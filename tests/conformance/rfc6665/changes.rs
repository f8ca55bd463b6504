//! NOTIFYs as changes make them (RFC 6665 §4.2.2): to everybody, one at a time, the last state never lost.

use tests::server::Server;
use tests::user_agent::{Publisher, Watcher};

use crate::scene::*;

#[test]
fn s4_2_2_every_watcher_is_told_of_every_change() {
    for_each_transport(|server, transport| {
        let watching = |identity: &&str| {
            let mut watcher = Watcher::over(transport, server, DANA, identity);
            watcher.subscribe(600);
            watcher.next_notification();
            watcher
        };
        let mut watchers: Vec<_> = [ANN, BOB, EVE].iter().map(watching).collect();
        let mut publisher = Publisher::over(transport, server, DANA);
        publisher.publish(&here("here"));
        watchers.iter_mut().for_each(|watcher| assert_eq!(watcher.next_notification().notes(), ["here"]));
        publisher.modify(&here("busy"));
        watchers.iter_mut().for_each(|watcher| assert_eq!(watcher.next_notification().notes(), ["busy"]));
        publisher.remove();
        watchers.iter_mut().for_each(|watcher| assert!(watcher.next_notification().presence().is_closed_once()));
        watchers.into_iter().for_each(Watcher::finish);
    });
}

#[test]
fn s4_2_2_nobody_is_told_of_another_presentity() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let mut other = Publisher::udp(server.udp_address(), ED);
    other.publish(&tests::pidf::open(ED, "t1", "ed"));
    let _desk = publishing(&server, &here("here"));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    watcher.finish();
}

/// While a NOTIFY has no answer, changes add up; the answer brings one NOTIFY, with the last of them. trap_24
#[test]
fn s4_2_2_changes_behind_an_unanswered_notify_become_one() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    watcher.hold_answers();
    let mut publisher = publishing(&server, &here("held"));
    assert_eq!(watcher.next_notification().notes(), ["held"]);
    for note in ["one", "two", "three", "four", "five"] {
        assert_eq!(publisher.modify(&here(note)).code(), Some(200), "a slow watcher delays nobody");
    }
    watcher.release();
    assert_eq!(watcher.next_notification().notes(), ["five"]);
    watcher.refresh_in_silence();
    watcher.finish();
}

/// What came and went while a NOTIFY was unanswered is no news to who never saw it; a NOTIFY of the same is allowed.
#[test]
fn s4_2_2_the_last_state_wins_even_if_it_is_the_first_again() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    watcher.hold_answers();
    let mut publisher = publishing(&server, &here("one"));
    assert_eq!(watcher.next_notification().notes(), ["one"]);
    publisher.modify(&here("two"));
    publisher.modify(&here("one"));
    watcher.release();
    publisher.modify(&here("three"));
    let last = watcher.notification_where("three", |notification| notification.notes() == ["three"]);
    assert_eq!(watcher.refresh_in_silence().notes(), last.notes());
    watcher.finish();
}

#[test]
fn s4_2_2_one_silent_watcher_delays_no_other() {
    let server = Server::quickstart();
    let mut silent = watching(&server, ANN);
    silent.stay_silent();
    let mut other = watching(&server, BOB);
    let mut publisher = publishing(&server, &here("one"));
    assert_eq!(silent.next_notification().notes(), ["one"]);
    assert_eq!(other.next_notification().notes(), ["one"]);
    for note in ["two", "three"] {
        publisher.modify(&here(note));
        assert_eq!(other.next_notification().notes(), [note]);
    }
    assert_eq!(silent.notification_count(), 2, "the first and the one in flight");
    other.finish();
    silent.finish();
}

/// A subscription that ends while its NOTIFY is unanswered is told so when it is (RFC 6665 §4.4.1).
#[test]
fn s4_4_1_the_end_waits_for_the_answer_before_it() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    watcher.hold_answers();
    let _desk = publishing(&server, &here("held"));
    watcher.next_notification();
    assert_eq!(watcher.unsubscribe().code(), Some(200));
    watcher.release();
    check_terminated(&watcher.next_notification(), "timeout");
    watcher.finish();
}
