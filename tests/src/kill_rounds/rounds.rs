//! A round: load, kill -9 at a moment that the seed chooses, a restart, and the checks, in the order in which nothing hides
//! anything.

use super::crowd::{Crowd, Size};
use crate::chance::Chance;
use crate::server::{Options, QUICKSTART, Server};

/// How many rounds, and the seed they depend on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plan {
    /// How often the server is killed at least.
    pub rounds: usize,
    /// What decides when, and who does what.
    pub seed: u64,
}

const SIZE: Size = Size { presentities: 12, publishers: 30, watchers: 60 };
/// Acknowledged requests before a kill, at least and at most.
const ACKNOWLEDGED: (usize, usize) = (20, 1600);
/// Requests sent after the last of them before the kill.
const SENT_MAX: usize = 40;

impl Plan {
    /// Reads `KILL_ROUNDS` and `KILL_SEED`; without them it is ten rounds, from a seed of this moment.
    ///
    /// # Panics
    /// If one of them is no number.
    pub fn from_environment() -> Self {
        let number = |name: &str| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
            Some(value.parse::<u64>().unwrap_or_else(|error| panic!("{name}={value}: {error}")))
        };
        let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed =
            number("KILL_SEED").unwrap_or_else(|| moment.map_or(0, |since| since.as_micros() as u64 % 1_000_000));
        Self { rounds: number("KILL_ROUNDS").map_or(10, |rounds| rounds as usize), seed }
    }
}

/// Kills a server again and again whose state is in the database at `url`, or in a file of its own, and prints what it
/// survived.
///
/// # Panics
/// If it lost anything; the panic shows the seed, the round and the messages of whom it concerns.
pub fn run(name: &str, url: Option<String>, plan: Plan) {
    let Plan { rounds, seed } = plan;
    println!("kill rounds on {name}: {rounds} rounds, seed {seed}");
    let mut chance = Chance::new(seed);
    let mut server = Server::start(QUICKSTART, Options { database_url: url, ..Options::default() });
    let mut crowd = Crowd::new(&server, SIZE);
    let mut kills = 0;
    for round in 1..=rounds {
        match play(&mut server, &mut crowd, &mut chance) {
            Ok(killed) => kills += killed,
            Err(what) => panic!("{what}\n{name}: seed {seed}, round {round} of {rounds}"),
        }
    }
    let (acknowledged, notified) = (crowd.acknowledged, crowd.notified);
    println!("kill rounds on {name}: {kills} kills, {acknowledged} requests acknowledged, {notified} NOTIFYs");
}

/// Plays a round, and returns how often the server was killed.
fn play(server: &mut Server, crowd: &mut Crowd, chance: &mut Chance) -> Result<usize, String> {
    // As many short rounds as long ones: what goes wrong soon after a start is a matter of its own.
    let most = if chance.is(50) { ACKNOWLEDGED.1 } else { ACKNOWLEDGED.1 / 20 };
    let acknowledged = ACKNOWLEDGED.0 + chance.below(most);
    // Often it dies while it commits what came beside the last request that it answered.
    let then_sent = if chance.is(60) { 0 } else { chance.below(SENT_MAX) };
    crowd.press(chance, acknowledged, then_sent)?;
    let mut kills = 1;
    kill(server, crowd)?;
    // Who dies while it tells what it owes owes it still.
    while chance.is(25) {
        crowd.listen(1 + chance.below(SIZE.watchers / 2))?;
        kill(server, crowd)?;
        kills += 1;
    }
    crowd.settle()?;
    crowd.repeat()?;
    crowd.settle()?;
    crowd.probe()?;
    crowd.settle()?;
    Ok(kills)
}

fn kill(server: &mut Server, crowd: &mut Crowd) -> Result<(), String> {
    server.kill_nine();
    crowd.on_kill()?;
    server.restart();
    Ok(())
}
