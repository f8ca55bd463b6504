//! The SIP wire vocabulary (RFC 3261 §7, §19, §20, §25), in the order a newcomer reads it.
//!
//! A datagram is scanned once into spans; everything else reads a span when it is asked to, and copies nothing.

/// A run of bytes inside a datagram.
pub mod span;

/// Header names as numbers.
pub mod header;

/// Methods as numbers.
pub mod method;

/// A message as spans: start line, headers, body.
pub mod message;

// The one pass that finds them; `message` shows it.
mod scan;

// What can be wrong with a message; `message` shows it.
mod defect;

/// Tokens, digits, white space, seconds.
pub mod token;

/// The CSeq header.
pub mod cseq;

/// Quoted strings.
pub mod quoted;

/// Comma-separated values.
pub mod list;

/// Parameters after semicolons.
pub mod params;

/// URIs in their parts.
pub mod uri;

// Which of them are the same: `Uri::same_as`.
mod uri_comparison;

/// Who a URI names.
pub mod aor;

/// From, To, Contact, Route: a URI with a name and parameters.
pub mod name_addr;

/// The Via header.
pub mod via;

/// Status codes and reason phrases.
pub mod status;

/// Responses and header lines.
pub mod writer;
