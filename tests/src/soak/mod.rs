//! A server under a modest load for as long as told: users in good order beside phones that fall silent, connections that are
//! dropped and messages that are none; and what the server holds meanwhile. Read in this order:

pub mod crowd; // users in good order, every answer and NOTIFY checked
pub mod nuisance; // all the others
pub mod account; // what the server holds, and whether that grows
