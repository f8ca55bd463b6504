//! What is measured, one phase after the other: in each phase all servers run, and take turns with small parts of the
//! work, so that a machine that changes its pace does so for all of them.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::agents::Work;
use super::figures::{Faults, Row, Seen};
use super::generator::{Generator, Pace};
use super::growth;
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
    /// How long everybody is told anew at half the rate, at least: a log should be copied into its file meanwhile.
    pub half_the_rate: Duration,
    /// How long the idle server is watched, once its last transaction is over; zero for not at all.
    pub idle: Duration,
    /// How many subscriptions servers of several sizes have; empty for no such phase.
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

/// One server of several that differ in size alone.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// How many subscriptions there are.
    pub subscriptions: usize,
    /// What a modification with ten NOTIFYs costs then, in microseconds.
    pub modify: f64,
    /// What a refresh of a subscription with its NOTIFY costs, where those are refreshed together that began together, as
    /// devices do.
    pub refresh: f64,
    /// What it costs where none is refreshed near another.
    pub scattered: f64,
    /// Bytes a subscription.
    pub bytes: f64,
    /// What must not be, in all of it.
    pub faults: Faults,
}

/// All that was found out about one server.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Costs of operations.
    pub rows: Vec<Row>,
    /// The rest.
    pub figures: Vec<Figure>,
    /// What size costs, smallest first.
    pub steps: Vec<Step>,
}

/// The windows, and the share of [`Scale::requests`] that is sent in each.
pub const WINDOWS: [(usize, usize); 3] = [(128, 1), (16, 4), (1, 10)];
/// The window of the design's table.
pub const WINDOW: usize = 128;
/// How long a server remembers a request that it has answered, and some.
pub(super) const TIMER_J: Duration = Duration::from_secs(35);
/// Watchers of each presentity in the steady state.
pub(super) const WATCHERS_EACH: usize = 10;
/// How long whoever has no turn is listened to at a time.
const ATTENTION: Duration = Duration::from_millis(5);
/// Parts of some work, between which servers take turns.
const PARTS: usize = 4;

/// Measures everything there is to `subjects`; `note` is told of each row as it is found.
pub fn run(subjects: &[Subject], scale: Scale, note: &mut dyn FnMut(Subject, &Row)) -> Vec<(Subject, Results)> {
    let results = subjects.iter().map(|subject| (*subject, Results::default())).collect();
    let mut bench = Bench { results, note };
    bench.requests(scale);
    bench.crowd(scale);
    bench.steady_state(scale);
    bench.connections(scale);
    for (subject, results) in &mut bench.results {
        if *subject == Subject::Sqlite {
            results.steps = growth::measure(*subject, scale.growth);
        }
    }
    bench.results
}

struct Bench<'n> {
    results: Vec<(Subject, Results)>,
    note: &'n mut dyn FnMut(Subject, &Row),
}

/// A server that is measured, and who asks it.
pub(super) struct Site {
    /// Its place among the subjects.
    at: usize,
    pub(super) server: Running,
    pub(super) generator: Generator,
}

impl Site {
    pub(super) fn new(at: usize, server: Running, generator: impl FnOnce(&Running) -> Generator) -> Self {
        let generator = generator(&server);
        Self { at, server, generator }
    }

    /// Runs some work and adds what it cost to `row`; `per` operations are in each request.
    pub(super) fn measure(&mut self, row: &mut Row, per: usize, run: impl FnOnce(&mut Generator) -> Seen) {
        let (before, begun) = (self.server.cpu_time(), Instant::now());
        let seen = run(&mut self.generator);
        let (elapsed, after) = (begun.elapsed(), self.server.cpu_time());
        row.operations += seen.done * per;
        row.server += after.0.saturating_sub(before.0);
        row.database += after.1.saturating_sub(before.1);
        row.elapsed += elapsed;
        row.seen.add(seen);
    }

    /// Answers what came meanwhile: a server repeats a NOTIFY whose answer was lost, and gives up whoever never answers.
    fn attend(&mut self) {
        self.generator.listen(ATTENTION, &mut Seen::default());
    }

