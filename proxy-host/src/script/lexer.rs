//! Tokens of the configuration language: spans over the file, nothing copied.
//!
//! Everything lexes: what is no token is reported and left out, a string or comment without an end is reported where
//! it starts. What a token means is the parser's business.

use winnow::Parser;
use winnow::combinator::{alt, dispatch, fail, opt, peek, preceded};
use winnow::error::EmptyError;
use winnow::stream::{LocatingSlice, Location, Stream};
use winnow::token::{any, one_of, rest, take_till, take_until, take_while};

use crate::diagnostic::{Diagnostic, Diagnostics, Span};

/// What a token is; its text is what its span covers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TokenKind {
    /// The end of the file.
    End,
    /// A digit and what sticks to it: `5060`, `0x1F`, and in a host name `3com`.
    Number,
    /// Punctuation.
    Symbol,
    /// A string, quotes included.
    Text,
    /// `$ru`, `$avp(s:name)`, `$(rU)`.
    Variable,
    /// A name or keyword.
    Word,
}

/// One token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
    /// Nothing but white space and comments stand before it on its line.
    pub(super) first_on_line: bool,
    /// It was reported: what follows it says little about what the operator meant.
    pub(super) broken: bool,
}

/// Cuts `text` into tokens; the last one is [`TokenKind::End`].
pub(super) fn tokens(text: &str, diagnostics: &mut Diagnostics) -> Vec<Token> {
    let mut input = LocatingSlice::new(text);
    let mut tokens: Vec<Token> = Vec::new();
    let mut first_on_line = true;
    loop {
        first_on_line |= skip_trivia(&mut input, diagnostics);
        let start = input.current_token_start();
        let kind = token.parse_next(&mut input);
        let span = Span { start, end: input.current_token_start() };
        let (kind, broken) = match kind {
            Ok(TokenKind::Text) => (TokenKind::Text, report_text(&text[start..span.end], span, diagnostics)),
            Ok(kind) => (kind, false),
            Err(EmptyError) if skip_unknown(&mut input) => {
                let span = Span { start, end: input.current_token_start() };
                let message = format!("`{}` means nothing here", text[start..span.end].escape_debug());
                diagnostics.push(Diagnostic::error(span, message));
                // The token before the gap carries the mark, so that the gap is not reported a second time.
                if let Some(last) = tokens.last_mut() {
                    last.broken = true;
                }
                continue;
            }
            Err(EmptyError) => {
                tokens.push(Token { kind: TokenKind::End, span, first_on_line: true, broken: false });
                return tokens;
            }
        };
        tokens.push(Token { kind, span, first_on_line, broken });
        first_on_line = false;
    }
}

/// A pseudo-variable as it is written: `$avp(s:name)` is `avp` and `s:name`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RawVariable<'t> {
    pub(super) name: &'t str,
    pub(super) argument: Option<&'t str>,
}

/// Reads one pseudo-variable off the front of `text`.
pub(super) fn raw_variable<'t>(text: &mut &'t str) -> Option<RawVariable<'t>> {
    let start = *text;
    let variable = preceded('$', alt((('(', variable_body, ')').map(|(_, body, _)| body), variable_body)))
        .parse_next(text)
        .map_err(|EmptyError| ());
    if variable.is_err() {
        *text = start;
    }
    variable.ok()
}

/// Returns what stands in the quotes of a string token.
///
/// Between `"` an escape is `\n`, `\r`, `\t`, `\"` or `\\`, and a backslash at the end of a line joins it to the next;
/// any other backslash stands for itself, as a regular expression wants it. Between `'` only `\'` is an escape.
pub(super) fn unquote(token: &str) -> String {
    let (length, closed) = quoted_length(token);
    let (quote, body) = token[..length - usize::from(closed)].split_at(1);
    let mut out = String::with_capacity(body.len());
    let mut characters = body.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' { characters.peek().copied() } else { None };
        let replaced = match (quote, escaped) {
            ("'", Some('\'')) => Some("'"),
            ("\"", Some('n')) => Some("\n"),
            ("\"", Some('r')) => Some("\r"),
            ("\"", Some('t')) => Some("\t"),
            ("\"", Some('"')) => Some("\""),
            ("\"", Some('\\')) => Some("\\"),
            ("\"", Some('\n' | '\r')) => Some(""),
            _ => None,
        };
        match replaced {
            Some(text) => {
                out.push_str(text);
                if characters.next() == Some('\r') {
                    characters.next_if_eq(&'\n');
                }
            }
            None => out.push(character),
        }
    }
    out
}

type Input<'t> = LocatingSlice<&'t str>;

