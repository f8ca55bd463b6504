//! The ABI between host and modules. Only these files name `abi_stable`; everything else sees plain Rust.
//!
//! Read in this order:
// The expansions of `sabi_trait` and of the prefix-type derive trip both on this compiler.
#![allow(non_local_definitions, unused_braces, unreachable_pub)]

mod version; // the plain static a host reads before it trusts anything else
mod address; // socket addresses and transports as plain data
mod parameter; // what `modparam` may say, and what it said
mod view; // a request or an outcome as spans over its bytes, valid until the call returns
mod reply; // an answer to a pending server transaction
mod outgoing; // a request of the module's own, and what became of it
mod host; // services the host offers
mod module; // the trait a module implements
mod barrier; // no panic crosses the ABI
mod root; // what a library exports
#[cfg(test)]
mod life_tests; // a module's whole life behind all of these

/// The shapes in which an implementor of [`HostServices`] meets borrowed data.
pub use abi_stable::std_types::{RSlice, RSliceMut, RStr, RString};
pub use address::{SocketAddress, Transport};
pub use host::{Clock, Host, HostServices, LogLevel, Metric, MetricKind};
pub use module::{CallResult, Declaration, Function, Module, RouteKinds};
pub use outgoing::{Body, Destination, OutgoingRequest, Token};
pub use parameter::{Parameter, ParameterKind, ParameterProblem, ParameterSetting, Parameters};
pub use reply::{Reply, ReplyOutcome};
pub use root::{LoadedModule, RefusedLibrary, RunningModule, WireDeclaration, WireFunction, WireParameter};
pub use version::{API_MAJOR, API_MINOR, HEADER_SYMBOL, IncompatibleModule, ModuleHeader};
pub use view::{Argument, Arrival, Outcome, OutcomeView, Request, RequestView};

/// What `declare_module!` expands to; not for use by hand.
#[doc(hidden)]
pub mod export {
    pub use super::root::{LibHeader, lib_header};
}
