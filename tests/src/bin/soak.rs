//! Has a server serve a modest load and tells what it holds meanwhile: `soak [MINUTES [sqlite|mysql|postgres [INTERVAL_S [RATE]]]]`.
//!
//! At the end everybody goes, and the exit code says whether all was in order and nothing had grown.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tests::database_server::{self, DatabaseServer, Kind};
use tests::processes::Tree;
use tests::server::{Options, QUICKSTART, Server};
use tests::soak::account::{Curve, Holdings};
use tests::soak::crowd::Crowd;
use tests::soak::nuisance::Nuisance;

/// Users, each with three watchers.
const USERS: usize = 2000;
/// What they do a second, unless told otherwise.
const RATE: u64 = 150;
const SLICE: Duration = Duration::from_secs(1);
/// How long it may take until the last transaction and subscription are over.
const ENDING: Duration = Duration::from_secs(180);
/// How long the last half must be for its growth to be judged: before, caches of the server and of its database are still filled.
const SHORTEST_HALF: Duration = Duration::from_secs(60);
/// What memory may grow by in the last half: this once, which the allocator keeps of a moment when the machine was busy with other
/// things and more waited here than ever before, and this for each request.
const NOISE_BYTES: f64 = 8.0 * 1024.0 * 1024.0;
const GROWTH_BYTES: f64 = 4.0;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let number = |argument: Option<String>, default: u64| {
        argument.map_or(default, |argument| argument.parse().unwrap_or_else(|_| panic!("`{argument}` is no number")))
    };
    let lasting = Duration::from_secs(60 * number(arguments.next(), 60));
    let kind = match arguments.next().as_deref() {
        None | Some("sqlite") => None,
        Some("mysql") => Some(Kind::MariaDb),
        Some("postgres") => Some(Kind::PostgreSql),
        Some(other) => panic!("`{other}` is no database; there are sqlite, mysql and postgres"),
    };
    let interval = Duration::from_secs(number(arguments.next(), 300));
    let rate = number(arguments.next(), RATE) as f64;
    let database = kind.map(|kind| DatabaseServer::start(kind, &database_server::Options::default()));
    let database_url = database.as_ref().map(|server| server.create_database("presence"));
    let server = Server::start(QUICKSTART, Options { database_url, ..Options::default() });
    let mut soak = Soak::begin(server, interval, rate);
    soak.go_on(lasting);
    soak.end()
}

struct Soak {
    server: Server,
    processes: Tree,
    begun: Instant,
    interval: Duration,
    rate: f64,
    crowd: Crowd,
    nuisance: Nuisance,
    curve: Curve,
    /// Before anybody came.
    before: Holdings,
    /// The threads there were after the first interval.
    threads: Option<usize>,
    /// When the last line was printed, and the processor time by then.
    last: (Instant, Duration),
}

impl Soak {
    fn begin(server: Server, interval: Duration, rate: f64) -> Self {
        let seed = u64::from(server.process_id());
        let processes = Tree::of(server.process_id());
        let before = Holdings::of(processes, &server.database_url());
        println!("{USERS} users, {} watchers, {rate} requests a second; seed {seed}", 3 * USERS);
        println!(
            "|   time | resident MB | files | threads | subscriptions | publications | requests |  NOTIFYs | others | errors | database MB | core |"
        );
        println!(
            "|-------:|------------:|------:|--------:|--------------:|-------------:|---------:|---------:|-------:|-------:|------------:|-----:|"
        );
        let crowd = Crowd::begin(server.udp_address(), USERS, seed);
        let nuisance = Nuisance::new(server.udp_address(), server.tcp_address(), seed);
        let (begun, curve) = (Instant::now(), Curve::default());
        let last = (begun, processes.cpu_time());
        let mut soak =
            Self { server, processes, begun, interval, rate, crowd, nuisance, curve, before, threads: None, last };
        soak.print(before);
        soak.look();
        soak
    }

