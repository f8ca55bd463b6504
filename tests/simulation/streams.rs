//! Connections between phones and the server: bytes in order, cut into segments anywhere, until the connection breaks,
//! which the server may notice later than the phone.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use tests::message::Message;

use crate::ground::Sent;
use crate::world::{DELAY_MAX_MS, Event, World};

/// All connections that are open.
#[derive(Debug, Default)]
pub(crate) struct Links {
    open: BTreeMap<u64, Link>,
    last: u64,
}

/// One of them, as the phone and the network have it; the server's end is the server's.
#[derive(Debug)]
struct Link {
    phone: usize,
    /// It is broken, and the server does not know: nothing passes any more.
    is_cut: bool,
    /// What has come to the phone and is no whole message yet.
    inbox: Vec<u8>,
    /// When the last byte arrives, to the server and to the phone: none overtakes another.
    arrives_ms: (u64, u64),
    /// How many bytes the phone sent, and how many of them arrived.
    sent: usize,
    arrived: usize,
    /// Which NOTIFYs are answered once so many bytes have arrived.
    answers: VecDeque<(usize, String)>,
    /// NOTIFYs that left on it.
    told: Vec<String>,
}

impl Links {
    fn open(&mut self, phone: usize) -> u64 {
        self.last += 1;
        let (inbox, answers, told) = (Vec::new(), VecDeque::new(), Vec::new());
        let link = Link { phone, is_cut: false, inbox, arrives_ms: (0, 0), sent: 0, arrived: 0, answers, told };
        self.open.insert(self.last, link);
        self.last
    }

    /// Forgets them: who is dead has none.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }
}

impl World {
    /// Returns the phone at `address`, if it uses connections.
    pub(crate) fn streaming_phone(&self, address: SocketAddr) -> Option<usize> {
        self.phones.iter().position(|phone| phone.address == address && phone.is_streaming)
    }

    /// Lets a phone send a message on its newest connection, or on a new one.
    pub(crate) fn send_on_stream(&mut self, phone: usize, bytes: &[u8]) {
        let of_phone = |(at, link): (&u64, &Link)| (link.phone == phone && !link.is_cut).then_some(*at);
        let known = self.links.open.iter().rev().find_map(of_phone).filter(|_| !self.chance.permille(50));
        let at = match known {
            Some(at) => at,
            None => {
                let at = self.links.open(phone);
                let remote = SocketAddr::new(self.phones[phone].address.ip(), 20_000 + (at % 40_000) as u16);
                if !self.server.as_mut().is_some_and(|server| server.accept(at, remote)) {
                    self.links.open.remove(&at);
                    return;
                }
                self.note(|| format!("connection {at} of phone {phone}"));
                at
            }
        };
        // Keep-alives stand between messages.
        let is_alive = self.chance.permille(100);
        let bytes = if is_alive { [b"\r\n\r\n", bytes].concat() } else { bytes.to_vec() };
        let Some(link) = self.links.open.get_mut(&at) else { return };
        link.sent += bytes.len();
        if bytes.starts_with(b"SIP/2.0 ") || is_alive {
            let branch = Message::parse(bytes.trim_ascii_start()).ok().filter(|it| it.code().is_some());
            link.answers.extend(branch.and_then(|it| it.branch()).map(|branch| (link.sent, branch)));
        }
        for segment in self.segments(bytes) {
            let after_ms = self.stream_delay(at, |link| &mut link.arrives_ms.0);
            self.at(after_ms, Event::StreamToServer { link: at, bytes: segment });
        }
    }

    /// Cuts bytes into segments, anywhere.
    fn segments(&mut self, mut bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let mut segments = Vec::new();
        while bytes.len() > 1 && self.chance.permille(400) {
            let rest = bytes.split_off(self.chance.between(1, bytes.len() as u64 - 1) as usize);
            segments.push(std::mem::replace(&mut bytes, rest));
        }
        segments.push(bytes);
        segments
    }

    fn stream_delay(&mut self, at: u64, arrives: impl Fn(&mut Link) -> &mut u64) -> u64 {
        let is_late = self.chance.permille(self.weather.late_permille / 4);
        let now = self.now_ms();
        let arrives_ms = now + self.chance.between(1, if is_late { DELAY_MAX_MS } else { 20 });
        let Some(link) = self.links.open.get_mut(&at) else { return 1 };
        let last_ms = arrives(link);
        *last_ms = arrives_ms.max(*last_ms);
        *last_ms - now
    }

