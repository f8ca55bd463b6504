//! The connection to the file, opened with our settings.

use std::path::Path;
use std::time::Duration;

use diesel::connection::{DefaultLoadingMode, LoadConnection, SimpleConnection};
use diesel::{Connection as _, SqliteConnection};

use super::checkpoint::{self, Log, Mode, WAL_BYTES_MAX};
use super::failure;
use super::query::{Bound, SqliteRow};
use crate::store::sql::connection::{Access, Connection, Failure, SessionNumber, Version};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::reading::Columns;
use crate::store::sql::statement::Statement;
use crate::store::sql::value::{Bind, Row};
use crate::store::{Durability, StoreError};

/// Why a database file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the database `{path}`: {reason}")]
pub struct CannotOpen {
    /// The file.
    pub path: String,
    /// What stands in the way.
    pub reason: String,
}

/// A connection to a file.
pub(super) struct Session {
    connection: SqliteConnection,
    log: Log,
    number: SessionNumber,
    begin_read: Statement,
    begin_write: Statement,
    commit: Statement,
    roll_back: Statement,
    data_version: Statement,
}

impl Session {
    /// Opens the file at `path`, and makes it if it is not there.
    pub(super) fn open(path: &str, durability: Durability, timeout: Duration) -> Result<Self, StoreError> {
        Self::with_log_of(path, durability, timeout, WAL_BYTES_MAX)
    }

    /// As [`open`](Self::open), with another bound for the log.
    pub(super) fn with_log_of(
        path: &str,
        durability: Durability,
        timeout: Duration,
        wal_bytes_max: u64,
    ) -> Result<Self, StoreError> {
        if path.is_empty() {
            return Err(cannot_open(path, "the path is empty"));
        }
        let parent = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(missing) = parent.filter(|parent| !parent.is_dir() && path != MEMORY) {
            return Err(cannot_open(path, &format!("`{}` is not a directory", missing.display())));
        }
        let mut session = Self::of(connect(path, durability, timeout)?, Log::of(path, wal_bytes_max, durability));
        let mode =
            session.text("PRAGMA journal_mode").map_err(|failure| cannot_open(path, &failure.error.to_string()))?;
        if mode != "wal" && path != MEMORY {
            let reason = format!("its file system offers journal mode `{mode}` only, and `wal` is needed");
            return Err(cannot_open(path, &reason));
        }
        Ok(session)
    }

    /// Opens the file at `path` that another program wrote, and leaves it as it is.
    pub(super) fn open_to_read(path: &str) -> Result<Self, StoreError> {
        if !Path::new(path).is_file() {
            return Err(cannot_open(path, "there is no such file"));
        }
        let mut connection = establish(path)?;
        for setting in ["PRAGMA busy_timeout = 2000", "PRAGMA query_only = ON"] {
            connection.batch_execute(setting).map_err(|error| cannot_open(path, &error.to_string()))?;
        }
        Ok(Self::of(connection, Log::of(path, WAL_BYTES_MAX, Durability::Full)))
    }

    fn of(connection: SqliteConnection, log: Log) -> Self {
        let statement = |text| Statement::new(Dialect::Sqlite, text);
        Self {
            connection,
            log,
            number: SessionNumber::next(),
            begin_read: statement("BEGIN"),
            begin_write: statement("BEGIN IMMEDIATE"),
            commit: statement("COMMIT"),
            roll_back: statement("ROLLBACK"),
            data_version: statement("PRAGMA data_version"),
        }
    }

    fn text(&mut self, query: &str) -> Result<String, Failure> {
        let mut text = String::new();
        self.query(&Statement::new(Dialect::Sqlite, query), &[], &mut |row| {
            text = Columns::new(row, &["text"]).text().map_or_else(|_| String::new(), Into::into);
        })?;
        Ok(text)
    }

    /// Copies the log into the database file and returns whether all of it could be.
    fn checkpoint(&mut self, mode: Mode) -> Result<bool, Failure> {
        let text = match mode {
            Mode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
            Mode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
        };
        let (statement, mut is_complete) = (Statement::new(Dialect::Sqlite, text), false);
        self.query(&statement, &[], &mut |row| {
            let mut columns = Columns::new(row, &["busy", "log", "checkpointed"]);
            let numbers = [(); 3].map(|()| columns.number::<i64>().unwrap_or(-1));
            is_complete = numbers[0] == 0 && numbers[1] == numbers[2];
        })?;
        Ok(is_complete)
    }
}

