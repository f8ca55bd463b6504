//! Transactions (RFC 3261 §17 with RFC 4320): a request and its answers, whatever the network does to them.

/// Moments, the timers of the standards, and the wheel they hang on.
pub mod timers;

/// How messages are told to belong together.
pub mod key;

// Where transactions lie, and how they are found.
mod slots;
