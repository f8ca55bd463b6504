//! x

pub mod sip;
