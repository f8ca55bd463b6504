//! Listeners, connections and names: everything that has a descriptor.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket as StdUdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use module_api::sip::via::Via;
use nix::ifaddrs::getifaddrs;
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};

use super::world::{UdpPort, World};
use crate::limits::Limits;
use crate::transport::address::{Peer, Transport};
use crate::transport::flows::{FlowLimits, Flows};
use crate::transport::resolver::{Resolver, written_address};
use crate::transport::tcp::Tcp;
use crate::transport::udp::{UdpCounters, UdpOptions, UdpSocket};

/// One `listen` line, bound.
pub struct Listener {
    /// The transport.
    pub transport: Transport,
    /// The address that others reach it at: the bound one, or, where that is every address, the machine's own.
    pub address: SocketAddr,
    /// Every address it is bound to: more than one where it is bound to all there are.
    pub names: Vec<IpAddr>,
    /// What a UDP listener sends through.
    pub udp: Option<UdpPort>,
    /// The socket of a TCP listener, until somebody accepts on it.
    pub accepting: Mutex<Option<TcpListener>>,
    /// The connections of a TCP listener, once it is served.
    pub tcp: OnceLock<Tcp>,
}

/// All of them.
pub struct Network {
    /// In the order of the `listen` lines: a listener's place is its number everywhere else.
    pub listeners: Vec<Listener>,
    /// Open connections.
    pub flows: Arc<Flows>,
    /// Names to addresses.
    pub resolver: Resolver,
}

impl Listener {
    /// Binds.
    ///
    /// # Errors
    /// The system refuses the address.
    pub fn bind(transport: Transport, address: SocketAddr, limits: &Limits) -> io::Result<Self> {
        let (mut udp, mut accepting) = (None, None);
        let bound = match transport {
            Transport::Udp => {
                let options = UdpOptions { receive_buffer_bytes: limits.receive_buffer_bytes, ..Default::default() };
                let socket = UdpSocket::bind(address, options)?;
                let address = socket.local_address();
                udp = Some(UdpPort::Socket(Arc::new(socket)));
                address
            }
            Transport::Tcp => {
                let socket = bind_tcp(address)?;
                accepting.insert(socket).local_addr()?
            }
        };
        let (address, names) = (SocketAddr::new(reachable(bound.ip()), bound.port()), names(bound.ip()));
        Ok(Self { transport, address, names, udp, accepting: Mutex::new(accepting), tcp: OnceLock::new() })
    }

    /// Makes a listener that is simulated.
    pub fn simulated(transport: Transport, address: SocketAddr, world: Arc<dyn World>) -> Self {
        let names = vec![address.ip()];
        let udp = (transport == Transport::Udp).then_some(UdpPort::Simulated(address, world));
        Self { transport, address, names, udp, accepting: Mutex::default(), tcp: OnceLock::new() }
    }
}

/// As with UDP, an IPv6 socket carries IPv6 alone. The port of a server that has just ended is free at once.
fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connections that wait to be accepted: those of all clients after a restart.
const BACKLOG: i32 = 1024;

/// Returns the addresses that a socket bound to `address` is reached at.
fn names(address: IpAddr) -> Vec<IpAddr> {
    if !address.is_unspecified() {
        return vec![address];
    }
    let of_interface = |interface: nix::ifaddrs::InterfaceAddress| -> Option<IpAddr> {
        let storage = interface.address?;
        let four = storage.as_sockaddr_in().map(|four| four.ip().into());
        four.or_else(|| storage.as_sockaddr_in6().map(|six| six.ip().into()))
    };
    // A system that does not tell its addresses leaves the one that is told to others.
    let interfaces = getifaddrs().into_iter().flatten();
    let same_family = interfaces.filter_map(of_interface).filter(|found| found.is_ipv4() == address.is_ipv4());
    same_family.chain([reachable(address)]).collect()
}

/// Returns the address to tell others instead of "every address": the one that packets to elsewhere would leave from.
fn reachable(address: IpAddr) -> IpAddr {
    if !address.is_unspecified() {
        return address;
    }
    let elsewhere = if address.is_ipv4() { "192.0.2.1:9" } else { "[2001:db8::1]:9" };
    // Connecting a UDP socket sends nothing; it only asks for a route.
    let route = StdUdpSocket::bind((address, 0)).and_then(|socket| {
        socket.connect(elsewhere)?;
        socket.local_addr()
    });
    let loopback = if address.is_ipv4() { [127, 0, 0, 1].into() } else { IpAddr::V6(std::net::Ipv6Addr::LOCALHOST) };
    route.map_or(loopback, |route| route.ip())
}

impl Network {
    /// Takes up bound listeners; names are looked up by `resolver`, and `on_closed` hears of each connection that ends.
    pub fn new(
        listeners: Vec<Listener>,
        resolver: Resolver,
        limits: &Limits,
        on_closed: impl Fn(Peer) + Send + Sync + 'static,
    ) -> Self {
        let limits = FlowLimits {
            connections_max: limits.connections_max,
            connections_per_source_max: limits.connections_per_source_max,
            queue_messages_max: limits.connection_queue_max,
        };
        let flows = Flows::new(limits, on_closed);
        Self { listeners, flows, resolver }
    }

    /// Returns the number of the listener to send from: the one at `local` if it fits, else the first that does.
    pub fn listener_for(&self, transport: Transport, local: Option<SocketAddr>, remote: SocketAddr) -> Option<u32> {
        let fits =
            |listener: &Listener| listener.transport == transport && listener.address.is_ipv4() == remote.is_ipv4();
        let mut fitting = self.listeners.iter().enumerate().filter(|(_, listener)| fits(listener));
        let first = fitting.clone().next();
        let same = fitting.find(|(_, listener)| Some(listener.address) == local);
        same.or(first).map(|(at, _)| at as u32)
    }

