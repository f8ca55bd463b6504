//! Privacy defects both descendants still have: each with the document that shows it.

use std::time::{SystemTime, UNIX_EPOCH};

use tests::rule_book::RuleBook;
use tests::rules::Rule;
use tests::server::Server;
use tests::user_agent::Watcher;

use crate::scene::*;

/// Under these rules, each watcher must be let in or not.
fn check(rules: &[Rule], watchers: &[(&str, bool)]) {
    let server = server_that_asks();
    RuleBook::open(&server).set(DANA, rules);
    for (identity, is_let_in) in watchers {
        let expected = if *is_let_in { 200 } else { 403 };
        assert_eq!(answer_to_fetch(&server, identity), Some(expected), "{identity}");
    }
}

/// K xcap_auth.c:303, O :247: a domain was another only if its length *and* its letters were.
#[test]
fn many_never_fits_another_domain_of_the_same_length_or_a_prefix() {
    let watchers = [
        ("sip:ann@good.example", true),
        ("sip:ann@evil.example", false),
        ("sip:ann@good.exampl", false),
        ("sip:ann@good", false),
        ("sip:ann@g", false),
        ("sip:ann@good.example.com", false),
    ];
    check(&[Rule::allow("a").many_of("good.example", &[])], &watchers);
}

/// K :323, O :269, since 2007: the excepted user's name was compared one letter short.
#[test]
fn except_excludes_whom_it_names() {
    let rule = Rule::allow("a").many_of("watch.example", &["sip:bob@watch.example"]);
    check(&[rule], &[(ANN, true), (BOB, false), ("sip:bobb@watch.example", true)]);
}

/// The first rule that fits decided alone, and what it did not mention was shown.
#[test]
fn rules_combine_and_what_is_not_mentioned_is_not_shown() {
    let server = server_that_asks();
    let content = "<tuple id=\"t\"><status><basic>open</basic></status><note>secret</note></tuple>\
                   <dm:person id=\"p\"><rpid:mood><rpid:sad/></rpid:mood></dm:person>";
    let _desk = publishing(&server, &tests::pidf::document_of(DANA, content));
    let services = "<pr:provide-services><pr:all-services/></pr:provide-services>";
    let rules = [Rule::new("a").one(ANN).handling("block"), Rule::new("b").many().handling("allow").provide(services)];
    RuleBook::open(&server).set(DANA, &rules);
    let told = fetched(&server, ANN);
    assert_eq!(told.presence().root.child_names(), ["tuple"], "{}", told.message);
    assert_eq!(told.presence().root.children[0].child_names(), ["status"], "{}", told.message);
}

/// A rule whose time had come left its mark on the next, whose time was over.
#[test]
fn an_expired_rule_never_counts() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let rules = [
        Rule::new("valid").one(BOB).validity(&[(0, now + 1000)]).handling("confirm"),
        Rule::allow("expired").one(ANN).validity(&[(0, now - 1000)]),
        Rule::allow("later").one(EVE).validity(&[(now + 1000, now + 2000)]),
    ];
    check(&rules, &[(ANN, false), (EVE, false), (BOB, true)]);
}

/// K get_rule_node: a rule without conditions ended the evaluation of the whole document.
#[test]
fn a_rule_without_conditions_fits_everybody() {
    let rules = [Rule::new("a").handling("polite-block"), Rule::allow("b").one(ANN)];
    check(&rules, &[(ANN, true), (BOB, true), (EVE, true)]);
}

/// Words of other namespaces were taken for ours; white space around the word was a 500 (K) or pending (O).
#[test]
fn names_have_namespaces_and_words_are_trimmed() {
    let foreign = "<f:validity xmlns:f=\"urn:f\"><f:from>1970-01-01T00:00:00Z</f:from></f:validity>";
    let rules =
        [Rule::allow("a").one(ANN).condition(foreign), Rule::new("b").one(BOB).handling(" \n\tallow\n ").everything()];
    check(&rules, &[(ANN, false), (BOB, true)]);
}

/// K e134644d16, 2db510a4a6; O 5949135249, a03b8a82e9, eeb331cd57: buffers too short, headers missing.
#[test]
fn long_names_and_missing_headers_break_nothing() {
    let server = Server::quickstart();
    let named = |characters| format!("sip:{}@{}.example", "u".repeat(characters), "d".repeat(60));
    let long = named(255);
    let refused = Watcher::udp(server.udp_address(), DANA, &named(256)).subscribe(600);
    assert_eq!(refused.code(), Some(400), "what no column holds is not cut");
    let mut watcher = watching(&server, &long);
    let mut owner = self::watcher(&server, DANA).with_event("presence.winfo");
    assert_eq!(owner.fetch().watcherinfo().only().uri, long);
    let mut publisher = publisher(&server);
    let mut untyped = publisher.next_request();
    untyped.body = here("x").into_bytes();
    let code = publisher.request(untyped).code();
    assert!([Some(400), Some(415)].contains(&code), "a body without Content-Type: {code:?}");
    publisher.publish(&here("here"));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    [watcher, owner].into_iter().for_each(Watcher::finish);
}

/// With Kamailio's defaults an expiry is a NOTIFY without a body, which leaves the old document in force. trap_22
#[test]
fn an_expiry_is_told_with_a_closed_document() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let mut short = publisher(&server).expiring(1);
    short.publish(&here("short"));
    watcher.next_notification();
    let expired = watcher.next_notification();
    check_state(&expired, "active", true);
    assert!(expired.presence().is_closed_once(), "{}", expired.message);
    watcher.finish();
}

/// The 2006 module gave a polite-blocked watcher the real document at the next PUBLISH.
#[test]
fn seed_1_7_a_polite_block_holds_when_something_changes() {
    let server = server_that_asks();
    RuleBook::open(&server).set(DANA, &[Rule::new("a").one(ANN).handling("polite-block")]);
    let mut ann = watching(&server, ANN);
    let mut desk = publishing(&server, &here("here"));
    desk.modify(&here("busy"));
    assert!(ann.refresh_in_silence().presence().is_closed_once());
    ann.finish();
}

/// Pretty-printed rules matched everybody until 2007: the first child was white space.
#[test]
fn seed_1_7_white_space_in_rules_means_nothing() {
    let server = server_that_asks();
    let mut rules = RuleBook::open(&server);
    let pretty = tests::rules::ruleset(&[Rule::allow("a").one(ANN)]).replace("><", ">\n      <");
    rules.write(DANA, &pretty);
    rules.settle();
    assert_eq!(answer_to_fetch(&server, ANN), Some(200));
    assert_eq!(answer_to_fetch(&server, BOB), Some(403));
}
