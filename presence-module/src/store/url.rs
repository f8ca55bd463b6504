//! `db_url`: which database, where it is, and how to get in. What it displays never holds the password.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use super::import::adoption;
use super::sql::connection::Connection;
use super::sql::dialect::Dialect;
use super::sql::inspection::Inspection;
use super::sql::store::{SqlStore, Taking};
use super::{Durability, Opening, StoreError, TableNames, mysql, postgres, sqlite};

/// Where the state lives.
#[derive(Clone, Eq, PartialEq)]
pub enum DatabaseUrl {
    /// A database of a server.
    Server {
        /// Which kind of server.
        dialect: Dialect,
        /// Where it is, and how to get in.
        server: Server,
    },
    /// A file of the embedded database.
    Sqlite {
        /// Its path.
        path: String,
    },
}

/// A database of a server, and how to get in.
#[derive(Clone, Eq, PartialEq)]
pub struct Server {
    /// Its name or address, an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The name of the database.
    pub database: String,
    /// Who we are there; empty for nobody in particular.
    pub user: String,
    /// And how we prove it; empty for not at all.
    pub password: String,
    /// Whether the way there is encrypted, and the server proven.
    pub tls: Tls,
}

/// How the way to a server is protected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tls {
    /// Not at all.
    Off,
    /// Encrypted, and the server proves its name by a certificate of a public authority or of the operator's own.
    On {
        /// A PEM file with the certificate of the operator's authority.
        ca_file: Option<PathBuf>,
    },
}

/// What a `db_url` may be.
const EXPECTED: &str = "sqlite://PATH, mysql://USER:PASSWORD@HOST[:PORT]/DATABASE or postgres://USER:PASSWORD@HOST[:PORT]/DATABASE, \
                        the last two with ?tls=on and &tls_ca=FILE if wanted";

impl DatabaseUrl {
    /// Reads a `db_url`.
    ///
    /// # Errors
    /// What was expected instead; never the URL itself, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
        match scheme {
            "sqlite" if !rest.is_empty() => Ok(Self::Sqlite { path: rest.into() }),
            "mysql" => Self::server(Dialect::MySql, 3306, text),
            "postgres" => Self::server(Dialect::Postgres, 5432, text),
            _ => Err(EXPECTED),
        }
    }

    fn server(dialect: Dialect, standard_port: u16, text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| EXPECTED)?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| EXPECTED);
        let filled = |text: String| if text.is_empty() { Err(EXPECTED) } else { Ok(text) };
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let database = url.path().strip_prefix('/').unwrap_or_default();
        let server = Server {
            host: filled(decoded(host)?)?,
            port: url.port().unwrap_or(standard_port),
            database: filled(decoded(database)?)
                .and_then(|name| if name.contains('/') { Err(EXPECTED) } else { Ok(name) })?,
            user: decoded(url.username())?,
            password: decoded(url.password().unwrap_or_default())?,
            tls: tls(&url)?,
        };
        if url.fragment().is_some() {
            return Err(EXPECTED);
        }
        Ok(Self::Server { dialect, server })
    }

    /// Returns which kind of database it is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Server { dialect, .. } => *dialect,
            Self::Sqlite { .. } => Dialect::Sqlite,
        }
    }

    /// Opens the database and takes it into use. Nothing is waited for longer than `timeout`.
    ///
    /// # Errors
    /// It cannot be reached, another server owns it, or its tables are not ours.
    pub fn open(
        &self,
        durability: Durability,
        timeout: Duration,
        mut taking: Taking<'_>,
    ) -> Result<(SqlStore, Opening), StoreError> {
        let (mut store, mut opening) = match self {
            Self::Sqlite { path } => sqlite::open(path, durability, timeout, &mut taking)?,
            Self::Server { dialect: Dialect::Postgres, server } => {
                postgres::open(server, durability, timeout, &mut taking)?
            }
            Self::Server { server, .. } => mysql::open(server, timeout, &mut taking)?,
        };
        adoption::adopt(self, timeout, &mut store, &mut opening, taking.note)?;
        Ok((store, opening))
    }

    /// Looks at the tables of a database, and changes nothing. Nothing is waited for longer than `timeout`.
    ///
    /// # Errors
    /// It cannot be reached, or its tables are not ours.
    pub fn inspect(&self, timeout: Duration, names: &TableNames) -> Result<Inspection, StoreError> {
        let mut connection = self.open_to_read(timeout)?;
        Inspection::of(&mut *connection, self.dialect(), names)
    }

    /// Opens a database that another program wrote, to be read only.
    ///
    /// # Errors
    /// It cannot be reached.
    pub(crate) fn open_to_read(&self, timeout: Duration) -> Result<Box<dyn Connection>, StoreError> {
        match self {
            Self::Sqlite { path } => sqlite::open_to_read(path),
            Self::Server { dialect: Dialect::Postgres, server } => postgres::open_to_read(server, timeout),
            Self::Server { server, .. } => mysql::open_to_read(server, timeout),
        }
    }
}

