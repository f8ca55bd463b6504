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
    let twice = database.try_execute("INSERT INTO t VALUES (4, NULL)").expect_err("the key is taken");
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
    let mut database = answer.join().expect("the statement is sent").expect("the statement waited");
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

#[test]
fn mariadb_is_spoken_to_through_tls_alone() {
    is_spoken_to_through_tls_alone(Kind::MariaDb);
}

#[test]
fn postgresql_is_spoken_to_through_tls_alone() {
    is_spoken_to_through_tls_alone(Kind::PostgreSql);
}

fn is_spoken_to_through_tls_alone(kind: Kind) {
    let server = DatabaseServer::start(kind, &Options { tls: true, ..Options::default() });
    let url = server.create_database("presence");
    let encrypted = match kind {
        Kind::MariaDb => {
            ("variable_value <> ''", "information_schema.session_status WHERE variable_name = 'Ssl_cipher'")
        }
        Kind::PostgreSql => ("CAST(ssl AS integer)", "pg_stat_ssl WHERE pid = pg_backend_pid()"),
    };
    assert_eq!(Database::connect(&url).lines(encrypted.0, encrypted.1), ["1"]);

    let (plain, _) = url.split_once('?').expect("the URL names the authority");
    assert!(Database::try_connect(plain).is_err(), "it lets somebody in without TLS");
    let stranger = DatabaseServer::start(kind, &Options { tls: true, ..Options::default() });
    let authority = stranger.ca_file().display().to_string();
    let error =
        Database::try_connect(&format!("{plain}?tls=on&tls_ca={authority}")).err().expect("nobody vouches for it");
    assert!(error.message.contains("certificate"), "{error}");
}

#[test]
fn mariadb_survives_a_full_disk() {
    survives_a_full_disk(Kind::MariaDb, "1114");
}

#[test]
fn postgresql_survives_a_full_disk() {
    survives_a_full_disk(Kind::PostgreSql, "53100");
}

fn survives_a_full_disk(kind: Kind, disk_full: &str) {
    let server = DatabaseServer::start(kind, &Options { disk_bytes_max: Some(160 << 20), ..Options::default() });
    let mut database = Database::connect(&server.create_database("presence"));
    database.execute("CREATE TABLE t (id integer PRIMARY KEY, x varchar(4000))");
    server.fill_disk();
    let row = "x".repeat(4000);
    let mut taken = 0;
    let refusal = loop {
        match database.try_execute(&format!("INSERT INTO t VALUES ({taken}, '{row}')")) {
            Ok(_) => taken += 1,
            Err(refusal) => break refusal,
        }
        assert!(taken < 2000, "the disk is never full");
    };
    assert_eq!(refusal.code, disk_full, "{refusal}");
    server.give_room();
    assert_eq!(database.execute(&format!("INSERT INTO t VALUES ({taken}, '{row}')")), 1);
    assert_eq!(database.lines("count(*)", "t"), [(taken + 1).to_string()]);
}

/// A PostgreSQL that cannot write its log ends, and an operator starts it when there is room.
#[test]
fn postgresql_comes_back_after_its_log_found_no_room() {
    let options = Options { disk_bytes_max: Some(160 << 20), ..Options::default() };
    let mut server = DatabaseServer::start(Kind::PostgreSql, &options);
    let url = server.create_database("presence");
    let mut database = Database::connect(&url);
    database.script("CREATE TABLE t (x integer); INSERT INTO t VALUES (1);");
    server.fill_disk();
    let mut administrator = server.client("presence");
    let mut next_file = || {
        administrator.try_execute("UPDATE t SET x = x")?;
        administrator.try_lines("pg_switch_wal()", "t")
    };
    assert!((0..20).any(|_| next_file().is_err()), "its log always finds room\n{}", server.log());
    server.wait_for_end();
    assert!(database.try_execute("INSERT INTO t VALUES (2)").is_err());
    server.give_room();
    server.restart();
    assert_eq!(Database::connect(&url).lines("x", "t"), ["1"]);
}
