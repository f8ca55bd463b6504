//! An operator, or a provisioning tool, that writes into the server's tables while it runs: whoever watches hears of it.

use tests::database::Database;
use tests::message::Message;
use tests::pidf;
use tests::server::{Options, Server, with_parameters};
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";

fn here(note: &str) -> String {
    pidf::open(DANA, "t1", note)
}

/// A watcher that has been told that nobody is there.
fn watcher(server: &Server) -> Watcher {
    let mut watcher = Watcher::udp(server.udp_address(), DANA, ANN);
    assert_eq!(watcher.subscribe(600).code(), Some(200));
    assert!(watcher.next_notification().presence().is_closed_once());
    watcher
}

/// Inserts a publication of Dana's that ends in an hour.
fn insert(database: &mut Database, id: u64, etag: &str, body: &str) {
    database.execute(&format!(
        "INSERT INTO presentity (id, username, domain, event, etag, expires, received_time, body) VALUES \
         ({id}, 'dana', 'pres.example', 'presence', '{etag}', unixepoch() + 3600, unixepoch(), '{}')",
        body.replace('\'', "''")
    ));
}

fn check_refused(answer: &Message) {
    assert_eq!(answer.code(), Some(503), "{answer}");
    assert!(answer.get("Retry-After").is_some(), "{answer}");
}

#[test]
fn what_is_written_by_sql_is_told_at_sigusr1() {
    let server = Server::start(&with_parameters(&[("clean_period", "0")]), Options::default());
    let mut watcher = watcher(&server);
    let mut database = Database::open(&server.database());
    insert(&mut database, 1000, "by-hand", &here("by hand"));
    server.look_at_database();
    assert_eq!(watcher.next_notification().notes(), ["by hand"]);
    database.execute(&format!("UPDATE presentity SET body = '{}', etag = 'again'", here("by another hand")));
    server.look_at_database();
    assert_eq!(watcher.next_notification().notes(), ["by another hand"]);
    database.execute("DELETE FROM presentity");
    server.look_at_database();
    assert!(watcher.next_notification().presence().is_closed_once());
    watcher.finish();
}

#[test]
fn what_is_written_by_sql_is_told_after_the_clean_period() {
    let server = Server::start(&with_parameters(&[("clean_period", "1")]), Options::default());
    let mut watcher = watcher(&server);
    let mut database = Database::open(&server.database());
    insert(&mut database, 1000, "by-hand", &here("by hand"));
    assert_eq!(watcher.next_notification().notes(), ["by hand"]);
    database.execute(&format!("UPDATE presentity SET body = '{}', etag = 'again'", here("by another hand")));
    assert_eq!(watcher.next_notification().notes(), ["by another hand"]);
    database.execute("UPDATE presentity SET expires = unixepoch() - 1");
    assert!(watcher.next_notification().presence().is_closed_once());
    let told = server.wait_for_log("took up what other programs wrote: 1 rows came, 0 changed, 0 are gone");
    assert!(!told.contains("dana"), "{told}");
    watcher.finish();
}

#[test]
fn a_publication_removed_under_its_publisher_is_refused_once_and_then_412() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&here("here"));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    Database::open(&server.database()).execute("DELETE FROM presentity");
    check_refused(&publisher.refresh());
    assert!(watcher.next_notification().presence().is_closed_once(), "what is gone is gone for its watchers");
    assert_eq!(publisher.refresh().code(), Some(412));
    watcher.finish();
}

#[test]
fn a_subscription_removed_by_sql_is_over_for_its_watcher() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    Database::open(&server.database()).execute("DELETE FROM active_watchers");
    server.look_at_database();
    let end = watcher.next_notification();
    assert!(end.message.to_string().contains("Subscription-State: terminated;reason=deactivated"), "{}", end.message);
    watcher.finish();
}

#[test]
fn a_row_that_makes_no_sense_is_passed_over_and_told_and_hurts_nobody() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let mut database = Database::open(&server.database());
    insert(&mut database, 1000, "", &here("without an entity-tag"));
    insert(&mut database, 1001, "no-document", "no document at all");
    insert(&mut database, 1002, "fine", &here("fine"));
    server.look_at_database();
    server.wait_for_log("passed over 1 rows of presentity: `etag` is empty");
    watcher.notification_where("the one that is well", |notification| notification.notes() == ["fine"]);
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&pidf::open(DANA, "t2", "ours")).code(), Some(200));
    watcher.notification_where("both", |notification| notification.notes().len() == 2);
    publisher.finish();
    watcher.finish();
}

#[test]
fn rows_that_nobody_waits_for_any_more_are_removed() {
    let server = Server::quickstart();
    let mut database = Database::open(&server.database());
    insert(&mut database, 1000, "over", &here("over"));
    database.execute("UPDATE presentity SET expires = unixepoch() - 5");
    server.look_at_database();
    server.wait_for_log("1 rows came");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !database.lines("etag", "presentity").is_empty() {
        assert!(std::time::Instant::now() < deadline, "a row that is over stays");
        std::thread::yield_now();
    }
}
