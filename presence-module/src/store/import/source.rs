//! A database that another program wrote, read table by table. Nothing is written there.

use std::borrow::Cow;
use std::time::Duration;

use super::foreign_row::{ForeignRow, Value};
use crate::store::StoreError;
use crate::store::sql::connection::{Access, Connection};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::migration;
use crate::store::sql::statement::Statement;
use crate::store::sql::value::{Cell, Row};
use crate::store::url::DatabaseUrl;

/// A session with it, in a view of one moment.
pub struct Source {
    dialect: Dialect,
    connection: Box<dyn Connection>,
}

impl Source {
    /// Opens the database at `url`. No answer of a server is waited for longer than `timeout`.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn open(url: &DatabaseUrl, timeout: Duration) -> Result<Self, StoreError> {
        let mut connection = url.open_to_read(timeout)?;
        connection.begin(Access::Read)?;
        Ok(Self { dialect: url.dialect(), connection })
    }

    /// Returns the names of a table's columns, none if there is no such table.
    ///
    /// # Errors
    /// The database failed.
    pub(super) fn columns(&mut self, table: &str) -> Result<Vec<String>, StoreError> {
        migration::columns(&mut *self.connection, self.dialect, table)
    }

    /// Shows the `columns` of every row, one row at a time.
    ///
    /// # Errors
    /// The database failed.
    pub(super) fn rows(
        &mut self,
        table: &str,
        columns: &[&'static str],
        visit: &mut dyn FnMut(&ForeignRow),
    ) -> Result<(), StoreError> {
        let query = format!("SELECT {} FROM {}", self.dialect.list(columns), self.dialect.quoted(table));
        self.connection.query(&Statement::new(self.dialect, &query), &[], &mut |row| visit(&foreign(row, columns)))?;
        Ok(())
    }
}

fn foreign(row: &dyn Row, columns: &[&'static str]) -> ForeignRow {
    let mut foreign = ForeignRow::default();
    for (position, column) in columns.iter().enumerate() {
        row.cell(position, &mut |cell| foreign.push(Cow::Borrowed(*column), value(cell)));
    }
    foreign
}

fn value(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Cell::Integer(number) => Value::Integer(number),
        Cell::Missing | Cell::Null => Value::Null,
        Cell::Other | Cell::TextOfOtherCharset => Value::Other,
        Cell::Text(text) => Value::Text(text.to_owned()),
    }
}
