//! What was found out, as a page for people: tables, ratios, the machine and the versions.

use std::fmt::Write;
use std::process::Command;

use super::figures::Row;
use super::phases::{Results, SATURATED, WINDOW, is_crowd};
use super::subject::Subject;
use super::targets;
use crate::binaries;

/// All servers of one run, in the order they were measured.
pub type All = [(Subject, Results)];

/// Where the part of the page begins that a quick run writes; what is before it a full run does.
const QUICK_PART: &str = "\n## A quick run\n";

/// Returns `page`, or an empty one, with the part of a quick or of a full run made anew.
pub fn with_part(page: &str, part: &str, is_quick: bool) -> String {
    let (full, quick) = page.split_once(QUICK_PART).map_or((page, None), |(full, quick)| (full, Some(quick)));
    match (is_quick, quick) {
        (true, _) => format!("{}\n{QUICK_PART}{part}", full.trim_end()),
        (false, Some(quick)) => format!("{}\n{QUICK_PART}{quick}", part.trim_end()),
        (false, None) => part.to_owned(),
    }
}

/// Returns what a quick run has to say; `command` is what was run.
pub fn quick(all: &All, command: &str) -> String {
    let mut out = format!("\n`{command}`, fewer requests of each kind.\n\n{}\n\n", ours());
    cost_table(&mut out, all);
    line(&mut out, "");
    faults(&mut out, all);
    out
}

/// Returns the page of a full run; `command` is what was run.
pub fn page(all: &All, command: &str) -> String {
    let mut out = format!(
        "# Benchmarks\n\nWhat a message costs: processor time of the server and of its database, as the operating system accounts \
         for it, and how long\nan answer takes. `{command}` wrote this page; the generator is `tests/src/load`. Generator, server and \
         database share the\nmachine, so compare figures of one run with one another and not with those of another day.\n\n"
    );
    machine(&mut out, all);
    targets(&mut out, all);
    costs(&mut out, all);
    ratios(&mut out, all);
    windows(&mut out, all);
    latencies(&mut out, all);
    figures(&mut out, all);
    growth(&mut out, all);
    line(&mut out, "## What must not be\n");
    faults(&mut out, all);
    out
}

fn machine(out: &mut String, all: &All) {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |rest| rest.trim_start_matches(['\t', ':', ' ']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    line(out, &format!("- Machine: {model}, {cores} cores, Linux {}", output("uname", &["-r"])));
    line(out, &ours());
    for (program, arguments) in
        [("/usr/sbin/mariadbd", &["--no-defaults", "--version"][..]), ("/usr/sbin/kamailio", &["-v"])]
    {
        let is_there = program.ends_with("mariadbd") || all.iter().any(|(subject, _)| !subject.is_ours());
        let version = if is_there { output(program, arguments) } else { String::new() };
        if !version.is_empty() {
            line(out, &format!("- {}", version.replace("/usr/sbin/", "")));
        }
    }
    line(
        out,
        "- Kamailio: four workers, `-x tlsf`, `-m 4096`, `publ_cache` 1, `subs_db_mode` 1 (durable), 2 (write-back), or 0 with\n  `publ_cache` 2 (memory)",
    );
    line(out, "- Ours: the quickstart's configuration, `durability=full` unless it says relaxed\n");
}

/// Says what was measured.
fn ours() -> String {
    let builder =
        if binaries::built_before().is_some() { "built by `scripts/build`" } else { "as `scripts/run` builds it" };
    format!("- Ours: {}, {builder} with {}", env!("CARGO_PKG_VERSION"), output("rustc", &["--version"]))
}

/// Returns the first line that a program prints.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or_default().trim().to_owned()
}

fn targets(out: &mut String, all: &All) {
    line(out, "## What is aimed at\n\nWhat falls short is set in bold; [performance.md](performance.md) says why.\n");
    line(out, "| | aim | SQLite | MariaDB |\n|---|---|---|---|");
    targets::of(all).iter().for_each(|target| line(out, &format!("| {} |", target.cells().join(" | "))));
    line(out, "");
}

fn costs(out: &mut String, all: &All) {
    line(out, "## Processor time of an operation\n");
    cost_table(out, all);
    line(out, "\n![Processor time of an operation](benchmarks-cost.svg)\n");
}

fn cost_table(out: &mut String, all: &All) {
    line(
        out,
        &format!("Microseconds, server + database, at most {WINDOW} requests unfinished (one in the fan-out).\n"),
    );
    header(out, "work", all);
    for work in works(all, |row| row.window >= WINDOW || is_crowd(row)) {
        cells(out, work, all, |row| {
            let (server, database) = row.cost();
            if database > 0.0 {
                format!("{:.1} ({server:.1} + {database:.1})", server + database)
            } else {
                format!("{server:.1}")
            }
        });
    }
}

fn ratios(out: &mut String, all: &All) {
    let Some((_, durable)) = all.iter().find(|(subject, _)| *subject == Subject::KamailioDurable) else { return };
    line(out, "## How many times cheaper than Kamailio, durable\n");
    let ours: Vec<_> = all.iter().filter(|(subject, _)| *subject != Subject::KamailioDurable).cloned().collect();
    header(out, "work", &ours);
    for work in works(all, |row| row.window >= WINDOW || is_crowd(row)) {
        let Some(theirs) = find(durable, work).map(Row::total_cost) else { continue };
        cells(out, work, &ours, |row| format!("{:.1} ×", theirs / row.total_cost()));
    }
    line(out, "");
}

