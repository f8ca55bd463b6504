//! A database as a large server leaves it: so many presentities, so many subscriptions to them, all of them alive.
//!
//! Rows are written by SQL in one transaction, into the tables of a server that has run; that server's columns are used by
//! name, and what is not named takes its default. The statements are the same for every database but for bytes.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::database::{Database, literal};

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
/// Rows in one statement.
const ROWS: usize = 200;

/// Returns the entity-tag of a user's publication.
pub fn entity_tag(user: usize) -> String {
    format!("stored-{user:022}")
}

/// Fills the tables of the database at `url`; NOTIFYs go to `watchers`, from the listener `server`.
///
/// # Panics
/// If the database does not take the rows.
pub fn fill(url: &str, stored: Stored, server: SocketAddr, watchers: SocketAddr) {
    let mut database = Database::connect(url);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970").as_secs();
    let row = |n| publication(n, now);
    database.execute("BEGIN");
    insert(&mut database, "presentity", PUBLICATION, stored.presentities, row);
    let is_postgresql = url.starts_with("postgres");
    let row = |n: usize| {
        // Users come in no order, and neither do keys, which are hashes.
        let user = n * 7919 % stored.presentities;
        let key = format!("{:016x}{n:016x}", (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let key = if is_postgresql { format!("decode('{key}', 'hex')") } else { format!("x'{key}'") };
        format!("{key}, {}", subscription(n, user, now, server, watchers))
    };
    insert(&mut database, "active_watchers", SUBSCRIPTION, stored.subscriptions, row);
    database.execute("COMMIT");
    if url.starts_with("sqlite") {
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

fn insert(database: &mut Database, table: &str, columns: &str, count: usize, row: impl Fn(usize) -> String) {
    for first in (0..count).step_by(ROWS) {
        let rows: Vec<_> = (first..count.min(first + ROWS)).map(|n| format!("({})", row(n))).collect();
        database.execute(&format!("INSERT INTO {table} ({columns}) VALUES {}", rows.join(", ")));
    }
}

const PUBLICATION: &str = "id, username, domain, event, etag, expires, received_time, body";

fn publication(n: usize, now: u64) -> String {
    let (etag, body, expires) = (entity_tag(n), literal(&document(n)), now + LIFETIME_S);
    format!("{}, 'user{n:07}', '{DOMAIN}', 'presence', '{etag}', {expires}, {now}, {body}", n + 1)
}

const SUBSCRIPTION: &str = "id, to_user, to_domain, from_user, from_domain, event, to_tag, from_tag, callid, cseq, contact, \
     record_route, expires, status, granted_s, presentity_uri, local_uri, remote_uri, identity, accept, local_cseq, \
     remote_cseq, local_contact, socket, user_agent, watcher_id, display_name, subscribed_at";

/// Returns the values of a subscription, its key excepted.
fn subscription(n: usize, user: usize, now: u64, server: SocketAddr, watchers: SocketAddr) -> String {
    let (presentity, watcher) = (format!("sip:user{user:07}@{DOMAIN}"), format!("sip:watcher{user}@{DOMAIN}"));
    let expires = now + LIFETIME_S;
    format!(
        "'user{user:07}', '{DOMAIN}', 'watcher{user}', '{DOMAIN}', 'presence', '10.{n:022X}', '{n:012x}', \
         '{n:024x}@192.0.2.17', 1, 'sip:watcher{user}@{watchers};transport=udp', '', {expires}, 'active', {LIFETIME_S}, \
         '{presentity}', '{presentity}', '{watcher}', '{watcher}', 'application/pidf+xml', 64, 1, 'sip:{server};gr', \
         'udp:{server}', 'Phone/1.2 (3f2a)', '{n:022X}', 'Watcher', {now}"
    )
}

/// A document as a softphone publishes it.
fn document(user: usize) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
         xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" \
         entity=\"sip:user{user:07}@{DOMAIN}\">\n<tuple id=\"t{user}\"><status><basic>open</basic></status>\
         <contact priority=\"0.8\">sip:user@192.0.2.7:5060</contact><note>In a meeting</note>\
         <timestamp>2026-01-01T00:00:00Z</timestamp></tuple>\n<dm:person id=\"p7\"><rpid:activities><rpid:busy/>\
         </rpid:activities><dm:note>In a meeting</dm:note></dm:person>\n</presence>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database_server::{Kind, new_database};
    use crate::server::Server;
    use crate::user_agent::Publisher;

    fn check_is_taken_up(mut server: Server) {
        assert_eq!(server.terminate().code(), Some(0));
        let address = server.udp_address();
        fill(&server.database_url(), Stored { presentities: 5, subscriptions: 20 }, address, address);
        server.restart();
        server.wait_for_log("took up 5 publications and 20 subscriptions");
        let mut publisher = Publisher::udp(address, "sip:user0000004@pres.example");
        publisher.pretend_entity_tag(&entity_tag(4));
        assert_eq!(publisher.refresh().code(), Some(200));
        publisher.finish();
    }

    #[test]
    fn a_server_takes_up_what_was_stored() {
        check_is_taken_up(Server::quickstart());
        for kind in Kind::ALL {
            check_is_taken_up(Server::quickstart_on(&new_database(kind)));
        }
    }
}
