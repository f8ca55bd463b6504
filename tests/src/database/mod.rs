//! A database seen from another process than the server: what operators read there, and what other programs write.
//!
//! One dialect serves all three: names stand in "double quotes", `||` joins texts, and in a 'text' only the quote is
//! special (it is doubled). A connection sees what others have committed; it is in no transaction unless told to begin one.

mod address; // where a database server is, as its URL says
mod mariadb; // the three behind one interface
mod postgresql;
mod sqlite;

use std::path::Path;

use address::Address;

/// A connection of its own to a database.
pub struct Database {
    connection: Box<dyn Connection>,
}

/// What SQL travels by.
trait Connection: Send {
    /// Runs one statement and returns how many rows it met.
    fn execute(&mut self, statement: &str) -> Result<u64, SqlError>;

    /// Runs any number of statements.
    fn script(&mut self, statements: &str) -> Result<(), SqlError>;

    /// Returns the one column `line` of what `query` finds.
    fn lines(&mut self, query: &str) -> Result<Vec<String>, SqlError>;
}

/// Why a database refused a statement or a connection.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SqlError {
    /// The server's number of the error (MariaDB), its SQLSTATE (PostgreSQL), or `connection`.
    pub code: String,
    /// What it said.
    pub message: String,
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
    /// Opens the SQLite file of a server that runs or ran.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Self {
        Self::connect(&format!("sqlite://{}", path.display()))
    }

    /// Opens what `url` names: `sqlite://FILE`, `mysql://user:password@host:port/database`, `postgres://` likewise.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn connect(url: &str) -> Self {
        Self::try_connect(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// Opens what `url` names.
    ///
    /// # Errors
    /// If it cannot be opened.
    ///
    /// # Panics
    /// If it is no such URL.
    pub fn try_connect(url: &str) -> Result<Self, SqlError> {
        let connection: Box<dyn Connection> = match url.split_once("://") {
            Some(("sqlite", path)) => Box::new(sqlite::Sqlite::connect(path)?),
            Some(("mysql", address)) => Box::new(mariadb::MariaDb::connect(&Address::read(address))?),
            Some(("postgres", address)) => Box::new(postgresql::PostgreSql::connect(&Address::read(address))?),
            _ => panic!("{url:?} names no database that is known"),
        };
        Ok(Self { connection })
    }

    /// Runs one statement and returns how many rows it met.
    ///
    /// # Panics
    /// If it is refused.
    pub fn execute(&mut self, statement: &str) -> u64 {
        self.try_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// Runs one statement and returns how many rows it met.
    ///
    /// # Errors
    /// If it is refused.
    pub fn try_execute(&mut self, statement: &str) -> Result<u64, SqlError> {
        self.connection.execute(statement)
    }

    /// Runs any number of statements, each ended by a semicolon.
    ///
    /// # Panics
    /// If one is refused.
    pub fn script(&mut self, statements: &str) {
        self.connection.script(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    /// Returns what `expression` is for each row of `rest`, which begins with the table: `lines("etag", "presentity")`.
    /// A NULL is `NULL`.
    ///
    /// # Panics
    /// If the query fails.
    pub fn lines(&mut self, expression: &str, rest: &str) -> Vec<String> {
        self.try_lines(expression, rest).unwrap_or_else(|error| panic!("{expression} of {rest}: {error}"))
    }

    /// Returns the same.
    ///
    /// # Errors
    /// If the query fails.
    pub fn try_lines(&mut self, expression: &str, rest: &str) -> Result<Vec<String>, SqlError> {
        self.connection.lines(&format!("SELECT {expression} AS line FROM {rest}"))
    }

    /// Puts a document into `table`, in the place of the one of the same name.
    ///
    /// # Panics
    /// If the table does not take it.
    pub fn put(&mut self, table: &str, document: &XcapDocument<'_>) {
        self.remove(table, document);
        let XcapDocument { user, domain, doc_type, doc_uri, text } = document;
        let values = [literal(user), literal(domain), doc_type.to_string(), literal(doc_uri), literal(text)].join(", ");
        let columns = r#""user", "domain", "doc_type", "doc_uri", "xcap""#;
        self.execute(&format!(r#"INSERT INTO "{table}" ({columns}) VALUES ({values})"#));
    }

    /// Removes the document of that name from `table`, if it is there.
    ///
    /// # Panics
    /// If the table cannot be written.
    pub fn remove(&mut self, table: &str, document: &XcapDocument<'_>) {
        let (user, domain) = (literal(document.user), literal(document.domain));
        let (doc_type, doc_uri) = (document.doc_type, literal(document.doc_uri));
        let owner = format!(r#""user" = {user} AND "domain" = {domain}"#);
        let name = format!(r#""doc_type" = {doc_type} AND "doc_uri" = {doc_uri}"#);
        self.execute(&format!(r#"DELETE FROM "{table}" WHERE {owner} AND {name}"#));
    }
}

/// Returns a text as it is written in a statement to any of the three.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl SqlError {
    /// A connection that did not come about or was lost.
    fn connection(error: impl ToString) -> Self {
        Self { code: "connection".into(), message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_takes_the_place_of_its_namesake() {
        let directory = tempfile::tempdir().unwrap();
        let mut database = Database::open(&directory.path().join("x.db"));
        let columns = r#""user" text, "domain" text, "doc_type" integer, "doc_uri" text, "xcap" text"#;
        database.script(&format!("CREATE TABLE t ({columns});"));
        let document = XcapDocument { user: "da'na", domain: "pres.example", doc_type: 2, doc_uri: "index", text: "a" };
        database.put("t", &document);
        database.put("t", &XcapDocument { text: r"b\'", ..document });
        database.put("t", &XcapDocument { doc_uri: "other", ..document });
        assert_eq!(database.lines("doc_uri || ' ' || xcap", "t ORDER BY 1"), [r"index b\'", "other a"]);
        database.remove("t", &document);
        assert_eq!(database.lines("doc_uri", "t"), ["other"]);
        assert_eq!((database.lines("NULL", "t"), database.execute("DELETE FROM t")), (vec!["NULL".to_owned()], 1));
        assert!(database.try_execute("DELETE FROM t, t").is_err());
    }
}
