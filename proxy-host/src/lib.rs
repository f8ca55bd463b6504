//! A SIP proxy that runs an OpenSER routing script and loads modules as dynamic libraries.
//!
//! Each stands on those before it, and imports from none behind it, save that `transaction` and `transport` are one floor.
//! Read in this order:

pub mod diagnostic; // what an operator is told about a configuration file: place, line, what was expected
pub mod suggestion; // the name an operator probably meant
pub mod metrics; // counters and gauges of all modules, by name

pub mod limits; // how much the host takes from others

pub mod transaction; // transactions of RFC 3261 §17 and RFC 4320, without I/O
pub mod transport; // sockets, connections, framing, and where a response goes

pub mod script; // the configuration language: read, checked, run
pub mod config; // the settings a configuration file makes, typed

pub mod user_agent; // requests that came in, requests that go out, and what both stand on
pub mod modules; // modules as dynamic libraries
mod builtin; // the modules that are built in

pub mod server; // everything wired together
