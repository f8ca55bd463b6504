//! kill -9 at random moments under load: nothing acknowledged is lost or comes back, and every live watcher learns what is
//! published without anybody's asking. `KILL_ROUNDS` and `KILL_SEED` set how often and which; `scripts/soak` sets both.

use tests::database_server::{Kind, new_database};
use tests::kill_rounds::{Plan, run};

#[test]
fn kill_rounds_on_sqlite() {
    run("SQLite", None, Plan::from_environment());
}

#[test]
fn kill_rounds_on_mariadb() {
    run("MariaDB", Some(new_database(Kind::MariaDb)), Plan::from_environment());
}

#[test]
fn kill_rounds_on_postgresql() {
    run("PostgreSQL", Some(new_database(Kind::PostgreSql)), Plan::from_environment());
}
