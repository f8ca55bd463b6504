//! A user agent's UDP socket, never waited for: one request under way at a time, its answers and the server's requests told
//! from their retransmissions (RFC 3261 §17), and a ladder of the last messages.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use crate::message::Message;
use crate::user_agent::{Retransmission, response_rules, unique};

/// Messages that a failure shows.
const LADDER_MAX: usize = 80;
/// Server transactions remembered: more than can be open.
const ANSWERED_MAX: usize = 64;

/// Client transactions remembered: a retransmission's answer may come late.
const DONE_MAX: usize = 8;

/// A socket.
pub(super) struct Port {
    socket: UdpSocket,
    local: SocketAddr,
    server: SocketAddr,
    under_way: Option<UnderWay>,
    /// The branches of the last requests that were answered: their answers may come again.
    done: VecDeque<String>,
    answered: VecDeque<(String, Vec<u8>)>,
    ladder: VecDeque<String>,
}

/// A request that has no final answer yet.
struct UnderWay {
    request: Message,
    bytes: Vec<u8>,
    sent: Instant,
    timers: Retransmission,
}

/// What has come.
pub(super) enum Arrived {
    /// The final answer to the request under way, and when that was sent first.
    Answer { answer: Message, sent: Instant },
    /// A request that is no retransmission.
    Request(Message),
    /// Something that had come before.
    Repeated,
}

impl Port {
    pub(super) fn open(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback UDP socket");
        socket.set_nonblocking(true).expect("a socket that is not waited for");
        let local = socket.local_addr().expect("a bound socket has an address");
        let (done, answered, ladder) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { socket, local, server, under_way: None, done, answered, ladder }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Returns a Contact value that leads here.
    pub(super) fn contact(&self) -> String {
        format!("<sip:watcher@{}>", self.local)
    }

    /// Returns whether a request has no final answer yet.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Sends a request; its answer is the next one that comes.
    pub(super) fn send(&mut self, request: Message) {
        let via = format!("SIP/2.0/UDP {};branch=z9hG4bK{};rport", self.local, unique());
        let request = request.with_first("Via", via).with("Max-Forwards", 70);
        let (bytes, sent) = (request.to_bytes(), Instant::now());
        self.transmit(&bytes);
        self.under_way = Some(UnderWay { request, bytes, sent, timers: Retransmission::start(sent, false) });
    }

    /// Sends the request under way again, byte for byte, as its transaction would for 32 s.
    pub(super) fn repeat(&mut self) {
        if let Some(under_way) = &mut self.under_way {
            under_way.timers = Retransmission::start(Instant::now(), false);
            let bytes = under_way.bytes.clone();
            self.transmit(&bytes);
        }
    }

    /// Sends the request under way again if it is time.
    ///
    /// # Errors
    /// Timer F has fired.
    pub(super) fn on_time(&mut self, now: Instant) -> Result<(), String> {
        let Some(under_way) = &mut self.under_way else { return Ok(()) };
        if under_way.timers.is_over(now) {
            return Err(format!("no answer to\n{}", under_way.request));
        }
        if under_way.timers.on_time(now, false) {
            let bytes = under_way.bytes.clone();
            self.transmit(&bytes);
        }
        Ok(())
    }

    /// Answers a request of the server.
    pub(super) fn answer(&mut self, request: &Message, code: u16) {
        let bytes = Message::response_to(request, code).to_bytes();
        self.transmit(&bytes);
        self.answered.push_back((request.branch().unwrap_or_default(), bytes));
        if self.answered.len() > ANSWERED_MAX {
            self.answered.pop_front();
        }
    }

    /// Takes the next datagram, if there is one.
    ///
    /// # Errors
    /// It is no message, answers nothing, or breaks what every answer must keep.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<Arrived>, String> {
        let length = match self.socket.recv(buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(format!("the socket: {error}")),
        };
        let bytes = &buffer[..length];
        self.note("<-", bytes);
        let message = Message::parse(bytes).map_err(|error| format!("{error}:\n{}", String::from_utf8_lossy(bytes)))?;
        match message.code() {
            Some(100..200) => Ok(Some(Arrived::Repeated)),
            Some(_) => self.on_response(message).map(Some),
            None => Ok(Some(self.on_request(message))),
        }
    }

    /// Returns the last messages.
    pub(super) fn ladder(&self) -> String {
        self.ladder.iter().map(String::as_str).collect()
    }

    fn on_response(&mut self, answer: Message) -> Result<Arrived, String> {
        let branch = answer.branch();
        let answers = |under_way: &mut UnderWay| under_way.request.branch() == branch;
        let Some(UnderWay { request, sent, .. }) = self.under_way.take_if(answers) else {
            let is_known = branch.is_some_and(|branch| self.done.contains(&branch));
            return if is_known { Ok(Arrived::Repeated) } else { Err(format!("answers nothing:\n{answer}")) };
        };
        self.done.push_back(branch.unwrap_or_default());
        if self.done.len() > DONE_MAX {
            self.done.pop_front();
        }
        match response_rules::check(&request, &answer).first() {
            Some(broken) => Err(broken.to_string()),
            None => Ok(Arrived::Answer { answer, sent }),
        }
    }

    fn on_request(&mut self, request: Message) -> Arrived {
        let branch = request.branch().unwrap_or_default();
        let Some((_, answer)) = self.answered.iter().find(|(answered, _)| *answered == branch) else {
            return Arrived::Request(request);
        };
        let answer = answer.clone();
        self.transmit(&answer);
        Arrived::Repeated
    }

    fn transmit(&mut self, bytes: &[u8]) {
        self.note("->", bytes);
        if let Err(error) = self.socket.send_to(bytes, self.server) {
            self.note("--", format!("not sent: {error}").as_bytes());
        }
    }

    /// Writes down that something happened to the server.
    pub(super) fn note(&mut self, direction: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).replace('\r', "");
        self.ladder.push_back(format!("{direction} {}\n", text.trim_end().replace('\n', "\n   ")));
        if self.ladder.len() > LADDER_MAX {
            self.ladder.pop_front();
        }
    }
}
