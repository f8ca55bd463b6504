//! No panic crosses the ABI: a panic inside an exported function would end the process, and the host cannot catch it.
//!
//! Every call into a module passes here. A panic is logged, counted and answered as a failure; the module itself sees to
//! it that no state it left half-changed is used again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use abi_stable::sabi_trait;
use abi_stable::std_types::{RSlice, RString};

use super::{
    Argument, CallResult, Host, LogLevel, Metric, MetricKind, Module, Outcome, OutcomeView, Request, RequestView,
};

/// A running module as the host calls it.
#[sabi_trait]
pub trait ModuleObject: Send + Sync {
    /// Runs a script function.
    fn call(&self, function: u32, request: &RequestView<'_>, arguments: RSlice<'_, Argument<'_>>) -> CallResult;

    /// Hands over what became of the module's requests.
    fn on_outcomes(&self, outcomes: RSlice<'_, OutcomeView<'_>>);

    /// Hands over the end of a connection.
    fn on_flow_closed(&self, flow: u64);

    /// Finishes what was begun.
    fn drain(&self);

    /// Joins the module's threads.
    #[sabi(last_prefix_field)]
    fn stop(&self);

    /// Looks again at what other programs may have changed.
    fn refresh(&self) {}
}

/// A module behind its barrier.
pub(super) struct Barrier<M> {
    module: M,
    host: Host,
    panics: Metric,
}

impl<M: Module> Barrier<M> {
    pub(super) fn new(module: M, host: Host) -> Self {
        let panics = host.metric(MetricKind::COUNTER, "panics_total", "Panics caught at the module's border.");
        Self { module, host, panics }
    }

    fn guard<R>(&self, what: &str, run: impl FnOnce(&M) -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(|| run(&self.module))) {
            Ok(result) => Some(result),
            Err(panic) => {
                let text = panic_text(panic.as_ref());
                self.host.log(LogLevel::ERROR, &format!("panic in {what}, contained: {text}"));
                self.host.measure(self.panics, 1);
                None
            }
        }
    }
}

impl<M: Module> ModuleObject for Barrier<M> {
    fn call(&self, function: u32, request: &RequestView<'_>, arguments: RSlice<'_, Argument<'_>>) -> CallResult {
        let run = |module: &M| module.call(function as usize, &Request::new(request), arguments.as_slice());
        let name = M::DECLARATION.functions.get(function as usize).map_or("a function", |function| function.name);
        self.guard(name, run).unwrap_or_else(|| CallResult::new(CallResult::PANICKED))
    }

    fn on_outcomes(&self, outcomes: RSlice<'_, OutcomeView<'_>>) {
        self.guard("on_outcomes", |module| module.on_outcomes(&mut outcomes.as_slice().iter().map(Outcome::new)));
    }

    fn on_flow_closed(&self, flow: u64) {
        self.guard("on_flow_closed", |module| module.on_flow_closed(flow));
    }

    fn drain(&self) {
        self.guard("drain", Module::drain);
    }

    fn stop(&self) {
        self.guard("stop", Module::stop);
    }

    fn refresh(&self) {
        self.guard("refresh", Module::refresh);
    }
}

/// Runs a function that has no module yet: a panic becomes the operator's message.
pub(super) fn contained<R>(what: &str, run: impl FnOnce() -> Result<R, String>) -> Result<R, RString> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(RString::from),
        Err(panic) => Err(format!("panic in {what}: {}", panic_text(panic.as_ref())).into()),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
