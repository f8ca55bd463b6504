//! Where a response goes, and what its top Via has to say about that (RFC 3261 §18.2.1, §18.2.2; RFC 3581 §4).
//!
//! Pure: resolves no name and sends nothing. What the peer wrote about itself never outweighs where it was seen.

use super::address::{Peer, Transport};
use module_api::sip::via::{Rport, Via};
use std::net::{IpAddr, SocketAddr};

/// The way back to whoever sent a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResponseRoute {
    /// Where the response goes.
    pub destination: Destination,
    /// What is written into its top Via.
    pub stamp: Stamp,
}

/// Where a response goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// To an address, from the socket that the peer names.
    Address(Peer),
    /// On the connection the request came on; where that has ended, on a new one to `or_else`.
    Flow {
        /// The connection.
        peer: Peer,
        /// Where a new connection leads.
        or_else: SocketAddr,
    },
    /// To a name, which has to be resolved first.
    Name {
        /// The name.
        host: Box<str>,
        /// The port there.
        port: u16,
        /// The socket to send from.
        local_socket: u32,
    },
}

/// What a server writes into the top Via: where it saw the request come from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stamp {
    /// The address, where the Via does not tell it truly already, or asks for it.
    pub received: Option<IpAddr>,
    /// The port, where the Via asks for it.
    pub rport: Option<u16>,
}

/// Returns the way back to `source` for a request whose top Via is `via`, or that has none that could be read.
pub fn response_route(via: Option<&Via<'_>>, source: Peer) -> ResponseRoute {
    let Some(via) = via else {
        let destination = match source.transport {
            Transport::Tcp => Destination::Flow { peer: source, or_else: source.remote },
            Transport::Udp => Destination::Address(source),
        };
        return ResponseRoute { destination, stamp: Stamp::default() };
    };
    let sent_by_port = via.port.unwrap_or(source.transport.default_port());
    let destination = match source.transport {
        Transport::Tcp => {
            Destination::Flow { peer: source, or_else: SocketAddr::new(source.remote.ip(), sent_by_port) }
        }
        Transport::Udp => datagram_destination(via, source, sent_by_port),
    };
    ResponseRoute { destination, stamp: stamp(via, source.remote) }
}

/// An unreadable `maddr` is passed over. A multicast one is reached with the system's time-to-live of 1; the Via's
/// own `ttl` is not obeyed, so that nobody can have us reach further.
fn datagram_destination(via: &Via<'_>, source: Peer, sent_by_port: u16) -> Destination {
    let maddr = via.maddr().and_then(|maddr| std::str::from_utf8(maddr).ok());
    let to = |remote| Destination::Address(Peer { remote, ..source });
    match maddr {
        Some(maddr) => match address(maddr.as_bytes()) {
            Some(address) => to(SocketAddr::new(address, sent_by_port)),
            None => Destination::Name { host: maddr.into(), port: sent_by_port, local_socket: source.local_socket },
        },
        // Either `received` was added, or sent-by is the source's own address: it is the same address.
        None if via.rport() == Rport::Absent => to(SocketAddr::new(source.remote.ip(), sent_by_port)),
        None => to(source.remote),
    }
}

fn stamp(via: &Via<'_>, source: SocketAddr) -> Stamp {
    let asked = via.rport() == Rport::Asked;
    let is_told = via.received().is_none() && address(via.host) == Some(source.ip());
    Stamp { received: (asked || !is_told).then(|| source.ip()), rport: asked.then(|| source.port()) }
}

