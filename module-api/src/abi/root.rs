//! What a library exports, and how a host holds it.

use std::fmt;
use std::path::Path;

use abi_stable::StableAbi;
use abi_stable::library::{CheckTypeLayout, LibraryError, RootModule, RootModuleResult, lib_header_from_path};
use abi_stable::package_version_strings;
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RBox, RResult, RString, RVec};

pub use abi_stable::library::LibHeader;

use super::barrier::{Barrier, ModuleObject_TO, contained};
use super::host::{HostServices_TO, into_object};
use super::module::problems;
use super::{Argument, CallResult, Host, HostServices, Module, OutcomeView, RequestView};
use super::{ParameterKind, ParameterProblem, ParameterSetting, Parameters, RouteKinds};

/// The exported root: what can be asked of a library before its module runs.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ModuleRootRef)))]
#[sabi(missing_field(panic))]
pub struct ModuleRoot {
    declaration: extern "C" fn() -> WireDeclaration,
    check: extern "C" fn(RVec<ParameterSetting>) -> RVec<ParameterProblem>,
    #[sabi(last_prefix_field)]
    start: extern "C" fn(HostObject, RVec<ParameterSetting>) -> RResult<ModuleBox, RString>,
}

type HostObject = HostServices_TO<'static, RBox<()>>;
type ModuleBox = ModuleObject_TO<'static, RBox<()>>;

impl RootModule for ModuleRootRef {
    abi_stable::declare_root_module_statics! { ModuleRootRef }
    const BASE_NAME: &'static str = "sip_module";
    const NAME: &'static str = "sip_module";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// A parameter as it crosses: owned, so that a host may keep it.
#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct WireParameter {
    /// See [`Parameter`](super::Parameter).
    pub name: RString,
    /// See [`Parameter`](super::Parameter).
    pub default: RString,
    /// See [`Parameter`](super::Parameter).
    pub minimum: i64,
    /// See [`Parameter`](super::Parameter).
    pub maximum: i64,
    /// See [`Parameter`](super::Parameter).
    pub kind: ParameterKind,
}

/// A function as it crosses.
#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct WireFunction {
    /// See [`Function`](super::Function).
    pub name: RString,
    /// See [`Function`](super::Function).
    pub arguments: RVec<ParameterKind>,
    /// See [`Function`](super::Function).
    pub optional: u32,
    /// See [`Function`](super::Function).
    pub routes: RouteKinds,
    /// See [`Function`](super::Function).
    pub needs_transaction: u8,
}

/// A declaration as it crosses.
#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct WireDeclaration {
    /// See [`Declaration`](super::Declaration).
    pub name: RString,
    /// See [`Declaration`](super::Declaration).
    pub requires: RVec<RString>,
    /// See [`Declaration`](super::Declaration).
    pub parameters: RVec<WireParameter>,
    /// See [`Declaration`](super::Declaration).
    pub functions: RVec<WireFunction>,
    /// See [`Declaration`](super::Declaration).
    pub event_packages: RVec<RString>,
    /// See [`Declaration`](super::Declaration).
    pub accepts: RVec<RString>,
    /// See [`Declaration`](super::Declaration).
    pub methods: RVec<RString>,
}

/// The static that `declare_module!` exports.
pub const fn lib_header<M: Module>() -> LibHeader {
    // SAFETY: `construct::<M>` returns the erased form of a `ModuleRootRef` and of nothing else.
    unsafe { LibHeader::from_constructor::<ModuleRootRef>(construct::<M>, CheckTypeLayout::Yes) }
}

extern "C" fn construct<M: Module>() -> RootModuleResult {
    abi_stable::library::__call_root_module_loader(root::<M>)
}

fn root<M: Module>() -> ModuleRootRef {
    ModuleRoot { declaration: declaration::<M>, check: check::<M>, start: start::<M> }.leak_into_prefix()
}

extern "C" fn declaration<M: Module>() -> WireDeclaration {
    let strings = |list: &[&str]| list.iter().map(|item| RString::from(*item)).collect();
    let declaration = M::DECLARATION;
    let parameters = declaration.parameters.iter().map(|parameter| WireParameter {
        name: parameter.name.into(),
        default: parameter.default.into(),
        minimum: parameter.minimum,
        maximum: parameter.maximum,
        kind: parameter.kind,
    });
    let functions = declaration.functions.iter().map(|function| WireFunction {
        name: function.name.into(),
        arguments: function.arguments.into(),
        optional: function.optional as u32,
        routes: function.routes,
        needs_transaction: function.needs_transaction.into(),
    });
    WireDeclaration {
        name: declaration.name.into(),
        requires: strings(declaration.requires),
        parameters: parameters.collect(),
        functions: functions.collect(),
        event_packages: strings(declaration.event_packages),
        accepts: strings(declaration.accepts),
        methods: strings(declaration.methods),
    }
}

