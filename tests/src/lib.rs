//! What the tests stand on: the built binaries, a server process, and user agents that judge it.
//!
//! Read in this order:

pub mod binaries; // builds what is loaded, once a process
pub mod server; // a proxy-host process with its own database and ports

pub mod message; // SIP messages as text
pub mod pidf; // presence documents as watchers judge them
pub mod user_agent; // publishers and watchers on real sockets
mod xml; // a strict reader, independent of the product's

pub mod load; // what a message costs, every answer checked
