//! A socket to the server on which bytes are sent as they are, in one piece or one by one. What comes back is read message by
//! message; NOTIFYs are confirmed, and must be sound.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use tests::message::{Message, frame};
use tests::server::Server;

/// How long to wait for what must come.
const DEADLINE: Duration = Duration::from_secs(10);

/// How a message travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    Udp,
    Tcp,
    /// Every byte by itself.
    TcpInBytes,
}

pub(crate) struct Line {
    way: Way,
    socket: Socket,
    received: Vec<u8>,
}

enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Line {
    pub(crate) fn open(server: &Server, way: Way) -> Self {
        let socket = match way {
            Way::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback UDP socket");
                socket.connect(server.udp_address()).expect("the server's address can be sent to");
                socket.set_read_timeout(Some(DEADLINE)).expect("a bound socket takes options");
                Socket::Udp(socket)
            }
            Way::Tcp | Way::TcpInBytes => {
                let stream = TcpStream::connect(server.tcp_address()).expect("a connection");
                stream.set_nodelay(true).expect("a connected socket takes options");
                stream.set_read_timeout(Some(DEADLINE)).expect("a connected socket takes options");
                stream.set_write_timeout(Some(DEADLINE)).expect("a connected socket takes options");
                Socket::Tcp(stream)
            }
        };
        Self { way, socket, received: Vec::new() }
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        match &self.socket {
            Socket::Tcp(stream) => stream.local_addr(),
            Socket::Udp(socket) => socket.local_addr(),
        }
        .expect("an open socket has an address")
    }

    /// Returns the transport as a Via names it.
    pub(crate) fn transport(&self) -> &'static str {
        if self.way == Way::Udp { "UDP" } else { "TCP" }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let sent = match (&mut self.socket, self.way) {
            (Socket::Udp(socket), _) => socket.send(bytes).map(|_| ()),
            (Socket::Tcp(stream), Way::TcpInBytes) => bytes.iter().try_for_each(|byte| stream.write_all(&[*byte])),
            (Socket::Tcp(stream), _) => stream.write_all(bytes),
        };
        // The server may close before it has read what it does not want; then its last words tell.
        if let Err(error) = sent {
            let is_closed = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
            assert!(self.way != Way::Udp && is_closed, "{error}");
        }
    }

    /// Waits for the next response.
    pub(crate) fn response(&mut self) -> Result<Message, String> {
        loop {
            let message = self.next()?.ok_or("the connection is closed before an answer")?;
            if message.code().is_some() {
                return Ok(message);
            }
            self.confirm(&message)?;
        }
    }

    /// Waits until the server closes.
    pub(crate) fn wait_until_closed(&mut self) -> Result<(), String> {
        match self.next()? {
            None => Ok(()),
            Some(message) => Err(format!("more before the end: {message}")),
        }
    }

    fn confirm(&mut self, notify: &Message) -> Result<(), String> {
        // RFC 3261 §19.1.1: a Request-URI has no headers.
        if notify.method() != Some("NOTIFY") || notify.uri().is_none_or(|uri| uri.contains('?')) {
            return Err(format!("no sound NOTIFY: {notify}"));
        }
        self.send(&Message::response_to(notify, 200).to_bytes());
        Ok(())
    }

    /// Waits for the next message, `None` at the end of a connection.
    fn next(&mut self) -> Result<Option<Message>, String> {
        let mut buffer = vec![0; 65_536];
        loop {
            if let Some(end) = frame(&self.received)? {
                let message: Vec<_> = self.received.drain(..end).collect();
                return Message::parse(&message)
                    .map(Some)
                    .map_err(|error| format!("{error}: {}", message.escape_ascii()));
            }
            let read = match &mut self.socket {
                Socket::Udp(socket) => socket.recv(&mut buffer),
                Socket::Tcp(stream) => stream.read(&mut buffer),
            };
            match read {
                Ok(0) if self.way != Way::Udp => return Ok(None),
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(format!("nothing comes in time: {error}")),
            }
        }
    }
}
