//! The path from a request to the wire, proved on a store that fails on command and a host that writes everything down.

mod another_writer; // rows that somebody else inserted, changed or removed
mod clocks; // what is told of the time that is left
mod commits; // nothing leaves before it is durable, and nothing that was refused stays
mod crowds; // thousands at once
mod dialogs; // a dialog while a NOTIFY is unanswered
mod fake_host; // a host that records
mod hostile; // what peers write into headers
mod identities; // who has proven what
mod limits; // at a bound and past it
mod memory_store; // a store that waits, refuses and fails when told
mod model; // one presentity against a reference model, at random
mod moving; // where NOTIFYs go
mod operator; // what the operator may set
mod outages; // a database that is away
mod panics; // a panic while deciding
mod restarts; // what a second start finds
mod phone; // a phone that subscribes
mod rig; // one server under test
mod rules; // who is let in, and what it sees
mod rules_changed; // what a change of rules does to who is watching
mod strangers; // who sends NOTIFYs to those who never asked
mod sharing; // several subscriptions in one dialog
mod unanswered; // what a watcher does not take, and when it is told again
mod waiting; // who lost its subscription before it was decided on
mod watcher_information; // who may see whom

use rig::Rig;
