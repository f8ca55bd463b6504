//! How many instructions the operations take that every message pays for, counted by callgrind: the same on every machine
//! of a kind, however busy. More than a tenth above what is written down in `fixtures/instructions.txt` fails; so does much
//! less, which is to be written down. `UPDATE_INSTRUCTIONS=1` writes it.
//!
//! Counts are of the profile that CI tests with; in another one there is nothing to compare them with.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use tests::binaries::Binaries;

/// What is written down, and what may differ from it by the compiler and the C library.
const WRITTEN: &str = include_str!("fixtures/instructions.txt");
const TOLERANCE: f64 = 0.10;

const OPERATIONS: [&str; 6] = [
    "scan of a PUBLISH",
    "comparison of two URIs",
    "composition of two publications",
    "rules and filter",
    "rendering of a NOTIFY",
    "transaction of a request",
];

/// Returns the instructions of one operation: those of a long run less those of a short one.
fn instructions(program: &Path, operation: &str) -> u64 {
    let run = |count: u64| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args([operation, &count.to_string()])
            .output()
            .expect("valgrind runs: scripts/test installs it");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let line =
            said.lines().find_map(|line| line.split_once("Collected :")).expect("callgrind tells what it collected");
        line.1.trim().parse::<u64>().expect("a number")
    };
    (run(220) - run(20)) / 200
}

#[test]
fn no_operation_takes_more_than_is_written_down() {
    let program = Binaries::get().examples.join("hot_operations");
    let counted = OPERATIONS.map(|operation| (operation, instructions(&program, operation)));
    let mut text = String::new();
    for (operation, count) in counted {
        writeln!(text, "{count:>7} {operation}").expect("a text grows");
    }
    println!("{text}");
    if !program.components().any(|part| part.as_os_str() == "checked") {
        return;
    }
    if std::env::var_os("UPDATE_INSTRUCTIONS").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/instructions.txt");
        std::fs::write(&file, &text).expect("the file is ours");
        return;
    }
    for (operation, count) in counted {
        let line = WRITTEN.lines().find(|line| line.ends_with(operation));
        let written = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        let written = written.unwrap_or_else(|| panic!("nothing is written down for {operation:?}"));
        let change = count as f64 / written - 1.0;
        assert!(change.abs() <= TOLERANCE, "{operation}: {count} instructions, {written} are written down");
    }
}
