//! The whole server under one seed: the real machines, shards, queue, writer, driver, script and transactions, with clock,
//! network, database and randomness replaced, on one thread.
//!
//! A failing run prints its seed and its last events; `SIMULATION_SEED=… cargo test -p tests --test simulation` repeats it.
//! Every run draws fresh seeds, from `SIMULATION_FIRST` on where that is set, and goes on for `SIMULATION_EVENTS` or
//! `SIMULATION_MINUTES`. Read in this order:

#![cfg(debug_assertions)] // bugs are planted only there

mod chance; // chance from a seed
mod ground; // clocks, randomness, and the server's datagrams
mod disk; // a database that fails when told
mod server; // the real server, in one's hands
mod rules; // privacy rules, and what they come to
mod documents; // what devices publish, and what watchers find in it
mod deadlines; // when something may be over, and when it must be
mod table; // who watches, as subscribers to that know it
mod devices; // publishers
mod phones; // watchers
mod streams; // connections, and what breaks them
mod witness; // what leaves the server, checked as it leaves
mod world; // everything there is, and what happens next
mod faults; // what befalls it
mod meddling; // another program in the database
mod quiet; // what must be so when all is quiet
mod runs; // seeds, one after the other
mod planted; // known bugs, and whether they are found
