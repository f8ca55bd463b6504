//! Requests of modules on their way out: where to, which Via, a client transaction each (RFC 3261 §8.1.2, §18.1.1).
//!
//! Nothing waits here. What cannot be sent becomes an outcome of 503, delivered by the clock.

use std::hash::Hasher;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use module_api::abi::{Body, OutgoingRequest, Transport as AbiTransport};
use module_api::sip::uri::Uri;
use module_api::sip::writer::via_line;

use super::wire::{ROOM_WAIT, Wire};
use crate::transaction::client_non_invite::{Sent, Token};
use crate::transaction::client_table::{Held, Outgoing, Retransmission};
use crate::transaction::destinations::{Admitted, Settled};
use crate::transaction::table::Outcome;
use crate::transport::address::{Peer, Transport};
use crate::transport::resolver::written_address;
use crate::transport::udp::{Datagram, WhenFull};

/// The most bytes that RFC 3261 §18.1.1 has a request carry over UDP where nobody knows what the path takes.
///
/// A longer one goes out over UDP all the same where nothing asked for TCP, and is counted: a watcher that listens on
/// UDP alone would never hear of it otherwise.
pub(crate) const UDP_BYTES_MAX: usize = 1300;

/// How long what a request says is taken to be so while it waits to be sent.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// A request without its Via, and without the address it goes to.
struct Draft {
    token: Token,
    line: Box<[u8]>,
    headers: Box<[u8]>,
    body: Body,
}

