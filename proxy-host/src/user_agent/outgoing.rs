//! Requests of modules on their way out: where to, which Via, a client transaction each (RFC 3261 §8.1.2, §18.1.1).
//!
//! Nothing waits here. What cannot be sent becomes an outcome of 503, delivered by the clock.

use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use module_api::abi::{Body, OutgoingRequest, Transport as AbiTransport};
use module_api::sip::uri::Uri;
use module_api::sip::writer::via_line;

use super::wire::{ROOM_WAIT, Wire};
use crate::transaction::client_non_invite::{Sent, Token};
use crate::transaction::client_table::{Outgoing, Retransmission};
use crate::transaction::table::Outcome;
use crate::transport::address::{Peer, Transport};
use crate::transport::resolver::written_address;
use crate::transport::udp::{Datagram, WhenFull};

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
            Transport::Udp => ready.extend(self.begin(draft, Peer::udp(remote, number))),
            // The transaction knows its connection, so that one that cannot be opened ends it at once.
            Transport::Tcp => match self.network.connection_to(number, remote) {
                Some(peer) => self.on_flow(draft, peer),
                None => self.fail(draft.token),
            },
        }
    }

    fn on_flow(&self, draft: &Draft, peer: Peer) {
        let Some(begun) = self.begin(draft, peer) else { return };
        if self.network.flows.send(peer.flow, &[&begun.sent.head, &begun.sent.body]).is_err() {
            self.lose(begun.handle);
        }
    }

    /// Gives a request its Via and its transaction.
    fn begin(&self, draft: &Draft, peer: Peer) -> Option<Retransmission<Body>> {
        let listener = self.network.listener(peer.local_socket)?;
        let branch = self.branch();
        let transport = if peer.transport == Transport::Tcp { b"TCP" } else { b"UDP" };
        let mut head = Vec::with_capacity(draft.line.len() + draft.headers.len() + 128);
        head.extend_from_slice(&draft.line);
        via_line(&mut head, transport, listener.address.to_string().as_bytes(), &branch).ok()?;
        head.extend_from_slice(&draft.headers);
        let sent = Sent { peer, head: head.into(), body: draft.body.clone() };
        let method = draft.line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let outgoing = Outgoing { branch: &branch, method, sent: sent.clone(), token: draft.token };
        match self.table.on_send(outgoing, self.now()) {
            Ok(handle) => Some(Retransmission { handle, sent }),
            Err(_) => {
                self.fail(draft.token);
                None
            }
        }
    }

    /// Sends datagrams that have their transactions, for the first time or again: one system call a socket.
    pub(crate) fn send_ready(&self, ready: &[Retransmission<Body>], when_full: WhenFull) {
        for (number, listener) in self.network.listeners.iter().enumerate() {
            let Some(socket) = &listener.udp else { continue };
            let own: Vec<_> = ready.iter().filter(|one| one.sent.peer.local_socket as usize == number).collect();
            let datagrams: Vec<_> = own
                .iter()
                .map(|one| Datagram { remote: one.sent.peer.remote, head: &one.sent.head, body: &one.sent.body })
                .collect();
            socket.send_batch(&datagrams, when_full, |at, _| self.lose(own[at].handle));
        }
    }

    fn lose(&self, handle: u64) {
        self.outcomes.lock().extend(self.table.on_client_transport_error(handle));
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
        write(7, self.branch_secret.hash_one(number));
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
