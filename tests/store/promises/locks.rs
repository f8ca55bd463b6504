//! Other programs hold what we want to write: they are waited for, not forever, and nobody is blamed.

use std::thread;
use std::time::{Duration, Instant};

use presence::presentity_uri::PresentityUri;
use presence::store::group_commit::{Candidate, Verdict, commit_group};
use presence::store::{CommitError, Store};
use tests::patience::wait_until;

use super::rows::publication_continued;
use crate::backend::Backend;
use crate::fixtures::{commit, load, publication, publication_stored};
use crate::meddling::is_held;
use crate::promise::{Promise, promise};
use crate::scene::{Scene, Start};

pub(crate) const PROMISES: &[Promise] = &[
    promise!(a_row_that_somebody_holds_is_nobodys_fault_and_passes),
    promise!(a_deadlock_is_tried_once_more)
        .except(&[(Backend::Sqlite, "whoever writes it writes alone: no transaction is undone for another's sake")]),
];

/// Refused within the timeout, and nobody is to blame; then the row is free and the same commit goes through.
fn a_row_that_somebody_holds_is_nobodys_fault_and_passes(scene: &Scene<'_>) {
    let timeout = Duration::from_secs(2);
    scene.open();
    let mut store = Start { timeout, ..scene.start() }.open().unwrap().0;
    commit(&mut store, &[publication_stored(&publication(1, "dana")), publication_stored(&publication(2, "eve"))]);
    let before = load(&mut store);
    let mut holder = scene.other();
    holder.execute("BEGIN");
    holder.execute("UPDATE presentity SET expires = 5 WHERE id = 2");
    let changes = [publication_continued(1, "first", None), publication_continued(2, "second", None)];
    let began = Instant::now();
    let outcome = store.commit(&[&changes]);
    match scene.backend {
        // Whoever writes it writes alone.
        Backend::Sqlite => assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}"),
        Backend::MariaDb | Backend::PostgreSql => assert!(matches!(outcome, Err(CommitError::Held(_))), "{outcome:?}"),
    }
    assert!(began.elapsed() < timeout + Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(load(&mut store), before, "and what is read is what is committed");
    holder.execute("ROLLBACK");
    commit(&mut store, &changes);
    store.heartbeat().unwrap();
}

/// Another session holds the second row of ours and wants the first: the database undoes one of us, and it is us.
fn a_deadlock_is_tried_once_more(scene: &Scene<'_>) {
    scene.open();
    let mut holder = scene.other();
    if scene.backend == Backend::PostgreSql {
        // Whoever looks first is undone; our server looks when it has waited for as long as this.
        holder.execute(&format!(r#"ALTER DATABASE "{}" SET deadlock_timeout = '500ms'"#, scene.database()));
        holder.execute("SET deadlock_timeout = '60s'");
    }
    let (mut store, mut probe) = (scene.open(), scene.other());
    commit(&mut store, &[publication_stored(&publication(1, "dana")), publication_stored(&publication(2, "eve"))]);
    holder.execute("BEGIN");
    // In MariaDB whoever has done less is undone.
    holder.execute(
        "INSERT INTO presence_rules_changed (\"user\", domain) SELECT 'x', 'y' FROM (SELECT 1 AS n UNION ALL SELECT 2 \
         UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7) AS rows_of_mine",
    );
    holder.execute("UPDATE presentity SET expires = 5 WHERE id = 2");
    let owners = ["dana", "eve"].map(|user| PresentityUri::new(user, "pres.example"));
    let changes = [1, 2].map(|id| [publication_continued(id, "ours", None)]);
    let outcome = thread::scope(|scope| {
        let committing = scope.spawn(|| {
            let candidates = owners.iter().zip(&changes);
            let batch: Vec<_> = candidates.map(|(presentity, changes)| Candidate { presentity, changes }).collect();
            commit_group(&mut store, &batch)
        });
        wait_until("our first row is written", || is_held(&mut probe, 1));
        holder.execute("UPDATE presentity SET expires = 6 WHERE id = 1");
        holder.execute("COMMIT");
        committing.join().unwrap()
    });
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    assert_eq!(outcome.verdicts, [Verdict::Committed; 2]);
    assert_eq!(scene.other().lines("etag", "presentity"), ["ours", "ours"]);
}
