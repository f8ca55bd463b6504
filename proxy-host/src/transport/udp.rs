//! Datagram sockets, read and written in batches: one system call for up to `BATCH_MAX` messages (RFC 3261 §18).
//!
//! A message goes out as two pieces, its own head and a body it may share with others, and is never put together.
//! What a datagram says is not looked at.

use super::own_address;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A bound socket that never blocks. Any thread may send; one worker receives.
#[derive(Debug)]
pub struct UdpSocket {
    socket: Socket,
    local: SocketAddr,
    /// What passed through it so far.
    pub counters: UdpCounters,
}

/// How a socket is bound.
#[derive(Clone, Copy, Debug)]
pub struct UdpOptions {
    /// What may wait to be received, as far as the system allows (`net.core.rmem_max`, or anything with `CAP_NET_ADMIN`): a
    /// fan-out to 1000 watchers brings 1000 answers.
    pub receive_buffer_bytes: usize,
    /// What may wait to be sent, as far as the system allows.
    pub send_buffer_bytes: usize,
}

impl Default for UdpOptions {
    fn default() -> Self {
        Self { receive_buffer_bytes: 8 << 20, send_buffer_bytes: 8 << 20 }
    }
}

/// What passed through a socket so far.
#[derive(Debug, Default)]
pub struct UdpCounters {
    /// Datagrams received.
    pub received: AtomicU64,
    /// Datagrams received that were longer than their buffer.
    pub truncated: AtomicU64,
    /// Datagrams handed to the system.
    pub sent: AtomicU64,
    /// Datagrams dropped because the system's queue was full.
    pub dropped: AtomicU64,
    /// Datagrams the system refused: no route, too long, wrong address family.
    pub failed: AtomicU64,
}

/// One message to send.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where to.
    pub remote: SocketAddr,
    /// Which of the machine's addresses it leaves from, where its socket is bound to all and that matters.
    pub local: Option<IpAddr>,
    /// Its beginning.
    pub head: &'a [u8],
    /// The rest, perhaps empty, perhaps that of many messages.
    pub body: &'a [u8],
}

/// What to do with messages for which the system's queue has no room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhenFull {
    /// Drop them: the sender's timers repeat them. For workers, which never wait.
    Drop,
    /// Wait for room, each time at most this long.
    Wait(Duration),
}

/// The most messages in one system call.
pub const BATCH_MAX: usize = 64;
/// The most bytes of one datagram.
pub const DATAGRAM_BYTES_MAX: usize = 64 * 1024;

impl UdpSocket {
    /// Binds a socket to `address`; an IPv6 socket carries IPv6 alone, so that no address has two spellings.
    pub fn bind(address: SocketAddr, options: UdpOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Past what the system allows everybody, if this process may go there.
        if setsockopt(&socket, sockopt::RcvBufForce, &options.receive_buffer_bytes).is_err() {
            socket.set_recv_buffer_size(options.receive_buffer_bytes)?;
        }
        socket.set_send_buffer_size(options.send_buffer_bytes)?;
        socket.bind(&address.into())?;
        own_address::ask(&socket, address)?;
        let local = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok(Self { socket, local, counters: UdpCounters::default() })
    }

