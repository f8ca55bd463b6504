//! Whoever is not in good order: phones that never answer, connections that are made and dropped, messages that are none.
//!
//! Each kind comes from an address of its own, so that what a bound holds against it hurts nobody else.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::message::Message;
use crate::pidf;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A silent phone is there for so long: longer than a NOTIFY is repeated.
const SILENT: Duration = Duration::from_secs(40);
/// A connection on which half a message came is kept for so long.
const HALF: Duration = Duration::from_secs(20);
/// One silent phone in so many slices.
const SLICES_A_PHONE: usize = 4;
/// Messages in each slice that are none.
const MALFORMED: usize = 5;

/// All of them.
pub struct Nuisance {
    udp: SocketAddr,
    tcp: SocketAddr,
    chance: Chance,
    number: usize,
    silent: VecDeque<(Instant, UdpSocket)>,
    half: VecDeque<(Instant, TcpStream)>,
    /// Sends what is malformed.
    garbler: UdpSocket,
    /// How often each was: a phone fell silent, a connection was dropped, a message was none.
    pub done: [usize; 3],
    /// What the server should not have done.
    pub faults: usize,
}

impl Nuisance {
    /// Nobody so far.
    ///
    /// # Panics
    /// If there is no port.
    pub fn new(udp: SocketAddr, tcp: SocketAddr, seed: u64) -> Self {
        let garbler = bind(6);
        garbler.set_nonblocking(true).expect("a socket has this option");
        let (silent, half) = (VecDeque::new(), VecDeque::new());
        Self { udp, tcp, chance: Chance::new(seed), number: 0, silent, half, garbler, done: [0; 3], faults: 0 }
    }

    /// Has some of everything happen; `user` is one whom a silent phone watches.
    pub fn go_on(&mut self, user: usize) {
        let now = Instant::now();
        self.silent.retain(|(since, _)| now - *since < SILENT);
        self.half.retain(|(since, _)| now - *since < HALF);
        self.number += 1;
        if self.number.is_multiple_of(SLICES_A_PHONE) {
            self.fall_silent(user);
        }
        let outcome = self.drop_connection(user);
        if let Err(error) = outcome {
            self.complain(&format!("a connection: {error}"));
        }
        self.done[1] += 1;
        for _ in 0..MALFORMED {
            self.garble(user);
        }
        self.hear();
    }

    /// All of them go.
    pub fn end(&mut self) {
        self.silent.clear();
        self.half.clear();
    }

    /// Subscribes and never says a word again.
    fn fall_silent(&mut self, user: usize) {
        let phone = bind(4);
        let address = phone.local_addr().expect("a bound socket");
        let request = self.subscribe(user, "UDP", address, 60);
        phone.set_read_timeout(Some(PATIENCE)).expect("a socket has this option");
        // What is lost is no fault: it would be asked for again.
        let _ = phone.send_to(&request.to_bytes(), self.udp);
        let mut answer = [0; 4096];
        let length = phone.recv(&mut answer).unwrap_or(0);
        // Past `max_unanswered` it is 503.
        let is_right = answer[..length].starts_with(b"SIP/2.0 200 ") || answer[..length].starts_with(b"SIP/2.0 503 ");
        // The NOTIFY may come first on two threads' way out.
        if !is_right && !answer.starts_with(b"NOTIFY ") {
            self.complain(&format!("a silent phone is answered `{}`", first_line(&answer[..length])));
        }
        self.silent.push_back((Instant::now(), phone));
        self.done[0] += 1;
    }

