//! A configuration that holds: its modules loaded, its script checked, every parameter with its effective value.
//!
//! Nothing is started here. All mistakes of a file are found in one run.

use std::path::PathBuf;

use module_api::abi::{LoadedModule, ParameterProblem, ParameterSetting, WireDeclaration};

use crate::builtin::{self, Builtin};
use crate::config::Settings;
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use crate::modules::{library, vocabulary};
use crate::script::ast::LoadModule;
use crate::script::value::Value;
use crate::script::vocabulary::ModuleVocabulary;
use crate::script::{self, Program};
use crate::user_agent::to_tag;

/// Where a function index of the program leads.
pub(crate) enum Callable {
    /// A function of the host's own.
    Builtin(Builtin),
    /// A function of a loaded module.
    Module {
        /// The module's number.
        number: usize,
        /// The function's place in its declaration.
        function: u32,
        /// Whether it answers through a transaction.
        needs_transaction: bool,
    },
}

/// Everything a start needs.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) program: Program,
    pub(crate) callables: Vec<Vec<Callable>>,
    pub(crate) modules: Vec<PlannedModule>,
    /// The integer AVP that holds To-tags.
    pub(crate) to_tag_avp: i32,
}

impl Plan {
    /// Lets modules take what another server holds: sets their parameter `take_over`. Returns whether one has it.
    pub(crate) fn take_over(&mut self) -> bool {
        let settings = self.modules.iter_mut().flat_map(|module| &mut module.settings);
        let mut meant = settings.filter(|setting| setting.name == TAKE_OVER).peekable();
        let is_meant = meant.peek().is_some();
        meant.for_each(|setting| (setting.text, setting.integer) = ("1".into(), 1));
        is_meant
    }
}

/// The parameter of modules that own something only one server may.
const TAKE_OVER: &str = "take_over";

/// A module that is loaded and not started.
pub(crate) struct PlannedModule {
    pub(crate) module: LoadedModule,
    pub(crate) declaration: WireDeclaration,
    pub(crate) version: String,
    pub(crate) settings: Vec<ParameterSetting>,
    path: PathBuf,
    /// Where the file loads it.
    pub(crate) loaded_at: Span,
}

/// Finds the module that a `loadmodule` line names, in these directories.
pub(crate) type Find = fn(&str, &[PathBuf]) -> Result<library::Found, library::NotLoaded>;

/// Reads a configuration; `None` if it holds a mistake. What there is to say is in the diagnostics either way.
pub(crate) fn plan(source: &Source, module_paths: &[PathBuf], find: Find) -> (Option<Plan>, Diagnostics) {
    let (ast, mut diagnostics) = script::parse(source);
    let settings = Settings::read(&ast, &mut diagnostics);
    let mut loader = Loader::default();
    let directories: Vec<_> = module_paths.iter().chain(&settings.module_paths).cloned().collect();
    for line in &ast.modules {
        loader.load(line, &directories, find, &mut diagnostics);
    }
    let resolved = script::resolve(&ast, &loader.vocabularies, &mut diagnostics);
    // Modules are asked about their parameters whatever else is wrong: all mistakes are shown in one run.
    let to_tag_avp = loader.set_parameters(&resolved.parameters, &mut diagnostics);
    let plan = resolved.program.filter(|_| !diagnostics.has_errors()).map(|program| Plan {
        settings,
        program,
        callables: loader.callables,
        modules: loader.modules,
        to_tag_avp,
    });
    (plan, diagnostics)
}

#[derive(Default)]
struct Loader {
    vocabularies: Vec<ModuleVocabulary>,
    callables: Vec<Vec<Callable>>,
    modules: Vec<PlannedModule>,
}

