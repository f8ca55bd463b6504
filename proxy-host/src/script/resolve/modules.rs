//! Module requirements and `modparam` lines, checked against what the modules declare.

use crate::diagnostic::{Diagnostic, Span};
use crate::script::ast::{ModuleParameterLine, Spanned};
use crate::script::program::ParameterSetting;
use crate::script::value::{Value, parse_integer};
use crate::script::vocabulary::{ModuleParameter, ModuleParameterKind, ModuleVocabulary};
use crate::suggestion::closest;

use super::Resolver;

impl<'r> Resolver<'r> {
    /// Refuses a module whose requirements are not loaded before it.
    pub(super) fn check_requirements(&mut self) {
        for vocabulary in self.vocabularies {
            let Some(line) = vocabulary.loaded_at else { continue };
            for required in &vocabulary.requires {
                if self.is_loaded_before(required, line) || self.is_failed(required) {
                    continue;
                }
                let message = format!("module `{}` needs `{required}`, which is not loaded before it", vocabulary.name);
                let diagnostic = Diagnostic::error(line, message).label(format!("expected `{required}` above this"));
                self.diagnostics.push(diagnostic.hint(self.loading_hint(required, line)));
            }
        }
    }

    /// Checks the `modparam` lines and converts their values; where one is set twice, the last counts.
    pub(super) fn parameters(&mut self) -> Vec<ParameterSetting> {
        let ast = self.ast;
        let mut settings: Vec<ParameterSetting> = Vec::new();
        for line in &ast.parameters {
            for module in line.modules.node.split('|').map(str::trim) {
                let Some(setting) = self.parameter(module, line) else { continue };
                let earlier = settings.iter().position(|e| e.module == setting.module && e.name == setting.name);
                if let Some(earlier) = earlier {
                    let earlier = settings.remove(earlier);
                    let message = format!("`{}` is set a second time: this line counts", setting.name);
                    let diagnostic = Diagnostic::information(line.name.span, message);
                    self.diagnostics.push(diagnostic.related(earlier.span, "set here first"));
                }
                settings.push(setting);
            }
        }
        settings
    }

    fn parameter(&mut self, module: &str, line: &ModuleParameterLine) -> Option<ParameterSetting> {
        let vocabulary = self.module_of(module, line)?;
        if vocabulary.ignored {
            let message = format!("module `{module}` does nothing here, and its parameters neither");
            self.diagnostics.push(Diagnostic::information(line.modules.span.to(line.value.span), message));
            return None;
        }
        if vocabulary.ignored_parameters.contains(&line.name.node) {
            let message = format!("`{}` of module `{module}` means nothing here", line.name.node);
            self.diagnostics.push(Diagnostic::information(line.name.span.to(line.value.span), message));
            return None;
        }
        let Some(parameter) = vocabulary.parameters.iter().find(|known| known.name == line.name.node) else {
            let names = vocabulary.parameters.iter().map(|known| known.name.as_str());
            self.unknown_parameter(module, &line.name, names);
            return None;
        };
        let value = self.parameter_value(parameter, &line.value)?;
        Some(ParameterSetting { module: module.to_owned(), name: parameter.name.clone(), value, span: line.value.span })
    }

    /// Finds the module a line sets a parameter of, loaded above it.
    fn module_of(&mut self, module: &str, line: &ModuleParameterLine) -> Option<&'r ModuleVocabulary> {
        if self.is_loaded_before(module, line.modules.span) {
            return self.vocabularies.iter().find(|vocabulary| vocabulary.name == module);
        }
        if self.is_failed(module) {
            return None;
        }
        let names = self.vocabularies.iter().map(|vocabulary| vocabulary.name.as_str()).filter(|name| *name != module);
        let diagnostic =
            Diagnostic::error(line.modules.span, format!("module `{module}` is not loaded above this line"));
        let diagnostic = diagnostic.label("expected a module that is loaded above");
        let diagnostic = match closest(module, names) {
            Some(near) => diagnostic.did_you_mean(Some(near)),
            None => diagnostic.hint(self.loading_hint(module, line.modules.span)),
        };
        self.diagnostics.push(diagnostic);
        None
    }

    fn unknown_parameter<'n>(
        &mut self,
        module: &str,
        name: &Spanned<String>,
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        let message = format!("module `{module}` has no parameter `{}`", name.node);
        let mut diagnostic = Diagnostic::error(name.span, message);
        diagnostic = match closest(&name.node, known.clone()) {
            Some(near) => diagnostic.label("expected the name of a parameter").did_you_mean(Some(near)),
            None => match known.collect::<Vec<_>>() {
                names if names.is_empty() => diagnostic.label("expected nothing: the module has no parameters"),
                names => diagnostic.label(format!("expected one of {}", names.join(", "))),
            },
        };
        self.diagnostics.push(diagnostic);
    }

    /// Converts a value to the kind the module declares, inside its range.
    fn parameter_value(&mut self, parameter: &ModuleParameter, value: &Spanned<Value>) -> Option<Value> {
        let number = match (&value.node, parameter.kind) {
            (Value::Text(text), ModuleParameterKind::Text) => return Some(Value::Text(text.clone())),
            (Value::Integer(number), ModuleParameterKind::Text) => return Some(Value::Text(number.to_string())),
            (Value::Integer(number), ModuleParameterKind::Integer) => Some(*number),
            (Value::Text(text), ModuleParameterKind::Integer) => parse_integer(text.trim()),
        };
        let expected = format!("expected {} (default {})", range(parameter), parameter.default);
        let Some(number) = number else {
            let message = format!("`{}` is a number, {} is none", parameter.name, value.node);
            self.diagnostics.push(Diagnostic::error(value.span, message).label(expected));
            return None;
        };
        let is_inside = parameter.minimum.is_none_or(|minimum| number >= minimum)
            && parameter.maximum.is_none_or(|maximum| number <= maximum);
        if !is_inside {
            let message = format!("{number} is out of range for `{}`", parameter.name);
            self.diagnostics.push(Diagnostic::error(value.span, message).label(expected));
            return None;
        }
        Some(Value::Integer(number))
    }

    fn is_loaded_before(&self, module: &str, place: Span) -> bool {
        let named = |vocabulary: &&ModuleVocabulary| vocabulary.name == module;
        let mut named = self.vocabularies.iter().filter(named);
        named.any(|vocabulary| vocabulary.loaded_at.is_none_or(|line| line.start < place.start))
    }

    /// Says which line to add, or to move, so that `module` is there at `place`.
    fn loading_hint(&self, module: &str, place: Span) -> String {
        let line = self.ast.line(place);
        let loaded_later = self.vocabularies.iter().find(|known| known.name == module).and_then(|v| v.loaded_at);
        match loaded_later {
            Some(later) => format!("move line {} (`loadmodule`, `{module}`) above line {line}", self.ast.line(later)),
            None => format!("add `loadmodule \"{module}.so\"` above line {line}"),
        }
    }
}

/// Says in words which numbers a parameter takes.
fn range(parameter: &ModuleParameter) -> String {
    match (parameter.minimum, parameter.maximum) {
        (Some(minimum), Some(maximum)) => format!("a number from {minimum} to {maximum}"),
        (Some(minimum), None) => format!("a number from {minimum} up"),
        (None, Some(maximum)) => format!("a number up to {maximum}"),
        (None, None) => "a number".to_owned(),
    }
}