/// Skips white space and comments; tells whether a line ended among them.
fn skip_trivia(input: &mut Input<'_>, diagnostics: &mut Diagnostics) -> bool {
    let mut line_ended = false;
    loop {
        let start = input.current_token_start();
        let skipped: Result<&str, EmptyError> = alt((
            take_while(1.., |c: char| c.is_whitespace() || c == '\u{feff}'),
            (alt(("#", "//")), take_till(0.., '\n')).take(),
            ("/*", take_until(0.., "*/"), "*/").take(),
            ("/*", rest).take(),
        ))
        .parse_next(input);
        let Ok(skipped) = skipped else { return line_ended };
        let span = Span { start, end: start + skipped.len() };
        if skipped.starts_with("/*") && (skipped.len() < 4 || !skipped.ends_with("*/")) {
            let opening = Span { start, end: start + 2 };
            diagnostics.push(Diagnostic::error(opening, "this comment has no end").label("expected `*/` after it"));
        }
        report_directive(skipped, span, diagnostics);
        line_ended |= skipped.contains('\n');
    }
}

/// Refuses the preprocessor of later proxies: taken for a comment, both branches of an `#!ifdef` would run.
fn report_directive(comment: &str, span: Span, diagnostics: &mut Diagnostics) {
    const DIRECTIVES: [&str; 9] =
        ["define", "else", "endif", "ifdef", "ifndef", "redef", "subst", "substdef", "trydef"];
    let Some(directive) = comment.strip_prefix("#!") else { return };
    let word = directive.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    if DIRECTIVES.contains(&word) {
        let message = format!("`#!{word}` is not part of this language");
        let hint = "write the lines that are meant to count; `# text` is a comment";
        diagnostics.push(Diagnostic::error(span, message).hint(hint));
    }
}

fn token(input: &mut Input<'_>) -> Result<TokenKind, EmptyError> {
    dispatch! { peek(any);
        '0'..='9' => take_while(1.., is_name).value(TokenKind::Number),
        'a'..='z' | 'A'..='Z' | '_' => take_while(1.., is_name).value(TokenKind::Word),
        '"' | '\'' => text,
        '$' => variable,
        _ => symbol,
    }
    .parse_next(input)
}

fn symbol(input: &mut Input<'_>) -> Result<TokenKind, EmptyError> {
    alt((
        alt(("&&", "||", "==", "!=", "=~", "!~", "<=", ">=")).void(),
        one_of(['{', '}', '(', ')', '[', ']', ',', ';', '=', '!', '<', '>', '+', '-', '*', '/', '|', ':', '.']).void(),
    ))
    .value(TokenKind::Symbol)
    .parse_next(input)
}

/// A string up to its quote, or without one up to the end of its line.
fn text(input: &mut Input<'_>) -> Result<TokenKind, EmptyError> {
    let (length, _) = quoted_length(input.as_ref());
    input.next_slice(length);
    Ok(TokenKind::Text)
}

/// Returns how long the string at the front of `text` is, and whether it is closed.
fn quoted_length(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let quote = bytes[0];
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'\n' => return (at, false),
            b'\\' if quote == b'"' && bytes[at + 1..].starts_with(b"\r\n") => 3,
            b'\\' if quote == b'"' || bytes.get(at + 1) == Some(&quote) => 2,
            byte if *byte == quote => return (at + 1, true),
            _ => 1,
        };
    }
    (bytes.len(), false)
}

fn variable(input: &mut Input<'_>) -> Result<TokenKind, EmptyError> {
    let mut remaining: &str = input.as_ref();
    let before = remaining.len();
    match raw_variable(&mut remaining) {
        Some(_) => {
            input.next_slice(before - remaining.len());
            Ok(TokenKind::Variable)
        }
        None => fail.parse_next(input),
    }
}

/// The name and, for the two that take one, the argument in parentheses.
fn variable_body<'t>(input: &mut &'t str) -> Result<RawVariable<'t>, EmptyError> {
    let name: &str = take_while(1.., is_name).parse_next(input)?;
    let argument = match name {
        "avp" | "hdr" => {
            opt(('(', take_till(0.., |c| matches!(c, ')' | '(' | '"' | '\n')), ')').map(|(_, argument, _)| argument))
                .parse_next(input)?
        }
        _ => None,
    };
    Ok(RawVariable { name, argument })
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Skips a run of characters that begin no token; false at the end of the file.
fn skip_unknown(input: &mut Input<'_>) -> bool {
    let skipped: Result<&str, EmptyError> = (
        any,
        take_while(0.., |c: char| {
            !c.is_ascii() || (!c.is_ascii_alphanumeric() && matches!(c, '@' | '%' | '^' | '?' | '~' | '`' | '\\'))
        }),
    )
        .take()
        .parse_next(input);
    skipped.is_ok()
}

