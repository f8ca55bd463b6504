//! Seeds, one after the other: those that failed once, then fresh ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::world::World;

/// How a run ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Run {
    pub(crate) events: u64,
    pub(crate) fingerprint: u64,
    pub(crate) violation: Option<String>,
    pub(crate) trace: Vec<String>,
}

/// Storms in a run, and what happens in each.
const STORMS: u64 = 3;
const HAPPENINGS: u64 = 150;

/// Runs the world of a seed, to its end or to the first violation.
pub(crate) fn run(seed: u64, is_traced: bool) -> Run {
    let mut world = World::new(seed, is_traced);
    let lived = catch_unwind(AssertUnwindSafe(|| live(&mut world)));
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        world.violation.get_or_insert(format!("panic: {}", text.unwrap_or_default()));
    }
    let (events, fingerprint, violation) = (world.events, world.fingerprint, world.violation.take());
    Run { events, fingerprint, violation, trace: world.trace.take().unwrap_or_default() }
}

fn live(world: &mut World) {
    for _ in 0..STORMS {
        for _ in 0..HAPPENINGS {
            let pause_ms = world.chance.below(400);
            let until_ms = world.now_ms() + pause_ms;
            world.run_until(until_ms);
            if world.violation.is_some() {
                return;
            }
            world.happen();
        }
        world.check_quiet();
        if world.violation.is_some() {
            return;
        }
    }
    world.check_floor();
}

/// Runs seeds from `first` on until `is_enough` says so of the events that happened; returns the runs, their events, and
/// the first seed that failed.
fn run_many(first: u64, is_enough: impl Fn(u64) -> bool) -> (u64, u64, Option<u64>) {
    let (mut seed, mut happened, mut runs) = (first, 0, 0);
    while !is_enough(happened) {
        let run = run(seed, false);
        (happened, runs) = (happened + run.events, runs + 1);
        if run.violation.is_some() {
            return (runs, happened, Some(seed));
        }
        seed += 1;
    }
    (runs, happened, None)
}

/// Tells all about a seed that failed.
fn report(seed: u64) -> ! {
    let Run { violation, trace, events, .. } = run(seed, true);
    let skipped = trace.len().saturating_sub(setting("SIMULATION_TRACE").unwrap_or(80) as usize);
    let last = trace[skipped..].join("\n");
    panic!(
        "seed {seed}, after {events} events: {}\nSIMULATION_SEED={seed} cargo test -p tests --test simulation\n{last}",
        violation.unwrap_or_else(|| "the second time it held: not deterministic".into())
    );
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: {text:?} is no number")))
}

/// Every seed that ever failed, with what was wrong.
const FAILED_ONCE: &str = include_str!("seeds.txt");

fn failed_once() -> impl Iterator<Item = u64> {
    let lines = FAILED_ONCE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(' ').next().unwrap_or_default().parse().expect("a seed begins the line"))
}

#[test]
fn whatever_failed_once_holds() {
    for seed in failed_once() {
        if run(seed, false).violation.is_some() {
            report(seed);
        }
    }
}

#[test]
fn everybody_knows_what_the_rules_allow_of_what_is_published() {
    if let Some(seed) = setting("SIMULATION_SEED") {
        let Run { violation, events, .. } = run(seed, false);
        println!("seed {seed}: {events} events");
        return if violation.is_some() {
            report(seed)
        };
    }
    let (events, minutes) = (setting("SIMULATION_EVENTS").unwrap_or(200_000), setting("SIMULATION_MINUTES"));
    let began = Instant::now();
    let is_enough = |happened| match minutes {
        Some(minutes) => began.elapsed() >= Duration::from_secs(60 * minutes),
        None => happened >= events,
    };
    let first = setting("SIMULATION_FIRST").unwrap_or_else(fresh_seed);
    let (runs, happened, failed) = run_many(first, is_enough);
    println!("seeds from {first} on: {runs} runs, {happened} events in {:.1} s", began.elapsed().as_secs_f64());
    if let Some(seed) = failed {
        report(seed);
    }
}

/// Returns a seed that nobody has chosen, short enough to be read out.
fn fresh_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| since.as_micros() as u64 % 1_000_000_000) * 1000
}

#[test]
fn one_seed_is_one_run() {
    for seed in [1, 2, 3] {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed}");
    }
}

#[test]
fn connections_break_and_another_program_writes() {
    let trace: Vec<_> = [4, 14, 34, 44].into_iter().flat_map(|seed| run(seed, true).trace).collect();
    for (what, about) in [
        ("connection ", " of phone "),
        ("connection ", " to phone "),
        ("connection ", " breaks"),
        ("<- NOTIFY", ";transport=tcp"),
        ("another program removes", "subscription"),
        ("another program removes", "publication"),
        ("another program writes", "into another-"),
    ] {
        assert!(trace.iter().any(|line| line.contains(what) && line.contains(about)), "{what}…{about}");
    }
}
