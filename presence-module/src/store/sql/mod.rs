//! What every SQL database does for us, whichever it is. Read in this order:

pub mod dialect; // how each database writes it
pub(crate) mod value; // values on their way in and out
pub(crate) mod statement; // a statement and the places of its values
pub(crate) mod many_rows; // and of those of many rows
pub(crate) mod connection; // the seam: a session with one database
pub(crate) mod transaction; // a transaction of it, and whether it is lost
pub(crate) mod statements; // all the SQL that runs again and again
pub(crate) mod writing; // changes to rows
pub(crate) mod grouping; // and rows that are written together
pub(crate) mod reading; // rows to Rust
pub(crate) mod migration; // tables made, brought up to date, or refused
pub(crate) mod old_tables; // those of 2006, set aside
pub(crate) mod ownership; // the one server that may write
pub mod inspection; // what is there, for who only looks
pub(crate) mod rules; // rules documents, and who changed theirs
pub(crate) mod rule_owners; // who has any
pub(crate) mod rules_reading; // and what they say
pub(crate) mod sweep; // a walk through everything, step by step
pub(crate) mod store; // all of it, as a `Store`
pub(crate) mod documents; // documents put beside it
