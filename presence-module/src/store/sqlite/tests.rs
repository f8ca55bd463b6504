//! The SQLite backend keeps the contract of every backend, and what only a file can promise.

mod rules; // rules documents, and how their changes are noticed

use std::sync::{Arc, Mutex};

use diesel::SqliteConnection;
use diesel::connection::{Connection, InstrumentationEvent, SimpleConnection};
use tempfile::TempDir;

use super::*;
use crate::store::contract::{self, commit, load, publication, publication_stored, subscription, subscription_stored};

/// A directory with one database in it.
struct Database {
    directory: TempDir,
    path: String,
}

impl Database {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("presence.db").to_str().unwrap().to_owned();
        Self { directory, path }
    }

    fn open(&self) -> SqliteStore {
        self.try_open(&TableNames::default()).unwrap().0
    }

    fn try_open(&self, names: &TableNames) -> Result<(SqliteStore, Opening), StoreError> {
        SqliteStore::open(&self.path, names, "host:1", &mut |bytes| bytes.fill(0xA5))
    }

    /// Does what another program, or an operator, does to the file.
    fn execute(&self, sql: &str) {
        self.other().batch_execute(sql).unwrap();
    }

    /// Returns every column and trigger as SQLite knows them.
    fn columns_and_triggers(&self) -> Vec<String> {
        self.texts(
            "SELECT m.name || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || ifnull(c.dflt_value, '') || ' ' || c.pk
             FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'
             UNION ALL SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1",
        )
    }

    fn number(&self, query: &str) -> i64 {
        let mut found = None;
        let query = Statement::fixed(query);
        for_each_row(&mut self.other(), query.with(&[]), &["number"], |mut columns| found = columns.number().ok())
            .unwrap();
        found.unwrap()
    }

    fn texts(&self, query: &str) -> Vec<String> {
        let mut found = Vec::new();
        let query = Statement::fixed(query);
        for_each_row(&mut self.other(), query.with(&[]), &["text"], |mut columns| {
            found.extend(columns.text().map(String::from));
        })
        .unwrap();
        found
    }

    fn other(&self) -> SqliteConnection {
        SqliteConnection::establish(&self.path).unwrap()
    }
}

