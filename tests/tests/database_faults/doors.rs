//! What a start is refused for, the protected ways in, and that a password is never said.

use tests::database::Database;
use tests::database_server::{DatabaseServer, Kind, Options, PASSWORD, USER, new_database};
use tests::server::{Ended, Server, with_parameters};

use super::scene::{DEADLINE, here, quickstart_on, settled};

on! { [mariadb postgresql]
    a_start_that_may_not_make_tables_says_what_does,
    who_does_not_get_in_is_told_why_without_a_password,
    the_way_to_a_database_can_be_encrypted,
}

/// Another password than the right one, and as secret.
const WRONG_PASSWORD: &str = "wrong-secret-of-the-tests";

fn a_start_that_may_not_make_tables_says_what_does(kind: Kind) {
    let url = new_database(kind);
    let configuration = with_parameters(&[("auto_migrate", "0")]).replace("@DB_URL@", &url);
    let ended = Server::start_refused(&configuration);
    assert_says(&ended, "none of the tables");
    assert_says(&ended, "scripts/db migrate");
    let tables = Database::connect(&url).lines("table_name", "information_schema.tables WHERE table_name LIKE 'pres%'");
    assert_eq!(tables, Vec::<String>::new(), "nothing was made");

    drop(Server::quickstart_on(&url));
    let options = tests::server::Options { database_url: Some(url), ..tests::server::Options::default() };
    let server = Server::start(&with_parameters(&[("auto_migrate", "0")]), options);
    let (publisher, watcher) = settled(&server);
    publisher.finish();
    watcher.finish();
}

fn who_does_not_get_in_is_told_why_without_a_password(kind: Kind) {
    let url = new_database(kind);
    let (scheme, _) = url.split_once("://").expect("a URL has a scheme");
    let server = url.split_once('@').and_then(|(_, rest)| rest.split_once('/')).expect("a URL names a server").0;

    let ended = refused(&url.replace(PASSWORD, WRONG_PASSWORD));
    assert_says(&ended, server);
    assert_says(&ended, if kind == Kind::MariaDb { "1045" } else { "28P01" });

    let ended = refused(&format!("{scheme}://{USER}:{PASSWORD}@{server}/no_such_database"));
    assert_says(&ended, "no_such_database");

    // Nobody listens at port 1.
    let ended = refused(&format!("{scheme}://{USER}:{PASSWORD}@127.0.0.1:1/presence"));
    assert_says(&ended, "127.0.0.1:1");
    assert_says(&ended, "refused");

    // And a server that speaks no TLS is not spoken to without.
    let plain = DatabaseServer::start(kind, &Options::default());
    let protected = DatabaseServer::start(kind, &Options { tls: true, ..Options::default() });
    let authority = protected.ca_file().display().to_string();
    let ended = refused(&format!("{}?tls=on&tls_ca={authority}", plain.create_database("presence")));
    assert_says(&ended, if kind == Kind::MariaDb { "requires secure connection" } else { "TLS" });
}

fn the_way_to_a_database_can_be_encrypted(kind: Kind) {
    let mut database = DatabaseServer::start(kind, &Options { tls: true, ..Options::default() });
    let url = database.create_database("presence");
    let server = Server::quickstart_on(&url);
    let (mut publisher, mut watcher) = settled(&server);
    // Also the next way there.
    database.restart();
    let back = std::time::Instant::now();
    while publisher.modify(&here("after")).code() != Some(200) {
        assert!(back.elapsed() < DEADLINE, "{}", server.log());
    }
    // What was in force may be told once more, where a change was refused for the outage.
    watcher.notification_where("what is published after it", |told| told.notes() == ["after"]);
    publisher.finish();
    watcher.finish();
    drop(server);

    let (plain, _) = url.split_once('?').expect("the URL names the authority");
    refused(plain);
    // An authority that does not vouch for this server.
    let stranger = DatabaseServer::start(kind, &Options { tls: true, ..Options::default() });
    let ended = refused(&format!("{plain}?tls=on&tls_ca={}", stranger.ca_file().display()));
    assert_says(&ended, "certificate");
    // One of the public authorities does not either.
    assert_says(&refused(&format!("{plain}?tls=on")), "certificate");
    let ended = refused(&format!("{plain}?tls=on&tls_ca=/no/such/file.pem"));
    assert_says(&ended, "/no/such/file.pem");
}

fn refused(url: &str) -> Ended {
    let ended = Server::start_refused(&quickstart_on(url));
    assert_ne!(ended.code, Some(0));
    for secret in [PASSWORD, WRONG_PASSWORD] {
        assert!(!ended.stderr.contains(secret), "it says a password:\n{}", ended.stderr);
    }
    ended
}

fn assert_says(ended: &Ended, what: &str) {
    assert!(ended.stderr.contains(what), "it does not say {what}:\n{}", ended.stderr);
}