impl Wire {
    /// Sends the requests of module number `module`, each in a transaction of its own.
    pub(crate) fn send_requests(self: &Arc<Self>, module: u32, requests: &[OutgoingRequest<'_>]) {
        let mut ready = Vec::with_capacity(requests.len());
        for request in requests {
            self.send_request(module, request, &mut ready);
        }
        self.send_ready(&ready, WhenFull::Wait(ROOM_WAIT));
    }

    fn send_request(
        self: &Arc<Self>,
        module: u32,
        request: &OutgoingRequest<'_>,
        ready: &mut Vec<Retransmission<Body>>,
    ) {
        let destination = &request.destination;
        let [a, b, c] = request.token;
        let (line, headers) = request.head();
        let body = request.body().clone();
        let draft = Draft { token: [module.into(), a, b, c], line: line.into(), headers: headers.into(), body };
        let local = destination.local.get();
        if let Some(peer) = self.network.flows.peer(destination.flow) {
            return self.on_flow(&draft, peer);
        }
        if let Some(remote) = destination.address.get() {
            let transport = if destination.transport == AbiTransport::TCP { Transport::Tcp } else { Transport::Udp };
            return self.to_address(&draft, transport, remote, local, ready);
        }
        self.to_uri(draft, destination.next_hop(), local, ready);
    }

    fn to_uri(
        self: &Arc<Self>,
        draft: Draft,
        next_hop: &[u8],
        local: Option<SocketAddr>,
        ready: &mut Vec<Retransmission<Body>>,
    ) {
        let Some((transport, host, port)) = target(next_hop) else { return self.fail(draft.token) };
        if let Some(address) = written_address(&host) {
            let remote = SocketAddr::new(address, port.unwrap_or(transport.default_port()));
            return self.to_address(&draft, transport, remote, local, ready);
        }
        let (wire, token) = (Arc::clone(self), draft.token);
        let answer = move |addresses: &[SocketAddr]| match wire.network.reachable_of(transport, addresses) {
            Some(remote) => {
                let mut ready = Vec::new();
                wire.to_address(&draft, transport, remote, local, &mut ready);
                wire.send_ready(&ready, WhenFull::Drop);
            }
            None => wire.fail(draft.token),
        };
        if self.network.resolver.resolve(&host, port, transport, self.now(), Box::new(answer)).is_err() {
            self.fail(token);
        }
    }

    fn to_address(
        &self,
        draft: &Draft,
        transport: Transport,
        remote: SocketAddr,
        local: Option<SocketAddr>,
        ready: &mut Vec<Retransmission<Body>>,
    ) {
        let Some(number) = self.network.listener_for(transport, local, remote) else { return self.fail(draft.token) };
        match transport {
            Transport::Udp => {
                let Some(request) = self.rendered(draft, Peer::udp(remote, number)) else { return };
                if request.sent.head.len() + request.sent.body.len() > UDP_BYTES_MAX {
                    self.long_over_udp.fetch_add(1, Ordering::Relaxed);
                }
                match self.table.admit(request, self.now()) {
                    Admitted::Now(request) => ready.extend(self.begin_admitted(request)),
                    Admitted::Later => {}
                    Admitted::Never(request) => self.put_off(request.token),
                }
            }
            // The transaction knows its connection, so that one that cannot be opened ends it at once.
            Transport::Tcp => match self.network.connection_to(number, remote) {
                Some(peer) => self.on_flow(draft, peer),
                None => self.fail(draft.token),
            },
        }
    }

    fn on_flow(&self, draft: &Draft, peer: Peer) {
        let Some(begun) = self.rendered(draft, peer).and_then(|request| self.begin(request)) else { return };
        if self.network.flows.send(peer.flow, &[&begun.sent.head, &begun.sent.body]).is_err() {
            self.lose(begun.handle);
        }
    }

    /// Sends the requests that had to wait until somebody where they go had answered. One that waited so long that it may
    /// say what is so no more is given back: its user writes another.
    pub(crate) fn send_released(&self, when_full: WhenFull) {
        loop {
            let released = self.table.take_released();
            if released.is_empty() {
                return;
            }
            let now = self.now();
            let (stale, fresh): (Vec<_>, Vec<_>) =
                released.into_iter().partition(|request| now - request.since > FRESH_FOR);
            let ready: Vec<_> = fresh.into_iter().filter_map(|request| self.begin_admitted(request)).collect();
            self.send_ready(&ready, when_full);
            for request in stale {
                // The next one may go in its place.
                self.table.settle(&request.sent.peer, Settled::NotAccepted);
                self.put_off(request.token);
            }
        }
    }

    fn begin_admitted(&self, request: Held<Body>) -> Option<Retransmission<Body>> {
        let peer = request.sent.peer;
        let begun = self.begin(request);
        if begun.is_none() {
            self.table.settle(&peer, Settled::NotAccepted);
        }
        begun
    }

    /// Gives a request its transaction.
    fn begin(&self, request: Held<Body>) -> Option<Retransmission<Body>> {
        let Held { branch, method, sent, token, .. } = request;
        let outgoing = Outgoing { branch: &branch, method: &method, sent: sent.clone(), token };
        match self.table.on_send(outgoing, self.now()) {
            Ok(handle) => Some(Retransmission { handle, sent }),
            Err(_) => {
                self.put_off(token);
                None
            }
        }
    }

    /// Gives a request its Via.
    fn rendered(&self, draft: &Draft, peer: Peer) -> Option<Held<Body>> {
        let listener = self.network.listener(peer.local_socket)?;
        let branch = self.branch();
        let transport = if peer.transport == Transport::Tcp { b"TCP" } else { b"UDP" };
        let mut head = Vec::with_capacity(draft.line.len() + draft.headers.len() + 128);
        head.extend_from_slice(&draft.line);
        via_line(&mut head, transport, listener.address.to_string().as_bytes(), &branch).ok()?;
        head.extend_from_slice(&draft.headers);
        let sent = Sent { peer, head: head.into(), body: draft.body.clone() };
        let method = draft.line.split(|byte| *byte == b' ').next().unwrap_or_default();
        Some(Held { branch, method: method.into(), sent, token: draft.token, since: self.now() })
    }

    /// Sends datagrams that have their transactions, for the first time or again: one system call a socket.
    pub(crate) fn send_ready(&self, ready: &[Retransmission<Body>], when_full: WhenFull) {
        for (number, listener) in self.network.listeners.iter().enumerate() {
            let Some(socket) = &listener.udp else { continue };
            let own: Vec<_> = ready.iter().filter(|one| one.sent.peer.local_socket as usize == number).collect();
            let datagrams: Vec<_> = own
                .iter()
                .map(|one| {
                    let Sent { peer, head, body } = &one.sent;
                    Datagram { remote: peer.remote, local: peer.local, head, body }
                })
                .collect();
            socket.send_batch(&datagrams, when_full, |at, _| self.lose(own[at].handle));
        }
    }

    fn lose(&self, handle: u64) {
        self.outcomes.lock().extend(self.table.on_client_transport_error(handle));
    }

    /// There is no room for a request: its far end has done nothing wrong, and may be told later.
    fn put_off(&self, token: Token) {
        self.outcomes.lock().push(Outcome { token, code: 500 });
    }

    fn fail(&self, token: Token) {
        self.outcomes.lock().push(Outcome { token, code: 503 });
    }

    /// Returns a branch nobody can guess (RFC 3261 §8.1.1.7).
    fn branch(&self) -> [u8; 32] {
        let number = self.branches.fetch_add(1, Ordering::Relaxed);
        let mut branch = *b"z9hG4bK0000000000000000000000000";
        let mut write = |at: usize, mut word: u64| {
            for digit in &mut branch[at..at + 12] {
                *digit = b"0123456789abcdefghijklmnopqrstuv"[(word & 31) as usize];
                word >>= 5;
            }
        };
        let mut hasher = self.branch_secret.clone();
        hasher.write_u64(number);
        write(7, hasher.finish());
        write(19, number);
        branch
    }
}

/// Reads where a URI leads: transport, host, port. A `sips` URI has nowhere to go while there is no TLS.
fn target(next_hop: &[u8]) -> Option<(Transport, String, Option<u16>)> {
    let uri = Uri::parse(next_hop).ok().filter(|uri| uri.is_sip())?;
    if uri.scheme == module_api::sip::uri::Scheme::Sips {
        return None;
    }
    let transport = match uri.transport() {
        Some(name) if name.eq_ignore_ascii_case(b"tcp") => Transport::Tcp,
        Some(name) if name.eq_ignore_ascii_case(b"udp") => Transport::Udp,
        Some(_) => return None,
        None => Transport::Udp,
    };
    let host = uri.params.value(b"maddr").unwrap_or(uri.host);
    Some((transport, String::from_utf8(host.to_vec()).ok()?, uri.port))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use module_api::abi::Destination;

    use super::super::network::Listener;
    use super::super::world::Machine;
    use super::*;
    use crate::limits::Limits;

    const LINE: &str = "NOTIFY sip:w@127.0.0.1 SIP/2.0\r\n";

    fn wire() -> Arc<Wire> {
        let listener = Listener::bind(Transport::Udp, "127.0.0.1:0".parse().unwrap(), &Limits::default()).unwrap();
        Wire::new(vec![listener], &[], 25, Limits::default(), Machine::start()).unwrap()
    }

    /// A NOTIFY of so many bytes, its Via included, leaves over UDP whole, and is counted as long or not.
    fn check(bytes: usize, expected_long: u64) {
        let (wire, watcher) = (wire(), UdpSocket::bind("127.0.0.1:0").unwrap());
        watcher.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        let next_hop = format!("sip:w@{}", watcher.local_addr().unwrap());
        let head = format!("{LINE}\r\n");
        let send = |body: Vec<u8>| {
            let destination = Destination::to_uri(next_hop.as_bytes(), Default::default());
            let request = OutgoingRequest::new([1, 2, 3], destination, head.as_bytes(), LINE.len(), body.into());
            wire.send_requests(0, &[request]);
            let mut received = vec![0; 2000];
            watcher.recv(&mut received).unwrap()
        };
        // Every Via of one listener is equally long.
        let head_bytes = send(Vec::new());
        assert_eq!(send(vec![b'x'; bytes - head_bytes]), bytes);
        assert_eq!(wire.long_over_udp.load(Ordering::Relaxed), expected_long, "{bytes}");
    }

    #[test]
    fn s18_1_1_a_long_request_that_nothing_asked_to_send_over_tcp_is_sent_and_counted() {
        check(UDP_BYTES_MAX, 0);
        check(UDP_BYTES_MAX + 1, 1);
    }

    /// A next hop leads to this transport, host and port, or nowhere.
    fn check_target(next_hop: &str, expected: Option<(Transport, &str, Option<u16>)>) {
        let expected = expected.map(|(transport, host, port)| (transport, host.to_owned(), port));
        assert_eq!(target(next_hop.as_bytes()), expected, "{next_hop}");
    }

    #[test]
    fn a_next_hop_leads_where_its_transport_maddr_and_port_say() {
        check_target("sip:w@192.0.2.1", Some((Transport::Udp, "192.0.2.1", None)));
        check_target("sip:p.example:5070;lr;transport=TCP", Some((Transport::Tcp, "p.example", Some(5070))));
        check_target("sip:w@h.example;maddr=192.0.2.9;transport=udp", Some((Transport::Udp, "192.0.2.9", None)));
        check_target("sip:w@[2001:db8::1]:5062", Some((Transport::Udp, "[2001:db8::1]", Some(5062))));
        for nowhere in ["sips:w@h.example", "sip:w@h.example;transport=tls", "tel:+15550100", "garbage", ""] {
            check_target(nowhere, None);
        }
    }

    #[test]
    fn what_has_nowhere_to_go_is_503_later_and_never_at_once() {
        let wire = wire();
        let destination = Destination::to_uri(b"sips:w@h.example", Default::default());
        let request = OutgoingRequest::new([1, 2, 3], destination, LINE.as_bytes(), LINE.len(), Body::empty());
        wire.send_requests(7, &[request]);
        assert_eq!(*wire.outcomes.lock(), [Outcome { token: [7, 1, 2, 3], code: 503 }]);
    }
}
