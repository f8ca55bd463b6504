//! Publishers and watchers that go as fast as they can while their server is killed again and again, and a ledger of what
//! it acknowledged: none of that may be lost, come back, or happen twice.
//!
//! Every round depends on one seed. What a failure shows: the seed, the round, and the ladder of whom it concerns. Read in
//! this order:

mod lifetime; // until when something must be there, and from when on it must be gone
mod port; // a socket with one request under way, its ladder
mod publisher; // publishes, and knows what it may have published
mod watcher; // subscribes, and holds every NOTIFY against its dialog
mod agent; // either of them
mod crowd; // all of them in one thread
mod rounds; // load, kill, restart, checks

pub use rounds::{Plan, run};
