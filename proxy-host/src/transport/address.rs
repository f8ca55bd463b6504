//! Who is at the other end: the addresses that every part of the host passes around.
//!
//! Plain data; never resolves, opens or closes anything.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// How a message travels.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Transport {
    /// TCP (RFC 3261 §18).
    Tcp,
    /// UDP (RFC 3261 §18).
    Udp,
}

impl Transport {
    /// Returns whether the transport itself repeats what is lost, so that no timer has to (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Tcp => true,
            Self::Udp => false,
        }
    }

    /// Returns the port a URI or Via without one means (RFC 3261 §18.1.1).
    pub fn default_port(self) -> u16 {
        5060
    }
}

/// The far end of one message: where it came from, or where it goes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Peer {
    /// How the message travels.
    pub transport: Transport,
    /// The far end's address.
    pub remote: SocketAddr,
    /// The host's own socket: its number in the configuration's `listen` lines.
    pub local_socket: u32,
    /// The connection, or 0 where there is none.
    pub flow: u64,
    /// The machine's address that a datagram came in at, where the host's socket is bound to all of them.
    pub local: Option<IpAddr>,
}

impl Peer {
    /// Returns the peer at `remote`, reached by UDP from the socket `local_socket`.
    pub fn udp(remote: SocketAddr, local_socket: u32) -> Self {
        Self { transport: Transport::Udp, remote, local_socket, flow: 0, local: None }
    }

    /// Returns the same peer, seen at the machine's address `local`.
    pub fn at(self, local: Option<IpAddr>) -> Self {
        Self { local, ..self }
    }

    /// Returns the peer at `remote`, at the other end of the TCP connection `flow`.
    pub fn tcp(remote: SocketAddr, local_socket: u32, flow: u64) -> Self {
        Self { transport: Transport::Tcp, remote, local_socket, flow, local: None }
    }
}

/// Returns what one party can be expected to own whole: an IPv4 address, or an IPv6 /64.
pub(crate) fn source_of(remote: &SocketAddr) -> IpAddr {
    match remote.ip().to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(remote: &str, source: &str) {
        assert_eq!(source_of(&remote.parse().unwrap()), source.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_network() {
        check("192.0.2.1:5060", "192.0.2.1");
        check("[2001:db8:1:2:3:4:5:6]:5060", "2001:db8:1:2::");
        check("[::ffff:192.0.2.1]:5060", "192.0.2.1");
    }
}
