//! What the tests stand on: the built binaries, a server process, and user agents that judge it.
//!
//! Read in this order:

pub mod binaries; // builds what is loaded, once a process
pub mod server; // a proxy-host process with its own database and ports
pub mod database; // its tables, read and written from outside

pub mod message; // SIP messages as text
pub mod xml; // a strict reader, independent of the product's
pub mod pidf; // presence documents as watchers judge them
pub mod watcherinfo; // watcher information and the table its subscriber keeps
pub mod user_agent; // publishers and watchers on real sockets

pub mod rules; // privacy rules as presentities write them
pub mod rule_book; // the rules in a server's database, and when they are in force

pub mod load; // what a message costs, every answer checked

pub mod kill_rounds; // a crowd, a server that is killed under it, and a ledger of what it acknowledged
