//! NOTIFYs as changes make them (RFC 6665 §4.2.2): to everybody, one at a time, the last state never lost.

use tests::pidf;
use tests::server::Server;
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";

fn here(note: &str) -> String {
    pidf::open(DANA, "t1", note)
}

fn publisher(server: &Server) -> Publisher {
    Publisher::udp(server.udp_address(), DANA)
}

/// Subscribes and takes the first NOTIFY.
fn watching(server: &Server, name: &str) -> Watcher {
    let mut watcher = Watcher::udp(server.udp_address(), DANA, &format!("sip:{name}@watch.example"));
    assert_eq!(watcher.subscribe(600).code(), Some(200));
    watcher.next_notification();
    watcher
}

#[test]
fn every_watcher_is_told_of_every_change() {
    let server = Server::quickstart();
    let mut watchers: Vec<_> = ["ann", "bob", "cleo"].iter().map(|name| watching(&server, name)).collect();
    let mut publisher = publisher(&server);
    publisher.publish(&here("here"));
    watchers.iter_mut().for_each(|watcher| assert_eq!(watcher.next_notification().notes(), ["here"]));
    publisher.modify(&here("busy"));
    watchers.iter_mut().for_each(|watcher| assert_eq!(watcher.next_notification().notes(), ["busy"]));
    publisher.remove();
    watchers.iter_mut().for_each(|watcher| assert!(watcher.next_notification().presence().is_closed_once()));
    watchers.into_iter().for_each(Watcher::finish);
}

#[test]
fn a_refresh_of_a_publication_tells_nobody() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, "ann");
    let mut publisher = publisher(&server);
    publisher.publish(&here("here"));
    watcher.next_notification();
    publisher.refresh();
    publisher.modify(&here("busy"));
    assert_eq!(watcher.next_notification().notes(), ["busy"]);
    watcher.finish();
}

#[test]
fn nobody_is_told_of_another_presentity() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, "ann");
    let mut other = Publisher::udp(server.udp_address(), "sip:ed@pres.example");
    other.publish(&pidf::open("sip:ed@pres.example", "t1", "ed"));
    publisher(&server).publish(&here("here"));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    watcher.finish();
}

/// While a NOTIFY has no answer, changes add up; the answer brings one NOTIFY, with the last of them.
#[test]
fn changes_behind_an_unanswered_notify_become_one() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, "ann");
    let mut publisher = publisher(&server);
    watcher.hold_answers();
    publisher.publish(&here("held"));
    assert_eq!(watcher.next_notification().notes(), ["held"]);
    for note in ["one", "two", "three", "four", "five"] {
        assert_eq!(publisher.modify(&here(note)).code(), Some(200), "a slow watcher delays nobody");
    }
    let before = watcher.notification_count();
    watcher.release();
    assert_eq!(watcher.next_notification().notes(), ["five"]);
    // What comes next is the answer to a refresh: nothing came in between, nothing is still on its way.
    watcher.subscribe(600);
    watcher.next_notification();
    assert_eq!(watcher.notification_count(), before + 2, "{}", watcher.endpoint.ladder());
    watcher.finish();
}

#[test]
fn one_silent_watcher_delays_no_other() {
    let server = Server::quickstart();
    let mut silent = watching(&server, "ann");
    silent.stay_silent();
    let mut other = watching(&server, "bob");
    let mut publisher = publisher(&server);
    publisher.publish(&here("one"));
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

#[test]
fn a_481_ends_the_subscription() {
    let server = Server::quickstart();
    let mut gone = watching(&server, "ann");
    let mut stays = watching(&server, "bob");
    let mut publisher = publisher(&server);
    gone.answer_next_with(481);
    publisher.publish(&here("one"));
    assert_eq!(gone.next_notification().notes(), ["one"]);
    assert_eq!(stays.next_notification().notes(), ["one"]);
    for note in ["two", "three"] {
        publisher.modify(&here(note));
        assert_eq!(stays.next_notification().notes(), [note]);
    }
    assert_eq!(gone.subscribe(600).code(), Some(481), "nothing is left to refresh");
    assert_eq!(gone.notification_count(), 2);
    gone.finish();
    stays.finish();
}

#[test]
fn a_500_does_not_end_the_subscription() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, "ann");
    let mut publisher = publisher(&server);
    for (note, code) in [("one", 500), ("two", 403), ("three", 503)] {
        watcher.answer_next_with(code);
        publisher.publish(&here(note));
        watcher.notification_where(note, |notification| notification.notes().contains(&note.to_owned()));
    }
    assert_eq!(watcher.subscribe(600).code(), Some(200));
    watcher.finish();
}

#[test]
fn s12_2_1_2_a_contact_in_the_answer_moves_the_watcher() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, "ann");
    let mut publisher = publisher(&server);
    let moved = format!("sip:moved@{}", watcher.endpoint.local_address());
    watcher.move_in_answers(&format!("<{moved}>"));
    publisher.publish(&here("one"));
    watcher.next_notification();
    publisher.modify(&here("two"));
    assert_eq!(watcher.next_notification().message.uri(), Some(moved.as_str()));
    watcher.finish();
}