    fn go_on(&mut self, lasting: Duration) {
        let mut slices = 0_u64;
        while self.begun.elapsed() < lasting {
            self.crowd.go_on(SLICE, self.rate);
            self.nuisance.go_on(slices as usize % USERS);
            slices += 1;
            self.curve.add(self.begun.elapsed(), self.processes.memory().resident);
            if self.last.0.elapsed() >= self.interval {
                let now = self.look();
                self.threads.get_or_insert(now.threads);
            }
        }
        self.look();
    }

    /// Has everybody go, waits until nothing is left, and judges.
    fn end(mut self) -> ExitCode {
        let give_up = Instant::now() + ENDING;
        while !self.crowd.is_steady() && Instant::now() < give_up {
            self.crowd.listen(SLICE);
        }
        self.crowd.end();
        self.nuisance.end();
        let mut left = self.look();
        let (before, threads) = (self.before, self.threads.unwrap_or(self.before.threads));
        let most = self.curve.most() + NOISE_BYTES;
        let is_over = |left: Holdings| left.rows == (0, 0) && left.descriptors <= before.descriptors;
        while (!is_over(left) || left.resident as f64 > most) && Instant::now() < give_up {
            self.crowd.listen(SLICE);
            left = Holdings::of(self.processes, &self.server.database_url());
        }
        self.look();
        let (slope, half) = self.curve.growth();
        let grown = slope * half.as_secs_f64();
        let may_grow = NOISE_BYTES + GROWTH_BYTES * self.rate * half.as_secs_f64();
        println!(
            "last half, {:.1} minutes: memory grew by {:.0} KiB, {:.2} MiB an hour; at most {:.0} KiB are taken for nothing",
            half.as_secs_f64() / 60.0,
            grown / 1024.0,
            slope * 3600.0 / 1024.0 / 1024.0,
            may_grow / 1024.0
        );
        let faults = (self.crowd.faults, self.nuisance.faults);
        println!("users in good order saw {}; others {} faults", faults.0, faults.1);
        let does_not_grow = (half >= SHORTEST_HALF).then_some(grown <= may_grow);
        let promises = [
            ("everything was answered as it should be", Some(faults.0.is_none() && faults.1 == 0)),
            ("memory does not grow", does_not_grow),
            ("all that was begun is over: no row, no file, no socket is left", Some(is_over(left))),
            ("no thread is left", Some(left.threads <= threads)),
            ("that all go at once takes no memory for good", Some(left.resident as f64 <= most)),
        ];
        for (promise, is_kept) in promises {
            let judgement = is_kept.map_or("too short to tell:", |is_kept| if is_kept { "yes:" } else { "NO: " });
            println!("{judgement} {promise}");
        }
        let is_stopped = self.server.terminate().code() == Some(0);
        println!("{}", self.server.log().lines().last().unwrap_or_default());
        ExitCode::from(u8::from(!is_stopped || promises.iter().any(|(_, is_kept)| *is_kept == Some(false))))
    }

    /// Prints what the server holds.
    fn look(&mut self) -> Holdings {
        let now = Holdings::of(self.processes, &self.server.database_url());
        self.print(now);
        self.last = (Instant::now(), now.cpu);
        now
    }

    fn print(&self, now: Holdings) {
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let core = now.cpu.saturating_sub(self.last.1).as_secs_f64() / self.last.0.elapsed().as_secs_f64().max(1e-3);
        let faults = self.crowd.faults.all() + self.nuisance.faults;
        let (requests, notifies) = self.crowd.done;
        println!(
            "| {:>4} s | {:>11.2} | {:>5} | {:>7} | {:>13} | {:>12} | {requests:>8} | {notifies:>8} | {:>6} | {faults:>6} | {:>11.2} | {:>3.0}% |",
            self.begun.elapsed().as_secs(),
            mb(now.resident),
            now.descriptors,
            now.threads,
            now.rows.0,
            now.rows.1,
            self.nuisance.done.iter().sum::<usize>(),
            mb(now.database_bytes),
            core * 100.0,
        );
    }
}
