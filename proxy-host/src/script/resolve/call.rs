//! Function calls: which function, how many arguments, of which kind.

use crate::diagnostic::{Diagnostic, Span};
use crate::script::ast::{Call, Operand, Spanned};
use crate::script::program::{self, CallArgument, Piece};
use crate::script::value::{MethodList, parse_integer};
use crate::script::vocabulary::{FunctionIndex, FunctionSignature, ParameterKind, RouteKinds, home_of};
use crate::suggestion::closest;

use super::{Resolver, RestrictedUse};

impl<'r> Resolver<'r> {
    /// Resolves a call of a function.
    pub(super) fn call(&mut self, call: &'r Call) -> Option<program::Call> {
        let name = call.name.node.as_str();
        let named: Vec<(FunctionIndex, &FunctionSignature)> = self.functions_named(name).collect();
        if named.is_empty() {
            self.unknown_function(&call.name);
            return None;
        }
        let given = call.arguments.len();
        let fits = |signature: &FunctionSignature| {
            given <= signature.parameters.len() && given + signature.optional >= signature.parameters.len()
        };
        let Some(&(function, signature)) = named.iter().find(|(_, signature)| fits(signature)) else {
            let forms: Vec<String> = named.iter().map(|(_, signature)| written(signature)).collect();
            let message = format!("`{name}` is called with {}", counted(given));
            self.diagnostics
                .push(Diagnostic::error(call.span, message).label(format!("expected {}", forms.join(" or "))));
            return None;
        };
        if signature.routes != RouteKinds::ALL {
            let (span, allowed) = (call.name.span, signature.routes);
            self.uses.push(RestrictedUse { route: self.current, function: name, span, allowed });
        }
        let pairs = call.arguments.iter().zip(&signature.parameters).enumerate();
        let arguments: Vec<Option<CallArgument>> =
            pairs.map(|(at, (argument, kind))| self.argument(name, at + 1, argument, kind)).collect();
        Some(program::Call { function, arguments: arguments.into_iter().collect::<Option<_>>()? })
    }

    fn functions_named<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = (FunctionIndex, &'r FunctionSignature)> + use<'r, 'n> {
        let modules = self.vocabularies.iter().zip(0u16..);
        modules.flat_map(move |(vocabulary, module)| {
            let named = vocabulary.functions.iter().zip(0u16..).filter(move |(signature, _)| signature.name == name);
            named.map(move |(signature, function)| (FunctionIndex { module, function }, signature))
        })
    }

    fn unknown_function(&mut self, name: &Spanned<String>) {
        let home = home_of(&name.node);
        let module_failed = match home {
            Some(module) => self.is_failed(module),
            None => self.has_failed_modules(),
        };
        if module_failed {
            return;
        }
        let known = self.vocabularies.iter().flat_map(|vocabulary| &vocabulary.functions);
        let known = known.map(|signature| signature.name.as_str()).chain(["route", "if"]);
        let diagnostic = Diagnostic::error(name.span, format!("unknown function `{}`", name.node));
        self.diagnostics.push(match (home, closest(&name.node, known)) {
            (Some(module), _) => diagnostic
                .label(format!("module `{module}` has it, and is not loaded"))
                .hint(format!("add `loadmodule \"{module}.so\"`")),
            (None, Some(near)) => diagnostic.label("expected the name of a function").did_you_mean(Some(near)),
            (None, None) => diagnostic.label("no loaded module has a function of this name"),
        });
    }

