//! Rows that another program inserted, changed or removed.

use super::Rig;
use super::rig::{document, header};
use super::watcher_information::{brief, is_winfo, told};

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
    rig.host.advance(std::time::Duration::from_secs(1));
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
