//! The servers that are measured: ours on each database, and Kamailio as an expert sets it up.

use std::net::SocketAddr;
use std::time::Duration;

use crate::database_server::{DatabaseServer, Kind, Options};
use crate::kamailio::{Kamailio, Setup, SubscriptionStorage};
use crate::processes::Tree;
use crate::server::{self, Server, with_parameters};

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Subject {
    /// Ours on SQLite; `durability=full`.
    Sqlite,
    /// Ours on SQLite; `durability=relaxed`.
    SqliteRelaxed,
    /// Ours on MariaDB.
    MariaDb,
    /// Ours on PostgreSQL.
    PostgreSql,
    /// Kamailio on MariaDB; subscriptions are written with each change.
    KamailioDurable,
    /// Kamailio on MariaDB; subscriptions are written later.
    KamailioWriteBack,
    /// Kamailio without a database: a crash loses all.
    KamailioMemory,
}

impl Subject {
    /// All of ours.
    pub const OURS: [Self; 4] = [Self::Sqlite, Self::SqliteRelaxed, Self::MariaDb, Self::PostgreSql];
    /// All of Kamailio's.
    pub const KAMAILIO: [Self; 3] = [Self::KamailioDurable, Self::KamailioWriteBack, Self::KamailioMemory];

    /// Returns how tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::SqliteRelaxed => "SQLite, relaxed",
            Self::MariaDb => "MariaDB",
            Self::PostgreSql => "PostgreSQL",
            Self::KamailioDurable => "Kamailio, durable",
            Self::KamailioWriteBack => "Kamailio, write-back",
            Self::KamailioMemory => "Kamailio, memory",
        }
    }

    /// Returns whether it is ours.
    pub fn is_ours(self) -> bool {
        Self::OURS.contains(&self)
    }

    /// Starts it on an empty database of its own.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(self) -> Running {
        let database = match self {
            Self::Sqlite | Self::SqliteRelaxed => None,
            Self::PostgreSql => Some(Kind::PostgreSql),
            // Kamailio wants a database even where it writes nothing to it.
            _ => Some(Kind::MariaDb),
        };
        let database =
            database.map(|kind| DatabaseServer::start(kind, &Options { cache_mib: Some(1024), ..Options::default() }));
        let url = database.as_ref().map(|server| server.create_database("presence"));
        let program = match self {
            Self::KamailioDurable => Program::kamailio(SubscriptionStorage::AtOnce, url),
            Self::KamailioWriteBack => Program::kamailio(SubscriptionStorage::Later, url),
            Self::KamailioMemory => Program::kamailio(SubscriptionStorage::Never, url),
            _ => Program::ours(if self == Self::SqliteRelaxed { "relaxed" } else { "full" }, url),
        };
        Running { program, database }
    }
}

/// A server that runs, and its database.
pub struct Running {
    program: Program,
    database: Option<DatabaseServer>,
}

enum Program {
    Ours(Server),
    Kamailio(Kamailio),
}

impl Program {
    fn ours(durability: &str, database_url: Option<String>) -> Self {
        let ready_within = Some(Duration::from_secs(600));
        let options = server::Options { database_url, ready_within, ..server::Options::default() };
        Self::Ours(Server::start(&with_parameters(&[("durability", durability)]), options))
    }

    fn kamailio(storage: SubscriptionStorage, url: Option<String>) -> Self {
        let setup = Setup { storage, decides: false, workers: 4, shared_mib: 4096 };
        Self::Kamailio(Kamailio::start_on(&url.expect("it has a database"), setup))
    }
}

impl Running {
    /// Returns where it listens for datagrams.
    pub fn udp_address(&self) -> SocketAddr {
        match &self.program {
            Program::Ours(server) => server.udp_address(),
            Program::Kamailio(kamailio) => kamailio.udp_address(),
        }
    }

    /// Returns where it listens for connections, if it does.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.program {
            Program::Ours(server) => Some(server.tcp_address()),
            Program::Kamailio(_) => None,
        }
    }

    /// Returns the server's processes.
    pub fn processes(&self) -> Tree {
        Tree::of(match &self.program {
            Program::Ours(server) => server.process_id(),
            Program::Kamailio(kamailio) => kamailio.process_id(),
        })
    }

    /// Returns the processor time of server and database so far.
    pub fn cpu_time(&self) -> (Duration, Duration) {
        let database = self.database.as_ref().map(DatabaseServer::cpu_time);
        (self.processes().cpu_time(), database.unwrap_or_default())
    }

    /// Stops it as an operator does, starts it again, and returns how long the start took.
    ///
    /// # Panics
    /// If it does not stop or start.
    pub fn restart(&mut self) -> Duration {
        match &mut self.program {
            Program::Ours(server) => {
                assert_eq!(server.terminate().code(), Some(0), "{}", server.log());
            }
            Program::Kamailio(kamailio) => kamailio.terminate(),
        }
        let begun = std::time::Instant::now();
        match &mut self.program {
            Program::Ours(server) => server.restart(),
            Program::Kamailio(kamailio) => kamailio.restart(),
        }
        begun.elapsed()
    }
}
