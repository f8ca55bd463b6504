//! One target for each door that bytes of peers, publishers, operators or modules come in through. A target takes any bytes
//! and panics where a promise is broken.
//!
//! Read in this order:

mod scan; // a datagram into spans, and our answer to it
mod stream; // the same message, however a connection cuts it
mod addresses; // URIs, names around them, lists, parameters, Via
mod headers; // what only an event server reads
mod script; // a configuration file: diagnostics, program, a run of it
mod document; // presence documents: read, composed
mod rules; // presence rules: what they grant, and to whom
mod shown; // an independent judge of what a filtered document shows
mod filter; // what a watcher sees of a document
mod view; // a request as a hostile module or host may describe it
mod server; // a sequence of messages, of answers and of time into the presence server
mod notifies; // what that server sends, judged as it leaves

/// What is fuzzed.
pub(crate) type Target = fn(&[u8]);

/// All of them, by name.
pub(crate) const TARGETS: [(&str, Target); 10] = [
    ("scan", scan::target),
    ("stream", stream::target),
    ("addresses", addresses::target),
    ("headers", headers::target),
    ("script", script::target),
    ("document", document::target),
    ("rules", rules::target),
    ("filter", filter::target),
    ("view", view::target),
    ("server", server::target),
];

/// Parts of one input are parted by it: no text holds it.
pub(crate) const SEPARATOR: u8 = 0x1e;

/// Cuts an input into its parts.
pub(crate) fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&byte| byte == SEPARATOR)
}