fn windows(out: &mut String, all: &All) {
    line(out, "## Operations a second\n\nWith at most so many requests unfinished.\n");
    line(out, "| work | window |");
    out.pop();
    all.iter().for_each(|(subject, _)| write!(out, " {} |", subject.name()).expect("a text grows"));
    line(out, &format!("\n|---|---|{}", "---|".repeat(all.len())));
    let Some((_, first)) = all.first() else { return };
    for row in first.rows.iter().filter(|row| row.window <= WINDOW) {
        write!(out, "| {} | {} |", row.work, row.window).expect("a text grows");
        for (_, results) in all {
            let same = results.rows.iter().find(|other| (other.work, other.window) == (row.work, row.window));
            let rate = same.map_or_else(|| "–".into(), |row| format!("{:.0}", row.rate()));
            write!(out, " {rate} |").expect("a text grows");
        }
        line(out, "");
    }
    line(out, "");
}

fn latencies(out: &mut String, all: &All) {
    line(
        out,
        "## How long it takes\n\nMilliseconds from a request to its answer, and to the last NOTIFY it causes: median / 99 % / longest.\n",
    );
    line(out, "| server | work | window | answer | last NOTIFY |\n|---|---|---|---|---|");
    for (subject, results) in all {
        for row in results.rows.iter().filter(|row| row.work.contains("NOTIFY,") || row.window == 1) {
            let three = |latencies: &super::figures::Latencies| {
                [0.5, 0.99, 1.0]
                    .map(|share| format!("{:.2}", f64::from(latencies.percentile(share)) / 1000.0))
                    .join(" / ")
            };
            let (answers, notifies) = (three(&row.seen.answers), three(&row.seen.notifies));
            line(out, &format!("| {} | {} | {} | {answers} | {notifies} |", subject.name(), row.work, row.window));
        }
    }
    line(out, "");
}

fn figures(out: &mut String, all: &All) {
    let subscriptions = all.iter().find_map(|(_, results)| find(results, SATURATED)).map_or(0, |row| row.operations);
    line(out, &format!("## With {subscriptions} subscriptions\n"));
    header(out, "", all);
    let Some((_, first)) = all.first() else { return };
    for figure in &first.figures {
        write!(out, "| {} |", figure.what).expect("a text grows");
        for (_, results) in all {
            let same = results.figures.iter().find(|other| other.what == figure.what);
            let value = same.map_or_else(|| "–".into(), |figure| format!("{:.2} {}", figure.value, figure.unit));
            write!(out, " {value} |").expect("a text grows");
        }
        line(out, "");
    }
    line(out, "");
}

fn growth(out: &mut String, all: &All) {
    let Some((subject, results)) = all.iter().find(|(_, results)| !results.steps.is_empty()) else { return };
    line(out, &format!("## Growth ({})\n", subject.name()));
    line(
        out,
        "| subscriptions | PUBLISH modify → 10 NOTIFYs, µs | SUBSCRIBE refresh → NOTIFY, in the order they began, µs | from all over, µs | bytes a subscription |\n|---|---|---|---|---|",
    );
    for step in &results.steps {
        let (modify, refresh, scattered) = (step.modify, step.refresh, step.scattered);
        let (size, bytes) = (step.subscriptions, step.bytes);
        line(out, &format!("| {size} | {modify:.1} | {refresh:.1} | {scattered:.1} | {bytes:.0} |"));
    }
    line(out, "\n![Growth](benchmarks-growth.svg)\n");
}

fn faults(out: &mut String, all: &All) {
    line(out, "Every answer and every NOTIFY was checked.\n");
    for (subject, results) in all {
        let mut sum = super::figures::Seen::default();
        results.rows.iter().for_each(|row| sum.add(row.seen.clone()));
        results.steps.iter().for_each(|step| sum.faults.add(step.faults));
        let (repeated, again) = (sum.repeated, sum.retransmitted);
        line(
            out,
            &format!(
                "- {}: {}; {again} requests sent again, {repeated} NOTIFYs came again",
                subject.name(),
                sum.faults
            ),
        );
    }
}

/// Returns the names of rows, each once, in the order they were measured.
pub(super) fn works(all: &All, is_wanted: impl Fn(&Row) -> bool) -> Vec<&'static str> {
    let mut names = Vec::new();
    for row in all.iter().flat_map(|(_, results)| &results.rows).filter(|row| is_wanted(row)) {
        if !names.contains(&row.work) {
            names.push(row.work);
        }
    }
    names
}

/// Returns the row of some work, in its largest window.
pub(super) fn find<'r>(results: &'r Results, work: &str) -> Option<&'r Row> {
    results.rows.iter().filter(|row| row.work == work).max_by_key(|row| row.window)
}

fn header(out: &mut String, first: &str, all: &[(Subject, Results)]) {
    let names: Vec<_> = all.iter().map(|(subject, _)| subject.name()).collect();
    line(out, &format!("| {first} | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len())));
}

fn cells(out: &mut String, work: &str, all: &[(Subject, Results)], cell: impl Fn(&Row) -> String) {
    let cells: Vec<_> = all.iter().map(|(_, results)| find(results, work).map_or_else(|| "–".into(), &cell)).collect();
    line(out, &format!("| {work} | {} |", cells.join(" | ")));
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
