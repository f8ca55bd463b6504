//! A library that claims another ABI, 9.9: what a host must refuse before any of its code runs.
//!
//! It has a header and nothing else, as a module of a host we know nothing about.

// A library loaded by name: nothing of it is reached from Rust.
#![allow(missing_docs)]

use module_api::abi::ModuleHeader;

#[unsafe(export_name = "SIP_MODULE_HEADER")]
pub static HEADER: ModuleHeader = ModuleHeader::for_api("other_api", "9.9.9", 9, 9);
