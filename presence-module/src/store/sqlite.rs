//! The embedded backend: one SQLite file in WAL mode, one connection, a commit that is on the disk when it returns.
//!
//! The log is checkpointed between commits and never by one.

mod checkpoint; // the log, back into the file
mod failure; // whose fault a failed statement is
mod query; // statements and rows as diesel has them
mod session; // the connection to the file

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

pub use self::session::CannotOpen;

use self::session::Session;
use super::sql::connection::Connection;
use super::sql::dialect::Dialect;
use super::sql::store::{SqlStore, Taking};
use super::{Durability, Opening, StoreError};

/// Opens the file at `path`, makes it if it is not there, and takes it into use. Another program
/// that holds it is waited for no longer than `timeout`. `:memory:` is a database for tests.
///
/// # Errors
/// The file cannot be opened ([`CannotOpen`]), or one of those of every backend.
pub fn open(
    path: &str,
    durability: Durability,
    timeout: Duration,
    taking: &mut Taking<'_>,
) -> Result<(SqlStore, Opening), StoreError> {
    let path = path.to_owned();
    let mut is_made = false;
    let connect = move || {
        // A file that has gone is not made anew: an empty database would look like one that nobody ever published to.
        if is_made && path != session::MEMORY && !Path::new(&path).exists() {
            return Err(session::cannot_open(&path, "the file is gone"));
        }
        let session = Session::open(&path, durability, timeout)?;
        is_made = true;
        Ok(Box::new(session) as Box<dyn Connection>)
    };
    SqlStore::open(Dialect::Sqlite, Box::new(connect), taking)
}

/// Opens the file at `path` that another program wrote, to be read only.
///
/// # Errors
/// It cannot be opened ([`CannotOpen`]).
pub(crate) fn open_to_read(path: &str) -> Result<Box<dyn Connection>, StoreError> {
    Ok(Box::new(Session::open_to_read(path)?))
}
