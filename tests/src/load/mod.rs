//! A load generator that checks every answer, and what servers and their databases spend on it. Read in this order:

mod text; // the few values of a message that are looked at
pub mod wire; // datagrams in batches, or a connection
mod agents; // who publishes, who watches
pub mod figures; // what was seen, and what it cost
pub mod generator; // requests in a window, every answer checked
pub mod subject; // the servers that are measured
pub mod phases; // what is measured, one phase after the other
mod growth; // and servers of several sizes
mod targets; // what is aimed at
pub mod report; // a page for people
pub mod plot; // and its pictures
pub mod stored; // a database as a large server leaves it

#[cfg(test)]
mod tests;

pub use agents::Work;
