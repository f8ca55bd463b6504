//! Host names to addresses, on one thread of its own, so that a name server that does not answer stops nobody else.
//!
//! Addresses written out are answered at once, names by the system's own resolver (`getaddrinfo`). Only addresses are
//! looked up here; SRV and NAPTR records (RFC 3263 §4) are not. Never reads a clock: answers are kept from the moment
//! they were asked for.

use super::address::Transport;
use crate::transaction::timers::Moment;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// Looks up names. Once it is dropped its thread answers what was asked and ends; nobody waits for that, since a lookup
/// may be stuck.
pub struct Resolver {
    questions: Sender<Question>,
    cache: Arc<Mutex<Cache>>,
}

/// How a name is looked up where nothing is remembered: the seam towards the network.
pub type Lookup = Box<dyn FnMut(&str) -> io::Result<Vec<IpAddr>> + Send>;

/// Takes the addresses of a name: none where there is no such name.
pub type Answer = Box<dyn FnOnce(&[SocketAddr]) + Send>;

/// The resolver has more names to look up than it may hold: the answer is as if the name did not exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Busy;

/// What the resolver holds at most, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct ResolverLimits {
    /// Names that wait to be looked up.
    pub questions_max: usize,
    /// Names whose addresses are remembered.
    pub names_max: usize,
    /// How long a name's addresses are remembered; `getaddrinfo` does not tell how long they may be.
    pub found: Duration,
    /// How long it is remembered that a name was not found.
    pub not_found: Duration,
}

impl Default for ResolverLimits {
    fn default() -> Self {
        let (found, not_found) = (Duration::from_secs(60), Duration::from_secs(5));
        Self { questions_max: 1024, names_max: 4096, found, not_found }
    }
}

impl Resolver {
    /// Starts a resolver that asks the system.
    pub fn start(limits: ResolverLimits) -> io::Result<Self> {
        Self::start_with(limits, Box::new(ask_system))
    }

    /// Starts a resolver that asks `lookup`.
    pub fn start_with(limits: ResolverLimits, lookup: Lookup) -> io::Result<Self> {
        let (questions, asked) = bounded(limits.questions_max);
        let cache = Arc::new(Mutex::new(Cache::new(limits)));
        let answered = Arc::clone(&cache);
        let thread = std::thread::Builder::new().name("resolver".to_owned());
        thread.spawn(move || answer_questions(&asked, &answered, lookup))?;
        Ok(Self { questions, cache })
    }

    /// Makes a resolver that knows no name, and asks nobody: there is no thread, and every name is refused as [`Busy`].
    pub fn without_names() -> Self {
        let (questions, _) = bounded(0);
        Self { questions, cache: Arc::new(Mutex::new(Cache::new(ResolverLimits::default()))) }
    }

    /// Finds the addresses of `host`, and gives them to `answer` with `port`, or the transport's own where there is
    /// none.
    ///
    /// An address written out, IPv6 in brackets or not, and a name that is remembered are answered before this
    /// returns; any other name is answered later on the resolver's thread.
    pub fn resolve(
        &self,
        host: &str,
        port: Option<u16>,
        transport: Transport,
        now: Moment,
        answer: Answer,
    ) -> Result<(), Busy> {
        let port = port.unwrap_or(transport.default_port());
        if let Some(address) = written_address(host) {
            answer(&[SocketAddr::new(address, port)]);
            return Ok(());
        }
        let name = canonical_name(host);
        let remembered = self.cache.lock().get(&name, now);
        if let Some(addresses) = remembered {
            answer(&with_port(&addresses, port));
            return Ok(());
        }
        self.questions.try_send(Question { name, port, now, answer }).map_err(|error| match error {
            TrySendError::Disconnected(_) | TrySendError::Full(_) => Busy,
        })
    }
}

/// Returns the address that `host` is, where it is no name.
pub fn written_address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

struct Question {
    name: Box<str>,
    port: u16,
    now: Moment,
    answer: Answer,
}

