//! A SIP presence server as a module of a proxy host: event state compositor (RFC 3903), notifier (RFC 6665) and presence
//! agent (RFC 3856).
//!
//! Modules are listed in the order a newcomer should read them, from what is pure to what touches the world; each
//! imports only from those above it.

#![forbid(unsafe_code)]

/// Who is watched, and who watches.
pub mod presentity_uri;

/// Headers that only an event server reads or writes.
pub mod headers;

/// Presence documents: bounded reading, namespace-aware writing.
pub mod document;

/// The event packages served.
pub mod package;

/// What can happen to a presentity, as data.
pub mod change;

/// To-tags and entity-tags.
pub mod tag;

/// A dialog as its notifier holds it.
pub mod dialog;

/// All dialogs of one presentity.
mod dialogs;

/// A PUBLISH, step by step.
pub mod publication;

/// Whether a watcher may see.
pub mod authorization;

/// A SUBSCRIBE, initial and inside a dialog.
pub mod subscription;

/// Several publications of one presentity made into one document.
pub mod composition;

/// What the outcome of a NOTIFY does to its subscription.
pub mod notify_outcome;

/// What a decision makes leave the server.
pub mod effect;

/// A NOTIFY as bytes.
pub mod notification;

/// All of the above joined: one user's presence.
pub mod presentity;

/// Where state outlives the process.
pub mod store;

/// Threads, locks, time and the host: the only part that touches the world.
pub mod edge;

module_api::declare_module!(edge::presence::Presence, "presence", env!("CARGO_PKG_VERSION"));
