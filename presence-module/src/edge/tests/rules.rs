//! Privacy rules (RFC 4745, RFC 5025): who is let in, what it sees, and what a change does to who is watching.

use std::time::Duration;

use super::Rig;
use super::fake_host::SeenRequest;
use super::rig::document;

/// A ruleset of Dana's, from what is inside it.
fn ruleset(rules: &str) -> String {
    format!(
        "<cp:ruleset xmlns:cp='urn:ietf:params:xml:ns:common-policy' xmlns:pr='urn:ietf:params:xml:ns:pres-rules'>\
         {rules}</cp:ruleset>"
    )
}

/// One rule: its conditions, its sub-handling, its transformations.
fn rule(conditions: &str, handling: &str, transformations: &str) -> String {
    format!(
        "<cp:rule id='r'><cp:conditions>{conditions}</cp:conditions><cp:actions><pr:sub-handling>{handling}\
         </pr:sub-handling></cp:actions><cp:transformations>{transformations}</cp:transformations></cp:rule>"
    )
}

const ELI: &str = "<cp:identity><cp:one id='sip:eli@pres.example'/></cp:identity>";
const SERVICES: &str = "<pr:provide-services><pr:all-services/></pr:provide-services>";
const NOTES: &str =
    "<pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-note>true</pr:provide-note>";

fn for_eli(handling: &str, transformations: &str) -> String {
    ruleset(&rule(ELI, handling, transformations))
}

fn state(notify: &SeenRequest) -> &str {
    notify.head.lines().find_map(|line| line.strip_prefix("Subscription-State: ")).expect("a Subscription-State")
}

/// Writes Dana's rules from outside, and has them looked at.
fn change_rules(rig: &Rig, rules: &str) {
    rig.store.write_rules("dana", rules);
    module_api::abi::Module::refresh(&rig.presence);
    rig.until_settled();
}

/// Subscribes Eli under `rules` while Dana publishes `note`; returns the answer's code and To-tag.
fn subscribed(rig: &Rig, rules: &str, note: &str) -> (u16, String) {
    rig.store.write_rules("dana", rules);
    rig.answer(rig.publish("dana", "p0", "", 3600, &document(note)));
    let answer = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600));
    (answer.code, answer.to_tag)
}

#[test]
fn who_is_blocked_or_unheard_of_is_answered_403_and_leaves_nothing() {
    for rules in [
        for_eli("block", NOTES),
        ruleset(""),
        ruleset(&rule("<cp:identity><cp:one id='sip:fay@pres.example'/></cp:identity>", "allow", NOTES)),
    ] {
        let rig = Rig::new();
        assert_eq!(subscribed(&rig, &rules, "here").0, 403);
        rig.until_settled();
        assert_eq!((rig.notify_count(), rig.disk().1.len()), (0, 0));
        assert!(rig.store.with(|disk| disk.watchers.is_empty()));
    }
}

#[test]
fn who_is_to_be_confirmed_is_pending_and_sees_nothing() {
    let rig = Rig::new();
    assert_eq!(subscribed(&rig, &for_eli("confirm", NOTES), "here").0, 200);
    let notify = rig.notify(1);
    assert_eq!((state(&notify), &*notify.body), ("pending;expires=3600", ""));
}

#[test]
fn who_is_allowed_sees_what_the_transformations_show_and_no_more() {
    let rig = Rig::new();
    assert_eq!(subscribed(&rig, &for_eli("allow", SERVICES), "secret").0, 200);
    let notify = rig.notify(1);
    assert_eq!(state(&notify), "active;expires=3600");
    assert!(notify.body.contains("<basic>open</basic>") && !notify.body.contains("secret"), "{}", notify.body);
}

#[test]
fn who_is_blocked_politely_sees_an_offline_user_to_the_byte_and_no_change() {
    let rig = Rig::new();
    let (code, to_tag) = subscribed(&rig, &for_eli("polite-block", ""), "here");
    let polite = rig.notify(1);
    rig.confirm(&polite, 200);
    rig.answer(rig.publish("dana", "p1", "", 3600, &document("news")));
    rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 2, 3600));
    let again = rig.notify(2);

    let offline = Rig::new();
    let truly = offline.answer(offline.subscribe_to("presence", "eli", "", 1, 3600));
    let honest = offline.notify(1);
    assert_eq!((code, state(&polite)), (truly.code, state(&honest)));
    assert_eq!((&polite.body, &again.body), (&honest.body, &honest.body));
    let names = |notify: &SeenRequest| {
        notify.head.lines().map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&polite), names(&honest));
    assert_eq!(rig.notify_count(), 2, "nothing is told when something changes");
}

