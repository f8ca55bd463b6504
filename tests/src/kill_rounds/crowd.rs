//! All user agents in one thread: whatever has come is taken in, whoever is free goes on.

use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::agent::{Agent, Probe};
use super::port::Arrived;
use super::publisher::Publisher;
use super::watcher::Watcher;
use crate::chance::Chance;
use crate::server::Server;

/// Everybody.
pub(super) struct Crowd {
    publishers: Vec<Publisher>,
    watchers: Vec<Watcher>,
    /// Requests answered so far.
    pub(super) acknowledged: usize,
    /// NOTIFYs taken in so far.
    pub(super) notified: usize,
    buffer: Vec<u8>,
}

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) presentities: usize,
    pub(super) publishers: usize,
    pub(super) watchers: usize,
}

/// What a broken promise looks like: what is wrong, and the messages of whom it concerns.
pub(super) type Broken = String;

impl Crowd {
    pub(super) fn new(server: &Server, size: Size) -> Self {
        let address = server.udp_address();
        let presentity = |number: usize| format!("sip:user{}@pres.example", number % size.presentities);
        let publisher = |n: usize| Publisher::new(address, &format!("p{n}"), &presentity(n));
        // Every second one watches without a word; all presentities have watchers of both kinds.
        let watcher = |n: usize| {
            Watcher::new(address, &format!("w{n}"), &presentity(n), (n / size.presentities).is_multiple_of(2))
        };
        Self {
            publishers: (0..size.publishers).map(publisher).collect(),
            watchers: (0..size.watchers).map(watcher).collect(),
            acknowledged: 0,
            notified: 0,
            buffer: vec![0; 65_536],
        }
    }

    /// Has everybody go on until so many more requests are acknowledged and then so many more are sent.
    pub(super) fn press(&mut self, chance: &mut Chance, acknowledged: usize, then_sent: usize) -> Result<(), Broken> {
        let (goal, mut left) = (self.acknowledged + acknowledged, then_sent);
        let give_up = Instant::now() + DEADLINE;
        let everybody = self.publishers.len() + self.watchers.len();
        loop {
            // Not always the same first.
            let first = chance.below(everybody);
            for number in (0..everybody).map(|at| (first + at) % everybody) {
                if self.acknowledged >= goal && left == 0 {
                    return Ok(());
                }
                if self.go_on(number, chance) && self.acknowledged >= goal {
                    left -= 1;
                }
            }
            self.pump_until(if self.acknowledged < goal { goal } else { usize::MAX })?;
            if Instant::now() > give_up {
                return Err(format!("{} requests are not answered in time", goal.saturating_sub(self.acknowledged)));
            }
        }
    }

    fn go_on(&mut self, number: usize, chance: &mut Chance) -> bool {
        let mut agent = self.agent(number);
        if agent.port().is_busy() {
            return false;
        }
        match agent {
            Agent::Publisher(publisher) => {
                publisher.go_on(chance);
                true
            }
            Agent::Watcher(watcher) => watcher.go_on(chance),
        }
    }

    /// Learns that the server is dead: what it sent before is taken in, what is unanswered then is unknown.
    pub(super) fn on_kill(&mut self) -> Result<(), Broken> {
        while self.take_in(usize::MAX)? > 0 {}
        for number in 0..self.publishers.len() + self.watchers.len() {
            let mut agent = self.agent(number);
            agent.port().note("--", b"the server was killed");
            match agent {
                Agent::Publisher(publisher) => publisher.on_kill(),
                Agent::Watcher(watcher) => watcher.on_kill(),
            }
        }
        Ok(())
    }

    /// Answers NOTIFYs, and sends nothing else, until so many have come.
    pub(super) fn listen(&mut self, notifies: usize) -> Result<(), Broken> {
        let (goal, give_up) = (self.notified + notifies, Instant::now() + DEADLINE);
        while self.notified < goal && Instant::now() < give_up {
            self.wait(usize::MAX)?;
        }
        Ok(())
    }

    /// Waits until every live watcher knows what is published. Nobody sends a request meanwhile.
    pub(super) fn settle(&mut self) -> Result<(), Broken> {
        let give_up = Instant::now() + DEADLINE;
        loop {
            match self.complaint() {
                None => return Ok(()),
                Some((number, complaint)) if Instant::now() > give_up => return Err(self.broken(number, &complaint)),
                Some(_) => {}
            }
            self.wait(usize::MAX)?;
        }
    }

    /// Repeats what was unanswered when the server died, and waits for the answers.
    pub(super) fn repeat(&mut self) -> Result<(), Broken> {
        let everybody = 0..self.publishers.len() + self.watchers.len();
        everybody.clone().for_each(|number| self.agent(number).port().repeat());
        while everybody.clone().any(|number| self.agent(number).port().is_busy()) {
            self.pump_until(usize::MAX)?;
        }
        Ok(())
    }

