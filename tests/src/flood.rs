//! Somebody who sends as much as it can, and reads only how much of it was answered: PUBLISHes that are in order, each of
//! another user, from an address of its own.
//!
//! They are written once and only their numbers change, and the system takes 64 of them at a time: whoever is to send ten times
//! what a server can do on the same machine has to be cheap.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memchr::memmem;

use crate::load::wire::Wire;
use crate::pidf;

/// Users that are published for, one after the other.
const USERS: u64 = 20_000;
/// Requests sent together.
const BURST: usize = 64;
/// How many digits the number of a request has, and that of a user.
const DIGITS: (usize, usize) = (10, 5);

/// A flood that goes on until it is told to end.
pub struct Flood {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    sent: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
}

/// How fast a flood is.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many requests a second, whatever becomes of them.
    Rate(u64),
    /// So many unanswered at a time: what a server can do.
    Window(u64),
}

/// What became of it.
#[derive(Clone, Copy, Debug)]
pub struct Flooded {
    /// Requests sent.
    pub sent: u64,
    /// Answers of 2xx.
    pub accepted: u64,
    /// Any other answers.
    pub refused: u64,
}

impl Flood {
    /// Begins to flood `server` from `source`, an address of this machine.
    ///
    /// # Panics
    /// If there is no thread.
    pub fn begin(source: IpAddr, server: SocketAddr, pace: Pace) -> Self {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("flood".into());
        let thread = thread.spawn(move || own.run(Wire::udp_from(source, server), pace)).expect("a thread");
        Self { shared, thread: Some(thread) }
    }

    /// Returns what became of it so far.
    pub fn so_far(&self) -> Flooded {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Flooded {
            sent: read(&self.shared.sent),
            accepted: read(&self.shared.accepted),
            refused: read(&self.shared.refused),
        }
    }

    /// Ends it.
    ///
    /// # Panics
    /// If it has failed.
    pub fn end(mut self) -> Flooded {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.take().expect("it has not ended").join().expect("it goes on until it is told");
        self.so_far()
    }
}

impl Shared {
    fn run(&self, mut wire: Wire, pace: Pace) {
        let mut burst = Burst::new(&wire);
        let each = burst.each;
        let (begun, mut number) = (Instant::now(), 0);
        while !self.is_over.load(Ordering::Relaxed) {
            let due = match pace {
                Pace::Rate(rate) => (begun.elapsed().as_micros() as u64 * rate / 1_000_000).saturating_sub(number),
                Pace::Window(window) => {
                    let answered = self.accepted.load(Ordering::Relaxed) + self.refused.load(Ordering::Relaxed);
                    (answered + window).saturating_sub(number)
                }
            };
            let count = usize::try_from(due).map_or(BURST, |due| due.min(BURST));
            wire.send_equal(burst.numbered(number, count), each);
            number += count as u64;
            self.sent.store(number, Ordering::Relaxed);
            // Somebody who is late by more than a burst does not look what came; the system keeps it or loses it.
            if due > 4 * BURST as u64 && !number.is_multiple_of(16 * BURST as u64) {
                continue;
            }
            let wait = if due == 0 { Duration::from_millis(1) } else { Duration::ZERO };
            wire.receive(wait, |message, _| {
                let counter = if message.starts_with(b"SIP/2.0 2") { &self.accepted } else { &self.refused };
                counter.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
}

/// Requests behind one another, all of one length.
struct Burst {
    bytes: Vec<u8>,
    each: usize,
    /// Where in each the number of the request stands, and where that of the user.
    numbers: Vec<usize>,
    users: Vec<usize>,
}

impl Burst {
    fn new(wire: &Wire) -> Self {
        let (number, user) = ("#".repeat(DIGITS.0), "%".repeat(DIGITS.1));
        let one = publish(&number, &user, wire).into_bytes();
        let places = |mark: &str| memmem::find_iter(&one, mark.as_bytes()).collect();
        let (numbers, users) = (places(&number), places(&user));
        Self { bytes: one.repeat(BURST), each: one.len(), numbers, users }
    }

    /// Returns `count` requests, numbered from `first` on.
    fn numbered(&mut self, first: u64, count: usize) -> &[u8] {
        let (numbers, users) = (&self.numbers, &self.users);
        for (number, one) in (first..).zip(self.bytes.chunks_exact_mut(self.each).take(count)) {
            numbers.iter().for_each(|at| write_digits(&mut one[*at..*at + DIGITS.0], number));
            users.iter().for_each(|at| write_digits(&mut one[*at..*at + DIGITS.1], number % USERS));
        }
        &self.bytes[..count * self.each]
    }
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn publish(number: &str, user: &str, wire: &Wire) -> String {
    let user = format!("sip:flood{user}@pres.example");
    let (address, body) = (wire.address(), pidf::open(&user, "t1", "one of many"));
    format!(
        "PUBLISH {user} SIP/2.0\r\nVia: SIP/2.0/UDP {address};rport;branch=z9hG4bKflood-{number}\r\nMax-Forwards: 70\r\n\
         From: <{user}>;tag=f\r\nTo: <{user}>\r\nCall-ID: flood-{number}-{address}\r\nCSeq: 1 PUBLISH\r\nEvent: presence\r\n\
         Expires: 3600\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{body}",
        pidf::CONTENT_TYPE,
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    #[test]
    fn every_request_is_a_whole_one_of_its_own() {
        let mut burst = Burst::new(&Wire::udp(([127, 0, 0, 1], 5060).into()));
        let (each, bytes) = (burst.each, burst.numbered(USERS - 1, 3).to_vec());
        let messages: Vec<_> = bytes.chunks(each).map(|bytes| Message::parse(bytes).unwrap()).collect();
        let users: Vec<_> = messages.iter().filter_map(Message::uri).collect();
        let expected = ["19999", "00000", "00001"].map(|user| format!("sip:flood{user}@pres.example"));
        assert_eq!(users, expected);
        assert!(messages[2].expect("Via").ends_with("z9hG4bKflood-0000020001"));
        assert!(!String::from_utf8_lossy(&bytes).contains(['#', '%']));
    }
}
