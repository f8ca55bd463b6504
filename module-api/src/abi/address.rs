//! Socket addresses and transports as plain data that may cross the ABI.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use abi_stable::StableAbi;

/// How bytes travel: RFC 3261 §18.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, StableAbi)]
pub struct Transport(pub u8);

impl Transport {
    /// No transport known.
    pub const NONE: Self = Self(0);
    /// UDP.
    pub const UDP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(2);

    /// Returns the name a Via header and a `transport` parameter use, in upper case.
    pub fn name(self) -> &'static str {
        match self {
            Self::UDP => "UDP",
            Self::TCP => "TCP",
            _ => "",
        }
    }

    /// Returns whether lost bytes are repeated by the transport itself.
    pub fn is_reliable(self) -> bool {
        self == Self::TCP
    }
}

/// An IP address and port, or nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, StableAbi)]
pub struct SocketAddress {
    ip: [u8; 16],
    scope: u32,
    port: u16,
    family: u8,
    reserved: u8,
}

impl SocketAddress {
    /// No address.
    pub const NONE: Self = Self { ip: [0; 16], scope: 0, port: 0, family: 0, reserved: 0 };

    /// Returns the address, or `None` where there is none.
    pub fn get(self) -> Option<SocketAddr> {
        match self.family {
            4 => Some((Ipv4Addr::new(self.ip[0], self.ip[1], self.ip[2], self.ip[3]), self.port).into()),
            6 => {
                let ip = Ipv6Addr::from(self.ip);
                Some(SocketAddr::V6(std::net::SocketAddrV6::new(ip, self.port, 0, self.scope)))
            }
            _ => None,
        }
    }
}

impl From<SocketAddr> for SocketAddress {
    fn from(address: SocketAddr) -> Self {
        let mut out = Self { port: address.port(), ..Self::NONE };
        match address.ip() {
            IpAddr::V4(ip) => {
                out.family = 4;
                out.ip[..4].copy_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                out.family = 6;
                out.ip = ip.octets();
            }
        }
        if let SocketAddr::V6(v6) = address {
            out.scope = v6.scope_id();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_crossing() {
        for text in ["192.0.2.1:5060", "[2001:db8::1]:5062"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(SocketAddress::from(address).get(), Some(address));
        }
        assert_eq!(SocketAddress::NONE.get(), None);
    }
}