impl Loader {
    fn load(&mut self, line: &LoadModule, directories: &[PathBuf], find: Find, diagnostics: &mut Diagnostics) {
        let name = line.module_name();
        if self.vocabularies.iter().any(|known| known.name == name) {
            let message = format!("`{name}` is loaded already; this line does nothing");
            return diagnostics.push(Diagnostic::information(line.span, message));
        }
        if let Some((vocabulary, run)) = builtin::builtin(name, line.span) {
            self.vocabularies.push(vocabulary);
            return self.callables.push(run.into_iter().map(Callable::Builtin).collect());
        }
        if builtin::is_without_effect(name) {
            let message = format!("`{name}` is accepted and does nothing here");
            diagnostics.push(Diagnostic::information(line.span, message));
            self.callables.push(Vec::new());
            let (name, loaded_at) = (name.into(), Some(line.span));
            return self.vocabularies.push(ModuleVocabulary { name, loaded_at, ignored: true, ..Default::default() });
        }
        match find(&line.path, directories) {
            Ok(found) => self.take_in(found, line, diagnostics),
            Err(refusal) => diagnostics.push(Diagnostic::error(line.span, refusal.to_string())),
        }
    }

    fn take_in(&mut self, found: library::Found, line: &LoadModule, diagnostics: &mut Diagnostics) {
        let declaration = found.module.declaration();
        if let Some(other) = self.modules.iter().find(|module| module.declaration.name == declaration.name) {
            let message = format!("a module `{}` is loaded already, from {}", declaration.name, other.path.display());
            return diagnostics.push(Diagnostic::error(line.span, message));
        }
        let number = self.modules.len();
        let callable = |(function, wire): (usize, &module_api::abi::WireFunction)| Callable::Module {
            number,
            function: function as u32,
            needs_transaction: wire.needs_transaction != 0,
        };
        self.callables.push(declaration.functions.iter().enumerate().map(callable).collect());
        self.vocabularies.push(vocabulary::vocabulary(&declaration, line.span));
        self.modules.push(PlannedModule {
            module: found.module,
            declaration,
            version: found.version,
            settings: Vec::new(),
            path: found.path,
            loaded_at: line.span,
        });
    }

    /// Gives every module its parameters, asks it about them, and returns the AVP of To-tags.
    fn set_parameters(&mut self, set: &[script::ParameterSetting], diagnostics: &mut Diagnostics) -> i32 {
        let to_tag_avp = to_tag_avp(set, diagnostics);
        for module in &mut self.modules {
            module.settings = vocabulary::settings(&module.declaration, set);
            for setting in &mut module.settings {
                if setting.name.as_str() == to_tag::PARAMETER {
                    (setting.integer, setting.text) = (to_tag_avp, to_tag_avp.to_string().into());
                }
            }
            for problem in module.module.check(&module.settings) {
                diagnostics.push(complaint(module, &problem, set));
            }
        }
        i32::try_from(to_tag_avp).unwrap_or(i32::MAX)
    }
}

/// Returns the AVP that holds To-tags: set on one side, the others follow; two explicit different values are a mistake,
/// because every refresh of a subscription would then meet a tag nobody knows.
fn to_tag_avp(set: &[script::ParameterSetting], diagnostics: &mut Diagnostics) -> i64 {
    let mut set = set.iter().filter(|setting| setting.name == to_tag::PARAMETER);
    let number = |value: &Value| match value {
        Value::Integer(number) => *number,
        Value::Text(_) => to_tag::DEFAULT_AVP,
    };
    let Some(first) = set.next() else { return to_tag::DEFAULT_AVP };
    for other in set.filter(|other| number(&other.value) != number(&first.value)) {
        let message = format!("`{}` must be the same for `{}` and `{}`", to_tag::PARAMETER, first.module, other.module);
        let here = format!("{} here", other.value);
        let there = format!("{} here", first.value);
        diagnostics.push(Diagnostic::error(other.span, message).label(here).related(first.span, there));
    }
    number(&first.value)
}

/// Shows a module's complaint at the line that set the parameter, or at the line that loaded the module.
fn complaint(module: &PlannedModule, problem: &ParameterProblem, set: &[script::ParameterSetting]) -> Diagnostic {
    let is_it = |setting: &&script::ParameterSetting| {
        setting.module == *module.declaration.name && setting.name == *problem.name
    };
    let span = set.iter().find(is_it).map_or(module.loaded_at, |setting| setting.span);
    let message = format!("`{}` of `{}`: {}", problem.name, module.declaration.name, problem.message);
    Diagnostic::error(span, message).label(format!("expected {}", problem.expected))
}
