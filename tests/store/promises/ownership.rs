//! One database has one server: who may take it from whom, and what the one it was taken from still can.

use std::process::Command;

use presence::change::Change;
use presence::store::TakeOver;
use presence::store::owner::{HEARTBEAT_FRESH_S, Owner};
use presence::store::{CommitError, Durability, Store, StoreError, is_taken_over};

use super::rules::changed;
use crate::fixtures::{commit, load, publication, publication_stored};
use crate::promise::{Promise, promise};
use crate::scene::{Scene, Start};

pub(crate) const PROMISES: &[Promise] = &[
    promise!(a_server_that_lives_is_named_and_keeps_its_database),
    promise!(a_server_that_is_gone_loses_its_database),
    promise!(who_has_lost_its_database_writes_nothing_more),
    promise!(a_heartbeat_and_a_commit_say_that_the_owner_lives),
    promise!(a_commit_that_need_not_be_on_the_disk_is_served_all_the_same),
];

/// A server of another machine, of which nobody here can know whether it lives.
const ELSEWHERE: &str = "otherhost:123";

/// Whoever wants the database asks politely.
fn politely(scene: &Scene<'_>) -> Start {
    Start { take_over: TakeOver::IfOwnerIsGone, ..scene.start() }
}

fn owned_by(scene: &Scene<'_>, owner: &str) -> impl Store + use<> {
    Start { owner: owner.into(), ..scene.start() }.open().unwrap().0
}

/// The second of two servers is refused, and the first goes on.
fn a_server_that_lives_is_named_and_keeps_its_database(scene: &Scene<'_>) {
    let mut first = owned_by(scene, ELSEWHERE);
    let refusal = politely(scene).refusal();
    assert!(matches!(refusal, StoreError::Owned(_)), "{refusal:?}");
    assert!(refusal.to_string().contains(ELSEWHERE), "{refusal}");
    commit(&mut first, &[publication_stored(&publication(1, "dana"))]);
    first.heartbeat().unwrap();
    let second = scene.start();
    assert_eq!(load(&mut second.open().unwrap().0).len(), 1, "by force it is taken from whoever has it");
    assert_eq!(scene.other().lines("owner", "presence_owner"), [second.owner]);
}

/// It stopped in order, it has not been heard of for a while, or it was a process of this machine and is none any more.
fn a_server_that_is_gone_loses_its_database(scene: &Scene<'_>) {
    let mut first = owned_by(scene, ELSEWHERE);
    first.close_cleanly().unwrap();
    assert!(politely(scene).open().unwrap().1.was_clean);

    owned_by(scene, ELSEWHERE);
    politely(scene).refusal();
    scene.other().execute(&format!("UPDATE presence_owner SET heartbeat = heartbeat - {}", HEARTBEAT_FRESH_S + 1));
    assert!(!politely(scene).open().unwrap().1.was_clean);

    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let this = Owner::this_process().to_string();
    let (host, _) = this.rsplit_once(':').unwrap();
    owned_by(scene, &format!("{host}:{}", child.id()));
    politely(scene).open().unwrap();
}

/// Not a row, not a heartbeat, not that it stopped in order; and no decision is blamed.
fn who_has_lost_its_database_writes_nothing_more(scene: &Scene<'_>) {
    let mut first = scene.open();
    commit(&mut first, &[publication_stored(&publication(1, "dana"))]);
    let mut second = scene.open();
    let mut other = scene.other();
    other
        .execute(r#"INSERT INTO xcap_xml ("user", domain, xcap, doc_type) VALUES ('dana', 'pres.example', '<a/>', 2)"#);
    let mut owner = || other.lines("owner || ' ' || epoch || ' ' || heartbeat || ' ' || clean", "presence_owner");
    let before = owner();

    let changes = [Change::PublicationRemoved { id: 1 }, publication_stored(&publication(2, "eve"))];
    for change in &changes {
        let Err(error @ CommitError::World(_)) = first.commit(&[std::slice::from_ref(change)]) else {
            panic!("{change:?} is not refused as the world's fault")
        };
        assert!(is_taken_over(&error), "{error}");
    }
    for refused in [first.heartbeat(), first.changed_rules().map(drop), first.close_cleanly()] {
        let error = refused.expect_err("the database is another's");
        assert!(is_taken_over(&error), "{error}");
    }
    assert_eq!(owner(), before);
    assert_eq!(load(&mut second).len(), 1);
    assert_eq!(changed(&mut second), ["dana"], "the other left them to us");
    commit(&mut second, &changes);
}

/// Who looks for the owner sees that it has been heard of, and nothing else of its row changes.
fn a_heartbeat_and_a_commit_say_that_the_owner_lives(scene: &Scene<'_>) {
    let mut store = owned_by(scene, ELSEWHERE);
    let mut other = scene.other();
    let mut check = |renew: &mut dyn FnMut()| {
        let age = HEARTBEAT_FRESH_S + 100;
        other.execute(&format!("UPDATE presence_owner SET heartbeat = heartbeat - {age}"));
        let before = other.lines("owner || ' ' || epoch || ' ' || clean", "presence_owner");
        renew();
        politely(scene).refusal();
        assert_eq!(other.lines("owner || ' ' || epoch || ' ' || clean", "presence_owner"), before);
    };
    check(&mut || store.heartbeat().unwrap());
    check(&mut || commit(&mut store, &[publication_stored(&publication(1, "dana"))]));
}

/// What `durability` is set to changes when a commit is on the disk, and nothing else.
fn a_commit_that_need_not_be_on_the_disk_is_served_all_the_same(scene: &Scene<'_>) {
    for durability in [Durability::Relaxed, Durability::Full, Durability::Relaxed] {
        let mut store = Start { durability, ..scene.start() }.open().unwrap().0;
        let n = load(&mut store).len();
        commit(&mut store, &[publication_stored(&publication(n as u64, "dana"))]);
        assert_eq!(store.durability_caveat().unwrap(), None, "servers of tests keep what they say");
        assert_eq!(load(&mut scene.open()).len(), n + 1);
    }
}
