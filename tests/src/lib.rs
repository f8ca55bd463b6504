//!
//! Read in this order:


pub mod message; // SIP messages as text
pub mod pidf; // presence documents as watchers judge them
pub mod user_agent; // publishers and watchers on real sockets
mod xml; // a strict reader, independent of the product's