fn check(promise: fn(contract::Opener<'_>)) {
    let database = Database::new();
    promise(&|| {
        let (store, opening) = database.try_open(&TableNames::default()).unwrap();
        (Box::new(store), opening)
    });
}

#[test]
fn stored_is_loaded() {
    check(contract::stored_is_loaded);
}

#[test]
fn any_text_survives() {
    check(contract::any_text_survives);
}

#[test]
fn users_are_case_sensitive() {
    check(contract::users_are_case_sensitive);
}

#[test]
fn publications_go_on_and_end() {
    check(contract::publications_go_on_and_end);
}

#[test]
fn subscriptions_are_refreshed() {
    check(contract::subscriptions_are_refreshed);
}

#[test]
fn subscriptions_change_and_end() {
    check(contract::subscriptions_change_and_end);
}

#[test]
fn storing_again_replaces() {
    check(contract::storing_again_replaces);
}

#[test]
fn who_a_state_was_decided_for_is_written() {
    check(contract::who_a_state_was_decided_for_is_written);
}

#[test]
fn a_batch_is_whole_or_nothing() {
    check(contract::a_batch_is_whole_or_nothing);
}

#[test]
fn a_number_too_large_is_refused() {
    check(contract::a_number_too_large_is_refused);
}

#[test]
fn memory_only_changes_leave_no_row() {
    check(contract::memory_only_changes_leave_no_row);
}

#[test]
fn some_rows_are_loaded() {
    check(contract::some_rows_are_loaded);
}

#[test]
fn a_row_that_is_gone_refuses_whoever_changes_it() {
    check(contract::a_row_that_is_gone_refuses_whoever_changes_it);
}

#[test]
fn a_change_to_the_same_is_no_refusal() {
    check(contract::a_change_to_the_same_is_no_refusal);
}

#[test]
fn a_start_knows_how_the_last_run_ended() {
    check(contract::a_start_knows_how_the_last_run_ended);
}

#[test]
fn a_commit_after_a_clean_stop_is_unclean() {
    check(contract::a_commit_after_a_clean_stop_is_unclean);
}

#[test]
fn the_last_to_open_owns_the_database() {
    check(contract::the_last_to_open_owns_the_database);
}

#[test]
fn a_commit_outlives_its_run() {
    check(contract::a_commit_outlives_its_run);
}

#[test]
fn a_database_in_memory_serves_tests() {
    let names = TableNames::default();
    let (mut store, opening) = SqliteStore::open(":memory:", &names, "host:1", &mut |bytes| bytes.fill(1)).unwrap();
    assert_eq!(opening.secret, [1; 32]);
    commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
    store.maintain().unwrap();
    assert_eq!(load(&mut store).len(), 1);
    store.close_cleanly().unwrap();
}

#[test]
fn tables_are_called_as_the_script_says() {
    let database = Database::new();
    let names = TableNames {
        presentity: "select".into(),
        active_watchers: "Aw_2".into(),
        watchers: "_w".into(),
        xcap: "xcap".into(),
    };
    let (mut store, _) = database.try_open(&names).unwrap();
    contract::commit(&mut store, &[subscription_stored(&subscription(1, "dana"))]);
    contract::commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
    database.execute("UPDATE `select` SET event = ''; SELECT p_user FROM _w; UPDATE Aw_2 SET contact = ''");
    let skipped = |table: &str, reason: &str| Stored::Skipped { table: table.into(), reason: reason.into() };
    assert_eq!(load(&mut store), [skipped("select", "`event` is empty"), skipped("Aw_2", "`contact` is empty")]);
}

#[test]
fn a_bad_table_name_is_named() {
    let names = TableNames { watchers: "w; DROP TABLE x".into(), ..TableNames::default() };
    check_refused(Database::new().try_open(&names), "`w; DROP TABLE x` is not a table name");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let database = Database::new();
    let path = format!("{}/none/presence.db", database.directory.path().display());
    let opened = SqliteStore::open(&path, &TableNames::default(), "host:1", &mut |_| {});
    check_refused(
        opened,
        &format!("cannot open the database `{path}`: `{}` is not a directory", &path[..path.len() - 12]),
    );
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let database = Database::new();
    let text = "modparam(\"presence\", \"db_url\", \"sqlite://this\")\n".repeat(50);
    std::fs::write(&database.path, &text).unwrap();
    let refused = format!("cannot open the database `{}`: file is not a database", database.path);
    check_refused(database.try_open(&TableNames::default()), &refused);
    assert_eq!(std::fs::read_to_string(&database.path).unwrap(), text);
}

#[test]
fn tables_of_somebody_else_are_refused() {
    let database = Database::new();
    database.execute("CREATE TABLE watchers (p_user TEXT)");
    let expected = "expected version 2, or none of its tables";
    let refused = format!("schema: found table `watchers` without `presence_version`, {expected}");
    check_refused(database.try_open(&TableNames::default()), &refused);
    database.execute("SELECT * FROM watchers; DROP TABLE watchers; CREATE TABLE location (ruid TEXT)");
    database.open();
}

#[test]
fn a_newer_schema_is_refused() {
    let database = Database::new();
    database.open();
    database.execute("UPDATE presence_version SET version = 3");
    let refused = "schema: found version 3, expected version 2, or none of its tables";
    check_refused(database.try_open(&TableNames::default()), refused);
}

#[test]
fn every_older_schema_is_brought_up_with_what_is_in_it() {
    let (fresh, old) = (Database::new(), Database::new());
    fresh.open();
    old.execute(include_str!("../schema/version_1.sql"));
    old.execute("INSERT INTO xcap_xml (user, domain, xcap, doc_type) VALUES ('dana', 'pres.example', '<old/>', 2)");
    let mut store = old.open();
    assert_eq!(rules::of(&mut store, &["dana"]), [rules::document("dana", 2, "<old/>")]);
    assert_eq!(old.columns_and_triggers(), fresh.columns_and_triggers());
    contract::stored_is_loaded(&|| {
        let (store, opening) = old.try_open(&TableNames::default()).unwrap();
        (Box::new(store), opening)
    });
}

#[test]
fn a_schema_that_lacks_something_is_refused() {
    let database = Database::new();
    database.open();
    let names = TableNames { presentity: "renamed".into(), ..TableNames::default() };
    let refused = "schema: found version 2 without table `renamed`, expected version 2, or none of its tables";
    check_refused(database.try_open(&names), refused);
    database.execute("ALTER TABLE watchers DROP COLUMN deadline");
    let refused = "schema: found table `watchers` without column `deadline`, expected version 2, or none of its tables";
    check_refused(database.try_open(&TableNames::default()), refused);
}

#[test]
fn a_refused_start_changes_no_owner() {
    let database = Database::new();
    let mut store = database.open();
    let names = TableNames { presentity: "renamed".into(), ..TableNames::default() };
    assert!(database.try_open(&names).is_err());
    commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
}

#[test]
fn a_row_that_cannot_be_understood_is_passed_over() {
    for (table, change, reason) in [
        ("presentity", "expires = -1", "`expires` is negative"),
        ("presentity", "expires = 'soon'", "`expires` is not a number"),
        ("presentity", "expires = 1.5", "`expires` is not a number"),
        ("presentity", "etag = ''", "`etag` is empty"),
        ("presentity", "body = x'3C'", "`body` is not text"),
        ("presentity", "body = CAST(x'3CFF3E' AS TEXT)", "`body` is not UTF-8"),
        ("active_watchers", "id = x'00'", "`id` is not of the right length"),
        ("active_watchers", "id = 'sixteen letters!'", "`id` is not bytes"),
        ("active_watchers", "status = 'terminated'", "`status` is no status of a stored row"),
        ("active_watchers", "contact = ''", "`contact` is empty"),
        ("active_watchers", "callid = ''", "`callid` is empty"),
        ("active_watchers", "to_tag = ''", "`to_tag` is empty"),
        ("active_watchers", "local_cseq = 4294967296", "`local_cseq` is too large"),
        ("active_watchers", "subscribed_at = -9223372036854775808", "`subscribed_at` is negative"),
        ("active_watchers", "received = 'udp:nowhere'", "`received` is no transport address"),
        ("active_watchers", "socket = 'sctp:192.0.2.1:5060'", "`socket` is no transport address"),
        ("watchers", "subs_status = ''", "`subs_status` is no status of a watcher"),
    ] {
        check_skipped(table, change, reason);
    }
}

/// Spoils one row of `table` and expects it passed over, and every other row read.
fn check_skipped(table: &str, change: &str, reason: &str) {
    let database = Database::new();
    let mut store = database.open();
    for n in 0..2 {
        let watcher = contract::watcher_stored(contract::watcher(&format!("user{n}"), "eve"));
        let rows =
            [publication_stored(&publication(n, "u")), subscription_stored(&subscription(n as u8, "u")), watcher];
        commit(&mut store, &rows);
    }
    let key = if table == "watchers" { "p_user = 'user0'" } else { "id IN (0, x'00000000000000000000000000000000')" };
    database.execute(&format!("UPDATE {table} SET {change} WHERE {key}"));
    let rows = load(&mut store);
    let skipped: Vec<_> = rows.iter().filter(|row| matches!(row, Stored::Skipped { .. })).collect();
    assert_eq!(skipped, [&Stored::Skipped { table: table.into(), reason: reason.into() }], "{change}");
    assert_eq!(rows.len(), 6, "{change}");
}

#[test]
fn what_readers_of_2006_look_for_is_there() {
    let database = Database::new();
    let mut store = database.open();
    commit(&mut store, &[subscription_stored(&subscription(1, "dana"))]);
    database.execute(
        "CREATE TABLE seen AS SELECT 1 / (count(*) = 1) AS one FROM active_watchers WHERE to_user = 'dana' AND cseq = 2",
    );
    let mut count = 0;
    let query = Statement::fixed("SELECT one FROM seen");
    for_each_row(&mut database.other(), query.with(&[]), &["one"], |mut columns| count = columns.number().unwrap())
        .unwrap();
    assert_eq!(count, 1);
}

#[test]
fn a_row_a_trigger_refuses_is_the_decisions_fault() {
    let database = Database::new();
    let mut store = database.open();
    database.execute(
        "CREATE TRIGGER picky BEFORE INSERT ON presentity WHEN new.username = 'mallory' \
         BEGIN SELECT RAISE(ABORT, 'constraint: not here'); END",
    );
    let batch = [publication_stored(&publication(1, "dana")), publication_stored(&publication(2, "mallory"))];
    assert!(matches!(store.commit(&[&batch]), Err(CommitError::Data(_))));
    assert_eq!(load(&mut store), []);
    commit(&mut store, &batch[..1]);
}

#[test]
fn a_full_disk_is_nobodys_fault_and_passes() {
    let database = Database::new();
    let mut store = database.open();
    store.link.connection().unwrap().batch_execute("PRAGMA max_page_count = 20").unwrap();
    let mut large = publication(1, "dana");
    large.body = Arc::from("x".repeat(200_000));
    let outcome = store.commit(&[&[publication_stored(&publication(2, "eve")), publication_stored(&large)]]);
    assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
    store.link.connection().unwrap().batch_execute("PRAGMA max_page_count = 20000").unwrap();
    assert_eq!(load(&mut store), []);
    commit(&mut store, &[publication_stored(&large)]);
}

#[test]
fn a_database_somebody_holds_is_nobodys_fault_and_passes() {
    let database = Database::new();
    let mut store = database.open();
    store.link.connection().unwrap().batch_execute("PRAGMA busy_timeout = 0").unwrap();
    let mut other = database.other();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let change = [publication_stored(&publication(1, "dana"))];
    let outcome = store.commit(&[&change]);
    assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
    other.batch_execute("ROLLBACK").unwrap();
    commit(&mut store, &change);
}

#[test]
fn a_connection_in_doubt_is_replaced() {
    let database = Database::new();
    let mut store = database.open();
    let change = [publication_stored(&publication(1, "dana"))];
    // As a panic of `visit` would leave it.
    store.link.connection().unwrap().batch_execute("BEGIN").unwrap();
    let outcome = store.commit(&[&change]);
    assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
    commit(&mut store, &change);
    assert_eq!(load(&mut store).len(), 1);
}

#[test]
fn a_database_that_has_gone_is_not_made_anew() {
    let database = Database::new();
    let mut store = database.open();
    store.link.connection().unwrap().batch_execute("BEGIN").unwrap();
    std::fs::remove_file(&database.path).unwrap();
    let change = [publication_stored(&publication(1, "dana"))];
    for _ in 0..3 {
        let outcome = store.commit(&[&change]);
        assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
    }
    assert!(!std::path::Path::new(&database.path).exists());
}

#[test]
fn a_statement_is_prepared_once() {
    let database = Database::new();
    let mut store = database.open();
    let prepared = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&prepared);
    store.link.connection().unwrap().set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::CacheQuery { sql, .. } = event {
            seen.lock().unwrap().push(sql.to_owned());
        }
    });
    for n in 0..20 {
        let row = subscription(n as u8, "dana");
        commit(&mut store, &[publication_stored(&publication(n, "dana")), subscription_stored(&row)]);
        commit(&mut store, &[Change::CseqReserved { key: row.key, local_cseq: 9 }]);
    }
    let prepared = prepared.lock().unwrap();
    // The fence and one a kind of change; BEGIN and COMMIT have been prepared since the database was opened.
    assert_eq!(prepared.len(), 4, "{prepared:#?}");
}

