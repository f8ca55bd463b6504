//! Who may see whose watchers (RFC 3857 §4.6).

use tests::rule_book::RuleBook;
use tests::rules::{Rule, ruleset};
use tests::server::{Options, Server, with_route};
use tests::user_agent::Watcher;

use crate::scene::*;

const WINFO: &str = "presence.winfo";

/// The answer to `identity` who subscribes to Dana's watchers.
fn answer_to(server: &Server, event: &str, identity: &str) -> Option<u16> {
    let mut watcher = watcher(server, identity).with_event(event);
    let code = watcher.subscribe(600).code();
    if code == Some(200) {
        watcher.next_notification();
    }
    watcher.finish();
    code
}

#[test]
fn s4_6_the_presentity_sees_all_of_its_watchers() {
    let server = server_that_asks();
    let (ann, bob) = (watching(&server, ANN), watching(&server, BOB));
    let mut owner = watcher(&server, DANA).with_event(WINFO);
    owner.subscribe(600);
    let told = owner.next_notification();
    let expected = ["sip:ann@watch.example pending subscribe", "sip:bob@watch.example pending subscribe"];
    assert_eq!(told.watchers, expected);
    ann.finish();
    bob.finish();
    owner.finish();
}

/// Somebody who may see Dana's presence may see of her watchers himself, each of his subscriptions, and nobody else.
#[test]
fn s4_6_a_watcher_sees_only_himself() {
    let server = Server::quickstart();
    let (ann, bob) = (watching(&server, ANN), watching(&server, BOB));
    let mut curious = watcher(&server, BOB).with_event(WINFO);
    curious.subscribe(600);
    let told = curious.next_notification();
    assert_eq!(told.watchers, ["sip:bob@watch.example active subscribe"], "{}", told.message);
    let eve = watching(&server, EVE);
    assert_eq!(curious.refresh_in_silence().watchers.len(), 1, "he is not told of Eve");
    let second = watching(&server, BOB);
    assert_eq!(curious.next_notification().watchers.len(), 2);
    [ann, bob, eve, second, curious].into_iter().for_each(Watcher::finish);
}

/// Who may not see the presence, or of whom nobody knows yet, sees nothing of the watchers.
#[test]
fn s4_6_who_may_not_watch_may_not_see_who_watches() {
    let server = server_that_asks();
    assert_eq!(answer_to(&server, WINFO, ANN), Some(403), "nobody has decided on Ann");
    let mut rules = RuleBook::open(&server);
    rules.set(DANA, &[Rule::allow("a").one(ANN), Rule::new("b").one(BOB).handling("confirm")]);
    assert_eq!(answer_to(&server, WINFO, ANN), Some(200));
    assert_eq!(answer_to(&server, WINFO, BOB), Some(403), "to be confirmed");
    assert_eq!(answer_to(&server, WINFO, EVE), Some(403), "blocked");
    assert_eq!(answer_to(&server, WINFO, DANA), Some(200));
}

/// Rules that shut a watcher out shut him out of the watchers too, and he is told so.
#[test]
fn s4_6_who_may_watch_no_more_may_see_no_more() {
    let server = server_that_asks();
    let mut rules = RuleBook::open(&server);
    rules.set(DANA, &[Rule::allow("a").one(ANN)]);
    let mut curious = watcher(&server, ANN).with_event(WINFO);
    curious.subscribe(600);
    curious.next_notification();
    rules.write(DANA, &ruleset(&[]));
    rules.announce();
    check_terminated(&curious.next_notification(), "rejected");
    assert_eq!(curious.subscribe(600).code(), Some(481));
    curious.finish();
}

/// The recursion is legal once, for the owner; deeper there is nothing. trap_18
#[test]
fn s4_6_the_watchers_of_the_watchers_are_for_the_presentity() {
    let server = Server::quickstart();
    assert_eq!(answer_to(&server, "presence.winfo.winfo", ANN), Some(403));
    assert_eq!(answer_to(&server, "presence.winfo.winfo", DANA), Some(200));
    for deeper in ["presence.winfo.winfo.winfo", "dialog.winfo"] {
        assert_eq!(answer_to(&server, deeper, DANA), Some(489), "{deeper}");
    }
}

#[test]
fn s4_1_the_watchers_of_the_watchers_are_told_of_them() {
    let server = Server::quickstart();
    let mut owner = watcher(&server, DANA).with_event("presence.winfo.winfo");
    owner.subscribe(600);
    let first = owner.next_notification();
    assert!(first.watchers.is_empty(), "{}", first.message);
    let mut curious = watcher(&server, ANN).with_event(WINFO);
    curious.subscribe(600);
    curious.next_notification();
    let told = owner.next_notification();
    assert_eq!(told.watcherinfo().lists[0].package, WINFO, "{}", told.message);
    assert_eq!(told.watchers, ["sip:ann@watch.example active subscribe"]);
    let presence = watching(&server, BOB);
    assert_eq!(owner.refresh_in_silence().watchers.len(), 1, "who watches the presence is another list");
    presence.finish();
    curious.finish();
    owner.finish();
}

/// §4.7.2: a polite-blocked watcher must not learn of it, wherever he looks. trap_51
#[test]
fn s4_7_2_who_is_politely_blocked_sees_himself_active() {
    let server = server_that_asks();
    let mut rules = RuleBook::open(&server);
    rules.set(DANA, &[Rule::new("b").one(BOB).handling("polite-block")]);
    let bob = watching(&server, BOB);
    let mut curious = watcher(&server, BOB).with_event(WINFO);
    curious.subscribe(600);
    let told = curious.next_notification();
    assert_eq!(told.watchers, ["sip:bob@watch.example active subscribe"]);
    let mut owner = watching_watchers(&server);
    assert_eq!(owner.refresh_in_silence().watchers, ["sip:bob@watch.example active subscribe"]);
    bob.finish();
    curious.finish();
    owner.finish();
}

/// §6.1: nothing is kept of, and nothing shown to, somebody whose name nobody vouches for.
#[test]
fn s6_1_without_an_identity_it_is_403() {
    let route = "if (method==\"SUBSCRIBE\") handle_subscribe();";
    let settings = "modparam(\"presence\", \"identity\", \"authenticated\")";
    let server = Server::start(&with_route(settings, route), Options::default());
    assert_eq!(answer_to(&server, WINFO, DANA), Some(403), "From proves nothing");
}

/// The identity is what the script states, whatever From says.
#[test]
fn s4_6_the_presentity_is_known_by_its_identity() {
    let route = "if ($fU==\"secretary\") presence_identity(\"sip:dana@pres.example\");\n\
        if (method==\"SUBSCRIBE\") handle_subscribe();";
    let settings = "modparam(\"presence\", \"identity\", \"authenticated\")";
    let server = Server::start(&with_route(settings, route), Options::default());
    assert_eq!(answer_to(&server, WINFO, DANA), Some(403));
    assert_eq!(answer_to(&server, WINFO, "sip:secretary@office.example"), Some(200));
}
