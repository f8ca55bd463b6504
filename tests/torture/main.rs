//! Messages made to break a server, sent to the real one on real sockets: those of RFC 4475 and RFC 5118, rebuilt from what the
//! RFCs say of them, and those that crashed the module's descendants. After each the server still serves.
//!
//! `messages/` holds one file a message: what it is about, how it is answered, the message.

mod case; // a file of `messages/`
mod line; // what is sent on, and how it is cut
mod witness; // a publisher and a watcher for whom all goes on as ever

mod messages; // every file, over UDP and TCP
mod connections; // streams cut anywhere, cut short, slow, or never read