#[test]
fn the_log_is_cut_back_when_it_is_too_long() {
    let database = Database::new();
    let mut store = database.open();
    store.wal_bytes_max = 64 << 10;
    let mut row = publication(0, "dana");
    row.body = Arc::from("x".repeat(10_000));
    for id in 0..40 {
        row.id = id;
        commit(&mut store, &[publication_stored(&row)]);
        store.maintain().unwrap();
        assert!(store.link.wal_length() < 100_000, "{id}");
    }
}

#[test]
fn a_reader_that_holds_the_log_back_delays_nothing_for_long() {
    let database = Database::new();
    let mut store = database.open();
    commit(&mut store, &[publication_stored(&publication(1000, "dana"))]);
    (store.wal_bytes_max, store.checkpoint_due) = (64 << 10, 0);
    store.link.connection().unwrap().batch_execute("PRAGMA busy_timeout = 0").unwrap();
    let mut reader = database.other();
    reader.batch_execute("BEGIN; SELECT * FROM presentity").unwrap();
    let mut row = publication(0, "dana");
    row.body = Arc::from("x".repeat(10_000));
    for id in 0..40 {
        row.id = id;
        commit(&mut store, &[publication_stored(&row)]);
        store.maintain().unwrap();
    }
    assert!(store.link.wal_length() > store.wal_bytes_max);
    reader.batch_execute("COMMIT").unwrap();
    store.close_cleanly().unwrap();
    assert_eq!(store.link.wal_length(), 0);
}

