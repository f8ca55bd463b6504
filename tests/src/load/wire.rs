//! The generator's socket: datagrams in batches, one system call for up to 64, or one connection (RFC 3261 §18).

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use memchr::memmem;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, sendmsg};
use socket2::{Domain, Socket, Type};

use super::text;

const BATCH: usize = 64;
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// A socket with what waits to be sent and what has come.
pub struct Wire {
    link: Link,
    /// What is to be sent, and where each message ends.
    out: Vec<u8>,
    ends: Vec<usize>,
}

enum Link {
    Udp { socket: Socket, server: SocketAddr, buffers: Box<[u8]>, to_receive: Headers, to_send: Headers },
    Tcp { stream: TcpStream, read: Vec<u8> },
}

/// Kept apart for each direction: whoever has sent with them leaves addresses in them that are gone.
type Headers = Box<MultiHeaders<SockaddrStorage>>;

impl Wire {
    /// Talks to `server` by datagrams.
    ///
    /// # Panics
    /// If no socket can be had.
    pub fn udp(server: SocketAddr) -> Self {
        Self::udp_from(Ipv4Addr::LOCALHOST.into(), server)
    }

    /// Talks to `server` by datagrams from `source`, an address of this machine.
    ///
    /// # Panics
    /// If no socket can be had.
    pub fn udp_from(source: IpAddr, server: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), None).expect("a socket");
        // As large as the system allows: a fan-out of 1000 comes in one burst.
        let _ = socket.set_recv_buffer_size(32 << 20);
        let _ = socket.set_send_buffer_size(8 << 20);
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("a port");
        let buffers = vec![0; BATCH * DATAGRAM_BYTES_MAX].into_boxed_slice();
        let [to_receive, to_send] = [(); 2].map(|()| Box::new(MultiHeaders::preallocate(BATCH, None)));
        Self::on(Link::Udp { socket, server, buffers, to_receive, to_send })
    }

    /// Talks to `server` by one connection.
    ///
    /// # Panics
    /// If there is none.
    pub fn tcp(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("the server listens");
        stream.set_nodelay(true).expect("a connection has this option");
        Self::on(Link::Tcp { stream, read: Vec::with_capacity(1 << 20) })
    }

    fn on(link: Link) -> Self {
        Self { link, out: Vec::new(), ends: Vec::new() }
    }

    /// Returns the address answers and requests come to.
    ///
    /// # Panics
    /// If the socket has lost its address.
    pub fn address(&self) -> SocketAddr {
        match &self.link {
            Link::Udp { socket, .. } => socket.local_addr().ok().and_then(|address| address.as_socket()),
            Link::Tcp { stream, .. } => stream.local_addr().ok(),
        }
        .expect("a bound socket")
    }

    /// Returns the token of Via and the `transport` parameter of Contact.
    pub fn transport(&self) -> (&'static str, &'static str) {
        match &self.link {
            Link::Udp { .. } => ("UDP", "udp"),
            Link::Tcp { .. } => ("TCP", "tcp"),
        }
    }

    /// Returns whether a message may be lost on its way.
    pub fn may_lose(&self) -> bool {
        matches!(self.link, Link::Udp { .. })
    }

    /// Has `bytes` sent with the next [`flush`](Self::flush).
    pub fn send(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.ends.push(self.out.len());
    }

    /// Sends what waits.
    ///
    /// # Panics
    /// If the system refuses it.
    pub fn flush(&mut self) {
        match &mut self.link {
            Link::Udp { socket, server, to_send, .. } => {
                let starts = [0].into_iter().chain(self.ends.iter().copied());
                let messages: Vec<_> =
                    starts.zip(&self.ends).map(|(start, end)| [IoSlice::new(&self.out[start..*end])]).collect();
                messages.chunks(BATCH).for_each(|batch| send_all(socket, *server, to_send, batch));
            }
            Link::Tcp { stream, .. } => stream.write_all(&self.out).expect("the connection stands"),
        }
        self.out.clear();
        self.ends.clear();
    }

    /// Sends datagrams that are `each` bytes long and stand behind one another, at once and by one pass through the system for
    /// up to 64 of them.
    ///
    /// # Panics
    /// If the system refuses it, or this is a connection.
    pub fn send_equal(&mut self, datagrams: &[u8], each: usize) {
        let Link::Udp { socket, server, .. } = &self.link else { panic!("a connection has no datagrams") };
        let (to, size) = (SockaddrStorage::from(*server), u16::try_from(each).expect("a datagram is short"));
        let in_one = BATCH.min((DATAGRAM_BYTES_MAX - 100) / each) * each;
        for piece in datagrams.chunks(in_one) {
            let segments = [ControlMessage::UdpGsoSegments(&size)];
            loop {
                match sendmsg(socket.as_raw_fd(), &[IoSlice::new(piece)], &segments, MsgFlags::empty(), Some(&to)) {
                    Ok(_) => break,
                    Err(Errno::EAGAIN) => wait_for_room(socket),
                    Err(Errno::EINTR | Errno::ECONNREFUSED) => {}
                    Err(error) => panic!("nothing can be sent: {error}"),
                }
            }
        }
    }

    /// Waits for something to come, at most so long, and hands over each message of it with what answers go out by.
    ///
    /// # Panics
    /// If the connection ends.
    pub fn receive(&mut self, wait: Duration, mut take: impl FnMut(&[u8], &mut Outbox<'_>)) {
        let mut outbox = Outbox { out: &mut self.out, ends: &mut self.ends };
        match &mut self.link {
            Link::Udp { socket, buffers, to_receive, .. } => {
                if !is_readable(socket, wait) {
                    return;
                }
                let mut pieces: Vec<_> =
                    buffers.chunks_exact_mut(DATAGRAM_BYTES_MAX).map(|buffer| [IoSliceMut::new(buffer)]).collect();
                let lengths: Vec<usize> =
                    match recvmmsg(socket.as_raw_fd(), to_receive, &mut pieces, MsgFlags::MSG_DONTWAIT, None) {
                        Ok(messages) => messages.map(|message| message.bytes).collect(),
                        Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => return,
                        Err(error) => panic!("nothing can be received: {error}"),
                    };
                for (length, buffer) in lengths.into_iter().zip(buffers.chunks_exact(DATAGRAM_BYTES_MAX)) {
                    take(&buffer[..length], &mut outbox);
                }
            }
            Link::Tcp { stream, read } => {
                if !is_readable(stream, wait) {
                    return;
                }
                read_some(stream, read);
                let mut done = 0;
                while let Some(length) = framed(&read[done..]) {
                    take(&read[done..done + length], &mut outbox);
                    done += length;
                }
                read.drain(..done);
            }
        }
    }
}

