//! A SIP presence server as a module of a proxy host: event state compositor (RFC 3903), notifier (RFC 6665) and presence
//! agent (RFC 3856).
//!
//! Modules are listed in the order a newcomer should read them, from what is pure to what touches the world; each
//! imports only from those above it.

#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod planted; // known bugs, for the simulation to find
pub mod presentity_uri; // who is watched, and who watches
pub mod headers; // headers that only an event server reads or writes
pub mod watcher; // how a watcher's subscription stands, as its presentity sees it
pub mod limits; // how much there may be of what peers bring
pub mod document; // presence documents: bounded reading, namespace-aware writing
pub mod composition; // several publications of one presentity made into one document
pub mod package; // the event packages served
pub mod change; // what can happen to a presentity, as data
pub mod packed_texts; // several texts in one allocation
pub mod packed_row; // a subscription's row as memory holds it
pub mod watcher_mark; // a watcher, for those who only count
pub mod tag; // to-tags and entity-tags
pub mod publication; // a PUBLISH, step by step
pub mod authorization; // whether a watcher may see
pub mod privacy_filter; // what of the document it may see
pub mod watcher_information; // what a subscriber to watcher information is owed
pub mod usage; // a subscription, and what its watcher is owed
pub mod dialog; // a dialog as its notifier holds it
pub mod unanswered; // who brings about NOTIFYs that nobody takes
mod dialogs; // all dialogs of one presentity
pub mod watchers; // the authorisation states of its watchers
pub mod subscription; // a SUBSCRIBE, initial and inside a dialog
pub mod policy; // what the operator decided
pub mod disclosure; // what watchers see, composed and filtered once
pub mod notify_outcome; // what the outcome of a NOTIFY does to its subscription
pub mod effect; // what a decision makes leave the server
pub mod notification; // a NOTIFY as bytes
pub mod presentity; // all of the above joined: one user's presence
pub mod store; // where state outlives the process
pub mod edge; // threads, locks, time and the host: the only part that touches the world

module_api::declare_module!(edge::presence::Presence, "presence", env!("CARGO_PKG_VERSION"));
