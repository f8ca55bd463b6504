//! Modules as dynamic libraries. All of this package's `unsafe` is here. Read in this order:

pub mod library; // finding a library, refusing what does not fit, loading it for good
pub mod vocabulary; // what a module declares, in the script's terms and back
pub mod host_services; // what the host does for its modules