    /// Returns the address it is bound to, with the port the system chose where 0 was asked for.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Returns how many bytes may in fact wait to be received.
    pub fn receive_buffer_bytes(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// Sends `datagrams` in order, and tells `failed` the place of each that the system refused.
    ///
    /// A dropped datagram is one the network lost, and is counted only; a refused one is a transport error
    /// (RFC 3261 §18.4). Returns how many were sent.
    pub fn send_batch(
        &self,
        datagrams: &[Datagram<'_>],
        full: WhenFull,
        mut failed: impl FnMut(usize, Errno),
    ) -> usize {
        let (mut next, mut sent) = (0, 0);
        while next < datagrams.len() {
            let rest = &datagrams[next..];
            match self.send_some(&rest[..rest.len().min(BATCH_MAX)]) {
                Ok(count) => (next, sent) = (next + count, sent + count),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if self.wait_for_room(full) => {}
                Err(Errno::EAGAIN) => {
                    self.counters.dropped.fetch_add(rest.len() as u64, Ordering::Relaxed);
                    break;
                }
                Err(Errno::ENOBUFS) => {
                    self.counters.dropped.fetch_add(1, Ordering::Relaxed);
                    next += 1;
                }
                Err(error) => {
                    self.counters.failed.fetch_add(1, Ordering::Relaxed);
                    failed(next, error);
                    next += 1;
                }
            }
        }
        self.counters.sent.fetch_add(sent as u64, Ordering::Relaxed);
        sent
    }

    /// Sends the first of `datagrams`, and as many after it as leave from the same address and go without an error.
    fn send_some(&self, datagrams: &[Datagram<'_>]) -> nix::Result<usize> {
        let local = datagrams.first().and_then(|first| first.local);
        let count = datagrams.iter().take_while(|datagram| datagram.local == local).count();
        let datagrams = &datagrams[..count];
        // As many as there are: an address is large, and room for a whole batch would be moved about for a lone answer.
        let pieces: Vec<_> = datagrams.iter().map(|it| [IoSlice::new(it.head), IoSlice::new(it.body)]).collect();
        let remotes: Vec<_> = datagrams.iter().map(|it| Some(SockaddrStorage::from(it.remote))).collect();
        own_address::from(local, count, |headers, source| {
            let fd = self.socket.as_raw_fd();
            Ok(sendmmsg(fd, headers, &pieces, &remotes, source, MsgFlags::empty())?.count())
        })
    }

    fn wait_for_room(&self, full: WhenFull) -> bool {
        let WhenFull::Wait(patience) = full else { return false };
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        let mut writable = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
        matches!(poll(&mut writable, patience), Ok(1) | Err(Errno::EINTR))
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The buffers of one worker for one socket, and the datagrams of the last batch in them.
pub struct ReceiveBatch {
    buffers: Box<[u8]>,
    headers: MultiHeaders<SockaddrStorage>,
    arrived: Vec<Arrival>,
}

struct Arrival {
    remote: SocketAddr,
    local: Option<IpAddr>,
    length: usize,
    truncated: bool,
}

/// One datagram as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Where it came from.
    pub remote: SocketAddr,
    /// At which of the machine's addresses it came in, where its socket is bound to all.
    pub local: Option<IpAddr>,
    /// What it holds.
    pub bytes: &'a [u8],
    /// Whether it was longer than its buffer, so that its end is missing.
    pub truncated: bool,
}

impl ReceiveBatch {
    /// Makes room for [`BATCH_MAX`] datagrams of any length from `socket`; memory that none fills is never touched.
    pub fn new(socket: &UdpSocket) -> Self {
        Self {
            buffers: vec![0; BATCH_MAX * DATAGRAM_BYTES_MAX].into_boxed_slice(),
            headers: own_address::headers_for(socket.local, BATCH_MAX),
            arrived: Vec::with_capacity(BATCH_MAX),
        }
    }

    /// Receives what waits at `socket`, in place of the last batch. Fails with `WouldBlock` where nothing does.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.arrived.clear();
        let mut buffers = self.buffers.chunks_exact_mut(DATAGRAM_BYTES_MAX);
        let mut pieces: [[IoSliceMut<'_>; 1]; BATCH_MAX] =
            std::array::from_fn(|_| [IoSliceMut::new(buffers.next().unwrap_or_default())]);
        let results = recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut pieces, MsgFlags::MSG_DONTWAIT, None)?;
        self.arrived.extend(results.map(|message| Arrival {
            // Only an address of the socket's own family can be the source; any other is answered by nobody.
            remote: message.address.as_ref().and_then(socket_address).unwrap_or(NOWHERE),
            local: own_address::arrived_at(&message),
            length: message.bytes,
            truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
        }));
        let truncated = self.arrived.iter().filter(|arrival| arrival.truncated).count();
        socket.counters.received.fetch_add(self.arrived.len() as u64, Ordering::Relaxed);
        socket.counters.truncated.fetch_add(truncated as u64, Ordering::Relaxed);
        Ok(self.arrived.len())
    }

    /// Returns the datagrams of the last batch, in order.
    pub fn datagrams(&self) -> impl Iterator<Item = Received<'_>> {
        self.arrived.iter().zip(self.buffers.chunks_exact(DATAGRAM_BYTES_MAX)).map(|(arrival, buffer)| Received {
            remote: arrival.remote,
            local: arrival.local,
            bytes: &buffer[..arrival.length.min(buffer.len())],
            truncated: arrival.truncated,
        })
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some(SocketAddr::V4(SocketAddrV4::from(*v4))),
        (_, Some(v6)) => Some(SocketAddr::V6(SocketAddrV6::from(*v6))),
        _ => None,
    }
}

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::watch::{Stop, Watch};

    fn bind(address: &str) -> UdpSocket {
        UdpSocket::bind(address.parse().unwrap(), UdpOptions::default()).unwrap()
    }

    /// Receives `count` datagrams, waiting for each batch.
    fn receive(socket: &UdpSocket, count: usize) -> Vec<(SocketAddr, Vec<u8>, bool)> {
        receive_with(socket, count, |it| (it.remote, it.bytes.to_vec(), it.truncated))
    }

    fn receive_with<T>(socket: &UdpSocket, count: usize, take: impl Fn(Received<'_>) -> T) -> Vec<T> {
        let (mut batch, mut all) = (ReceiveBatch::new(socket), Vec::new());
        let mut watch = Watch::new([socket], &Stop::new().unwrap()).unwrap();
        while all.len() < count {
            watch.wait(None).unwrap();
            batch.receive(socket).unwrap();
            all.extend(batch.datagrams().map(&take));
        }
        all
    }

    /// Sends heads of all lengths with one shared body over `address`, and finds them whole and in order.
    fn check(address: &str, count: usize, body: &[u8]) {
        let (from, to) = (bind(address), bind(address));
        let heads: Vec<Vec<u8>> = (0..count).map(|n| vec![b'h'; n]).collect();
        let datagram = |head| Datagram { remote: to.local_address(), local: None, head, body };
        let datagrams: Vec<_> = heads.iter().map(|head| datagram(head)).collect();
        let sent =
            from.send_batch(&datagrams, WhenFull::Wait(Duration::from_secs(5)), |at, error| panic!("{at}: {error}"));
        assert_eq!(sent, count);
        for (head, (remote, bytes, truncated)) in heads.iter().zip(receive(&to, count)) {
            assert_eq!((remote, truncated), (from.local_address(), false));
            assert_eq!(bytes, [head, body].concat());
        }
    }

    #[test]
    fn a_batch_larger_than_one_call_arrives_whole_and_in_order() {
        check("127.0.0.1:0", 150, b"shared body");
        check("127.0.0.1:0", 2, b"");
    }

    #[test]
    fn ipv6_works_as_ipv4_does() {
        // A machine without IPv6 has nothing to promise here.
        if std::net::UdpSocket::bind("[::1]:0").is_err() {
            return;
        }
        check("[::1]:0", 3, b"body");
    }

    #[test]
    fn the_longest_datagram_is_not_truncated() {
        check("127.0.0.1:0", 1, &vec![b'x'; 65_507]);
    }

    #[test]
    fn a_refused_datagram_is_named_and_the_others_go_out() {
        let (from, to) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        let too_long = vec![b'x'; 65_508];
        let datagram = |body| Datagram { remote: to.local_address(), local: None, head: b"", body };
        let datagrams = [datagram(b"first" as &[u8]), datagram(&too_long), datagram(b"last")];
        let mut refused = Vec::new();
        let sent = from.send_batch(&datagrams, WhenFull::Drop, |at, error| refused.push((at, error)));
        assert_eq!((sent, refused), (2, vec![(1, Errno::EMSGSIZE)]));
        let bodies: Vec<_> = receive(&to, 2).into_iter().map(|(_, bytes, _)| bytes).collect();
        assert_eq!(bodies, [b"first".to_vec(), b"last".to_vec()]);
        assert_eq!(from.counters.failed.load(Ordering::Relaxed), 1);
    }

    /// Datagrams to the machine's `addresses` reach a socket bound to `any`, and each is answered from the address it was
    /// sent to.
    fn check_any(any: &str, addresses: &[&str]) {
        let server = bind(&format!("{any}:0"));
        let client = bind(&format!("{}:0", addresses[0]));
        let at = |address: &str| format!("{address}:{}", server.local_address().port()).parse().unwrap();
        let send = |from: &UdpSocket, datagrams: &[Datagram<'_>]| {
            let sent = from.send_batch(datagrams, WhenFull::Drop, |at, error| panic!("{at}: {error}"));
            assert_eq!(sent, datagrams.len());
        };
        let asked: Vec<SocketAddr> = addresses.iter().map(|address| at(address)).collect();
        let datagram = |remote: &SocketAddr, local| Datagram { remote: *remote, local, head: b"?", body: b"" };
        for _ in 0..2 {
            send(&client, &asked.iter().map(|remote| datagram(remote, None)).collect::<Vec<_>>());
        }
        let arrived = receive_with(&server, 2 * asked.len(), |it| (it.remote, it.local));
        let answers: Vec<_> = arrived.iter().map(|(remote, local)| datagram(remote, *local)).collect();
        send(&server, &answers);
        let sources = receive_with(&client, answers.len(), |it| it.remote);
        assert_eq!(sources, [asked.as_slice(), asked.as_slice()].concat());
    }

    #[test]
    fn an_answer_leaves_from_the_address_its_request_came_to() {
        check_any("0.0.0.0", &["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.2"]);
        if std::net::UdpSocket::bind("[::1]:0").is_ok() {
            check_any("[::]", &["[::1]"]);
        }
    }

    #[test]
    fn an_empty_socket_would_block() {
        let socket = bind("127.0.0.1:0");
        let error = ReceiveBatch::new(&socket).receive(&socket).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
