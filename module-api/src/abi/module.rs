//! The trait a module implements, and the table that describes it.

use abi_stable::StableAbi;
use abi_stable::std_types::RVec;

use super::{Argument, Host, Outcome, Parameter, ParameterKind, ParameterProblem, Parameters, Request};

/// A module: created once its parameters are checked, called from many threads, stopped once, never unloaded.
pub trait Module: Send + Sync + Sized + 'static {
    /// Name, requirements, parameters and functions.
    const DECLARATION: Declaration;

    /// Refuses parameters that the declared types and ranges cannot rule out. Changes nothing and opens nothing.
    fn check(_parameters: &Parameters) -> Vec<ParameterProblem> {
        Vec::new()
    }

    /// Opens what the module needs and recovers its state. When it returns, the module is ready to serve.
    ///
    /// # Errors
    /// A sentence for the operator: what failed, where, and what to do.
    fn start(host: Host, parameters: &Parameters) -> Result<Self, String>;

    /// Runs the declared function number `function`. Never blocks.
    fn call(&self, function: usize, request: &Request<'_>, arguments: &[Argument<'_>]) -> CallResult;

    /// Learns what became of requests it sent.
    fn on_outcomes(&self, _outcomes: &mut dyn Iterator<Item = Outcome<'_>>) {}

    /// Learns that a connection is gone.
    fn on_flow_closed(&self, _flow: u64) {}

    /// Looks again at what other programs may have changed: an operator asks for it. Never blocks.
    fn refresh(&self) {}

    /// Finishes what was begun: what is acknowledged is durable and told, when this returns.
    fn drain(&self) {}

    /// Joins every thread of the module. Nothing is called after it.
    fn stop(&self) {}
}

/// What a module says of itself before it runs.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The name `modparam` uses.
    pub name: &'static str,
    /// Modules that must be loaded before it.
    pub requires: &'static [&'static str],
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// Its script functions; [`Module::call`] gets the position in this table.
    pub functions: &'static [Function],
    /// Event packages it serves, for the host's Allow-Events (RFC 6665 §4.4.4).
    pub event_packages: &'static [&'static str],
    /// Body types it accepts in requests, for the host's Accept.
    pub accepts: &'static [&'static str],
    /// Methods it serves, for the host's Allow.
    pub methods: &'static [&'static str],
}

/// A script function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name in the script.
    pub name: &'static str,
    /// The types of its arguments.
    pub arguments: &'static [ParameterKind],
    /// How many of the last arguments may be left out.
    pub optional: usize,
    /// Where it may be called.
    pub routes: RouteKinds,
    /// Whether the host must open a server transaction before the call.
    pub needs_transaction: bool,
}

/// The kinds of route a function may be called from.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, StableAbi)]
pub struct RouteKinds(pub u32);

impl RouteKinds {
    /// `route` and `route[NAME]`, for requests.
    pub const REQUEST: Self = Self(1);
}

/// What a function call came to.
#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct CallResult {
    /// 1: done, or an answer follows. 0: refused and answered, the script ends. Negative: not done, the script goes on.
    pub code: i32,
    to_tag_length: u8,
    to_tag: [u8; Self::TO_TAG_MAX],
    /// Allocates nothing while it is empty, which is nearly always.
    identity: RVec<u8>,
}

impl CallResult {
    /// The longest To-tag that can be handed back, in bytes.
    pub const TO_TAG_MAX: usize = 75;
    /// What the barrier returns after a panic: the host answers 500.
    pub const PANICKED: i32 = i32::MIN;

    /// Returns a bare code.
    pub fn new(code: i32) -> Self {
        Self { code, to_tag_length: 0, to_tag: [0; Self::TO_TAG_MAX], identity: RVec::new() }
    }

    /// Adds the To-tag minted for the request, so that `sl` and `tm` answer with the same. A longer one is left out.
    pub fn with_to_tag(mut self, tag: &[u8]) -> Self {
        if let Some(room) = self.to_tag.get_mut(..tag.len()) {
            room.copy_from_slice(tag);
            self.to_tag_length = tag.len() as u8;
        }
        self
    }

    /// Returns the minted To-tag, empty if none.
    pub fn to_tag(&self) -> &[u8] {
        self.to_tag.get(..usize::from(self.to_tag_length)).unwrap_or_default()
    }

    /// States who sent the request: the URI that every later call of its script gets as
    /// [`Request::identity`], until another is stated. An empty one states nothing.
    pub fn with_identity(self, uri: &[u8]) -> Self {
        Self { identity: uri.into(), ..self }
    }

    /// Returns the stated identity, empty if none.
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }
}

pub(super) fn problems(list: Vec<ParameterProblem>) -> RVec<ParameterProblem> {
    list.into()
}
