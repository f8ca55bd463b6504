//! A SIP presence server that a proxy host loads as a module: RFC 3903, 6665 and 3856.
//!
//! Read in this order, from what is pure to what touches the world:
#![forbid(unsafe_code)]

pub mod change; // what can happen, as data
pub mod presentity_uri; // who is watched, who watches
pub mod store; // where it is written down
