//! What an operator is told about a configuration file: where, the line itself, what was expected, what to write.
//!
//! Owns the collecting and the rendering; it knows nothing of the language it speaks about. The first line of each
//! rendering is `FILE:LINE:COL: error: message`, so that grep and editors find it.

use std::fmt::Write;
use std::path::Path;

use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind};

/// One configuration file as it was read.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

impl Source {
    /// Takes a file's bytes; what is not UTF-8 becomes U+FFFD, which the lexer refuses outside comments.
    pub fn new(name: impl Into<String>, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let line_starts =
            std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { name: name.into(), text, line_starts }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        Ok(Self::new(path.display().to_string(), &std::fs::read(path)?))
    }

    /// Returns the name the diagnostics give the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text that spans point into.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns line and column of a byte offset, both counted from 1, the column in characters.
    pub fn location(&self, offset: usize) -> (usize, usize) {
        let offset = floor_char_boundary(&self.text, offset);
        let line = self.line(offset);
        (line, self.text[self.line_starts[line - 1]..offset].chars().count() + 1)
    }

    /// Returns the number, from 1, of the line that holds `offset`.
    pub fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Returns where the line that holds `offset` starts and ends, its newline excluded.
    fn line_around(&self, offset: usize) -> Span {
        let line = self.line(offset);
        let end = self.line_starts.get(line).map_or(self.text.len(), |next| next - 1);
        Span { start: self.line_starts[line - 1], end }
    }
}

/// A byte range of a [`Source`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Returns the span from the start of this one to the end of `last`.
    pub fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end.max(self.start) }
    }

    /// Returns the empty span just behind this one: where something is missing.
    pub fn behind(self) -> Self {
        Self { start: self.end, end: self.end }
    }
}

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// The server does not start with it.
    Error,
    /// The server starts; the operator may want to know.
    Information,
}

/// One thing to tell about one place of a file.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// What it is about.
    pub span: Span,
    /// Whether the server starts with it.
    pub severity: Severity,
    /// What is the matter, in one line.
    pub message: String,
    /// What was expected, written under the place.
    pub label: Option<String>,
    /// Other places that explain this one.
    pub related: Vec<(Span, String)>,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Starts a diagnostic that keeps the server from starting.
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        Self { span, severity: Severity::Error, message: message.into(), label: None, related: Vec::new(), hint: None }
    }

    /// Starts a diagnostic that only informs.
    pub fn information(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Information, ..Self::error(span, message) }
    }

    /// Writes `label` under the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Shows another place with it.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says which known name was probably meant, where there is one.
    #[must_use]
    pub fn did_you_mean(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// Everything there is to tell about one file, bounded.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    errors: usize,
    information: usize,
}

impl Diagnostics {
    /// Adds one. Past [`KEPT_MAX`] of its severity it is only counted.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let count = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Information => &mut self.information,
        };
        *count += 1;
        if *count <= KEPT_MAX {
            self.kept.push(diagnostic);
        }
    }

    /// Tells whether the server must not start.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Iterates over what is kept, in the order it was found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.kept.iter()
    }

    /// Renders them in file order; where there are too many, errors go first.
    pub fn render(&self, source: &Source, colour: Colour) -> String {
        let mut shown: Vec<&Diagnostic> = self.kept.iter().collect();
        shown.sort_by_key(|diagnostic| diagnostic.severity == Severity::Information);
        shown.truncate(SHOWN_MAX);
        shown.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        let mut out = String::new();
        let mut lines = (source.name(), ariadne::Source::from(source.text()));
        for diagnostic in &shown {
            render_one(diagnostic, source, &mut lines, colour, &mut out);
        }
        let hidden = self.errors + self.information - shown.len();
        if hidden > 0 {
            out.push_str(&format!("{}: and {hidden} more\n", source.name()));
        }
        out
    }
}

/// Whether a rendering carries terminal colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Colour {
    /// For a terminal.
    Coloured,
    /// For a file, a pipe, a test.
    Plain,
}

/// How many of one severity are kept; further ones are counted.
pub const KEPT_MAX: usize = 64;

/// How many are shown; the rest is a number.
pub const SHOWN_MAX: usize = 64;

/// A longer line is not shown: nobody reads it, and 64 of them would bury the message.
const LINE_BYTES_MAX: usize = 500;

/// A file cut into lines, as ariadne wants it: once for all that is told about it.
type Lines<'s> = (&'s str, ariadne::Source<&'s str>);

fn render_one<'s>(
    diagnostic: &Diagnostic,
    source: &'s Source,
    lines: &mut Lines<'s>,
    colour: Colour,
    out: &mut String,
) {
    let (line, column) = source.location(diagnostic.span.start);
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Information => "information",
    };
    out.push_str(&format!("{}:{line}:{column}: {word}: {}\n", source.name(), diagnostic.message));
    let places = std::iter::once(diagnostic.span).chain(diagnostic.related.iter().map(|(span, _)| *span));
    let mut shown = places.map(|span| source.line_around(span.start));
    match shown.all(|line| line.end - line.start <= LINE_BYTES_MAX) {
        true => out.push_str(&excerpt(diagnostic, source, lines, colour)),
        false => {
            for text in diagnostic.label.iter().chain(&diagnostic.hint) {
                out.push_str(&format!("    {text}\n"));
            }
        }
    }
    out.push('\n');
}