    /// Makes a connection, does this or that on it, and drops it.
    fn drop_connection(&mut self, user: usize) -> std::io::Result<()> {
        let mut connection = TcpStream::connect(self.tcp)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let own = connection.local_addr()?;
        let whole = self.subscribe(user, "TCP", own, 10).to_bytes();
        match self.chance.below(5) {
            0 => {}
            1 => {
                connection.write_all(b"\r\n\r\n")?;
                connection.read_exact(&mut [0; 2])?;
            }
            2 => {
                // Subscribed, told, and gone: the next NOTIFY finds nobody.
                connection.write_all(&whole)?;
                connection.read_exact(&mut [0; 64])?;
            }
            3 => connection.write_all(&whole[..self.chance.below(whole.len())])?,
            _ => {
                connection.write_all(&whole[..self.chance.below(whole.len())])?;
                self.half.push_back((Instant::now(), connection));
            }
        }
        Ok(())
    }

    /// Sends a datagram that nobody can make sense of.
    fn garble(&mut self, user: usize) {
        let own = self.garbler.local_addr().expect("a bound socket");
        let subscribe = self.subscribe(user, "UDP", own, 60);
        // Without the end of its last line, which it can lack and be whole.
        let document = pidf::open(subscribe.uri().unwrap_or_default(), "t1", "garbled").trim_end().to_owned();
        let publish = |body: &str| {
            let mut publish = Message::request("PUBLISH", subscribe.uri().unwrap_or_default());
            publish.headers.clone_from(&subscribe.headers);
            publish.without("Contact").set("CSeq", "1 PUBLISH").with_body(pidf::CONTENT_TYPE, body)
        };
        let bytes = match self.chance.below(8) {
            0 => (0..self.chance.below(1500)).map(|_| self.chance.below(256) as u8).collect(),
            1 => {
                let mut whole = subscribe.to_bytes();
                whole.truncate(self.chance.below(whole.len()));
                whole
            }
            2 => {
                let mut whole = publish(&document).to_bytes();
                whole.truncate(whole.len() - 1 - self.chance.below(document.len()));
                whole
            }
            3 => publish(&document[..self.chance.below(document.len())]).to_bytes(),
            4 => subscribe.set("CSeq", "one SUBSCRIBE").to_bytes(),
            5 => subscribe.set("Event", "no-such-package").to_bytes(),
            6 => subscribe.set("Contact", "<sip:nowhere").to_bytes(),
            _ => subscribe.set("From", "<<>>").to_bytes(),
        };
        // What the network loses makes no difference.
        let _ = self.garbler.send_to(&bytes, self.udp);
        self.done[2] += 1;
    }

    /// Hears what the malformed were answered: anything but that they are accepted.
    fn hear(&mut self) {
        let mut answer = [0; 4096];
        while let Ok(length) = self.garbler.recv(&mut answer) {
            if !answer[..length].starts_with(b"SIP/2.0 4") {
                self.complain(&format!("what is malformed is answered `{}`", first_line(&answer[..length])));
            }
        }
    }

    fn complain(&mut self, what: &str) {
        println!("not in order: {what}");
        self.faults += 1;
    }

    fn subscribe(&mut self, user: usize, via: &str, own: SocketAddr, expires_s: u32) -> Message {
        let unique = format!("{}-{}", own.port(), self.chance.below(usize::MAX));
        Message::request("SUBSCRIBE", &format!("sip:user{user}@pres.example"))
            .with("Via", format!("SIP/2.0/{via} {own};rport;branch=z9hG4bK{unique}"))
            .with("Max-Forwards", 70)
            .with("From", format!("<sip:nuisance@pres.example>;tag={unique}"))
            .with("To", format!("<sip:user{user}@pres.example>"))
            .with("Call-ID", format!("nuisance-{unique}"))
            .with("CSeq", "1 SUBSCRIBE")
            .with("Contact", format!("<sip:nuisance@{own};transport={}>", via.to_lowercase()))
            .with("Event", "presence")
            .with("Expires", expires_s)
    }
}

fn first_line(message: &[u8]) -> String {
    String::from_utf8_lossy(message).lines().next().unwrap_or_default().into()
}

/// Binds a socket to an address of this machine.
fn bind(last: u8) -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).expect("every address of 127/8 is ours")
}
