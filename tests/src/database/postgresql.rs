//! A database of a PostgreSQL server.

use std::error::Error;

use postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::address::Address;
use super::{Connection, SqlError};

pub(super) struct PostgreSql(Client);

impl PostgreSql {
    pub(super) fn connect(address: &Address) -> Result<Self, SqlError> {
        let mut config = Config::new();
        config.host(&address.host).port(address.port).dbname(&address.database);
        config.user(&address.user).password(&address.password);
        Ok(Self(config.connect(NoTls)?))
    }
}

impl Connection for PostgreSql {
    fn execute(&mut self, statement: &str) -> Result<u64, SqlError> {
        let met = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::CommandComplete(rows) => *rows,
            _ => 0,
        };
        Ok(self.0.simple_query(statement)?.iter().map(met).sum())
    }

    fn script(&mut self, statements: &str) -> Result<(), SqlError> {
        Ok(self.0.batch_execute(statements)?)
    }

    fn lines(&mut self, query: &str) -> Result<Vec<String>, SqlError> {
        let line = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        };
        Ok(self.0.simple_query(query)?.into_iter().filter_map(line).collect())
    }
}

impl From<postgres::Error> for SqlError {
    fn from(error: postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refusal) => Self { code: refusal.code().code().into(), message: refusal.message().into() },
            None => Self::connection(
                error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
            ),
        }
    }
}
