//! What the answer to a NOTIFY does to its subscription (RFC 6665 §4.2.2, RFC 5057 §5.1).

use std::time::{Duration, Instant};

use tests::server::Server;
use tests::user_agent::Watcher;

use crate::scene::*;

/// Answers a NOTIFY with each of `codes`; whether the subscription goes on must be as `survives` says.
fn check(codes: &[u16], survives: bool) {
    let server = Server::quickstart();
    let mut watchers: Vec<_> = codes.iter().map(|_| watching(&server, ANN)).collect();
    let mut witness = watching(&server, BOB);
    codes.iter().zip(&watchers).for_each(|(code, watcher)| watcher.answer_next_with(*code));
    let mut publisher = publishing(&server, &here("one"));
    watchers.iter_mut().for_each(|watcher| assert_eq!(watcher.next_notification().notes(), ["one"]));
    assert_eq!(witness.next_notification().notes(), ["one"]);
    publisher.modify(&here("two"));
    assert_eq!(witness.next_notification().notes(), ["two"]);
    for (code, mut watcher) in codes.iter().zip(watchers) {
        if survives {
            assert_eq!(watcher.next_notification().notes(), ["two"], "after {code}");
        }
        let expected = if survives { 200 } else { 481 };
        assert_eq!(watcher.subscribe(600).code(), Some(expected), "after {code}");
        assert_eq!(watcher.notification_count() > 2, survives, "after {code}");
        watcher.finish();
    }
    witness.finish();
}

/// trap_20
#[test]
fn s4_2_2_these_answers_end_the_subscription_and_nothing_more_is_sent() {
    check(&[404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604], false);
}

/// RFC 3261 §12.2.1.2: a 408 is as good as none.
#[test]
fn rfc3261_s12_2_1_2_a_408_ends_the_subscription() {
    check(&[408], false);
}

/// trap_14, trap_20
#[test]
fn s4_2_2_any_other_answer_leaves_the_subscription_as_it_is() {
    check(&[202, 302, 400, 401, 403, 407, 415, 488, 491, 500, 502, 503, 600, 603], true);
}

/// What was refused for a while is told again after it (RFC 3261 §20.33).
#[test]
fn s4_2_2_a_notify_put_off_with_retry_after_is_repeated_after_it() {
    let server = Server::quickstart();
    for code in [491, 500, 503] {
        let mut watcher = watching(&server, ANN);
        watcher.answer_next_with_headers(code, &[("Retry-After", "1 (busy);duration=9")]);
        let mut publisher = publishing(&server, &here("put off"));
        assert_eq!(watcher.next_notification().notes(), ["put off"]);
        let put_off = Instant::now();
        assert_eq!(watcher.next_notification().notes(), ["put off"], "after {code}");
        assert!(put_off.elapsed() > Duration::from_millis(900), "after {code} too early: {:?}", put_off.elapsed());
        publisher.remove();
        assert!(watcher.next_notification().presence().is_closed_once());
        watcher.finish();
    }
}

/// Who watches the watchers is told of the end; the watcher itself is told nothing more. trap_21
#[test]
fn s4_2_2_an_end_by_an_answer_is_told_to_winfo() {
    let server = Server::quickstart();
    let mut owner = watching_watchers(&server);
    let gone = watching(&server, ANN);
    assert_eq!(owner.next_notification().watchers, ["sip:ann@watch.example active subscribe"]);
    gone.answer_next_with(481);
    let _desk = publishing(&server, &here("one"));
    let told = owner.next_notification();
    assert_eq!(told.watcherinfo().only().status, "terminated", "{}", told.message);
    assert_eq!(gone.notification_count(), 2);
    gone.finish();
    owner.finish();
}

#[test]
fn rfc3261_s12_2_1_2_a_contact_in_the_answer_moves_the_watcher() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let moved = format!("sip:moved@{}", watcher.endpoint.local_address());
    watcher.move_in_answers(&format!("<{moved}>"));
    let mut publisher = publishing(&server, &here("one"));
    watcher.next_notification();
    publisher.modify(&here("two"));
    assert_eq!(watcher.next_notification().message.uri(), Some(moved.as_str()));
    watcher.finish();
}

/// Timer F (32 s) ends the subscription, unless `timeout_rm_subs` is 0; both at once, because it takes its time. trap_21
#[test]
fn s4_2_2_silence_for_32_seconds_ends_the_subscription_unless_the_operator_keeps_it() {
    let (lenient, strict) = (server_with(&[("timeout_rm_subs", "0")]), Server::quickstart());
    let silent = |server: &Server| -> Watcher {
        let mut watcher = watching(server, ANN);
        watcher.stay_silent();
        let _desk = publishing(server, &here("one"));
        assert_eq!(watcher.next_notification().notes(), ["one"]);
        watcher
    };
    let mut kept = silent(&lenient);
    let mut lost = silent(&strict);
    let mut owner = watching_watchers(&strict).with_patience(Duration::from_secs(60));
    let told = owner.next_notification();
    assert_eq!(told.watcherinfo().only().status, "terminated", "{}", told.message);
    lost.speak_again();
    assert_eq!(lost.subscribe(600).code(), Some(481));
    assert_eq!(lost.notification_count(), 2);
    // The other began earlier: its time is over too.
    kept.speak_again();
    assert_eq!(kept.subscribe(600).code(), Some(200));
    assert_eq!(kept.next_notification().notes(), ["one"]);
    kept.finish();
    lost.finish();
    owner.finish();
}