impl Connection for Session {
    fn begin(&mut self, access: Access) -> Result<(), Failure> {
        let begin = match access {
            Access::Read => &self.begin_read,
            Access::Write => &self.begin_write,
        };
        execute(&mut self.connection, begin, &[])?;
        self.log.is_behind |= access == Access::Write;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Failure> {
        // A disk that is full, or a file that is held: the transaction is still there, to be rolled back.
        execute(&mut self.connection, &self.commit, &[]).map(drop)
    }

    fn roll_back(&mut self) -> Result<(), Failure> {
        execute(&mut self.connection, &self.roll_back, &[]).map(drop)
    }

    fn run(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> Result<u64, Failure> {
        execute(&mut self.connection, statement, binds)
    }

    fn query(
        &mut self,
        statement: &Statement,
        binds: &[Bind<'_>],
        visit: &mut dyn FnMut(&dyn Row),
    ) -> Result<(), Failure> {
        let rows = LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, Bound { statement, binds });
        for row in rows.map_err(failure::of_a_statement)? {
            visit(&SqliteRow(row.map_err(failure::of_a_statement)?));
        }
        Ok(())
    }

    fn maintain(&mut self, is_last: bool) -> Result<(), Failure> {
        if is_last {
            return self.checkpoint(Mode::Truncate).map(drop);
        }
        let Some(mode) = self.log.due() else { return Ok(()) };
        let is_complete = self.checkpoint(mode)?;
        self.log.copied(mode, is_complete);
        Ok(())
    }

    fn version_of_others(&mut self) -> Result<Option<Version>, Failure> {
        let (session, mut version) = (self.number, None);
        // Other connections' commits change the number, our own do not.
        let rows = LoadConnection::<DefaultLoadingMode>::load(
            &mut self.connection,
            Bound { statement: &self.data_version, binds: &[] },
        );
        for row in rows.map_err(failure::of_a_statement)? {
            let row = SqliteRow(row.map_err(failure::of_a_statement)?);
            version = Columns::new(&row, &["data_version"]).number().ok().map(|number| Version { session, number });
        }
        Ok(version)
    }
}

fn execute(connection: &mut SqliteConnection, statement: &Statement, binds: &[Bind<'_>]) -> Result<u64, Failure> {
    let met = connection.execute_returning_count(&Bound { statement, binds });
    met.map(|met| met as u64).map_err(failure::of_a_statement)
}

fn establish(path: &str) -> Result<SqliteConnection, StoreError> {
    // SQLite reads `file:` at the start as a URI and `:` as something special: what is relative says so.
    let is_relative = path != MEMORY && Path::new(path).is_relative();
    let url = if is_relative { format!("./{path}") } else { path.to_owned() };
    SqliteConnection::establish(&url).map_err(|error| cannot_open(path, &error.to_string()))
}

fn connect(path: &str, durability: Durability, timeout: Duration) -> Result<SqliteConnection, StoreError> {
    let mut connection = establish(path)?;
    let synchronous = match durability {
        // A commit returns when it is on the disk.
        Durability::Full => "PRAGMA synchronous = FULL",
        // It returns when the system has it: a process that is killed loses nothing.
        Durability::Relaxed => "PRAGMA synchronous = NORMAL",
    };
    // Whoever else holds the file is waited for, from the next setting on.
    let busy_timeout = format!("PRAGMA busy_timeout = {}", timeout.as_millis());
    // After a checkpoint the log's file is cut back to this length, and written over from its beginning.
    let log_length = format!("PRAGMA journal_size_limit = {}", checkpoint::BYTES_OF_SHORT_FILE);
    for setting in [busy_timeout.as_str()].iter().chain(SETTINGS).chain(&[synchronous, log_length.as_str()]) {
        connection.batch_execute(setting).map_err(|error| cannot_open(path, &error.to_string()))?;
    }
    Ok(connection)
}

pub(super) fn cannot_open(path: &str, reason: &str) -> StoreError {
    StoreError::Database(Box::new(CannotOpen { path: path.to_owned(), reason: reason.to_owned() }))
}

/// A database that lives as long as its connection.
pub(super) const MEMORY: &str = ":memory:";

/// Each on its own.
const SETTINGS: &[&str] = &[
    "PRAGMA journal_mode = WAL",
    // Checkpoints are ours, between commits.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA cache_size = -32768",
    "PRAGMA temp_store = MEMORY",
    // Through a mapping, an unreadable sector is a signal that ends the process instead of an error.
    "PRAGMA mmap_size = 0",
];
