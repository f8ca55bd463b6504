//! Watcher information (RFC 3857): who may see whom, and what is told when.

use super::Rig;
use super::fake_host::SeenRequest;
use super::rig::cseq;

/// A watcher in a document: id, status, event, URI.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Told {
    pub(super) id: String,
    status: String,
    event: String,
    uri: String,
}

/// Reads version, state and watchers of the document in a NOTIFY.
pub(super) fn told(notify: &SeenRequest) -> (u32, String, Vec<Told>) {
    let document = roxmltree::Document::parse(&notify.body).unwrap_or_else(|error| panic!("{error}: {}", notify.head));
    let root = document.root_element();
    let attribute = |node: roxmltree::Node<'_, '_>, name: &str| node.attribute(name).unwrap_or_default().to_owned();
    let watchers = root.descendants().filter(|node| node.has_tag_name("watcher")).map(|node| Told {
        id: attribute(node, "id"),
        status: attribute(node, "status"),
        event: attribute(node, "event"),
        uri: node.text().unwrap_or_default().to_owned(),
    });
    (attribute(root, "version").parse().expect("a version"), attribute(root, "state"), watchers.collect())
}

/// Says in short who stands where: `eli active subscribe`.
pub(super) fn brief(watchers: &[Told]) -> Vec<String> {
    let user = |told: &Told| told.uri.trim_start_matches("sip:").split('@').next().unwrap_or_default().to_owned();
    watchers.iter().map(|told| format!("{} {} {}", user(told), told.status, told.event)).collect()
}

pub(super) fn is_winfo(notify: &SeenRequest) -> bool {
    notify.event() == "presence.winfo"
}

pub(super) fn is_of(notify: &SeenRequest, watcher: &str) -> bool {
    notify.head.contains(&format!("\r\nCall-ID: c-{watcher}\r\n"))
}

#[test]
fn the_owner_is_told_of_everybody_first_in_full_then_what_changes() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600));
    let to_tag = rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600)).to_tag;
    let first = told(&rig.next_notify("full", &mut from, is_winfo));
    assert_eq!((first.0, &*first.1, brief(&first.2)), (0, "full", vec!["eli active subscribe".to_owned()]));
    let fay = rig.answer(rig.subscribe_to("presence", "fay", "", 1, 600)).to_tag;
    let second = told(&rig.next_notify("partial", &mut from, is_winfo));
    assert_eq!((second.0, &*second.1, brief(&second.2)), (1, "partial", vec!["fay active subscribe".to_owned()]));
    rig.next_notify("first of fay", &mut 0, |notify| is_of(notify, "fay"));
    rig.answer(rig.subscribe_to("presence", "fay", &fay, 2, 0));
    let third = told(&rig.next_notify("partial", &mut from, is_winfo));
    assert_eq!((third.0, &*third.1, brief(&third.2)), (2, "partial", vec!["fay terminated timeout".to_owned()]));
    assert_eq!(third.2[0].id, second.2[0].id, "an id stays while the subscription lasts");
    rig.answer(rig.subscribe_to("presence.winfo", "dana", &to_tag, 2, 600));
    let fourth = told(&rig.next_notify("full", &mut from, is_winfo));
    assert_eq!((fourth.0, &*fourth.1, brief(&fourth.2)), (3, "full", vec!["eli active subscribe".to_owned()]));
    assert_eq!(fourth.2[0].id, first.2[0].id);
}

#[test]
fn others_see_themselves_only_and_nobody_without_an_identity_sees_anything() {
    let (rig, mut from) = (Rig::new(), 0);
    for watcher in ["eli", "fay"] {
        rig.answer(rig.subscribe_to("presence", watcher, "", 1, 600));
    }
    assert_eq!(rig.answer(rig.subscribe_to("presence.winfo", "eli", "", 2, 600)).code, 200);
    let first = told(&rig.next_notify("full", &mut from, is_winfo));
    assert_eq!(brief(&first.2), ["eli active subscribe"]);
    rig.answer(rig.subscribe_to("presence", "gil", "", 1, 600));
    let gil = rig.answer(rig.subscribe_to("presence", "eli", "", 3, 600));
    let next = told(&rig.next_notify("partial", &mut from, is_winfo));
    assert_eq!((next.0, brief(&next.2)), (1, vec!["eli active subscribe".to_owned()]), "nothing of Gil");
    assert_eq!(gil.code, 200);
    assert_eq!(rig.answer(rig.subscribe_to("presence.winfo", "anonymous", "", 1, 600)).code, 403);
}

