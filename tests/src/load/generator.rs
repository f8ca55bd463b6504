//! Requests in a window over one UDP socket, every answer checked; NOTIFYs are answered as they come.
//!
//! Speaks just enough SIP to be correct: transactions are told apart by the number in their branch, dialogs by the number
//! in their Call-ID. A wrong answer ends the run; speed never excuses one.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Longer than any answer may take.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// One request on its way: its number, and what it is about.
pub struct Sent {
    /// Which presentity or dialog.
    pub subject: usize,
    /// How many NOTIFYs it causes.
    pub notifies: usize,
}

/// What is known of a dialog.
#[derive(Clone, Debug, Default)]
pub struct Dialog {
    /// The server's tag.
    pub to_tag: String,
    /// The CSeq of the last NOTIFY.
    pub notify_cseq: u32,
    /// The body of the last NOTIFY.
    pub document: Vec<u8>,
}

/// What a phase saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Requests answered 200.
    pub answered: usize,
    /// NOTIFYs received and answered.
    pub notified: usize,
    /// NOTIFYs that came a second time.
    pub repeated: usize,
}

/// A generator and the state of its user agents.
pub struct Generator {
    socket: UdpSocket,
    server: SocketAddr,
    /// Entity-tags by presentity.
    pub entity_tags: Vec<String>,
    /// Dialogs by number.
    pub dialogs: HashMap<usize, Dialog>,
    requests: usize,
}

impl Generator {
    /// Talks to `server` from a socket of its own.
    ///
    /// # Panics
    /// If no socket can be had.
    pub fn new(server: SocketAddr, presentities: usize) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
        // As large as the system allows: a fan-out of 1000 comes in one burst.
        let _ = socket.set_recv_buffer_size(8 << 20);
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
        let socket = UdpSocket::from(socket);
        socket.set_read_timeout(Some(SILENCE_MAX)).expect("a time limit");
        Self { socket, server, entity_tags: vec![String::new(); presentities], dialogs: HashMap::new(), requests: 0 }
    }

    /// Sends `count` requests that `write` writes, at most `window` of them unanswered, and waits for all they cause.
    ///
    /// # Panics
    /// If an answer is not 200, breaks the order of CSeqs, or does not come.
    pub fn run(&mut self, count: usize, window: usize, write: impl Fn(&Self, usize, usize) -> (Vec<u8>, Sent)) -> Seen {
        let (mut seen, mut expected) = (Seen::default(), 0);
        let mut open: HashMap<usize, Sent> = HashMap::new();
        let (mut next, mut buffer) = (0, vec![0; 65_536]);
        while seen.answered < count || seen.notified < expected {
            while next < count && open.len() < window {
                self.requests += 1;
                let (bytes, sent) = write(self, next, self.requests);
                expected += sent.notifies;
                open.insert(self.requests, sent);
                self.socket.send_to(&bytes, self.server).expect("loopback takes it");
                next += 1;
            }
            let length = self.socket.recv(&mut buffer).unwrap_or_else(|_| {
                panic!("silence: {} of {count} answered, {} of {expected} notified", seen.answered, seen.notified)
            });
            self.take_in(&buffer[..length], &mut open, &mut seen);
        }
        seen
    }

    fn take_in(&mut self, bytes: &[u8], open: &mut HashMap<usize, Sent>, seen: &mut Seen) {
        if bytes.starts_with(b"NOTIFY ") {
            match self.on_notify(bytes) {
                true => seen.notified += 1,
                false => seen.repeated += 1,
            }
            return;
        }
        assert!(bytes.starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(bytes));
        let request = number_after(bytes, b";branch=z9hG4bKload-").expect("our branch comes back");
        let Some(sent) = open.remove(&request) else { return };
        if let Some(tag) = value_after(bytes, b"\r\nSIP-ETag: ") {
            self.entity_tags[sent.subject] = tag;
        } else if let Some(tag) = value_after(bytes, b">;tag=s") {
            // The To of a response to SUBSCRIBE: the server's tags begin with `s`, ours with `w`.
            self.dialogs.entry(sent.subject).or_default().to_tag = format!("s{tag}");
        }
        seen.answered += 1;
    }

    /// Answers a NOTIFY; returns whether it is a new one.
    fn on_notify(&mut self, bytes: &[u8]) -> bool {
        let mut answer = b"SIP/2.0 200 OK\r\n".to_vec();
        for name in [&b"\r\nVia: "[..], b"\r\nFrom: ", b"\r\nTo: ", b"\r\nCall-ID: ", b"\r\nCSeq: "] {
            let value = value_after(bytes, name).expect("a mandatory header");
            answer.extend_from_slice(&name[2..]);
            answer.extend_from_slice(value.as_bytes());
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        self.socket.send_to(&answer, self.server).expect("loopback takes it");
        let dialog = number_after(bytes, b"\r\nCall-ID: load-").expect("our Call-ID comes back");
        let cseq = number_after(bytes, b"\r\nCSeq: ").expect("a CSeq") as u32;
        let known = self.dialogs.entry(dialog).or_default();
        if cseq == known.notify_cseq {
            return false;
        }
        assert_eq!(cseq, known.notify_cseq + 1, "CSeqs of dialog {dialog}");
        known.notify_cseq = cseq;
        known.document.clear();
        let body = find(bytes, b"\r\n\r\n").map_or(&[][..], |at| &bytes[at + 4..]);
        known.document.extend_from_slice(body);
        true
    }

    /// Returns the address answers come to.
    ///
    /// # Panics
    /// If the socket has lost its address.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket")
    }
}

/// Measures how long `run` takes and what process `server` spends on it.
pub fn measured<R>(server: u32, run: impl FnOnce() -> R) -> (R, Duration, Duration) {
    let (before, started) = (super::cost::cpu_time(server), Instant::now());
    let result = run();
    (result, super::cost::cpu_time(server).saturating_sub(before), started.elapsed())
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn value_after(bytes: &[u8], name: &[u8]) -> Option<String> {
    let rest = &bytes[find(bytes, name)? + name.len()..];
    let end = rest.iter().position(|byte| *byte == b'\r').unwrap_or(rest.len());
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}

fn number_after(bytes: &[u8], name: &[u8]) -> Option<usize> {
    let rest = &bytes[find(bytes, name)? + name.len()..];
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}