    /// Returns what passed through all sockets so far.
    pub(crate) fn counters(&self) -> [(&'static str, u64); 8] {
        let udp = |counter: fn(&UdpCounters) -> &AtomicU64| -> u64 {
            let sockets = self.listeners.iter().filter_map(|listener| listener.udp.as_ref()?.socket());
            sockets.map(|socket| counter(&socket.counters).load(Ordering::Relaxed)).sum()
        };
        let tcp = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let flows = &self.flows.counters;
        [
            ("udp_received_total", udp(|counters| &counters.received)),
            ("udp_truncated_total", udp(|counters| &counters.truncated)),
            ("udp_sent_total", udp(|counters| &counters.sent)),
            ("udp_dropped_total", udp(|counters| &counters.dropped)),
            ("udp_failed_total", udp(|counters| &counters.failed)),
            ("tcp_opened_total", tcp(&flows.opened)),
            ("tcp_refused_total", tcp(&flows.refused)),
            ("tcp_undelivered_total", tcp(&flows.messages_without_flow) + tcp(&flows.messages_without_room)),
        ]
    }

    /// Returns the first of `addresses` that there is a listener to send from.
    pub fn reachable_of(&self, transport: Transport, addresses: &[SocketAddr]) -> Option<SocketAddr> {
        addresses.iter().copied().find(|remote| self.listener_for(transport, None, *remote).is_some())
    }

    /// Returns whether a Via is one that this server writes into its requests.
    pub(crate) fn is_sent_by(&self, via: &Via<'_>) -> bool {
        let host = std::str::from_utf8(via.host).ok().and_then(written_address);
        let is_it = |listener: &Listener| {
            let port = via.port.unwrap_or(listener.transport.default_port());
            host == Some(listener.address.ip()) && port == listener.address.port()
        };
        self.listeners.iter().any(is_it)
    }

    /// Returns every address that this server is reached at.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let of_one = |listener: &'_ Listener| -> Vec<_> {
            listener.names.iter().map(|name| SocketAddr::new(*name, listener.address.port())).collect()
        };
        self.listeners.iter().flat_map(of_one)
    }

    /// Returns listener number `at`.
    pub fn listener(&self, at: u32) -> Option<&Listener> {
        self.listeners.get(at as usize)
    }

    /// Sends a message to `remote` on a TCP connection of listener `local_socket`, a new one if need be.
    pub fn send_tcp(&self, local_socket: u32, remote: SocketAddr, parts: &[&[u8]]) -> Option<Peer> {
        self.listener(local_socket)?.tcp.get()?.send(remote, parts).ok()
    }

    /// Returns the connection of listener `local_socket` to `remote`, a new one if need be.
    pub(crate) fn connection_to(&self, local_socket: u32, remote: SocketAddr) -> Option<Peer> {
        self.listener(local_socket)?.tcp.get()?.connection_to(remote).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(transport: Transport, address: &str) -> Listener {
        Listener::bind(transport, address.parse().unwrap(), &Limits::default()).unwrap()
    }

    #[test]
    fn both_families_share_a_port_and_each_has_its_own_names() {
        for transport in [Transport::Tcp, Transport::Udp] {
            let four = bind(transport, "0.0.0.0:0");
            let six = bind(transport, &format!("[::]:{}", four.address.port()));
            assert!(four.names.contains(&[127, 0, 0, 1].into()) && four.names.iter().all(IpAddr::is_ipv4));
            assert!(six.names.iter().all(IpAddr::is_ipv6));
            assert!([&four, &six].iter().all(|listener| listener.names.contains(&listener.address.ip())));
        }
    }

    #[test]
    fn a_via_is_ours_where_it_names_the_address_and_port_that_a_listener_writes() {
        let listener = bind(Transport::Udp, "127.0.0.1:0");
        let port = listener.address.port();
        let network = Network::new(vec![listener], Resolver::without_names(), &Limits::default(), |_| ());
        let check = |sent_by: String, expected: bool| {
            let value = format!("SIP/2.0/UDP {sent_by};branch=z9hG4bKa");
            assert_eq!(network.is_sent_by(&Via::parse_first(value.as_bytes()).unwrap()), expected, "{value}");
        };
        check(format!("127.0.0.1:{port}"), true);
        check("127.0.0.1".into(), port == 5060);
        check(format!("127.0.0.2:{port}"), false);
        check(format!("127.0.0.1:{}", port ^ 1), false);
        check(format!("localhost:{port}"), false);
    }

    #[test]
    fn a_message_leaves_from_the_listener_asked_for_if_it_can_reach_the_far_end() {
        let listeners = ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"].map(|address| bind(Transport::Udp, address));
        let local = listeners[1].address;
        let network = Network::new(listeners.into(), Resolver::without_names(), &Limits::default(), |_| ());
        let (four, six): (SocketAddr, SocketAddr) =
            ("192.0.2.1:5060".parse().unwrap(), "[2001:db8::1]:5060".parse().unwrap());
        for (transport, local, remote, expected) in [
            (Transport::Udp, None, four, Some(0)),
            (Transport::Udp, Some(local), four, Some(1)),
            (Transport::Udp, Some(local), six, Some(2)),
            (Transport::Tcp, Some(local), four, None),
        ] {
            assert_eq!(network.listener_for(transport, local, remote), expected, "{transport:?} {remote}");
        }
        assert_eq!(network.reachable_of(Transport::Udp, &[six, four]), Some(six));
        assert_eq!(network.reachable_of(Transport::Tcp, &[six, four]), None);
    }
}
