//! Prints what a flood of ten times what a server can do means to somebody else: `flood [SECONDS [FACTOR]]`.
//!
//! First what the server can do, then a second source alone, then both, then how soon the first is served again.

use std::time::{Duration, Instant};

use tests::flood::{Flood, Pace};
use tests::pidf;
use tests::processes::Tree;
use tests::server::{Options, Server, with_setting};
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
/// MiB of all state: room for what the flood publishes in half a minute.
const MEMORY_MIB: u64 = 512;
const TRANSACTIONS: u64 = 100_000;
/// Datagrams of one source that wait in a worker, the workers being two.
const BACKLOG: u64 = 4096;

/// Returns how many bytes those settings allow for, where `at_rest` is what a server without users takes: state, transactions of
/// 2 kB (docs/script.md), and in each of two workers eight full queues of 2 kB for each datagram (`server/backlog.rs`).
fn ceiling(at_rest: u64) -> u64 {
    at_rest + (MEMORY_MIB << 20) + TRANSACTIONS * 2000 + 2 * 8 * BACKLOG * 2048
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(default, |argument| argument.parse().expect("a number"));
    let (seconds, factor) = (Duration::from_secs(number(10)), number(10));
    let settings = format!(
        "max_transactions={TRANSACTIONS}\nmax_backlog={BACKLOG}\nmodparam(\"presence\", \"max_memory\", {MEMORY_MIB})\n\
         modparam(\"presence\", \"max_publications_per_presentity\", 65536)\n"
    );
    let mut server = Server::start(&with_setting(&settings), Options::default());
    let processes = Tree::of(server.process_id());
    let ceiling = ceiling(processes.memory().resident);
    let flooder = [127, 0, 0, 3].into();
    let mut second = Second::new(&server);

    let (flood, begun) = (Flood::begin(flooder, server.udp_address(), Pace::Window(128)), Instant::now());
    std::thread::sleep(seconds / 2);
    let capacity = flood.so_far().accepted as f64 / begun.elapsed().as_secs_f64();
    println!("capacity: {capacity:.0} PUBLISH/s ({:?})", flood.end());
    second.measure("alone", seconds / 2);

    let flood = Flood::begin(flooder, server.udp_address(), Pace::Rate(capacity as u64 * factor));
    let (begun, cpu) = (Instant::now(), processes.cpu_time());
    second.measure("during the flood", seconds);
    let (flooded, elapsed) = (flood.so_far(), begun.elapsed().as_secs_f64());
    let (rate, accepted) = (flooded.sent as f64 / elapsed, flooded.accepted as f64 / elapsed);
    let cores = (processes.cpu_time() - cpu).as_secs_f64() / elapsed;
    println!(
        "flood: {rate:.0}/s sent, {:.1} times capacity; {accepted:.0}/s accepted, {:.0}/s refused; the server has {cores:.2} cores",
        rate / capacity,
        flooded.refused as f64 / elapsed,
    );
    flood.end();
    let ended = Instant::now();
    // Full service: what was possible before is possible again.
    loop {
        let flood = Flood::begin(flooder, server.udp_address(), Pace::Window(128));
        std::thread::sleep(Duration::from_millis(500));
        let again = flood.end().accepted as f64 * 2.0;
        if again > 0.8 * capacity || ended.elapsed() > Duration::from_secs(60) {
            println!("full service again after at most {:.1?} ({again:.0}/s)", ended.elapsed());
            break;
        }
    }
    let peak = processes.memory().peak;
    println!("memory: peak {} MB, the settings allow for {} MB", peak / 1_000_000, ceiling / 1_000_000);
    second.measure("afterwards", seconds / 2);
    server.terminate();
    println!("{}", server.log().lines().last().unwrap_or_default());
}

/// The second source: it publishes, and watches what it publishes.
struct Second {
    publisher: Publisher,
    watcher: Watcher,
    version: u32,
}

impl Second {
    fn new(server: &Server) -> Self {
        let publisher = Publisher::udp(server.udp_address(), DANA);
        let mut watcher = Watcher::udp(server.udp_address(), DANA, "sip:ann@watch.example");
        watcher.subscribe(3600);
        watcher.next_notification();
        let mut second = Self { publisher, watcher, version: 0 };
        assert_eq!(second.publisher.publish(&pidf::open(DANA, "t1", "first")).code(), Some(200));
        second.watcher.next_notification();
        second
    }

    fn measure(&mut self, when: &str, lasting: Duration) {
        let (begun, mut refused) = (Instant::now(), 0);
        let (mut answers, mut notifies) = (Vec::new(), Vec::new());
        while begun.elapsed() < lasting {
            self.version += 1;
            let body = pidf::open(DANA, "t1", &format!("v{}", self.version));
            let sent = Instant::now();
            if self.publisher.modify(&body).code() != Some(200) {
                refused += 1;
                continue;
            }
            answers.push(sent.elapsed());
            self.watcher.next_notification();
            notifies.push(sent.elapsed());
            // Somebody who is no flood.
            std::thread::sleep(Duration::from_millis(5));
        }
        answers.sort_unstable();
        notifies.sort_unstable();
        let at = |sorted: &[Duration], share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        println!("second source {when}: {} changes, {refused} refused", answers.len());
        for (what, sorted) in [("200", &answers), ("NOTIFY", &notifies)] {
            println!(
                "  publish to {what}: p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
                at(sorted, 0.5),
                at(sorted, 0.99),
                at(sorted, 1.0)
            );
        }
    }
}