/// What a message that has come may be answered by; it is sent with the next [`Wire::flush`].
pub struct Outbox<'w> {
    out: &'w mut Vec<u8>,
    ends: &'w mut Vec<usize>,
}

impl Outbox<'_> {
    /// As [`Wire::send`], piece by piece.
    pub fn send<'p>(&mut self, pieces: impl IntoIterator<Item = &'p [u8]>) {
        pieces.into_iter().for_each(|piece| self.out.extend_from_slice(piece));
        self.ends.push(self.out.len());
    }
}

fn send_all(
    socket: &Socket,
    server: SocketAddr,
    headers: &mut MultiHeaders<SockaddrStorage>,
    batch: &[[IoSlice<'_>; 1]],
) {
    let mut sent = 0;
    while sent < batch.len() {
        let rest = &batch[sent..];
        let to = vec![Some(SockaddrStorage::from(server)); rest.len()];
        match sendmmsg(socket.as_raw_fd(), headers, rest, &to, [], MsgFlags::empty()) {
            Ok(results) => sent += results.count(),
            Err(Errno::EAGAIN) => wait_for_room(socket),
            // Refused is what the server's port said to an earlier one: it was restarted.
            Err(Errno::EINTR | Errno::ECONNREFUSED) => {}
            Err(error) => panic!("nothing can be sent: {error}"),
        }
    }
}

fn wait_for_room(socket: &Socket) {
    let mut writable = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    // Whatever comes of it is met by the next attempt.
    let _ = poll(&mut writable, PollTimeout::from(100_u8));
}

fn is_readable(socket: &impl AsFd, wait: Duration) -> bool {
    let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
    let mut readable = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut readable, wait).is_ok_and(|ready| ready > 0)
}

fn read_some(stream: &mut TcpStream, read: &mut Vec<u8>) {
    let begin = read.len();
    read.resize(begin + (1 << 18), 0);
    let length = match stream.read(&mut read[begin..]) {
        Ok(0) => panic!("the server has closed the connection"),
        Ok(length) => length,
        Err(error) if error.kind() == ErrorKind::Interrupted => 0,
        Err(error) => panic!("the connection is lost: {error}"),
    };
    read.truncate(begin + length);
}

/// Returns how long the first message of a stream is, once all of it is there.
fn framed(bytes: &[u8]) -> Option<usize> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let body = text::number_after(&bytes[..head], b"\r\nContent-Length: ").expect("a stream has lengths");
    let length = head + body as usize;
    (bytes.len() >= length).then_some(length)
}
