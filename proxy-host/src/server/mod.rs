//! The server: everything wired together. Read in this order:

pub mod command_line; // what the operator asks for
pub mod log; // where it is told
pub mod start; // from a configuration file to a server that is ready, or to every mistake in it
mod plan; // a configuration that holds: modules, functions, parameters
mod to_tag; // the tag that `sl`, `tm` and modules share
pub mod wire; // sockets and transactions, as host services and workers use them
pub mod network; // listeners, connections, names
mod outbox; // messages collected for one system call
mod myself; // which URIs are this server's
mod outgoing; // requests of modules on their way out
pub mod proxy; // a server that is up: messages in, answers out
mod request; // one request, from its arrival to its answer
mod default_answer; // what a request gets that the script leaves unanswered
mod worker; // threads that receive
mod clock; // what time brings
mod stop; // signals, draining, the end

pub(crate) use request::RequestContext;

/// Returns the AVP that holds To-tags when no `modparam` says otherwise.
pub(crate) fn to_tag_default() -> i64 {
    to_tag::DEFAULT_AVP
}
