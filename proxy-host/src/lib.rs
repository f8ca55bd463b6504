//! The proxy host: sockets, transactions, routing script, module loading.

pub mod transaction;
pub mod transport;
