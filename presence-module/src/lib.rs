//! A SIP presence server as a module of a proxy host: event state compositor (RFC 3903), notifier (RFC 6665) and presence
//! agent (RFC 3856).
//!
//! Modules are listed in the order a newcomer should read them; each imports only from those above it.

#![forbid(unsafe_code)]

/// Headers that only an event server reads or writes.
pub mod headers;

/// Presence documents: bounded reading, namespace-aware writing.
pub mod document;

/// Several publications of one presentity made into one document.
pub mod composition;
