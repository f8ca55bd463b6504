//! The three databases, and the servers behind two of them: started when first needed, and shared by all promises.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tests::database_server::{DatabaseServer, Kind, Options, USER};

/// A kind of database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Backend {
    MariaDb,
    PostgreSql,
    Sqlite,
}

impl Backend {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 3] = [Self::Sqlite, Self::MariaDb, Self::PostgreSql];

    /// Returns which server it takes, if any.
    pub(crate) fn server(self) -> Option<Kind> {
        match self {
            Self::MariaDb => Some(Kind::MariaDb),
            Self::PostgreSql => Some(Kind::PostgreSql),
            Self::Sqlite => None,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MariaDb => "mariadb",
            Self::PostgreSql => "postgresql",
            Self::Sqlite => "sqlite",
        })
    }
}

/// The servers of a run.
#[derive(Default)]
pub(crate) struct Servers {
    mariadb: Shared,
    postgresql: Shared,
}

/// A server of one kind, and one that insists on TLS.
#[derive(Default)]
struct Shared {
    plain: OnceLock<DatabaseServer>,
    tls: OnceLock<DatabaseServer>,
    alone: RwLock<()>,
    /// Databases that a promise is done with.
    spare: Mutex<Vec<String>>,
}

/// Whose the plain server of a kind is for a while.
pub(crate) enum Lease<'a> {
    /// Others', too.
    Shared { _guard: RwLockReadGuard<'a, ()> },
    /// Nobody else's: what is done to it disturbs nobody.
    Alone { _guard: RwLockWriteGuard<'a, ()> },
}

impl Servers {
    pub(crate) fn plain(&self, kind: Kind) -> &DatabaseServer {
        self.of(kind).plain.get_or_init(|| DatabaseServer::start(kind, &Options::default()))
    }

    /// Returns the name of an empty database of the plain server, called `name` if it can be.
    ///
    /// MariaDB's is latin1 by itself: a text of ours must be safe there, as in those of operators who never asked for anything
    /// else. PostgreSQL copies and later removes three hundred files for each, so few are made, and emptied again and again.
    pub(crate) fn database(&self, kind: Kind, name: &str) -> String {
        let server = self.plain(kind);
        let spare = self.of(kind).spare.lock().unwrap().pop();
        match (kind, spare) {
            (Kind::MariaDb, _) => {
                server.create_database_in(name, "latin1");
                name.to_owned()
            }
            (Kind::PostgreSql, None) => {
                server.create_database(name);
                name.to_owned()
            }
            (Kind::PostgreSql, Some(spare)) => {
                let mut administrator = server.client(&spare);
                let others = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
                administrator.lines("pg_terminate_backend(pid)", others);
                administrator.script(&format!(
                    r#"DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION {USER};
                       ALTER DATABASE "{spare}" RESET ALL;"#
                ));
                spare
            }
        }
    }

    /// Takes a database back that is not needed any more.
    pub(crate) fn give_back(&self, kind: Kind, database: &str) {
        if kind == Kind::PostgreSql {
            self.of(kind).spare.lock().unwrap().push(database.to_owned());
        }
    }

    pub(crate) fn with_tls(&self, kind: Kind) -> &DatabaseServer {
        self.of(kind).tls.get_or_init(|| DatabaseServer::start(kind, &Options { tls: true, ..Options::default() }))
    }

    pub(crate) fn lease(&self, kind: Kind, alone: bool) -> Lease<'_> {
        let lock = &self.of(kind).alone;
        // A promise that was broken leaves nothing behind that another would meet: the guard guards nothing else.
        match alone {
            true => Lease::Alone { _guard: lock.write().unwrap_or_else(PoisonError::into_inner) },
            false => Lease::Shared { _guard: lock.read().unwrap_or_else(PoisonError::into_inner) },
        }
    }

    fn of(&self, kind: Kind) -> &Shared {
        match kind {
            Kind::MariaDb => &self.mariadb,
            Kind::PostgreSql => &self.postgresql,
        }
    }
}
