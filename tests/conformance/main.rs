//! What a SIP peer can hold against the server, clause by clause: one file a standard, every test named after its clause.
//!
//! Real binaries, real sockets.

mod requests; // requests outside any dialog, and what answers them

mod rfc3261; // SIP
mod rfc3581; // rport
mod rfc4320; // transactions that are no INVITE
