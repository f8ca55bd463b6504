//! One statement for many rows, where each statement costs a round trip and more.
//!
//! Whoever has few sizes of it prepares few statements. One that changes or deletes rows may name one of them several times, so
//! that places nobody needs are filled with the last row, and what is no such size is one statement all the same.

use std::sync::OnceLock;

use super::dialect::Dialect;
use super::statement::Write;
use super::value::Bind;

/// How a statement about one row is written for many.
#[derive(Debug)]
pub(crate) struct ManyRows {
    form: Form,
    /// Whether it inserts rows, each by the statement for one.
    pub(crate) is_insert: bool,
    texts: OnceLock<Vec<(usize, String)>>,
}

#[derive(Debug)]
enum Form {
    /// A part for each row, with all its values, between `head` and `tail`.
    Listed { head: String, row: String, tail: String },
    /// Each column has the value at the place of the row's key: `UPDATE … SET a = ELT(@place := FIELD(key, ?, …), ?, …), b =
    /// ELT(@place, ?, …) WHERE key IN (?, …)`. The key is the last value of a row.
    Chosen { head: String, columns: Vec<String>, key: String },
}

/// For how many rows, small numbers first.
const ROWS_AT_ONCE: [usize; 10] = [2, 4, 6, 8, 12, 16, 24, 32, 48, 64];

impl ManyRows {
    /// A statement with a part for each row.
    pub(crate) fn listed(head: String, row: String, tail: String) -> Self {
        let form = Form::Listed { head, row, tail };
        Self { form, is_insert: false, texts: OnceLock::new() }
    }

    /// Inserts rows, each with all its values.
    pub(crate) fn insert(head: String, row: String, tail: String) -> Self {
        Self { is_insert: true, ..Self::listed(head, row, tail) }
    }

    /// Changes `columns` of rows of `table` that must be there, each to values of its own. MariaDB takes half as long for it as
    /// for inserting rows where they are, a few columns of many given.
    pub(crate) fn chosen(dialect: Dialect, table: &str, columns: &[&str], key: &str) -> Self {
        let head = format!("UPDATE {} SET ", dialect.quoted(table));
        let columns = columns.iter().map(|column| dialect.quoted(column)).collect();
        let form = Form::Chosen { head, columns, key: dialect.quoted(key) };
        Self { form, is_insert: false, texts: OnceLock::new() }
    }

    /// Returns the statement for as many of `rows` rows as one can be about, and how many places for rows it has; `None` where
    /// there is one row.
    pub(crate) fn for_rows(&self, rows: usize) -> Option<&(usize, String)> {
        let texts = self.texts.get_or_init(|| ROWS_AT_ONCE.map(|count| (count, self.text(count))).to_vec());
        let full = || texts.iter().rfind(|(count, _)| *count <= rows);
        match self.is_insert || rows < 2 {
            true => full(),
            false => texts.iter().find(|(count, _)| *count >= rows).or_else(full),
        }
    }

    /// Returns the text for `count` rows.
    pub(crate) fn text(&self, count: usize) -> String {
        match &self.form {
            Form::Listed { head, row, tail } => format!("{head}{}{tail}", vec![row.as_str(); count].join(", ")),
            Form::Chosen { head, columns, key } => {
                let each = vec!["?"; count].join(", ");
                // Columns are given their values from left to right.
                let found = std::iter::once(format!("@place := FIELD({key}, {each})"));
                let places = found.chain(std::iter::repeat("@place".to_owned()));
                let chosen =
                    columns.iter().zip(places).map(|(column, place)| format!("{column} = ELT({place}, {each})"));
                format!("{head}{} WHERE {key} IN ({each})", chosen.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Returns the values of `writes`, which are of this statement, in the order of their `places`; the last write stands in those
    /// that are left.
    pub(crate) fn values<'w>(&self, writes: &[&'w Write<'_>], places: usize) -> Vec<&'w Bind<'w>> {
        let left = || writes.last().into_iter().cycle().take(places - writes.len());
        match &self.form {
            Form::Listed { .. } => writes.iter().chain(left()).flat_map(|write| &write.binds).collect(),
            Form::Chosen { columns, .. } => {
                let keys = || writes.iter().chain(left()).map(|write| &write.binds[columns.len()]);
                let values = (0..columns.len()).flat_map(|column| {
                    // Of equal keys the first is found: no value is needed twice.
                    writes
                        .iter()
                        .map(move |write| &write.binds[column])
                        .chain(left().map(move |write| write.binds[column].empty()))
                });
                keys().chain(values).chain(keys()).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::TableNames;
    use crate::store::sql::statement::Statement;
    use crate::store::sql::statements::Statements;

    #[test]
    fn each_value_stands_at_the_place_of_its_key() {
        let statements = Statements::new(Dialect::MySql, &TableNames::default());
        let statement = &statements.publication_refreshed;
        let many = statement.many_rows().unwrap();
        assert_eq!(
            many.text(2),
            "UPDATE `presentity` SET `etag` = ELT(@place := FIELD(`id`, ?, ?), ?, ?), \
             `expires` = ELT(@place, ?, ?) WHERE `id` IN (?, ?)"
        );
        let write = |etag, expires, id| {
            let binds = vec![Bind::Text(etag), Bind::Integer(expires), Bind::Integer(id)];
            Write { statement, binds }
        };
        let (a, b) = (write("a", 10, 1), write("b", 20, 2));
        let shown: Vec<_> = many.values(&[&a, &b], 2).into_iter().map(|bind| format!("{bind:?}")).collect();
        let expected = "Integer(1) Integer(2) Text(\"a\") Text(\"b\") Integer(10) Integer(20) Integer(1) Integer(2)";
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn places_nobody_needs_hold_the_last_row_and_no_value() {
        let statements = Statements::new(Dialect::MySql, &TableNames::default());
        let (changed, removed) = (&statements.publication_refreshed, &statements.publication_removed);
        let binds = [vec![Bind::Text("a"), Bind::Integer(10), Bind::Integer(1)], vec![Bind::Integer(2)]];
        let [change, removal] = binds.map(|binds| Write { statement: changed, binds });
        let shown = |many: &ManyRows, write| format!("{:?}", many.values(&[write], 2));
        assert_eq!(
            shown(changed.many_rows().unwrap(), &change),
            "[Integer(1), Integer(1), Text(\"a\"), Text(\"\"), Integer(10), Integer(0), Integer(1), Integer(1)]"
        );
        assert_eq!(shown(removed.many_rows().unwrap(), &removal), "[Integer(2), Integer(2)]");
    }

    #[test]
    fn one_statement_is_about_as_many_rows_as_can_be() {
        let statements = Statements::new(Dialect::MySql, &TableNames::default());
        let places =
            |statement: &Statement, rows| statement.many_rows().unwrap().for_rows(rows).map(|(places, _)| *places);
        let of = |statement| [1, 2, 5, 33, 100].map(|rows| places(statement, rows));
        assert_eq!(of(&statements.publication_removed), [None, Some(2), Some(6), Some(48), Some(64)]);
        assert_eq!(of(&statements.publication_refreshed), [None, Some(2), Some(6), Some(48), Some(64)]);
        assert_eq!(of(&statements.publication_stored), [None, Some(2), Some(4), Some(32), Some(64)]);
    }
}