#[test]
fn a_stop_in_order_leaves_one_file() {
    let database = Database::new();
    let mut store = database.open();
    commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
    store.close_cleanly().unwrap();
    drop(store);
    let names: Vec<_> = database.directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["presence.db"]);
}

fn check_refused(opened: Result<(SqliteStore, Opening), StoreError>, expected: &str) {
    assert_eq!(opened.err().expect("it was opened").to_string(), expected);
}

#[test]
fn a_sweep_shows_every_row_once_and_nothing_if_nobody_else_wrote() {
    let database = Database::new();
    let mut store = database.open();
    check_pass(&mut store, &[]);
    for n in 0..20 {
        commit(
            &mut store,
            &[publication_stored(&publication(n, "dana")), subscription_stored(&subscription(n as u8, "dana"))],
        );
    }
    assert_eq!(store.sweep(7, &mut |_| panic!("nobody else wrote")).unwrap(), Sweep::NothingNew);
    database.execute("UPDATE presentity SET etag = '' WHERE id = 19; DELETE FROM presentity WHERE id < 5");
    let mut expected = load(&mut database.open());
    check_pass(&mut store, &expected);
    assert_eq!(store.sweep(7, &mut |_| panic!("nobody else wrote")).unwrap(), Sweep::NothingNew);
    database.execute("DELETE FROM active_watchers WHERE rowid <> 3");
    expected.retain(|row| !matches!(row, Stored::Subscription(row) if row.key.0[0] != 2));
    check_pass(&mut store, &expected);
}

/// Walks over the tables in steps of any length.
fn check_pass(store: &mut SqliteStore, expected: &[Stored]) {
    for rows_max in [1, 3, 16, 99] {
        store.swept = None;
        let mut seen = Vec::new();
        for step in 1.. {
            let before = seen.len();
            let swept = store.sweep(rows_max, &mut |row| seen.push(row)).unwrap();
            assert!(seen.len() - before <= rows_max && step < 99);
            if swept == Sweep::Finished {
                break;
            }
            assert_eq!(swept, Sweep::Unfinished);
        }
        assert_eq!(seen, expected, "{rows_max}");
    }
}