/// Draws the lines, what stands under them, and the hint.
fn excerpt<'s>(diagnostic: &Diagnostic, source: &'s Source, lines: &mut Lines<'s>, colour: Colour) -> String {
    let on_its_line = |span: Span| {
        let line = source.line_around(span.start);
        let start = floor_char_boundary(source.text(), span.start);
        let end = floor_char_boundary(source.text(), span.end.min(line.end)).max(start);
        (source.name(), start..end)
    };
    let (kind, tint) = match diagnostic.severity {
        Severity::Error => (ReportKind::Error, Color::Red),
        Severity::Information => (ReportKind::Advice, Color::Blue),
    };
    let config = Config::default()
        .with_index_type(IndexType::Byte)
        .with_char_set(CharSet::Unicode)
        .with_color(colour == Colour::Coloured);
    // Drawn in the order of the lines, so that two places of one file share one excerpt.
    let order = |span: Span| i32::try_from(source.line(span.start)).unwrap_or(i32::MAX);
    // A place without words would not be underlined.
    let main = Label::new(on_its_line(diagnostic.span))
        .with_message(diagnostic.label.as_deref().unwrap_or("here"))
        .with_color(tint)
        .with_order(order(diagnostic.span));
    let related = diagnostic.related.iter().map(|(span, text)| {
        Label::new(on_its_line(*span)).with_message(text).with_color(Color::Cyan).with_order(order(*span))
    });
    let mut report = Report::build(kind, on_its_line(diagnostic.span)).with_config(config).with_label(main);
    report.add_labels(related);
    if let Some(hint) = &diagnostic.hint {
        report.set_help(hint);
    }
    let mut drawn = Vec::new();
    report
        .finish()
        .write(lines, &mut drawn)
        .expect("a Vec takes every write, and the only source asked for is the one given");
    let drawn = String::from_utf8_lossy(&drawn);
    // The first line repeats the message that stands above already.
    let mut out = String::new();
    for line in drawn.lines().skip(1) {
        writeln!(out, "{}", line.trim_end()).expect("a String takes every write");
    }
    out
}

/// Returns the nearest character boundary at or before `offset`.
fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::{Colour, Diagnostic, Diagnostics, Source, Span};

    fn rendered(text: &str, diagnostic: Diagnostic) -> String {
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(diagnostic);
        diagnostics.render(&Source::new("proxy.cfg", text.as_bytes()), Colour::Plain)
    }

    #[test]
    fn a_diagnostic_shows_place_line_expectation_and_suggestion() {
        let text = "children=4\nchildrn=4\n";
        let diagnostic = Diagnostic::error(Span { start: 11, end: 18 }, "unknown setting `childrn`")
            .label("expected the name of a setting")
            .did_you_mean(Some("children"));
        insta::assert_snapshot!(rendered(text, diagnostic), @r"
        proxy.cfg:2:1: error: unknown setting `childrn`
           ╭─[ proxy.cfg:2:1 ]
           │
         2 │ childrn=4
           │ ───┬───
           │    ╰───── expected the name of a setting
           │
           │ Help: did you mean `children`?
        ───╯
        ");
    }

    #[test]
    fn another_place_is_shown_with_it() {
        let text = "route {\n  exit;\n";
        let diagnostic = Diagnostic::error(Span { start: 14, end: 15 }, "expected `}`")
            .label("after this")
            .related(Span { start: 6, end: 7 }, "opened here");
        insta::assert_snapshot!(rendered(text, diagnostic), @r"
        proxy.cfg:2:7: error: expected `}`
           ╭─[ proxy.cfg:2:7 ]
           │
         1 │ route {
           │       ┬
           │       ╰── opened here
         2 │   exit;
           │       ┬
           │       ╰── after this
        ───╯
        ");
    }

    #[test]
    fn what_is_too_much_is_a_number_and_errors_go_first() {
        let mut diagnostics = Diagnostics::default();
        for _ in 0..100 {
            diagnostics.push(Diagnostic::information(Span::default(), "ignored"));
        }
        diagnostics.push(Diagnostic::error(Span::default(), "the one that matters"));
        let text = diagnostics.render(&Source::new("proxy.cfg", b"x"), Colour::Plain);
        assert!(text.contains("proxy.cfg:1:1: error: the one that matters"));
        assert!(text.ends_with("proxy.cfg: and 37 more\n"), "{text}");
    }

    #[test]
    fn a_line_nobody_reads_is_not_drawn() {
        let text = format!("x{}", " ".repeat(100_000));
        let diagnostic = Diagnostic::error(Span { start: 0, end: 1 }, "unknown setting `x`").hint("remove it");
        insta::assert_snapshot!(rendered(&text, diagnostic), @r"
        proxy.cfg:1:1: error: unknown setting `x`
            remove it
        ");
    }

    #[test]
    fn spans_past_the_end_and_inside_characters_are_drawn_somewhere() {
        for (start, end) in [(0, 0), (1, 1), (1, 900), (900, 901), (3, 2)] {
            for text in ["", "é", "é\n", "\n\n", "a\r\nb", "\t\té"] {
                let drawn = rendered(text, Diagnostic::error(Span { start, end }, "m").label("l"));
                assert!(drawn.starts_with("proxy.cfg:"), "{drawn}");
            }
        }
    }
}
