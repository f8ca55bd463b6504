//! The state machine of a watcher, arrow by arrow (RFC 3857 §4.7.1, Figure 1): what the watcher is told, and what the owner.

use tests::message::Message;
use tests::rule_book::RuleBook;
use tests::rules::{Rule, ruleset};
use tests::server::Server;
use tests::user_agent::{Notification, Watcher};

use crate::scene::*;

/// The next thing the owner is told must be of one watcher, and be `expected`.
fn check_told(owner: &mut Watcher, expected: &str) -> Notification {
    let told = owner.next_notification();
    assert_eq!(told.watcherinfo().only().summary(), expected, "{}", told.message);
    told
}

/// A server without rules, Dana who watches her watchers, and Ann who waits to be let in.
fn pending(server: &Server) -> (Watcher, Watcher) {
    let mut owner = watching_watchers(server);
    let ann = watching(server, ANN);
    check_told(&mut owner, "sip:ann@watch.example pending subscribe");
    (owner, ann)
}

/// A server without rules, and Ann who was never let in and is still remembered.
fn waiting(server: &Server) -> Watcher {
    let (mut owner, mut ann) = pending(server);
    ann.unsubscribe();
    check_terminated(&ann.next_notification(), "timeout");
    check_told(&mut owner, "sip:ann@watch.example waiting timeout");
    ann.finish();
    owner
}

/// Dana's rules from here on; what comes of them is awaited by the test.
fn decide(server: &Server, rules: &[Rule]) {
    let mut book = RuleBook::open(server);
    book.write(DANA, &ruleset(rules));
    book.announce();
}

#[test]
fn s4_7_1_init_subscribe_active() {
    let server = Server::quickstart();
    let mut owner = watching_watchers(&server);
    let ann = watching(&server, ANN);
    check_told(&mut owner, "sip:ann@watch.example active subscribe");
    ann.finish();
    owner.finish();
}

#[test]
fn s4_7_1_init_subscribe_pending() {
    let server = server_that_asks();
    let (owner, ann) = pending(&server);
    ann.finish();
    owner.finish();
}

/// Who is refused at once was never a watcher.
#[test]
fn s4_7_1_init_subscribe_terminated_is_not_reported() {
    let server = server_that_asks();
    RuleBook::open(&server).set(DANA, &[]);
    let mut owner = watching_watchers(&server);
    assert_eq!(watcher(&server, ANN).subscribe(600).code(), Some(403));
    assert!(owner.refresh_in_silence().watchers.is_empty());
    owner.finish();
}

#[test]
fn s4_7_1_pending_approved_active() {
    let server = server_that_asks();
    let _desk = publishing(&server, &here("here"));
    let (mut owner, mut ann) = pending(&server);
    decide(&server, &[Rule::allow("a").one(ANN)]);
    let approved = ann.next_notification();
    check_state(&approved, "active", true);
    assert_eq!(approved.notes(), ["here"], "the present state goes with it");
    let told = check_told(&mut owner, "sip:ann@watch.example active approved");
    assert!(!told.watcherinfo().is_full);
    ann.finish();
    owner.finish();
}

#[test]
fn s4_7_1_pending_rejected_terminated() {
    let server = server_that_asks();
    let (mut owner, mut ann) = pending(&server);
    decide(&server, &[Rule::new("a").one(ANN).handling("block")]);
    let rejected = ann.next_notification();
    check_terminated(&rejected, "rejected");
    assert!(rejected.message.body.is_empty(), "{}", rejected.message);
    assert!(check_told(&mut owner, "sip:ann@watch.example terminated rejected").watchers.is_empty());
    assert_eq!(ann.subscribe(600).code(), Some(481));
    ann.finish();
    owner.finish();
}

