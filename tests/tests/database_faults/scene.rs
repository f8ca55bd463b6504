//! A presence server on a database server of its own, people who use it, and the clock their answers are held against.

use std::time::{Duration, Instant};

use tests::database::{Database, literal};
use tests::database_server::{self, DatabaseServer, Kind, new_database};
use tests::message::Message;
use tests::pidf;
use tests::server::{Options, QUICKSTART, Server, with_parameters};
use tests::user_agent::{Endpoint, Publisher, Watcher};

/// Whom [`Scene::settled`] is about.
pub(crate) const DANA: &str = "sip:dana@pres.example";
/// And who watches her.
pub(crate) const ANN: &str = "sip:ann@watch.example";

/// How long the presence server waits for its database.
pub(crate) const DB_TIMEOUT: Duration = Duration::from_millis(800);
/// What an answer takes for which nothing is waited for. It is less than half of [`DB_TIMEOUT`], and than T1.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(300);
/// How soon service is there again when the database is.
const RESUMED_WITHIN: Duration = Duration::from_secs(2);
/// How long a test waits for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Both servers; the presence server ends first.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) database: DatabaseServer,
}

impl Scene {
    pub(crate) fn start(kind: Kind) -> Self {
        Self::start_on(DatabaseServer::start(kind, &database_server::Options::default()))
    }

    pub(crate) fn start_on(database: DatabaseServer) -> Self {
        let server = serve(&database.create_database("presence"));
        Self { server, database }
    }

    /// Opens the database as an administrator.
    pub(crate) fn client(&self) -> Database {
        self.database.client("presence")
    }

    pub(crate) fn publisher(&self, presentity: &str) -> Publisher {
        Publisher::udp(self.server.udp_address(), presentity)
    }

    pub(crate) fn assert_resumes(&self, back: Instant) {
        assert_resumes(&self.server, back);
    }
}

/// Asserts that service is there again soon after `back`, when the database was: nothing else is answered than 503
/// before, and a new publication is taken.
pub(crate) fn assert_resumes(server: &Server, back: Instant) {
    const PROBE: &str = "sip:probe@pres.example";
    let mut probe = Publisher::udp(server.udp_address(), PROBE);
    loop {
        let answer = probe.publish(&pidf::open(PROBE, "t1", "probe"));
        if answer.code() == Some(200) {
            break;
        }
        assert_unavailable(&answer);
        assert!(back.elapsed() < DEADLINE, "service does not resume\n{}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = back.elapsed();
    assert!(took < RESUMED_WITHIN, "service resumed after {took:?}\n{}", server.log());
    assert_eq!(probe.remove().code(), Some(200));
    probe.finish();
}

/// Starts a presence server that does not wait long for its database.
pub(crate) fn serve(database_url: &str) -> Server {
    let configuration = with_parameters(&[("db_timeout", &DB_TIMEOUT.as_millis().to_string())]);
    Server::start(&configuration, Options { database_url: Some(database_url.into()), ..Options::default() })
}

/// Returns the quickstart on a database.
pub(crate) fn quickstart_on(database_url: &str) -> String {
    QUICKSTART.replace("@DB_URL@", database_url)
}

/// Returns the URL of a database on a server that many tests share; `None` for a file of SQLite.
pub(crate) fn new_database_of(kind: Option<Kind>) -> Option<String> {
    kind.map(new_database)
}

/// A publisher whose state a watcher has seen.
pub(crate) fn settled(server: &Server) -> (Publisher, Watcher) {
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&here("before")).code(), Some(200));
    let mut watcher = Watcher::udp(server.udp_address(), DANA, ANN);
    assert_eq!(watcher.subscribe(600).code(), Some(200));
    assert_eq!(watcher.next_notification().notes(), ["before"]);
    (publisher, watcher)
}

/// Returns a document of Dana's.
pub(crate) fn here(note: &str) -> String {
    pidf::open(DANA, "t1", note)
}

/// Asserts that a request is to be sent again later.
pub(crate) fn assert_unavailable(answer: &Message) {
    assert_eq!((answer.code(), answer.get("Retry-After")), (Some(503), Some("2")), "{answer}");
}

/// Asserts that a request is to be sent again later, and that this is said in time.
pub(crate) fn assert_unavailable_within(time: Duration, ask: impl FnOnce() -> Message) {
    let asked = Instant::now();
    let answer = ask();
    let took = asked.elapsed();
    assert_unavailable(&answer);
    assert!(took < time, "that took {took:?}:\n{answer}");
}

/// Asserts that the host answers.
pub(crate) fn assert_answers_options(server: &Server) {
    let endpoint = Endpoint::udp(server.udp_address());
    let tag = format!("o{}", endpoint.local_address().port());
    let options = Message::request("OPTIONS", "sip:pres.example")
        .with("From", format!("<{ANN}>;tag={tag}"))
        .with("To", "<sip:pres.example>")
        .with("Call-ID", &tag)
        .with("CSeq", "1 OPTIONS");
    let asked = Instant::now();
    assert_eq!(endpoint.request(options).code(), Some(200));
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    endpoint.finish();
}

/// Returns the notes that a fetch shows: what is in memory.
pub(crate) fn shown(server: &Server, presentity: &str) -> Vec<String> {
    let mut watcher = Watcher::udp(server.udp_address(), presentity, "sip:fetcher@watch.example");
    let notes = watcher.fetch().notes();
    watcher.finish();
    notes
}

/// Returns the notes that are in the database.
pub(crate) fn stored(database: &mut Database, user: &str) -> Vec<String> {
    let bodies = database.lines("body", &format!("presentity WHERE username = {}", literal(user)));
    let notes = |body: &String| pidf::Presence::read(body.as_bytes()).expect("what was published").notes();
    let mut notes: Vec<_> = bodies.iter().flat_map(notes).collect();
    notes.sort();
    notes
}
