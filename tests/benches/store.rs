//! What a row costs on each database: rows a second and CPU a row, ours and the database's, one row's share of its commit.
//!
//! Every commit is durable. `target/` should be on a real disk. `-- sqlite`, `-- mysql` or `-- postgres` runs one of them.
#![allow(clippy::unwrap_used)] // a benchmark that fails has nothing to go on with

use std::sync::Arc;
use std::time::{Duration, Instant};

use module_api::abi::Transport;
use presence::change::{
    Change, Moment, PublicationRow, RenewedRow, Status, SubscriptionKey, SubscriptionRow, TransportAddress,
};
use presence::presentity_uri::UserAtDomain;
use presence::store::url::DatabaseUrl;
use presence::store::{Durability, Migrate, RowKeys, Scope, SqlStore, Store, TableNames, TakeOver, Taking};
use tests::database_server::{DatabaseServer, Kind, Options};

const BATCHES: [usize; 3] = [1, 16, 256];
const ROWS_PRESENT: u64 = 20_000;
/// How long each kind of row is written at each batch size.
const TIME: Duration = Duration::from_secs(2);

/// Makes the change of row `n`.
type Make = fn(u64) -> Change;

/// What is written, by name.
const KINDS: [(&str, Make); 6] = [
    ("publication stored", publication_stored),
    ("publication refreshed", publication_refreshed),
    ("publication modified", publication_modified),
    ("subscription stored", subscription_stored),
    ("subscription refreshed", subscription_refreshed),
    ("CSeq reserved", cseq_reserved),
];

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    println!("| database | row | batch | rows/s | CPU µs a row, ours | the database's |");
    println!("|---|---|---|---|---|---|");
    if wanted("sqlite") {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        measure("SQLite", &format!("sqlite://{}/presence.db", directory.path().display()), None);
    }
    for (kind, name, title) in [(Kind::MariaDb, "mysql", "MariaDB"), (Kind::PostgreSql, "postgres", "PostgreSQL")] {
        if wanted(name) {
            let server = DatabaseServer::start(kind, &Options { cache_mib: Some(512), ..Options::default() });
            let url = server.create_database("presence");
            measure(title, &url, Some(&server));
        }
    }
}

/// Prints what every kind of row costs on one database.
fn measure(database: &str, url: &str, server: Option<&DatabaseServer>) {
    let mut store = filled(url);
    let mut next = ROWS_PRESENT;
    for (name, change) in KINDS {
        for batch in BATCHES {
            let cost = cost_of(&mut store, change, batch, &mut next, server);
            let (rate, ours) = (cost.rows as f64 / cost.wall.as_secs_f64(), cost.micros(cost.ours));
            let theirs = server.map_or_else(|| "–".into(), |_| format!("{:.1}", cost.micros(cost.theirs)));
            println!("| {database} | {name} | {batch} | {rate:.0} | {ours:.1} | {theirs} |");
        }
    }
    let keys = RowKeys {
        publications: (0..ROWS_PRESENT).collect(),
        subscriptions: (0..ROWS_PRESENT).map(key).collect(),
        ..RowKeys::default()
    };
    for (name, scope) in [("loaded", Scope::All), ("loaded by its key", Scope::Rows(&keys))] {
        let (before, theirs, began, mut rows) = (cpu_time(), cpu_of(server), Instant::now(), 0);
        store.load(scope, &mut |_| rows += 1).unwrap();
        let (ours, theirs) = (cpu_time() - before, cpu_of(server) - theirs);
        let cost = Cost { rows, wall: began.elapsed(), ours, theirs };
        let rate = rows as f64 / cost.wall.as_secs_f64();
        let (ours, theirs) = (cost.micros(cost.ours), cost.micros(cost.theirs));
        println!("| {database} | {name} | – | {rate:.0} | {ours:.1} | {theirs:.1} |");
    }
}

/// What some rows cost.
struct Cost {
    rows: u64,
    wall: Duration,
    ours: Duration,
    theirs: Duration,
}

impl Cost {
    fn micros(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.rows as f64
    }
}

fn cost_of(
    store: &mut SqlStore,
    change: fn(u64) -> Change,
    batch: usize,
    next: &mut u64,
    server: Option<&DatabaseServer>,
) -> Cost {
    let mut cost = Cost { rows: 0, wall: Duration::ZERO, ours: Duration::ZERO, theirs: Duration::ZERO };
    let theirs = cpu_of(server);
    while cost.wall < TIME {
        let changes: Vec<Change> = (0..batch as u64).map(|offset| change(*next + offset)).collect();
        let decisions: Vec<&[Change]> = changes.iter().map(std::slice::from_ref).collect();
        let (cpu_before, wall_before) = (cpu_time(), Instant::now());
        store.commit(&decisions).unwrap();
        store.maintain().unwrap();
        cost.ours += cpu_time() - cpu_before;
        cost.wall += wall_before.elapsed();
        cost.rows += batch as u64;
        *next += batch as u64;
    }
    cost.theirs = cpu_of(server) - theirs;
    cost
}