/// The subscription is over, the question is not. trap_42
#[test]
fn s4_7_1_pending_timeout_waiting() {
    let server = server_that_asks();
    let mut owner = watching_watchers(&server);
    let mut ann = watcher(&server, ANN);
    ann.subscribe(1);
    check_state(&ann.next_notification(), "pending", false);
    check_told(&mut owner, "sip:ann@watch.example pending subscribe");
    check_terminated(&ann.next_notification(), "timeout");
    let told = check_told(&mut owner, "sip:ann@watch.example waiting timeout");
    assert_eq!(told.watchers, ["sip:ann@watch.example waiting timeout"]);
    ann.finish();
    owner.finish();
}

/// trap_15, trap_42
#[test]
fn s4_7_1_pending_unsubscribed_waiting() {
    let server = server_that_asks();
    let mut owner = waiting(&server);
    assert_eq!(owner.refresh_in_silence().watchers, ["sip:ann@watch.example waiting timeout"]);
    owner.finish();
}

/// A fetch that nobody allowed is remembered as one who asked.
#[test]
fn s4_7_1_an_unauthorised_fetch_is_waiting() {
    let server = server_that_asks();
    let mut owner = watching_watchers(&server);
    let only = fetched(&server, ANN);
    assert!(only.message.body.is_empty());
    check_told(&mut owner, "sip:ann@watch.example waiting timeout");
    owner.finish();
}

/// Who asked is remembered over a restart: that is what the row is for.
#[test]
fn s4_7_1_who_waits_is_remembered_over_a_restart() {
    let mut server = server_that_asks();
    waiting(&server).finish();
    assert_eq!(server.terminate().code(), Some(0));
    server.restart();
    let mut owner = watcher(&server, DANA).with_event("presence.winfo");
    owner.subscribe(600);
    assert_eq!(owner.next_notification().watchers, ["sip:ann@watch.example waiting timeout"]);
    decide(&server, &[Rule::allow("a").one(ANN)]);
    check_told(&mut owner, "sip:ann@watch.example terminated approved");
    owner.finish();
}

/// Only the next SUBSCRIBE can be active: the approval of one who waits ends the waiting.
#[test]
fn s4_7_1_waiting_approved_terminated() {
    let server = server_that_asks();
    let mut owner = waiting(&server);
    decide(&server, &[Rule::allow("a").one(ANN)]);
    assert!(check_told(&mut owner, "sip:ann@watch.example terminated approved").watchers.is_empty());
    let ann = watching(&server, ANN);
    check_told(&mut owner, "sip:ann@watch.example active subscribe");
    ann.finish();
    owner.finish();
}

#[test]
fn s4_7_1_waiting_rejected_terminated() {
    let server = server_that_asks();
    let mut owner = waiting(&server);
    decide(&server, &[Rule::new("a").one(ANN).handling("block")]);
    assert!(check_told(&mut owner, "sip:ann@watch.example terminated rejected").watchers.is_empty());
    owner.finish();
}

#[test]
fn s4_7_1_waiting_giveup_terminated() {
    let server = server_with(&[("force_active", "0"), ("waiting_time", "1")]);
    let mut owner = waiting(&server);
    assert!(check_told(&mut owner, "sip:ann@watch.example terminated giveup").watchers.is_empty());
    assert!(owner.refresh_in_silence().watchers.is_empty());
    owner.finish();
}

/// Nobody is left undecided for ever: the watcher is told that nobody answered.
#[test]
fn s4_7_1_pending_giveup_terminated() {
    let server = server_with(&[("force_active", "0"), ("waiting_time", "1")]);
    let (mut owner, mut ann) = pending(&server);
    check_terminated(&ann.next_notification(), "giveup");
    assert!(check_told(&mut owner, "sip:ann@watch.example terminated giveup").watchers.is_empty());
    assert_eq!(ann.subscribe(600).code(), Some(481));
    ann.finish();
    owner.finish();
}

