//! A session that is lost, and what it may still have under way: that is over before anything is read or written anew.

use std::thread;
use std::time::{Duration, Instant};

use presence::change::Change;
use presence::store::SqlStore;
use presence::store::{CommitError, Scope, Store, Stored};
use tests::patience::wait_until;

use super::rows::publication_continued;
use super::rules::changed;
use crate::backend::Backend;
use crate::fixtures::{commit, load, publication, publication_stored};
use crate::meddling::{Pause, is_held};
use crate::promise::{Promise, promise};
use crate::scene::{Scene, Start};

pub(crate) const PROMISES: &[Promise] = &[
    promise!(a_session_cut_in_a_transaction_leaves_nothing_and_is_replaced).alone().except(FILE),
    promise!(a_session_cut_while_idle_is_replaced_and_hears_of_rules).alone().except(FILE),
    promise!(a_commit_given_up_and_done_all_the_same_is_what_is_read).alone().except(FILE),
    promise!(nothing_is_read_before_a_commit_given_up_is_settled).alone().except(FILE),
    promise!(a_server_that_stands_still_is_given_up_in_time).alone().except(FILE),
];

const FILE: &[(Backend, &str)] = &[(Backend::Sqlite, "a file has no server that could be cut off or stand still")];

/// Short, so that nobody waits long for a server that stands still; and long enough for one that is merely busy.
const TIMEOUT: Duration = Duration::from_millis(1000);

/// Between two rows of a transaction the server ends our session.
fn a_session_cut_in_a_transaction_leaves_nothing_and_is_replaced(scene: &Scene<'_>) {
    let mut store = scene.open();
    commit(&mut store, &[publication_stored(&publication(1, "dana")), publication_stored(&publication(2, "eve"))]);
    let (before, epoch) = (load(&mut store), epoch_of(scene));
    let (mut holder, mut probe) = (scene.other(), scene.other());
    holder.execute("BEGIN");
    holder.execute("UPDATE presentity SET expires = 5 WHERE id = 2");
    let changes = [publication_continued(1, "first", None), publication_continued(2, "second", None)];
    let (mut store, outcome, ()) = while_committing(store, changes.into(), || {
        wait_until("the first row is written", || is_held(&mut probe, 1));
        scene.server().cut_connections();
    });
    assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
    holder.execute("ROLLBACK");
    assert_eq!(load(&mut store), before);
    assert_eq!(epoch_of(scene), epoch + 1);
    commit(&mut store, &[publication_continued(1, "third", None)]);
    assert_eq!(epoch_of(scene), epoch + 1, "a session that is good is kept");
}

/// Nobody was at anything; the first to notice may be refused, the next is not.
fn a_session_cut_while_idle_is_replaced_and_hears_of_rules(scene: &Scene<'_>) {
    let mut store = scene.open();
    let mut other = scene.other();
    for user in ["dana", "eli", "fay"] {
        assert_eq!(changed(&mut store), Vec::<String>::new());
        scene.server().cut_connections();
        let columns = r#"("user", domain, xcap, doc_type)"#;
        other.execute(&format!("INSERT INTO xcap_xml {columns} VALUES ('{user}', 'pres.example', '<a/>', 2)"));
        let outcome = store.commit(&[&[publication_stored(&publication(1, user))]]);
        assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
        assert_eq!(changed(&mut store), [user]);
    }
    assert_eq!(load(&mut store), []);
    store.heartbeat().unwrap();
}

/// The server stands still while it commits, we give it up, it goes on: whatever became of the commit is what is read, and
/// nothing changes after that.
fn a_commit_given_up_and_done_all_the_same_is_what_is_read(scene: &Scene<'_>) {
    check_given_up(scene, |_| {});
}

/// As long as the commit is under way, nothing is read that it could change.
fn nothing_is_read_before_a_commit_given_up_is_settled(scene: &Scene<'_>) {
    check_given_up(scene, |store| {
        let read = store.load(Scope::All, &mut |row| panic!("{row:?} is shown"));
        assert!(read.is_err());
        let written = store.commit(&[&[publication_stored(&publication(8, "eve"))]]);
        assert!(matches!(written, Err(CommitError::World(_))), "{written:?}");
    });
}

