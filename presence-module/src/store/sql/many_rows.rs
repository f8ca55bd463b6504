//! One statement for many rows, where each statement costs a round trip and more.
//!
//! Whoever has few sizes of it prepares few statements.

use std::sync::OnceLock;

use super::dialect::Dialect;
use super::statement::Write;
use super::value::Bind;

/// How a statement about one row is written for many.
#[derive(Debug)]
pub(crate) struct ManyRows {
    form: Form,
    /// Whether the database counts each row that is met, so that it shows if one is not there.
    pub(crate) is_counted: bool,
    /// Whether it inserts rows, each by the statement for one.
    pub(crate) is_insert: bool,
    texts: OnceLock<Vec<(usize, String)>>,
}

#[derive(Debug)]
enum Form {
    /// A part for each row, with all its values, between `head` and `tail`.
    Listed { head: String, row: String, tail: String },
    /// Each column has the value that belongs to the key of the row: `UPDATE … SET a = CASE key WHEN ? THEN ? … END, … WHERE
    /// key IN (?, …)`. The key is the last value of a row.
    Chosen { head: String, columns: Vec<String>, key: String },
}

/// For how many rows, large numbers first.
const ROWS_AT_ONCE: [usize; 6] = [64, 32, 16, 8, 4, 2];

/// Of values that are looked for one by one, fewer.
const CHOSEN_AT_ONCE: usize = 32;

impl ManyRows {
    /// A statement with a part for each row.
    pub(crate) fn listed(head: String, row: String, tail: String) -> Self {
        let form = Form::Listed { head, row, tail };
        Self { form, is_counted: false, is_insert: false, texts: OnceLock::new() }
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
        Self { form, is_counted: true, is_insert: false, texts: OnceLock::new() }
    }

    /// Returns the text for each of some numbers of rows, large ones first.
    pub(crate) fn texts(&self) -> &[(usize, String)] {
        let most = if matches!(self.form, Form::Chosen { .. }) { CHOSEN_AT_ONCE } else { usize::MAX };
        let counts = || ROWS_AT_ONCE.into_iter().filter(|count| *count <= most);
        self.texts.get_or_init(|| counts().map(|count| (count, self.text(count))).collect())
    }

    /// Returns the text for `count` rows.
    pub(crate) fn text(&self, count: usize) -> String {
        match &self.form {
            Form::Listed { head, row, tail } => format!("{head}{}{tail}", vec![row.as_str(); count].join(", ")),
            Form::Chosen { head, columns, key } => {
                let choice = " WHEN ? THEN ?".repeat(count);
                let chosen: Vec<_> =
                    columns.iter().map(|column| format!("{column} = CASE {key}{choice} END")).collect();
                format!("{head}{} WHERE {key} IN ({})", chosen.join(", "), vec!["?"; count].join(", "))
            }
        }
    }

    /// Returns the values of `writes`, which are of this statement, in the order of their places.
    pub(crate) fn values<'w>(&self, writes: &[&'w Write<'_>]) -> Vec<&'w Bind<'w>> {
        match &self.form {
            Form::Listed { .. } => writes.iter().flat_map(|write| &write.binds).collect(),
            Form::Chosen { columns, .. } => {
                let at =
                    |place: usize| writes.iter().map(move |write| (&write.binds[columns.len()], &write.binds[place]));
                let choices = (0..columns.len()).flat_map(at).flat_map(|(key, value)| [key, value]);
                choices.chain(writes.iter().map(|write| &write.binds[columns.len()])).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::TableNames;
    use crate::store::sql::statements::Statements;

    #[test]
    fn each_value_stands_beside_its_key() {
        let statements = Statements::new(Dialect::MySql, &TableNames::default());
        let statement = &statements.publication_refreshed;
        let many = statement.many_rows().unwrap();
        assert_eq!(
            many.text(2),
            "UPDATE `presentity` SET `etag` = CASE `id` WHEN ? THEN ? WHEN ? THEN ? END, \
             `expires` = CASE `id` WHEN ? THEN ? WHEN ? THEN ? END WHERE `id` IN (?, ?)"
        );
        let write = |etag, expires, id| {
            let binds = vec![Bind::Text(etag), Bind::Integer(expires), Bind::Integer(id)];
            Write { statement, binds }
        };
        let (a, b) = (write("a", 10, 1), write("b", 20, 2));
        let shown: Vec<_> = many.values(&[&a, &b]).into_iter().map(|bind| format!("{bind:?}")).collect();
        let expected = "Integer(1) Text(\"a\") Integer(2) Text(\"b\") Integer(1) Integer(10) Integer(2) Integer(20) \
                        Integer(1) Integer(2)";
        assert_eq!(shown.join(" "), expected);
    }
}