/// One person who asks again and again does not pile up: the record before is given up. trap_43
#[test]
fn s4_7_1_a_new_subscribe_retires_who_waits() {
    let server = server_that_asks();
    let mut owner = waiting(&server);
    let again = watching(&server, ANN);
    let told = owner.next_notification();
    let expected = ["sip:ann@watch.example pending subscribe", "sip:ann@watch.example terminated giveup"];
    assert_eq!(told.watcherinfo().summary(), expected, "{}", told.message);
    assert_eq!(told.watchers, ["sip:ann@watch.example pending subscribe"]);
    again.finish();
    owner.finish();
}

#[test]
fn s4_7_1_active_timeout_terminated() {
    let server = Server::quickstart();
    let mut owner = watching_watchers(&server);
    let mut ann = watcher(&server, ANN);
    ann.subscribe(1);
    check_told(&mut owner, "sip:ann@watch.example active subscribe");
    ann.next_notification();
    check_terminated(&ann.next_notification(), "timeout");
    assert!(check_told(&mut owner, "sip:ann@watch.example terminated timeout").watchers.is_empty());
    ann.finish();
    owner.finish();
}

#[test]
fn s4_7_1_active_rejected_terminated() {
    let server = Server::quickstart();
    let mut owner = watching_watchers(&server);
    let mut ann = watching(&server, ANN);
    check_told(&mut owner, "sip:ann@watch.example active subscribe");
    decide(&server, &[]);
    check_terminated(&ann.next_notification(), "rejected");
    assert!(check_told(&mut owner, "sip:ann@watch.example terminated rejected").watchers.is_empty());
    ann.finish();
    owner.finish();
}

/// RFC 5025 §3.2.1 adds what Figure 1 lacks: who was let in may have to wait again.
#[test]
fn rfc5025_s3_2_1_active_confirm_pending() {
    let server = Server::quickstart();
    let mut owner = watching_watchers(&server);
    let mut ann = watching(&server, ANN);
    check_told(&mut owner, "sip:ann@watch.example active subscribe");
    decide(&server, &[Rule::new("a").one(ANN).handling("confirm")]);
    check_state(&ann.next_notification(), "pending", false);
    let told = owner.next_notification();
    assert_eq!(told.watcherinfo().only().status, "pending", "{}", told.message);
    ann.finish();
    owner.finish();
}

/// What the tables of 2006 said of authorisation is where it was: one row a watcher. trap_15, trap_58
#[test]
fn s4_7_1_the_watchers_table_keeps_who_was_decided_on_and_who_waits() {
    let server = server_that_asks();
    RuleBook::open(&server).set(DANA, &[Rule::allow("a").one(BOB), Rule::new("w").one(ANN).handling("confirm")]);
    let mut bob = watching(&server, BOB);
    fetched(&server, ANN);
    bob.unsubscribe();
    bob.next_notification();
    let owner = watching_watchers(&server);
    let mut database = server.open_database();
    let columns = "p_user || '@' || p_domain || ' ' || w_user || '@' || w_domain || ' ' || event || ' ' || subs_status";
    let rows = database.lines(columns, "watchers WHERE p_user = 'dana' AND event = 'presence' ORDER BY w_user");
    let expected =
        ["dana@pres.example ann@watch.example presence waiting", "dana@pres.example bob@watch.example presence active"];
    assert_eq!(rows, expected);
    owner.finish();
    bob.finish();
}

/// A copy of a SUBSCRIBE is no second watcher, and neither is a refresh.
#[test]
fn s4_7_1_a_copy_of_a_subscribe_is_no_transition() {
    let server = server_that_asks();
    let mut owner = watching_watchers(&server);
    let mut ann = watcher(&server, ANN);
    let request = ann.next_request(600);
    let sent: Message = ann.send(request);
    ann.endpoint.send_bytes(&sent.to_bytes());
    ann.answer_to(&sent);
    ann.next_notification();
    check_told(&mut owner, "sip:ann@watch.example pending subscribe");
    ann.refresh_in_silence();
    assert_eq!(owner.refresh_in_silence().watchers.len(), 1);
    ann.finish();
    owner.finish();
}
