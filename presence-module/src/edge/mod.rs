//! Where the pure machines meet threads, locks, time and the host. Read in this order:

/// The `modparam` table, and what it becomes.
pub mod parameters;
/// The module the host loads: calls in, threads up and down.
pub mod presence;
/// What all threads share.
pub mod core;
/// decide → stage → queue, under one presentity's lock.
mod step;
/// Presentities behind their locks.
mod shards;
/// From a dialog id to its presentity.
mod dialog_index;
/// What was staged, in order, until it is committed.
mod commit_queue;
/// The thread that commits, and takes back what cannot be.
mod writer;
/// Effects on their way out.
mod delivery;
/// The thread of deadlines and long fan-outs.
mod driver;
/// Deadlines in buckets.
mod timers;
/// What an operator can count.
mod metrics;
/// Headers of a request as the packages need them.
mod request;
/// PUBLISH in, its answer out.
mod publish;
/// SUBSCRIBE in, its answer out.
mod subscribe;
/// What became of a NOTIFY, in.
mod notify;

#[cfg(test)]
mod tests;
