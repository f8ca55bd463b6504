//! kill -9 at random moments under load: nothing acknowledged is lost or comes back, and every live watcher learns what is
//! published without anybody's asking. `KILL_ROUNDS` and `KILL_SEED` set how often and which; `scripts/soak` sets both.

use tests::kill_rounds::{Plan, run};
use tests::server::QUICKSTART;

#[test]
fn kill_rounds_on_sqlite() {
    run("SQLite", QUICKSTART, Plan::from_environment());
}