#[test]
fn winfo_of_winfo_is_for_the_owner_and_deeper_it_does_not_go() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.answer(rig.subscribe_to("presence.winfo", "eli", "", 1, 600));
    assert_eq!(rig.answer(rig.subscribe_to("presence.winfo.winfo", "eli", "", 2, 600)).code, 403);
    assert_eq!(rig.answer(rig.subscribe_to("presence.winfo.winfo", "dana", "", 1, 600)).code, 200);
    let first = rig.next_notify("full", &mut from, |notify| is_of(notify, "dana"));
    assert_eq!(brief(&told(&first).2), ["eli active subscribe"]);
    assert!(first.body.contains("package=\"presence.winfo\""), "{}", first.body);
    assert_eq!(rig.answer(rig.subscribe_to("presence.winfo.winfo.winfo", "dana", "", 2, 600)).code, 489);
}

#[test]
fn what_changes_while_a_notify_is_unanswered_is_told_in_one() {
    let rig = Rig::new();
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600));
    let unanswered = rig.notify(1);
    let eli = rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600)).to_tag;
    rig.next_notify("first of eli", &mut 0, |notify| is_of(notify, "eli"));
    rig.answer(rig.subscribe_to("presence", "eli", &eli, 2, 0));
    rig.answer(rig.subscribe_to("presence", "fay", "", 1, 600));
    rig.confirm(&unanswered, 200);
    let next = told(&rig.next_notify("partial", &mut 1, is_winfo));
    assert_eq!((next.0, &*next.1), (1, "partial"));
    assert_eq!(brief(&next.2), ["fay active subscribe"], "who came and went untold was never there");
}

#[test]
fn a_document_that_may_not_have_arrived_is_followed_by_a_full_one() {
    let rig = Rig::new();
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600));
    rig.confirm(&rig.notify(1), 200);
    rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600));
    let lost =
        rig.host.wait_for("partial", |seen| seen.requests.iter().skip(1).find(|notify| is_winfo(notify)).cloned());
    rig.answer_with(&lost, 500, "");
    rig.answer(rig.subscribe_to("presence", "fay", "", 1, 600));
    let next = told(&rig.next_notify("full", &mut 0, |notify| is_winfo(notify) && cseq(notify) == 3));
    assert_eq!((next.0, &*next.1), (2, "full"));
    assert_eq!(brief(&next.2), ["eli active subscribe", "fay active subscribe"]);
}

#[test]
fn after_a_restart_the_next_document_is_full_and_has_a_higher_version() {
    let (rig, mut from) = (Rig::new(), 0);
    rig.answer(rig.subscribe_to("presence.winfo", "dana", "", 1, 600));
    rig.next_notify("full", &mut from, is_winfo);
    rig.answer(rig.subscribe_to("presence", "eli", "", 1, 600));
    let before = told(&rig.next_notify("partial", &mut from, is_winfo));
    let (rig, mut from) = (rig.restart(false), 0);
    let after = told(&rig.next_notify("full", &mut from, is_winfo));
    assert!(after.0 > before.0, "{} after {}", after.0, before.0);
    assert_eq!((&*after.1, after.2), ("full", before.2), "the same ids");
    rig.answer(rig.subscribe_to("presence", "fay", "", 1, 600));
    let next = told(&rig.next_notify("partial", &mut from, is_winfo));
    assert_eq!((next.0, &*next.1), (after.0 + 1, "partial"));
}