fn answer_questions(asked: &Receiver<Question>, cache: &Mutex<Cache>, mut lookup: Lookup) {
    for Question { name, port, now, answer } in asked {
        // Many ask for one name at once; the first lookup answers them all.
        let remembered = cache.lock().get(&name, now);
        let addresses = remembered.unwrap_or_else(|| {
            let found: Arc<[IpAddr]> = lookup(&name).unwrap_or_default().into();
            cache.lock().put(name, Arc::clone(&found), now);
            found
        });
        answer(&with_port(&addresses, port));
    }
}

fn ask_system(name: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> = (name, 0).to_socket_addrs()?.map(|address| address.ip()).collect();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    Ok(addresses)
}

fn with_port(addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    addresses.iter().map(|address| SocketAddr::new(*address, port)).collect()
}

/// Returns `host` in lower case and without the dot that may end it: one spelling for each name.
fn canonical_name(host: &str) -> Box<str> {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase().into()
}

/// The most addresses kept of one name.
const ADDRESSES_MAX: usize = 16;

struct Cache {
    limits: ResolverLimits,
    names: FxHashMap<Box<str>, Remembered>,
    /// The names in the order they came in: the oldest goes first.
    order: VecDeque<Box<str>>,
}

struct Remembered {
    addresses: Arc<[IpAddr]>,
    until: Moment,
}

impl Cache {
    fn new(limits: ResolverLimits) -> Self {
        Self { limits, names: FxHashMap::default(), order: VecDeque::new() }
    }

    fn get(&self, name: &str, now: Moment) -> Option<Arc<[IpAddr]>> {
        self.names.get(name).filter(|remembered| now < remembered.until).map(|it| Arc::clone(&it.addresses))
    }

