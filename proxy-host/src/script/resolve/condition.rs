//! Conditions and the values in them: variables, keywords, texts with variables, patterns.

use regex::bytes::RegexBuilder;

use crate::diagnostic::{Diagnostic, Span};
use crate::script::ast::{Expression, Operand, Operator, RawVariable, Spanned};
use crate::script::program::{self, Comparison, Condition, Piece};
use crate::script::template::{RawPiece, pieces};
use crate::script::value::{AvpName, KEYWORDS, METHODS, MethodList, VARIABLES, Variable, parse_integer};
use crate::suggestion::closest;

use super::Resolver;

/// How much memory a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

impl<'r> Resolver<'r> {
    /// Lowers a condition; `None` where it is mistaken, which is then told.
    pub(super) fn condition(&mut self, expression: &'r Expression) -> Option<Condition> {
        Some(match expression {
            Expression::And(parts) => Condition::And(self.conditions(parts)?),
            Expression::Call(call) if call.name.node == "route" => Condition::Route(self.route_call(call)?),
            Expression::Call(call) => Condition::Call(self.call(call)?),
            Expression::Compare { left, operator, right } => return self.comparison(left, operator, right),
            Expression::Mistaken => return None,
            Expression::Not(inner) => Condition::Not(Box::new(self.condition(inner)?)),
            Expression::Or(parts) => Condition::Or(self.conditions(parts)?),
            Expression::Truth(value) => Condition::Truth(self.value(value)?),
        })
    }

    /// Resolves a variable.
    pub(super) fn variable(&mut self, variable: &Spanned<RawVariable>) -> Option<program::Operand> {
        let resolved = self.named_variable(&variable.node.name, variable.node.argument.as_deref());
        match resolved {
            Ok(operand) => Some(operand),
            Err(expected) => {
                let message = format!("unknown variable `${}`", variable.node.name);
                self.diagnostics.push(Diagnostic::error(variable.span, message).label(format!("expected {expected}")));
                None
            }
        }
    }

    /// Lowers a value that is assigned: texts may hold variables.
    pub(super) fn assigned_value(&mut self, value: &Spanned<Operand>) -> Option<program::Operand> {
        match &value.node {
            Operand::Text(text) => self.format(text, value.span),
            Operand::Word(word) => {
                let diagnostic = Diagnostic::error(value.span, format!("`{word}` is no value"));
                self.diagnostics.push(diagnostic.hint(format!("write `\"{word}\"`")));
                None
            }
            Operand::Integer(_) | Operand::Variable(_) => self.value(value),
        }
    }

    /// Reads a text with variables; without any it stays a plain text.
    pub(super) fn format(&mut self, text: &str, span: Span) -> Option<program::Operand> {
        let mut lowered = Vec::new();
        let mut plain = String::new();
        let mut is_sound = true;
        for piece in pieces(text) {
            match piece {
                RawPiece::Literal(literal) => plain.push_str(literal),
                RawPiece::StrayDollar => {
                    let diagnostic = Diagnostic::error(span, "a `$` in this text begins no variable");
                    self.diagnostics.push(diagnostic.hint("write `$$` for a dollar sign"));
                    is_sound = false;
                }
                RawPiece::Variable(raw) => {
                    let raw = RawVariable { name: raw.name.to_owned(), argument: raw.argument.map(str::to_owned) };
                    if !plain.is_empty() {
                        lowered.push(Piece::Literal(std::mem::take(&mut plain).into_bytes().into()));
                    }
                    match self.variable(&Spanned { node: raw, span }) {
                        Some(value) => lowered.push(Piece::Value(value)),
                        None => is_sound = false,
                    }
                }
            }
        }
        if lowered.is_empty() {
            return is_sound.then(|| program::Operand::Text(plain.into_bytes().into()));
        }
        if !plain.is_empty() {
            lowered.push(Piece::Literal(plain.into_bytes().into()));
        }
        is_sound.then_some(program::Operand::Format(lowered))
    }

    /// Tells an operator of a method that no request will have.
    pub(super) fn check_method(&mut self, method: &[u8], span: Span) {
        let method = String::from_utf8_lossy(method);
        if METHODS.contains(&&*method) {
            return;
        }
        let upper = method.to_ascii_uppercase();
        if METHODS.contains(&upper.as_str()) {
            let message = format!("no request has the method `{method}`: methods are written in capitals");
            self.diagnostics.push(Diagnostic::error(span, message).label(format!("expected `{upper}`")));
            return;
        }
        if let Some(near) = closest(&method, METHODS) {
            let diagnostic = Diagnostic::information(span, format!("`{method}` is no method of the SIP registry"));
            self.diagnostics.push(diagnostic.did_you_mean(Some(near)));
        }
    }

