//! Rows that another program inserted, changed or removed.

use std::sync::Arc;
use std::time::Duration;

use module_api::abi::Module;

use super::Rig;
use super::rig::{document, header};
use super::rules::{SERVICES, for_eli};
use super::watcher_information::{brief, is_winfo, told};
use crate::change::{PublicationRow, Status, SubscriptionRow};
use crate::dialog::DialogKey;
use crate::edge::commit_queue::Entry;
use crate::edge::sweep::Pace;
use crate::presentity_uri::PresentityUri;

/// Lets a pass of the sweep begin and go to its end.
fn sweep(rig: &Rig) {
    let passes = || rig.store.with(|disk| disk.passes);
    // One may have been asked for before; when another begins, the one before it is over.
    for _ in 0..3 {
        let before = passes();
        rig.presence.refresh();
        rig.until("a sweep begins", || passes() > before);
    }
    rig.until_settled();
}

/// A row that another program inserts: what Dana publishes elsewhere.
fn elsewhere(rig: &Rig, id: u64, note: &str, expires_in_s: i64) -> PublicationRow {
    let now_s = rig.presence.core().now().wall_s();
    PublicationRow {
        id,
        presentity: Arc::new(PresentityUri::new("dana", "pres.example")),
        event: "presence".into(),
        entity_tag: "elsewhere".into(),
        expires: now_s.saturating_add_signed(expires_in_s),
        received_at_ms: 0,
        body: document(note).into(),
    }
}

fn insert(rig: &Rig, row: PublicationRow) {
    rig.store.write(|disk| drop(disk.publications.insert(row.id, row)));
}

fn if_match(entity_tag: &str) -> String {
    format!("SIP-If-Match: {entity_tag}\r\n")
}

#[test]
fn who_refreshes_a_publication_that_is_gone_is_asked_to_come_again_and_then_publishes_anew() {
    let rig = Rig::new();
    let (entity_tag, _) = rig.furnish();
    rig.store.with(|disk| disk.publications.clear());
    let refused = rig.answer(rig.publish("dana", "p1", &if_match(&entity_tag), 600, ""));
    assert_eq!((refused.code, header(&refused, "Retry-After").as_str()), (503, "2"));
    assert!(rig.notify(2).body.contains("<basic>closed</basic>"), "its watcher is told that it is gone");
    rig.until_settled();
    assert_eq!(rig.answer(rig.publish("dana", "p2", &if_match(&entity_tag), 600, "")).code, 412);
}

#[test]
fn who_refreshes_a_subscription_that_is_gone_is_told_so_and_so_is_who_watches_the_watchers() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600));
    rig.confirm_until("who watches", &mut from, is_winfo);
    let to_tag = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600)).to_tag;
    rig.confirm_until("who watches", &mut from, is_winfo);
    rig.store.with(|disk| disk.subscriptions.retain(|_, row| row.event != "presence"));
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 2, 600)).code, 503);
    rig.host.advance(Duration::from_secs(1));
    let (mut end, mut list) = (None, None);
    while end.is_none() || list.is_none() {
        let notify = rig.next_notify("both", &mut from, |_| true);
        if is_winfo(&notify) {
            list = Some(notify).filter(|list| list.body.contains("deactivated"));
        } else {
            end = Some(notify).filter(|end| end.state().starts_with("terminated"));
        }
    }
    assert_eq!(end.expect("it came").state(), "terminated;reason=deactivated");
    let watchers = told(&list.expect("it came")).2;
    assert_eq!(brief(&watchers), ["eli terminated deactivated"]);
    assert_eq!(rig.answer(rig.subscribe_to("presence", "eli", &to_tag, 3, 600)).code, 481);
}

