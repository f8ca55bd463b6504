//! Measures what messages cost: `load [--quick] [--peer kamailio] [--only NAME]… [--rounds N] [--write DIRECTORY]`.
//!
//! `scripts/bench` is how people call it. Servers take turns with each part of the work; all of it is done `N` times over, and
//! of each figure the median counts.

use std::path::PathBuf;
use std::time::Duration;

use tests::load::figures::Row;
use tests::load::phases::{self, Results, Scale};
use tests::load::subject::Subject;
use tests::load::{plot, report};

const FULL: Scale = Scale {
    requests: 6_000,
    crowd: 1000,
    rounds: 20,
    presentities: 10_000,
    half_the_rate: Duration::from_secs(30),
    idle: Duration::from_secs(20),
    growth: &[10_000, 100_000, 1_000_000],
};
const QUICK: Scale = Scale {
    requests: 4_000,
    crowd: 1000,
    rounds: 10,
    presentities: 1_000,
    half_the_rate: Duration::ZERO,
    idle: Duration::ZERO,
    growth: &[],
};

struct Arguments {
    scale: Scale,
    subjects: Vec<Subject>,
    rounds: usize,
    directory: Option<PathBuf>,
    command: String,
}

fn main() {
    let arguments = arguments();
    let rounds = (1..=arguments.rounds).map(|round| {
        println!("\nround {round} of {}", arguments.rounds);
        println!("  {:<42} {:<21} window   server database µs/op       op/s    99 % ms", "", "");
        phases::run(&arguments.subjects, arguments.scale, &mut print)
    });
    let all = medians(rounds.collect());
    let is_quick = arguments.scale.growth.is_empty();
    let part = if is_quick { report::quick } else { report::page }(&all, &arguments.command);
    if let Some(directory) = &arguments.directory {
        let former = std::fs::read_to_string(directory.join("benchmarks.md")).unwrap_or_default();
        write(directory, "benchmarks.md", &report::with_part(&former, &part, is_quick));
    }
    if let Some(directory) = arguments.directory.as_deref().filter(|_| !is_quick) {
        write(directory, "benchmarks-cost.svg", &plot::costs(&all));
        if let Some((_, results)) = all.iter().find(|(_, results)| !results.steps.is_empty()) {
            write(directory, "benchmarks-growth.svg", &plot::growth(results));
        }
    }
    println!("\n{}", report::page(&all, &arguments.command));
    let is_at_fault = |(subject, results): &(Subject, Results)| {
        let is_faulty = results.rows.iter().any(|row| !row.seen.faults.is_none());
        subject.is_ours() && (is_faulty || results.steps.iter().any(|step| !step.faults.is_none()))
    };
    if all.iter().any(is_at_fault) {
        eprintln!("ours did what must not be, see above");
        std::process::exit(1);
    }
}

fn print(subject: Subject, row: &Row) {
    let ((server, database), faults) = (row.cost(), row.seen.faults);
    let slowest_ms = f64::from(row.seen.notifies.percentile(0.99)) / 1000.0;
    println!(
        "  {:<42} {:<21} {:>6} {server:>8.1} {database:>8.1} {:>16.0} {slowest_ms:>10.2}",
        row.work,
        subject.name(),
        row.window,
        row.rate()
    );
    if !faults.is_none() {
        println!("    {faults}");
    }
}

fn arguments() -> Arguments {
    let mut given = std::env::args().skip(1);
    let mut command = String::from("scripts/bench");
    let (mut scale, mut rounds, mut directory, mut peer, mut only) = (FULL, 1, None, false, Vec::new());
    while let Some(argument) = given.next() {
        let mut value = || given.next().unwrap_or_else(|| usage(&format!("{argument} needs a value")));
        match argument.as_str() {
            "--quick" => scale = QUICK,
            "--peer" => match value().as_str() {
                "kamailio" => peer = true,
                other => usage(&format!("`{other}` is no peer; there is `kamailio`")),
            },
            "--only" => only.push(value()),
            "--rounds" => rounds = value().parse().unwrap_or_else(|_| usage("--rounds takes a number")),
            "--write" => {
                directory = Some(PathBuf::from(value()));
                continue;
            }
            other => usage(&format!("`{other}` is not known")),
        }
        command.push(' ');
        command.push_str(&argument);
        match argument.as_str() {
            "--peer" => command.push_str(" kamailio"),
            "--only" => command.push_str(&format!(" '{}'", only.last().map_or("", String::as_str))),
            "--rounds" => command.push_str(&format!(" {rounds}")),
            _ => {}
        }
    }
    let all = Subject::OURS.into_iter().chain(Subject::KAMAILIO.into_iter().filter(|_| peer));
    let subjects: Vec<_> =
        all.filter(|subject| only.is_empty() || only.iter().any(|name| name == subject.name())).collect();
    if subjects.is_empty() {
        usage("nothing of that name is measured");
    }
    Arguments { scale, subjects, rounds, directory, command }
}

fn usage(problem: &str) -> ! {
    let names: Vec<_> = Subject::OURS.iter().chain(&Subject::KAMAILIO).map(|subject| subject.name()).collect();
    eprintln!("{problem}\nusage: load [--quick] [--peer kamailio] [--only NAME]… [--rounds N] [--write DIRECTORY]");
    eprintln!("NAME is one of: {}", names.join("; "));
    std::process::exit(64)
}

/// Of each server's rows takes the median of all rounds by cost, of its figures the median by value.
fn medians(rounds: Vec<Vec<(Subject, Results)>>) -> Vec<(Subject, Results)> {
    let mut rounds = rounds.into_iter();
    let Some(mut all) = rounds.next() else { return Vec::new() };
    let others: Vec<_> = rounds.collect();
    for (at, (_, results)) in all.iter_mut().enumerate() {
        let same: Vec<_> = others.iter().map(|round| &round[at].1).collect();
        for (n, row) in results.rows.iter_mut().enumerate() {
            let mut of_all: Vec<_> = same.iter().map(|other| other.rows[n].clone()).chain([row.clone()]).collect();
            of_all.sort_by(|a, b| a.total_cost().total_cmp(&b.total_cost()));
            *row = of_all.swap_remove(of_all.len() / 2);
        }
        for (n, figure) in results.figures.iter_mut().enumerate() {
            let mut values: Vec<_> = same.iter().map(|other| other.figures[n].value).chain([figure.value]).collect();
            values.sort_by(f64::total_cmp);
            figure.value = values[values.len() / 2];
        }
    }
    all
}

fn write(directory: &std::path::Path, name: &str, text: &str) {
    let file = directory.join(name);
    std::fs::write(&file, text).unwrap_or_else(|error| panic!("{} is not written: {error}", file.display()));
}
