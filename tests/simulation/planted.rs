//! Bugs that other servers have, planted one by one: the simulation finds each within so many events, and without them
//! the same seeds hold.

use presence::planted::{Planted, plant};

use crate::runs::run;

/// The first of the seeds that are tried, and how many events each bug may take.
const FIRST: u64 = 1;
const EVENTS_MAX: u64 = 60_000;

/// Takes the bug out again, however the test ends.
struct Bed;

impl Drop for Bed {
    fn drop(&mut self) {
        plant(None);
    }
}

#[test]
fn every_planted_bug_is_found() {
    let _bed = Bed;
    let mut seeds_max = 0;
    let mut unfound = Vec::new();
    for bug in Planted::ALL {
        plant(Some(bug));
        let (mut seed, mut events) = (FIRST, 0);
        let found = loop {
            let run = run(seed, false);
            events += run.events;
            if run.violation.is_some() || events > EVENTS_MAX {
                break run.violation;
            }
            seed += 1;
        };
        seeds_max = seeds_max.max(seed);
        let why = found.as_deref().map(|text| text.chars().take(100).collect::<String>());
        println!("{bug:?}: {events} events, seed {seed}: {}", why.as_deref().unwrap_or("not found"));
        unfound.extend(found.is_none().then_some(bug));
    }
    assert_eq!(unfound, [], "not found within {EVENTS_MAX} events each");
    plant(None);
    for seed in FIRST..=seeds_max {
        assert_eq!(run(seed, false).violation, None, "seed {seed} fails without any bug planted");
    }
}
