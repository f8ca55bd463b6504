//! Syntax tree to program: every name, arity, type and route kind is checked against what the modules declare.
//!
//! Nothing is looked up by name once a script runs, and nothing that could be told at load is told later. A module
//! that failed to load has its diagnostic already; what only follows from that is not told again.

/// Function calls and their arguments.
mod call;
/// Conditions, values, variables.
mod condition;
/// Module requirements and `modparam` lines.
mod modules;

use rustc_hash::FxHashMap;

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::suggestion::closest;

use super::ast::{Ast, Call, Expression, Operand, RawVariable, Route, Spanned, Statement};
use super::program::{self, Block, Condition, ParameterSetting, Program, RouteIndex, Step};
use super::value::Variable;
use super::vocabulary::{ModuleVocabulary, RouteKind, RouteKinds};

/// A file that was checked.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What `modparam` lines set, as far as they hold: checked, converted, the last one where a parameter is set twice.
    pub parameters: Vec<ParameterSetting>,
    /// What runs; `None` where the diagnostics hold an error, from here or from before.
    pub program: Option<Program>,
}

/// Checks a file and makes it a program.
///
/// `vocabularies` are those of the modules that are there; a function's index counts in them.
pub fn resolve(ast: &Ast, vocabularies: &[ModuleVocabulary], diagnostics: &mut Diagnostics) -> Resolved {
    let mut resolver = Resolver {
        ast,
        vocabularies,
        diagnostics,
        routes: FxHashMap::default(),
        current: 0,
        uses: Vec::new(),
        edges: Vec::new(),
        avp_names: Vec::new(),
    };
    resolver.check_requirements();
    let parameters = resolver.parameters();
    let main = resolver.name_routes();
    let routes = resolver.lower_routes();
    resolver.check_route_kinds();
    let avp_names = resolver.avp_names;
    let program = (!diagnostics.has_errors()).then_some(Program { main, routes, avp_names });
    Resolved { parameters, program }
}

struct Resolver<'r> {
    ast: &'r Ast,
    vocabularies: &'r [ModuleVocabulary],
    diagnostics: &'r mut Diagnostics,
    /// Request routes by name, as indices into the tree's routes.
    routes: FxHashMap<&'r str, RouteIndex>,
    /// The route being lowered.
    current: RouteIndex,
    /// Function calls that not every kind of route may make.
    uses: Vec<RestrictedUse<'r>>,
    /// Which route calls which.
    edges: Vec<(RouteIndex, RouteIndex)>,
    avp_names: Vec<Box<str>>,
}

/// A call that is checked once it is known what runs its route.
struct RestrictedUse<'r> {
    route: RouteIndex,
    function: &'r str,
    span: Span,
    allowed: RouteKinds,
}

impl<'r> Resolver<'r> {
    /// Enters the routes by name and returns the main one.
    fn name_routes(&mut self) -> Option<RouteIndex> {
        let ast = self.ast;
        let mut seen: FxHashMap<(RouteKind, Option<&str>), Span> = FxHashMap::default();
        let mut main = None;
        for (index, route) in ast.routes.iter().enumerate() {
            let name = route.name.as_ref().map(|name| name.node.as_str());
            if let Some(first) = seen.insert((route.kind, name), route.span) {
                let message = format!("`{}` stands here a second time", written(route.kind, name));
                let diagnostic = Diagnostic::error(route.span, message).related(first, "the first one");
                self.diagnostics.push(diagnostic.hint("give one of them another name, or join them"));
            }
            match (route.kind, name) {
                (RouteKind::Request, Some(name)) => drop(self.routes.insert(name, index)),
                (RouteKind::Request, None) => main = Some(index),
                (kind, _) => {
                    let message = format!("`{}` is checked and never runs: this host forwards nothing", kind.keyword());
                    self.diagnostics.push(Diagnostic::information(route.span, message));
                }
            }
        }
        if main.is_none() {
            let message = "there is no `route { … }`: every request gets the answer of the default rules";
            self.diagnostics.push(Diagnostic::information(self.ast.end, message).label("the file ends here"));
        }
        main
    }

    fn lower_routes(&mut self) -> Vec<Block> {
        let ast = self.ast;
        let lower = |(index, route): (usize, &'r Route)| {
            self.current = index;
            self.block(&route.body)
        };
        ast.routes.iter().enumerate().map(lower).collect()
    }

    fn block(&mut self, statements: &'r [Statement]) -> Block {
        statements.iter().filter_map(|statement| self.statement(statement)).collect()
    }

    /// Lowers a statement; `None` where it is mistaken, which is then told.
    fn statement(&mut self, statement: &'r Statement) -> Option<Step> {
        Some(match statement {
            Statement::Assign { target, value } => return self.assignment(target, value),
            Statement::Block(statements) => Step::Block(self.block(statements)),
            Statement::Call(call) if call.name.node == "route" => Step::Route(self.route_call(call)?),
            Statement::Call(call) => Step::Call(self.call(call)?),
            Statement::Drop => Step::Drop,
            Statement::Exit => Step::Exit,
            Statement::If { arms, otherwise } => {
                let lower =
                    |(condition, then): &'r (Expression, Vec<Statement>)| (self.condition(condition), self.block(then));
                let arms: Vec<(Option<Condition>, Block)> = arms.iter().map(lower).collect();
                let otherwise = self.block(otherwise);
                let arms = arms.into_iter().map(|(condition, then)| Some((condition?, then)));
                Step::If { arms: arms.collect::<Option<_>>()?, otherwise }
            }
            Statement::Return(None) => Step::Return(1),
            Statement::Return(Some(code)) => Step::Return(self.return_code(code)?),
        })
    }

