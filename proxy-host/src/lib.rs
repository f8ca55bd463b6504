//! A SIP proxy that runs an OpenSER routing script and loads modules as dynamic libraries.
//!
//! Modules stand in the order a newcomer should read them.

/// What an operator is told about a configuration file: place, line, what was expected.
pub mod diagnostic;
/// The name an operator probably meant.
pub mod suggestion;

/// Transactions of RFC 3261 §17 and RFC 4320, without I/O.
pub mod transaction;

/// Sockets, connections, framing, and where a response goes.
pub mod transport;

/// Counters and gauges of all modules, by name.
pub mod metrics;

/// The configuration language: read, checked, run.
pub mod script;

/// The settings a configuration file makes, typed.
pub mod config;

/// The user agent core: requests that came in, requests that go out, and what both stand on.
pub mod user_agent;

/// Modules as dynamic libraries.
pub mod modules;

/// The modules that are built in.
mod builtin;

/// Everything wired together.
pub mod server;
