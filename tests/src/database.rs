//! The server's SQLite file seen from another process: what operators read there, and what other programs write.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{Integer, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

/// A connection of its own to a server's database.
pub struct Database {
    connection: SqliteConnection,
}

/// A row of one column.
#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// A row of the table of rules documents.
#[derive(Clone, Copy, Debug)]
pub struct XcapDocument<'a> {
    /// The owner's user part.
    pub user: &'a str,
    /// The owner's domain.
    pub domain: &'a str,
    /// What kind of document it is; 1 and 2 are presence rules.
    pub doc_type: i32,
    /// Which of the owner's documents of that kind.
    pub doc_uri: &'a str,
    /// The document.
    pub text: &'a str,
}

impl Database {
    /// Opens the file of a server that runs or ran.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Self {
        let mut connection = SqliteConnection::establish(&path.display().to_string())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        connection.batch_execute("PRAGMA busy_timeout = 10000").expect("SQLite knows its pragmas");
        Self { connection }
    }

    /// Runs one statement.
    ///
    /// # Panics
    /// If it fails.
    pub fn execute(&mut self, statement: &str) {
        self.connection.batch_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Returns what `expression` is for each row of `rest`, which begins with the table: `lines("etag", "presentity")`.
    ///
    /// # Panics
    /// If the query fails.
    pub fn lines(&mut self, expression: &str, rest: &str) -> Vec<String> {
        let query = format!("SELECT {expression} AS line FROM {rest}");
        let rows: Vec<Line> =
            sql_query(&query).load(&mut self.connection).unwrap_or_else(|error| panic!("{query}: {error}"));
        rows.into_iter().map(|row| row.line).collect()
    }

    /// Puts a document into `table`, in the place of the one of the same name.
    ///
    /// # Panics
    /// If the table does not take it.
    pub fn put(&mut self, table: &str, document: &XcapDocument<'_>) {
        self.remove(table, document);
        let statement =
            format!("INSERT INTO `{table}` (`user`, `domain`, `doc_type`, `doc_uri`, `xcap`) VALUES (?, ?, ?, ?, ?)");
        sql_query(statement)
            .bind::<Text, _>(document.user)
            .bind::<Text, _>(document.domain)
            .bind::<Integer, _>(document.doc_type)
            .bind::<Text, _>(document.doc_uri)
            .bind::<Text, _>(document.text)
            .execute(&mut self.connection)
            .unwrap_or_else(|error| panic!("{table}: {error}"));
    }

    /// Removes the document of that name from `table`, if it is there.
    ///
    /// # Panics
    /// If the table cannot be written.
    pub fn remove(&mut self, table: &str, document: &XcapDocument<'_>) {
        let statement =
            format!("DELETE FROM `{table}` WHERE `user` = ? AND `domain` = ? AND `doc_type` = ? AND `doc_uri` = ?");
        sql_query(statement)
            .bind::<Text, _>(document.user)
            .bind::<Text, _>(document.domain)
            .bind::<Integer, _>(document.doc_type)
            .bind::<Text, _>(document.doc_uri)
            .execute(&mut self.connection)
            .unwrap_or_else(|error| panic!("{table}: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_takes_the_place_of_its_namesake() {
        let directory = tempfile::tempdir().unwrap();
        let mut database = Database::open(&directory.path().join("x.db"));
        let columns = "`user` text, `domain` text, `doc_type` integer, `doc_uri` text, `xcap` text";
        database.connection.batch_execute(&format!("CREATE TABLE t ({columns})")).unwrap();
        let document = XcapDocument { user: "dana", domain: "pres.example", doc_type: 2, doc_uri: "index", text: "a" };
        database.put("t", &document);
        database.put("t", &XcapDocument { text: "b", ..document });
        database.put("t", &XcapDocument { doc_uri: "other", ..document });
        assert_eq!(database.lines("doc_uri || ' ' || xcap", "t ORDER BY 1"), ["index b", "other a"]);
        database.remove("t", &document);
        assert_eq!(database.lines("doc_uri", "t"), ["other"]);
    }
}
