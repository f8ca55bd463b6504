//! A transaction is whole or nothing, and says whose fault nothing was.

use std::sync::Arc;

use presence::change::{Change, Ending, Moment, Status};
use presence::presentity_uri::UserAtDomain;
use presence::store::{CommitError, RowGone, Store};
use presence::watcher;
use smol_str::SmolStr;

use super::rows::publication_continued;
use crate::fixtures::{commit, load, presentity, publication, publication_stored, subscription, subscription_stored};
use crate::promise::{Promise, promise};
use crate::scene::Scene;

pub(crate) const PROMISES: &[Promise] = &[
    promise!(a_batch_is_whole_or_nothing),
    promise!(a_number_too_large_is_refused),
    promise!(a_row_that_is_gone_refuses_whoever_changes_it),
    promise!(a_change_to_the_same_is_no_refusal),
];

/// Of a batch with one impossible row, nothing is written; the store goes on.
fn a_batch_is_whole_or_nothing(scene: &Scene<'_>) {
    let mut store = scene.open();
    commit(&mut store, &[publication_stored(&publication(5, "dana"))]);
    let before = load(&mut store);
    let batch = [
        Change::PublicationRemoved { id: 5 },
        publication_stored(&publication(6, "eve")),
        publication_stored(&publication(6, "fred")),
    ];
    let decisions: Vec<&[Change]> = batch.iter().map(std::slice::from_ref).collect();
    check_data(store.commit(&decisions));
    assert_eq!(load(&mut store), before);
    commit(&mut store, &batch[1..2]);
    assert_eq!(load(&mut store).len(), 2);
}

/// A number no column can hold is the decision's fault.
fn a_number_too_large_is_refused(scene: &Scene<'_>) {
    let mut store = scene.open();
    let mut row = publication(1, "dana");
    row.expires = u64::MAX;
    check_data(store.commit(&[&[publication_stored(&row)]]));
    assert_eq!(load(&mut store), []);
}

/// A change of a row that somebody else removed is its decision's fault, and nothing of the transaction stands; to remove
/// such a row is well.
fn a_row_that_is_gone_refuses_whoever_changes_it(scene: &Scene<'_>) {
    let mut store = scene.open();
    let row = Arc::new(subscription(9, "dana"));
    let changes = [
        (publication_continued(9, "refreshed", None), "presentity"),
        (publication_continued(9, "modified", Some("<presence/>")), "presentity"),
        (Change::SubscriptionRefreshed { row: row.clone(), deadline: Moment(0), flow: 0 }, "active_watchers"),
        (Change::SubscriptionAuthorized { key: row.key, status: Status::Active }, "active_watchers"),
        (Change::SubscriptionMoved { row: row.clone(), flow: 0 }, "active_watchers"),
        (Change::CseqReserved { key: row.key, local_cseq: 128 }, "active_watchers"),
    ];
    for (change, table) in changes {
        let fine = publication_stored(&publication(1, "dana"));
        let refused = store.commit(&[&[fine], std::slice::from_ref(&change)]);
        let Err(CommitError::Data(error)) = refused else { panic!("{change:?}: {refused:?}") };
        assert_eq!(error.downcast_ref(), Some(&RowGone { table: table.into() }), "{change:?}");
        assert_eq!(load(&mut store), [], "{change:?}");
    }
    let (watcher, event) = (UserAtDomain::new("eve", "watch.example"), SmolStr::from("presence"));
    let removed = [
        Change::PublicationRemoved { id: 9 },
        Change::SubscriptionRemoved { key: row.key, ending: Ending::Silent, waits: false },
        Change::WatcherRemoved { presentity: presentity("dana"), watcher, event, because: watcher::Event::Giveup },
        publication_stored(&publication(1, "dana")),
    ];
    commit(&mut store, &removed);
    assert_eq!(load(&mut store).len(), 1);
}

/// A change that leaves a row as it is meets it all the same.
fn a_change_to_the_same_is_no_refusal(scene: &Scene<'_>) {
    let mut store = scene.open();
    let row = subscription(1, "dana");
    commit(&mut store, &[publication_stored(&publication(3, "dana")), subscription_stored(&row)]);
    for _ in 0..2 {
        commit(&mut store, &[publication_continued(3, "refreshed", None)]);
        commit(&mut store, &[Change::CseqReserved { key: row.key, local_cseq: row.local_cseq }]);
        commit(&mut store, &[Change::SubscriptionAuthorized { key: row.key, status: row.status }]);
    }
}

pub(super) fn check_data(outcome: Result<(), CommitError>) {
    assert!(matches!(outcome, Err(CommitError::Data(_))), "{outcome:?}");
}
