//! When a rule holds, condition by condition. Who was not authenticated is `None`.

use proptest::prelude::*;

use super::*;

const ELI: Option<&str> = Some("sip:eli@other.example");
const FAY: Option<&str> = Some("sip:fay@pres.example");
const MALLORY: Option<&str> = Some("sip:mallory@pres.example");

/// Reads the one rule with `content` inside.
fn conditions(content: &str) -> Conditions {
    let document = format!(
        r#"<cp:ruleset xmlns:cp="{NAMESPACE}" xmlns:x="urn:x"><cp:rule id="a">{content}</cp:rule></cp:ruleset>"#
    );
    let ruleset = Ruleset::read(&document, &Limits::default()).unwrap().unwrap();
    ruleset.rules().next().unwrap().conditions()
}

fn check_rule(content: &str, circumstances: (Option<&str>, Option<&str>, u64), expected: bool) {
    let (identity, sphere, now_ms) = circumstances;
    let watcher = identity.and_then(Watcher::new);
    let holds = conditions(content).hold(&Circumstances { watcher: watcher.as_ref(), sphere, now_ms });
    assert_eq!(holds, expected, "{content} for {circumstances:?}");
}

fn check_conditions(content: &str, circumstances: (Option<&str>, Option<&str>, u64), expected: bool) {
    check_rule(&format!("<cp:conditions>{content}</cp:conditions>"), circumstances, expected);
}

fn check_identity(content: &str, identity: Option<&str>, expected: bool) {
    check_conditions(&format!("<cp:identity>{content}</cp:identity>"), (identity, None, 0), expected);
}

