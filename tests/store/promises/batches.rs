//! A transaction is whole or nothing, and says whose fault nothing was.

use presence::change::{Change, Ending, RenewedRow, Status};
use presence::presentity_uri::UserAtDomain;
use presence::store::{CommitError, RowGone, Store, Stored};
use presence::watcher;
use smol_str::SmolStr;

use super::rows::{publication_continued, subscription_refreshed};
use crate::fixtures::{commit, load, presentity, publication, publication_stored, subscription, subscription_stored};
use crate::promise::{Promise, promise};
use crate::scene::Scene;

pub(crate) const PROMISES: &[Promise] = &[
    promise!(a_batch_is_whole_or_nothing),
    promise!(a_number_too_large_is_refused),
    promise!(a_row_that_is_gone_refuses_whoever_changes_it),
    promise!(a_change_to_the_same_is_no_refusal),
    promise!(each_of_many_rows_takes_its_own_values),
    promise!(one_row_of_many_that_is_gone_refuses_all),
];

/// How many rows are changed together: enough for statements of every size.
const MANY: u64 = 150;

/// Rows of one kind that are changed together each take what was meant for them, however long, and the last change of a row
/// that is changed twice is what stays.
fn each_of_many_rows_takes_its_own_values(scene: &Scene<'_>) {
    let mut store = scene.open();
    let key = |n: u64| subscription(n as u8, "dana").key;
    let stored = (0..MANY).map(|n| publication_stored(&publication(n, "dana")));
    let subscribed = (0..MANY).map(|n| subscription_stored(&subscription(n as u8, "dana")));
    commit(&mut store, &stored.chain(subscribed).collect::<Vec<_>>());
    // Short values first: what was made ready for them has to take longer ones, too.
    for length in [0, 1, 300, 90_000, 2] {
        let tag = |n| format!("{n}-{}", "é".repeat(length.min(100)));
        let body = |n| format!("{n}{}", "🦀\\'?".repeat(length));
        let continued = |n| publication_continued(n % MANY, &tag(n), Some(&body(n)));
        let reserved = |n| Change::CseqReserved { key: key(n), local_cseq: (n * 7 + length as u64) as u32 };
        let changes: Vec<_> = (0..MANY + 10).map(continued).chain((0..MANY).map(reserved)).collect();
        commit(&mut store, &changes);
        for row in load(&mut store) {
            match row {
                Stored::Publication(row) => {
                    let last = if row.id < 10 { row.id + MANY } else { row.id };
                    assert_eq!((row.entity_tag.as_str(), &*row.body), (&*tag(last), &*body(last)), "{}", row.id);
                }
                Stored::Subscription(row) => {
                    let n = (0..MANY).find(|n| key(*n) == row.key).expect("a known key");
                    assert_eq!(u64::from(row.local_cseq), n * 7 + length as u64);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let removed = (0..MANY).map(|id| Change::PublicationRemoved { id });
    let ended = (1..MANY).map(|n| Change::SubscriptionRemoved { key: key(n), ending: Ending::Silent, waits: false });
    commit(&mut store, &removed.chain(ended).collect::<Vec<_>>());
    assert_eq!(load(&mut store).len(), 1);
}

/// Of many changes of one kind one that meets no row refuses the transaction, as it does alone.
fn one_row_of_many_that_is_gone_refuses_all(scene: &Scene<'_>) {
    let mut store = scene.open();
    commit(&mut store, &(0..MANY).map(|n| publication_stored(&publication(n, "dana"))).collect::<Vec<_>>());
    let before = load(&mut store);
    let changes: Vec<_> = (1..=MANY).map(|n| publication_continued(n, "refreshed", None)).collect();
    let decisions: Vec<&[Change]> = changes.iter().map(std::slice::from_ref).collect();
    let Err(CommitError::Data(error)) = store.commit(&decisions) else { panic!("it was committed") };
    assert_eq!(error.downcast_ref(), Some(&RowGone { table: "presentity".into() }));
    assert_eq!(load(&mut store), before);
    commit(&mut store, &changes[..changes.len() - 1]);
}

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
    let row = subscription(9, "dana");
    let renewed = || Box::new(RenewedRow::from(&row));
    let changes = [
        (publication_continued(9, "refreshed", None), "presentity"),
        (publication_continued(9, "modified", Some("<presence/>")), "presentity"),
        (subscription_refreshed(&row, false), "active_watchers"),
        (subscription_refreshed(&row, true), "active_watchers"),
        (Change::SubscriptionAuthorized { key: row.key, status: Status::Active }, "active_watchers"),
        (Change::SubscriptionMoved { row: renewed(), flow: 0 }, "active_watchers"),
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
    // Nor among others, in a decision that changes some of its rows.
    let others = [subscription(2, "dana"), subscription(3, "dana")];
    commit(&mut store, &[subscription_stored(&others[0]), subscription_stored(&others[1])]);
    let reserved = |key, local_cseq| Change::CseqReserved { key, local_cseq };
    let decision = [
        reserved(others[0].key, others[0].local_cseq + 64),
        reserved(row.key, row.local_cseq),
        reserved(others[1].key, others[1].local_cseq + 64),
    ];
    assert!(store.commit(&[&decision]).is_ok());
    let loaded = load(&mut store);
    let reserved_for = |key| {
        loaded.iter().find_map(|stored| match stored {
            Stored::Subscription(row) if row.key == key => Some(row.local_cseq),
            _ => None,
        })
    };
    assert_eq!(reserved_for(row.key), Some(row.local_cseq));
    others.iter().for_each(|other| assert_eq!(reserved_for(other.key), Some(other.local_cseq + 64)));
}

pub(super) fn check_data(outcome: Result<(), CommitError>) {
    assert!(matches!(outcome, Err(CommitError::Data(_))), "{outcome:?}");
}