    fn conditions(&mut self, parts: &'r [Expression]) -> Option<Vec<Condition>> {
        let parts: Vec<Option<Condition>> = parts.iter().map(|part| self.condition(part)).collect();
        parts.into_iter().collect()
    }

    fn comparison(
        &mut self,
        left: &Spanned<Operand>,
        operator: &Spanned<Operator>,
        right: &Spanned<Operand>,
    ) -> Option<Condition> {
        let negated = matches!(operator.node, Operator::NotEqual | Operator::NotMatches);
        let condition = match (is_myself(left), is_myself(right)) {
            (false, true) => self.myself(left, operator)?,
            (true, false) => self.myself(right, operator)?,
            _ => match Comparison::from_operator(operator.node) {
                None => self.pattern(left, right)?,
                Some(comparison) => {
                    let is_equality = matches!(operator.node, Operator::Equal | Operator::NotEqual);
                    match &right.node {
                        Operand::Text(method) | Operand::Word(method) if is_equality && is_method(left) => {
                            self.method_is(method, right.span)?
                        }
                        _ => return self.plain_comparison(left, comparison, right),
                    }
                }
            },
        };
        Some(not_if(negated, condition))
    }

    /// `uri==myself`
    fn myself(&mut self, uri: &Spanned<Operand>, operator: &Spanned<Operator>) -> Option<Condition> {
        if !matches!(operator.node, Operator::Equal | Operator::NotEqual) {
            let diagnostic = Diagnostic::error(operator.span, "`myself` can only be equal or not");
            self.diagnostics.push(diagnostic.label("expected `==` or `!=`"));
            return None;
        }
        use program::Operand::{Avp, Variable as Of};
        match self.value(uri)? {
            value @ (Avp(_) | Of(Variable::RequestUri | Variable::FromUri | Variable::ToUri)) => {
                Some(Condition::IsMyself(value))
            }
            _ => {
                let diagnostic = Diagnostic::error(uri.span, "only a URI can be `myself`");
                self.diagnostics.push(diagnostic.label("expected `uri`, `from_uri`, `to_uri` or an AVP"));
                None
            }
        }
    }

    /// `$ru =~ "^sip:.*@example\.com"`
    fn pattern(&mut self, left: &Spanned<Operand>, right: &Spanned<Operand>) -> Option<Condition> {
        let left = self.value(left);
        let Operand::Text(pattern) = &right.node else {
            let diagnostic = Diagnostic::error(right.span, "this is no pattern");
            self.diagnostics.push(diagnostic.label("expected a regular expression in quotes"));
            return None;
        };
        // As OpenSER compiles them: without regard to case, and a dot is any byte.
        let compiled = RegexBuilder::new(pattern)
            .case_insensitive(true)
            .dot_matches_new_line(true)
            .unicode(false)
            .size_limit(PATTERN_BYTES_MAX)
            .build();
        match compiled {
            Ok(pattern) => Some(Condition::Matches { left: left?, pattern }),
            Err(error) => {
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
                let diagnostic = Diagnostic::error(right.span, "this is no regular expression");
                self.diagnostics.push(diagnostic.label(reason));
                None
            }
        }
    }

    /// `method=="PUBLISH"`
    fn method_is(&mut self, method: &str, span: Span) -> Option<Condition> {
        if MethodList::parse(method).is_none_or(|methods| methods.iter().count() != 1) {
            let diagnostic = Diagnostic::error(span, format!("`{method}` is not one method"));
            let diagnostic = diagnostic.label("expected one method, as in `\"PUBLISH\"`");
            self.diagnostics.push(diagnostic.hint("for one of several write `is_method(\"PUBLISH|SUBSCRIBE\")`"));
            return None;
        }
        self.check_method(method.as_bytes(), span);
        Some(Condition::MethodIs(method.as_bytes().into()))
    }

