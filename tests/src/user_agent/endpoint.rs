//! A socket with non-INVITE transactions on it, both ways (RFC 3261 §17, §18).
//!
//! A reader thread takes in everything that has arrived before it answers any of it, so that a peer that sends too early
//! is seen doing it. What breaks a promise is collected, and fails the test at [`Endpoint::finish`] or on drop.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parking_lot::{Condvar, Mutex};

use super::response_rules;
use super::retransmission::Retransmission;
use crate::message::{Message, frame};
use crate::user_agent::{Rule, Violation};

/// How long a test waits for something that must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What answers the requests that arrive at an endpoint.
pub trait RequestHandler: Send + Sync {
    /// Takes in a request that is no retransmission, and passes what it breaks to `complain` before anyone can see it.
    /// `None` leaves it unanswered for the time being.
    fn on_request(&self, request: &Message, complain: &dyn Fn(Vec<Violation>)) -> Option<Message>;

    /// Learns that an answer is about to leave.
    fn on_answered(&self, _request: &Message, _code: u16) {}

    /// Learns that an answer has left.
    fn on_sent(&self, _request: &Message) {}
}

/// Expects no requests at all.
struct NoRequests;

impl RequestHandler for NoRequests {
    fn on_request(&self, request: &Message, complain: &dyn Fn(Vec<Violation>)) -> Option<Message> {
        complain(vec![Violation::new(Rule::Stray, format!("nobody asked for\n{request}"))]);
        Some(Message::response_to(request, 481))
    }
}

/// A user agent's socket.
pub struct Endpoint {
    wire: Arc<Wire>,
    reader: Option<JoinHandle<()>>,
}

struct Wire {
    link: Link,
    peer: SocketAddr,
    local: SocketAddr,
    handler: Arc<dyn RequestHandler>,
    state: Mutex<State>,
    changed: Condvar,
}

enum Link {
    Tcp(TcpStream, Mutex<()>),
    Udp(UdpSocket),
}

#[derive(Default)]
struct State {
    sent: HashMap<String, Message>,
    responses: Vec<Arrived>,
    transactions: HashMap<String, ServerTransaction>,
    violations: Vec<Violation>,
    ladder: String,
    closed: bool,
}

struct Arrived {
    message: Message,
    bytes: Vec<u8>,
}

struct ServerTransaction {
    request: Vec<u8>,
    answer: Option<Vec<u8>>,
}

impl Endpoint {
    /// Opens a UDP socket that talks to `peer` and expects only responses.
    pub fn udp(peer: SocketAddr) -> Self {
        Self::udp_with(peer, Arc::new(NoRequests))
    }

    /// Opens a UDP socket that talks to `peer` and hands requests to `handler`.
    pub fn udp_with(peer: SocketAddr, handler: Arc<dyn RequestHandler>) -> Self {
        let ip: IpAddr = if peer.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let socket = UdpSocket::bind((ip, 0)).expect("a loopback UDP socket");
        let local = socket.local_addr().expect("a bound socket has an address");
        Self::start(Link::Udp(socket), local, peer, handler)
    }

    /// Connects to `peer` over TCP and expects only responses.
    pub fn tcp(peer: SocketAddr) -> Self {
        Self::tcp_with(peer, Arc::new(NoRequests))
    }

    /// Connects to `peer` over TCP and hands requests to `handler`.
    pub fn tcp_with(peer: SocketAddr, handler: Arc<dyn RequestHandler>) -> Self {
        let stream = TcpStream::connect(peer).unwrap_or_else(|error| panic!("tcp:{peer} does not accept: {error}"));
        stream.set_nodelay(true).expect("a connected socket takes options");
        let local = stream.local_addr().expect("a connected socket has an address");
        Self::start(Link::Tcp(stream, Mutex::new(())), local, peer, handler)
    }