    fn argument(
        &mut self,
        function: &str,
        position: usize,
        argument: &Spanned<Operand>,
        kind: &ParameterKind,
    ) -> Option<CallArgument> {
        let span = argument.span;
        if let Operand::Word(word) = &argument.node {
            let message = format!("`{word}` is no value");
            let diagnostic =
                Diagnostic::error(span, message).label("expected a number, a text in quotes or a variable");
            self.diagnostics.push(diagnostic.hint(format!("write `\"{word}\"`")));
            return None;
        }
        let lowered = match (kind, &argument.node) {
            (ParameterKind::Choice(choices), Operand::Text(text)) if choices.contains(text) => {
                Some(CallArgument::Text(text.as_bytes().into()))
            }
            (ParameterKind::Format, Operand::Text(text)) => return self.format_argument(text, span),
            (ParameterKind::Format, Operand::Variable(variable)) => {
                let value = self.variable(&Spanned { node: variable.clone(), span })?;
                Some(CallArgument::Format(vec![Piece::Value(value)]))
            }
            (ParameterKind::Integer { minimum, maximum }, node) => {
                let inside = |number: &i64| (*minimum..=*maximum).contains(number);
                integer(node).filter(inside).map(CallArgument::Integer)
            }
            (ParameterKind::MethodList, Operand::Text(text)) => MethodList::parse(text).map(|methods| {
                methods.iter().for_each(|method| self.check_method(method, span));
                CallArgument::Methods(methods)
            }),
            (ParameterKind::Text, Operand::Text(text)) => Some(CallArgument::Text(text.as_bytes().into())),
            (ParameterKind::Format | ParameterKind::Text, Operand::Integer(number)) => {
                Some(CallArgument::Text(number.to_string().into_bytes().into()))
            }
            _ => None,
        };
        if lowered.is_none() {
            self.diagnostics.push(wrong_argument(function, position, argument, kind));
        }
        lowered
    }

    fn format_argument(&mut self, text: &str, span: Span) -> Option<CallArgument> {
        match self.format(text, span)? {
            program::Operand::Format(pieces) => Some(CallArgument::Format(pieces)),
            program::Operand::Text(text) => Some(CallArgument::Text(text)),
            _ => None,
        }
    }
}

fn wrong_argument(function: &str, position: usize, argument: &Spanned<Operand>, kind: &ParameterKind) -> Diagnostic {
    let expected = match kind {
        ParameterKind::Choice(choices) => format!("one of {}", choices.join(", ")),
        ParameterKind::Format => "a text".to_owned(),
        ParameterKind::Integer { minimum: i64::MIN, maximum: i64::MAX } => "a number".to_owned(),
        ParameterKind::Integer { minimum, maximum } => format!("a number from {minimum} to {maximum}"),
        ParameterKind::MethodList => "methods, as in `\"PUBLISH|SUBSCRIBE\"`".to_owned(),
        ParameterKind::Text => "a text without variables".to_owned(),
    };
    let suggestion = match (kind, &argument.node) {
        (ParameterKind::Choice(choices), Operand::Text(text)) => closest(text, choices.iter().map(String::as_str)),
        _ => None,
    };
    Diagnostic::error(argument.span, format!("argument {position} of `{function}` must be {expected}"))
        .label(format!("expected {expected}"))
        .did_you_mean(suggestion)
}

/// Reads a number, quoted or not.
fn integer(operand: &Operand) -> Option<i64> {
    match operand {
        Operand::Integer(number) => Some(*number),
        Operand::Text(text) => parse_integer(text.trim()),
        Operand::Variable(_) | Operand::Word(_) => None,
    }
}

fn counted(arguments: usize) -> String {
    match arguments {
        0 => "no argument".to_owned(),
        1 => "1 argument".to_owned(),
        many => format!("{many} arguments"),
    }
}

/// Writes a function as an operator would call it.
fn written(signature: &FunctionSignature) -> String {
    let kinds = signature.parameters.iter().map(|kind| match kind {
        ParameterKind::Choice(_) => "choice",
        ParameterKind::Format | ParameterKind::Text => "text",
        ParameterKind::Integer { .. } => "number",
        ParameterKind::MethodList => "methods",
    });
    let kinds: Vec<&str> = kinds.collect();
    let (always, optional) = kinds.split_at(kinds.len().saturating_sub(signature.optional));
    let optional: String = optional.iter().map(|kind| format!("[, {kind}]")).collect();
    format!("`{}({}{optional})`", signature.name, always.join(", "))
}
