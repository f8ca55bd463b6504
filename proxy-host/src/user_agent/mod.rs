//! The user agent core (RFC 3261 §8): requests that came in and are to be answered, requests of modules on their way
//! out, and what both stand on. It knows neither script functions nor modules. Read in this order:

pub mod myself; // which URIs are this server's
pub mod world; // clocks, randomness, names and datagrams: the machine's, or simulated
pub mod network; // listeners, connections, names
pub mod wire; // sockets and transactions together
pub(crate) mod to_tag; // the tag that `sl`, `tm` and modules share
pub(crate) mod outbox; // messages collected for one system call
pub(crate) mod outgoing; // requests of modules on their way out
pub(crate) mod checks; // what is asked of every request
pub(crate) mod stateless; // answers without a transaction
pub(crate) mod request; // one request, from its arrival to its answer

pub(crate) use request::{Opened, Request};