    fn start(link: Link, local: SocketAddr, peer: SocketAddr, handler: Arc<dyn RequestHandler>) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let wire = Arc::new(Wire { link, peer, local, handler, state, changed });
        let reading = Arc::clone(&wire);
        let reader = std::thread::Builder::new().name(format!("endpoint {local}")).spawn(move || reading.read());
        Self { wire, reader: Some(reader.expect("a thread for the socket")) }
    }

    /// Returns the address of the socket.
    pub fn local_address(&self) -> SocketAddr {
        self.wire.local
    }

    /// Returns the server's address.
    pub fn peer_address(&self) -> SocketAddr {
        self.wire.peer
    }

    /// Returns a Contact value that leads back here.
    pub fn contact(&self, user: &str) -> String {
        let transport = if self.wire.is_reliable() { ";transport=tcp" } else { "" };
        format!("<sip:{user}@{}{transport}>", self.wire.local)
    }

    /// Sends a request and returns its final response.
    ///
    /// # Panics
    /// If timer F fires; the panic shows every message of this endpoint.
    pub fn request(&self, request: Message) -> Message {
        let request = self.send(request);
        self.final_response(&request)
    }

    /// Sends a request once and returns it as sent: with Via and Max-Forwards, unless the test gave its own.
    pub fn send(&self, mut request: Message) -> Message {
        if request.get("Via").is_none() {
            let transport = if self.wire.is_reliable() { "TCP" } else { "UDP" };
            let via = format!("SIP/2.0/{transport} {};branch=z9hG4bK{};rport", self.wire.local, unique());
            request = request.with_first("Via", via);
        }
        if request.get("Max-Forwards").is_none() {
            request = request.with("Max-Forwards", 70);
        }
        self.wire.state.lock().sent.insert(transaction_key(&request), request.clone());
        self.send_bytes(&request.to_bytes());
        request
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&self, bytes: &[u8]) {
        self.wire.send(bytes);
    }

    /// Waits for the final response to a request that was sent, sending it again as RFC 3261 §17.1.2 has it.
    ///
    /// # Panics
    /// If timer F fires.
    pub fn final_response(&self, request: &Message) -> Message {
        let mut timers = Retransmission::start(Instant::now(), self.wire.is_reliable());
        let key = transaction_key(request);
        let mut state = self.wire.state.lock();
        loop {
            let mut answers = state.responses.iter().filter(|response| transaction_key(&response.message) == key);
            let has_provisional = answers.clone().next().is_some();
            if let Some(last) = answers.find(|response| response.message.code() >= Some(200)) {
                return last.message.clone();
            }
            let now = Instant::now();
            assert!(!timers.is_over(now), "no final response to\n{request}\n{}", state.ladder);
            assert!(!state.closed, "the connection closed before\n{request}\nwas answered\n{}", state.ladder);
            if timers.on_time(now, has_provisional) {
                drop(state);
                self.send_bytes(&request.to_bytes());
                state = self.wire.state.lock();
                continue;
            }
            self.wire.changed.wait_until(&mut state, timers.next_timeout());
        }
    }

    /// Waits until `count` responses to a request have arrived, and returns their bytes.
    ///
    /// # Panics
    /// If they do not come.
    pub fn responses(&self, request: &Message, count: usize) -> Vec<Vec<u8>> {
        let key = transaction_key(request);
        let give_up = Instant::now() + DEADLINE;
        let mut state = self.wire.state.lock();
        loop {
            let answers = state.responses.iter().filter(|response| transaction_key(&response.message) == key);
            let answers: Vec<_> = answers.map(|response| response.bytes.clone()).collect();
            if answers.len() >= count {
                return answers;
            }
            let in_time = !self.wire.changed.wait_until(&mut state, give_up).timed_out();
            assert!(in_time, "{} of {count} responses to\n{request}\n{}", answers.len(), state.ladder);
        }
    }

    /// Waits until the peer has closed the connection.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_until_closed(&self) {
        let give_up = Instant::now() + DEADLINE;
        let mut state = self.wire.state.lock();
        while !state.closed {
            let in_time = !self.wire.changed.wait_until(&mut state, give_up).timed_out();
            assert!(in_time, "the connection stays open\n{}", state.ladder);
        }
    }

    /// Answers a request that was left unanswered.
    pub fn answer(&self, request: &Message, answer: &Message) {
        self.wire.answer(request, answer);
    }

    /// Records a broken promise.
    pub fn hold_against(&self, broken: Vec<Violation>) {
        self.wire.hold_against(broken);
    }

    /// Returns everything sent and received, to show in a failure.
    pub fn ladder(&self) -> String {
        self.wire.state.lock().ladder.clone()
    }

    /// Returns and forgets the broken promises, for tests that are about them.
    pub fn take_violations(&self) -> Vec<Violation> {
        std::mem::take(&mut self.wire.state.lock().violations)
    }

    /// Closes the socket and fails the test if a promise was broken.
    ///
    /// # Panics
    /// If one was; the panic shows every message of this endpoint.
    pub fn finish(mut self) {
        self.close();
    }

    fn close(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        self.wire.state.lock().closed = true;
        self.wire.wake_reader();
        let ended = reader.join();
        if std::thread::panicking() {
            return;
        }
        assert!(ended.is_ok(), "the endpoint's reader panicked");
        let state = self.wire.state.lock();
        let broken: Vec<_> = state.violations.iter().map(Violation::to_string).collect();
        assert!(broken.is_empty(), "broken promises:\n{}\n{}", broken.join("\n"), state.ladder);
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.close();
    }
}

impl Wire {
    fn is_reliable(&self) -> bool {
        matches!(self.link, Link::Tcp(..))
    }

    fn send(&self, bytes: &[u8]) {
        self.state.lock().note("->", bytes);
        let sent = match &self.link {
            Link::Udp(socket) => socket.send_to(bytes, self.peer).map(|_| ()),
            Link::Tcp(stream, writing) => {
                let _one_at_a_time = writing.lock();
                (&*stream).write_all(bytes)
            }
        };
        if let Err(error) = sent {
            self.state.lock().note("--", format!("not sent: {error}").as_bytes());
        }
    }

    fn wake_reader(&self) {
        // A reader that is gone needs no waking.
        let _ = match &self.link {
            Link::Udp(socket) => socket.send_to(&[], self.local).map(|_| ()),
            Link::Tcp(stream, _) => stream.shutdown(Shutdown::Both),
        };
    }

