//! One server of each kind for all tests of a process that only need a database: a start takes longer than most of them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{DatabaseServer, Kind, Options};

/// Creates a database on a server that other tests use, too, and returns its URL.
///
/// Nothing may be done to that server. It is gone soon after the process.
pub fn new_database(kind: Kind) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    shared(kind).create_database(&format!("presence_{}", NUMBER.fetch_add(1, Ordering::Relaxed)))
}

fn shared(kind: Kind) -> &'static DatabaseServer {
    static MARIADB: OnceLock<DatabaseServer> = OnceLock::new();
    static POSTGRESQL: OnceLock<DatabaseServer> = OnceLock::new();
    let server = match kind {
        Kind::MariaDb => &MARIADB,
        Kind::PostgreSql => &POSTGRESQL,
    };
    server.get_or_init(|| DatabaseServer::start(kind, &Options::default()))
}
