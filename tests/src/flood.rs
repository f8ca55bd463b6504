//! Somebody who sends as much as it can, and reads only how much of it was answered: PUBLISHes that are in order, each of
//! another user, from an address of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::load::wire::Wire;
use crate::pidf;

/// Users that are published for, one after the other.
const USERS: u64 = 20_000;
/// Requests sent together.
const BURST: u64 = 64;

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
        let (begun, mut number) = (Instant::now(), 0);
        while !self.is_over.load(Ordering::Relaxed) {
            let due = match pace {
                Pace::Rate(rate) => (begun.elapsed().as_micros() as u64 * rate / 1_000_000).saturating_sub(number),
                Pace::Window(window) => {
                    let answered = self.accepted.load(Ordering::Relaxed) + self.refused.load(Ordering::Relaxed);
                    (answered + window).saturating_sub(number)
                }
            };
            for _ in 0..due.min(BURST) {
                wire.send(publish(number, &wire).as_bytes());
                number += 1;
            }
            wire.flush();
            self.sent.store(number, Ordering::Relaxed);
            let wait = if due == 0 { Duration::from_millis(1) } else { Duration::ZERO };
            wire.receive(wait, |message, _| {
                let counter = if message.starts_with(b"SIP/2.0 2") { &self.accepted } else { &self.refused };
                counter.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
}

fn publish(number: u64, wire: &Wire) -> String {
    let user = format!("sip:flood{}@pres.example", number % USERS);
    let (address, body) = (wire.address(), pidf::open(&user, "t1", "one of many"));
    format!(
        "PUBLISH {user} SIP/2.0\r\nVia: SIP/2.0/UDP {address};rport;branch=z9hG4bKflood-{number}\r\nMax-Forwards: 70\r\n\
         From: <{user}>;tag=f\r\nTo: <{user}>\r\nCall-ID: flood-{number}-{address}\r\nCSeq: 1 PUBLISH\r\nEvent: presence\r\n\
         Expires: 3600\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{body}",
        pidf::CONTENT_TYPE,
        body.len()
    )
}
