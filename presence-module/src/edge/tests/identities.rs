//! Who has proven what (RFC 3857 §6.1): a request says nothing of a person that its sender has not shown to be.

use std::time::Duration;

use super::Rig;
use super::phone::Phone;
use super::rules::{ELI, NOTES, rule, ruleset};
use super::watcher_information::{brief, is_winfo, told};
use crate::edge::identity::IdentitySource;

/// A server that believes in nobody whom the host has not authenticated; everybody whom no rule allows is pending.
fn distrustful() -> Rig {
    let rig = Rig::with(|settings| settings.identity = IdentitySource::Authenticated);
    rig.store.write_rules("dana", &ruleset(&(rule(ELI, "allow", NOTES) + &rule("", "confirm", ""))));
    rig
}

/// A phone of a person who has proven it.
fn proven<'a>(user: &'a str, identity: &'a str) -> Phone<'a> {
    Phone { identity, ..Phone::of(user) }
}

const DANA: &str = "sip:dana@pres.example";
const ELIS: &str = "sip:eli@pres.example";
const FAYS: &str = "sip:fay@pres.example";

/// Somebody who calls itself as another and has proven nothing.
fn impostor(user: &str) -> Phone<'_> {
    Phone { call: format!("impostor-{user}"), ..Phone::of(user) }
}

/// What is written of watchers of `presence`: identity, status, reason.
fn states(rig: &Rig) -> Vec<(String, &'static str, String)> {
    rig.store.with(|disk| {
        let rows = disk.watchers.values().filter(|row| row.event == "presence");
        rows.map(|row| (row.identity.to_string(), row.status.as_str(), row.reason.to_string())).collect()
    })
}

fn written(identity: &str, status: &'static str, reason: &str) -> Vec<(String, &'static str, String)> {
    vec![(identity.to_owned(), status, reason.to_owned())]
}

#[test]
fn whoever_is_known_to_be_somebody_else_cannot_speak_in_a_dialog() {
    let rig = distrustful();
    let to_tag = rig.answer(proven("eli", ELIS).subscribe(&rig, "presence", "", 1, 600)).to_tag;
    rig.confirm(&rig.notify(1), 200);
    for (event, cseq) in [("presence", 2), ("presence;id=2", 3), ("presence.winfo", 4)] {
        assert_eq!(rig.answer(proven("eli", FAYS).subscribe(&rig, event, &to_tag, cseq, 600)).code, 403, "{event}");
    }
    let anonymous = rig.answer(impostor("gil").subscribe(&rig, "presence", "", 1, 600)).to_tag;
    let taken_over = Phone { identity: ELIS, ..impostor("gil") };
    assert_eq!(rig.answer(taken_over.subscribe(&rig, "presence", &anonymous, 2, 600)).code, 481);
}

#[test]
fn another_event_in_a_dialog_is_decided_on_by_who_asks_for_it() {
    let rig = distrustful();
    let to_tag = rig.answer(proven("eli", ELIS).subscribe(&rig, "presence", "", 1, 600)).to_tag;
    rig.confirm(&rig.notify(1), 200);
    let joins = |phone: Phone<'_>, event, cseq| rig.answer(phone.subscribe(&rig, event, &to_tag, cseq, 600)).code;
    assert_eq!(joins(Phone::of("eli"), "presence.winfo", 2), 403);
    assert_eq!(joins(Phone::of("eli"), "presence;id=2", 3), 200);
    let pending = rig.notify(2);
    assert_eq!((pending.state(), &*pending.body), ("pending;expires=600", ""), "not what Eli may see");
    rig.confirm(&pending, 200);
    assert_eq!(joins(proven("eli", ELIS), "presence.winfo", 4), 200);
    assert_eq!(brief(&told(&rig.notify(3)).2), ["eli active subscribe"], "nothing of who asked without proof");
}

#[test]
fn who_has_proven_who_it_is_goes_on_in_a_dialog_in_which_something_was_asked_without_proof() {
    let rig = distrustful();
    let to_tag = rig.answer(proven("eli", ELIS).subscribe(&rig, "presence", "", 1, 600)).to_tag;
    rig.confirm(&rig.notify(1), 200);
    rig.answer(Phone::of("eli").subscribe(&rig, "presence;id=2", &to_tag, 2, 600));
    rig.confirm(&rig.notify(2), 200);
    for cseq in 3..7 {
        let refreshed = rig.answer(proven("eli", ELIS).subscribe(&rig, "presence", &to_tag, cseq, 600));
        assert_eq!(refreshed.code, 200, "{cseq}");
        rig.confirm(&rig.notify(cseq as usize), 200);
    }
}