    /// Has everybody ask whether what lives is alive and what is over is gone.
    pub(super) fn probe(&mut self) -> Result<(), Broken> {
        let mut probes = vec![Probe::Alive; self.publishers.len() + self.watchers.len()];
        while !probes.iter().all(|probe| matches!(probe, Probe::Done)) {
            for (number, probe) in probes.iter_mut().enumerate() {
                let mut agent = self.agent(number);
                if !matches!(probe, Probe::Done) {
                    agent.probe(probe);
                }
            }
            self.pump_until(usize::MAX)?;
        }
        Ok(())
    }

    /// Takes in what has come, or waits a moment for something; sends again what is due.
    fn pump_until(&mut self, acknowledged: usize) -> Result<(), Broken> {
        self.wait(acknowledged)?;
        let now = Instant::now();
        for number in 0..self.publishers.len() + self.watchers.len() {
            let late = self.agent(number).port().on_time(now);
            late.map_err(|what| self.broken(number, &what))?;
        }
        Ok(())
    }

    /// Takes in what has come, or waits a moment for something; stops at once when so many are acknowledged.
    fn wait(&mut self, acknowledged: usize) -> Result<(), Broken> {
        if self.take_in(acknowledged)? == 0 {
            let ports = self.publishers.iter().map(|one| &one.port).chain(self.watchers.iter().map(|one| &one.port));
            let mut watched: Vec<_> = ports.map(|port| PollFd::new(port.as_fd(), PollFlags::POLLIN)).collect();
            poll(&mut watched, PollTimeout::from(10_u8)).map_err(|error| format!("poll: {error}"))?;
        }
        Ok(())
    }

    /// Takes in what has come, and returns how many messages.
    /// Those left when `acknowledged` is reached are left for the next call: the moment is the seed's choice.
    fn take_in(&mut self, acknowledged: usize) -> Result<usize, Broken> {
        let mut count = 0;
        for number in 0..self.publishers.len() + self.watchers.len() {
            while self.acknowledged < acknowledged {
                let mut buffer = std::mem::take(&mut self.buffer);
                let taken = self.agent(number).take_in(&mut buffer);
                self.buffer = buffer;
                match taken.map_err(|what| self.broken(number, &what))? {
                    None => break,
                    Some(Arrived::Answer { .. }) => self.acknowledged += 1,
                    Some(Arrived::Request(_)) => self.notified += 1,
                    Some(Arrived::Repeated) => {}
                }
                count += 1;
            }
        }
        Ok(count)
    }

    /// Returns the first watcher that does not know what is published, and what it knows.
    fn complaint(&self) -> Option<(usize, String)> {
        let now = Instant::now();
        let mut complaints = self.watchers.iter().enumerate().filter_map(|(number, watcher)| {
            let complaint = watcher.complaint(now, |notes| self.is_possible(watcher.presentity(), notes, now))?;
            Some((self.publishers.len() + number, complaint))
        });
        complaints.next()
    }

    /// Returns whether a document with these notes may show what is published of `presentity`: of each publisher one note
    /// or none, as it may be, and of nobody else any.
    fn is_possible(&self, presentity: &str, notes: &[String], now: Instant) -> bool {
        let mut explained = 0;
        for publisher in self.publishers.iter().filter(|publisher| publisher.presentity() == presentity) {
            let is_its = |note: &&String| note.split(' ').next() == Some(&publisher.name);
            let its: Vec<_> = notes.iter().filter(is_its).collect();
            if its.len() > 1 || !publisher.may_show(its.first().map(|note| note.as_str()), now) {
                return false;
            }
            explained += its.len();
        }
        explained == notes.len()
    }

    fn agent(&mut self, number: usize) -> Agent<'_> {
        match number.checked_sub(self.publishers.len()) {
            None => Agent::Publisher(&mut self.publishers[number]),
            Some(number) => Agent::Watcher(&mut self.watchers[number]),
        }
    }

    fn broken(&mut self, number: usize, what: &str) -> Broken {
        let mut agent = self.agent(number);
        let (name, presentity) = match &agent {
            Agent::Publisher(publisher) => (publisher.name.clone(), publisher.presentity().to_owned()),
            Agent::Watcher(watcher) => (watcher.name.clone(), watcher.presentity().to_owned()),
        };
        let mut text = format!("{name} of {presentity} {what}\n--- its last messages\n{}", agent.port().ladder());
        for publisher in self.publishers.iter().filter(|publisher| publisher.presentity() == presentity) {
            text.push_str(&format!("--- those of {}\n{}", publisher.name, publisher.port.ladder()));
        }
        text
    }
}

/// How long anything may take that must come.
const DEADLINE: Duration = Duration::from_secs(30);
