//! Sockets and connections: how messages come in and go out (RFC 3261 §18).

/// Who is at the other end.
pub mod address;

/// Messages out of a stream of bytes, sans-io.
pub mod framing;

/// Where a response goes, decided purely.
pub mod response_route;

/// Which of the machine's own addresses a datagram came in at, and leaves from.
mod own_address;

/// Datagram sockets, read and written in batches.
pub mod udp;

/// Waiting for them, on several sockets and by several threads.
pub mod watch;

/// The connections that are open.
pub mod flows;

/// Listeners and connections.
pub mod tcp;

/// Host names to addresses, on a thread of its own.
pub mod resolver;
