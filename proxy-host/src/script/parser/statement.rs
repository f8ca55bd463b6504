//! Statements and the blocks they stand in.

use crate::diagnostic::{Diagnostic, Span};
use crate::script::ast::{Expression, Operand, Spanned, Statement};
use crate::script::lexer::TokenKind;
use crate::suggestion::closest;

use super::cursor::{Cursor, Reported};
use super::expression::{call, expression, operand};

/// `{ … }` where nothing else may stand.
pub(super) fn required_block(cursor: &mut Cursor<'_>, what: &str) -> Result<Vec<Statement>, Reported> {
    match cursor.at("{") {
        true => block(cursor),
        false => Err(cursor.expected(&format!("`{{` and {what}"))),
    }
}

/// `{ … }`, the brace not yet taken.
fn block(cursor: &mut Cursor<'_>) -> Result<Vec<Statement>, Reported> {
    cursor.nested(|cursor| {
        let opening = cursor.bump().span;
        let mut statements = Vec::new();
        loop {
            if cursor.eat("}").is_some() {
                return Ok(statements);
            }
            if cursor.at_end() || cursor.at_item() {
                report_unclosed(cursor, opening);
                return Ok(statements);
            }
            let position = cursor.position();
            match statement(cursor) {
                Ok(Some(statement)) => statements.push(statement),
                Ok(None) => {}
                Err(Reported) => cursor.skip_to_statement(position),
            }
        }
    })
}

fn report_unclosed(cursor: &mut Cursor<'_>, opening: Span) {
    let found = cursor.peek();
    let place = match found.kind {
        TokenKind::End => cursor.last_span(),
        _ => found.span,
    };
    let diagnostic = Diagnostic::error(opening, "this block is never closed")
        .label("opened here")
        .related(
            place,
            if found.kind == TokenKind::End { "the file ends behind this" } else { "expected `}` before this" },
        )
        .hint("add the missing `}`");
    cursor.report(diagnostic);
    cursor.mark_reported();
}

/// One statement, or nothing for a lone `;`.
fn statement(cursor: &mut Cursor<'_>) -> Result<Option<Statement>, Reported> {
    if cursor.eat(";").is_some() {
        return Ok(None);
    }
    if cursor.at("{") {
        return Ok(Some(Statement::Block(block(cursor)?)));
    }
    let first = cursor.peek();
    let statement = match (first.kind, cursor.text(first)) {
        (TokenKind::Word, "if") => return branch(cursor).map(Some),
        (TokenKind::Word, "else") => {
            let diagnostic = Diagnostic::error(first.span, "this `else` belongs to no `if`")
                .hint("put more than one statement between `if (…)` and `else` in braces");
            let reported = cursor.report(diagnostic);
            cursor.bump();
            // What follows is read as a statement of its own, so that its mistakes are told, too.
            return if cursor.at("{") || cursor.at("if") { Ok(None) } else { Err(reported) };
        }
        (TokenKind::Word, "exit") => simple(cursor, Statement::Exit)?,
        (TokenKind::Word, "drop") => simple(cursor, Statement::Drop)?,
        (TokenKind::Word, "return") => returned(cursor)?,
        (TokenKind::Word, word @ ("for" | "foreach" | "switch" | "while")) => {
            let diagnostic = Diagnostic::error(first.span, format!("`{word}` is not part of this language"));
            return Err(
                cursor.report(diagnostic.label("expected `if`, `exit`, `return`, `drop`, a call or an assignment"))
            );
        }
        (TokenKind::Variable, _) => assignment(cursor)?,
        (TokenKind::Word, _) if cursor.text(cursor.peek_second()) == "(" => Statement::Call(call(cursor)?),
        (TokenKind::Word, word) => return Err(unknown(cursor, word)),
        _ => return Err(cursor.expected("a statement")),
    };
    expect_semicolon(cursor);
    Ok(Some(statement))
}

