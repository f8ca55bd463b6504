//! Looking at tokens, taking them, and going on after a mistake.
//!
//! A mistake is reported once: what follows a token that is reported already says little about what was meant.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::script::lexer::{Token, TokenKind, tokens, unquote};
use crate::script::setting_names;
use crate::script::vocabulary::RouteKind;

/// A mistake that has its diagnostic: what is left is to go on behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported;

/// How deep blocks, conditions and parentheses may stand in each other.
const NESTING_MAX: usize = 48;

/// A place in the tokens of a file.
pub(super) struct Cursor<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    position: usize,
    nesting: usize,
    diagnostics: &'t mut Diagnostics,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str, diagnostics: &'t mut Diagnostics) -> Self {
        let tokens = tokens(text, diagnostics);
        Self { text, tokens, position: 0, nesting: 0, diagnostics }
    }

    pub(super) fn peek(&self) -> Token {
        self.tokens[self.position]
    }

    /// Returns the token behind the next one.
    pub(super) fn peek_second(&self) -> Token {
        self.tokens[(self.position + 1).min(self.tokens.len() - 1)]
    }

    pub(super) fn at_end(&self) -> bool {
        self.peek().kind == TokenKind::End
    }

    /// Takes the next token; the end of the file is never passed.
    pub(super) fn bump(&mut self) -> Token {
        let token = self.peek();
        self.position = (self.position + 1).min(self.tokens.len() - 1);
        token
    }

    fn bump_text(&mut self) -> &'t str {
        let token = self.bump();
        self.text(token)
    }

    pub(super) fn slice(&self, span: Span) -> &'t str {
        &self.text[span.start..span.end]
    }

    pub(super) fn text(&self, token: Token) -> &'t str {
        self.slice(token.span)
    }

    /// Tells whether the next token is `text`, unquoted.
    pub(super) fn at(&self, text: &str) -> bool {
        self.text(self.peek()) == text && !self.at_end()
    }

    /// Takes the next token where it is `text`.
    pub(super) fn eat(&mut self, text: &str) -> Option<Span> {
        self.at(text).then(|| self.bump().span)
    }

    /// Takes `text`, or reports that it is missing.
    pub(super) fn expect(&mut self, text: &str, place: &str) -> Result<Span, Reported> {
        match self.eat(text) {
            Some(span) => Ok(span),
            None => Err(self.expected(&format!("`{text}` {place}"))),
        }
    }

    /// Takes a string and returns what stands in its quotes.
    pub(super) fn expect_text(&mut self, what: &str) -> Result<(String, Span), Reported> {
        match self.peek().kind {
            TokenKind::Text => {
                let token = self.bump();
                Ok((unquote(self.text(token)), token.span))
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Reports that something else was expected where the next token stands.
    pub(super) fn expected(&mut self, what: &str) -> Reported {
        let found = self.peek();
        let (span, message) = match found.kind {
            TokenKind::End => (self.last_span().behind(), "the file ends too early".to_owned()),
            _ => (found.span, format!("`{}` is not expected here", abbreviated(self.text(found)))),
        };
        self.report(Diagnostic::error(span, message).label(format!("expected {what}")))
    }

    /// Reports that something is missing behind the last token.
    pub(super) fn expected_behind(&mut self, what: &str) -> Reported {
        let last = self.last_span();
        self.report(Diagnostic::error(last.behind(), format!("{what} is missing")).label("expected here"))
    }

    /// Returns where the last token stands.
    pub(super) fn last_span(&self) -> Span {
        self.tokens[self.position.saturating_sub(1)].span
    }

    /// Tells whether the last token is reported already.
    pub(super) fn after_broken(&self) -> bool {
        self.position > 0 && self.tokens[self.position - 1].broken
    }

    /// Adds a diagnostic, unless it only follows from one that is there.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        if !self.after_broken() {
            self.diagnostics.push(diagnostic);
        }
        Reported
    }

    /// Lets what only follows from the last mistake go unreported.
    pub(super) fn mark_reported(&mut self) {
        if let Some(last) = self.position.checked_sub(1) {
            self.tokens[last].broken = true;
        }
    }

    /// Reads one level deeper, or gives the file up where it is too deep.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Reported>) -> Result<T, Reported> {
        if self.nesting == NESTING_MAX {
            let diagnostic = Diagnostic::error(self.peek().span, "this stands too deep")
                .label(format!("expected at most {NESTING_MAX} levels of blocks and parentheses"))
                .hint("move the inner part into a `route[NAME] { … }` and call it with `route(NAME);`");
            self.report(diagnostic);
            self.position = self.tokens.len() - 1;
            self.mark_reported();
            return Err(Reported);
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    /// Tells whether the next token begins a line and, by its look, something of the top level.
    pub(super) fn at_item(&self) -> bool {
        let token = self.peek();
        if !token.first_on_line || token.kind != TokenKind::Word {
            return false;
        }
        let second = self.text(self.peek_second());
        match self.text(token) {
            "loadmodule" | "modparam" => true,
            "route" => matches!(second, "[" | "{"),
            word => {
                let is_route = RouteKind::ALL.into_iter().any(|kind| kind.keyword() == word);
                is_route || (second == "=" && setting_names::all().any(|name| name == word))
            }
        }
    }

    /// Goes on at the next line that begins with a word.
    pub(super) fn skip_to_item(&mut self) {
        while !self.at_end() && !self.at_line_of_its_own() {
            match self.text(self.peek()) {
                "{" => self.skip_braces(),
                _ => {
                    self.bump();
                }
            }
        }
    }

    /// Returns where the cursor stands, to tell whether something was taken.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Tells whether the next token is a word that begins a line.
    fn at_line_of_its_own(&self) -> bool {
        self.peek().first_on_line && self.peek().kind == TokenKind::Word
    }

    /// Goes on behind the next `;`, or before what ends the block; never stays where the mistake began.
    pub(super) fn skip_to_statement(&mut self, began: usize) {
        if self.position == began && !self.at("{") && !self.at("}") && !self.at(";") {
            self.bump();
        }
        if self.after_broken() {
            // The `;` went with the broken token: the next line is the next statement.
            return;
        }
        while !self.at_end() && !self.at_item() && !self.at("}") {
            if self.at("{") {
                return self.skip_braces();
            }
            if self.bump_text() == ";" {
                return;
            }
        }
    }

    /// Goes on behind the parenthesis that closes a condition, or before its body.
    pub(super) fn skip_condition(&mut self) {
        let mut open = 1;
        while !self.at_end() && !self.at_item() && !matches!(self.text(self.peek()), "{" | "}" | ";") {
            match self.bump_text() {
                "(" => open += 1,
                ")" => open -= 1,
                _ => {}
            }
            if open == 0 {
                return;
            }
        }
    }

    /// Skips `{ … }` with everything in it.
    fn skip_braces(&mut self) {
        let mut open = 0usize;
        while !self.at_end() {
            match self.bump_text() {
                "{" => open += 1,
                "}" => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 || self.at_item() {
                return;
            }
        }
    }
}

/// Cuts what would make a message unreadable.
fn abbreviated(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
