//! What the tests stand on.
//!
//! Read in this order:

pub mod message; // SIP messages as text
pub mod pidf; // presence documents as watchers judge them
mod xml; // a strict reader, independent of the product's
