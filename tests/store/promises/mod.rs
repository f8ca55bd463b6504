//! The promises, one file a subject.

mod rows; // what is written is read, and how it goes on
mod readers; // what others read and wrote
mod batches; // all of a transaction, or nothing
mod poison; // of many decisions the one that is refused
mod locks; // rows that somebody holds
mod runs; // from one run of a server to the next
mod ownership; // one server at a time
mod fence; // sessions that are lost
mod sweep; // everything, step by step
mod rules; // rules documents, and whose changed
mod schema; // tables made, taken, or left alone
mod connecting; // the way to a server

use crate::promise::Promise;

/// Returns all of them, in the order of the table.
pub(crate) fn all() -> Vec<Promise> {
    [
        rows::PROMISES,
        readers::PROMISES,
        batches::PROMISES,
        poison::PROMISES,
        locks::PROMISES,
        runs::PROMISES,
        ownership::PROMISES,
        fence::PROMISES,
        sweep::PROMISES,
        rules::PROMISES,
        schema::PROMISES,
        connecting::PROMISES,
    ]
    .concat()
}