/// Reads what follows `?`.
fn tls(url: &Url) -> Result<Tls, &'static str> {
    let (mut is_on, mut ca_file) = (false, None);
    for (name, value) in url.query_pairs() {
        match (&*name, &*value) {
            ("tls", "on") => is_on = true,
            ("tls", "off") => is_on = false,
            ("tls_ca", file) if !file.is_empty() => ca_file = Some(PathBuf::from(file)),
            _ => return Err(EXPECTED),
        }
    }
    match (is_on, ca_file) {
        (true, ca_file) => Ok(Tls::On { ca_file }),
        (false, None) => Ok(Tls::Off),
        (false, Some(_)) => Err("tls=on where there is a tls_ca"),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite://{path}"),
            Self::Server { dialect, server } => {
                let bracketed = if server.host.contains(':') { ("[", "]") } else { ("", "") };
                let (host, port) = (format!("{}{}{}", bracketed.0, server.host, bracketed.1), server.port);
                write!(f, "{}://{host}:{port}/{}", dialect.scheme(), server.database)
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Server {
        match DatabaseUrl::parse(text) {
            Ok(DatabaseUrl::Server { server, .. }) => server,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_url_of_2006_is_understood() {
        let text = "mysql://openser:openserrw@192.168.2.132/openser";
        let expected = Server {
            host: "192.168.2.132".into(),
            port: 3306,
            database: "openser".into(),
            user: "openser".into(),
            password: "openserrw".into(),
            tls: Tls::Off,
        };
        assert_eq!(DatabaseUrl::parse(text), Ok(DatabaseUrl::Server { dialect: Dialect::MySql, server: expected }));
    }

    #[test]
    fn a_path_is_relative_or_absolute() {
        for path in ["presence.sqlite", "/var/lib/presence.sqlite"] {
            assert_eq!(DatabaseUrl::parse(&format!("sqlite://{path}")), Ok(DatabaseUrl::Sqlite { path: path.into() }));
        }
    }

    #[test]
    fn what_a_url_cannot_hold_as_it_is_may_be_escaped() {
        let found = server("postgres://us%40er:p%3Aa%2Fss@[2001:db8::1]:6432/pre%20sence?tls=on&tls_ca=/etc/ca.pem");
        assert_eq!((found.user.as_str(), found.password.as_str()), ("us@er", "p:a/ss"));
        assert_eq!((found.host.as_str(), found.port, found.database.as_str()), ("2001:db8::1", 6432, "pre sence"));
        assert_eq!(found.tls, Tls::On { ca_file: Some("/etc/ca.pem".into()) });
        assert_eq!(server("mysql://h/d?tls=on").tls, Tls::On { ca_file: None });
    }

    #[test]
    fn what_is_no_database_is_refused() {
        for bad in [
            "",
            "garbage",
            "sqlite://",
            "mysql://host",
            "mysql:///db",
            "mysql://u:p@/db",
            "oracle://h/d",
            "mysql://h/d?tls=perhaps",
            "mysql://h/d?tls_ca=/etc/ca.pem",
            "mysql://h/d/e",
            "mysql://h:x/d",
        ] {
            assert!(DatabaseUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_shown_holds_no_credentials() {
        let url = DatabaseUrl::parse("mysql://openser:openserrw@[::1]/openser").unwrap();
        assert_eq!(url.to_string(), "mysql://[::1]:3306/openser");
        assert_eq!(format!("{url:?}"), "mysql://[::1]:3306/openser");
    }
}
