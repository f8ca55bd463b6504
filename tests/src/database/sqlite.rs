//! An SQLite file.

use diesel::connection::SimpleConnection;
use diesel::sql_types::{Nullable, Text};
use diesel::{Connection as _, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

use super::{Connection, SqlError};

pub(super) struct Sqlite(SqliteConnection);

/// A row of one column.
#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Nullable<Text>)]
    line: Option<String>,
}

impl Sqlite {
    pub(super) fn connect(path: &str) -> Result<Self, SqlError> {
        let mut connection = SqliteConnection::establish(path).map_err(SqlError::connection)?;
        connection.batch_execute("PRAGMA busy_timeout = 10000")?;
        Ok(Self(connection))
    }
}

impl Connection for Sqlite {
    fn execute(&mut self, statement: &str) -> Result<u64, SqlError> {
        let rows = sql_query(statement).execute(&mut self.0)?;
        Ok(u64::try_from(rows).unwrap_or(u64::MAX))
    }

    fn script(&mut self, statements: &str) -> Result<(), SqlError> {
        Ok(self.0.batch_execute(statements)?)
    }

    fn lines(&mut self, query: &str) -> Result<Vec<String>, SqlError> {
        let rows: Vec<Line> = sql_query(query).load(&mut self.0)?;
        Ok(rows.into_iter().map(|row| row.line.unwrap_or_else(|| "NULL".into())).collect())
    }
}

impl From<diesel::result::Error> for SqlError {
    fn from(error: diesel::result::Error) -> Self {
        let code = match &error {
            diesel::result::Error::DatabaseError(kind, _) => format!("{kind:?}"),
            _ => "SQLite".into(),
        };
        Self { code, message: error.to_string() }
    }
}
