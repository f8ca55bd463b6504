//! From one run of a server to the next: how the last one ended, and whose the database is.

use presence::store::{CommitError, Store, is_taken_over};

use crate::fixtures::{commit, load, publication, publication_stored};
use crate::promise::{Promise, promise};
use crate::scene::Scene;

pub(crate) const PROMISES: &[Promise] = &[
    promise!(a_start_knows_how_the_last_run_ended),
    promise!(a_commit_after_a_clean_stop_is_unclean),
    promise!(the_last_to_open_owns_the_database),
    promise!(a_commit_outlives_its_run),
];

/// A start after a stop in order knows it; after anything else it knows that too. The secret stays, ids go on.
fn a_start_knows_how_the_last_run_ended(scene: &Scene<'_>) {
    let (mut store, first) = scene.start().open().unwrap();
    assert!(first.was_clean, "nobody is owed anything by an empty database");
    assert_eq!(first.next_publication_id, 1);
    commit(&mut store, &[publication_stored(&publication(41, "dana"))]);
    store.close_cleanly().unwrap();
    drop(store);

    let (store, second) = scene.start().open().unwrap();
    assert!(second.was_clean);
    assert_eq!((second.secret, second.next_publication_id), (first.secret, 42));
    drop(store);

    let (store, third) = scene.start().open().unwrap();
    assert!(!third.was_clean, "the second run did not stop in order");
    assert_eq!(third.secret, first.secret);
    drop(store);
}

/// A commit after the mark of a clean stop takes the mark back.
fn a_commit_after_a_clean_stop_is_unclean(scene: &Scene<'_>) {
    let mut store = scene.open();
    store.close_cleanly().unwrap();
    commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
    drop(store);
    assert!(!scene.start().open().unwrap().1.was_clean);
}

/// Once another server has opened the database, the first one writes nothing more, and no decision is blamed.
fn the_last_to_open_owns_the_database(scene: &Scene<'_>) {
    let mut first = scene.open();
    commit(&mut first, &[publication_stored(&publication(1, "dana"))]);
    let mut second = scene.open();
    for _ in 0..2 {
        let refused = first.commit(&[&[publication_stored(&publication(2, "eve"))]]);
        let Err(error @ CommitError::World(_)) = refused else { panic!("{refused:?}") };
        assert!(is_taken_over(&error), "{error}");
    }
    let error = first.heartbeat().expect_err("it is another's");
    assert!(is_taken_over(&error), "{error}");
    assert!(first.close_cleanly().is_err());
    second.heartbeat().unwrap();
    commit(&mut second, &[publication_stored(&publication(2, "fred"))]);
    assert_eq!(load(&mut second).len(), 2);
}

/// What is committed is there for the next run, whether or not this one ended in order.
fn a_commit_outlives_its_run(scene: &Scene<'_>) {
    for n in 0..5 {
        let mut store = scene.open();
        assert_eq!(load(&mut store).len(), n);
        commit(&mut store, &[publication_stored(&publication(n as u64, "dana"))]);
        store.maintain().unwrap();
    }
}
