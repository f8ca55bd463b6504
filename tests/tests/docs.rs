//! What the pages show, the server takes: every example of the README and of the module's page is checked by the binary.

use std::path::{Path, PathBuf};

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

/// Every bound that an operator can set has a row in SECURITY.md, which says what becomes of whoever goes beyond and names tests
/// that there are.
#[test]
fn every_bound_is_in_the_table_with_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = |name: &str| std::fs::read_to_string(root.join(name)).expect(name);
    let (module, host, security) = (page("docs/presence.md"), page("docs/script.md"), page("SECURITY.md"));
    let of_module =
        module.lines().filter_map(|line| line.strip_prefix("### max_").filter(|name| !name.contains("expires")));
    let bounds = host.split("### Bounds").nth(1).and_then(|rest| rest.split("\n### ").next()).expect("a section");
    let of_host = bounds.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let names: Vec<_> = of_module.map(|name| format!("max_{name}")).chain(of_host.map(str::to_owned)).collect();
    assert!(names.len() > 25, "{names:?}");
    let rows: Vec<Vec<&str>> = security
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').collect())
        .filter(|row: &Vec<_>| row.len() == 4)
        .collect();
    for name in &names {
        let row = rows.iter().find(|row| row[1].contains(&format!("`{name}`")));
        assert!(row.is_some_and(|row| !row[2].trim().is_empty()), "no row for {name}");
    }
    let sources: String =
        ["presence-module/src", "proxy-host/src", "tests/tests"].map(|at| text_of(root.join(at))).concat();
    for row in &rows[1..] {
        let tests: Vec<_> = row[3].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row:?}");
        for test in tests {
            assert!(
                sources.contains(&format!("#[test]\nfn {test}()"))
                    || sources.contains(&format!("#[test]\n    fn {test}()")),
                "there is no test {test}"
            );
        }
    }
}

/// Returns all source files below a directory.
fn text_of(directory: PathBuf) -> String {
    let entries = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let text = |path: PathBuf| match path.is_dir() {
        true => text_of(path),
        false if path.extension().is_some_and(|end| end == "rs") => {
            std::fs::read_to_string(path).expect("a source file")
        }
        false => String::new(),
    };
    entries.map(text).collect()
}