/// Reports a string that has no end or bytes that are no text; tells whether it did.
fn report_text(token: &str, span: Span, diagnostics: &mut Diagnostics) -> bool {
    let (_, closed) = quoted_length(token);
    if !closed {
        let opening = Span { start: span.start, end: span.start + 1 };
        diagnostics.push(
            Diagnostic::error(opening, "this string has no end")
                .label(format!("expected a closing {} on this line", &token[..1])),
        );
    }
    if token.contains('\u{fffd}') {
        diagnostics.push(Diagnostic::error(span, "this string is not UTF-8").hint("save the file as UTF-8"));
    }
    !closed
}

#[cfg(test)]
mod tests {
    use super::{RawVariable, Token, raw_variable, tokens, unquote};
    use crate::diagnostic::Diagnostics;

    #[track_caller]
    fn check(text: &str, expected: &[&str], mistakes: usize) {
        let mut diagnostics = Diagnostics::default();
        let tokens: Vec<Token> = tokens(text, &mut diagnostics);
        let cut: Vec<&str> = tokens.iter().map(|token| &text[token.span.start..token.span.end]).collect();
        let (end, cut) = cut.split_last().expect("the end of the file is a token");
        assert_eq!(*end, "");
        assert_eq!(cut, expected, "{text}");
        assert_eq!(diagnostics.iter().count(), mistakes, "{text}");
    }

    #[test]
    fn a_line_is_cut_where_its_parts_meet() {
        check("listen=udp:[::1]:5060", &["listen", "=", "udp", ":", "[", ":", ":", "1", "]", ":", "5060"], 0);
        check(
            "if(method==\"PUBLISH\")handle_publish();",
            &["if", "(", "method", "==", "\"PUBLISH\"", ")", "handle_publish", "(", ")", ";"],
            0,
        );
        check("$avp(s:x)=0x1F; $(rU)_", &["$avp(s:x)", "=", "0x1F", ";", "$(rU)", "_"], 0);
        check("a&&b||!c=~d!~e!=f<=g", &["a", "&&", "b", "||", "!", "c", "=~", "d", "!~", "e", "!=", "f", "<=", "g"], 0);
    }

    #[test]
    fn comments_are_no_tokens() {
        check("\u{feff}# one\n a // two\n /* three \n four */ b /**/", &["a", "b"], 0);
        check("a /* no end", &["a"], 1);
        check("a /*/", &["a"], 1);
        check("#!ifdef WITH_NAT\n a", &["a"], 1);
        check("#!/usr/sbin/proxy-host -f", &[], 0);
    }

    #[test]
    fn a_string_ends_with_its_quote_or_its_line() {
        check(r#"'a\'b' "c\"d" "e\\" 'f"'"#, &[r"'a\'b'", r#""c\"d""#, r#""e\\""#, r#"'f"'"#], 0);
        check("\"open\nnext", &["\"open", "next"], 1);
        check("\"joined \\\n next\"", &["\"joined \\\n next\""], 0);
        check("'", &["'"], 1);
        check("\"é€\" 'ü' $avp(s:é) a", &["\"é€\"", "'ü'", "$avp(s:é)", "a"], 0);
        check("\"\\", &["\"\\"], 1);
    }

    #[test]
    fn what_is_no_token_is_reported_once_a_run() {
        check("a @@é@ b", &["a", "b"], 1);
        check("$ a", &["a"], 1);
    }

    #[test]
    fn escapes_are_those_of_a_routing_script() {
        for (token, expected) in [
            (r#""a\n\t\r\"\\""#, "a\n\t\r\"\\"),
            (r#""^sip:.*\.org$""#, r"^sip:.*\.org$"),
            (r"'a\n\'b'", r"a\n'b"),
            ("\"a\\\nb\"", "ab"),
            ("\"a\\\r\nb\"", "ab"),
            ("\"open", "open"),
        ] {
            assert_eq!(unquote(token), expected, "{token}");
        }
    }

    #[test]
    fn a_variable_takes_an_argument_only_where_it_has_one() {
        let cases = [
            ("$ru;lr", Some(("ru", None)), ";lr"),
            ("$fU(x)", Some(("fU", None)), "(x)"),
            ("$avp(i:25)@", Some(("avp", Some("i:25"))), "@"),
            ("$(hdr(Event))x", Some(("hdr", Some("Event"))), "x"),
            ("$(ru", None, "$(ru"),
            ("$", None, "$"),
        ];
        for (text, expected, remaining) in cases {
            let mut input = text;
            let expected = expected.map(|(name, argument)| RawVariable { name, argument });
            assert_eq!(raw_variable(&mut input), expected, "{text}");
            assert_eq!(input, remaining, "{text}");
        }
    }
}
