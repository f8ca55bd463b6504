//! A load generator that checks every answer, and what the server spent on it. Read in this order:

pub mod cost; // CPU of a process, from the operating system's accounting
pub mod generator; // requests in a window, every answer checked
pub mod phases; // what is measured, one phase after the other
pub mod stored; // a database as a large server leaves it