    /// Brings bytes to the server.
    pub(crate) fn arrive_at_server(&mut self, at: u64, bytes: &[u8]) {
        let Some(link) = self.links.open.get_mut(&at).filter(|link| !link.is_cut) else { return };
        link.arrived += bytes.len();
        while let Some((_, branch)) = link.answers.pop_front_if(|(end, _)| *end <= link.arrived) {
            self.witness.answered(&branch);
        }
        let mut is_followed = true;
        self.serve(|server| is_followed = server.read(at, bytes));
        if !is_followed {
            self.fail(format!("connection {at} cannot be followed any further"));
        }
    }

    /// Brings bytes to a phone.
    pub(crate) fn arrive_at_phone(&mut self, at: u64, bytes: &[u8]) {
        let Some(link) = self.links.open.get_mut(&at).filter(|link| !link.is_cut) else { return };
        link.inbox.extend_from_slice(bytes);
        let (messages, address) = (whole_messages(&mut link.inbox), self.phones[link.phone].address);
        messages.iter().for_each(|message| self.hear(address, message));
    }

    /// Opens what the server wants opened, and takes what it has written.
    pub(crate) fn take_from_streams(&mut self) {
        let wanted = self.server.as_mut().map(|server| server.take_wanted()).unwrap_or_default();
        for connection in wanted {
            let phone = self.streaming_phone(connection.peer().remote);
            let is_deaf = self.weather.late_permille > 0 && self.chance.permille(100);
            if let (Some(phone), Some(server), false) = (phone, &mut self.server, is_deaf) {
                let at = self.links.open(phone);
                server.take_up(at, connection);
                self.note(|| format!("connection {at} to phone {phone}"));
            }
        }
        let written = self.server.as_mut().map(|server| server.take_written()).unwrap_or_default();
        for (at, bytes) in written {
            self.fold(&bytes);
            let Some(link) = self.links.open.get_mut(&at) else { continue };
            if bytes != b"\r\n" {
                let to = self.phones[link.phone].address;
                let message = Message::parse(&bytes).ok().filter(|message| message.code().is_none());
                link.told.extend(message.and_then(|message| message.branch()));
                self.note_sent(&bytes);
                self.see(&Sent { to, bytes: bytes.clone() });
            }
            for segment in self.segments(bytes) {
                let after_ms = self.stream_delay(at, |link| &mut link.arrives_ms.1);
                self.at(after_ms, Event::StreamToAgent { link: at, bytes: segment });
            }
        }
    }

    /// A connection breaks; the server may notice a while later.
    pub(crate) fn break_a_link(&mut self) {
        let open: Vec<_> = self.links.open.iter().filter(|(_, link)| !link.is_cut).map(|(at, _)| *at).collect();
        if open.is_empty() {
            return;
        }
        let at = open[self.chance.index(open.len())];
        self.note(|| format!("connection {at} breaks"));
        self.links.open.get_mut(&at).into_iter().for_each(|link| link.is_cut = true);
        let after_ms = if self.chance.permille(500) { 0 } else { self.chance.below(3000) };
        self.at(after_ms, Event::HangUp(at));
    }

    /// The server notices that a connection is broken.
    pub(crate) fn hang_up(&mut self, at: u64) {
        let Some(link) = self.links.open.remove(&at) else { return };
        // What was under way on it is over, whoever heard it.
        link.told.iter().for_each(|branch| self.witness.answered(branch));
        self.serve(|server| server.hang_up(at));
    }
}

/// Takes whole messages off a stream (RFC 3261 §18.3).
fn whole_messages(inbox: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    loop {
        let begin = inbox.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(inbox.len());
        inbox.drain(..begin);
        let Some(end) = inbox.windows(4).position(|window| window == b"\r\n\r\n") else { return messages };
        let head = String::from_utf8_lossy(&inbox[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.trim().parse().ok());
        let whole = end + 4 + length.unwrap_or(0_usize);
        if inbox.len() < whole {
            return messages;
        }
        messages.push(inbox.drain(..whole).collect());
    }
}