#[test]
fn to_read_a_presentity_back_no_rows_but_its_own_are_read() {
    let rig = Rig::new();
    for user in ["eli", "fay", "gus"] {
        rig.answer(rig.publish(user, user, "", 600, &document("theirs")));
    }
    let (entity_tag, to_tag) = rig.furnish();
    rig.store.fail_next();
    // What memory forgets comes back by what the refused decision names.
    let removal = rig.publish("dana", "p1", &if_match(&entity_tag), 0, "");
    assert_eq!(rig.answer(removal).code, 503);
    rig.until_settled();
    let danas = rig.disk().0.into_iter().filter(|row| row.presentity.user == "dana").map(|row| row.id);
    let (danas, eli) = (danas.collect::<Vec<_>>(), rig.disk().1[0].key);
    rig.store.with(|disk| assert_eq!((&disk.read.publications, &disk.read.subscriptions), (&danas, &vec![eli])));
    assert_eq!(rig.memory().0.len(), 1);
    rig.store.fail_next();
    assert_eq!(rig.answer(rig.subscribe("eli", &format!(";tag={to_tag}"), 2, 0)).code, 503);
    rig.until_settled();
    assert_eq!(rig.memory().1.len(), 1);
}

#[test]
fn a_publication_by_another_program_is_told_changes_and_goes_like_any_other() {
    let rig = Rig::new();
    rig.furnish();
    insert(&rig, elsewhere(&rig, 77, "by hand", 7000));
    rig.presence.refresh();
    let notify = rig.notify(2);
    assert!(notify.body.contains("by hand"), "{}", notify.body);
    rig.confirm(&notify, 200);
    rig.store.write(|disk| {
        let row = disk.publications.get_mut(&77).expect("it is there");
        (row.body, row.entity_tag) = (document("by another hand").into(), "changed".into());
    });
    rig.presence.refresh();
    let notify = rig.notify(3);
    assert!(notify.body.contains("by another hand"), "{}", notify.body);
    rig.confirm(&notify, 200);
    let modified = rig.answer(rig.publish("dana", "p9", &if_match("changed"), 3000, &document("by us")));
    assert_eq!(modified.code, 200, "its entity-tag is in force");
    rig.confirm(&rig.notify(4), 200);
    rig.store.write(|disk| drop(disk.publications.remove(&77)));
    rig.presence.refresh();
    let notify = rig.notify(5);
    assert!(!notify.body.contains("by us"), "{}", notify.body);
    sweep(&rig);
    assert_eq!((rig.memory(), rig.notify_count()), (rig.disk(), 5));
}

#[test]
fn what_another_program_publishes_ends_when_it_says_and_is_removed() {
    let rig = Rig::new();
    rig.answer(rig.subscribe("eli", "", 1, 3600));
    rig.confirm(&rig.notify(1), 200);
    insert(&rig, elsewhere(&rig, 77, "by hand", 5000));
    insert(&rig, elsewhere(&rig, 78, "long over", -1));
    sweep(&rig);
    let told = rig.notify(2);
    assert!(told.body.contains("by hand") && !told.body.contains("long over"), "{}", told.body);
    rig.confirm(&told, 200);
    assert_eq!(rig.disk().0.len(), 1, "what is over is removed");
    let to_tag = rig.memory().1[0].local_tag.clone();
    rig.pass(Duration::from_secs(3000));
    assert_eq!(rig.answer(rig.subscribe("eli", &format!(";tag={to_tag}"), 2, 3600)).code, 200);
    rig.confirm(&rig.notify(3), 200);
    rig.pass(Duration::from_secs(1999));
    assert_eq!((rig.disk().0.len(), rig.notify_count()), (1, 3));
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.disk().0.len(), 0);
    assert!(rig.notify(4).body.contains("<basic>closed</basic>"));
}

#[test]
fn who_subscribes_to_somebody_only_another_program_knows_sees_what_that_wrote() {
    let rig = Rig::new();
    let dana = elsewhere(&rig, 77, "by hand", 600);
    insert(&rig, dana);
    sweep(&rig);
    assert_eq!(rig.memory(), rig.disk());
    rig.answer(rig.subscribe("eli", "", 1, 600));
    assert!(rig.notify(1).body.contains("by hand"));
}

