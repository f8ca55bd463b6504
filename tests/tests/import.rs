//! A switch from Kamailio: what it wrote is imported, and every dialog and every publication goes on with us.

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use tests::binaries::Binaries;
use tests::database::Database;
use tests::database_server::{DatabaseServer, Kind, Options as DatabaseOptions};
use tests::kamailio::{Kamailio, Setup, SubscriptionStorage};
use tests::pidf;
use tests::rules::{Rule, ruleset};
use tests::server::{Options, QUICKSTART, Server};
use tests::tables_of_2006;
use tests::user_agent::{Notification, Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";
const BOB: &str = "sip:bob@watch.example";
const CAROL: &str = "sip:carol@watch.example";

/// How long watchers subscribe for at Kamailio.
const EXPIRES_S: u32 = 600;

/// Everybody who talks to Kamailio, and goes on with us.
struct Scene {
    desk: Publisher,
    cell: Publisher,
    ann: Watcher,
    /// Not decided on.
    bob: Watcher,
    /// Behind two routers.
    carol: Watcher,
    routes: Vec<String>,
    /// Watches who watches.
    dana: Watcher,
    winfo_version: u32,
}

impl Scene {
    fn at(server: SocketAddr) -> Self {
        let mut desk = Publisher::udp(server, DANA);
        assert_eq!(desk.publish(&pidf::open(DANA, "desk", "desk 1")).code(), Some(200));
        let mut dana = Watcher::udp(server, DANA, DANA).with_event("presence.winfo");
        let mut ann = Watcher::udp(server, DANA, ANN);
        let mut bob = Watcher::udp(server, DANA, BOB);
        let mut carol = Watcher::udp(server, DANA, CAROL);
        for watcher in [&mut dana, &mut ann, &mut bob] {
            assert_eq!(watcher.subscribe(EXPIRES_S).code(), Some(200));
            watcher.next_notification();
        }
        // Both are her own socket.
        let at = carol.endpoint.local_address();
        let routes: Vec<String> =
            ["near", "far"].iter().map(|router| format!("<sip:{at};lr;router={router}>")).collect();
        let request = carol.next_request(EXPIRES_S);
        let request = routes.iter().fold(request, |request, route| request.with("Record-Route", route));
        assert_eq!(carol.request(request).code(), Some(200));
        carol.next_notification();
        let mut cell = Publisher::udp(server, DANA);
        assert_eq!(cell.publish(&pidf::open(DANA, "cell", "cell 1")).code(), Some(200));
        assert_eq!(desk.modify(&pidf::open(DANA, "desk", "desk 2")).code(), Some(200));
        for watcher in [&mut ann, &mut carol] {
            watcher.notification_where("both devices", |told| told.notes() == ["cell 1", "desk 2"]);
        }
        let tells_of = |told: &Notification| told.message.to_string().contains(CAROL);
        let winfo_version = dana.notification_where("the last watcher", tells_of).watcherinfo().version;
        Self { desk, cell, ann, bob, carol, routes, dana, winfo_version }
    }

    /// What Kamailio did wrong is not ours to answer for.
    fn change_servers(&self) {
        for watcher in [&self.ann, &self.bob, &self.carol, &self.dana] {
            watcher.change_servers();
        }
        self.desk.endpoint.take_violations();
        self.cell.endpoint.take_violations();
    }

    /// Everybody is told once by the new server, in the dialog with the old one, and nobody notices the difference later.
    fn goes_on(mut self) {
        for told in [self.ann.next_notification(), self.carol.next_notification()] {
            assert_eq!(told.notes(), ["cell 1", "desk 2"]);
            check_lifetime(&told);
            let expected =
                if told.message.get("To").is_some_and(|to| to.contains(CAROL)) { &*self.routes } else { &[] };
            assert_eq!(told.message.list("Route"), expected);
        }
        let told = self.bob.next_notification();
        assert!(told.state().is_pending() && told.message.body.is_empty(), "{}", told.message);
        check_lifetime(&told);
        let told = self.dana.next_notification();
        assert!(told.watcherinfo().version > self.winfo_version, "{}", told.message);
        let expected = [
            format!("{ANN} active subscribe"),
            format!("{BOB} pending subscribe"),
            format!("{CAROL} active subscribe"),
        ];
        assert_eq!(told.watchers, expected, "{}", told.message);

        assert_eq!(self.desk.modify(&pidf::open(DANA, "desk", "desk 3")).code(), Some(200));
        assert_eq!(self.cell.remove().code(), Some(200));
        for watcher in [&mut self.ann, &mut self.carol] {
            watcher.notification_where("the change", |told| told.notes() == ["desk 3"]);
            assert_eq!(watcher.subscribe(300).code(), Some(200), "the dialog is known");
            watcher.next_notification();
            assert_eq!(watcher.unsubscribe().code(), Some(200));
            assert!(watcher.next_notification().state().is_terminated());
        }
        self.dana.notification_where("one watcher left", |told| told.watchers.len() == 1);
        assert_eq!(self.bob.subscribe(300).code(), Some(200));
        assert!(self.bob.next_notification().state().is_pending());
        self.desk.finish();
        self.cell.finish();
        for watcher in [self.ann, self.bob, self.carol, self.dana] {
            watcher.finish();
        }
    }
}

fn check_lifetime(told: &Notification) {
    let left = told.state().expires_s.expect("a lifetime");
    assert!(left <= EXPIRES_S && left > EXPIRES_S / 2, "{left} s are left of {EXPIRES_S}");
}

/// Who may see Dana, and who is to be asked about.
fn rules() -> String {
    ruleset(&[Rule::allow("friends").one(ANN).one(CAROL), Rule::new("others").one(BOB).handling("confirm")])
}

fn import(source: &str, target: &str) -> Output {
    let mut command = Command::new(&Binaries::get().presence_db);
    command.args(["import", source, target]).stdin(Stdio::null()).output().expect("presence-db runs")
}

/// Our server on the address and with the database it is given.
fn server_at(address: SocketAddr, database: &str) -> Server {
    let configuration = QUICKSTART.replace("listen=udp:127.0.0.1:@PORT@", &format!("listen=udp:{address}"));
    Server::start(&configuration, Options { database_url: Some(database.to_owned()), ..Options::default() })
}

/// Everybody is at Kamailio, which is brought to its `end`; then everybody is with us, on the database at `ours`.
fn switch(mut kamailio: Kamailio, end: impl FnOnce(&mut Kamailio), ours: &str) {
    kamailio.put_rules("dana", "pres.example", &rules());
    let scene = Scene::at(kamailio.udp_address());
    kamailio.wait_until_free();
    end(&mut kamailio);
    let output = import(kamailio.database(), ours);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(report, "presentity: 2 taken\nactive_watchers: 4 taken\nwatchers: 3 taken\nxcap: 1 taken\n");
    scene.change_servers();
    let server = server_at(kamailio.udp_address(), ours);
    scene.goes_on();
    drop(server);
}

fn file_of(kamailio: &Kamailio) -> String {
    format!("sqlite://{}", kamailio.directory().join("presence.db").display())
}

/// Both servers keep their state at one database server.
fn switch_on(kind: Kind, end: impl FnOnce(&mut Kamailio)) {
    Binaries::get();
    let databases = DatabaseServer::start(kind, &DatabaseOptions::default());
    let (theirs, ours) = (databases.create_database("kamailio"), databases.create_database("presence"));
    switch(Kamailio::start_on(&theirs, Setup::small(SubscriptionStorage::AtOnce)), end, &ours);
}

#[test]
fn a_kamailio_that_was_stopped_is_taken_over_from() {
    // What has to be built is built before anybody's time runs.
    Binaries::get();
    let kamailio = Kamailio::start(SubscriptionStorage::Later);
    let ours = file_of(&kamailio);
    switch(kamailio, Kamailio::terminate, &ours);
}

#[test]
fn a_kamailio_that_was_killed_is_taken_over_from() {
    Binaries::get();
    let kamailio = Kamailio::start(SubscriptionStorage::AtOnce);
    let ours = file_of(&kamailio);
    switch(kamailio, Kamailio::kill_nine, &ours);
}

#[test]
fn a_kamailio_on_mariadb_is_taken_over_from() {
    switch_on(Kind::MariaDb, Kamailio::kill_nine);
}

#[test]
fn a_kamailio_on_postgresql_is_taken_over_from() {
    switch_on(Kind::PostgreSql, Kamailio::terminate);
}

#[test]
fn the_tables_of_2006_are_taken_over_from() {
    let mut former = Server::quickstart();
    let mut publisher = Publisher::udp(former.udp_address(), DANA);
    assert_eq!(publisher.publish(&pidf::open(DANA, "desk", "before")).code(), Some(200));
    let mut watcher = Watcher::udp(former.udp_address(), DANA, ANN);
    assert_eq!(watcher.subscribe(EXPIRES_S).code(), Some(200));
    assert!(watcher.next_notification().cseq() < tables_of_2006::CSEQ);
    let address = former.udp_address();
    former.terminate();

    let databases = DatabaseServer::start(Kind::MariaDb, &DatabaseOptions::default());
    let url = databases.create_database("openser");
    let mut theirs = Database::connect(&url);
    tables_of_2006::fill(&mut Database::open(&former.database()), &mut theirs);
    theirs.execute(
        "INSERT INTO watchers (p_user, p_domain, w_user, w_domain, subs_status, reason, inserted_time) \
         VALUES ('dana', 'pres.example', 'ann', 'watch.example', 'active', '', 1166000000)",
    );
    theirs.execute(
        "INSERT INTO active_watchers SELECT to_user, to_domain, from_user, from_domain, event, event_id, to_tag, \
         'another', callid, cseq, '', record_route, expires, status, version FROM active_watchers",
    );
    let directory = tempfile::tempdir().expect("a temporary directory");
    let ours = format!("sqlite://{}", directory.path().join("presence.db").display());
    let output = import(&url, &ours);
    let report = String::from_utf8_lossy(&output.stdout);
    let expected = "presentity: 1 taken\nactive_watchers: 1 taken, 1 skipped\n  1 skipped: `contact` is empty\n\
                    watchers: 1 taken\nxcap_xml: 0 taken\n";
    assert_eq!(report, expected, "{}", String::from_utf8_lossy(&output.stderr));

    watcher.change_servers();
    let _server = server_at(address, &ours);
    let told = watcher.next_notification();
    assert!(told.notes() == ["before"] && told.cseq() > tables_of_2006::CSEQ, "{}", told.message);
    assert_eq!(publisher.modify(&pidf::open(DANA, "desk", "after")).code(), Some(200));
    assert_eq!(watcher.next_notification().notes(), ["after"]);
    assert_eq!(watcher.subscribe(300).code(), Some(200), "its CSeq is behind the one in the row");
    watcher.next_notification();
    publisher.finish();
    watcher.finish();
}

#[test]
fn an_import_begins_with_an_empty_database_and_knows_what_it_reads() {
    let refused = |source: &str, target: &str| {
        let output = import(source, target);
        assert!(!output.status.success() && output.stdout.is_empty());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let mut server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&pidf::open(DANA, "desk", "here")).code(), Some(200));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = |name: &str| format!("sqlite://{}", directory.path().join(name).display());
    let (theirs, new) = (url("theirs.db"), url("new.db"));
    Database::connect(&theirs).script("CREATE TABLE watchers (id integer);");
    let used = format!("sqlite://{}", server.database().display());

    let served = refused(&theirs, &used);
    assert!(served.contains(&format!(":{}", server.process_id())), "{served}");
    server.terminate();
    assert!(refused(&theirs, &used).contains("has 1 rows already"));
    assert!(refused(&used, &new).contains("table `active_watchers` of the source: the table is this server's own"));
    let unknown = refused(&theirs, &new);
    assert!(unknown.contains("nobody's table: of Kamailio it lacks presentity_uri, watcher_username"), "{unknown}");
    assert!(refused(&url("none.db"), &new).contains("there is no such file"));
    let secret = refused("mysql://me:secret@", &new);
    assert!(secret.contains("SOURCE_URL: expected") && !secret.contains("secret"), "{secret}");
}
