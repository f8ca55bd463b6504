//! The server: everything wired together. Read in this order:

pub mod command_line; // what the operator asks for
pub mod log; // where it is told
mod log_throttle; // how many lines a second
pub mod start; // from a configuration file to a server that is ready, or to every mistake in it
mod plan; // a configuration that holds: modules, functions, parameters
mod capabilities; // what a server says it can do
pub mod proxy; // a server that is up: messages in, answers out
mod call; // what the script calls: functions built in, functions of modules
mod default_answer; // what a request gets that the script leaves unanswered
mod backlog; // what waits while there is more to do than can be done
mod intake; // datagrams on their way in: straight through, or by turns
mod worker; // threads that receive datagrams
mod streams; // the thread of connections and the clock
mod threads; // all of these, from start to stop
mod clock; // what time brings
mod stop; // signals, draining, the end
#[doc(hidden)]
pub mod stepping; // a server without its threads, for the simulation
