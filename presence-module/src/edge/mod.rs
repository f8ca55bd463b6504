//! Where the pure machines meet threads, locks, time and the host. Read in this order:

pub mod parameters; // the `modparam` table, and what it becomes
pub mod presence; // the module the host loads: calls in, threads up and down
pub mod core; // what all threads share
mod request; // headers of a request as the packages need them, and how it is answered
pub mod identity; // who sent a request, as the script states it
mod publish; // PUBLISH in, its answer out
mod subscribe; // SUBSCRIBE in, its answer out
mod notify; // what became of a NOTIFY, in
mod rules; // privacy rules, into presentities
mod step; // decide, stage, queue: under one presentity's lock
mod timers; // deadlines in buckets
mod shards; // presentities behind their locks
pub mod ceilings; // what all presentities hold together, and how much that may be
mod dialog_index; // from a dialog id to its presentity
mod commit_queue; // what was staged, in order, until it is committed
mod writer; // the thread that commits, and takes back what cannot be
mod outage; // a database that is away, or another server's
mod reading_back; // what the database holds, in place of what was refused
mod comparing; // rows beside memory, and what becomes of those that differ
mod sweep; // the walk over the tables for what other programs wrote
mod delivery; // effects on their way out
mod taking_up; // a start: every row into memory
mod driver; // the thread of deadlines and long fan-outs
mod metrics; // what an operator can count
#[doc(hidden)]
pub mod stepping; // the module without its threads, for the simulation

#[cfg(test)]
mod tests;