#[test]
fn who_proves_nothing_writes_over_nothing_that_is_written_of_who_has() {
    let rig = distrustful();
    rig.answer(proven("eli", ELIS).subscribe(&rig, "presence", "", 1, 600));
    let active = written(ELIS, "active", "");
    assert_eq!(states(&rig), active);
    for expires in [600, 0] {
        assert_eq!(rig.answer(impostor("eli").subscribe(&rig, "presence", "", 1 + expires, expires)).code, 200);
        assert_eq!(states(&rig), active);
    }
    rig.pass(Duration::from_secs(700));
    rig.until("both are over", || rig.disk().1.is_empty());
    assert_eq!(states(&rig), active);
}

#[test]
fn who_proves_nothing_never_waits() {
    let rig = distrustful();
    let to_tag = rig.answer(impostor("gil").subscribe(&rig, "presence", "", 1, 600)).to_tag;
    rig.confirm(&rig.notify(1), 200);
    rig.answer(impostor("gil").subscribe(&rig, "presence", &to_tag, 2, 0));
    rig.confirm(&rig.notify(2), 200);
    rig.answer(Phone::of("hal").subscribe(&rig, "presence", "", 1, 0));
    rig.confirm(&rig.notify(3), 200);
    rig.answer(Phone::of("ivy").subscribe(&rig, "presence", "", 1, 60));
    rig.confirm(&rig.notify(4), 200);
    rig.pass(Duration::from_secs(61));
    rig.until("all are over", || rig.disk().1.is_empty());
    assert!(states(&rig).iter().all(|(_, status, _)| *status != "waiting"), "{:?}", states(&rig));
}

#[test]
fn who_proves_nothing_keeps_nobody_from_waiting() {
    let rig = distrustful();
    rig.answer(impostor("fay").subscribe(&rig, "presence", "", 1, 3600));
    rig.confirm(&rig.notify(1), 200);
    let to_tag = rig.answer(proven("fay", FAYS).subscribe(&rig, "presence", "", 1, 600)).to_tag;
    rig.confirm(&rig.notify(2), 200);
    assert_eq!(states(&rig), written(FAYS, "pending", ""));
    rig.answer(proven("fay", FAYS).subscribe(&rig, "presence", &to_tag, 2, 0));
    assert_eq!(states(&rig), written(FAYS, "waiting", "timeout"));
}

#[test]
fn who_asks_once_waits_whatever_somebody_without_proof_did_under_its_name() {
    let rig = distrustful();
    rig.answer(impostor("fay").subscribe(&rig, "presence", "", 1, 3600));
    rig.answer(proven("fay", FAYS).subscribe(&rig, "presence", "", 1, 0));
    assert_eq!(states(&rig), written(FAYS, "waiting", "timeout"));
}

#[test]
fn who_proves_nothing_is_anonymous_to_the_owner_and_nobody_to_others() {
    let (rig, mut from) = (distrustful(), 0);
    rig.answer(impostor("eli").subscribe(&rig, "presence", "", 1, 600));
    rig.answer(proven("eli", ELIS).subscribe(&rig, "presence", "", 1, 600));
    rig.answer(proven("dana", DANA).subscribe(&rig, "presence.winfo", "", 1, 600));
    let all = told(&rig.next_notify("full", &mut from, is_winfo)).2;
    assert_eq!(brief(&all), ["anonymous pending subscribe", "eli active subscribe"]);
    let elis = Phone { call: "c-list".into(), ..proven("eli", ELIS) };
    rig.answer(elis.subscribe(&rig, "presence.winfo", "", 1, 600));
    let own = told(&rig.next_notify("full", &mut from, is_winfo)).2;
    assert_eq!(brief(&own), ["eli active subscribe"]);
    assert_eq!(rig.answer(impostor("eli").subscribe(&rig, "presence.winfo", "", 9, 600)).code, 403);
}

#[test]
fn one_subscription_per_device_ends_nothing_of_somebody_else() {
    let rig = Rig::with(|settings| {
        settings.identity = IdentitySource::Authenticated;
        settings.policy.subscribe.one_per_device = true;
    });
    let contact = || "<sip:eli@192.0.2.1>;+sip.instance=\"<urn:uuid:5f2c>\"".to_owned();
    for (call, identity, left) in [("a", ELIS, 1), ("b", "", 2), ("c", FAYS, 3), ("d", ELIS, 3), ("e", "", 3)] {
        let phone = Phone { call: call.into(), contact: contact(), identity, ..Phone::of("eli") };
        assert_eq!(rig.answer(phone.subscribe(&rig, "presence", "", 1, 600)).code, 200);
        rig.until_settled();
        assert_eq!(rig.disk().1.len(), left, "{call}");
    }
}