    fn put(&mut self, name: Box<str>, addresses: Arc<[IpAddr]>, now: Moment) {
        let until = now + if addresses.is_empty() { self.limits.not_found } else { self.limits.found };
        if self.names.insert(name.clone(), Remembered { addresses, until }).is_none() {
            self.order.push_back(name);
        }
        while self.names.len() > self.limits.names_max {
            let Some(oldest) = self.order.pop_front() else { return };
            self.names.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::START + Duration::from_secs(seconds)
    }

    /// A resolver whose lookups are told to `asked` and wait for their answer from `told`.
    struct Harness {
        resolver: Resolver,
        asked: Receiver<String>,
        told: Sender<Vec<IpAddr>>,
        answers: (Sender<Vec<SocketAddr>>, Receiver<Vec<SocketAddr>>),
    }

    fn harness(limits: ResolverLimits) -> Harness {
        let (ask, asked) = bounded(16);
        let (told, tell) = bounded::<Vec<IpAddr>>(16);
        let lookup = move |name: &str| {
            ask.send(name.to_owned()).map_err(io::Error::other)?;
            tell.recv().map_err(io::Error::other)
        };
        let resolver = Resolver::start_with(limits, Box::new(lookup)).unwrap();
        Harness { resolver, asked, told, answers: bounded(16) }
    }

    impl Harness {
        fn resolve(&self, host: &str, now: Moment) -> Result<(), Busy> {
            let answers = self.answers.0.clone();
            let answer = move |addresses: &[SocketAddr]| answers.send(addresses.to_vec()).unwrap();
            self.resolver.resolve(host, Some(5070), Transport::Udp, now, Box::new(answer))
        }

        fn answer(&self) -> String {
            let addresses: Vec<_> = self.answers.1.recv().unwrap().iter().map(SocketAddr::to_string).collect();
            addresses.join(" ")
        }
    }

    fn address(text: &str) -> Vec<IpAddr> {
        vec![text.parse().unwrap()]
    }

    #[test]
    fn an_address_is_answered_at_once() {
        let check = |host: &str, expected: &str| {
            let harness = harness(ResolverLimits::default());
            harness.resolve(host, at(0)).unwrap();
            assert_eq!(harness.answers.1.try_recv().unwrap(), [expected.parse().unwrap()]);
        };
        check("192.0.2.1", "192.0.2.1:5070");
        check("[2001:db8::1]", "[2001:db8::1]:5070");
        check("2001:db8::1", "[2001:db8::1]:5070");
    }

    #[test]
    fn a_port_that_is_not_given_is_the_transports() {
        let (answers, answered) = bounded(1);
        let answer = move |addresses: &[SocketAddr]| answers.send(addresses[0].port()).unwrap();
        let resolver = harness(ResolverLimits::default()).resolver;
        resolver.resolve("192.0.2.1", None, Transport::Tcp, at(0), Box::new(answer)).unwrap();
        assert_eq!(answered.recv(), Ok(5060));
    }

    #[test]
    fn a_name_is_remembered_for_its_time_in_any_spelling() {
        let harness = harness(ResolverLimits::default());
        harness.told.send(address("192.0.2.1")).unwrap();
        harness.resolve("Pres.Example.", at(0)).unwrap();
        assert_eq!(harness.answer(), "192.0.2.1:5070");
        harness.resolve("pres.example", at(59)).unwrap();
        assert_eq!(harness.answer(), "192.0.2.1:5070");
        harness.told.send(address("192.0.2.2")).unwrap();
        harness.resolve("pres.example", at(60)).unwrap();
        assert_eq!(harness.answer(), "192.0.2.2:5070");
        assert_eq!(harness.asked.try_iter().collect::<Vec<_>>(), ["pres.example", "pres.example"]);
    }

    #[test]
    fn that_a_name_is_unknown_is_remembered_too_and_shorter() {
        let harness = harness(ResolverLimits::default());
        harness.told.send(Vec::new()).unwrap();
        for seconds in [0, 4] {
            harness.resolve("nobody.example", at(seconds)).unwrap();
            assert_eq!(harness.answer(), "");
        }
        harness.told.send(address("192.0.2.1")).unwrap();
        harness.resolve("nobody.example", at(5)).unwrap();
        assert_eq!(harness.answer(), "192.0.2.1:5070");
    }

    #[test]
    fn a_stuck_lookup_stops_neither_addresses_nor_remembered_names() {
        let harness = harness(ResolverLimits { questions_max: 1, ..ResolverLimits::default() });
        harness.told.send(address("192.0.2.1")).unwrap();
        harness.resolve("known.example", at(0)).unwrap();
        assert_eq!(harness.answer(), "192.0.2.1:5070");
        harness.resolve("stuck.example", at(1)).unwrap();
        assert_eq!(harness.asked.iter().nth(1).unwrap(), "stuck.example");
        harness.resolve("stuck.example", at(1)).unwrap();
        assert_eq!(harness.resolve("other.example", at(1)), Err(Busy));
        harness.resolve("known.example", at(1)).unwrap();
        assert_eq!(harness.answer(), "192.0.2.1:5070");
        harness.told.send(address("192.0.2.3")).unwrap();
        assert_eq!((harness.answer(), harness.answer()), ("192.0.2.3:5070".to_owned(), "192.0.2.3:5070".to_owned()));
        assert!(harness.asked.is_empty(), "one lookup answers all who ask for a name");
    }

    #[test]
    fn the_oldest_names_are_forgotten_first() {
        let mut cache = Cache::new(ResolverLimits { names_max: 2, ..ResolverLimits::default() });
        for name in ["a", "b", "a", "c"] {
            cache.put(name.into(), address("192.0.2.1").into(), at(0));
        }
        let known = ["a", "b", "c"].map(|name| cache.get(name, at(1)).is_some());
        assert_eq!(known, [false, true, true]);
        assert_eq!(cache.order.len(), 2);
    }

    #[test]
    fn the_system_knows_the_loopback_name() {
        let resolver = Resolver::start(ResolverLimits::default()).unwrap();
        let (answers, answered) = bounded(1);
        let answer = move |addresses: &[SocketAddr]| answers.send(addresses.to_vec()).unwrap();
        resolver.resolve("localhost", Some(1), Transport::Udp, at(0), Box::new(answer)).unwrap();
        assert!(answered.recv().unwrap().iter().all(|address| address.ip().is_loopback()));
    }
}
