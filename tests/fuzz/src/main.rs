//! libFuzzer around the target that `FUZZ_TARGET` names; `scripts/fuzz` builds it and says how long.

#![no_main]

mod mutation; // how inputs are changed
mod targets; // what they are given to

/// The strict reader that tests judge documents by.
#[allow(dead_code, reason = "tests need more of it")]
#[path = "../../src/xml.rs"]
mod xml;

/// Presence documents as watchers judge them.
#[allow(dead_code, reason = "tests need more of it")]
#[path = "../../src/pidf.rs"]
mod pidf;

// The server as the simulation holds it.
#[allow(dead_code, reason = "the simulation draws more of it")]
#[path = "../../simulation/chance.rs"]
mod chance;

#[allow(dead_code, reason = "the simulation tells more apart")]
#[path = "../../simulation/ground.rs"]
mod ground;

#[allow(dead_code, reason = "the simulation asks more of it")]
#[path = "../../simulation/disk.rs"]
mod disk;

#[allow(dead_code, reason = "the simulation asks more of it")]
#[path = "../../simulation/server.rs"]
mod server;

use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use mutation::Shape;
use targets::{TARGETS, Target};

fuzz_target!(|data: &[u8]| chosen().1(data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let shape = match chosen().0 {
        "document" | "filter" | "view" => Shape::Parts,
        "server" => Shape::Steps,
        _ => Shape::Plain,
    };
    mutation::mutate(shape, data, size, max_size, seed)
});

fn chosen() -> (&'static str, Target) {
    static CHOSEN: OnceLock<(&str, Target)> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let chosen = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
        let target = TARGETS.into_iter().find(|(name, _)| *name == chosen);
        target.unwrap_or_else(|| panic!("no target {chosen}: one of {:?}", TARGETS.map(|(name, _)| name)))
    })
}
