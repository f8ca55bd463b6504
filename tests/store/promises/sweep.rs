//! What is there is shown step by step, and at one moment.

use std::thread;

use presence::change::Change;
use presence::store::{Scope, Store, Stored, Sweep};

use crate::backend::Backend;
use crate::fixtures::{
    commit, load, publication, publication_stored, sorted, subscription, subscription_stored, watcher, watcher_stored,
};
use crate::promise::{Promise, promise};
use crate::scene::Scene;

pub(crate) const PROMISES: &[Promise] = &[
    promise!(a_sweep_shows_every_row_once_in_bounded_steps),
    promise!(a_sweep_goes_on_where_it_ended_whatever_happens_meanwhile),
    // MariaDB counts what is done in all of its databases together.
    promise!(a_sweep_costs_nothing_while_nobody_else_writes)
        .except(&[(Backend::PostgreSql, "it does not tell whether others wrote")])
        .alone(),
    promise!(a_load_is_a_view_of_one_moment),
];

/// Publications and subscriptions, each kind in the order of its keys.
fn a_sweep_shows_every_row_once_in_bounded_steps(scene: &Scene<'_>) {
    let mut store = scene.open();
    fill(&mut store, 10);
    let expected: Vec<_> = load(&mut store).into_iter().filter(|row| !matches!(row, Stored::Watcher(_))).collect();
    for rows_max in [1, 3, 5, 10, 100] {
        // What other programs write is what a sweep is for.
        scene.other().execute(&format!("UPDATE watchers SET inserted_time = {rows_max}"));
        let mut shown = Vec::new();
        while step(&mut store, rows_max, &mut shown) == Sweep::Unfinished {}
        assert_eq!(shown, expected, "{rows_max}");
        assert_eq!(sorted(shown), expected, "{rows_max}");
    }
    // An empty database has a beginning and an end.
    let removed: Vec<_> = (0..10).map(|n| Change::PublicationRemoved { id: 100 + n }).collect();
    commit(&mut store, &removed);
    scene.other().execute("DELETE FROM active_watchers");
    let mut shown = Vec::new();
    while step(&mut store, 5, &mut shown) == Sweep::Unfinished {}
    assert_eq!(shown, []);
}

/// Rows that come and go, and another session even, do not make it begin anew.
fn a_sweep_goes_on_where_it_ended_whatever_happens_meanwhile(scene: &Scene<'_>) {
    let mut store = scene.open();
    fill(&mut store, 10);
    let mut shown = Vec::new();
    assert_eq!(step(&mut store, 4, &mut shown), Sweep::Unfinished);
    scene.other().execute("DELETE FROM presentity WHERE id IN (101, 105)");
    scene.other().execute("UPDATE presentity SET id = 90 WHERE id = 100");
    assert_eq!(step(&mut store, 4, &mut shown), Sweep::Unfinished);
    let ids = |shown: &[Stored]| {
        let id = |row: &Stored| if let Stored::Publication(row) = row { Some(row.id) } else { None };
        shown.iter().filter_map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&shown), [100, 101, 102, 103, 104, 106, 107, 108]);
    commit(&mut store, &[Change::PublicationRemoved { id: 109 }, publication_stored(&publication(200, "late"))]);
    while step(&mut store, 4, &mut shown) == Sweep::Unfinished {}
    assert_eq!((ids(&shown).len(), shown.len()), (9, 19));
}

/// Our own writing is no reason to look.
fn a_sweep_costs_nothing_while_nobody_else_writes(scene: &Scene<'_>) {
    let mut store = scene.open();
    fill(&mut store, 3);
    let mut shown = Vec::new();
    while step(&mut store, 100, &mut shown) == Sweep::Unfinished {}
    assert_eq!(shown.len(), 6);
    commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
    for _ in 0..2 {
        assert_eq!(step(&mut store, 100, &mut shown), Sweep::NothingNew);
    }
    for (change, left) in [("UPDATE presentity SET expires = 5 WHERE id = 1", 7), ("DELETE FROM active_watchers", 4)] {
        let mut shown = Vec::new();
        scene.other().execute(change);
        assert_eq!(step(&mut store, 100, &mut shown), Sweep::Unfinished);
        assert_eq!(step(&mut store, 100, &mut shown), Sweep::Finished);
        assert_eq!(shown.len(), left, "{change}");
        assert_eq!(step(&mut store, 100, &mut shown), Sweep::NothingNew);
    }
}

/// What another program commits while rows are read shows in all of them or in none.
fn a_load_is_a_view_of_one_moment(scene: &Scene<'_>) {
    let mut store = scene.open();
    fill(&mut store, 2);
    let (mut other, mut rows) = (scene.other(), Vec::new());
    let expected = load(&mut store);
    store
        .load(Scope::All, &mut |row| {
            if rows.is_empty() {
                // From a thread, since the session reads while it shows, and must not be waited in by another.
                let other = &mut other;
                let change = move || {
                    other.execute("DELETE FROM watchers");
                    other.execute("UPDATE active_watchers SET expires = 5");
                };
                thread::scope(|scope| scope.spawn(change).join().unwrap());
            }
            rows.push(row);
        })
        .unwrap();
    assert_eq!(sorted(rows), expected);
    assert_eq!(load(&mut store).len(), 4);
}

/// Stores `count` rows in each table, the first publication under id 100.
fn fill(store: &mut dyn Store, count: u8) {
    for n in (0..count).rev() {
        let user = format!("user{n}");
        let publication = publication_stored(&publication(100 + u64::from(n), &user));
        let watcher = watcher_stored(watcher(&user, "eve"));
        commit(store, &[publication, subscription_stored(&subscription(n, &user)), watcher]);
    }
}

/// Takes a step of a sweep, and sees to it that it is no longer than it may be.
fn step(store: &mut dyn Store, rows_max: usize, shown: &mut Vec<Stored>) -> Sweep {
    let before = shown.len();
    let swept = store.sweep(rows_max, &mut |row| shown.push(row)).unwrap();
    assert!(shown.len() <= before + rows_max, "{rows_max}");
    swept
}