#[test]
fn the_presentity_sees_itself_whatever_its_rules_say() {
    let rig = Rig::new();
    rig.store.write_rules("dana", &ruleset(""));
    rig.answer(rig.publish("dana", "p", "", 3600, &document("mine")));
    assert_eq!(rig.answer(rig.subscribe_to("presence", "dana", "", 1, 3600)).code, 200);
    assert!(rig.notify(1).body.contains("mine"));
}

#[test]
fn a_change_of_rules_reaches_who_is_watching() {
    let (rig, mut from) = (Rig::new(), 0);
    subscribed(&rig, &for_eli("confirm", ""), "here");
    rig.next_notify("pending", &mut from, |notify| state(notify).starts_with("pending"));
    for (rules, expected, shows) in [
        (for_eli("allow", NOTES), "active", Some("here")),
        (for_eli("allow", SERVICES), "active", Some("<basic>open")),
        (for_eli("polite-block", NOTES), "active", Some("<basic>closed")),
        (for_eli("allow", NOTES), "active", Some("here")),
        (for_eli("confirm", NOTES), "pending", None),
        (for_eli("polite-block", ""), "active", Some("<basic>closed")),
        (for_eli("block", ""), "terminated;reason=rejected", None),
    ] {
        change_rules(&rig, &rules);
        let notify = rig.next_notify(expected, &mut from, |_| true);
        assert!(state(&notify).starts_with(expected), "{rules}: {}", notify.head);
        match shows {
            Some(text) => assert!(notify.body.contains(text), "{rules}: {}", notify.body),
            None => assert_eq!(notify.body, "", "{rules}"),
        }
    }
    rig.until("the row is gone", || rig.disk().1.is_empty());
    let written = rig.store.with(|disk| {
        disk.watchers.values().map(|row| (row.status.as_str(), row.reason.to_string())).collect::<Vec<_>>()
    });
    assert_eq!(written, [("terminated", "rejected".to_owned())]);
}

#[test]
fn a_change_that_shows_nothing_new_is_not_told() {
    let (rig, mut from) = (Rig::new(), 0);
    subscribed(&rig, &for_eli("allow", SERVICES), "first");
    let first = rig.next_notify("first", &mut from, |_| true);
    let other = rig.answer(rig.publish("dana", "p0", "", 3600, &document("first")));
    assert_eq!(other.code, 200);
    change_rules(&rig, &ruleset(&(rule(ELI, "allow", SERVICES) + &rule(ELI, "confirm", ""))));
    rig.answer(rig.publish("dana", "p2", "", 3600, &document("other").replace("basic>open", "basic>closed")));
    let next = rig.next_notify("next", &mut from, |_| true);
    assert_ne!(first.body, next.body);
    assert_eq!(from, 2, "one NOTIFY for the one change that shows");
}

#[test]
fn who_waits_is_decided_on_by_a_change_of_rules() {
    for (rules, event) in [(for_eli("allow", ""), "approved"), (for_eli("block", ""), "rejected")] {
        let (rig, mut from) = (Rig::new(), 0);
        assert_eq!(subscribed(&rig, &for_eli("confirm", ""), "here").0, 200);
        rig.next_notify("pending", &mut from, |_| true);
        rig.host.advance(Duration::from_secs(3601));
        rig.next_notify("end", &mut from, |notify| state(notify) == "terminated;reason=timeout");
        rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600));
        let waiting = rig.next_notify("full", &mut from, |_| true);
        assert!(waiting.body.contains("status=\"waiting\" event=\"timeout\""), "{}", waiting.body);
        change_rules(&rig, &rules);
        let decided = rig.next_notify("partial", &mut from, |_| true);
        assert!(decided.body.contains(&format!("status=\"terminated\" event=\"{event}\"")), "{}", decided.body);
        rig.until("the row is gone", || {
            rig.store.with(|disk| disk.watchers.values().all(|row| row.event == "presence.winfo"))
        });
    }
}

#[test]
fn a_watcher_who_is_blocked_politely_finds_itself_active_in_watcher_information() {
    let (rig, mut from) = (Rig::new(), 0);
    subscribed(&rig, &for_eli("polite-block", ""), "here");
    rig.next_notify("first", &mut from, |_| true);
    assert_eq!(rig.answer(rig.subscribe_to("presence.winfo", "eli", "", 5, 600)).code, 200);
    let told = rig.next_notify("full", &mut from, |_| true);
    assert!(
        told.body.contains("status=\"active\" event=\"subscribe\"") && !told.body.contains("polite"),
        "{}",
        told.body
    );
}