/// `if (…) statement else statement`; a chain of `else if` is one flat list.
fn branch(cursor: &mut Cursor<'_>) -> Result<Statement, Reported> {
    let mut arms = Vec::new();
    loop {
        cursor.bump();
        let condition = condition(cursor)?;
        arms.push((condition, body(cursor)?));
        if cursor.eat("else").is_none() {
            return Ok(Statement::If { arms, otherwise: Vec::new() });
        }
        if !cursor.at("if") {
            return Ok(Statement::If { arms, otherwise: body(cursor)? });
        }
    }
}

/// `( … )` behind `if`; a mistake in it does not hide those of the body.
fn condition(cursor: &mut Cursor<'_>) -> Result<Expression, Reported> {
    cursor.expect("(", "after `if`")?;
    let condition = expression(cursor).and_then(|condition| {
        cursor.expect(")", "after the condition")?;
        Ok(condition)
    });
    Ok(condition.unwrap_or_else(|Reported| {
        cursor.skip_condition();
        Expression::Mistaken
    }))
}

/// What an `if` or `else` leads to: a block, or one statement.
fn body(cursor: &mut Cursor<'_>) -> Result<Vec<Statement>, Reported> {
    match cursor.at("{") {
        true => block(cursor),
        false => cursor.nested(statement).map(|statement| statement.into_iter().collect()),
    }
}

/// `exit;` and `exit();`
fn simple(cursor: &mut Cursor<'_>, statement: Statement) -> Result<Statement, Reported> {
    cursor.bump();
    if cursor.eat("(").is_some() {
        cursor.expect(")", "after `(`")?;
    }
    Ok(statement)
}

/// `return;`, `return(n);`, `return n;`
fn returned(cursor: &mut Cursor<'_>) -> Result<Statement, Reported> {
    cursor.bump();
    let in_parentheses = cursor.eat("(").is_some();
    if matches!(cursor.text(cursor.peek()), ")" | ";" | "}") {
        if in_parentheses {
            cursor.expect(")", "after `return(`")?;
        }
        return Ok(Statement::Return(None));
    }
    let Spanned { node, span } = operand(cursor)?;
    let Operand::Integer(code) = node else {
        let diagnostic =
            Diagnostic::error(span, "a route returns a number").label("expected a number, as in `return(1);`");
        return Err(cursor.report(diagnostic));
    };
    if in_parentheses {
        cursor.expect(")", "after the return code")?;
    }
    Ok(Statement::Return(Some(Spanned { node: code, span })))
}

/// `$ru = "sip:…";`
fn assignment(cursor: &mut Cursor<'_>) -> Result<Statement, Reported> {
    let Spanned { node: Operand::Variable(target), span } = operand(cursor)? else {
        return Err(cursor.expected("a variable"));
    };
    cursor.expect("=", "and a value: a variable alone does nothing")?;
    let value = operand(cursor)?;
    Ok(Statement::Assign { target: Spanned { node: target, span }, value })
}

/// Reports a missing `;` where it should stand; nothing has to be skipped for it.
fn expect_semicolon(cursor: &mut Cursor<'_>) {
    if cursor.eat(";").is_some() {
        return;
    }
    let next = cursor.peek();
    if next.first_on_line || matches!(cursor.text(next), "}" | "else") {
        cursor.expected_behind("`;`");
    } else {
        cursor.expected("`;` after the statement");
        cursor.skip_to_statement(cursor.position());
    }
}

/// Reports a word that begins no statement.
fn unknown(cursor: &mut Cursor<'_>, word: &str) -> Reported {
    const STATEMENTS: [&str; 6] = ["drop", "else", "exit", "if", "return", "route"];
    let span = cursor.peek().span;
    let diagnostic = Diagnostic::error(span, format!("`{word}` begins no statement"))
        .label("expected `if`, `exit`, `return`, `drop`, a function call or an assignment");
    let diagnostic = match word {
        "break" => diagnostic.hint("write `return;` to leave this route or `exit;` to end the script"),
        _ => match closest(word, STATEMENTS) {
            Some(near) => diagnostic.did_you_mean(Some(near)),
            None => diagnostic.hint(format!("a function is called with parentheses, as in `{word}();`")),
        },
    };
    cursor.report(diagnostic)
}
