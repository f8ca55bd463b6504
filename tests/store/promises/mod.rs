//! The promises, one file a subject.

mod rows; // what is written is read, and how it goes on
mod batches; // all of a transaction, or nothing
mod runs; // from one run of a server to the next

use crate::promise::Promise;

/// Returns all of them, in the order of the table.
pub(crate) fn all() -> Vec<Promise> {
    [rows::PROMISES, batches::PROMISES, runs::PROMISES].concat()
}
