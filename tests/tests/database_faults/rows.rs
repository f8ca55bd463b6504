//! Rows that others write, hold, or spoil: who needs one of them bears it alone.

use std::time::{Duration, Instant};

use tests::database::{Database, literal};
use tests::database_server::Kind;
use tests::message::Message;
use tests::pidf;
use tests::server::{Options, QUICKSTART, Server};
use tests::user_agent::Publisher;

use super::scene::{
    AT_ONCE, DB_TIMEOUT, assert_resumes, assert_unavailable, assert_unavailable_within, here, new_database_of, serve,
    settled, shown, stored,
};

on! { [mariadb postgresql sqlite]
    a_key_that_somebody_else_took_costs_one_request,
    rows_that_cannot_be_read_are_passed_over_and_counted,
}

on! { [mariadb postgresql]
    a_row_that_somebody_else_holds_costs_who_needs_it,
}

on! { [sqlite]
    a_file_that_somebody_else_holds_holds_nobody_up,
}

/// Ten publish at a time, and the key of one of them is taken.
fn a_key_that_somebody_else_took_costs_one_request(kind: Option<Kind>) {
    const CROWD: u64 = 10;
    const PUBLISHED_BEFORE: u64 = 1;
    let server = Server::start(QUICKSTART, Options { database_url: new_database_of(kind), ..Options::default() });
    let (mut publisher, mut watcher) = settled(&server);
    let taken = PUBLISHED_BEFORE + CROWD / 2;
    insert_publication(&mut server.open_database(), &taken.to_string(), "other", "4000000000");

    let mut crowd: Vec<_> = (0..CROWD).map(|n| Device::new(&server, &format!("u{n}"))).collect();
    crowd.iter_mut().for_each(|device| device.send("crowd"));
    let codes: Vec<_> = crowd.iter_mut().map(|device| device.answer().code()).collect();
    let refused: Vec<_> = codes.iter().enumerate().filter(|(_, code)| **code != Some(200)).collect();
    assert!(matches!(refused[..], [(_, Some(500..=503))]), "one is refused: {codes:?}");
    let (guilty, _) = refused[0];
    crowd[guilty].publish_at_last("again");
    assert_eq!(shown(&server, &crowd[guilty].presentity), ["again"]);
    assert_eq!(publisher.modify(&here("after")).code(), Some(200));
    assert_eq!(watcher.next_notification().notes(), ["after"]);
    assert_eq!(stored(&mut server.open_database(), "other"), ["foreign"], "what others wrote is theirs");
    let said = server.wait_for_log("the database refuses the data");
    assert!(!said.contains("u5") && !said.contains("foreign"), "{said}");
    publisher.finish();
    watcher.finish();
}

/// An operator's transaction holds a row of Dana's for as long as it likes.
fn a_row_that_somebody_else_holds_costs_who_needs_it(kind: Kind) {
    let server = serve(&new_database_of(Some(kind)).expect("a server has a URL"));
    let (mut publisher, mut watcher) = settled(&server);
    let mut operator = server.open_database();
    // By its key: whoever has MariaDB look through the table holds all of it.
    let row = operator.lines("id", "presentity WHERE username = 'dana'").remove(0);
    operator.execute("BEGIN");
    assert_eq!(operator.execute(&format!("UPDATE presentity SET expires = expires + 1 WHERE id = {row}")), 1);

    let mut crowd: Vec<_> = (0..8).map(|n| Device::new(&server, &format!("u{n}"))).collect();
    for round in 0..3 {
        let held = publisher.next_request().with_body(pidf::CONTENT_TYPE, here("held"));
        let held = publisher.endpoint.send(held);
        crowd.iter_mut().for_each(|device| device.send(&round.to_string()));
        for device in &mut crowd {
            let answer = device.answer();
            assert_eq!(answer.code(), Some(200), "it needs nothing that is held\n{answer}\n{}", server.log());
        }
        assert_unavailable(&publisher.answer_to(&held));
        assert_eq!(shown(&server, "sip:u0@pres.example"), [round.to_string()]);
    }
    assert!(!server.log().contains("503 until the database is back"), "{}", server.log());
    operator.execute("COMMIT");
    let free = Instant::now();
    while publisher.modify(&here("after")).code() != Some(200) {
        assert!(free.elapsed() < Duration::from_secs(2), "{}", publisher.endpoint.ladder());
    }
    watcher.notification_where("what came after", |notification| notification.notes() == ["after"]);

    // One holds the owner's row, which everybody needs, and then lets go.
    operator.execute("BEGIN");
    operator.execute("UPDATE presence_owner SET clean = clean");
    for device in &mut crowd {
        device.send("held up");
    }
    for device in &mut crowd {
        assert_unavailable(&device.answer());
    }
    operator.execute("ROLLBACK");
    let back = Instant::now();
    while publisher.modify(&here("at last")).code() != Some(200) {
        assert!(back.elapsed() < Duration::from_secs(2), "{}", server.log());
    }
    publisher.finish();
    watcher.finish();
}

/// Whoever writes to a file of SQLite writes alone.
fn a_file_that_somebody_else_holds_holds_nobody_up(_: Option<Kind>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = serve(&format!("sqlite://{}", directory.path().join("presence.db").display()));
    let (mut publisher, mut watcher) = settled(&server);
    let mut operator = server.open_database();
    operator.execute("BEGIN IMMEDIATE");
    assert_unavailable_within(DB_TIMEOUT + AT_ONCE, || publisher.modify(&here("held")));
    for _ in 0..3 {
        assert_unavailable_within(AT_ONCE, || publisher.modify(&here("held")));
        assert_unavailable_within(AT_ONCE, || watcher.subscribe(300));
    }
    operator.execute("ROLLBACK");
    assert_resumes(&server, Instant::now());
    assert_eq!(publisher.modify(&here("after")).code(), Some(200), "{}", publisher.endpoint.ladder());
    watcher.notification_where("what came after", |notification| notification.notes() == ["after"]);
    publisher.finish();
    watcher.finish();
}

