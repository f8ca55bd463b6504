//! `docs/rfc-map.md` and these files agree: the map names what there is, and of the tests all there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A test of this target.
struct Named {
    /// `module::function`.
    name: String,
    /// The words above it.
    words: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn map() -> String {
    fs::read_to_string(root().join("docs/rfc-map.md")).expect("the map is there")
}

/// Returns the tests of this target in the order of their files.
fn tests() -> Vec<Named> {
    let directory = root().join("tests/conformance");
    let mut files = Vec::new();
    collect(&directory, &mut files);
    files.sort();
    let of_file = |path: &PathBuf| {
        let module = path.strip_prefix(&directory).expect("it was found there").with_extension("");
        let module = module.to_string_lossy().replace('/', "::");
        let text = fs::read_to_string(path).expect("a readable source file");
        tests_of(&module, &text)
    };
    files.iter().flat_map(of_file).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

fn tests_of(module: &str, text: &str) -> Vec<Named> {
    let (mut found, mut words, mut is_test) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        if let Some(more) = line.strip_prefix("///") {
            words.push_str(more);
        } else if line == "#[test]" {
            is_test = true;
        } else {
            if let Some(function) = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()).filter(|_| is_test)
            {
                found.push(Named { name: format!("{module}::{function}"), words: words.clone() });
            }
            words.clear();
            is_test = false;
        }
    }
    found
}

/// Returns the rows of all tables of the map whose first column is headed so, without head and rule.
fn rows(map: &str, head: &str) -> Vec<Vec<String>> {
    let (mut rows, mut inside) = (Vec::new(), false);
    for line in map.lines() {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        match line.starts_with('|') {
            true if cells[0] == head => inside = true,
            true if inside && !line.starts_with("|---") => rows.push(cells),
            true => {}
            false => inside = false,
        }
    }
    rows
}

/// Returns whether a name of the map means a test; `*` stands for any end.
fn names_it(name: &str, test: &str) -> bool {
    name.strip_suffix('*').map_or(name == test, |beginning| !beginning.is_empty() && test.starts_with(beginning))
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Every row says where its clause lives and which tests hold it; each of them exists.
#[test]
fn what_the_map_names_exists() {
    let known = tests();
    let map = map();
    let rows = rows(&map, "clause and what it asks for");
    assert!(rows.len() > 80, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let [clause, code, tests] = &row[..] else { panic!("not three cells: {row:?}") };
        let missing = quoted(code).filter(|file| !root().join(file).is_file());
        wrong.extend(missing.map(|file| format!("{clause}: no file {file}")));
        let (sources, names): (Vec<_>, Vec<_>) = quoted(tests).partition(|name| name.ends_with(".rs"));
        wrong.extend(
            sources.iter().filter(|file| !root().join(file).is_file()).map(|file| format!("{clause}: no {file}")),
        );
        let is_known = |name: &str| known.iter().any(|test| names_it(name, &test.name));
        wrong.extend(names.iter().filter(|name| !is_known(name)).map(|name| format!("{clause}: no test {name}")));
        if sources.is_empty() && names.is_empty() || quoted(code).next().is_none() {
            wrong.push(format!("{clause}: no code or no test"));
        }
    }
    assert!(wrong.is_empty(), "docs/rfc-map.md is stale:\n{}", wrong.join("\n"));
}

#[test]
fn every_test_is_in_the_map() {
    let map = map();
    let named: BTreeSet<_> = map.lines().filter(|line| line.starts_with('|')).flat_map(quoted).collect();
    let tests = tests();
    let missing = tests.iter().map(|test| test.name.as_str()).filter(|name| !name.starts_with("map::"));
    let missing: Vec<_> = missing.filter(|test| !named.iter().any(|name| names_it(name, test))).collect();
    assert!(missing.is_empty(), "docs/rfc-map.md lacks\n{}", missing.join("\n"));
}

/// The tables that say what operators set and what others got wrong name tests as well.
#[test]
fn the_other_tables_name_tests_that_exist() {
    let (map, tests) = (map(), tests());
    for head in ["parameter or function", "list"] {
        let rows = rows(&map, head);
        assert!(rows.len() > 8, "{head}: {} rows", rows.len());
        for row in rows {
            let held_by = row.last().expect("a row has cells");
            let mut names = quoted(held_by).peekable();
            assert!(names.peek().is_some(), "{row:?}");
            names.for_each(|name| assert!(tests.iter().any(|test| names_it(name, &test.name)), "{row:?}: no {name}"));
        }
    }
}

/// Each of the sixty traps is sprung by a test that says so.
#[test]
fn every_trap_is_sprung() {
    let tests = tests();
    let is_sprung = |trap: &String| tests.iter().any(|test| test.words.contains(trap) || test.name.contains(trap));
    let missing: Vec<_> = (1..=60).map(|number| format!("trap_{number:02}")).filter(|trap| !is_sprung(trap)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_test_is_found_with_the_words_above_it() {
    let text = "/// One. trap_07\n/// Two.\n#[test]\nfn a_b() {\n}\n\n/// Not a test.\nfn helper(x: u8) {}\n";
    let found = tests_of("rfc1::x", text);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].words.as_str()), ("rfc1::x::a_b", " One. trap_07 Two."));
}
