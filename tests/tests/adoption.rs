//! A database that the module of 2006 served: the next server finds its tables, and its phones go on in their dialogs.

use std::process::{Command, Output};

use tests::binaries::Binaries;
use tests::database::Database;
use tests::database_server::{DatabaseServer, Kind, Options as DatabaseOptions};
use tests::pidf;
use tests::server::{Options, QUICKSTART, Server, with_parameters};
use tests::tables_of_2006;
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";

/// A database of 2006 with one publication and one subscription in it, and the phones they are of.
struct Former {
    server: Server,
    databases: DatabaseServer,
    url: String,
    publisher: Publisher,
    watcher: Watcher,
}

impl Former {
    fn new() -> Self {
        let mut server = Server::quickstart();
        let mut publisher = Publisher::udp(server.udp_address(), DANA);
        assert_eq!(publisher.publish(&pidf::open(DANA, "desk", "before")).code(), Some(200));
        let mut watcher = Watcher::udp(server.udp_address(), DANA, ANN);
        assert_eq!(watcher.subscribe(600).code(), Some(200));
        watcher.next_notification();
        server.terminate();
        let databases = DatabaseServer::start(Kind::MariaDb, &DatabaseOptions::default());
        let url = databases.create_database("openser");
        tables_of_2006::fill(&mut Database::open(&server.database()), &mut Database::connect(&url));
        Self { server, databases, url, publisher, watcher }
    }

    /// Starts a server of ours on it, at the address that the phones know.
    fn succeed(&self, parameters: &[(&str, &str)]) -> Server {
        let address = self.server.udp_address();
        let configuration = with_parameters(parameters).replace("udp:127.0.0.1:@PORT@", &format!("udp:{address}"));
        Server::start(&configuration, Options { database_url: Some(self.url.clone()), ..Options::default() })
    }
}

fn presence_db(arguments: &[&str]) -> Output {
    Command::new(&Binaries::get().presence_db).args(arguments).output().expect("presence-db runs")
}

fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

#[test]
fn the_tables_of_2006_are_adopted_and_stay_as_they_were() {
    let mut former = Former::new();
    let mut database = former.databases.client("openser");
    database.execute(
        "INSERT INTO active_watchers SELECT to_user, to_domain, from_user, from_domain, event, event_id, to_tag, \
         'another', callid, cseq, '', record_route, expires, status, version FROM active_watchers",
    );
    former.watcher.allow_jump_once();
    let server = former.succeed(&[]);
    let log = server.log();
    assert!(
        log.contains("mariadb-dump --single-transaction DATABASE presentity active_watchers watchers xcap_xml"),
        "{log}"
    );
    assert!(log.contains("1 skipped: `contact` is empty"), "{log}");
    let told = former.watcher.next_notification();
    assert!(told.notes() == ["before"] && told.cseq() > tables_of_2006::CSEQ, "{}", told.message);
    assert_eq!(former.publisher.modify(&pidf::open(DANA, "desk", "after")).code(), Some(200));
    assert_eq!(former.watcher.next_notification().notes(), ["after"]);
    assert_eq!(database.lines("count(*)", "presentity_2006"), ["1"]);
    assert_eq!(database.lines("count(*)", "active_watchers_2006"), ["2"]);
    let engine = "information_schema.tables WHERE table_schema = 'openser' AND table_name";
    assert_eq!(database.lines("engine", &format!("{engine} = 'presentity'")), ["InnoDB"]);
    assert_eq!(database.lines("engine", &format!("{engine} = 'presentity_2006'")), ["MyISAM"]);
    former.publisher.finish();
    former.watcher.finish();
}

#[test]
fn where_a_start_may_touch_nothing_the_command_is_named_and_does_it() {
    let mut former = Former::new();
    let configuration = with_parameters(&[("auto_migrate", "0")]).replace("@DB_URL@", &former.url);
    let refused = Server::start_refused(&configuration);
    assert!(refused.stderr.contains("`scripts/db migrate URL` brings it up"), "{}", refused.stderr);
    let check = presence_db(&["check", &former.url]);
    assert!(!check.status.success() && said(&check).contains("tables of 2006"), "{}", said(&check));

    let migrate = presence_db(&["migrate", &former.url]);
    let text = said(&migrate);
    assert!(migrate.status.success(), "{text}");
    let dump = text.find("mariadb-dump").unwrap_or_else(|| panic!("{text}"));
    let taken = text.find("presentity_2006: 1 taken").unwrap_or_else(|| panic!("{text}"));
    assert!(dump < taken, "{text}");
    assert!(presence_db(&["check", &former.url]).status.success());

    former.watcher.allow_jump_once();
    let _server = former.succeed(&[("auto_migrate", "0")]);
    assert_eq!(former.watcher.next_notification().notes(), ["before"]);
    former.watcher.finish();
    former.publisher.finish();
}

/// A start that was killed after it had set the old tables aside is finished by the next.
#[test]
fn an_adoption_that_was_killed_is_finished() {
    let mut former = Former::new();
    assert!(presence_db(&["migrate", &former.url]).status.success());
    let mut database = former.databases.client("openser");
    database.execute("UPDATE presence_version SET version = 0");
    database.execute("UPDATE presentity SET etag = 'half'");
    former.watcher.allow_jump_once();
    let _server = former.succeed(&[]);
    assert_eq!(former.watcher.next_notification().notes(), ["before"]);
    assert_eq!(former.publisher.modify(&pidf::open(DANA, "desk", "after")).code(), Some(200));
    assert_eq!(former.watcher.next_notification().notes(), ["after"]);
    former.watcher.finish();
    former.publisher.finish();
}

fn check_made(url: &str, make: impl FnOnce()) {
    let none = presence_db(&["check", url]);
    assert!(!none.status.success(), "{}", said(&none));
    make();
    let check = presence_db(&["check", url]);
    assert!(check.status.success() && said(&check).contains("version 2, owned by nobody"), "{}", said(&check));
    let again = presence_db(&["create", url]);
    assert!(!again.status.success() && said(&again).contains("there are tables already"), "{}", said(&again));
    let configuration = QUICKSTART.replace("route {", "modparam(\"presence\", \"auto_migrate\", 0)\nroute {");
    let server = Server::start(&configuration, Options { database_url: Some(url.into()), ..Options::default() });
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&pidf::open(DANA, "desk", "here")).code(), Some(200));
    publisher.finish();
}

/// The statements that are printed make, by hand, what a start makes; and so does the command.
#[test]
fn tables_are_made_by_hand_and_by_the_command() {
    for kind in Kind::ALL {
        let databases = DatabaseServer::start(kind, &DatabaseOptions::default());
        let (by_hand, by_command) = (databases.create_database("by_hand"), databases.create_database("by_command"));
        check_made(&by_command, || {
            let create = presence_db(&["create", &by_command]);
            assert!(create.status.success(), "{}", said(&create));
        });
        let scheme = by_hand.split(':').next().unwrap_or_default();
        let ddl = presence_db(&["ddl", scheme]);
        assert!(ddl.status.success(), "{}", said(&ddl));
        check_made(&by_hand, || databases.run_client("by_hand", &String::from_utf8_lossy(&ddl.stdout)));
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = format!("sqlite://{}", directory.path().join("made.db").display());
    check_made(&url, || {
        let create = presence_db(&["create", &url]);
        assert!(create.status.success(), "{}", said(&create));
    });
}