fn check_given_up(scene: &Scene<'_>, while_it_is_under_way: fn(&mut SqlStore)) {
    scene.open();
    let mut store = open(scene);
    commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
    let epoch = epoch_of(scene);
    let hold = scene.hold_commits();
    let changes = [publication_continued(1, "late", None), publication_stored(&publication(7, "dana"))];
    let (mut store, outcome, pause) = while_committing(store, changes.into(), || {
        wait_until("the COMMIT is under way", || scene.is_committing());
        Pause::of(scene.server())
    });
    assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
    drop(pause);
    while_it_is_under_way(&mut store);
    hold.release();
    let seen = load_at_last(&mut store);
    assert!(seen.len() == 1 || seen.len() == 2, "a transaction is whole or nothing: {seen:?}");
    wait_until("the session that was given up has gone", || scene.sessions_of_servers() == 1);
    assert_eq!(load(&mut store), seen);
    assert!(epoch_of(scene) > epoch);
    commit(&mut store, &[publication_stored(&publication(9, "dana"))]);
    assert_eq!(load(&mut scene.open()).len(), seen.len() + 1);
}

/// However much it is asked meanwhile; and when it goes on, it is served on, in a session in which nobody answers a question
/// that another asked.
fn a_server_that_stands_still_is_given_up_in_time(scene: &Scene<'_>) {
    scene.open();
    let mut store = open(scene);
    commit(&mut store, &[publication_stored(&publication(1, "dana")), publication_stored(&publication(2, "eve"))]);
    let before = load(&mut store);

    // In the middle of a transaction, and then whenever it is asked anew.
    let (mut holder, mut probe) = (scene.other(), scene.other());
    holder.execute("BEGIN");
    holder.execute("UPDATE presentity SET expires = 5 WHERE id = 2");
    let mut began = Instant::now();
    let changes = [publication_continued(1, "first", None), publication_continued(2, "second", None)];
    let (mut store, outcome, pause) = while_committing(store, changes.into(), || {
        wait_until("the first row is written", || is_held(&mut probe, 1));
        began = Instant::now();
        Pause::of(scene.server())
    });
    // On a busy machine the row may have been waited for too long before the server stood still.
    assert!(matches!(outcome, Err(CommitError::World(_) | CommitError::Held(_))), "{outcome:?}");
    assert!(began.elapsed() < TIMEOUT * 19 / 10, "{:?}: once is enough", began.elapsed());
    for _ in 0..2 {
        let began = Instant::now();
        let outcome = store.commit(&[&[publication_stored(&publication(3, "eve"))]]);
        assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
        assert!(began.elapsed() < TIMEOUT * 19 / 10, "{:?}: once is enough", began.elapsed());
    }
    drop(pause);
    holder.execute("ROLLBACK");
    assert_eq!(load_at_last(&mut store), before);
    wait_until("the sessions that were given up have gone", || scene.sessions_of_servers() == 1);
    assert_eq!(load(&mut store), before);
    commit(&mut store, &[publication_stored(&publication(3, "eve"))]);
    assert_eq!(load(&mut store).len(), 3);
}

/// Opens a database, which is ready, for a server that does not wait long.
fn open(scene: &Scene<'_>) -> SqlStore {
    let start = Start { timeout: TIMEOUT, ..scene.start() };
    let mut opened = None;
    wait_until("a busy server answers in time", || {
        opened = start.open().ok();
        opened.is_some()
    });
    opened.unwrap().0
}

/// Reads everything once it can be read.
fn load_at_last(store: &mut SqlStore) -> Vec<Stored> {
    wait_until("the database can be read again", || store.load(Scope::All, &mut |_| {}).is_ok());
    load(store)
}

/// Does something while a commit is under way, and returns what became of that.
fn while_committing<T>(
    mut store: SqlStore,
    changes: Vec<Change>,
    act: impl FnOnce() -> T,
) -> (SqlStore, Result<(), CommitError>, T) {
    thread::scope(|scope| {
        let committing = scope.spawn(move || {
            let outcome = store.commit(&[&changes]);
            (store, outcome)
        });
        let acted = act();
        let (store, outcome) = committing.join().unwrap();
        (store, outcome, acted)
    })
}

fn epoch_of(scene: &Scene<'_>) -> i64 {
    scene.other().lines("epoch", "presence_owner")[0].parse().unwrap()
}