fn check_domain(domain: &str, identity: &str, expected: bool) {
    check_identity(&format!(r#"<cp:many domain="{domain}"/>"#), Some(identity), expected);
}

fn check_sphere(values: &str, sphere: Option<&str>, expected: bool) {
    check_conditions(&format!(r#"<cp:sphere value="{values}"/>"#), (None, sphere, 0), expected);
}

fn check_validity(pairs: &str, now: &str, expected: bool) {
    let now_ms = timestamp::unix_ms(now).unwrap();
    check_conditions(&format!("<cp:validity>{pairs}</cp:validity>"), (None, None, now_ms), expected);
}

#[test]
fn s10_1_a_rule_without_conditions_always_holds() {
    for content in ["", "<cp:conditions/>", "<cp:conditions>\n</cp:conditions>", "<cp:actions/><cp:transformations/>"] {
        check_rule(content, (None, None, 0), true);
        check_rule(content, (ELI, Some("work"), 1), true);
    }
}

#[test]
fn s10_1_all_conditions_must_be_true() {
    let eli_at_work = r#"<cp:identity><cp:one id="sip:eli@other.example"/></cp:identity><cp:sphere value="work"/>"#;
    check_conditions(eli_at_work, (ELI, Some("work"), 0), true);
    check_conditions(eli_at_work, (ELI, Some("home"), 0), false);
    check_conditions(eli_at_work, (FAY, Some("work"), 0), false);
    let twice =
        r#"<cp:identity><cp:many/></cp:identity><cp:identity><cp:one id="sip:eli@other.example"/></cp:identity>"#;
    check_conditions(twice, (ELI, None, 0), true);
    check_conditions(twice, (FAY, None, 0), false);
    check_rule("<cp:conditions/><cp:conditions><x:y/></cp:conditions>", (ELI, None, 0), false);
}

#[test]
fn s7_a_condition_that_is_not_known_is_false() {
    check_conditions("<x:location/>", (ELI, None, 0), false);
    check_conditions("<x:identity/>", (ELI, None, 0), false);
    check_conditions("<cp:location/>", (ELI, None, 0), false);
    check_conditions(r#"<cp:identity><cp:many/></cp:identity><x:location/>"#, (ELI, None, 0), false);
}

#[test]
fn conditions_of_oma_are_false() {
    for name in ["external-list", "other-identity", "anonymous-request"] {
        let oma = format!(r#"<ocp:{name} xmlns:ocp="urn:oma:xml:xdm:common-policy"/>"#);
        check_conditions(&oma, (ELI, None, 0), false);
        check_conditions(&oma, (None, None, 0), false);
        check_identity(&oma, ELI, false);
    }
}

#[test]
fn what_might_be_a_condition_in_another_namespace_makes_a_rule_hold_never() {
    check_rule(r#"<x:conditions><cp:identity/></x:conditions>"#, (ELI, None, 0), false);
    check_rule("<cp:condition/>", (ELI, None, 0), false);
}

#[test]
fn s7_1_1_an_identity_that_names_nobody_is_anyone() {
    check_identity("", ELI, true);
    check_identity("", None, true);
    check_identity(" <!-- all --> ", None, true);
}

#[test]
fn s7_1_1_one_of_the_identities_is_enough() {
    let either = r#"<cp:one id="sip:eli@other.example"/><x:y/><cp:one id="sip:fay@pres.example"/>"#;
    check_identity(either, ELI, true);
    check_identity(either, FAY, true);
    check_identity(either, MALLORY, false);
    check_identity(either, None, false);
}

#[test]
fn an_identity_of_another_kind_names_nobody() {
    check_identity("<x:y/>", ELI, false);
    check_identity("<cp:few/>", ELI, false);
    check_identity(r#"<x:one id="sip:eli@other.example"/><x:many/>"#, ELI, false);
    check_identity("<cp:one/>", ELI, false);
    check_identity(r#"<cp:one x:id="sip:eli@other.example"/>"#, ELI, false);
    check_identity(r#"<cp:one id="eli@other.example"/>"#, Some("eli@other.example"), false);
}

#[test]
fn s7_1_2_one_is_exactly_that_uri() {
    let check = |id: &str, identity: &str, expected| {
        check_identity(&format!(r#"<cp:one id="{id}"/>"#), Some(identity), expected);
    };
    check("sip:eli@other.example", "sip:eli@other.example", true);
    check(" sip:eli@other.example\n", "sip:eli@other.example", true);
    check("sip:%65li@Other.EXAMPLE", "sip:eli@other.example", true);
    check("sip:eli@other.example;x=y", "sip:eli@other.example", true);
    check("sip:Eli@other.example", "sip:eli@other.example", false);
    check("sip:eli@other.example:5060", "sip:eli@other.example", false);
    check("sip:eli@other.example;user=phone", "sip:eli@other.example", false);
    check("sip:eli@other.exampl", "sip:eli@other.example", false);
    check("sip:el@other.example", "sip:eli@other.example", false);
    check("tel:+1-555-0100", "tel:+15550100", true);
    check("urn:service:sos", "urn:service:sos", true);
}

#[test]
fn rfc_5025_s3_1_1_2_uris_of_different_schemes_are_different_identities() {
    for id in ["sips:eli@other.example", "pres:eli@other.example", "im:eli@other.example", "xmpp:eli@other.example"] {
        check_identity(&format!(r#"<cp:one id="{id}"/>"#), ELI, false);
    }
    check_identity(r#"<cp:one id="tel:+15550100"/>"#, Some("sip:+15550100@pres.example;user=phone"), false);
    check_identity(r#"<cp:one id="sip:+15550100@pres.example;user=phone"/>"#, Some("tel:+15550100"), false);
}

#[test]
fn what_is_no_uri_is_nobodys_identity() {
    for identity in ["", "eli", "sip:", "sip:eli@", "sip:e li@other.example", "sip:\u{e9}li@other.example"] {
        check_identity("<cp:many/>", Some(identity), false);
        check_identity("", Some(identity), true);
    }
}

#[test]
fn s7_1_3_many_is_everybody_who_was_authenticated() {
    check_identity("<cp:many/>", ELI, true);
    check_identity("<cp:many/>", Some("tel:+15550100"), true);
    check_identity("<cp:many/>", None, false);
    check_identity(r#"<cp:many domain="pres.example"/>"#, None, false);
}

#[test]
fn s7_1_3_many_of_a_domain_are_those_of_that_domain_alone() {
    check_domain("pres.example", "sip:fay@pres.example", true);
    check_domain("pres.example", "sips:fay@pres.example:5061", true);
    check_domain("pres.example", "pres:fay@pres.example", true);
    check_domain("pres.example", "sip:pres.example", true);
    check_domain("pres.example", "tel:+15550100", false);
    check_domain("pres.example", "sip:fay@a.pres.example", false);
    check_domain("a.pres.example", "sip:fay@pres.example", false);
    check_domain("*.example", "sip:fay@pres.example", false);
    check_domain("", "sip:fay@pres.example", false);
}

#[test]
fn s7_1_3_a_domain_is_the_same_however_it_is_written() {
    check_domain("Pres.EXAMPLE", "sip:fay@pRes.example", true);
    check_domain("pres%2eexample", "sip:fay@pres.example", true);
    check_domain("b\u{fc}cher.example", "sip:fay@xn--bcher-kva.example", true);
    check_domain("B%C3%9CCHER.example", "sip:fay@xn--bcher-kva.example", true);
    check_domain("bucher.example", "sip:fay@xn--bcher-kva.example", false);
}

#[test]
fn a_domain_of_the_same_length_is_another() {
    check_domain("pres.example", "sip:fay@evil.example", false);
    check_domain("pres.example", "sip:fay@pres.exampla", false);
}

#[test]
fn a_domain_that_begins_another_is_another() {
    check_domain("pres.example", "sip:fay@pres", false);
    check_domain("pres.example", "sip:fay@pres.exampl", false);
    check_domain("pres.example", "sip:fay@p", false);
    check_domain("pres.example", "sip:fay@pres.example.org", false);
}

#[test]
fn s7_1_3_an_excepted_user_is_not_among_the_many() {
    let many = |domain: &str| format!(r#"<cp:many{domain}><cp:except id="sip:mallory@pres.example"/></cp:many>"#);
    for domain in ["", r#" domain="pres.example""#] {
        check_identity(&many(domain), FAY, true);
        check_identity(&many(domain), MALLORY, false);
        check_identity(&many(domain), Some("sip:%6Dallory@PRES.example"), false);
        check_identity(&many(domain), Some("sip:mallory2@pres.example"), true);
        check_identity(&many(domain), Some("sip:mallor@pres.example"), true);
        check_identity(&many(domain), None, false);
    }
    let either = r#"<cp:one id="sip:mallory@pres.example"/>"#;
    check_identity(&format!("{}{either}", many("")), MALLORY, true);
}

#[test]
fn s7_1_3_an_excepted_domain_is_not_among_the_many() {
    let many = r#"<cp:many>
        <cp:except domain="Evil.example"/>
        <cp:except id="sip:eli@other.example"/>
        <cp:except domain="worse.example" id="sip:fay@pres.example"/>
    </cp:many>"#;
    check_identity(many, Some("sip:a@evil.example"), false);
    check_identity(many, Some("sip:a@worse.example"), false);
    check_identity(many, Some("sip:a@better.example"), true);
    check_identity(many, Some("sip:a@a.evil.example"), true);
    check_identity(many, Some("tel:+15550100"), true);
    check_identity(many, ELI, false);
    check_identity(many, FAY, false);
}

#[test]
fn an_exception_of_another_domain_excepts_nobody_of_this_one() {
    let many = r#"<cp:many domain="pres.example">
        <cp:except id="sip:fay@other.example"/><cp:except domain="other.example"/>
    </cp:many>"#;
    check_identity(many, FAY, true);
    check_identity(many, Some("sip:fay@other.example"), false);
}

#[test]
fn an_exception_that_is_not_understood_is_one_for_everybody() {
    check_identity("<cp:many><x:except/></cp:many>", FAY, false);
    check_identity("<cp:many><cp:except/></cp:many>", FAY, false);
    check_identity(r#"<cp:many><cp:except id="mallory@pres.example"/></cp:many>"#, FAY, false);
    check_identity(r#"<cp:many><cp:unless id="sip:mallory@pres.example"/></cp:many>"#, FAY, false);
}

#[test]
fn s7_3_a_sphere_is_one_of_the_values_in_any_case() {
    check_sphere("work", Some("work"), true);
    check_sphere("Work", Some("wORK"), true);
    check_sphere(" home\n work ", Some("work"), true);
    check_sphere("home works", Some("work"), false);
    check_sphere("", Some("work"), false);
    check_conditions("<cp:sphere/>", (None, Some("work"), 0), false);
    check_conditions(r#"<cp:sphere value="work"/><cp:sphere value="home"/>"#, (None, Some("work"), 0), false);
}

#[test]
fn s7_3_no_sphere_is_in_no_sphere() {
    check_sphere("work", None, false);
    check_sphere("undefined", None, false);
    check_sphere("", None, false);
}

#[test]
fn s7_4_an_interval_holds_from_its_first_instant_until_just_before_its_last() {
    let pair = "<cp:from>2025-03-04T08:00:00Z</cp:from><cp:until>2025-03-04T10:00:00+01:00</cp:until>";
    check_validity(pair, "2025-03-04T07:59:59.999Z", false);
    check_validity(pair, "2025-03-04T08:00:00Z", true);
    check_validity(pair, "2025-03-04T08:59:59.999Z", true);
    check_validity(pair, "2025-03-04T09:00:00Z", false);
}

#[test]
fn s7_4_a_time_without_a_zone_is_utc() {
    let pair = "<cp:from> 2025-03-04T08:00:00 </cp:from><cp:until>2025-03-04T24:00:00</cp:until>";
    check_validity(pair, "2025-03-04T07:59:59Z", false);
    check_validity(pair, "2025-03-04T08:00:00Z", true);
    check_validity(pair, "2025-03-05T00:00:00Z", false);
}

#[test]
fn s7_4_one_of_the_intervals_of_each_validity_is_enough() {
    let day = |day: u32| {
        format!("<cp:from>2025-03-{day:02}T00:00:00Z</cp:from><cp:until>2025-03-{:02}T00:00:00Z</cp:until>", day + 1)
    };
    let two = format!("{}\n{}", day(4), day(6));
    check_validity(&two, "2025-03-04T08:00:00Z", true);
    check_validity(&two, "2025-03-05T08:00:00Z", false);
    check_validity(&two, "2025-03-06T08:00:00Z", true);
    let both = format!("{two}</cp:validity><cp:validity>{}", day(6));
    check_validity(&both, "2025-03-04T08:00:00Z", false);
    check_validity(&both, "2025-03-06T08:00:00Z", true);
}

#[test]
fn an_interval_may_begin_before_1970_and_may_be_empty() {
    let until = "<cp:until>2025-03-04T08:00:00Z</cp:until>";
    check_validity(&format!("<cp:from>1900-01-01T00:00:00Z</cp:from>{until}"), "1970-01-01T00:00:00Z", true);
    check_validity(&format!("<cp:from>2026-01-01T00:00:00Z</cp:from>{until}"), "2025-03-04T07:00:00Z", false);
}

#[test]
fn a_malformed_validity_is_false() {
    let (from, until) = ("<cp:from>2000-01-01T00:00:00Z</cp:from>", "<cp:until>2100-01-01T00:00:00Z</cp:until>");
    check_validity(&format!("{from}{until}"), "2025-03-04T08:00:00Z", true);
    for malformed in [
        String::new(),
        from.to_owned(),
        until.to_owned(),
        format!("{until}{from}"),
        format!("{from}{until}{from}"),
        format!("{from}{from}{until}{until}"),
        format!("{from}{until}<cp:from>soon</cp:from>{until}"),
        format!("{from}{until}<cp:from>2000-02-30T00:00:00Z</cp:from>{until}"),
        format!("<x:from>2000-01-01T00:00:00Z</x:from>{until}"),
        format!("{from}{until}<x:y/><x:z/>"),
    ] {
        check_validity(&malformed, "2025-03-04T08:00:00Z", false);
    }
}

#[test]
fn the_next_boundary_is_the_nearest_that_is_still_to_come() {
    let check = |now_ms, expected| {
        let second = |second: u32| format!("1970-01-01T00:00:{second:02}Z");
        let pair = |from, until| format!("<cp:from>{}</cp:from><cp:until>{}</cp:until>", second(from), second(until));
        let two = format!(
            "<cp:conditions><cp:validity>{}{}</cp:validity><cp:sphere value='work'/><cp:validity>{}</cp:validity></cp:conditions>",
            pair(10, 20),
            pair(40, 50),
            pair(15, 45)
        );
        assert_eq!(conditions(&two).next_boundary_ms(now_ms), expected, "after {now_ms}");
    };
    check(0, Some(10_000));
    check(9_999, Some(10_000));
    check(10_000, Some(15_000));
    check(20_000, Some(40_000));
    check(45_000, Some(50_000));
    check(50_000, None);
    assert_eq!(conditions("<cp:conditions><cp:identity/></cp:conditions>").next_boundary_ms(0), None);
}

#[test]
fn only_a_sphere_condition_mentions_the_sphere() {
    assert!(conditions(r#"<cp:conditions><x:y/><cp:sphere value="work"/></cp:conditions>"#).mention_sphere());
    assert!(!conditions("<cp:conditions><cp:identity/><x:sphere/></cp:conditions>").mention_sphere());
}

#[test]
fn another_document_is_no_ruleset() {
    for document in
        [r#"<ruleset/>"#, r#"<ruleset xmlns="urn:x"/>"#, r#"<rule xmlns="urn:ietf:params:xml:ns:common-policy"/>"#]
    {
        assert!(Ruleset::read(document, &Limits::default()).unwrap().is_none(), "{document}");
    }
}

#[test]
fn rules_are_told_by_namespace_and_not_by_prefix() {
    let document = r#"<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:x="urn:x">
        <rule id="a"><actions><x:act/></actions><transformations><x:show/><x:tell/></transformations></rule>
        <x:rule id="b"/>
        <p:rule xmlns:p="urn:ietf:params:xml:ns:common-policy" id=" c "/>
        <rule/>
    </ruleset>"#;
    let ruleset = Ruleset::read(document, &Limits::default()).unwrap().unwrap();
    let rules: Vec<_> = ruleset.rules().collect();
    assert_eq!(rules.iter().map(|rule| rule.id()).collect::<Vec<_>>(), ["a", " c ", ""]);
    assert_eq!(rules[0].actions().map(|node| node.tag_name().name()).collect::<Vec<_>>(), ["act"]);
    assert_eq!(rules[0].transformations().map(|node| node.tag_name().name()).collect::<Vec<_>>(), ["show", "tell"]);
    assert_eq!((rules[1].actions().count(), rules[1].transformations().count()), (0, 0));
}

proptest! {
    #[test]
    fn no_text_is_too_strange_to_read(text in ".{0,200}") {
        let _ = Ruleset::read(&text, &Limits::default()).map_err(|malformed| malformed.to_string());
        let attribute = text.replace(['<', '&', '"'], "");
        let rule = format!(r#"<cp:conditions><cp:identity><cp:one id="{attribute}"/><cp:many domain="{attribute}"/></cp:identity><cp:sphere value="{attribute}"/></cp:conditions>"#);
        if let Ok(Some(ruleset)) = Ruleset::read(&format!(r#"<cp:ruleset xmlns:cp="{NAMESPACE}"><cp:rule>{rule}</cp:rule></cp:ruleset>"#), &Limits::default()) {
            let watcher = Watcher::new(&text);
            let circumstances = Circumstances { watcher: watcher.as_ref(), sphere: Some(&text), now_ms: 0 };
            ruleset.rules().for_each(|rule| _ = rule.conditions().hold(&circumstances));
        }
    }

    #[test]
    fn a_watcher_is_in_one_domain_at_most(one in "[a-c.]{1,4}", other in "[a-cA-C.]{1,4}") {
        check_domain(&one, &format!("sip:fay@{other}"), one.eq_ignore_ascii_case(&other));
    }
}