    fn plain_comparison(
        &mut self,
        left: &Spanned<Operand>,
        operator: Comparison,
        right: &Spanned<Operand>,
    ) -> Option<Condition> {
        let is_ordering = !matches!(operator, Comparison::Equal | Comparison::NotEqual);
        for side in [left, right] {
            if let (true, Operand::Text(text)) = (is_ordering, &side.node)
                && parse_integer(text).is_none()
            {
                let diagnostic = Diagnostic::error(side.span, "only numbers are greater or less");
                self.diagnostics.push(diagnostic.label("expected a number"));
                return None;
            }
        }
        let left_value = self.value(left);
        let right = match (&left_value, &right.node) {
            // `proto==UDP`: old scripts leave the quotes out here.
            (Some(program::Operand::Variable(Variable::Protocol)), Operand::Word(word)) => {
                Some(program::Operand::Text(word.as_bytes().into()))
            }
            _ => self.value(right),
        };
        Some(Condition::Compare { left: left_value?, operator, right: right? })
    }

    /// Lowers a value that is read as it stands.
    fn value(&mut self, value: &Spanned<Operand>) -> Option<program::Operand> {
        match &value.node {
            Operand::Integer(number) => Some(program::Operand::Integer(*number)),
            Operand::Text(text) => Some(program::Operand::Text(text.as_bytes().into())),
            Operand::Variable(variable) => self.variable(&Spanned { node: variable.clone(), span: value.span }),
            Operand::Word(word) => self.keyword(word, value.span),
        }
    }

    fn keyword(&mut self, word: &str, span: Span) -> Option<program::Operand> {
        if let Some(variable) = Variable::from_keyword(word) {
            return Some(program::Operand::Variable(variable));
        }
        match word {
            "msg:len" => return Some(program::Operand::Variable(Variable::MessageLength)),
            "retcode" => return Some(program::Operand::ReturnCode),
            _ => {}
        }
        let keywords = KEYWORDS.iter().map(|(keyword, _)| *keyword).chain(["myself", "retcode"]);
        let suggestion = closest(word, keywords);
        let diagnostic = Diagnostic::error(span, format!("unknown word `{word}`"));
        self.diagnostics.push(match suggestion {
            Some(_) if word != "myself" => diagnostic.did_you_mean(suggestion),
            _ if word == "myself" => diagnostic.hint("write `uri==myself`"),
            _ => diagnostic.label("expected a variable or a keyword").hint(format!("a text is written `\"{word}\"`")),
        });
        None
    }

    /// Finds a variable by name; the error says what was expected.
    fn named_variable(&mut self, name: &str, argument: Option<&str>) -> Result<program::Operand, String> {
        match (name, argument) {
            ("avp", argument) => match argument.and_then(|argument| self.avp_name(argument)) {
                Some(name) => Ok(program::Operand::Avp(name)),
                None => Err("`$avp(i:NUMBER)` or `$avp(s:NAME)`".to_owned()),
            },
            ("hdr", argument) => match argument.map(MethodList::parse) {
                // A header's name is a token like a method's (RFC 3261 §25.1), and here there is one.
                Some(Some(token)) if token.iter().count() == 1 => {
                    let header = argument.unwrap_or_default().trim().into();
                    Ok(program::Operand::Variable(Variable::Header(header)))
                }
                _ => Err("`$hdr(NAME)` with the name of a header".to_owned()),
            },
            ("rc" | "retcode", None) => Ok(program::Operand::ReturnCode),
            (name, _) => Variable::from_name(name).map(program::Operand::Variable).ok_or_else(known_variables),
        }
    }

    /// Reads `i:25`, `s:name` or `name`; texts are interned.
    fn avp_name(&mut self, written: &str) -> Option<AvpName> {
        let written = written.trim();
        if let Some(number) = written.strip_prefix("i:") {
            return number.parse().ok().filter(|number| *number >= 0).map(AvpName::Integer);
        }
        let name = written.strip_prefix("s:").unwrap_or(written);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            return None;
        }
        let known = self.avp_names.iter().position(|known| **known == *name);
        let index = known.unwrap_or_else(|| {
            self.avp_names.push(name.into());
            self.avp_names.len() - 1
        });
        u32::try_from(index).ok().map(AvpName::Text)
    }
}

fn known_variables() -> String {
    let names: Vec<String> = VARIABLES.iter().map(|(name, _)| format!("${name}")).collect();
    format!("one of {} $avp(…) $hdr(…) $rc", names.join(" "))
}

fn is_myself(operand: &Spanned<Operand>) -> bool {
    matches!(&operand.node, Operand::Word(word) if word == "myself")
}

fn is_method(operand: &Spanned<Operand>) -> bool {
    match &operand.node {
        Operand::Word(word) => word == "method",
        Operand::Variable(variable) => variable.name == "rm",
        Operand::Integer(_) | Operand::Text(_) => false,
    }
}

fn not_if(negated: bool, condition: Condition) -> Condition {
    if negated { Condition::Not(Box::new(condition)) } else { condition }
}
