//! Privacy rules (RFC 4745, RFC 5025): who is let in, and what it sees.

use std::sync::Arc;

use super::Rig;
use super::fake_host::SeenRequest;
use super::phone::Phone;
use super::rig::document;
use crate::presentity_uri::PresentityUri;

/// A ruleset of Dana's, from what is inside it.
pub(super) fn ruleset(rules: &str) -> String {
    format!(
        "<cp:ruleset xmlns:cp='urn:ietf:params:xml:ns:common-policy' xmlns:pr='urn:ietf:params:xml:ns:pres-rules'>\
         {rules}</cp:ruleset>"
    )
}

/// One rule: its conditions, its sub-handling, its transformations.
pub(super) fn rule(conditions: &str, handling: &str, transformations: &str) -> String {
    format!(
        "<cp:rule id='r'><cp:conditions>{conditions}</cp:conditions><cp:actions><pr:sub-handling>{handling}\
         </pr:sub-handling></cp:actions><cp:transformations>{transformations}</cp:transformations></cp:rule>"
    )
}

pub(super) const ELI: &str = "<cp:identity><cp:one id='sip:eli@pres.example'/></cp:identity>";
pub(super) const SERVICES: &str = "<pr:provide-services><pr:all-services/></pr:provide-services>";
pub(super) const NOTES: &str =
    "<pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-note>true</pr:provide-note>";

pub(super) fn for_eli(handling: &str, transformations: &str) -> String {
    ruleset(&rule(ELI, handling, transformations))
}

/// Writes Dana's rules from outside, and has them looked at.
pub(super) fn change_rules(rig: &Rig, rules: &str) {
    rig.store.write_rules("dana", rules);
    module_api::abi::Module::refresh(&rig.presence);
    rig.until_settled();
}

/// Subscribes Eli under `rules` while Dana publishes `note`; returns the answer's code and To-tag.
pub(super) fn subscribed(rig: &Rig, rules: &str, note: &str) -> (u16, String) {
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
    assert_eq!((notify.state(), &*notify.body), ("pending;expires=3600", ""));
}

#[test]
fn who_is_allowed_sees_what_the_transformations_show_and_no_more() {
    let rig = Rig::new();
    assert_eq!(subscribed(&rig, &for_eli("allow", SERVICES), "secret").0, 200);
    let notify = rig.notify(1);
    assert_eq!(notify.state(), "active;expires=3600");
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
    assert_eq!((code, polite.state()), (truly.code, honest.state()));
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
fn each_request_that_waited_for_rules_is_decided_on_by_itself_and_gives_its_place_back() {
    let rig = Rig::with_queue_places(6);
    rig.store.write_rules("dana", &for_eli("allow", NOTES));
    rig.store.hold();
    let held = rig.publish("gus", "p0", "", 3600, &document("x"));
    rig.store.wait_held();
    let text = |user| Phone { headers: "Accept: text/plain\r\n", ..Phone::of(user) };
    let waiting = [
        Phone::of("gil").subscribe(&rig, "presence", "", 1, 3600),
        text("eli").subscribe(&rig, "presence", "", 2, 3600),
        Phone::of("eli").subscribe(&rig, "presence", "", 3, 3600),
        Phone::of("fay").subscribe(&rig, "presence", "", 4, 3600),
        Phone::of("dana").subscribe(&rig, "presence", "", 5, 3600),
    ];
    assert_eq!(rig.answer(rig.publish("gus", "p1", "", 3600, &document("y"))).code, 503, "all places are taken");
    rig.store.release();
    assert_eq!(rig.answer(held).code, 200);
    assert_eq!(waiting.map(|transaction| rig.answer(transaction).code), [403, 406, 200, 403, 200]);
    rig.until_settled();
    rig.store.hold();
    let places = [6, 7, 8, 9, 10, 11].map(|n| rig.publish("gus", &format!("p{n}"), "", 3600, &document("z")));
    rig.store.release();
    assert_eq!(places.map(|transaction| rig.answer(transaction).code), [200; 6]);
}

#[test]
fn requests_that_are_refused_one_after_the_other_are_each_decided() {
    let rig = Rig::new();
    rig.store.write_rules("dana", &for_eli("block", ""));
    for cseq in 1..200 {
        assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", "", cseq, 3600)).code, 403, "{cseq}");
    }
}

#[test]
fn a_request_that_waits_for_rules_is_not_run_by_who_read_them_for_those_before_it() {
    let rig = Rig::new();
    rig.store.hold();
    let held = rig.publish("gus", "p0", "", 3600, &document("x"));
    rig.store.wait_held();
    let waiting = rig.subscribe_to("presence", "eli", "", 1, 3600);
    // Those before it were refused and the presentity forgotten, and it came before the reader looked for the next.
    rig.presence.core().unpark(&Arc::new(PresentityUri::new("dana", "pres.example")));
    rig.store.release();
    assert_eq!((rig.answer(held).code, rig.answer(waiting).code), (200, 200));
}
