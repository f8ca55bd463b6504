//! Whole documents of rules, and what they decide about whom.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::document::presence_rules::{Attribute, Components, UserInput};
use crate::document::timestamp::unix_ms;

const ELI: &str = "sip:eli@other.example";
const FAY: &str = "sip:fay@pres.example";
const MALLORY: &str = "sip:mallory@pres.example";

const FRIENDS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">
  <cp:rule id="friends">
    <cp:conditions><cp:identity>
      <cp:one id="sip:eli@other.example"/>
      <cp:many domain="pres.example"><cp:except id="sip:mallory@pres.example"/></cp:many>
    </cp:identity></cp:conditions>
    <cp:actions><pr:sub-handling>allow</pr:sub-handling></cp:actions>
    <cp:transformations>
      <pr:provide-services><pr:service-uri-scheme>sip</pr:service-uri-scheme></pr:provide-services>
      <pr:provide-persons><pr:all-persons/></pr:provide-persons>
      <pr:provide-activities>true</pr:provide-activities>
      <pr:provide-note>true</pr:provide-note>
      <pr:provide-user-input>bare</pr:provide-user-input>
    </cp:transformations>
  </cp:rule>
  <cp:rule id="ask"><cp:conditions/>
    <cp:actions><pr:sub-handling>confirm</pr:sub-handling></cp:actions></cp:rule>
</cp:ruleset>"#;

/// Wraps rules in a document that declares the usual prefixes.
fn ruleset(rules: &str) -> String {
    format!(
        r#"<cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">{rules}</cp:ruleset>"#
    )
}

/// Returns a rule with `conditions`, and what it grants.
fn rule(id: &str, conditions: &str, handling: &str, transformations: &str) -> String {
    format!(
        r#"<cp:rule id="{id}"><cp:conditions>{conditions}</cp:conditions><cp:actions><pr:sub-handling>{handling}</pr:sub-handling></cp:actions><cp:transformations>{transformations}</cp:transformations></cp:rule>"#
    )
}

