//! A database as a large server leaves it: so many presentities, so many subscriptions to them, all of them alive.
//!
//! Rows are written by SQL in one transaction, into the tables of a server that has run; that server's columns are used by
//! name, and what is not named takes its default.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::database::Database;

/// What is stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stored {
    /// Users, each with one publication.
    pub presentities: usize,
    /// Subscriptions, spread evenly over the users.
    pub subscriptions: usize,
}

/// The domain of all of them.
const DOMAIN: &str = "pres.example";
/// What is left of every lifetime.
const LIFETIME_S: u64 = 3600;

/// Returns the entity-tag of a user's publication.
pub fn entity_tag(user: usize) -> String {
    format!("stored-{user:022}")
}

/// Fills the tables; NOTIFYs go to `watchers`, from the listener `server`.
///
/// # Panics
/// If the database does not take the rows.
pub fn fill(database: &mut Database, stored: Stored, server: SocketAddr, watchers: SocketAddr) {
    let Stored { presentities, subscriptions } = stored;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970").as_secs();
    let expires = now + LIFETIME_S;
    database.execute("BEGIN IMMEDIATE");
    database.execute(&format!(
        "INSERT INTO presentity (id, username, domain, event, etag, expires, received_time, body) {}
         SELECT n + 1, printf('user%07d', n), '{DOMAIN}', 'presence', printf('stored-%022d', n), {expires}, {now},
         printf('{}', n, n) FROM numbers",
        numbers(presentities),
        document().replace('\'', "''"),
    ));
    // Keys are hashes: rows come in no order. Users come in no order either.
    database.execute(&format!(
        "INSERT INTO active_watchers (id, to_user, to_domain, from_user, from_domain, event, to_tag, from_tag, callid, cseq,
         contact, record_route, expires, status, granted_s, presentity_uri, local_uri, remote_uri, identity, accept,
         local_cseq, remote_cseq, local_contact, socket, user_agent, watcher_id, display_name, subscribed_at) {}
         SELECT randomblob(16), printf('user%07d', n * 7919 % {presentities}), '{DOMAIN}',
         printf('watcher%d', n % {presentities}), '{DOMAIN}', 'presence', '10.' || hex(randomblob(11)),
         lower(hex(randomblob(6))), lower(hex(randomblob(12))) || '@192.0.2.17', 1,
         printf('sip:watcher%d@{watchers};transport=udp', n), '', {expires}, 'active', {LIFETIME_S},
         printf('sip:user%07d@{DOMAIN}', n * 7919 % {presentities}),
         printf('sip:user%07d@{DOMAIN}', n * 7919 % {presentities}), printf('sip:watcher%d@{DOMAIN}', n % {presentities}),
         printf('sip:watcher%d@{DOMAIN}', n % {presentities}), 'application/pidf+xml', 64, 1, 'sip:{server};gr',
         'udp:{server}', 'Phone/1.2 (3f2a)', hex(randomblob(11)), 'Watcher', {now} FROM numbers",
        numbers(subscriptions),
    ));
    database.execute("COMMIT");
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Returns the head of a statement over `n` from 0 to `count`.
fn numbers(count: usize) -> String {
    format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 0 WHERE {count} > 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})"
    )
}

/// A document as a softphone publishes it, with `%d` for its user and its tuple.
fn document() -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
         xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" \
         entity=\"sip:user%07d@{DOMAIN}\">\n<tuple id=\"t%d\"><status><basic>open</basic></status>\
         <contact priority=\"0.8\">sip:user@192.0.2.7:5060</contact><note>In a meeting</note>\
         <timestamp>2026-01-01T00:00:00Z</timestamp></tuple>\n<dm:person id=\"p7\"><rpid:activities><rpid:busy/>\
         </rpid:activities><dm:note>In a meeting</dm:note></dm:person>\n</presence>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Server;
    use crate::user_agent::Publisher;

    #[test]
    fn a_server_takes_up_what_was_stored() {
        let mut server = Server::quickstart();
        assert_eq!(server.terminate().code(), Some(0));
        let address = server.udp_address();
        let stored = Stored { presentities: 5, subscriptions: 20 };
        fill(&mut Database::open(&server.database()), stored, address, address);
        server.restart();
        server.wait_for_log("took up 5 publications and 20 subscriptions");
        let mut publisher = Publisher::udp(address, "sip:user0000004@pres.example");
        publisher.pretend_entity_tag(&entity_tag(4));
        assert_eq!(publisher.refresh().code(), Some(200));
        publisher.finish();
    }
}
