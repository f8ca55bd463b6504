//! What the fuzzer found worth keeping, and what it broke once, run again: `tests/fuzz/corpus/TARGET` on the target of that name.

use std::path::Path;

#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

// The server as the simulation holds it.
#[allow(dead_code, reason = "the simulation draws more of it")]
#[path = "../simulation/chance.rs"]
mod chance;

#[allow(dead_code, reason = "the simulation tells more apart")]
#[path = "../simulation/ground.rs"]
mod ground;

#[allow(dead_code, reason = "the simulation asks more of it")]
#[path = "../simulation/disk.rs"]
mod disk;

#[allow(dead_code, reason = "the simulation asks more of it")]
#[path = "../simulation/server.rs"]
mod server;

// Where the targets look for them.
use tests::{pidf, xml};

fn check(name: &str) {
    let (_, target) = targets::TARGETS.iter().find(|(known, _)| *known == name).expect("a target of that name");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut inputs: Vec<_> =
        std::fs::read_dir(&directory).expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", directory.display());
    for input in inputs {
        // Named in the output of a failure, and in no other.
        println!("{}", input.display());
        target(&std::fs::read(&input).expect("an input"));
    }
}

/// One test for each target, so that they run side by side and none is forgotten.
macro_rules! replay {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed() {
            assert_eq!(targets::TARGETS.map(|(name, _)| name), [$(stringify!($name)),*]);
        }
    };
}

replay!(scan, stream, addresses, headers, script, document, rules, filter, view, server);