#[test]
fn a_row_that_goes_over_to_somebody_else_leaves_whose_it_was() {
    let rig = Rig::new();
    rig.furnish();
    rig.store.write(|disk| {
        let row = disk.publications.values_mut().next().expect("it is there");
        row.presentity = Arc::new(PresentityUri::new("gus", "pres.example"));
    });
    sweep(&rig);
    assert!(rig.notify(2).body.contains("<basic>closed</basic>"));
    assert!(rig.is_known("gus") && rig.memory().0.is_empty());
}

#[test]
fn nobody_is_told_anything_by_a_sweep_that_finds_nothing() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600));
    rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600));
    rig.confirm_until("eli", &mut from, |list| is_winfo(list) && list.body.contains("eli"));
    rig.answer(rig.publish("dana", "p", "", 600, &document("here")));
    rig.confirm_until("news", &mut from, |notify| notify.body.contains("here"));
    rig.until_settled();
    let before = (rig.notify_count(), rig.memory(), rig.disk());
    rig.store.write(|_| {});
    sweep(&rig);
    rig.pass(Duration::from_secs(1));
    assert_eq!((rig.notify_count(), rig.memory(), rig.disk()), before);
}

#[test]
fn a_subscription_that_is_gone_ends_for_its_watcher_and_for_who_watches_the_watchers() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600));
    rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600));
    rig.confirm_until("eli", &mut from, |list| is_winfo(list) && list.body.contains("eli"));
    rig.until_settled();
    from = rig.notify_count();
    rig.store.write(|disk| disk.subscriptions.retain(|_, row| row.event != "presence"));
    sweep(&rig);
    let told_of: Vec<_> = (0..2).map(|_| rig.next_notify("both", &mut from, |_| true)).collect();
    let end = told_of.iter().find(|notify| !is_winfo(notify)).expect("its watcher is told");
    assert_eq!((end.state(), end.body.as_str()), ("terminated;reason=deactivated", ""));
    let (_, completeness, watchers) = told(told_of.iter().find(|notify| is_winfo(notify)).expect("the owner is told"));
    assert_eq!((&*completeness, &*brief(&watchers)), ("partial", &["eli terminated deactivated".to_owned()][..]));
    rig.until_settled();
    assert_eq!((rig.memory(), rig.notify_count()), (rig.disk(), from));
}

#[test]
fn a_subscription_by_another_program_is_told_the_state_in_its_dialog_and_goes_on_in_it() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.answer(rig.publish("dana", "p", "", 600, &document("here")));
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600));
    rig.confirm_until("nobody", &mut from, is_winfo);
    let row = imported(&rig);
    rig.store.write(|disk| drop(disk.subscriptions.insert(row.key, row.clone())));
    sweep(&rig);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.push(rig.next_notify("both", &mut from, |_| true));
    }
    let first = seen.iter().find(|notify| !is_winfo(notify)).expect("it is told");
    assert!(first.head.contains("Call-ID: imported\r\n") && first.body.contains("here"), "{first:?}");
    let list = seen.iter().find(|notify| is_winfo(notify)).expect("the owner is told");
    assert!(list.body.contains("sip:eli@pres.example"), "{}", list.body);
    rig.store.write(|disk| {
        disk.subscriptions.get_mut(&row.key).expect("it is there").remote_target = "sip:eli@192.0.2.77".into();
    });
    sweep(&rig);
    let moved = rig.next_notify("where it is now", &mut from, |notify| !is_winfo(notify));
    assert!(moved.head.starts_with("NOTIFY sip:eli@192.0.2.77 "), "{}", moved.head);
    rig.until_settled();
    assert_eq!(rig.memory().1.len(), rig.disk().1.len());
}

#[test]
fn a_subscription_by_another_program_sees_what_the_rules_show() {
    let rig = Rig::new();
    rig.answer(rig.publish("dana", "p", "", 600, &document("secret")));
    rig.store.write_rules("dana", &for_eli("allow", SERVICES));
    let row = imported(&rig);
    rig.store.write(|disk| drop(disk.subscriptions.insert(row.key, row)));
    sweep(&rig);
    let told = rig.notify(1);
    assert!(told.body.contains("<basic>open</basic>") && !told.body.contains("secret"), "{}", told.body);
}