extern "C" fn check<M: Module>(settings: RVec<ParameterSetting>) -> RVec<ParameterProblem> {
    let run = || Ok(M::check(&Parameters::new(settings.into_vec())));
    let found = contained("the check of parameters", run);
    problems(found.unwrap_or_else(|panic| vec![ParameterProblem::new("", panic.into_string(), "no panic")]))
}

extern "C" fn start<M: Module>(host: HostObject, settings: RVec<ParameterSetting>) -> RResult<ModuleBox, RString> {
    let host = Host::from_object(host, M::DECLARATION.name);
    let parameters = Parameters::new(settings.into_vec());
    let run = || {
        let module = M::start(host.clone(), &parameters)?;
        Ok(ModuleObject_TO::from_value(Barrier::new(module, host.clone()), TD_Opaque))
    };
    contained("start", run).into()
}

/// A library whose header was accepted; its module does not run yet.
#[derive(Clone, Copy)]
pub struct LoadedModule {
    root: ModuleRootRef,
}

impl LoadedModule {
    /// Loads the library at `path`, which stays loaded for good. Its header must have been checked before.
    ///
    /// # Errors
    /// One line for the operator, and abi_stable's report, which can be thousands of lines, for the debug log.
    pub fn open(path: &Path) -> Result<Self, RefusedLibrary> {
        lib_header_from_path(path).map_err(RefusedLibrary::of).and_then(Self::of_header)
    }

    /// Takes a module by the header its library exports.
    pub(super) fn of_header(header: &LibHeader) -> Result<Self, RefusedLibrary> {
        let root = header.init_root_module::<ModuleRootRef>();
        Ok(Self { root: root.map_err(RefusedLibrary::of)? })
    }

    /// Returns a module that is part of this program: a simulation's.
    #[doc(hidden)]
    pub fn linked<M: Module>() -> Self {
        Self { root: root::<M>() }
    }

    /// Returns what the module says of itself.
    pub fn declaration(&self) -> WireDeclaration {
        (self.root.declaration())()
    }

    /// Asks the module about its parameters.
    pub fn check(&self, settings: &[ParameterSetting]) -> Vec<ParameterProblem> {
        (self.root.check())(settings.into()).into_vec()
    }

    /// Starts the module.
    ///
    /// # Errors
    /// The module's own sentence for the operator.
    pub fn start(
        &self,
        host: impl HostServices + 'static,
        settings: &[ParameterSetting],
    ) -> Result<RunningModule, String> {
        match (self.root.start())(into_object(host), settings.into()) {
            RResult::ROk(object) => Ok(RunningModule { object }),
            RResult::RErr(message) => Err(message.into_string()),
        }
    }
}

/// Why a library was not loaded.
#[derive(Debug)]
pub struct RefusedLibrary {
    summary: &'static str,
    /// The whole report.
    pub report: String,
}

impl RefusedLibrary {
    fn of(error: LibraryError) -> Self {
        let summary = match &error {
            LibraryError::OpenError { .. } => "the file cannot be loaded as a library",
            LibraryError::GetSymbolError { .. } => "the library exports no module",
            LibraryError::ParseVersionError(_) | LibraryError::IncompatibleVersionNumber { .. } => {
                "built for another version"
            }
            LibraryError::AbiInstability(_) => "built with other definitions of the ABI",
            LibraryError::InvalidAbiHeader(_) => "built with another abi_stable",
            _ => "its initialisation failed",
        };
        Self { summary, report: error.to_string() }
    }
}

impl fmt::Display for RefusedLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.summary)
    }
}

/// A module that serves.
pub struct RunningModule {
    object: ModuleBox,
}

impl RunningModule {
    /// Puts a module that is part of this program behind its barrier: a simulation's.
    #[doc(hidden)]
    pub fn linked(module: impl Module, host: Host) -> Self {
        Self { object: ModuleObject_TO::from_value(Barrier::new(module, host), TD_Opaque) }
    }

    /// Runs a script function.
    pub fn call(&self, function: u32, request: &RequestView<'_>, arguments: &[Argument<'_>]) -> CallResult {
        self.object.call(function, request, arguments.into())
    }

    /// Hands over what became of the module's requests.
    pub fn on_outcomes(&self, outcomes: &[OutcomeView<'_>]) {
        self.object.on_outcomes(outcomes.into());
    }

    /// Hands over the end of a connection.
    pub fn on_flow_closed(&self, flow: u64) {
        self.object.on_flow_closed(flow);
    }

    /// Lets the module look again at what other programs may have changed.
    pub fn refresh(&self) {
        self.object.refresh();
    }

    /// Lets the module finish what was begun.
    pub fn drain(&self) {
        self.object.drain();
    }

    /// Joins the module's threads.
    pub fn stop(&self) {
        self.object.stop();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_macro_exports_the_name_that_is_looked_up() {
        assert!(include_str!("../declare.rs").contains(abi_stable::library::ROOT_MODULE_LOADER_NAME));
    }
}
