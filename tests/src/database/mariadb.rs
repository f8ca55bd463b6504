//! A database of a MariaDB server.

use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, SslOpts, Value};

use super::address::Address;
use super::{Connection, SqlError};

/// How long a server may be silent before a test gives it up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The common dialect of all three.
const DIALECT: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES')";

pub(super) struct MariaDb(Conn);

impl MariaDb {
    pub(super) fn connect(address: &Address) -> Result<Self, SqlError> {
        let tls = address.tls_ca.clone().map(|file| SslOpts::default().with_root_cert_path(Some(file)));
        let options = OptsBuilder::new()
            .ip_or_hostname(Some(&address.host))
            .tcp_port(address.port)
            .prefer_socket(false)
            .user(Some(&address.user))
            .pass(Some(&address.password))
            .db_name(Some(&address.database))
            .ssl_opts(tls)
            .tcp_connect_timeout(Some(SILENCE_MAX))
            .read_timeout(Some(SILENCE_MAX));
        let mut connection = Conn::new(options)?;
        connection.query_drop(DIALECT)?;
        Ok(Self(connection))
    }
}

impl Connection for MariaDb {
    fn execute(&mut self, statement: &str) -> Result<u64, SqlError> {
        self.0.query_drop(statement)?;
        Ok(self.0.affected_rows())
    }

    fn script(&mut self, statements: &str) -> Result<(), SqlError> {
        let mut results = self.0.query_iter(statements)?;
        while let Some(rows) = results.iter() {
            for row in rows {
                row?;
            }
        }
        Ok(())
    }

    fn lines(&mut self, query: &str) -> Result<Vec<String>, SqlError> {
        let rows: Vec<Value> = self.0.query(query)?;
        Ok(rows.into_iter().map(text).collect())
    }
}

/// Returns what a server that was asked in text answers: texts.
fn text(value: Value) -> String {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => other.as_sql(true),
    }
}

impl From<mysql::Error> for SqlError {
    fn from(error: mysql::Error) -> Self {
        match error {
            mysql::Error::MySqlError(refusal) => Self { code: refusal.code.to_string(), message: refusal.message },
            other => Self::connection(other),
        }
    }
}
