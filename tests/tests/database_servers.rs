//! What the harness promises of the database servers it starts: they are real, and what is done to them is felt.

use std::time::{Duration, Instant};

use tests::database::Database;
use tests::database_server::{DatabaseServer, Kind, Options};

/// Long enough for a query that is answered, on a busy machine.
const LONG: Duration = Duration::from_secs(20);
/// Long enough to see that a query is not answered.
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn mariadb_keeps_what_was_committed() {
    keeps_what_was_committed(Kind::MariaDb);
}

#[test]
fn postgresql_keeps_what_was_committed() {
    keeps_what_was_committed(Kind::PostgreSql);
}

fn keeps_what_was_committed(kind: Kind) {
    let mut server = DatabaseServer::start(kind, &Options::default());
    let url = server.create_database("presence");
    let mut database = Database::connect(&url);
    database.script("CREATE TABLE t (id integer PRIMARY KEY, x varchar(20)); INSERT INTO t VALUES (1, 'one');");
    database.execute("BEGIN");
    assert_eq!(database.execute("INSERT INTO t VALUES (2, 'two'), (3, NULL)"), 2);
    assert_eq!(server.client("presence").lines("x", "t"), ["one"], "what is not committed is nobody's");

    server.kill_nine();
    assert!(database.try_execute("COMMIT").is_err() && Database::try_connect(&url).is_err());
    server.restart();
    let mut database = Database::connect(&url);
    assert_eq!(database.lines("id || ' ' || x", "t"), ["1 one"]);
    assert_eq!(database.execute("INSERT INTO t VALUES (4, NULL)"), 1);
    server.restart();
    let mut database = Database::connect(&url);
    assert_eq!(database.lines("x", "t ORDER BY id"), ["one", "NULL"]);
    let twice = database.try_execute("INSERT INTO t VALUES (4, NULL)").unwrap_err();
    let expected = if kind == Kind::MariaDb { "1062" } else { "23505" };
    assert_eq!(twice.code, expected, "{twice}");
}

#[test]
fn mariadb_stands_still_and_loses_its_clients() {
    stands_still_and_loses_its_clients(Kind::MariaDb);
}

#[test]
fn postgresql_stands_still_and_loses_its_clients() {
    stands_still_and_loses_its_clients(Kind::PostgreSql);
}

fn stands_still_and_loses_its_clients(kind: Kind) {
    let server = DatabaseServer::start(kind, &Options::default());
    let url = server.create_database("presence");
    let (mut database, mut other) = (Database::connect(&url), server.client("presence"));
    assert!(server.answers_within(LONG));

    server.pause();
    let began = Instant::now();
    let answer = std::thread::spawn(move || database.try_execute("CREATE TABLE t (x integer)").map(|_| database));
    assert!(!server.answers_within(SHORT) && began.elapsed() >= SHORT && !answer.is_finished());
    server.resume();
    let mut database = answer.join().unwrap().expect("the statement waited");
    assert!(server.answers_within(LONG));

    database.execute("BEGIN");
    database.execute("INSERT INTO t VALUES (1)");
    server.cut_connections();
    assert!(database.try_execute("COMMIT").is_err());
    assert_eq!(other.lines("x", "t"), Vec::<String>::new());
    assert_eq!(Database::connect(&url).execute("INSERT INTO t VALUES (2)"), 1);

    let before = server.cpu_time();
    let give_up = Instant::now() + LONG;
    while server.cpu_time() == before {
        assert!(Instant::now() < give_up, "work takes no time");
        other.execute("DELETE FROM t WHERE x = 7");
    }
}
