//! Transactions (RFC 3261 §17 with RFC 4320): a request and its answers, whatever the network does to them.

/// Moments, the timers of the standards, and the wheel they hang on.
pub mod timers;

/// How messages are told to belong together.
pub mod key;

/// A response apart from its request.
pub mod answer;

/// Requests that come in: the machine.
pub mod server_non_invite;

/// Requests that go out: the machine.
pub mod client_non_invite;

// How many may be carried out so that none waits long.
mod pace;

/// How many requests are carried out at a time, and for whom.
pub mod in_service;

/// How many requests of ours are unanswered at an address.
pub mod destinations;

/// All transactions together.
pub mod table;

/// Requests that come in: all of them.
pub mod server_table;

/// Requests that go out: all of them.
pub mod client_table;

// A part of a table under its own lock.
mod shard;

// Where transactions lie, and how they are found.
mod slots;
