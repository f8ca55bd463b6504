//! What is measured, one phase after the other, on a server of its own.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::agents::Work;
use super::figures::{Row, Seen};
use super::generator::{Generator, Pace};
use super::subject::{Running, Subject};
use super::wire::Wire;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// How many requests of each kind at a window of 128; at 16 a quarter of them, at 1 a tenth.
    pub requests: usize,
    /// Who watches one presentity in the fan-out.
    pub crowd: usize,
    /// How often the crowd is told.
    pub rounds: usize,
    /// The presentities of the steady state, with ten watchers each.
    pub presentities: usize,
    /// How long the idle server is watched, once its last transaction is over; zero for not at all.
    pub idle: Duration,
    /// How many subscriptions one server grows to, step by step; empty for no such phase.
    pub growth: &'static [usize],
}

/// A figure that is no cost of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What it is of.
    pub what: &'static str,
    /// In `unit`.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

/// One step of growth.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// How many subscriptions there are.
    pub subscriptions: usize,
    /// What a modification with one NOTIFY costs by then, in microseconds.
    pub modify: f64,
    /// What a refresh of a subscription with its NOTIFY costs.
    pub refresh: f64,
    /// Bytes a subscription.
    pub bytes: f64,
}

/// All that was found out about one server.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Costs of operations.
    pub rows: Vec<Row>,
    /// The rest.
    pub figures: Vec<Figure>,
    /// How it grows.
    pub steps: Vec<Step>,
}

/// The windows, and the share of [`Scale::requests`] that is sent in each.
pub const WINDOWS: [(usize, usize); 3] = [(128, 1), (16, 4), (1, 10)];
/// The window of the design's table.
pub const WINDOW: usize = 128;
/// How long a server remembers a request that it has answered, and some.
const TIMER_J: Duration = Duration::from_secs(35);
/// Watchers of each presentity in the steady state.
const WATCHERS_EACH: usize = 10;

/// Measures everything there is to `subject`; `note` is told of each row as it is found.
pub fn run(subject: Subject, scale: Scale, note: &mut dyn FnMut(&Row)) -> Results {
    let mut bench = Bench { is_ours: subject.is_ours(), results: Results::default(), note };
    bench.requests(&subject.start(), scale);
    bench.crowd(&subject.start(), scale);
    bench.steady_state(&mut subject.start(), scale);
    if subject.is_ours() {
        bench.connections(&subject.start(), scale);
    }
    if subject == Subject::Sqlite && !scale.growth.is_empty() {
        bench.growth(&subject.start(), scale.growth);
    }
    bench.results
}

struct Bench<'n> {
    is_ours: bool,
    results: Results,
    note: &'n mut dyn FnMut(&Row),
}

