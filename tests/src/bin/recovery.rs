//! Prints how long a server takes to be back: `recovery [PRESENTITIES [SUBSCRIPTIONS [sqlite|mysql|postgres]]]`, after a clean
//! stop and after a kill.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use tests::database_server::{self, DatabaseServer, Kind};
use tests::load::stored::{Stored, entity_tag, fill};
use tests::message::Message;
use tests::processes::Tree;
use tests::server::{Options, QUICKSTART, Server};
use tests::user_agent::Publisher;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(default, |argument| argument.parse().expect("a number"));
    let presentities = number(100_000);
    let stored = Stored { presentities, subscriptions: number(10 * presentities) };
    let kind = match arguments.next().as_deref() {
        None | Some("sqlite") => None,
        Some("mysql") => Some(Kind::MariaDb),
        Some("postgres") => Some(Kind::PostgreSql),
        Some(other) => panic!("`{other}` is no database; there are sqlite, mysql and postgres"),
    };
    let options = database_server::Options { cache_mib: Some(2048), ..database_server::Options::default() };
    let database = kind.map(|kind| DatabaseServer::start(kind, &options));
    let database_url = database.as_ref().map(|server| server.create_database("presence"));
    let watchers = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let ready_within = Some(Duration::from_secs(600));
    let mut server = Server::start(QUICKSTART, Options { ready_within, database_url, ..Options::default() });
    assert_eq!(server.terminate().code(), Some(0), "{}", server.log());
    let begun = Instant::now();
    let at = watchers.local_addr().expect("a bound socket");
    fill(&server.database_url(), stored, server.udp_address(), at);
    let Stored { presentities, subscriptions } = stored;
    println!("{presentities} presentities and {subscriptions} subscriptions, written in {:.1?}", begun.elapsed());
    std::thread::spawn(move || answer(&watchers));
    println!("| after      | ready  | first 200 | CPU    | per row | resident | per subscription | peak    |");
    println!("|------------|--------|-----------|--------|---------|----------|------------------|---------|");
    measure("clean stop", &mut server, stored);
    server.kill_nine();
    measure("kill -9", &mut server, stored);
    assert_eq!(server.terminate().code(), Some(0), "{}", server.log());
}

/// Starts the server on what is stored and prints a line.
fn measure(after: &str, server: &mut Server, stored: Stored) {
    let begun = Instant::now();
    server.restart();
    let ready = begun.elapsed();
    let processes = Tree::of(server.process_id());
    let (cpu, settled) = (processes.cpu_time(), processes.memory());
    let user = stored.presentities / 2;
    let mut publisher = Publisher::udp(server.udp_address(), &format!("sip:user{user:07}@pres.example"));
    // The second start finds what the first made of it.
    publisher.pretend_entity_tag(&entity_tag(user));
    let code = publisher.refresh().code();
    let first = begun.elapsed();
    assert!(matches!(code, Some(200 | 412)), "{code:?}");
    let rows = stored.presentities + stored.subscriptions;
    let per_row = Duration::from_nanos((ready.as_nanos() / rows.max(1) as u128) as u64);
    let per_subscription = settled.resident / stored.subscriptions.max(1) as u64;
    let peak = processes.memory().peak;
    println!(
        "| {after:<10} | {ready:>6.2?} | {first:>9.2?} | {cpu:>6.2?} | {per_row:>7.1?} | {:>5} MB | {per_subscription:>14} B | {:>4} MB |",
        settled.resident >> 20,
        peak >> 20,
    );
    publisher.finish();
}

/// Answers every NOTIFY, whoever it is for.
fn answer(socket: &UdpSocket) {
    let mut buffer = vec![0; 65_536];
    while let Ok((length, server)) = socket.recv_from(&mut buffer) {
        if let Ok(notify) = Message::parse(&buffer[..length]) {
            let answer = Message::response_to(&notify, 200).to_bytes();
            // What is lost is asked for again.
            let _ = socket.send_to(&answer, server);
        }
    }
}