#[test]
fn a_rule_counts_from_its_begin_to_its_end() {
    let rig = Rig::new();
    rig.host.advance(Duration::from_secs(1_000_000));
    let validity =
        "<cp:validity><cp:from>1970-01-12T13:46:50Z</cp:from><cp:until>1970-01-12T13:47:00Z</cp:until></cp:validity>";
    let rules = ruleset(&(rule(&format!("{ELI}{validity}"), "allow", NOTES) + &rule(ELI, "confirm", "")));
    let mut from = 0;
    subscribed(&rig, &rules, "here");
    assert!(state(&rig.next_notify("before", &mut from, |_| true)).starts_with("pending"));
    rig.host.advance(Duration::from_secs(10));
    assert!(state(&rig.next_notify("within", &mut from, |_| true)).starts_with("active"));
    rig.host.advance(Duration::from_secs(10));
    assert!(state(&rig.next_notify("after", &mut from, |_| true)).starts_with("pending"));
}

#[test]
fn a_rule_for_a_sphere_follows_what_is_published() {
    let at = |sphere: &str| {
        let person = format!(
            "<dm:person xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' id='p'><rp:sphere \
             xmlns:rp='urn:ietf:params:xml:ns:pidf:rpid'><rp:{sphere}/></rp:sphere></dm:person></presence>"
        );
        document("here").replace("</presence>", &person)
    };
    let (rig, mut from) = (Rig::new(), 0);
    rig.store.write_rules("dana", &ruleset(&rule(&format!("{ELI}<cp:sphere value='work'/>"), "allow", NOTES)));
    let published = rig.answer(rig.publish("dana", "p0", "", 3600, &at("work")));
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600)).code, 200);
    rig.next_notify("at work", &mut from, |notify| state(notify).starts_with("active"));
    let tag = super::rig::header(&published, "SIP-ETag");
    rig.answer(rig.publish("dana", "p1", &format!("SIP-If-Match: {tag}\r\n"), 3600, &at("home")));
    rig.next_notify("at home", &mut from, |notify| state(notify) == "terminated;reason=rejected");
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", "", 2, 3600)).code, 403);
}

#[test]
fn a_malformed_document_lets_nobody_in() {
    let rig = Rig::new();
    assert_eq!(subscribed(&rig, "<cp:ruleset", "here").0, 403);
}

#[test]
fn while_rules_cannot_be_read_nobody_is_let_in_or_sent_away_for_good() {
    let rig = Rig::new();
    rig.store.fail_loads(true);
    assert_eq!(subscribed(&rig, &for_eli("allow", NOTES), "here").0, 503);
    rig.store.fail_loads(false);
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", "", 2, 3600)).code, 200);
}

#[test]
fn rules_that_changed_and_cannot_be_read_are_read_as_soon_as_they_can() {
    let (rig, mut from) = (Rig::new(), 0);
    subscribed(&rig, &for_eli("allow", NOTES), "here");
    rig.next_notify("first", &mut from, |_| true);
    rig.store.fail_loads(true);
    change_rules(&rig, &for_eli("block", ""));
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", "", 2, 3600)).code, 503);
    rig.store.fail_loads(false);
    module_api::abi::Module::refresh(&rig.presence);
    rig.next_notify("end", &mut from, |notify| state(notify) == "terminated;reason=rejected");
}

#[test]
fn rules_changed_while_nobody_served_are_in_force_at_the_next_start() {
    let (rig, mut from) = (Rig::new(), 0);
    subscribed(&rig, &for_eli("allow", NOTES), "here");
    rig.next_notify("first", &mut from, |_| true);
    rig.store.write_rules("dana", &for_eli("block", ""));
    let (rig, mut from) = (rig.restart(true), 0);
    rig.next_notify("end", &mut from, |notify| state(notify) == "terminated;reason=rejected");
}

#[test]
fn a_restart_changes_no_decision() {
    for (handling, said) in [("allow", "active"), ("confirm", "pending"), ("polite-block", "active")] {
        let (rig, mut from) = (Rig::new(), 0);
        subscribed(&rig, &for_eli(handling, SERVICES), "secret");
        let before = rig.next_notify("first", &mut from, |_| true);
        let (rig, mut from) = (rig.restart(false), 0);
        let after = rig.next_notify("after the restart", &mut from, |_| true);
        assert!(state(&after).starts_with(said), "{handling}");
        assert_eq!(after.body, before.body, "{handling}");
    }
}

#[test]
fn requests_that_are_refused_one_after_the_other_are_each_decided() {
    let rig = Rig::new();
    rig.store.write_rules("dana", &for_eli("block", ""));
    for cseq in 1..200 {
        assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", "", cseq, 3600)).code, 403, "{cseq}");
    }
}
