//! Conditions, calls and the values in them.
//!
//! `||` and `or` bind weaker than `&&` and `and`, those weaker than `!` and `not`.

use crate::diagnostic::Diagnostic;
use crate::script::ast::{Call, Expression, Operand, Operator, RawVariable, Spanned};
use crate::script::lexer::{self, TokenKind, unquote};
use crate::script::value::parse_integer;

use super::cursor::{Cursor, Reported};

/// A whole condition.
pub(super) fn expression(cursor: &mut Cursor<'_>) -> Result<Expression, Reported> {
    cursor.nested(|cursor| {
        let mut operands = vec![conjunction(cursor)?];
        while cursor.eat("||").or_else(|| cursor.eat("or")).is_some() {
            operands.push(conjunction(cursor)?);
        }
        Ok(one_or(operands, Expression::Or))
    })
}

/// `name(argument, …)`, the name not yet taken.
pub(super) fn call(cursor: &mut Cursor<'_>) -> Result<Call, Reported> {
    let name = cursor.bump();
    cursor.expect("(", "after the function's name")?;
    let mut arguments = Vec::new();
    while !cursor.at(")") {
        arguments.push(operand(cursor)?);
        if cursor.eat(",").is_none() {
            break;
        }
    }
    let end = cursor.expect(")", "or `,` after the argument")?;
    let name = Spanned { node: cursor.text(name).to_owned(), span: name.span };
    Ok(Call { span: name.span.to(end), name, arguments })
}

/// A number, a string, a variable, a word, or an address without quotes.
pub(super) fn operand(cursor: &mut Cursor<'_>) -> Result<Spanned<Operand>, Reported> {
    let token = cursor.peek();
    let text = cursor.text(token);
    match token.kind {
        TokenKind::Text => {
            cursor.bump();
            Ok(Spanned { node: Operand::Text(unquote(text)), span: token.span })
        }
        TokenKind::Variable => {
            cursor.bump();
            let mut rest = text;
            let raw = lexer::raw_variable(&mut rest).expect("a variable token is cut by the same function");
            Ok(Spanned { node: Operand::Variable(variable(raw)), span: token.span })
        }
        TokenKind::Word => {
            cursor.bump();
            Ok(Spanned { node: Operand::Word(text.to_owned()), span: token.span })
        }
        TokenKind::Number => Ok(number_or_address(cursor)),
        TokenKind::Symbol if text == "-" && cursor.peek_second().kind == TokenKind::Number => {
            Ok(number_or_address(cursor))
        }
        TokenKind::Symbol if text == "[" => Ok(number_or_address(cursor)),
        TokenKind::End | TokenKind::Symbol => Err(cursor.expected("a value")),
    }
}

/// The owned form of a variable that the lexer found.
pub(super) fn variable(raw: lexer::RawVariable<'_>) -> RawVariable {
    RawVariable { name: raw.name.to_owned(), argument: raw.argument.map(str::to_owned) }
}

fn conjunction(cursor: &mut Cursor<'_>) -> Result<Expression, Reported> {
    let mut operands = vec![negation(cursor)?];
    while cursor.eat("&&").or_else(|| cursor.eat("and")).is_some() {
        operands.push(negation(cursor)?);
    }
    Ok(one_or(operands, Expression::And))
}

fn negation(cursor: &mut Cursor<'_>) -> Result<Expression, Reported> {
    let mut negated = false;
    while cursor.eat("!").or_else(|| cursor.eat("not")).is_some() {
        negated = !negated;
    }
    let expression = primary(cursor)?;
    Ok(if negated { Expression::Not(Box::new(expression)) } else { expression })
}

fn primary(cursor: &mut Cursor<'_>) -> Result<Expression, Reported> {
    if cursor.eat("(").is_some() {
        let inner = expression(cursor)?;
        cursor.expect(")", "after the condition in parentheses")?;
        return Ok(inner);
    }
    let is_call = cursor.peek().kind == TokenKind::Word && cursor.text(cursor.peek_second()) == "(";
    if is_call {
        return Ok(Expression::Call(call(cursor)?));
    }
    let left = left_operand(cursor)?;
    let Some(operator) = operator(cursor) else { return Ok(Expression::Truth(left)) };
    let right = operand(cursor)?;
    Ok(Expression::Compare { left, operator, right })
}

/// An operand, or `msg:len`, the one keyword of two words.
fn left_operand(cursor: &mut Cursor<'_>) -> Result<Spanned<Operand>, Reported> {
    let first = operand(cursor)?;
    if first.node == Operand::Word("msg".to_owned()) && cursor.at(":") {
        cursor.bump();
        let end = cursor.expect("len", "after `msg:`")?;
        return Ok(Spanned { node: Operand::Word("msg:len".to_owned()), span: first.span.to(end) });
    }
    Ok(first)
}

/// Takes the operator of a comparison; a lone `=` is taken for the `==` it should be.
fn operator(cursor: &mut Cursor<'_>) -> Option<Spanned<Operator>> {
    let operator = match cursor.text(cursor.peek()) {
        "=" | "==" => Operator::Equal,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        "=~" => Operator::Matches,
        "!=" => Operator::NotEqual,
        "!~" => Operator::NotMatches,
        _ => return None,
    };
    let token = cursor.bump();
    if cursor.text(token) == "=" {
        let message = "`=` assigns; a condition compares";
        cursor.report(Diagnostic::error(token.span, message).label("expected `==`"));
    }
    Some(Spanned { node: operator, span: token.span })
}

/// A number; or, where more sticks to it, an IP address.
fn number_or_address(cursor: &mut Cursor<'_>) -> Spanned<Operand> {
    let mut span = cursor.bump().span;
    while cursor.peek().span.start == span.end && is_address_part(cursor) {
        span = span.to(cursor.bump().span);
    }
    let text = cursor.slice(span);
    let address = text.trim_start_matches('[').trim_end_matches(']');
    let node = match (parse_integer(text), address.parse::<std::net::IpAddr>()) {
        (Some(number), _) => Operand::Integer(number),
        (None, Ok(_)) => Operand::Text(address.to_owned()),
        (None, Err(_)) => {
            let diagnostic = Diagnostic::error(span, format!("`{text}` is neither a number nor an address"))
                .label("expected a decimal number, a hexadecimal one as `0x1F`, or an IP address")
                .hint("put a text in quotes");
            cursor.report(diagnostic);
            Operand::Integer(0)
        }
    };
    Spanned { node, span }
}

fn is_address_part(cursor: &Cursor<'_>) -> bool {
    match cursor.peek().kind {
        TokenKind::Number | TokenKind::Word => true,
        TokenKind::Symbol => matches!(cursor.text(cursor.peek()), "." | ":" | "[" | "]"),
        _ => false,
    }
}

fn one_or(mut operands: Vec<Expression>, many: impl FnOnce(Vec<Expression>) -> Expression) -> Expression {
    match operands.len() {
        1 => operands.remove(0),
        _ => many(operands),
    }
}