/// A subscription of Eli that another program inserts.
fn imported(rig: &Rig) -> SubscriptionRow {
    let mut row = crate::store::fixtures::subscription(1, "dana");
    let core = rig.presence.core();
    row.presentity = Arc::new(PresentityUri::new("dana", "pres.example"));
    (row.call_id, row.event_id, row.identity) = ("imported".into(), "".into(), "sip:eli@pres.example".into());
    (row.received, row.route_set, row.status) = (None, "".into(), Status::Active);
    row.remote_target = "sip:eli@192.0.2.1".into();
    row.expires = core.now().wall_s() + 600;
    row.key = DialogKey::of_row(&row).subscription(&row.event, &row.event_id, core.now().wall_ms);
    row
}

#[test]
fn where_a_watcher_stands_is_decided_by_the_rules_whatever_is_written_into_its_row() {
    let rig = Rig::new();
    rig.furnish();
    rig.store.write(|disk| disk.subscriptions.values_mut().for_each(|row| row.status = Status::Pending));
    sweep(&rig);
    rig.until("it is decided on", || rig.disk().1[0].status == Status::Active);
    assert_eq!(rig.memory(), rig.disk());
}

#[test]
fn what_was_written_while_something_was_decided_is_taken_up_when_that_is_settled() {
    let rig = Rig::new();
    let (entity_tag, _) = rig.furnish();
    sweep(&rig);
    insert(&rig, elsewhere(&rig, 77, "by hand", 7000));
    let passes = rig.store.with(|disk| disk.passes);
    rig.store.hold_loads();
    rig.presence.core().queue.push_order(Entry::Sweep(Pace::AtOnce));
    rig.until("the sweep reads", || rig.store.with(|disk| disk.passes) > passes);
    let modified = rig.publish("dana", "p1", &if_match(&entity_tag), 600, &document("by us"));
    rig.store.release_loads();
    assert_eq!(rig.answer(modified).code, 200);
    rig.confirm_until("what was written", &mut 1, |notify| notify.body.contains("by hand"));
    rig.until("memory is as the database", || rig.memory() == rig.disk());
}

#[test]
fn nothing_that_is_published_while_the_sweep_goes_on_is_taken_for_gone() {
    let rig = Rig::with_queue_places(100_000);
    for round in 0..4 {
        rig.store.write(|_| {});
        rig.presence.refresh();
        let transactions: Vec<_> = (0..500)
            .map(|n| rig.publish(&format!("u{n}"), &format!("p{round}.{n}"), "", 600, &document("here")))
            .collect();
        transactions.into_iter().for_each(|transaction| assert_eq!(rig.answer(transaction).code, 200));
    }
    sweep(&rig);
    let mut held = 0;
    rig.presence.core().shards.for_each(|slot| held += slot.presentity.publications().len());
    assert_eq!((held, rig.disk().0.len()), (2000, 2000));
}

#[test]
fn no_publication_gets_the_key_of_a_row_that_another_program_wrote() {
    let rig = Rig::new();
    let (_, _) = rig.furnish();
    for id in [2, 3] {
        insert(&rig, elsewhere(&rig, id, "by hand", 600));
    }
    sweep(&rig);
    assert_eq!(rig.answer(rig.publish("gus", "p1", "", 600, &document("ours"))).code, 200);
    insert(&rig, elsewhere(&rig, 5, "by hand", 600));
    // Nobody has looked: who gets its key is refused, and nobody after it.
    let refused = rig.answer(rig.publish("gus", "p2", "", 600, &document("ours")));
    assert_eq!(refused.code, 500);
    rig.until_settled();
    assert_eq!(rig.answer(rig.publish("gus", "p2", "", 600, &document("ours"))).code, 200);
    insert(&rig, elsewhere(&rig, i64::MAX as u64, "by hand", 600));
    sweep(&rig);
    assert_eq!(rig.answer(rig.publish("gus", "p3", "", 600, &document("ours"))).code, 200);
}
