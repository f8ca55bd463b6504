//! Statements and rows as diesel has them.
//!
//! A statement with its values is a diesel query of our own, because `sql_query` is prepared anew at each call while this
//! one is found again, by its text, in the connection's cache of prepared statements.

use diesel::connection::LoadConnection;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::row::{Field, Row as _};
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::{Sqlite, SqliteType};
use diesel::{QueryResult, SqliteConnection};

use crate::store::sql::statement::Statement;
use crate::store::sql::value::{Bind, Cell, Row};

/// A statement with its values: what diesel runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound<'a> {
    pub(super) statement: &'a Statement,
    pub(super) binds: &'a [Bind<'a>],
}

impl QueryFragment<Sqlite> for Bound<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut binds = self.binds.iter();
        for (position, piece) in self.statement.pieces().iter().enumerate() {
            if position > 0 {
                match binds.next() {
                    Some(Bind::Blob(bytes)) => out.push_bind_param::<Binary, [u8]>(bytes)?,
                    Some(Bind::Integer(number)) => out.push_bind_param::<BigInt, i64>(number)?,
                    Some(Bind::Made(text)) => out.push_bind_param::<Text, str>(text.as_str())?,
                    Some(Bind::Text(text)) => out.push_bind_param::<Text, str>(text)?,
                    None => return Err(diesel::result::Error::QueryBuilderError("a parameter has no value".into())),
                }
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl QueryId for Bound<'_> {
    type QueryId = ();
    // One type carries every statement, so its text is what the cache goes by.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Bound<'_> {
    // Rows are read by position and by the type each value turns out to have.
    type SqlType = Binary;
}

/// A row of SQLite, where each value has a type of its own.
pub(super) struct SqliteRow<'c, 'q>(pub(super) <SqliteConnection as LoadConnection>::Row<'c, 'q>);

impl Row for SqliteRow<'_, '_> {
    fn cell(&self, position: usize, read: &mut dyn FnMut(Cell<'_>)) {
        let Some(field) = self.0.get(position) else { return read(Cell::Missing) };
        let Some(mut value) = field.value() else { return read(Cell::Null) };
        match value.value_type() {
            Some(SqliteType::Long) => read(Cell::Integer(value.read_long())),
            Some(SqliteType::Binary) => read(Cell::Bytes(value.read_blob())),
            Some(SqliteType::Text) => {
                // `read_text` mends what is not UTF-8, by a letter that begins with this byte; a row that had to be mended is
                // not the row that was written.
                let text = value.read_text();
                if memchr::memchr(0xEF, text.as_bytes()).is_none() {
                    return read(Cell::Text(text));
                }
                if str::from_utf8(value.read_blob()).is_err() {
                    return read(Cell::TextOfOtherCharset);
                }
                read(Cell::Text(value.read_text()));
            }
            Some(_) => read(Cell::Other),
            None => read(Cell::Null),
        }
    }
}
