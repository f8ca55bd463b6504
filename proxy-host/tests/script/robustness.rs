//! Whatever stands in a file, it is read to its end and told about: nothing panics, nothing runs away.

use proptest::prelude::*;

use crate::interpreter::Request;
use crate::load;
use proxy_host::config::Settings;
use proxy_host::diagnostic::{Colour, Source};
use proxy_host::script::{MainRoute, parse, resolve};

const SCRIPT: &str = include_str!("openser.cfg");

/// Words that lead a parser deeper than random bytes do.
const WORDS: &[&str] = &[
    "route",
    "if",
    "else",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ";",
    ",",
    "=",
    "==",
    "=~",
    "!",
    "&&",
    "||",
    "\"",
    "'",
    "$ru",
    "$avp(s:x)",
    "$",
    "\\",
    "\n",
    "#",
    "/*",
    "*/",
    "//",
    "modparam",
    "loadmodule",
    "\"sl.so\"",
    "exit",
    "return",
    "drop",
    "method",
    "uri",
    "myself",
    "myself",
    "1",
    "-",
    "0x",
    ".",
    ":",
    "listen",
    "children",
    "é",
    "\u{fffd}",
    "xlog",
    " ",
    "\"$rU\"",
    "or",
    "not",
    "A",
];

fn survives(bytes: &[u8]) {
    let source = Source::new("proxy.cfg", bytes);
    let (ast, mut diagnostics) = parse(&source);
    Settings::read(&ast, &mut diagnostics);
    let program = resolve(&ast, &crate::vocabulary::of(&ast), &mut diagnostics).program;
    let told = diagnostics.render(&source, Colour::Plain);
    assert_eq!(told.is_empty(), diagnostics.iter().next().is_none());
    if let Some(program) = program {
        program.run(MainRoute::Request, &mut Request::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes);
    }

    #[test]
    fn arbitrary_words(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..120)) {
        survives(words.concat().as_bytes());
        survives(words.join(" ").as_bytes());
        survives(format!("route {{ {} }}", words.join(" ")).as_bytes());
    }

    #[test]
    fn a_sound_script_with_a_piece_cut_out(start in 0..SCRIPT.len(), length in 1..60usize) {
        let mut bytes = SCRIPT.as_bytes().to_vec();
        bytes.drain(start..(start + length).min(SCRIPT.len()));
        survives(&bytes);
    }

    #[test]
    fn a_sound_script_with_a_piece_put_in(at in 0..SCRIPT.len(), words in proptest::collection::vec(proptest::sample::select(WORDS), 1..6)) {
        let mut bytes = SCRIPT.as_bytes().to_vec();
        bytes.splice(at..at, words.concat().into_bytes());
        survives(&bytes);
    }

    #[test]
    fn a_sound_script_with_bytes_changed(changes in proptest::collection::vec((0..SCRIPT.len(), any::<u8>()), 1..8)) {
        let mut bytes = SCRIPT.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        survives(&bytes);
    }
}

#[test]
fn a_file_of_mistakes_is_told_about_in_bounded_words() {
    let (_, told) = load(&"mistake!\n".repeat(2_000));
    assert!(told.ends_with("more\n"));
    assert!(told.len() < 64 * 1024, "{}", told.len());
}
