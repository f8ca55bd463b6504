//! PostgreSQL: one session over TCP, each of whose answers is waited for so long and no longer.

mod failure; // whose fault a failed statement is
mod pipeline; // many statements under way at once
mod session; // the connection to the server
mod tls; // who the server is
mod value; // values as the protocol has them

use std::time::Duration;

use self::session::Session;
use super::sql::connection::Connection;
use super::sql::dialect::Dialect;
use super::sql::store::{SqlStore, Taking};
use super::url::Server;
use super::{Durability, Opening, StoreError};

/// Opens a database of `server`, which must exist and be UTF-8, and takes it into use.
///
/// # Errors
/// The server cannot be reached or does not let us in, or one of those of every backend.
pub fn open(
    server: &Server,
    durability: Durability,
    timeout: Duration,
    taking: &mut Taking<'_>,
) -> Result<(SqlStore, Opening), StoreError> {
    let server = server.clone();
    let connect = move || Ok(Box::new(Session::open(&server, durability, timeout)?) as Box<dyn Connection>);
    SqlStore::open(Dialect::Postgres, Box::new(connect), taking)
}

/// Opens a database that another program wrote, to be read only.
///
/// # Errors
/// The server cannot be reached or does not let us in.
pub(crate) fn open_to_read(server: &Server, timeout: Duration) -> Result<Box<dyn Connection>, StoreError> {
    Ok(Box::new(Session::open(server, Durability::Full, timeout)?))
}
