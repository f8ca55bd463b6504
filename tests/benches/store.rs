//! CPU time of the storing thread per row, durable: the time shown is one row's share of its commit and checkpoints.
//!
//! `target/` should be on a real disk; the wall time, which the disk decides, is printed once per benchmark.
#![allow(missing_docs)] // criterion's macros declare public functions
#![allow(clippy::unwrap_used)] // a benchmark that fails has nothing to go on with

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use module_api::abi::Transport;
use presence::change::{Change, Moment, PublicationRow, Status, SubscriptionKey, SubscriptionRow, TransportAddress};
use presence::presentity_uri::UserAtDomain;
use presence::store::sql::migration::Migrate;
use presence::store::sql::ownership::TakeOver;
use presence::store::sql::store::{SqlStore, Taking};
use presence::store::{RowKeys, Scope, Store, TableNames};

const BATCHES: [usize; 3] = [1, 16, 256];
const ROWS_PRESENT: u64 = 20_000;

criterion_group!(benches, publications, subscriptions, loading);
criterion_main!(benches);

fn publications(criterion: &mut Criterion) {
    for batch in BATCHES {
        bench(criterion, "publication stored", batch, publication_stored);
        bench(criterion, "publication refreshed", batch, |n| Change::PublicationContinued {
            id: shuffled(n),
            entity_tag: format!("refreshed-{n:022x}").into(),
            body: None,
            received_at_ms: 1_700_000_000_000,
            expires: 1_700_003_600 + n,
            deadline: Moment(0),
            sender: None,
        });
        bench(criterion, "publication modified", batch, |n| Change::PublicationContinued {
            id: shuffled(n),
            entity_tag: format!("modified-{n:023x}").into(),
            body: Some(body(n)),
            received_at_ms: 1_700_000_000_000,
            expires: 1_700_003_600 + n,
            deadline: Moment(0),
            sender: None,
        });
    }
}

fn subscriptions(criterion: &mut Criterion) {
    for batch in BATCHES {
        bench(criterion, "subscription stored", batch, subscription_stored);
        bench(criterion, "subscription refreshed", batch, |n| {
            let mut row = subscription(shuffled(n));
            (row.remote_cseq, row.expires) = (n as u32, row.expires + n);
            Change::SubscriptionRefreshed { row: Arc::new(row), deadline: Moment(0), flow: 0 }
        });
        bench(criterion, "CSeq reserved", batch, |n| Change::CseqReserved {
            key: key(shuffled(n)),
            local_cseq: n as u32,
        });
    }
}

fn loading(criterion: &mut Criterion) {
    let (_directory, mut store) = filled();
    let keys = RowKeys {
        publications: (0..ROWS_PRESENT).collect(),
        subscriptions: (0..ROWS_PRESENT).map(key).collect(),
        ..RowKeys::default()
    };
    let mut load = |name: &str, scope: Scope<'_>| {
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let before = cpu_time();
                let rounds = iterations.div_ceil(2 * ROWS_PRESENT);
                for _ in 0..rounds {
                    store.load(scope, &mut |_| ()).unwrap();
                }
                (cpu_time() - before).mul_f64(iterations as f64 / (rounds * 2 * ROWS_PRESENT) as f64)
            });
        });
    };
    load("loaded, a row", Scope::All);
    load("loaded by its key, a row", Scope::Rows(&keys));
}

fn bench(criterion: &mut Criterion, name: &str, batch: usize, change: fn(u64) -> Change) {
    let (_directory, store) = filled();
    let state = RefCell::new((store, ROWS_PRESENT));
    let wall = RefCell::new((Duration::ZERO, 0));
    criterion.bench_function(&format!("{name}, batch {batch}"), |bencher| {
        bencher.iter_custom(|iterations| {
            let (store, next) = &mut *state.borrow_mut();
            let (mut rows, mut cpu) = (0, Duration::ZERO);
            while rows < iterations {
                let changes: Vec<Change> = (0..batch as u64).map(|offset| change(*next + offset)).collect();
                let decisions: Vec<&[Change]> = changes.iter().map(std::slice::from_ref).collect();
                let (cpu_before, wall_before) = (cpu_time(), Instant::now());
                store.commit(&decisions).unwrap();
                store.maintain().unwrap();
                cpu += cpu_time() - cpu_before;
                wall.borrow_mut().0 += wall_before.elapsed();
                wall.borrow_mut().1 += batch as u32;
                rows += batch as u64;
                *next += batch as u64;
            }
            cpu.mul_f64(iterations as f64 / rows as f64)
        });
    });
    let (elapsed, rows) = *wall.borrow();
    if rows > 0 {
        println!("{name}, batch {batch}: wall time {:?} a row", elapsed / rows);
    }
}

fn filled() -> (tempfile::TempDir, SqlStore) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("presence.db");
    let mut random = |bytes: &mut [u8]| bytes.fill(7);
    let (mut store, _) =
        SqlStore::open(path.to_str().unwrap(), &TableNames::default(), "bench:1", &mut random).unwrap();
    let rows: Vec<Change> = (0..ROWS_PRESENT).flat_map(|n| [publication_stored(n), subscription_stored(n)]).collect();
    for batch in rows.chunks(256) {
        store.commit(&[batch]).unwrap();
    }
    store.maintain().unwrap();
    (directory, store)
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
