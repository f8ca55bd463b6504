//! Where the pure machines meet threads, locks, time and the host. Read in this order:

/// What was staged, in order, until it is committed.
mod commit_queue;
/// What all threads share.
pub mod core;
/// Effects on their way out.
mod delivery;
/// From a dialog id to its presentity.
mod dialog_index;
/// The thread of deadlines and long fan-outs.
mod driver;
/// What an operator can count.
mod metrics;
/// What became of a NOTIFY, in.
mod notify;
/// The `modparam` table, and what it becomes.
pub mod parameters;
/// The module the host loads: calls in, threads up and down.
pub mod presence;
/// PUBLISH in, its answer out.
mod publish;
/// Headers of a request as the packages need them.
mod request;
/// Presentities behind their locks.
mod shards;
/// decide → stage → queue, under one presentity's lock.
mod step;
/// SUBSCRIBE in, its answer out.
mod subscribe;
/// Deadlines in buckets.
mod timers;
/// The thread that commits, and takes back what cannot be.
mod writer;

#[cfg(test)]
mod tests;
