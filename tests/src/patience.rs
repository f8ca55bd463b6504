//! Waiting for something to come to pass that nobody announces: it is looked at until it is so, or for too long.

use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long nobody looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until it is so.
///
/// # Panics
/// If it never is; the panic says `what`.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < give_up, "it never comes to pass that {what}");
        std::thread::sleep(PAUSE);
    }
}
