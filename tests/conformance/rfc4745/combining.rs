//! Several rules that fit, in one document or in several, grant what they grant together (RFC 4745 §10.2).

use tests::rule_book::RuleBook;
use tests::rules::{Rule, ruleset};
use tests::server::Server;

use crate::scene::*;

/// With these handlings for Ann in rules of one document, in this order and the other, she must be `expected`.
fn check(handlings: &[&str], expected: &str) {
    let server = server_that_asks();
    let _desk = publishing(&server, &here("here"));
    let mut book = RuleBook::open(&server);
    let rule = |(number, word): (usize, &&str)| Rule::new(&format!("r{number}")).one(ANN).handling(word).everything();
    let mut rules: Vec<_> = handlings.iter().enumerate().map(rule).collect();
    for _ in 0..2 {
        book.set(DANA, &rules);
        assert_eq!(handling_of(&server), expected, "{handlings:?}");
        rules.reverse();
    }
}

/// What becomes of Ann who subscribes.
fn handling_of(server: &Server) -> &'static str {
    let mut ann = watcher(server, ANN);
    let code = ann.subscribe(600).code();
    if code != Some(200) {
        assert_eq!(code, Some(403));
        return "block";
    }
    let told = ann.next_notification();
    ann.unsubscribe();
    ann.next_notification();
    ann.finish();
    match (told.state().substate.as_str(), told.notes().is_empty()) {
        ("active", false) => "allow",
        ("active", true) => "polite-block",
        _ => "confirm",
    }
}

/// There is no veto: the most generous wins, in whatever order. trap_45
#[test]
fn s10_2_the_highest_handling_wins() {
    check(&["block"], "block");
    check(&["block", "confirm"], "confirm");
    check(&["confirm", "polite-block"], "polite-block");
    check(&["block", "allow"], "allow");
    check(&["polite-block", "confirm", "allow", "block"], "allow");
}

/// A rule may grant without deciding: what it shows is added to what another lets in.
#[test]
fn s10_2_what_rules_provide_adds_up() {
    let server = server_that_asks();
    let body = "<tuple id=\"s\"><status><basic>open</basic></status><rpid:class>c</rpid:class><note>n</note></tuple>\
                <dm:person id=\"p\"><rpid:mood><rpid:sad/></rpid:mood></dm:person>";
    let _desk = publishing(&server, &tests::pidf::document_of(DANA, body));
    let services = "<pr:provide-services><pr:all-services/></pr:provide-services>";
    let rules = [
        Rule::new("a").one(ANN).handling("allow").provide(services).provide("<pr:provide-note>false</pr:provide-note>"),
        Rule::new("b").many().provide("<pr:provide-persons><pr:all-persons/></pr:provide-persons>"),
        Rule::new("c").provide("<pr:provide-note>true</pr:provide-note>"),
    ];
    let mut book = RuleBook::open(&server);
    book.write_as(DANA, 2, "first", &ruleset(&rules[..1]));
    book.write_as(DANA, 1, "second", &ruleset(&rules[1..]));
    book.settle();
    let told = fetched(&server, ANN);
    assert_eq!(told.presence().ids(), ["s", "p"], "{}", told.message);
    assert_eq!(told.presence().occurrence("s").map(|tuple| tuple.child_names()), Some(vec!["status", "note"]));
    assert!(told.presence().occurrence("p").is_some_and(|person| person.children.is_empty()), "{}", told.message);
}

/// All documents of an owner count, whatever their names and kinds (RFC 5025 §9.7); one that goes takes its grants along. trap_49
#[test]
fn rfc5025_s9_7_all_documents_of_an_owner_count() {
    let server = server_that_asks();
    let mut book = RuleBook::open(&server);
    book.write_as(DANA, 2, "index", &ruleset(&[Rule::allow("a").one(ANN)]));
    book.write_as(DANA, 2, "friends", &ruleset(&[Rule::allow("a").one(BOB)]));
    book.write_as(DANA, 1, "index", &ruleset(&[Rule::allow("a").one(EVE)]));
    book.settle();
    for identity in [ANN, BOB, EVE] {
        assert_eq!(answer_to_fetch(&server, identity), Some(200), "{identity}");
    }
    book.remove(DANA);
    book.settle();
    assert_eq!(answer_to_fetch(&server, ANN), Some(403));
    assert_eq!(answer_to_fetch(&server, BOB), Some(200));
}

/// One document that cannot be read takes nothing from the others.
#[test]
fn s6_a_malformed_document_beside_sound_ones_grants_nothing() {
    let options = tests::server::Options { errors_expected: true, ..Default::default() };
    let server = Server::start(&tests::server::with_parameters(&[("force_active", "0")]), options);
    let mut book = RuleBook::open(&server);
    book.write_as(DANA, 2, "broken", "<ruleset");
    book.write_as(DANA, 2, "index", &ruleset(&[Rule::allow("a").one(ANN)]));
    book.settle();
    assert_eq!(answer_to_fetch(&server, ANN), Some(200));
    assert_eq!(answer_to_fetch(&server, BOB), Some(403));
}

/// Without any document nobody has said anything: `force_active` decides. The last document that goes leaves that behind.
#[test]
fn rfc5025_s3_2_1_without_documents_the_operator_decides() {
    for (force_active, expected) in [("0", "confirm"), ("1", "allow")] {
        let server = server_with(&[("force_active", force_active)]);
        let _desk = publishing(&server, &here("here"));
        assert_eq!(handling_of(&server), expected);
        let mut book = RuleBook::open(&server);
        book.set(DANA, &[]);
        assert_eq!(handling_of(&server), "block", "a document that says nothing grants nothing");
        book.remove(DANA);
        book.settle();
        assert_eq!(handling_of(&server), expected);
    }
}