/// Returns a rule for one user.
fn rule_for(id: &str, user: &str, handling: &str, transformations: &str) -> String {
    rule(id, &format!(r#"<cp:identity><cp:one id="{user}"/></cp:identity>"#), handling, transformations)
}

fn read(documents: &[&str]) -> Rules {
    let (rules, malformed) = Rules::read(documents.iter().copied());
    assert_eq!(malformed, [], "a test's documents can be read");
    rules
}

fn check(document: &str, identity: Option<&str>, handling: SubHandling, ids: &[&str]) {
    check_at(document, (identity, None, 0), handling, ids);
}

fn check_at(document: &str, asked: (Option<&str>, Option<&str>, u64), handling: SubHandling, ids: &[&str]) {
    let (identity, sphere, now_ms) = asked;
    let authorization = read(&[document]).decide(identity, sphere, now_ms);
    assert_eq!(authorization.handling, handling, "{asked:?}");
    assert_eq!(authorization.rules, ids, "{asked:?}");
}

fn check_malformed(document: &str, expected: &str) {
    let (rules, malformed) = Rules::read([document]);
    assert_eq!(malformed.iter().map(Malformed::to_string).collect::<Vec<_>>(), [expected]);
    assert!(!rules.is_absent());
    assert_eq!(rules.decide(Some(ELI), None, 0), Authorization::default());
}

#[test]
fn friends_are_allowed_and_strangers_wait() {
    check(FRIENDS, Some(ELI), SubHandling::Allow, &["friends", "ask"]);
    check(FRIENDS, Some(FAY), SubHandling::Allow, &["friends", "ask"]);
    check(FRIENDS, Some(MALLORY), SubHandling::Confirm, &["ask"]);
    check(FRIENDS, Some("sip:eli@elsewhere.example"), SubHandling::Confirm, &["ask"]);
    check(FRIENDS, None, SubHandling::Confirm, &["ask"]);
    let permissions = read(&[FRIENDS]).decide(Some(ELI), None, 0).permissions;
    let Components::Selected(services) = &permissions.services else { panic!("{permissions:?}") };
    assert_eq!(services.uri_schemes, BTreeSet::from(["sip".into()]));
    assert_eq!(permissions.persons, Components::All);
    assert_eq!(permissions.devices, Components::default());
    assert!(permissions.attributes.include(Attribute::Activities) && permissions.attributes.include(Attribute::Note));
    assert!(!permissions.attributes.include(Attribute::Mood));
    assert_eq!(permissions.attributes.user_input(), UserInput::Bare);
}

#[test]
fn without_a_rule_that_holds_a_watcher_is_blocked() {
    check(&ruleset(""), Some(ELI), SubHandling::Block, &[]);
    check(&ruleset(&rule_for("a", ELI, "allow", "")), Some(FAY), SubHandling::Block, &[]);
    check(&ruleset(r#"<cp:rule id="a"/>"#), Some(ELI), SubHandling::Block, &["a"]);
    check(&ruleset(r#"<cp:rule id="a"><cp:actions/></cp:rule>"#), None, SubHandling::Block, &["a"]);
}

#[test]
fn nobody_has_decided_until_there_is_a_document() {
    assert!(read(&[]).is_absent());
    assert!(!read(&[&ruleset("")]).is_absent());
}

#[test]
fn a_document_of_another_kind_is_passed_over() {
    let lists = r#"<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>"#;
    assert!(read(&[lists, "<ruleset/>"]).is_absent());
    let authorization = read(&[lists, FRIENDS]).decide(Some(ELI), None, 0);
    assert_eq!(authorization.handling, SubHandling::Allow);
}

#[test]
fn a_document_that_cannot_be_read_grants_nothing_and_is_a_decision() {
    check_malformed("<cp:ruleset>", "XML not well-formed: namespace prefix not declared at line 1 column 2");
    check_malformed("", "XML not well-formed: no root element at line 1 column 1");
    check_malformed(
        &FRIENDS.replace("</cp:conditions>\n    <cp:actions>", "\n    <cp:actions>"),
        "XML not well-formed: element closed by the end tag of another at line 16 column 3",
    );
    check_malformed(
        "<!DOCTYPE ruleset [<!ENTITY secret 'sip:eli@other.example'>]><ruleset>&secret;</ruleset>",
        "document type declaration not accepted at line 1 column 1",
    );
}

#[test]
fn a_document_past_the_limits_grants_nothing() {
    let friends = |number: usize| {
        let ones: String = (0..number).map(|user| format!(r#"<cp:one id="sip:{user}@x"/>"#)).collect();
        ruleset(&rule("a", &format!("<cp:identity>{ones}</cp:identity>"), "allow", ""))
    };
    check(&friends(5_000), Some("sip:4999@x"), SubHandling::Allow, &["a"]);
    check_malformed(&friends(12_000), "document longer than 262144 bytes at line 1 column 1");
    check_malformed(&ruleset(&"<a/>".repeat(16_384)), "more than 16384 elements at line 1 column 65638");
    check_malformed(
        &ruleset(&format!("{}{}", "<a>".repeat(16), "</a>".repeat(16))),
        "elements nested deeper than 16 at line 1 column 151",
    );
}

#[test]
fn one_document_that_cannot_be_read_takes_nothing_from_the_others() {
    let (rules, malformed) = Rules::read(["<a/>", "<", FRIENDS]);
    assert_eq!(malformed.iter().map(|malformed| malformed.document).collect::<Vec<_>>(), [1]);
    assert_eq!(rules.decide(Some(ELI), None, 0).handling, SubHandling::Allow);
}

#[test]
fn rfc_5025_s9_7_the_rules_of_all_documents_count() {
    let (one, other) = (ruleset(&rule_for("a", ELI, "confirm", "")), ruleset(&rule_for("a", ELI, "allow", "")));
    let authorization = read(&[&one, &other]).decide(Some(ELI), None, 0);
    assert_eq!((authorization.handling, &authorization.rules[..]), (SubHandling::Allow, &["a".into(), "a".into()][..]));
    assert_eq!(read(&[&other, &one]).decide(Some(ELI), None, 0), authorization);
}

#[test]
fn rules_are_combined_wherever_they_stand() {
    let first = rule_for(
        "first",
        ELI,
        "confirm",
        "<pr:provide-services><pr:class>biz</pr:class></pr:provide-services><pr:provide-mood>true</pr:provide-mood>",
    );
    let second = rule_for(
        "second",
        ELI,
        "allow",
        "<pr:provide-services><pr:class>home</pr:class></pr:provide-services><pr:provide-user-input>full</pr:provide-user-input>",
    );
    let third = rule(
        "third",
        "",
        "polite-block",
        "<pr:provide-mood>false</pr:provide-mood><pr:provide-user-input>bare</pr:provide-user-input>",
    );
    let authorization = read(&[&ruleset(&format!("{first}{second}{third}"))]).decide(Some(ELI), None, 0);
    assert_eq!(authorization.handling, SubHandling::Allow);
    let permissions = &authorization.permissions;
    let Components::Selected(services) = &permissions.services else { panic!("{permissions:?}") };
    assert_eq!(services.classes, BTreeSet::from(["biz".into(), "home".into()]));
    assert!(permissions.attributes.include(Attribute::Mood));
    assert_eq!(permissions.attributes.user_input(), UserInput::Full);
    let backwards = read(&[&ruleset(&format!("{third}{second}{first}"))]).decide(Some(ELI), None, 0);
    assert_eq!(backwards.permissions, authorization.permissions);
    assert_eq!(backwards.handling, authorization.handling);
}

#[test]
fn block_and_allow_is_allow() {
    let block = rule_for("block", MALLORY, "block", "");
    let allow = rule("allow", "<cp:identity><cp:many/></cp:identity>", "allow", "");
    check(&ruleset(&format!("{block}{allow}")), Some(MALLORY), SubHandling::Allow, &["block", "allow"]);
    check(&ruleset(&format!("{allow}{block}")), Some(MALLORY), SubHandling::Allow, &["allow", "block"]);
}

#[test]
fn many_of_a_domain_lets_in_no_domain_of_the_same_length() {
    let document = ruleset(&rule("a", r#"<cp:identity><cp:many domain="pres.example"/></cp:identity>"#, "allow", ""));
    check(&document, Some("sip:fay@pres.example"), SubHandling::Allow, &["a"]);
    check(&document, Some("sip:fay@evil.example"), SubHandling::Block, &[]);
    check(&document, Some("sip:fay@pres.exampls"), SubHandling::Block, &[]);
}

#[test]
fn many_of_a_domain_lets_in_no_domain_that_it_begins_with() {
    let document = ruleset(&rule("a", r#"<cp:identity><cp:many domain="pres.example"/></cp:identity>"#, "allow", ""));
    for domain in ["p", "pres", "pres.ex", "pres.exampl", "pres.example.evil"] {
        check(&document, Some(&format!("sip:fay@{domain}")), SubHandling::Block, &[]);
    }
}

#[test]
fn an_excepted_user_is_excepted() {
    for domain in ["", r#" domain="pres.example""#] {
        let many = format!(r#"<cp:identity><cp:many{domain}><cp:except id="{MALLORY}"/></cp:many></cp:identity>"#);
        let document = ruleset(&rule("a", &many, "allow", ""));
        check(&document, Some(MALLORY), SubHandling::Block, &[]);
        check(&document, Some("sip:mallory2@pres.example"), SubHandling::Allow, &["a"]);
        check(&document, Some(FAY), SubHandling::Allow, &["a"]);
    }
}

#[test]
fn an_expired_rule_after_a_valid_one_is_expired() {
    let validity = |from: &str, until: &str| {
        format!("<cp:validity><cp:from>{from}T00:00:00Z</cp:from><cp:until>{until}T00:00:00Z</cp:until></cp:validity>")
    };
    let document = ruleset(&format!(
        "{}{}{}",
        rule("valid", &validity("2025-01-01", "2026-01-01"), "confirm", ""),
        rule("expired", &validity("2024-01-01", "2025-01-01"), "allow", ""),
        rule("to come", &validity("2026-01-01", "2027-01-01"), "allow", ""),
    ));
    let at = |day: &str| (Some(ELI), None, unix_ms(&format!("{day}T00:00:00Z")).unwrap());
    check_at(&document, at("2024-06-01"), SubHandling::Allow, &["expired"]);
    check_at(&document, at("2025-06-01"), SubHandling::Confirm, &["valid"]);
    check_at(&document, at("2026-06-01"), SubHandling::Allow, &["to come"]);
    check_at(&document, at("2027-06-01"), SubHandling::Block, &[]);
    let rules = read(&[&document]);
    let boundary = |day| rules.next_boundary_ms(at(day).2);
    assert_eq!(boundary("2024-06-01"), Some(at("2025-01-01").2));
    assert_eq!(boundary("2026-01-01"), Some(at("2027-01-01").2));
    assert_eq!(boundary("2027-01-01"), None);
}

#[test]
fn a_rule_without_conditions_holds_and_ends_nothing() {
    let bare = r#"<cp:rule id="bare"><cp:actions><pr:sub-handling>confirm</pr:sub-handling></cp:actions></cp:rule>"#;
    let allow = rule_for("allow", ELI, "allow", "");
    for document in [ruleset(&format!("{bare}{allow}")), ruleset(&format!("{allow}{bare}"))] {
        assert_eq!(read(&[&document]).decide(Some(ELI), None, 0).handling, SubHandling::Allow);
        check(&document, Some(FAY), SubHandling::Confirm, &["bare"]);
    }
}

#[test]
fn a_rule_without_an_identity_ends_nothing() {
    let document = ruleset(&format!(
        "{}{}",
        rule("work", r#"<cp:sphere value="work"/>"#, "confirm", ""),
        rule_for("eli", ELI, "allow", "")
    ));
    check_at(&document, (Some(ELI), None, 0), SubHandling::Allow, &["eli"]);
    check_at(&document, (Some(FAY), Some("work"), 0), SubHandling::Confirm, &["work"]);
}

#[test]
fn white_space_around_a_handling_makes_no_difference() {
    let document = ruleset(&rule_for("a", ELI, "\n\t  polite-block \r\n", ""));
    check(&document, Some(ELI), SubHandling::PoliteBlock, &["a"]);
}

#[test]
fn a_rule_printed_prettily_is_for_no_one_else() {
    let document = ruleset(
        r#"
    <cp:rule id="a">
        <cp:conditions>
            <cp:identity>
                <cp:one id="sip:eli@other.example"/>
            </cp:identity>
        </cp:conditions>
        <cp:actions>
            <pr:sub-handling>
                allow
            </pr:sub-handling>
        </cp:actions>
    </cp:rule>
"#,
    );
    check(&document, Some(ELI), SubHandling::Allow, &["a"]);
    check(&document, Some(FAY), SubHandling::Block, &[]);
    check(&document, None, SubHandling::Block, &[]);
}

#[test]
fn names_count_with_their_namespace_whatever_the_prefix() {
    let renamed = FRIENDS
        .replace("cp:", "a:")
        .replace("xmlns:cp", "xmlns:a")
        .replace("pr:", "cp:")
        .replace("xmlns:pr", "xmlns:cp");
    check(&renamed, Some(ELI), SubHandling::Allow, &["friends", "ask"]);
    check(&renamed, Some(MALLORY), SubHandling::Confirm, &["ask"]);
    let default = FRIENDS.replace("<cp:", "<").replace("</cp:", "</").replace("xmlns:cp", "xmlns");
    check(&default, Some(ELI), SubHandling::Allow, &["friends", "ask"]);
    let foreign = FRIENDS.replace("urn:ietf:params:xml:ns:pres-rules", "urn:x");
    check(&foreign, Some(ELI), SubHandling::Block, &["friends", "ask"]);
    let mixed = ruleset(&rule(
        "a",
        r#"<cp:identity xmlns:o="urn:x"><o:one id="sip:eli@other.example"/></cp:identity>"#,
        "allow",
        "",
    ));
    check(&mixed, Some(ELI), SubHandling::Block, &[]);
}

#[test]
fn what_no_rule_mentions_is_not_given() {
    let document = ruleset(&rule_for("a", ELI, "allow", ""));
    check(&document, Some(ELI), SubHandling::Allow, &["a"]);
    assert_eq!(read(&[&document]).decide(Some(ELI), None, 0).permissions, Permissions::default());
    let without =
        ruleset(r#"<cp:rule id="a"><cp:actions><pr:sub-handling>allow</pr:sub-handling></cp:actions></cp:rule>"#);
    assert_eq!(read(&[&without]).decide(Some(ELI), None, 0).permissions, Permissions::default());
}

#[test]
fn a_rule_of_oma_grants_nothing() {
    for condition in [
        r#"<o:external-list xmlns:o="urn:oma:xml:xdm:common-policy"><o:entry anc="http://x/list"/></o:external-list>"#,
        r#"<o:other-identity xmlns:o="urn:oma:xml:xdm:common-policy"/>"#,
        r#"<o:anonymous-request xmlns:o="urn:oma:xml:xdm:common-policy"/>"#,
    ] {
        let document = ruleset(&rule("a", condition, "allow", ""));
        check(&document, Some(ELI), SubHandling::Block, &[]);
        check(&document, None, SubHandling::Block, &[]);
    }
}

#[test]
fn long_names_are_names() {
    let name = "n".repeat(10_000);
    let document = ruleset(&rule_for(&name, &format!("sip:{name}@x"), "allow", &format!("<pr:{name}/>")));
    check(&document, Some(&format!("sip:{name}@x")), SubHandling::Allow, &[&name]);
    check(&document, Some(&format!("sip:{name}n@x")), SubHandling::Block, &[]);
}

#[test]
fn a_sphere_decides_where_it_is_mentioned() {
    let document = ruleset(&rule("work", r#"<cp:sphere value="work"/>"#, "allow", ""));
    assert!(read(&[&document]).mentions_sphere());
    assert!(!read(&[FRIENDS]).mentions_sphere());
    check_at(&document, (Some(ELI), Some("Work"), 0), SubHandling::Allow, &["work"]);
    check_at(&document, (Some(ELI), Some("home"), 0), SubHandling::Block, &[]);
    check_at(&document, (Some(ELI), None, 0), SubHandling::Block, &[]);
}

/// Wraps what is inside of persons in documents.
fn check_sphere(persons: &[&str], expected: Option<&str>) {
    let bodies: Vec<_> = persons
        .iter()
        .map(|person| format!(r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:x@y"><dm:person id="p">{person}</dm:person></presence>"#))
        .collect();
    assert_eq!(sphere(bodies.iter().map(String::as_bytes)).as_deref(), expected, "{persons:?}");
}

#[test]
fn rfc_5025_s3_1_2_the_sphere_is_what_every_person_says_who_says_one() {
    let (work, home) = ("<r:sphere><r:work/></r:sphere>", "<r:sphere> <r:home/> </r:sphere>");
    check_sphere(&[], None);
    check_sphere(&["", ""], None);
    check_sphere(&[work], Some("work"));
    check_sphere(&["", work, work, ""], Some("work"));
    check_sphere(&[work, home], None);
    check_sphere(&[&format!("{work}</dm:person><dm:person id='q'>{home}")], None);
    check_sphere(&[&format!("{work}{home}")], None);
}

#[test]
fn a_sphere_may_be_a_word_or_an_extension() {
    check_sphere(&["<r:sphere> Work </r:sphere>", "<r:sphere><r:work/></r:sphere>"], Some("work"));
    check_sphere(&["<r:sphere><e:Sailing xmlns:e='urn:e'/></r:sphere>"], Some("sailing"));
    check_sphere(&["<r:sphere><r:unknown/></r:sphere>"], Some("unknown"));
    check_sphere(&["<r:sphere/>", "<r:sphere>\n</r:sphere>"], None);
}

#[test]
fn only_a_person_has_a_sphere_and_only_of_rpid() {
    let work = "<r:sphere><r:work/></r:sphere>";
    check_sphere(&["<sphere>work</sphere>", "<dm:sphere>work</dm:sphere>", "<dm:note>sphere</dm:note>"], None);
    check_sphere(&[&format!("</dm:person><dm:device id='d'>{work}</dm:device><dm:person id='q'>")], None);
    check_sphere(&[&format!("<r:activities>{work}</r:activities>")], None);
    assert_eq!(sphere([b"<sphere".as_slice()]), None);
}

proptest! {
    /// Each rule is for some of three watchers, and the order of rules and documents never counts.
    #[test]
    fn a_decision_is_the_greatest_of_its_rules(rules in prop::collection::vec((0_usize..8, 0_usize..4), 0..6)) {
        let (watchers, tokens) = ([ELI, FAY, MALLORY], ["block", "confirm", "polite-block", "allow"]);
        let documents: Vec<String> = rules.iter().map(|(whom, handling)| {
            let ones: String = (0..3).filter(|bit| whom >> bit & 1 == 1).map(|bit| format!(r#"<cp:one id="{}"/>"#, watchers[bit])).collect();
            // With nobody named the rule must not be for anyone.
            ruleset(&rule("r", &format!(r#"<cp:identity>{ones}<cp:one id="sip:nobody@x"/></cp:identity>"#), tokens[*handling], ""))
        }).collect();
        let forwards = read(&documents.iter().map(String::as_str).collect::<Vec<_>>());
        let backwards = read(&documents.iter().rev().map(String::as_str).collect::<Vec<_>>());
        for (bit, watcher) in watchers.into_iter().enumerate() {
            let expected = rules.iter().filter(|(whom, _)| whom >> bit & 1 == 1).map(|(_, handling)| *handling).max().unwrap_or(0);
            prop_assert_eq!(forwards.decide(Some(watcher), None, 0).handling as usize, expected);
            prop_assert_eq!(backwards.decide(Some(watcher), None, 0).handling as usize, expected);
        }
        prop_assert_eq!(forwards.decide(None, None, 0), Authorization::default());
    }

    #[test]
    fn no_text_is_too_strange_to_decide_on(text in ".{0,200}") {
        let (rules, _) = Rules::read([text.as_str()]);
        prop_assert_eq!(rules.decide(Some(&text), Some(&text), 0), Authorization::default());
    }
}