    fn return_code(&mut self, code: &Spanned<i64>) -> Option<i32> {
        let narrow = i32::try_from(code.node);
        if narrow.is_err() {
            let message = format!("{} does not fit into a return code", code.node);
            self.diagnostics.push(Diagnostic::error(code.span, message).label("expected a number of 32 bits"));
        }
        narrow.ok()
    }

    fn assignment(&mut self, target: &Spanned<RawVariable>, value: &Spanned<Operand>) -> Option<Step> {
        let resolved = self.variable(target);
        let value_node = self.assigned_value(value);
        match resolved? {
            program::Operand::Avp(name) => Some(Step::AssignAvp { name, value: value_node? }),
            program::Operand::Variable(Variable::RequestUri) => match value_node? {
                program::Operand::Integer(_) => {
                    let diagnostic = Diagnostic::error(value.span, "a number is no Request-URI");
                    self.diagnostics.push(diagnostic.label("expected a text, as in `\"sip:$rU@example.com\"`"));
                    None
                }
                value => Some(Step::AssignRequestUri(value)),
            },
            _ => {
                let message = format!("`${}` cannot be assigned", target.node.name);
                let diagnostic = Diagnostic::error(target.span, message).label("expected `$ru` or an AVP");
                self.diagnostics
                    .push(diagnostic.hint("the Request-URI is written whole: `$ru = \"sip:$rU@example.com\";`"));
                None
            }
        }
    }

    /// Resolves `route(NAME)`.
    fn route_call(&mut self, call: &'r Call) -> Option<RouteIndex> {
        let name = match call.arguments.as_slice() {
            [Spanned { node: Operand::Word(name) | Operand::Text(name), .. }] => name.clone(),
            [Spanned { node: Operand::Integer(number), .. }] => number.to_string(),
            _ => {
                let diagnostic = Diagnostic::error(call.span, "`route` takes the name of one route");
                self.diagnostics.push(diagnostic.label("expected `route(NAME)`"));
                return None;
            }
        };
        let Some(&index) = self.routes.get(name.as_str()) else {
            let suggestion = closest(&name, self.routes.keys().copied());
            let diagnostic = Diagnostic::error(call.arguments[0].span, format!("there is no `route[{name}]`"))
                .label("expected the name of a route");
            let diagnostic = match suggestion {
                Some(_) => diagnostic.did_you_mean(suggestion),
                None => diagnostic.hint(format!("add `route[{name}] {{ … }}`")),
            };
            self.diagnostics.push(diagnostic);
            return None;
        };
        self.edges.push((self.current, index));
        Some(index)
    }

    /// Refuses functions in routes that they may not be called from, directly or through `route(NAME)`.
    fn check_route_kinds(&mut self) {
        let kinds = self.kinds_by_route();
        for restricted in &self.uses {
            let Some(kind) = kinds[restricted.route].iter().find(|kind| !restricted.allowed.contains(*kind)) else {
                continue;
            };
            let allowed: Vec<String> = restricted.allowed.iter().map(|kind| format!("`{}`", kind.keyword())).collect();
            let message = format!("`{}` cannot be called from a `{}`", restricted.function, kind.keyword());
            let diagnostic = Diagnostic::error(restricted.span, message)
                .label(format!("expected in {} only", allowed.join(" and ")));
            let route = &self.ast.routes[restricted.route];
            let diagnostic = match &route.name {
                Some(name) if route.kind != kind => {
                    let hint = format!("a `{}` calls `route({})`", kind.keyword(), name.node);
                    diagnostic.related(route.span, hint)
                }
                _ => diagnostic,
            };
            self.diagnostics.push(diagnostic);
        }
    }

    /// Returns what runs each route: its own kind, or for a named `route` the kinds of those that call it.
    fn kinds_by_route(&self) -> Vec<RouteKinds> {
        let own = |route: &Route| match (route.kind, &route.name) {
            (RouteKind::Request, Some(_)) => RouteKinds::NONE,
            (kind, _) => RouteKinds::of(kind),
        };
        let mut kinds: Vec<RouteKinds> = self.ast.routes.iter().map(own).collect();
        let mut changed = true;
        while changed {
            changed = false;
            for (caller, called) in &self.edges {
                let joined = kinds[*called] | kinds[*caller];
                changed |= joined != kinds[*called];
                kinds[*called] = joined;
            }
        }
        kinds.iter_mut().filter(|kinds| **kinds == RouteKinds::NONE).for_each(|kinds| *kinds = RouteKinds::REQUEST);
        kinds
    }

    /// Tells whether a `loadmodule` line brought nothing: then an unknown name may well be that module's.
    fn has_failed_modules(&self) -> bool {
        self.ast.modules.iter().any(|line| self.is_failed(line.module_name()))
    }

    /// Tells whether a module has a `loadmodule` line and yet is not there.
    fn is_failed(&self, module: &str) -> bool {
        let named = self.ast.modules.iter().filter(|line| line.module_name() == module);
        let is_there = |span: Span| self.vocabularies.iter().any(|vocabulary| vocabulary.loaded_at == Some(span));
        named.into_iter().any(|line| !is_there(line.span)) && !self.vocabularies.iter().any(|v| v.name == module)
    }
}

/// Writes a route's head as the file does.
fn written(kind: RouteKind, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{}[{name}]", kind.keyword()),
        None => kind.keyword().to_owned(),
    }
}
