//! What a SIP peer can hold against the server, clause by clause: one file a standard, every test named after its clause.
//!
//! `docs/rfc-map.md` lists them; `map.rs` sees to it that it lists all of them. Real binaries, real sockets.

mod scene; // who is who
mod requests; // requests outside any dialog, and what answers them

mod rfc3261; // SIP
mod rfc3581; // rport
mod rfc4320; // transactions that are no INVITE

mod rfc3903; // PUBLISH
mod rfc6665; // SUBSCRIBE and NOTIFY
mod rfc3856; // the package `presence`
mod rfc3857; // the template `winfo`
mod rfc3858; // watcher information
mod rfc3863; // presence documents
mod rfc4479; // persons, devices, services
mod rfc4480; // rich presence
mod rfc4745; // whom a rule fits
mod rfc5025; // what a rule grants

mod policy; // what operators may set within the standards
mod peers; // what the module's descendants got wrong
mod traps; // what implementations commonly get wrong

mod map; // docs/rfc-map.md and these files agree