fn filled(url: &str) -> SqlStore {
    let (names, mut random) = (TableNames::default(), |bytes: &mut [u8]| bytes.fill(7));
    let taking = Taking {
        names: &names,
        owner: "bench:1",
        take_over: TakeOver::ByForce,
        migrate: Migrate::Automatically,
        random: &mut random,
        note: &mut |_| (),
    };
    let url = DatabaseUrl::parse(url).unwrap();
    let (mut store, _) = url.open(Durability::Full, Duration::from_secs(10), taking).unwrap();
    let rows: Vec<Change> = (0..ROWS_PRESENT).flat_map(|n| [publication_stored(n), subscription_stored(n)]).collect();
    for batch in rows.chunks(256) {
        store.commit(&[batch]).unwrap();
    }
    store.maintain().unwrap();
    store
}

fn cpu_of(server: Option<&DatabaseServer>) -> Duration {
    server.map_or(Duration::ZERO, DatabaseServer::cpu_time)
}

/// The time this thread has been on a processor, from the kernel's own account.
fn cpu_time() -> Duration {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(account.split(' ').next().unwrap().parse().unwrap())
}

/// A row that is there, in no order.
fn shuffled(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % ROWS_PRESENT
}

fn key(n: u64) -> SubscriptionKey {
    let high = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&high.rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9).to_be_bytes());
    key[8..].copy_from_slice(&n.to_be_bytes());
    SubscriptionKey(key)
}

fn publication_stored(n: u64) -> Change {
    let row = PublicationRow {
        id: n,
        presentity: Arc::new(UserAtDomain::new(
            format!("user{:07}", n.wrapping_mul(7_919) % 1_000_003),
            "pres.example",
        )),
        event: "presence".into(),
        entity_tag: format!("{n:032x}").into(),
        expires: 1_700_003_600,
        received_at_ms: 1_700_000_000_000,
        body: body(n),
    };
    Change::PublicationStored { row, deadline: Moment(0), sender: None }
}

fn body(n: u64) -> Arc<str> {
    let tuple = format!("<tuple id=\"t{n}\"><status><basic>open</basic></status><note>In a meeting</note></tuple>");
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence>{}</presence>", tuple.repeat(8)).into()
}

fn subscription_stored(n: u64) -> Change {
    Change::SubscriptionStored { row: Arc::new(subscription(n)), deadline: Moment(0), flow: 0 }
}

fn subscription(n: u64) -> SubscriptionRow {
    let listener = TransportAddress { transport: Transport::UDP, address: "192.0.2.9:5060".parse().unwrap() };
    SubscriptionRow {
        key: key(n),
        presentity: Arc::new(UserAtDomain::new(
            format!("user{:07}", n.wrapping_mul(7_919) % 1_000_003),
            "pres.example",
        )),
        watcher: UserAtDomain::new(format!("watcher{n}"), "pres.example"),
        event: "presence".into(),
        event_id: "".into(),
        call_id: format!("{n:024x}@192.0.2.17").into(),
        local_tag: format!("{n:032x}").into(),
        remote_tag: format!("{n:012x}").into(),
        local_cseq: 64,
        remote_cseq: 1,
        remote_target: format!("sip:watcher{n}@192.0.2.17:5060;transport=udp").into(),
        route_set: "<sip:proxy.pres.example;lr>".into(),
        expires: 1_700_003_600,
        granted_s: 3600,
        status: Status::Active,
        version: 0,
        presentity_uri: "sip:user@pres.example".into(),
        local_uri: "sip:user@pres.example".into(),
        remote_uri: "sip:watcher@pres.example".into(),
        identity: "sip:watcher@pres.example".into(),
        accept: "application/pidf+xml".into(),
        local_contact: "sip:192.0.2.9:5060".into(),
        received: None,
        socket: Some(listener),
        user_agent: "Phone/1.2 (3f2a)".into(),
        watcher_id: format!("w{n:x}").into(),
        display_name: "Watcher".into(),
        subscribed_at: 1_700_000_000,
        instance: Default::default(),
    }
}

fn publication_refreshed(n: u64) -> Change {
    continued(n, None)
}

fn publication_modified(n: u64) -> Change {
    continued(n, Some(body(n)))
}

fn continued(n: u64, body: Option<Arc<str>>) -> Change {
    Change::PublicationContinued {
        id: shuffled(n),
        entity_tag: format!("continued-{n:022x}").into(),
        body,
        received_at_ms: 1_700_000_000_000,
        expires: 1_700_003_600 + n,
        deadline: Moment(0),
        sender: None,
    }
}

fn subscription_refreshed(n: u64) -> Change {
    let mut row = subscription(shuffled(n));
    (row.remote_cseq, row.expires) = (n as u32, row.expires + n);
    Change::SubscriptionRefreshed {
        row: Box::new(RenewedRow::from(&row)),
        is_prolonged_only: true,
        deadline: Moment(0),
        flow: 0,
    }
}

fn cseq_reserved(n: u64) -> Change {
    Change::CseqReserved { key: key(shuffled(n)), local_cseq: n as u32 }
}
