//! `docs/script.md` is true: every example in it is accepted as it stands.

use proxy_host::script::setting_names;

use crate::load;

const MANUAL: &str = include_str!("../../../docs/script.md");

const MODULES: &str = "loadmodule \"sl.so\"\nloadmodule \"tm.so\"\nloadmodule \"maxfwd.so\"\n\
                       loadmodule \"textops.so\"\nloadmodule \"xlog.so\"\nloadmodule \"presence.so\"\n";

/// Returns the examples: what stands between a line of three backquotes and `cfg`, and the next of three backquotes.
fn examples() -> impl Iterator<Item = &'static str> {
    MANUAL.split("```cfg\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default())
}

/// Makes a file of an example: one that loads no modules gets them, one that is statements stands in a route.
fn file_of(example: &str) -> String {
    let modules = if example.contains("loadmodule") { "" } else { MODULES };
    let begins_item = |line: &str| {
        let word: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        line.starts_with("route[")
            || line.starts_with("route {")
            || ["loadmodule", "modparam"].contains(&&*word)
            || (setting_names::all().any(|name| name == word) && line[word.len()..].starts_with('='))
    };
    match example.lines().any(begins_item) {
        true => format!("{modules}{example}"),
        false => format!("{modules}route {{\n{example}}}\n"),
    }
}

#[test]
fn every_example_is_accepted() {
    assert!(examples().count() >= 9);
    for example in examples() {
        let (program, told) = load(&file_of(example));
        assert!(program.is_some(), "{example}\n{told}");
    }
}

#[test]
fn every_setting_is_described() {
    for name in setting_names::all() {
        assert!(MANUAL.contains(&format!("`{name}`")), "docs/script.md does not mention `{name}`");
    }
}

#[test]
fn the_error_it_shows_is_the_one_an_operator_sees() {
    let shown = MANUAL.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an error is shown");
    let (_, told) = load(&format!("{MODULES}modparam(\"presence\", \"clean_perod\", 100)\nroute {{ }}\n"));
    assert_eq!(shown.trim(), told.trim());
}
