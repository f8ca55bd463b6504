//! What the pages show, the server takes: every example of the README and of the module's page is checked by the binary.

use std::path::Path;

use tests::server::Server;

const MODULES: &str = "loadmodule \"sl.so\"\nloadmodule \"tm.so\"\nloadmodule \"presence.so\"\n";

/// Returns the fenced blocks that begin with `fence`.
fn blocks<'a>(page: &'a str, fence: &str) -> Vec<&'a str> {
    let opening = format!("\n```{fence}\n");
    let parts = page.split(&opening).skip(1);
    parts.map(|part| part.split("\n```").next().unwrap_or(part)).collect()
}

fn check(example: &str) {
    let is_whole = example.contains("presence.so");
    let configuration = if is_whole { example.to_owned() } else { format!("{MODULES}{example}\n") };
    let ended = Server::check(&configuration);
    assert_eq!(ended.code, Some(0), "{configuration}\n{}", ended.stderr);
}

#[test]
fn every_example_of_the_modules_page_is_accepted() {
    let examples = blocks(include_str!("../../docs/presence.md"), "cfg");
    assert!(examples.len() > 13, "one for each parameter and function");
    examples.into_iter().for_each(check);
}

#[test]
fn the_script_of_the_readme_is_accepted() {
    let examples = blocks(include_str!("../../README.md"), "");
    let script = examples.iter().find(|example| example.contains("loadmodule"));
    check(script.expect("the README shows a script"));
}

#[test]
fn every_file_the_pages_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let bases = ["", "module-api/src", "presence-module/src", "proxy-host/src", "presence-module/src/document"];
    for page in ["README.md", "docs/architecture.md", "docs/decisions.md", "docs/rfc-map.md", "docs/presence.md"] {
        let text = std::fs::read_to_string(root.join(page)).expect(page);
        let quoted = text.split('`').skip(1).step_by(2).filter(|word| word.ends_with(".rs") || word.ends_with(".md"));
        for file in quoted {
            let exists = bases.iter().any(|base| root.join(base).join(file).is_file());
            assert!(exists || !file.contains('/'), "{page} names {file}");
        }
    }
}
