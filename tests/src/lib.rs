//! What the tests stand on: the built binaries, a server process, and user agents that judge it.
//!
//! Read in this order:

pub mod patience; // for what nobody announces
pub(crate) mod chance; // seeded choices
pub mod binaries; // builds what is loaded, once a process
pub mod processes; // all of a server, to be stopped or to be measured
pub mod database; // tables, read and written from outside the server
pub mod database_server; // a MariaDB or PostgreSQL of its own, and what can befall it
pub mod server; // a proxy-host process with its own database and ports

pub mod tables_of_2006; // what the module of 2006 left in a database

pub mod message; // SIP messages as text
pub mod xml; // a strict reader, independent of the product's
pub mod pidf; // presence documents as watchers judge them
pub mod watcherinfo; // watcher information and the table its subscriber keeps
pub mod user_agent; // publishers and watchers on real sockets

pub mod kamailio; // a Kamailio with presence, to be taken over from
pub mod rules; // privacy rules as presentities write them
pub mod rule_book; // the rules in a server's database, and when they are in force

pub mod load; // what a message costs, every answer checked

pub mod flood; // somebody who sends as much as it can

pub mod kill_rounds; // a crowd, a server that is killed under it, and a ledger of what it acknowledged

pub mod soak; // a server under a modest load for as long as told, and what it holds meanwhile