    fn read(&self) {
        match &self.link {
            Link::Udp(socket) => self.read_datagrams(socket),
            Link::Tcp(stream, _) => self.read_stream(stream),
        }
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    fn read_datagrams(&self, socket: &UdpSocket) {
        let mut buffer = vec![0; 65_536];
        loop {
            let mut batch = Vec::new();
            while batch.is_empty() || is_readable(socket) {
                let Ok((length, source)) = socket.recv_from(&mut buffer) else { break };
                if source == self.peer {
                    batch.push(buffer[..length].to_vec());
                } else if source != self.local {
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    self.hold_against(vec![Violation::new(Rule::Stray, format!("from {source}:\n{text}"))]);
                } else {
                    return;
                }
            }
            self.on_batch(batch);
        }
    }

    fn read_stream(&self, stream: &TcpStream) {
        let (mut buffer, mut unread) = (vec![0; 65_536], Vec::new());
        loop {
            match (&*stream).read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(length) => unread.extend_from_slice(&buffer[..length]),
            }
            let mut batch = Vec::new();
            loop {
                let blank = unread.iter().take_while(|byte| b"\r\n".contains(byte)).count();
                unread.drain(..blank);
                match frame(&unread) {
                    Ok(Some(length)) => batch.push(unread.drain(..length).collect()),
                    Ok(None) => break,
                    Err(error) => return self.hold_against(vec![Violation::new(Rule::Malformed, error)]),
                }
            }
            self.on_batch(batch);
        }
    }

    /// Takes in all that has arrived, then answers.
    fn on_batch(&self, batch: Vec<Vec<u8>>) {
        let mut answers = Vec::new();
        for bytes in batch {
            self.state.lock().note("<-", &bytes);
            match Message::parse(&bytes) {
                Err(error) => {
                    let text = String::from_utf8_lossy(&bytes);
                    self.hold_against(vec![Violation::new(Rule::Malformed, format!("{error}\n{text}"))]);
                }
                Ok(message) if message.code().is_some() => self.on_response(message, bytes),
                Ok(message) => answers.extend(self.on_request(message, bytes)),
            }
        }
        for (request, answer) in answers {
            self.answer(&request, &answer);
        }
        self.changed.notify_all();
    }

    fn on_response(&self, message: Message, bytes: Vec<u8>) {
        let mut state = self.state.lock();
        match state.sent.get(&transaction_key(&message)) {
            Some(request) if message.code() >= Some(200) => {
                let broken = response_rules::check(request, &message);
                state.violations.extend(broken);
            }
            Some(_) if message.code() == Some(100) => {}
            Some(_) => state.violations.push(Violation::new(Rule::Response, format!("RFC 4320 §4.1:\n{message}"))),
            None => state.violations.push(Violation::new(Rule::Stray, format!("answers nothing:\n{message}"))),
        }
        state.responses.push(Arrived { message, bytes });
    }

    fn on_request(&self, request: Message, bytes: Vec<u8>) -> Option<(Message, Message)> {
        let key = transaction_key(&request);
        let mut state = self.state.lock();
        if let Some(known) = state.transactions.get(&key) {
            let (is_same, answer) = (known.request == bytes, known.answer.clone());
            if !is_same {
                state.violations.push(Violation::new(Rule::Retransmission, format!("another request:\n{request}")));
            }
            drop(state);
            if let Some(answer) = answer {
                self.send(&answer);
            }
            return None;
        }
        state.transactions.insert(key, ServerTransaction { request: bytes, answer: None });
        drop(state);
        let answer = self.handler.on_request(&request, &|broken| self.hold_against(broken))?;
        Some((request, answer))
    }

    fn answer(&self, request: &Message, answer: &Message) {
        let bytes = answer.to_bytes();
        if let Some(transaction) = self.state.lock().transactions.get_mut(&transaction_key(request)) {
            transaction.answer = Some(bytes.clone());
        }
        self.handler.on_answered(request, answer.code().unwrap_or_default());
        self.send(&bytes);
        self.handler.on_sent(request);
    }

    fn hold_against(&self, broken: Vec<Violation>) {
        self.state.lock().violations.extend(broken);
    }
}

impl State {
    fn note(&mut self, direction: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).replace('\r', "");
        self.ladder.push_str(&format!("{direction} {}\n", text.trim_end().replace('\n', "\n   ")));
    }
}

/// Returns text that no other call of any test process has returned.
pub(crate) fn unique() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
    format!("{:x}.{:x}.{:x}", std::process::id(), since.as_micros(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Returns what RFC 3261 §17.1.3 and §17.2.3 match by: branch, sent-by and method.
fn transaction_key(message: &Message) -> String {
    let via = message.list("Via");
    let sent_by = via.first().and_then(|via| via.split(';').next()).unwrap_or_default();
    let method = message.cseq().map(|(_, method)| method).unwrap_or_default();
    format!("{method} {sent_by} {}", message.branch().unwrap_or_default())
}

fn is_readable(socket: &UdpSocket) -> bool {
    let mut watched = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut watched, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
