//! What every database promises the server, each promise kept or broken by SQLite, MariaDB and PostgreSQL alike.
//!
//! `cargo test -p tests --test store [BACKEND::PROMISE]` runs them and ends with a table. One server of each kind serves
//! the whole run, and each promise has a database of its own; what only one backend can promise is tested beside it.
#![allow(clippy::unwrap_used)] // a promise that panics is a promise that is broken

mod backend; // the three, and the servers behind two of them
mod scene; // one database, and who opens it
mod meddling; // what others do to it
mod promise; // a promise, and what became of it
mod table; // all of that for people
mod promises; // the promises themselves
#[path = "../../presence-module/src/store/fixtures.rs"]
mod fixtures; // rows, as the module's own tests write them

use std::sync::Arc;

use libtest_mimic::Arguments;
// Under these names the fixtures know what they are made of.
use presence::{change, presentity_uri, store, watcher};

use backend::{Backend, Servers};
use table::Table;

/// How many promises are looked at at once: most of what they do is wait for a disk.
const THREADS: usize = 4;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let (servers, table) = (Arc::new(Servers::default()), Arc::new(Table::default()));
    let promises = promises::all();
    let trials = promises
        .iter()
        .flat_map(|promise| Backend::ALL.map(|backend| promise.trial(backend, &servers, &table)))
        .flatten()
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    table.print(&promises);
    // What a static holds is never dropped, and neither is what `exit` leaves behind.
    drop(servers);
    conclusion.exit();
}
