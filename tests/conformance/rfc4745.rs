//! Whom a rule fits (RFC 4745 §7, §10): one document, many watchers, each let in or not.

use std::time::{SystemTime, UNIX_EPOCH};

use tests::rule_book::RuleBook;
use tests::rules::{COMMON_POLICY, PRES_RULES, Rule, ruleset};
use tests::server::{Options, Server, with_parameters, with_route};
use tests::user_agent::Watcher;

use crate::scene::*;

mod combining; // several rules, several documents (§10.2)

/// Under `rules` of Dana's, each watcher must be let in or not.
fn check(rules: &[Rule], watchers: &[(&str, bool)]) {
    let server = server_that_asks();
    RuleBook::open(&server).set(DANA, rules);
    check_watchers(&server, watchers);
}

fn check_watchers(server: &Server, watchers: &[(&str, bool)]) {
    for (identity, is_let_in) in watchers {
        let expected = if *is_let_in { 200 } else { 403 };
        assert_eq!(answer_to_fetch(server, identity), Some(expected), "{identity}");
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970").as_secs()
}

#[test]
fn s7_a_rule_without_conditions_fits_everybody() {
    check(&[Rule::allow("a")], &[(ANN, true), (BOB, true)]);
    let server = server_that_asks();
    let mut rules = RuleBook::open(&server);
    let empty = ruleset(&[Rule::allow("a")]).replace("<cp:actions>", "<cp:conditions/><cp:actions>");
    rules.write(DANA, &empty);
    rules.settle();
    check_watchers(&server, &[(ANN, true)]);
}

#[test]
fn s7_1_one_fits_whom_it_names_and_nobody_else() {
    let near_misses = [
        (ANN, true),
        (BOB, false),
        ("sip:Ann@watch.example", false),
        ("sip:ann@WATCH.example", true),
        ("sip:annn@watch.example", false),
        ("sip:ann@watch.example.org", false),
        ("sips:ann@watch.example", false),
    ];
    check(&[Rule::allow("a").one(ANN)], &near_misses);
}

/// The children of identity are alternatives (§7.1.1).
#[test]
fn s7_1_1_the_children_of_identity_are_alternatives() {
    check(&[Rule::allow("a").one(ANN).one(BOB)], &[(ANN, true), (BOB, true), (EVE, false)]);
    check(&[Rule::allow("a").one(ANN).many_of("other.example", &[])], &[(ANN, true), ("sip:x@other.example", true)]);
}

/// No subdomains, no case, escapes undone, letters of all alphabets by their ASCII form (§7.1.3).
#[test]
fn s7_1_3_many_with_a_domain_fits_the_users_of_that_domain() {
    let watchers = [
        (ANN, true),
        ("sip:anybody@watch.example", true),
        ("sip:ann@WATCH.EXAMPLE", true),
        ("sip:ann@sub.watch.example", false),
        ("sip:ann@batch.example", false),
        ("sip:ann@watch.exampl", false),
        ("sip:ann@example", false),
    ];
    check(&[Rule::allow("a").many_of("Watch.example", &[])], &watchers);
    check(&[Rule::allow("a").many_of("w%61tch.example", &[])], &[(ANN, true)]);
}

#[test]
fn s7_1_3_domains_are_compared_in_their_ascii_form() {
    let watchers = [("sip:ann@xn--bcher-kva.example", true), (ANN, false)];
    check(&[Rule::allow("a").many_of("B\u{fc}cher.example", &[])], &watchers);
}

#[test]
fn s7_1_3_except_takes_out_of_many() {
    let rule = Rule::allow("a").many_of("watch.example", &[BOB, "sip:nonsense@other.example"]);
    check(&[rule], &[(ANN, true), (BOB, false), ("sip:bobby@watch.example", true)]);
    let all_but = "<cp:many><cp:except domain=\"watch.example\"/><cp:except id=\"sip:x@other.example\"/></cp:many>";
    let watchers = [
        (ANN, false),
        ("sip:x@other.example", false),
        ("sip:y@other.example", true),
        ("sip:y@sub.watch.example", true),
    ];
    check(&[Rule::allow("a").identity(all_but)], &watchers);
}

/// Nobody vouches for From: a rule that asks who it is does not fit, one that does not ask does. trap_47
#[test]
fn s7_1_only_an_authenticated_identity_fits() {
    let server =
        Server::start(&with_parameters(&[("force_active", "0"), ("identity", "authenticated")]), Options::default());
    let mut rules = RuleBook::open(&server);
    rules.set(DANA, &[Rule::allow("a").many(), Rule::allow("b").one(ANN)]);
    check_watchers(&server, &[(ANN, false), (BOB, false)]);
    rules.set(DANA, &[Rule::allow("a").many(), Rule::new("b").handling("confirm")]);
    let mut ann = watcher(&server, ANN);
    assert_eq!(ann.subscribe(600).code(), Some(200));
    check_state(&ann.next_notification(), "pending", false);
    ann.finish();
}

/// The identity is the one the script states, not the From of the request (RFC 5025 §3.1.1).
#[test]
fn s7_1_the_identity_is_what_the_host_vouches_for() {
    let route = "if ($fU==\"alias\") presence_identity(\"sip:ann@watch.example\");\n\
        if (method==\"PUBLISH\") handle_publish();\nif (method==\"SUBSCRIBE\") handle_subscribe();";
    let settings =
        "modparam(\"presence\", \"identity\", \"authenticated\")\nmodparam(\"presence\", \"force_active\", 0)";
    let server = Server::start(&with_route(settings, route), Options::default());
    RuleBook::open(&server).set(DANA, &[Rule::allow("a").one(ANN)]);
    check_watchers(&server, &[(ANN, false), ("sip:alias@elsewhere.example", true)]);
}

#[test]
fn s7_all_conditions_must_hold() {
    let far = now() + 86_400;
    let rules = [
        Rule::allow("a").one(ANN).validity(&[(0, far)]),
        Rule::allow("b").one(BOB).validity(&[(0, 86_400)]),
        Rule::allow("c").one(EVE).validity(&[(0, far)]).sphere("work"),
    ];
    check(&rules, &[(ANN, true), (BOB, false), (EVE, false)]);
}

/// What we do not know may mean anything: the rule does not fit (§7, §7.1.1). trap_48
#[test]
fn s7_a_condition_nobody_knows_makes_a_rule_fit_nobody() {
    let oma = |child: &str| format!("<o:{child} xmlns:o=\"urn:oma:xml:xdm:common-policy\"/>");
    for unknown in [
        "<x:y xmlns:x=\"urn:x\"/>",
        "<cp:moon/>",
        &oma("external-list"),
        &oma("other-identity"),
        &oma("anonymous-request"),
    ] {
        let rules = [Rule::allow("a").one(ANN).condition(unknown), Rule::allow("b").one(BOB)];
        check(&rules, &[(ANN, false), (BOB, true)]);
    }
    check(&[Rule::allow("a").identity("<x:y xmlns:x=\"urn:x\"/>")], &[(ANN, false)]);
}

/// Names are names of their namespace: the same words of another are unknown conditions, actions and rules.
#[test]
fn s6_names_count_with_their_namespace() {
    let server = server_that_asks();
    let mut rules = RuleBook::open(&server);
    let prefixes = ruleset(&[Rule::allow("a").one(ANN)]).replace("cp:", "q:").replace("xmlns:cp", "xmlns:q");
    rules.write(
        DANA,
        &prefixes.replace("pr:", "").replace("<sub-handling", &format!("<sub-handling xmlns=\"{PRES_RULES}\"")),
    );
    rules.settle();
    check_watchers(&server, &[(ANN, true), (BOB, false)]);
    let foreign = "<f:identity xmlns:f=\"urn:f\"><cp:one id=\"sip:ann@watch.example\"/></f:identity>";
    rules.set(DANA, &[Rule::allow("a").condition(foreign)]);
    check_watchers(&server, &[(ANN, false)]);
    let actions = ruleset(&[Rule::allow("a").one(ANN)]).replace(PRES_RULES, "urn:x:other-rules");
    rules.write(DANA, &actions);
    rules.settle();
    check_watchers(&server, &[(ANN, false)]);
}

/// Begin counts, end does not; pairs are alternatives (§7.4). trap_50
#[test]
fn s7_4_a_rule_fits_within_its_validity() {
    let now = now();
    let (past, future) = ((1000, 2000), (now + 1000, now + 2000));
    let rules = [
        Rule::allow("a").one(ANN).validity(&[past, (now - 1000, now + 1000)]),
        Rule::allow("b").one(BOB).validity(&[past, future]),
        Rule::allow("c").one(EVE).validity(&[(now - 1000, now + 1000)]).validity(&[future]),
        Rule::allow("d").one("sip:begin@watch.example").validity(&[(now - 1, now + 1000)]),
        Rule::allow("e").one("sip:end@watch.example").validity(&[(now - 1000, now)]),
    ];
    let watchers =
        [(ANN, true), (BOB, false), (EVE, false), ("sip:begin@watch.example", true), ("sip:end@watch.example", false)];
    check(&rules, &watchers);
}

/// §6: a document that cannot be read grants nothing, and the log says where it stops making sense, and no name.
#[test]
fn s6_a_malformed_document_denies_and_is_told_with_its_position() {
    let options = Options { errors_expected: true, ..Options::default() };
    let server = Server::start(&with_parameters(&[("force_active", "1")]), options);
    let mut rules = RuleBook::open(&server);
    let broken =
        format!("<cp:ruleset xmlns:cp=\"{COMMON_POLICY}\">\n  <cp:rule id=\"sip:ann@watch.example\">\n</cp:ruleset>");
    rules.write(DANA, &broken);
    rules.settle();
    check_watchers(&server, &[(ANN, false), (DANA, true)]);
    let said = server.wait_for_log("rules document");
    assert!([" 3:", ":3:", "line 3"].iter().any(|place| said.contains(place)), "no position in {said}");
    assert!(!["ann@", "dana", "pres.example"].iter().any(|name| said.contains(name)), "personal data in {said}");
    rules.set(DANA, &[Rule::allow("a").one(ANN)]);
    check_watchers(&server, &[(ANN, true)]);
}

/// The rows of an owner that are no rules documents are passed over, whatever they are.
#[test]
fn s6_a_document_of_another_kind_is_none() {
    let server = Server::quickstart();
    let mut rules = RuleBook::open(&server);
    let list = "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list/></resource-lists>";
    rules.write_as(DANA, 2, "list", list);
    rules.write_as(DANA, 4, "index", &ruleset(&[]));
    rules.settle();
    check_watchers(&server, &[(ANN, true)]);
    rules.write_as(DANA, 1, "index", &ruleset(&[]));
    rules.settle();
    check_watchers(&server, &[(ANN, false)]);
}

/// Rules are their owner's: nobody else's presence goes by them, and neither user nor domain alone is an owner.
#[test]
fn s6_rules_are_of_one_presentity() {
    let server = server_with(&[("presence_domains", "other.example")]);
    let mut rules = RuleBook::open(&server);
    rules.set(DANA, &[]);
    check_watchers(&server, &[(ANN, false)]);
    for other in [ED, "sip:dana@other.example", "sip:Dana@pres.example"] {
        let mut watcher = Watcher::udp(server.udp_address(), other, ANN);
        assert_eq!(watcher.subscribe(0).code(), Some(200), "{other}");
        watcher.next_notification();
        watcher.finish();
    }
}