fn rows_that_cannot_be_read_are_passed_over_and_counted(kind: Option<Kind>) {
    const SECRET: &str = "somebodys-name";
    let mut server = Server::start(QUICKSTART, Options { database_url: new_database_of(kind), ..Options::default() });
    let (mut publisher, mut watcher) = settled(&server);
    assert_eq!(server.terminate().code(), Some(0));
    watcher.allow_jump_once();
    let mut database = server.open_database();
    insert_publication(&mut database, "7001", SECRET, "-1");
    insert_publication(&mut database, "-7", SECRET, "4000000000");
    spoil_copies_of_subscription(&mut database, kind, SECRET);
    let watchers =
        "p_user, p_domain, w_user, w_domain, subs_status, reason, inserted_time, event, watcher_id, deadline";
    let values =
        format!("{0}, 'pres.example', {0}, 'w.example', 'undecided', '', 1, 'presence', 'x', 0", literal(SECRET));
    database.execute(&format!("INSERT INTO watchers ({watchers}) VALUES ({values})"));

    server.restart();
    assert_eq!(publisher.modify(&here("after")).code(), Some(200), "the rest is there");
    assert_eq!(watcher.next_notification().notes(), ["after"]);
    watcher.subscribe(500);
    watcher.next_notification();
    assert_eq!(server.terminate().code(), Some(0));
    let log = server.log();
    for said in [
        "passed over 1 rows of presentity: `expires` is negative",
        "passed over 1 rows of presentity: `id` is negative",
        "passed over 1 rows of active_watchers: `status` is no status of a stored row",
        "passed over 1 rows of active_watchers: `local_cseq` is too large",
        "passed over 1 rows of watchers: `subs_status` is no status of a watcher",
        "presence_skipped_rows_total=5",
    ] {
        assert!(log.contains(said), "it does not say {said:?}:\n{log}");
    }
    assert!(!log.contains(SECRET), "it names people:\n{log}");
    publisher.finish();
    watcher.finish();
}

fn insert_publication(database: &mut Database, id: &str, user: &str, expires: &str) {
    let body = pidf::open(&format!("sip:{user}@pres.example"), "t1", "foreign");
    let columns = "id, username, domain, event, etag, expires, received_time, body";
    let values = format!("{id}, {}, 'pres.example', 'presence', 'tag{id}', {expires}, 1", literal(user));
    database.execute(&format!("INSERT INTO presentity ({columns}) VALUES ({values}, {})", literal(&body)));
}

/// Copies the one subscription twice, each copy with something wrong in it.
fn spoil_copies_of_subscription(database: &mut Database, kind: Option<Kind>, user: &str) {
    let of = "information_schema.columns WHERE table_name = 'active_watchers'";
    let columns = match kind {
        Some(Kind::MariaDb) => database.lines("column_name", &format!("{of} AND table_schema = DATABASE()")),
        Some(Kind::PostgreSql) => database.lines("column_name", of),
        None => database.lines("name", "pragma_table_info('active_watchers')"),
    };
    let key = |digit: char| match kind {
        Some(Kind::PostgreSql) => format!("'\\x{}'", digit.to_string().repeat(32)),
        _ => format!("x'{}'", digit.to_string().repeat(32)),
    };
    for (digit, spoiled, value) in [('1', "status", "'spoiled'"), ('2', "local_cseq", "99999999999")] {
        let values = columns.iter().map(|column| match column.as_str() {
            "id" => key(digit),
            "from_user" => literal(user),
            column if column == spoiled => value.to_owned(),
            column => column.to_owned(),
        });
        let (columns, values) = (columns.join(", "), values.collect::<Vec<_>>().join(", "));
        let copied = format!("SELECT {values} FROM active_watchers WHERE from_user = 'ann'");
        assert_eq!(database.execute(&format!("INSERT INTO active_watchers ({columns}) {copied}")), 1);
    }
}

/// One of a crowd whose requests are under way at the same time.
struct Device {
    presentity: String,
    publisher: Publisher,
    sent: Option<Message>,
}

impl Device {
    fn new(server: &Server, user: &str) -> Self {
        let presentity = format!("sip:{user}@pres.example");
        Self { publisher: Publisher::udp(server.udp_address(), &presentity), presentity, sent: None }
    }

    fn send(&mut self, note: &str) {
        let document = pidf::open(&self.presentity, "t1", note);
        let request = self.publisher.next_request().with_body(pidf::CONTENT_TYPE, document);
        self.sent = Some(self.publisher.endpoint.send(request));
    }

    fn answer(&mut self) -> Message {
        let sent = self.sent.take().expect("a request is under way");
        self.publisher.answer_to(&sent)
    }

    /// Publishes what it is soon let publish.
    fn publish_at_last(&mut self, note: &str) {
        let asked = Instant::now();
        loop {
            self.send(note);
            let answer = self.answer();
            if answer.code() == Some(200) {
                return;
            }
            assert_unavailable(&answer);
            assert!(asked.elapsed() < Duration::from_secs(2), "{}", self.publisher.endpoint.ladder());
        }
    }
}
