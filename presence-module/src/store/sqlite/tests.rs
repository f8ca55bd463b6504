//! What only a file can promise; what every database promises is in `tests/store`.

use std::sync::Arc;

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::{QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use tempfile::TempDir;

use super::*;
use crate::presentity_uri::PresentityUri;
use crate::store::fixtures::{self, commit, load, publication, publication_stored, subscription, subscription_stored};
use crate::store::sql::migration::Migrate;
use crate::store::sql::ownership::TakeOver;
use crate::store::sql::statement::Statement;
use crate::store::{CommitError, Store, Stored, Sweep, TableNames};

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

    fn open(&self) -> SqlStore {
        self.try_open(&TableNames::default()).unwrap().0
    }

    fn try_open(&self, names: &TableNames) -> Result<(SqlStore, Opening), StoreError> {
        try_open(&self.path, names)
    }

    /// Opens it with another bound for its log.
    fn open_with_log_of(&self, wal_bytes_max: u64) -> SqlStore {
        let path = self.path.clone();
        let connect = move || {
            let session = Session::with_log_of(&path, Durability::Full, TIMEOUT, wal_bytes_max)?;
            Ok(Box::new(session) as Box<dyn Connection>)
        };
        let open = |taking: &mut Taking<'_>| SqlStore::open(Dialect::Sqlite, Box::new(connect), taking);
        let (mut store, _) = take(&TableNames::default(), open).unwrap();
        store.finish_migration().unwrap();
        store
    }

    fn log_length(&self) -> u64 {
        std::fs::metadata(format!("{}-wal", self.path)).map_or(0, |metadata| metadata.len())
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

    /// Returns the one column of each row.
    fn texts(&self, query: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Line {
            #[diesel(sql_type = diesel::sql_types::Text)]
            line: String,
        }
        let query = format!("WITH q(line) AS ({query}) SELECT line FROM q");
        let rows: Vec<Line> = sql_query(query).load(&mut self.other()).unwrap();
        rows.into_iter().map(|row| row.line).collect()
    }

    fn other(&self) -> SqliteConnection {
        SqliteConnection::establish(&self.path).unwrap()
    }
}

const TIMEOUT: Duration = Duration::from_secs(2);

fn try_open(path: &str, names: &TableNames) -> Result<(SqlStore, Opening), StoreError> {
    let (mut store, opening) = take(names, |taking| super::open(path, Durability::Full, TIMEOUT, taking))?;
    if store.old_tables().is_some() {
        store.finish_migration()?;
    }
    Ok((store, opening))
}

/// Opens it as a server does that takes it from whoever had it.
fn take<T>(names: &TableNames, open: impl FnOnce(&mut Taking<'_>) -> T) -> T {
    open(&mut Taking {
        names,
        owner: "host:1",
        take_over: TakeOver::ByForce,
        migrate: Migrate::Automatically,
        random: &mut |bytes| bytes.fill(0xA5),
        note: &mut |_| (),
    })
}

/// Does something in the store's own connection.
fn within(store: &mut SqlStore, sql: &str) {
    store.with(|connection, _| Ok(connection.run(&Statement::verbatim(sql), &[])?)).unwrap();
}

#[test]
fn a_database_in_memory_serves_tests() {
    let names = TableNames::default();
    let (mut store, opening) = try_open(":memory:", &names).unwrap();
    assert_eq!(opening.secret, [0xA5; 32]);
    commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
    store.maintain().unwrap();
    assert_eq!(load(&mut store).len(), 1);
    store.close_cleanly().unwrap();
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
    let opened = try_open(&path, &TableNames::default());
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
fn every_older_schema_is_brought_up_with_what_is_in_it() {
    let (fresh, old) = (Database::new(), Database::new());
    fresh.open();
    old.execute(include_str!("../schema/version_1.sql"));
    old.execute("INSERT INTO xcap_xml (user, domain, xcap, doc_type) VALUES ('dana', 'pres.example', '<old/>', 2)");
    let mut store = old.open();
    assert_eq!(rules_of_dana(&mut store), ["<old/>"]);
    assert_eq!(old.columns_and_triggers(), fresh.columns_and_triggers());
    let rows = [publication_stored(&publication(7, "dana")), subscription_stored(&subscription(1, "dana"))];
    commit(&mut store, &[&rows[..], &[fixtures::watcher_stored(fixtures::watcher("dana", "eve"))]].concat());
    assert_eq!(load(&mut old.open()).len(), 3);
}

#[test]
fn a_rules_document_that_is_not_text_is_read_as_one_that_allows_nothing() {
    let database = Database::new();
    let mut store = database.open();
    database.execute("INSERT INTO xcap_xml (user, domain, xcap, doc_type) VALUES ('dana', 'pres.example', x'3C', 2)");
    assert_eq!(rules_of_dana(&mut store), [""]);
}

#[test]
fn a_change_of_rules_is_noticed_by_the_connection_that_takes_the_place_of_another() {
    let database = Database::new();
    let mut store = database.open();
    for user in ["dana", "eli", "fay"] {
        assert_eq!(store.changed_rules().unwrap(), []);
        let columns = "(user, domain, xcap, doc_type)";
        database.execute(&format!("INSERT INTO xcap_xml {columns} VALUES ('{user}', 'pres.example', '<a/>', 2)"));
        // The connection is dropped, as at any failure.
        within(&mut store, "BEGIN");
        assert!(store.commit(&[&[publication_stored(&publication(1, "dana"))]]).is_err());
        assert_eq!(store.changed_rules().unwrap(), [PresentityUri::new(user, "pres.example")]);
    }
}

fn rules_of_dana(store: &mut SqlStore) -> Vec<String> {
    let (dana, mut found) = (Arc::new(PresentityUri::new("dana", "pres.example")), Vec::new());
    store.load_rules(Some(&[dana]), &mut |document| found.push(document.document)).unwrap();
    found
}

#[test]
fn a_full_disk_is_nobodys_fault_and_passes() {
    let database = Database::new();
    let mut store = database.open();
    within(&mut store, "PRAGMA max_page_count = 20");
    let mut large = publication(1, "dana");
    large.body = Arc::from("x".repeat(200_000));
    let outcome = store.commit(&[&[publication_stored(&publication(2, "eve")), publication_stored(&large)]]);
    assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
    within(&mut store, "PRAGMA max_page_count = 20000");
    assert_eq!(load(&mut store), []);
    commit(&mut store, &[publication_stored(&large)]);
}

#[test]
fn a_database_somebody_holds_is_nobodys_fault_and_passes() {
    let database = Database::new();
    let mut store = database.open();
    within(&mut store, "PRAGMA busy_timeout = 0");
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
    within(&mut store, "BEGIN");
    let outcome = store.commit(&[&change]);
    assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
    commit(&mut store, &change);
    assert_eq!(load(&mut store).len(), 1);
}

#[test]
fn a_database_that_has_gone_is_not_made_anew() {
    let database = Database::new();
    let mut store = database.open();
    within(&mut store, "BEGIN");
    std::fs::remove_file(&database.path).unwrap();
    let change = [publication_stored(&publication(1, "dana"))];
    for _ in 0..3 {
        let outcome = store.commit(&[&change]);
        assert!(matches!(outcome, Err(CommitError::World(_))), "{outcome:?}");
    }
    assert!(!std::path::Path::new(&database.path).exists());
}

#[test]
fn the_log_is_cut_back_when_it_is_too_long() {
    let database = Database::new();
    let mut store = database.open_with_log_of(64 << 10);
    let mut row = publication(0, "dana");
    row.body = Arc::from("x".repeat(10_000));
    for id in 0..40 {
        row.id = id;
        commit(&mut store, &[publication_stored(&row)]);
        store.maintain().unwrap();
        assert!(database.log_length() < 100_000, "{id}");
    }
}

#[test]
fn a_reader_that_holds_the_log_back_delays_nothing_for_long() {
    let database = Database::new();
    let mut store = database.open_with_log_of(64 << 10);
    commit(&mut store, &[publication_stored(&publication(1000, "dana"))]);
    within(&mut store, "PRAGMA busy_timeout = 0");
    let mut reader = database.other();
    reader.batch_execute("BEGIN; SELECT * FROM presentity").unwrap();
    let mut row = publication(0, "dana");
    row.body = Arc::from("x".repeat(10_000));
    for id in 0..40 {
        row.id = id;
        commit(&mut store, &[publication_stored(&row)]);
        store.maintain().unwrap();
    }
    assert!(database.log_length() > 64 << 10);
    reader.batch_execute("COMMIT").unwrap();
    store.close_cleanly().unwrap();
    assert_eq!(database.log_length(), 0);
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

fn check_refused(opened: Result<(SqlStore, Opening), StoreError>, expected: &str) {
    assert_eq!(opened.err().expect("it was opened").to_string(), expected);
}

#[test]
fn a_sweep_shows_every_row_once_and_nothing_if_nobody_else_wrote() {
    let database = Database::new();
    let mut store = database.open();
    load(&mut store);
    for n in 0..20 {
        let row = subscription(n as u8, "dana");
        commit(&mut store, &[publication_stored(&publication(n, "dana")), subscription_stored(&row)]);
    }
    let nobody = &mut |_| panic!("nobody else wrote");
    assert_eq!(store.sweep(7, nobody).unwrap(), Sweep::NothingNew);
    database.execute("UPDATE presentity SET etag = '' WHERE id = 19; DELETE FROM presentity WHERE id < 5");
    let mut other = database.open();
    let expected = load(&mut other);
    assert_eq!(pass(&mut store, 7), expected);
    // A start is another program too.
    assert_eq!(store.sweep(7, nobody).unwrap(), Sweep::NothingNew);
    database.execute("DELETE FROM active_watchers");
    let publications: Vec<_> = expected.iter().filter(|row| !matches!(row, Stored::Subscription(_))).cloned().collect();
    assert_eq!(pass(&mut store, 100), publications);
}

/// Walks over the tables once.
fn pass(store: &mut SqlStore, rows_max: usize) -> Vec<Stored> {
    let mut seen = Vec::new();
    loop {
        let before = seen.len();
        let swept = store.sweep(rows_max, &mut |row| seen.push(row)).unwrap();
        assert!(seen.len() - before <= rows_max);
        if swept != Sweep::Unfinished {
            return fixtures::sorted(seen);
        }
    }
}
