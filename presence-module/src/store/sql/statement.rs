//! A statement: its text in the dialect of its database, the table it is about, and where its values go.

use super::dialect::Dialect;
use super::many_rows::ManyRows;
use super::value::Bind;

/// A statement that is run again and again, with other values.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The whole text, as the database's own protocol takes it.
    text: String,
    /// The text between the places of values.
    pieces: Vec<String>,
    table: String,
    many_rows: Option<ManyRows>,
    /// The places of the values that are the key of the one row it is about, if it is about one.
    key: Option<Vec<usize>>,
    is_met: bool,
}

impl Statement {
    /// Reads `text`; each `?` in it is the place of a value.
    pub(crate) fn new(dialect: Dialect, text: &str) -> Self {
        Self::on(dialect, "", text)
    }

    /// Reads a statement about `table`, which diagnostics name.
    pub(crate) fn on(dialect: Dialect, table: &str, text: &str) -> Self {
        let pieces: Vec<String> = text.split('?').map(str::to_owned).collect();
        let text = match dialect {
            Dialect::MySql | Dialect::Sqlite => text.to_owned(),
            Dialect::Postgres => numbered(&pieces),
        };
        Self { text, pieces, table: table.to_owned(), many_rows: None, key: None, is_met: false }
    }

    /// Takes `text` as it is: a statement without values, in which `?` is a character.
    pub(crate) fn verbatim(text: &str) -> Self {
        let (text, pieces) = (text.to_owned(), vec![text.to_owned()]);
        Self { text, pieces, table: String::new(), many_rows: None, key: None, is_met: false }
    }

    /// Writes a row of `columns` into `table`; `tail` says what happens if its key is taken.
    pub(crate) fn insert(dialect: Dialect, table: &str, columns: &[&str], tail: &str) -> Self {
        let head = format!("INSERT INTO {} ({}) VALUES ", dialect.quoted(table), dialect.list(columns));
        let row = format!("({})", vec!["?"; columns.len()].join(", "));
        let rows = ManyRows::insert(head, row, tail.to_owned());
        Self::on(dialect, table, &rows.text(1)).for_many(rows)
    }

    /// Says which of its values are the key of the one row it is about.
    pub(crate) fn about(self, key: impl IntoIterator<Item = usize>) -> Self {
        Self { key: Some(key.into_iter().collect()), ..self }
    }

    /// Says how it is written for many rows at once.
    pub(crate) fn for_many(self, rows: ManyRows) -> Self {
        Self { many_rows: Some(rows), ..self }
    }

    /// Says that the row it is about must be there.
    pub(crate) fn meeting_its_row(self) -> Self {
        Self { is_met: true, ..self }
    }

    /// Returns the text, as the database's own protocol takes it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text between the places of values.
    pub(crate) fn pieces(&self) -> &[String] {
        &self.pieces
    }

    /// Returns the table it is about, empty for none.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Returns how it is written for many rows at once, if it can be.
    pub(crate) fn many_rows(&self) -> Option<&ManyRows> {
        self.many_rows.as_ref()
    }

    /// Returns the places of the values that are the key of the one row it is about.
    pub(crate) fn key(&self) -> Option<&[usize]> {
        self.key.as_deref()
    }

    /// Returns whether the row it is about must be there.
    pub(crate) fn must_meet_its_row(&self) -> bool {
        self.is_met
    }
}

/// A statement with its values.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) statement: &'a Statement,
    pub(crate) binds: Vec<Bind<'a>>,
}

/// Writes `$1`, `$2` … between the pieces.
fn numbered(pieces: &[String]) -> String {
    let mut text = String::new();
    for (position, piece) in pieces.iter().enumerate() {
        if position > 0 {
            text.push_str(&format!("${position}"));
        }
        text.push_str(piece);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_the_database_reads_them() {
        let text = |dialect| Statement::new(dialect, "SELECT a FROM t WHERE b = ? AND c > ?").text().to_owned();
        assert_eq!(text(Dialect::Sqlite), "SELECT a FROM t WHERE b = ? AND c > ?");
        assert_eq!(text(Dialect::Postgres), "SELECT a FROM t WHERE b = $1 AND c > $2");
        let insert = Statement::insert(Dialect::Postgres, "t", &["user", "b"], "");
        assert_eq!(insert.text(), "INSERT INTO \"t\" (\"user\", \"b\") VALUES ($1, $2)");
    }
}