/// Returns the address that `host` is, where it is no name.
fn address(host: &[u8]) -> Option<IpAddr> {
    super::resolver::written_address(std::str::from_utf8(host).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "192.0.2.1:40000";

    fn route(via: &str, source: Peer) -> ResponseRoute {
        response_route(Some(&Via::parse_first(via.as_bytes()).unwrap()), source)
    }

    fn udp(remote: &str) -> Peer {
        Peer::udp(remote.parse().unwrap(), 3)
    }

    /// A request over UDP from `source` with `SIP/2.0/UDP {via}` is answered to `expected`.
    fn check_from(source: &str, via: &str, expected: &str, received: Option<&str>, rport: Option<u16>) {
        let ResponseRoute { destination, stamp } = route(&format!("SIP/2.0/UDP {via};branch=z9hG4bK1"), udp(source));
        assert_eq!(destination, Destination::Address(udp(expected)), "{via}");
        let received = received.map(|address| address.parse().unwrap());
        assert_eq!(stamp, Stamp { received, rport }, "{via}");
    }

    fn check(via: &str, expected: &str, received: Option<&str>, rport: Option<u16>) {
        check_from(SOURCE, via, expected, received, rport);
    }

    #[test]
    fn without_rport_the_response_goes_to_the_port_of_sent_by() {
        check("192.0.2.1:5070", "192.0.2.1:5070", None, None);
        check("192.0.2.1", "192.0.2.1:5060", None, None);
    }

    #[test]
    fn a_name_or_another_address_is_told_where_it_was_seen() {
        check("client.example:5070", "192.0.2.1:5070", Some("192.0.2.1"), None);
        check("10.0.0.1:5070", "192.0.2.1:5070", Some("192.0.2.1"), None);
    }

    #[test]
    fn rport_leads_back_to_the_source_and_brings_received_even_if_equal() {
        check("10.0.0.1:5070;rport", SOURCE, Some("192.0.2.1"), Some(40000));
        check("192.0.2.1:40000;rport", SOURCE, Some("192.0.2.1"), Some(40000));
    }

    #[test]
    fn what_the_peer_claims_to_have_been_seen_as_counts_for_nothing() {
        check("192.0.2.1:5070;received=203.0.113.9", "192.0.2.1:5070", Some("192.0.2.1"), None);
        check("192.0.2.1:5070;rport=9", SOURCE, None, None);
    }

    #[test]
    fn maddr_goes_before_the_source() {
        check("192.0.2.1:5070;maddr=239.1.2.3;ttl=200", "239.1.2.3:5070", None, None);
        check("192.0.2.1;maddr=198.51.100.1;rport", "198.51.100.1:5060", Some("192.0.2.1"), Some(40000));
    }

    #[test]
    fn a_maddr_that_is_a_name_is_resolved_first() {
        let route = route("SIP/2.0/UDP 192.0.2.1:5070;maddr=group.example", udp(SOURCE));
        assert_eq!(route.destination, Destination::Name { host: "group.example".into(), port: 5070, local_socket: 3 });
    }

    #[test]
    fn ipv6_addresses_are_compared_as_addresses() {
        let source = "[2001:db8::1]:40000";
        check_from(source, "[2001:DB8:0::1]:5070", "[2001:db8::1]:5070", None, None);
        check_from(source, "[2001:db8::2]:5070", "[2001:db8::1]:5070", Some("2001:db8::1"), None);
    }

    #[test]
    fn a_stream_is_answered_on_its_connection_and_else_at_sent_by_port() {
        let peer = Peer::tcp(SOURCE.parse().unwrap(), 1, 7);
        let expect = |via: &str, or_else: &str| {
            let or_else = or_else.parse().unwrap();
            assert_eq!(route(via, peer).destination, Destination::Flow { peer, or_else }, "{via}");
        };
        expect("SIP/2.0/TCP client.example;maddr=198.51.100.1", "192.0.2.1:5060");
        expect("SIP/2.0/TCP client.example:5070;rport", "192.0.2.1:5070");
    }

    #[test]
    fn without_a_via_the_response_goes_back_where_the_request_came_from() {
        let route = response_route(None, udp(SOURCE));
        assert_eq!(route, ResponseRoute { destination: Destination::Address(udp(SOURCE)), stamp: Stamp::default() });
    }
}