    fn resident(&self) -> u64 {
        self.server.processes().memory().resident
    }
}

impl Bench<'_> {
    /// Starts the servers that `is_wanted`.
    fn start(&self, is_wanted: impl Fn(Subject) -> bool, generator: impl Fn(&Running) -> Generator) -> Vec<Site> {
        let wanted = self.results.iter().enumerate().filter(|(_, (subject, _))| is_wanted(*subject));
        wanted.map(|(at, (subject, _))| Site::new(at, subject.start(), &generator)).collect()
    }

    /// Has each of `sites` do the same, part by part and in turn; keeps a row of each.
    fn phase(&mut self, sites: &mut [Site], work: Part<'_>, parts: usize) {
        let mut rows = vec![Row::of(work.name, work.window); sites.len()];
        for part in 0..parts {
            for (at, row) in rows.iter_mut().enumerate() {
                sites[at].measure(row, work.per, |generator| (work.run)(generator, part));
                sites.iter_mut().for_each(Site::attend);
            }
        }
        for (site, row) in sites.iter().zip(rows) {
            self.keep(site, row);
        }
    }

    fn keep(&mut self, site: &Site, row: Row) {
        let (subject, results) = &mut self.results[site.at];
        (self.note)(*subject, &row);
        results.rows.push(row);
    }

    fn figure(&mut self, site: &Site, what: &'static str, value: f64, unit: &'static str) {
        self.results[site.at].1.figures.push(Figure { what, value, unit });
    }

    /// Each kind of request alone, in windows of three sizes, each for users of its own.
    fn requests(&mut self, scale: Scale) {
        let all = WINDOWS.iter().map(|(_, share)| scale.requests / share).sum::<usize>();
        let mut sites = self.start(|_| true, |server| over_udp(server, all, 0..u32_of(all)));
        let mut begin = 0;
        for (window, share) in WINDOWS {
            let users = begin..begin + scale.requests / share;
            begin = users.end;
            for (name, work) in REQUESTS {
                self.each_kind(&mut sites, name, work, &users, window);
            }
        }
    }

    fn each_kind(&mut self, sites: &mut [Site], name: &'static str, work: Work, users: &Range<usize>, window: usize) {
        let run = |generator: &mut Generator, part| generator.run(work, share(users, part), Pace::window(window));
        self.phase(sites, Part { name, window, per: 1, run: &run }, PARTS);
    }

    /// One presentity with many watchers, who are told again and again.
    fn crowd(&mut self, scale: Scale) {
        let mut sites = self.start(|_| true, |server| over_udp(server, 1, std::iter::repeat_n(0, scale.crowd)));
        for site in &mut sites {
            site.generator.run(Work::PublishInitial, 0..1, Pace::window(1));
            site.generator.run(Work::SubscribeInitial, 0..scale.crowd, Pace::window(WINDOW));
        }
        let run = |generator: &mut Generator, _| generator.run(Work::PublishModify, 0..1, Pace::window(1));
        self.phase(&mut sites, Part { name: CROWD, window: 1, per: scale.crowd, run: &run }, scale.rounds);
    }

    /// Many presentities with ten watchers each: saturated, at half of that, idle, and started again.
    fn steady_state(&mut self, scale: Scale) {
        let (users, subscriptions) = (0..scale.presentities, 0..scale.presentities * WATCHERS_EACH);
        let watched = || users.clone().flat_map(|user| std::iter::repeat_n(u32_of(user), WATCHERS_EACH));
        let mut sites = self.start(|_| true, |server| over_udp(server, scale.presentities, watched()));
        for site in &mut sites {
            site.generator.run(Work::PublishInitial, users.clone(), Pace::window(WINDOW));
        }
        let before: Vec<_> = sites.iter().map(Site::resident).collect();
        self.each_kind(&mut sites, SUBSCRIBED, Work::SubscribeInitial, &subscriptions, WINDOW);
        let peaks: Vec<_> = sites.iter().map(|site| site.server.processes().memory().peak).collect();
        self.modify_all(&mut sites, SATURATED, &users);
        for at in 0..sites.len() {
            self.half_the_rate(&mut sites, at, &users, scale.half_the_rate);
        }
        self.idle(&sites, scale.idle);
        for ((site, before), peak) in sites.iter().zip(before).zip(peaks) {
            let settled = site.resident().saturating_sub(before) as f64;
            self.figure(site, MEMORY, settled / subscriptions.len() as f64, "B");
            self.figure(site, "peak memory", peak as f64 / 1e6, "MB");
        }
        for site in &mut sites {
            let took = site.server.restart();
            self.figure(site, START, took.as_secs_f64(), "s");
            site.generator.server_was_restarted();
        }
        // Kamailio uses CSeqs again that it used before, so that nobody can tell whether a NOTIFY is new.
        sites.retain(|site| self.results[site.at].0.is_ours());
        self.modify_all(&mut sites, "NOTIFY, 10 watchers, after a restart", &users);
    }

    fn modify_all(&mut self, sites: &mut [Site], name: &'static str, users: &Range<usize>) {
        let run = |generator: &mut Generator, part| {
            generator.run(Work::PublishModify, share(users, part), Pace::window(WINDOW))
        };
        self.phase(sites, Part { name, window: WINDOW, per: WATCHERS_EACH, run: &run }, PARTS);
    }

    /// One server at a time, and for long enough that whatever it does now and then falls into it.
    fn half_the_rate(&mut self, sites: &mut [Site], at: usize, users: &Range<usize>, time: Duration) {
        let saturated = self.results[sites[at].at].1.rows.iter().rfind(|row| row.work == SATURATED);
        let rate = saturated.map(|row| row.rate() / WATCHERS_EACH as f64 / 2.0);
        let mut row = Row::of(HALF, 4096);
        let pace = Pace { window: 4096, rate };
        loop {
            sites[at]
                .measure(&mut row, WATCHERS_EACH, |generator| generator.run(Work::PublishModify, users.clone(), pace));
            // Before a server gives up whoever's answer was lost, be it another's (RFC 3261 §17.1.2.2).
            sites.iter_mut().for_each(Site::attend);
            if row.elapsed >= time {
                break;
            }
        }
        self.keep(&sites[at], row);
    }

    fn idle(&mut self, sites: &[Site], time: Duration) {
        if time.is_zero() {
            return;
        }
        // What a server still does for transactions that are over is no idling (RFC 3261 §17.2.2).
        std::thread::sleep(TIMER_J);
        let used = |site: &Site| site.server.cpu_time().0 + site.server.cpu_time().1;
        let before: Vec<_> = sites.iter().map(used).collect();
        std::thread::sleep(time);
        for (site, before) in sites.iter().zip(before) {
            let used = used(site).saturating_sub(before).as_secs_f64();
            self.figure(site, IDLE, used / time.as_secs_f64() * 100.0, "%");
        }
    }

    /// The same requests over one connection.
    fn connections(&mut self, scale: Scale) {
        let users = 0..scale.requests;
        let generator = |server: &Running| {
            let address = server.tcp_address().expect("ours listens for connections");
            Generator::new(Wire::tcp(address), users.end, 0..u32_of(users.end))
        };
        let mut sites = self.start(Subject::is_ours, generator);
        for (name, work) in OVER_TCP {
            self.each_kind(&mut sites, name, work, &users, WINDOW);
        }
    }
}

/// Some work that is done part by part.
struct Part<'r> {
    name: &'static str,
    window: usize,
    /// Operations in a request.
    per: usize,
    run: &'r dyn Fn(&mut Generator, usize) -> Seen,
}

fn over_udp(server: &Running, presentities: usize, watched: impl Iterator<Item = u32>) -> Generator {
    Generator::new(Wire::udp(server.udp_address()), presentities, watched)
}

/// Returns a part of `all`, of [`PARTS`] that are as long as each other.
fn share(all: &Range<usize>, part: usize) -> Range<usize> {
    let at = |part| all.start + all.len() * part / PARTS;
    at(part)..at(part + 1)
}

pub(super) fn u32_of(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than four thousand millions")
}

/// The subscriptions of the steady state are made.
const SUBSCRIBED: &str = "SUBSCRIBE initial, 10 watchers each";
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
