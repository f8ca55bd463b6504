//! One database, and who opens it: server after server of ours, and other programs.

use std::cell::Cell;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use presence::store::sql::dialect::Dialect;
use presence::store::url::DatabaseUrl;
use presence::store::{Durability, Migrate, Opening, SqlStore, StoreError, TableNames, TakeOver, Taking};
use tempfile::TempDir;
use tests::database::Database;
use tests::database_server::DatabaseServer;

use crate::backend::{Backend, Servers};

/// A fresh database of one backend.
pub(crate) struct Scene<'a> {
    pub(crate) backend: Backend,
    pub(crate) servers: &'a Servers,
    place: Place<'a>,
    /// How many times one of our servers has opened it.
    opened: Cell<u32>,
}

enum Place<'a> {
    File { directory: TempDir },
    Server { server: &'a DatabaseServer, database: String },
}

/// How one of our servers is to open a database.
pub(crate) struct Start {
    pub(crate) url: String,
    pub(crate) names: TableNames,
    pub(crate) owner: String,
    pub(crate) take_over: TakeOver,
    pub(crate) migrate: Migrate,
    pub(crate) durability: Durability,
    pub(crate) timeout: Duration,
}

impl<'a> Scene<'a> {
    /// Takes an empty database, called `name` where that matters.
    pub(crate) fn new(backend: Backend, servers: &'a Servers, name: &'static str) -> Self {
        let place = match backend.server() {
            None => Place::File { directory: tempfile::tempdir().unwrap() },
            Some(kind) => {
                // MariaDB's names may have 64 letters, PostgreSQL's 63.
                let database = servers.database(kind, &name[..name.len().min(63)]);
                Place::Server { server: servers.plain(kind), database }
            }
        };
        Self { backend, servers, place, opened: Cell::new(0) }
    }

    /// Returns its URL, as an operator writes it.
    pub(crate) fn url(&self) -> String {
        match &self.place {
            Place::File { .. } => format!("sqlite://{}", self.file().display()),
            Place::Server { server, database } => server.url(database),
        }
    }

    /// Returns which SQL it takes.
    pub(crate) fn dialect(&self) -> Dialect {
        DatabaseUrl::parse(&self.url()).unwrap().dialect()
    }

    /// Returns the file that the database is.
    pub(crate) fn file(&self) -> PathBuf {
        match &self.place {
            Place::File { directory } => directory.path().join("presence.db"),
            Place::Server { .. } => panic!("{} is no file", self.backend),
        }
    }

    /// Returns the server that the database is in.
    pub(crate) fn server(&self) -> &DatabaseServer {
        match &self.place {
            Place::File { .. } => panic!("{} is a file", self.backend),
            Place::Server { server, .. } => server,
        }
    }

    /// Returns what the database is called there.
    pub(crate) fn database(&self) -> &str {
        match &self.place {
            Place::File { .. } => panic!("{} is a file", self.backend),
            Place::Server { database, .. } => database,
        }
    }

    /// Connects another program, which may do anything there.
    pub(crate) fn other(&self) -> Database {
        match &self.place {
            Place::File { .. } => Database::connect(&self.url()),
            Place::Server { server, database } => server.client(database),
        }
    }

    /// Returns how the next of our servers opens it: by force, under a name of its own.
    pub(crate) fn start(&self) -> Start {
        self.opened.set(self.opened.get() + 1);
        Start {
            url: self.url(),
            names: TableNames::default(),
            owner: format!("host:{}", self.opened.get()),
            take_over: TakeOver::ByForce,
            migrate: Migrate::Automatically,
            durability: Durability::Full,
            timeout: Duration::from_secs(10),
        }
    }

    /// Opens it for the next of our servers.
    pub(crate) fn open(&self) -> SqlStore {
        self.start().open().unwrap().0
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        if let Place::Server { server, database } = &self.place {
            self.servers.give_back(server.kind(), database);
        }
    }
}

impl Start {
    /// Opens the database.
    pub(crate) fn open(&self) -> Result<(SqlStore, Opening), StoreError> {
        let mut random = |bytes: &mut [u8]| {
            // Different for each server, as chance is.
            let mut owner = self.owner.bytes().rev().cycle();
            bytes.fill_with(|| owner.next().unwrap_or_default());
        };
        let taking = Taking {
            names: &self.names,
            owner: &self.owner,
            take_over: self.take_over,
            migrate: self.migrate,
            random: &mut random,
            note: &mut |_| (),
        };
        DatabaseUrl::parse(&self.url).unwrap().open(self.durability, self.timeout, taking)
    }

    /// Tries to open the database, expects that it is refused, and returns why.
    pub(crate) fn refusal(&self) -> StoreError {
        let opened = self.open().map(|(_, opening)| opening);
        opened.expect_err("the database should not have been opened")
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.url, self.owner)
    }
}
