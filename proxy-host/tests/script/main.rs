//! The configuration language as an operator meets it: examples, mistakes, outcomes.

mod diagnostics;
mod documentation;
mod interpreter;
mod robustness;
mod seed;
mod vocabulary;

use proxy_host::config::Settings;
use proxy_host::diagnostic::{Colour, Source};
use proxy_host::script::{Program, parse, resolve};

/// Reads and checks a file as the server does, and returns what the operator is told.
fn load(text: &str) -> (Option<Program>, String) {
    let source = Source::new("proxy.cfg", text.as_bytes());
    let (ast, mut diagnostics) = parse(&source);
    Settings::read(&ast, &mut diagnostics);
    let vocabularies = vocabulary::of(&ast);
    let program = resolve(&ast, &vocabularies, &mut diagnostics);
    assert_eq!(program.is_none(), diagnostics.has_errors());
    (program, diagnostics.render(&source, Colour::Plain))
}