impl Bench<'_> {
    /// Runs one phase and keeps its row; `per` operations are in each request.
    fn phase(
        &mut self,
        name: &'static str,
        server: &Running,
        window: usize,
        per: usize,
        run: impl FnOnce() -> Seen,
    ) -> f64 {
        let (before, begun) = (server.cpu_time(), Instant::now());
        let seen = run();
        let (elapsed, after) = (begun.elapsed(), server.cpu_time());
        let row = Row {
            work: name,
            window,
            operations: seen.done * per,
            server: after.0.saturating_sub(before.0),
            database: after.1.saturating_sub(before.1),
            elapsed,
            seen,
        };
        (self.note)(&row);
        let rate = row.rate();
        self.results.rows.push(row);
        rate
    }

    fn figure(&mut self, what: &'static str, value: f64, unit: &'static str) {
        self.results.figures.push(Figure { what, value, unit });
    }

    /// Each kind of request alone, in windows of three sizes, each for users of its own.
    fn requests(&mut self, server: &Running, scale: Scale) {
        let users = scale.requests;
        let all = WINDOWS.iter().map(|(_, share)| users / share).sum::<usize>();
        let mut generator = Generator::new(Wire::udp(server.udp_address()), all, 0..u32_of(all));
        let mut begin = 0;
        for (window, share) in WINDOWS {
            let range = begin..begin + users / share;
            begin = range.end;
            for (name, work) in REQUESTS {
                self.phase(name, server, window, 1, || generator.run(work, range.clone(), Pace::window(window)));
            }
        }
    }

    /// One presentity with many watchers, who are told again and again.
    fn crowd(&mut self, server: &Running, scale: Scale) {
        let watchers = std::iter::repeat_n(0, scale.crowd);
        let mut generator = Generator::new(Wire::udp(server.udp_address()), 1, watchers);
        generator.run(Work::PublishInitial, 0..1, Pace::window(1));
        generator.run(Work::SubscribeInitial, 0..scale.crowd, Pace::window(WINDOW));
        self.phase(CROWD, server, 1, scale.crowd, || {
            let mut all = Seen::default();
            (0..scale.rounds).for_each(|_| all.add(generator.run(Work::PublishModify, 0..1, Pace::window(1))));
            all
        });
    }

    /// Many presentities with ten watchers each: saturated, at half of that, idle, and started again.
    fn steady_state(&mut self, server: &mut Running, scale: Scale) {
        let (users, subscriptions) = (scale.presentities, scale.presentities * WATCHERS_EACH);
        let watched = (0..u32_of(users)).flat_map(|user| std::iter::repeat_n(user, WATCHERS_EACH));
        let mut generator = Generator::new(Wire::udp(server.udp_address()), users, watched);
        let pace = Pace::window(WINDOW);
        generator.run(Work::PublishInitial, 0..users, pace);
        let before = server.processes().memory().resident;
        self.phase("SUBSCRIBE initial, 10 watchers each", server, WINDOW, 1, || {
            generator.run(Work::SubscribeInitial, 0..subscriptions, pace)
        });
        let peak = server.processes().memory().peak;
        let rate =
            self.phase(SATURATED, server, WINDOW, WATCHERS_EACH, || generator.run(Work::PublishModify, 0..users, pace));
        let half = Pace { window: 4096, rate: Some(rate / WATCHERS_EACH as f64 / 2.0) };
        self.phase(HALF, server, 4096, WATCHERS_EACH, || generator.run(Work::PublishModify, 0..users, half));
        self.idle(server, scale.idle);
        let settled = server.processes().memory().resident;
        self.figure(MEMORY, settled.saturating_sub(before) as f64 / subscriptions as f64, "B");
        self.figure("peak memory", peak as f64 / 1e6, "MB");
        let took = server.restart();
        self.figure(START, took.as_secs_f64(), "s");
        if !self.is_ours {
            // Kamailio uses CSeqs again that it used before, so that nobody can tell whether a NOTIFY is new.
            return;
        }
        generator.server_was_restarted();
        self.phase("NOTIFY, 10 watchers, after a restart", server, WINDOW, WATCHERS_EACH, || {
            generator.run(Work::PublishModify, 0..users, pace)
        });
    }

    fn idle(&mut self, server: &Running, time: Duration) {
        if time.is_zero() {
            return;
        }
        // What a server still does for transactions that are over is no idling (RFC 3261 §17.2.2).
        std::thread::sleep(TIMER_J);
        let before = server.cpu_time();
        std::thread::sleep(time);
        let after = server.cpu_time();
        let used = (after.0 + after.1).saturating_sub(before.0 + before.1);
        self.figure(IDLE, used.as_secs_f64() / time.as_secs_f64() * 100.0, "%");
    }

    /// The same requests over one connection.
    fn connections(&mut self, server: &Running, scale: Scale) {
        let Some(address) = server.tcp_address() else { return };
        let users = scale.requests;
        let mut generator = Generator::new(Wire::tcp(address), users, 0..u32_of(users));
        for (name, work) in OVER_TCP {
            self.phase(name, server, WINDOW, 1, || generator.run(work, 0..users, Pace::window(WINDOW)));
        }
    }

    /// One server that grows, and what the same work costs at each size.
    fn growth(&mut self, server: &Running, sizes: &[usize]) {
        let sample = sizes.first().copied().unwrap_or(0) / WATCHERS_EACH;
        let users = sizes.last().copied().unwrap_or(0) / WATCHERS_EACH;
        let mut generator = Generator::new(Wire::udp(server.udp_address()), users, std::iter::empty());
        let pace = Pace::window(WINDOW);
        let empty = server.processes().memory().resident;
        let mut so_far: Range<usize> = 0..0;
        for size in sizes {
            so_far = so_far.end..size / WATCHERS_EACH;
            generator.watch(so_far.clone().flat_map(|user| std::iter::repeat_n(u32_of(user), WATCHERS_EACH)));
            generator.run(Work::PublishInitial, so_far.clone(), pace);
            let (first, end) = (so_far.start * WATCHERS_EACH, so_far.end * WATCHERS_EACH);
            generator.run(Work::SubscribeInitial, first..end, pace);
            // Users from all over, as many at each size.
            let chosen = |n: usize| n * (so_far.end / sample);
            let modify = self.cost(server, || generator.run(Work::PublishModify, chosen_of(sample, chosen), pace));
            let refresh = self.cost(server, || {
                generator.run(Work::SubscribeRefresh, chosen_of(sample, |n| chosen(n) * WATCHERS_EACH), pace)
            });
            let bytes = server.processes().memory().resident.saturating_sub(empty) as f64 / *size as f64;
            self.results.steps.push(Step { subscriptions: *size, modify, refresh, bytes });
        }
    }

    /// Returns what one request of a run costs, in microseconds.
    fn cost(&mut self, server: &Running, run: impl FnOnce() -> Seen) -> f64 {
        self.phase("a step of growth", server, WINDOW, 1, run);
        self.results.rows.pop().map_or(0.0, |row| row.total_cost())
    }
}

