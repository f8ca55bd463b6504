//! What a SIP proxy host and its modules share: the wire vocabulary and the stable ABI.
//!
//! A module author starts at [`declare_module!`], whose example is a whole module; [`abi::Module`] is the one trait to
//! implement and [`abi::Host`] is what the host offers in return.

pub mod sip;

pub mod abi;

mod declare;
