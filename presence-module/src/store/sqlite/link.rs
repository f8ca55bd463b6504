//! The one connection to the file: opened with our settings, dropped when it is in doubt, opened again when needed.
//!
//! A file that has gone is not made anew: an empty database would look like one that nobody ever published to.

use std::path::{Path, PathBuf};

use diesel::connection::{DefaultLoadingMode, LoadConnection, SimpleConnection};
use diesel::{Connection, QueryResult, SqliteConnection};

use super::failure;
use super::reading::Columns;
use super::statements::{Bound, Statement, Statements};
use crate::store::StoreError;

/// Why a database file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the database `{path}`: {reason}")]
pub struct CannotOpen {
    /// The file.
    pub path: String,
    /// What stands in the way.
    pub reason: String,
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    /// A view of one moment.
    Read,
    /// Changes; other writers wait from its beginning.
    Write,
}

/// A connection that may be away.
pub(super) struct Link {
    path: String,
    wal_path: PathBuf,
    connection: Option<SqliteConnection>,
    /// How often it was opened.
    openings: u64,
}

impl Link {
    /// Opens the file at `path`, and makes it if it is not there.
    pub(super) fn open(path: &str) -> Result<Self, StoreError> {
        if path.is_empty() {
            return Err(cannot_open(path, "the path is empty"));
        }
        let parent = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(missing) = parent.filter(|parent| !parent.is_dir() && path != MEMORY) {
            return Err(cannot_open(path, &format!("`{}` is not a directory", missing.display())));
        }
        let wal_path = PathBuf::from(format!("{path}-wal"));
        Ok(Self { path: path.to_owned(), wal_path, connection: Some(connect(path)?), openings: 1 })
    }

    /// Returns the connection, opened again if it was dropped.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        if self.connection.is_none() {
            if !Path::new(&self.path).exists() {
                return Err(cannot_open(&self.path, "the file is gone"));
            }
            self.connection = Some(connect(&self.path)?);
            self.openings += 1;
        }
        self.connection.as_mut().ok_or_else(|| cannot_open(&self.path, "there is no connection"))
    }

    /// Runs `work` in one transaction; an error of it leaves nothing behind.
    pub(super) fn transaction<T, E>(
        &mut self,
        access: Access,
        statements: &Statements,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<diesel::result::Error> + From<StoreError>,
    {
        let begin = match access {
            Access::Read => &statements.begin_read,
            Access::Write => &statements.begin_write,
        };
        let connection = self.connection()?;
        if let Err(error) = run(connection, &begin.with(&[])) {
            if !failure::is_busy(&error) {
                self.connection = None;
            }
            return Err(error.into());
        }
        let done = work(connection).and_then(|value| {
            run(connection, &statements.commit.with(&[]))?;
            Ok(value)
        });
        if done.is_err() && run(connection, &statements.rollback.with(&[])).is_err() {
            // To drop the connection has the effect the rollback should have had.
            self.connection = None;
        }
        done
    }

    /// Returns how often the file was opened: what SQLite counts for a connection begins anew with each.
    pub(super) fn openings(&self) -> u64 {
        self.openings
    }

    /// Returns how long the write-ahead log's file is.
    pub(super) fn wal_length(&self) -> u64 {
        self.wal_path.metadata().map_or(0, |metadata| metadata.len())
    }
}

/// Runs a statement that returns no rows, and returns how many it changed.
pub(super) fn run(connection: &mut SqliteConnection, query: &Bound<'_>) -> QueryResult<usize> {
    connection.execute_returning_count(query)
}

/// Shows each row of `query` to `visit`, one at a time.
pub(super) fn for_each_row(
    connection: &mut SqliteConnection,
    query: Bound<'_>,
    names: &'static [&'static str],
    mut visit: impl FnMut(Columns<'_, '_>),
) -> QueryResult<()> {
    for row in LoadConnection::<DefaultLoadingMode>::load(connection, query)? {
        visit(Columns::new(row?, names));
    }
    Ok(())
}

fn connect(path: &str) -> Result<SqliteConnection, StoreError> {
    // SQLite reads `file:` at the start as a URI and `:` as something special: what is relative says so.
    let is_relative = path != MEMORY && Path::new(path).is_relative();
    let url = if is_relative { format!("./{path}") } else { path.to_owned() };
    let mut connection = SqliteConnection::establish(&url).map_err(|error| cannot_open(path, &error.to_string()))?;
    for setting in SETTINGS {
        connection.batch_execute(setting).map_err(|error| cannot_open(path, &error.to_string()))?;
    }
    let mode = journal_mode(&mut connection)?;
    if mode != "wal" && path != MEMORY {
        let reason = format!("its file system offers journal mode `{mode}` only, and `wal` is needed");
        return Err(cannot_open(path, &reason));
    }
    Ok(connection)
}

fn journal_mode(connection: &mut SqliteConnection) -> QueryResult<String> {
    let mut mode = String::new();
    for_each_row(connection, Statement::fixed("PRAGMA journal_mode").with(&[]), &["journal_mode"], |mut columns| {
        mode = columns.text().map_or_else(|_| String::new(), Into::into);
    })?;
    Ok(mode)
}

fn cannot_open(path: &str, reason: &str) -> StoreError {
    StoreError::Database(Box::new(CannotOpen { path: path.to_owned(), reason: reason.to_owned() }))
}

/// A database that lives as long as its connection.
const MEMORY: &str = ":memory:";

/// Each on its own, the wait for others first: what follows may have to wait already.
const SETTINGS: &[&str] = &[
    "PRAGMA busy_timeout = 2000",
    "PRAGMA journal_mode = WAL",
    // A commit returns when it is on the disk.
    "PRAGMA synchronous = FULL",
    // Checkpoints are ours, between commits. After one the log's file is cut back to this length.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA journal_size_limit = 8388608",
    "PRAGMA cache_size = -32768",
    "PRAGMA temp_store = MEMORY",
    // Through a mapping, an unreadable sector is a signal that ends the process instead of an error.
    "PRAGMA mmap_size = 0",
];
