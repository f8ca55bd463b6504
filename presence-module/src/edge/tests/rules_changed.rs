//! What a change of privacy rules does to who is watching: at once, by the clock, and while nobody serves.

use std::time::Duration;

use super::Rig;
use super::rig::document;
use super::rules::{ELI, NOTES, SERVICES, change_rules, for_eli, rule, ruleset, subscribed};
use crate::change::Status;

#[test]
fn a_change_of_rules_reaches_who_is_watching() {
    let (rig, mut from) = (Rig::new(), 0);
    subscribed(&rig, &for_eli("confirm", ""), "here");
    rig.next_notify("pending", &mut from, |notify| notify.state().starts_with("pending"));
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
        assert!(notify.state().starts_with(expected), "{rules}: {}", notify.head);
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

/// Lets eli see from 1 000 010 s on, for ten seconds.
fn for_ten_seconds() -> String {
    let validity =
        "<cp:validity><cp:from>1970-01-12T13:46:50Z</cp:from><cp:until>1970-01-12T13:47:00Z</cp:until></cp:validity>";
    ruleset(&(rule(&format!("{ELI}{validity}"), "allow", NOTES) + &rule(ELI, "confirm", "")))
}

#[test]
fn whoever_sets_the_clock_decides_anew() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.host.advance(Duration::from_secs(1_000_000));
    subscribed(&rig, &for_ten_seconds(), "here");
    // Nothing else happens, and the monotonic clock stands.
    for (wall_s, expected) in [
        (1_000_000, "pending"),
        (1_000_011, "active"),
        (1_000_009, "pending"),
        (1_000_019, "active"),
        (1_000_021, "pending"),
        (1_000_012, "active"),
        (900_000, "pending"),
    ] {
        rig.host.set_wall_clock(wall_s * 1000);
        let notify = rig.next_notify(expected, &mut from, |_| true);
        assert!(notify.state().starts_with(expected), "at {wall_s}: {}", notify.head);
    }
}

#[test]
fn a_clock_that_was_set_within_the_time_of_a_rule_ends_it_when_that_is_over() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.host.advance(Duration::from_secs(1_000_011));
    subscribed(&rig, &for_ten_seconds(), "here");
    assert!(rig.next_notify("within", &mut from, |_| true).state().starts_with("active"));
    rig.host.set_wall_clock(1_000_018_000);
    rig.host.advance(Duration::from_secs(2));
    assert!(rig.next_notify("after", &mut from, |_| true).state().starts_with("pending"));
}

#[test]
fn a_rule_counts_from_its_begin_to_its_end() {
    let rig = Rig::new();
    rig.host.advance(Duration::from_secs(1_000_000));
    let rules = for_ten_seconds();
    let mut from = 0;
    subscribed(&rig, &rules, "here");
    assert!(rig.next_notify("before", &mut from, |_| true).state().starts_with("pending"));
    rig.host.advance(Duration::from_secs(10));
    assert!(rig.next_notify("within", &mut from, |_| true).state().starts_with("active"));
    rig.host.advance(Duration::from_secs(10));
    assert!(rig.next_notify("after", &mut from, |_| true).state().starts_with("pending"));
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
    rig.next_notify("at work", &mut from, |notify| notify.state().starts_with("active"));
    let tag = super::rig::header(&published, "SIP-ETag");
    rig.answer(rig.publish("dana", "p1", &format!("SIP-If-Match: {tag}\r\n"), 3600, &at("home")));
    rig.next_notify("at home", &mut from, |notify| notify.state() == "terminated;reason=rejected");
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", "", 2, 3600)).code, 403);
}

#[test]
fn rules_that_changed_and_cannot_be_read_let_nobody_in_and_are_read_as_soon_as_they_can_unasked() {
    let (rig, mut from) = (Rig::new(), 0);
    let (_, to_tag) = subscribed(&rig, &for_eli("allow", NOTES), "here");
    rig.next_notify("first", &mut from, |_| true);
    rig.store.fail_loads(true);
    change_rules(&rig, &for_eli("block", ""));
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", "", 2, 3600)).code, 503, "a new dialog");
    assert_eq!(rig.answer(rig.subscribe_to("presence;id=2", "eli", &to_tag, 3, 3600)).code, 503, "the same dialog");
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 4, 3600)).code, 200, "who is in stays");
    rig.store.fail_loads(false);
    rig.confirm_until("end", &mut from, |notify| notify.state() == "terminated;reason=rejected");
}