fn chosen_of(count: usize, choose: impl Fn(usize) -> usize) -> impl ExactSizeIterator<Item = usize> {
    (0..count).map(choose)
}

fn u32_of(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than four thousand millions")
}

/// The fan-out to a crowd.
pub const CROWD: &str = "NOTIFY, 1 presentity × 1000 watchers";
/// Returns whether a row is that of the fan-out.
pub(super) fn is_crowd(row: &Row) -> bool {
    row.work == CROWD
}

/// The steady state, as fast as it goes.
pub const SATURATED: &str = "NOTIFY, 10 watchers, saturated";
/// The steady state at half of that rate.
pub const HALF: &str = "NOTIFY, 10 watchers, half the rate";
/// Somebody subscribes in a dialog that there is not.
pub const UNKNOWN_DIALOG: &str = "SUBSCRIBE of an unknown dialog";
/// What a server does with nothing to do.
pub const IDLE: &str = "idle, of one core";
/// What a subscription takes.
pub const MEMORY: &str = "memory a subscription";
/// How long a server takes to be back.
pub const START: &str = "start with these subscriptions";
/// A refresh over a connection, and what it is compared with.
pub const REFRESH: (&str, &str) = ("PUBLISH refresh", "PUBLISH refresh, TCP");

/// What is done with each user, in order.
const REQUESTS: [(&str, Work); 8] = [
    ("PUBLISH initial", Work::PublishInitial),
    (REFRESH.0, Work::PublishRefresh),
    ("SUBSCRIBE initial → NOTIFY", Work::SubscribeInitial),
    ("PUBLISH modify → 1 NOTIFY", Work::PublishModify),
    ("SUBSCRIBE refresh → NOTIFY", Work::SubscribeRefresh),
    (UNKNOWN_DIALOG, Work::SubscribeUnknown),
    ("SUBSCRIBE with Expires 0 → NOTIFY", Work::Unsubscribe),
    ("PUBLISH remove", Work::PublishRemove),
];

const OVER_TCP: [(&str, Work); 4] = [
    ("PUBLISH initial, TCP", Work::PublishInitial),
    (REFRESH.1, Work::PublishRefresh),
    ("SUBSCRIBE initial → NOTIFY, TCP", Work::SubscribeInitial),
    ("PUBLISH modify → 1 NOTIFY, TCP", Work::PublishModify),
];
