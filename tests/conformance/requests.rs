//! Requests outside any dialog, what answers them, and a phone that says exactly what a test has it say.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tests::message::Message;
use tests::server::{Options, Server, with_route};
use tests::user_agent::Endpoint;

pub(crate) use crate::scene::{ANN, DANA};

/// The server by the name of its domain.
pub(crate) const HOST: &str = "sip:pres.example";

/// How long a phone waits for what must come.
const DEADLINE: Duration = Duration::from_secs(10);

/// A request of any method to any URI, with a Call-ID and a From-tag of its own.
pub(crate) fn request(method: &str, uri: &str) -> Message {
    let number = unique();
    Message::request(method, uri)
        .with("From", format!("<{ANN}>;tag=f{number}"))
        .with("To", format!("<{uri}>"))
        .with("Call-ID", format!("conformance-{}-{number}", std::process::id()))
        .with("CSeq", format!("1 {method}"))
}

/// A branch that no other request has.
pub(crate) fn branch() -> String {
    format!("z9hG4bKconf{}.{}", std::process::id(), unique())
}

/// Starts the quickstart with another route.
pub(crate) fn server(statements: &str) -> Server {
    Server::start(&with_route("", statements), Options::default())
}

/// Runs a check over UDP and over TCP.
pub(crate) fn over_both(server: &Server, check: impl Fn(&Endpoint)) {
    for endpoint in [Endpoint::udp(server.udp_address()), Endpoint::tcp(server.tcp_address())] {
        check(&endpoint);
        endpoint.finish();
    }
}

/// The transport of an endpoint, as a Via names it.
pub(crate) fn transport(endpoint: &Endpoint) -> &'static str {
    if endpoint.contact("phone").contains("transport=tcp") { "TCP" } else { "UDP" }
}

/// Sends a request and checks the code of its answer.
pub(crate) fn check(endpoint: &Endpoint, request: Message, code: u16) -> Message {
    let response = endpoint.request(request);
    assert_eq!(response.code(), Some(code), "{response}");
    response
}

/// A bare UDP socket: nothing is added to what it sends, and nothing is answered by itself.
pub(crate) struct Phone(UdpSocket);

impl Phone {
    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> Self {
        let socket = UdpSocket::bind(address).expect("a loopback UDP socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a bound socket takes options");
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    pub(crate) fn send(&self, to: SocketAddr, message: &Message) {
        self.send_bytes(to, &message.to_bytes());
    }

    pub(crate) fn send_bytes(&self, to: SocketAddr, bytes: &[u8]) {
        self.0.send_to(bytes, to).expect("the server's address can be sent to");
    }

    /// Waits for the next datagram; returns it and where it came from.
    pub(crate) fn receive(&self) -> (Message, SocketAddr) {
        let mut buffer = vec![0; 65_536];
        let (length, source) = self.0.recv_from(&mut buffer).expect("a message comes in time");
        let message = Message::parse(&buffer[..length]);
        (message.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&buffer[..length]))), source)
    }

    /// Subscribes to Dana's presence with this phone as Contact, on another socket, and returns the first NOTIFY.
    pub(crate) fn watch(&self, server: &Server) -> Message {
        let endpoint = Endpoint::udp(server.udp_address());
        check(&endpoint, self.subscribe_request(), 200);
        endpoint.finish();
        self.receive().0
    }

    /// The SUBSCRIBE that [`Self::watch`] sends, without a Via.
    pub(crate) fn subscribe_request(&self) -> Message {
        request("SUBSCRIBE", DANA)
            .with("Contact", format!("<sip:ann@{}>", self.address()))
            .with("Event", "presence")
            .with("Expires", 600)
    }
}

fn unique() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