/// What comes first after a start: the server's own round, or a request.
type First = fn(&Rig, &str);

const FIRST: [(&str, First); 3] = [
    ("the server's round", |_, _| {}),
    ("a PUBLISH", |rig, _| drop(rig.answer(rig.publish("dana", "p1", "", 3600, &document("secret news"))))),
    ("the watcher", |rig, to_tag| drop(rig.answer(rig.subscribe_to("presence", "eli", to_tag, 2, 3600)))),
];

#[test]
fn rules_changed_while_nobody_served_are_in_force_before_anybody_is_told_whoever_comes_first() {
    for (is_clean, (first, come)) in [false, true].into_iter().flat_map(|is_clean| FIRST.map(|first| (is_clean, first)))
    {
        for (handling, said) in
            [("block", "terminated;reason=rejected"), ("confirm", "pending"), ("polite-block", "active")]
        {
            let what = format!("{handling}, {first} after a {} stop", if is_clean { "clean" } else { "sudden" });
            let rig = Rig::new();
            let (_, to_tag) = subscribed(&rig, &for_eli("allow", NOTES), "secret");
            rig.confirm(&rig.notify(1), 200);
            rig.store.write_rules("dana", &for_eli(handling, NOTES));
            let (rig, mut from) = (rig.restart(is_clean), 0);
            come(&rig, &to_tag);
            let told = rig.next_notify(&what, &mut from, |_| true);
            assert!(told.state().starts_with(said), "{what}: {}", told.head);
            // Up to the end, which is the last it can be told.
            if handling != "block" {
                change_rules(&rig, &for_eli("block", ""));
                rig.confirm_until(&what, &mut from, |notify| notify.state() == "terminated;reason=rejected");
            }
            rig.host.with(|seen| assert!(seen.requests.iter().all(|told| !told.body.contains("secret")), "{what}"));
        }
    }
}

#[test]
fn who_asked_for_the_end_and_is_denied_before_it_is_told_is_shown_nothing() {
    for (handling, shown) in [("allow", "secret"), ("polite-block", "<basic>closed"), ("confirm", ""), ("block", "")] {
        for (event, what) in [("presence", "unsubscribed"), ("presence;id=2", "asked once")] {
            let rig = Rig::new();
            let (_, to_tag) = subscribed(&rig, &for_eli("allow", NOTES), "here");
            let unanswered = rig.notify(1);
            assert_eq!(rig.answer(rig.subscribe_to(event, "eli", &to_tag, 2, 0)).code, 200);
            change_rules(&rig, &for_eli(handling, NOTES));
            rig.answer(rig.publish("dana", "p1", "", 3600, &document("secret")));
            rig.confirm(&unanswered, 200);
            let last = rig.confirm_until("end", &mut 1, |notify| notify.event() == event);
            assert!(last.state().starts_with("terminated"), "{handling}, {what}: {}", last.head);
            assert!(last.body.contains(shown) && last.body.is_empty() == shown.is_empty(), "{handling}, {what}");
            let is_shown = rig.host.with(|seen| seen.requests.iter().any(|told| told.body.contains("secret")));
            assert_eq!(is_shown, handling == "allow", "{handling}, {what}");
        }
    }
}

#[test]
fn from_seeing_an_offline_user_to_being_blocked_politely_and_back_nothing_is_told() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.store.write_rules("dana", &for_eli("allow", NOTES));
    let to_tag = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 3600)).to_tag;
    let offline = rig.next_notify("first", &mut from, |_| true);
    for (handling, status) in [("polite-block", Status::PoliteBlocked), ("allow", Status::Active)] {
        change_rules(&rig, &for_eli(handling, NOTES));
        rig.until("it is decided on", || rig.disk().1[0].status == status);
    }
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.notify_count(), 1);
    rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 2, 3600));
    assert_eq!(rig.next_notify("refresh", &mut from, |_| true).body, offline.body);
}

#[test]
fn a_restart_changes_no_decision() {
    for (handling, said) in [("allow", "active"), ("confirm", "pending"), ("polite-block", "active")] {
        let (rig, mut from) = (Rig::new(), 0);
        subscribed(&rig, &for_eli(handling, SERVICES), "secret");
        let before = rig.next_notify("first", &mut from, |_| true);
        let (rig, mut from) = (rig.restart(false), 0);
        let after = rig.next_notify("after the restart", &mut from, |_| true);
        assert!(after.state().starts_with(said), "{handling}");
        assert_eq!(after.body, before.body, "{handling}");
    }
}
