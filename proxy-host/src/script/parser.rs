//! Tokens to syntax tree: the top level of a file.
//!
//! Recursive descent with recovery: a mistake is reported where it stands, the parser goes on at the next statement
//! or line, and so all mistakes of a file come out of one run. Nesting is bounded, so a hostile file ends in a
//! diagnostic and not in the stack.

/// Looking at tokens, taking them, going on after a mistake.
mod cursor;
/// Conditions and the values in them.
mod expression;
/// Statements and blocks.
mod statement;

use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use crate::suggestion::closest;

use super::ast::{Ast, LoadModule, ModuleParameterLine, Operand, Route, Setting, Spanned};
use super::lexer::TokenKind;
use super::setting_names;
use super::value::{Value, parse_integer};
use super::vocabulary::RouteKind;
use cursor::{Cursor, Reported};

/// Reads a whole file; what could not be read is in the diagnostics and left out of the tree.
pub fn parse(source: &Source) -> (Ast, Diagnostics) {
    let text = source.text();
    let mut diagnostics = Diagnostics::default();
    let line_starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
    let mut ast = Ast { line_starts, ..Ast::default() };
    let mut cursor = Cursor::new(text, &mut diagnostics);
    while !cursor.at_end() {
        if let Err(Reported) = item(&mut cursor, &mut ast) {
            cursor.skip_to_item();
        }
    }
    ast.end = cursor.last_span().behind();
    (ast, diagnostics)
}

/// One setting, module line or route.
fn item(cursor: &mut Cursor<'_>, ast: &mut Ast) -> Result<(), Reported> {
    if cursor.eat(";").is_some() {
        return Ok(());
    }
    if let Some(span) = cursor.eat("}") {
        cursor.report(Diagnostic::error(span, "this `}` closes nothing").hint("remove it"));
        return Ok(());
    }
    let word = cursor.peek();
    if word.kind != TokenKind::Word {
        return Err(cursor.expected("a setting, `loadmodule`, `modparam` or `route`"));
    }
    match cursor.text(word) {
        "loadmodule" => ast.modules.push(load_module(cursor)?),
        "modparam" => ast.parameters.push(module_parameter(cursor)?),
        name => match RouteKind::ALL.into_iter().find(|kind| kind.keyword() == name) {
            Some(kind) => ast.routes.push(route(cursor, kind)?),
            None => ast.settings.push(setting(cursor)?),
        },
    }
    Ok(())
}

/// `loadmodule "presence.so"`
fn load_module(cursor: &mut Cursor<'_>) -> Result<LoadModule, Reported> {
    let start = cursor.bump();
    let (path, span) = cursor.expect_text("the module's file, as in `loadmodule \"sl.so\"`")?;
    cursor.eat(";");
    Ok(LoadModule { path, span: start.span.to(span) })
}

/// `modparam("presence", "clean_period", 100)`
fn module_parameter(cursor: &mut Cursor<'_>) -> Result<ModuleParameterLine, Reported> {
    const EXAMPLE: &str = "as in `modparam(\"module\", \"name\", value)`";
    cursor.bump();
    cursor.expect("(", "after `modparam`")?;
    let (modules, modules_span) = cursor.expect_text(&format!("the module's name in quotes, {EXAMPLE}"))?;
    cursor.expect(",", "between module and parameter")?;
    let (name, name_span) = cursor.expect_text(&format!("the parameter's name in quotes, {EXAMPLE}"))?;
    cursor.expect(",", "between parameter and value")?;
    let value = match expression::operand(cursor) {
        Ok(Spanned { node: Operand::Integer(number), span }) => Spanned { node: Value::Integer(number), span },
        Ok(Spanned { node: Operand::Text(text), span }) => Spanned { node: Value::Text(text), span },
        Ok(Spanned { span, .. }) => {
            let diagnostic = Diagnostic::error(span, "this is no value").label("expected a number or a text in quotes");
            return Err(cursor.report(diagnostic.hint(EXAMPLE)));
        }
        Err(Reported) => return Err(Reported),
    };
    cursor.expect(")", "after the value")?;
    cursor.eat(";");
    Ok(ModuleParameterLine {
        modules: Spanned { node: modules, span: modules_span },
        name: Spanned { node: name, span: name_span },
        value,
    })
}

/// `route { … }`, `route[NAME] { … }`
fn route(cursor: &mut Cursor<'_>, kind: RouteKind) -> Result<Route, Reported> {
    let start = cursor.bump();
    let mut span = start.span;
    let mut name = None;
    if cursor.eat("[").is_some() {
        let token = cursor.peek();
        let text = match token.kind {
            TokenKind::Word => cursor.text(token).to_owned(),
            TokenKind::Number if parse_integer(cursor.text(token)).is_some() => cursor.text(token).to_owned(),
            TokenKind::Text => super::lexer::unquote(cursor.text(token)),
            _ => return Err(cursor.expected("the name or number of the route")),
        };
        cursor.bump();
        // OpenSER knows the main route as number 0, too.
        let is_main = kind == RouteKind::Request && text == "0";
        name = (!is_main).then_some(Spanned { node: text, span: token.span });
        span = start.span.to(cursor.expect("]", "after the route's name")?);
    }
    let body = statement::required_block(cursor, "the body of the route")?;
    Ok(Route { kind, name, body, span })
}

/// `name=value …`, up to the end of its line.
fn setting(cursor: &mut Cursor<'_>) -> Result<Setting, Reported> {
    let word = cursor.bump();
    let name = cursor.text(word).to_owned();
    if cursor.eat("=").is_none() {
        return Err(unknown_item(cursor, &name, word.span));
    }
    let mut values = Vec::new();
    while let Some(value) = setting_value(cursor) {
        values.push(value);
    }
    if values.is_empty() {
        return Err(cursor.expected_behind(&format!("a value for `{name}`")));
    }
    cursor.eat(";");
    Ok(Setting { name: Spanned { node: name, span: word.span }, values })
}

/// A string, or a run of tokens that touch each other, on the line of the setting.
fn setting_value(cursor: &mut Cursor<'_>) -> Option<Spanned<String>> {
    let first = cursor.peek();
    if first.first_on_line || matches!(cursor.text(first), ";" | "}" | "{") {
        return None;
    }
    cursor.bump();
    if first.kind == TokenKind::Text {
        return Some(Spanned { node: super::lexer::unquote(cursor.text(first)), span: first.span });
    }
    let mut span = first.span;
    while cursor.peek().span.start == span.end && !cursor.at_end() && !cursor.at(";") {
        span = span.to(cursor.bump().span);
    }
    Some(Spanned { node: cursor.slice(span).to_owned(), span })
}

/// Reports a word that begins nothing.
fn unknown_item(cursor: &mut Cursor<'_>, name: &str, span: Span) -> Reported {
    let keywords = RouteKind::ALL.into_iter().map(RouteKind::keyword).chain(["loadmodule", "modparam"]);
    let settings = setting_names::all();
    let diagnostic = match closest(name, keywords.chain(settings)) {
        Some(near) => Diagnostic::error(span, format!("unknown word `{name}`")).did_you_mean(Some(near)),
        None if ["if", "exit", "drop", "return", "else"].contains(&name) || cursor.at("(") => {
            Diagnostic::error(span, format!("`{name}` stands outside of any route"))
                .hint("statements stand between the braces of `route { … }`")
        }
        None => Diagnostic::error(span, format!("unknown word `{name}`")).hint("a setting is written `name=value`"),
    };
    cursor.report(diagnostic.label("expected a setting, `loadmodule`, `modparam` or `route`"))
}
