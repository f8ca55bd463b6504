//! The configuration language as an operator meets it: examples, mistakes, outcomes.

mod diagnostics;
mod documentation;
mod interpreter;
mod robustness;
mod seed;
mod vocabulary;

use proxy_host::config::Settings;
use proxy_host::diagnostic::{Colour, Source};
use proxy_host::script::{Program, Resolved, parse, resolve};

/// Reads and checks a file as the server does, and returns what the operator is told.
fn load(text: &str) -> (Option<Program>, String) {
    let (resolved, told) = load_all(text);
    (resolved.program, told)
}

/// As [`load`], with the parameters.
fn load_all(text: &str) -> (Resolved, String) {
    let source = Source::new("proxy.cfg", text.as_bytes());
    let (ast, mut diagnostics) = parse(&source);
    Settings::read(&ast, &mut diagnostics);
    let vocabularies = vocabulary::of(&ast);
    let resolved = resolve(&ast, &vocabularies, &mut diagnostics);
    assert_eq!(resolved.program.is_none(), diagnostics.has_errors());
    (resolved, diagnostics.render(&source, Colour::Plain))
}
