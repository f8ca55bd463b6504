//! Stream connections over TCP: accepted ones, and those opened because something is to be sent (RFC 3261 §18).
//!
//! One task a connection reads, frames and writes; what a message means is its `StreamHandler`'s business. Nobody
//! ever waits for a connection: `flows.rs` holds a bounded queue into each from the moment it is wanted.

use super::address::{Peer, Transport};
use super::flows::{Flows, Found, Refused, Registration, Undelivered};
use super::framing::{Broken, Frame, Framer};
use nix::errno::Errno;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::select;
use tokio::sync::mpsc::Receiver;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

/// What the host does with what comes in on a stream.
pub trait StreamHandler: Send + Sync + 'static {
    /// Takes one whole message. Must not block.
    fn on_message(&self, peer: Peer, message: &[u8]);

    /// Returns whether more may be read from `peer` at present; it is asked again in a moment.
    fn has_room(&self, peer: Peer) -> bool;

    /// Returns the last words to a peer whose stream cannot be followed, with what could be read of its message.
    fn on_broken(&self, peer: Peer, broken: Broken, head: &[u8]) -> Option<Vec<u8>>;
}

/// How long the host is patient with a connection.
#[derive(Clone, Copy, Debug)]
pub struct TcpTimeouts {
    /// Until a connection that the host opens is there.
    pub connect: Duration,
    /// From one message or keep-alive of the peer to the next.
    pub idle: Duration,
    /// From a message's first byte to its last.
    pub message: Duration,
    /// Until the peer has taken one message, and after the last words, until it has closed.
    pub write: Duration,
}

impl Default for TcpTimeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), idle: seconds(3600), message: seconds(10), write: seconds(32) }
    }
}

/// The stream side of one of the host's `listen` lines.
#[derive(Clone)]
pub struct Tcp {
    /// The registry all connections are in.
    pub flows: Arc<Flows>,
    /// What takes the messages.
    pub handler: Arc<dyn StreamHandler>,
    /// The number of the `listen` line.
    pub local_socket: u32,
    /// Who runs the connections.
    pub runner: Runner,
    /// How long to be patient.
    pub timeouts: TcpTimeouts,
    /// Bytes of one message.
    pub message_bytes_max: usize,
}

/// Who runs connections.
#[derive(Clone)]
pub enum Runner {
    /// A task each.
    Runtime(Handle),
    /// Whoever steps the server by hand: here are those that it wants opened.
    Steps(Arc<Mutex<Vec<Registration>>>),
}

impl Tcp {
    /// Accepts connections until the listener fails for good. A connection past a limit is closed at once.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => self.accepted(stream, remote),
                Err(error) if is_of_one_connection(&error) => {}
                // No descriptor is left: those that close give some back.
                Err(error) if is_out_of_descriptors(&error) => tokio::time::sleep(ACCEPT_AGAIN).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a message, given in parts, to `remote`: on the newest connection there, or on one opened for it.
    ///
    /// Never waits. Where the connection cannot be opened, the registry tells that the flow has closed.
    pub fn send(&self, remote: SocketAddr, parts: &[&[u8]]) -> Result<Peer, SendRefused> {
        let peer = self.connection_to(remote).map_err(SendRefused::Refused)?;
        self.flows.send(peer.flow, parts).map_err(SendRefused::Undelivered)?;
        Ok(peer)
    }

    /// Returns the newest connection to `remote`, or begins to open one. Never waits, as [`Tcp::send`].
    pub fn connection_to(&self, remote: SocketAddr) -> Result<Peer, Refused> {
        let found = self.flows.find_or_register(Transport::Tcp, remote, self.local_socket)?;
        Ok(match found {
            Found::Open(peer) => peer,
            Found::New(registration) => self.open(registration),
        })
    }

    fn accepted(&self, stream: TcpStream, remote: SocketAddr) {
        let Runner::Runtime(runtime) = &self.runner else { return };
        if let Ok(registration) = self.flows.register(Transport::Tcp, remote, self.local_socket) {
            runtime.spawn(connection(stream, registration, self.clone()));
        }
    }

    fn open(&self, registration: Registration) -> Peer {
        let (peer, tcp) = (registration.peer(), self.clone());
        let runtime = match &self.runner {
            Runner::Runtime(runtime) => runtime,
            Runner::Steps(wanted) => {
                wanted.lock().push(registration);
                return peer;
            }
        };
        runtime.spawn(async move {
            if let Ok(Ok(stream)) = timeout(tcp.timeouts.connect, TcpStream::connect(peer.remote)).await {
                connection(stream, registration, tcp).await;
            }
        });
        peer
    }
}

/// Why a message is not on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SendRefused {
    /// No connection may be opened.
    Refused(Refused),
    /// The connection takes no more.
    Undelivered(Undelivered),
}

/// A connection without its task: whoever holds it brings what is read and takes what is to be written. Dropped, it has
/// ended.
pub struct SteppedConnection {
    registration: Registration,
    outgoing: Receiver<Vec<u8>>,
    framer: Framer,
    tcp: Tcp,
}

impl SteppedConnection {
    /// Begins one of those that nobody runs yet.
    pub(crate) fn new(mut registration: Registration, tcp: &Tcp) -> Option<Self> {
        let outgoing = registration.take_outgoing()?;
        Some(Self { registration, outgoing, framer: Framer::new(tcp.message_bytes_max), tcp: tcp.clone() })
    }

    /// Returns the far end.
    pub fn peer(&self) -> Peer {
        self.registration.peer()
    }

    /// Takes in what was read, and returns whether the stream can be followed any further.
    pub fn read(&mut self, bytes: &[u8]) -> bool {
        self.framer.push(bytes);
        loop {
            match hand_over(&mut self.framer, self.registration.peer(), &self.tcp) {
                Progress::Broken => return false,
                Progress::Frames | Progress::NoFrame => return true,
                Progress::More => {}
            }
        }
    }

    /// Returns what is to be written next.
    pub fn next_outgoing(&mut self) -> Option<Vec<u8>> {
        self.outgoing.try_recv().ok()
    }
}

async fn connection(stream: TcpStream, mut registration: Registration, tcp: Tcp) {
    let Some(outgoing) = registration.take_outgoing() else { return };
    // Messages are written whole, so there is nothing to gather. A socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let mut write = pin!(write_queued(outgoing, writer, tcp.timeouts.write));
    let ending = select! {
        // What was answered goes out before more is read: who sends much at once and reads loses none of it.
        biased;
        _ = &mut write => return,
        ending = read_messages(&reader, registration.peer(), &tcp) => ending,
    };
    match ending {
        Ending::AfterQueue => {
            registration.close();
            let closing = async { linger(&reader, write.await).await };
            // Whether the peer has seen everything or not, it had its time.
            let _ = timeout(tcp.timeouts.write, closing).await;
        }
        Ending::AtOnce => {}
    }
}

enum Ending {
    /// What is queued still goes out.
    AfterQueue,
    AtOnce,
}

/// Hands over messages until the peer closes, is silent too long, or cannot be followed any further.
async fn read_messages(reader: &OwnedReadHalf, peer: Peer, tcp: &Tcp) -> Ending {
    let mut framer = Framer::new(tcp.message_bytes_max);
    let mut deadline = Instant::now() + tcp.timeouts.idle;
    loop {
        select! {
            ready = reader.readable() => if ready.is_err() { return Ending::AtOnce },
            () = sleep_until(deadline) => return Ending::AtOnce,
        }
        while !tcp.handler.has_room(peer) {
            // What the peer sends meanwhile fills its connection, and slows it down.
            tokio::time::sleep(READ_AGAIN).await;
            deadline = deadline.max(Instant::now() + tcp.timeouts.message);
        }
        match read_some(reader, |bytes| framer.push(bytes)) {
            Ok(0) => return Ending::AfterQueue,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return Ending::AtOnce,
        }
        let was_inside_message = framer.is_inside_message();
        let mut progress = hand_over(&mut framer, peer, tcp);
        while matches!(progress, Progress::More) {
            yield_now().await;
            progress = hand_over(&mut framer, peer, tcp);
        }
        match progress {
            Progress::Broken => return Ending::AfterQueue,
            // The rest of a message is owed from its first bytes on, however slowly it drips.
            Progress::NoFrame if was_inside_message => {}
            Progress::Frames | Progress::More | Progress::NoFrame => {
                let patience = if framer.is_inside_message() { tcp.timeouts.message } else { tcp.timeouts.idle };
                deadline = Instant::now() + patience;
            }
        }
        yield_now().await;
    }
}

enum Progress {
    Broken,
    Frames,
    /// There may be more of them.
    More,
    NoFrame,
}

fn hand_over(framer: &mut Framer, peer: Peer, tcp: &Tcp) -> Progress {
    let mut progress = Progress::NoFrame;
    for _ in 0..FRAMES_AT_ONCE_MAX {
        match framer.next_frame() {
            Frame::Broken(broken, head) => {
                if let Some(last_words) = tcp.handler.on_broken(peer, broken, head) {
                    // A peer that has let its queue fill up goes without.
                    let _ = tcp.flows.send(peer.flow, &[&last_words]);
                }
                return Progress::Broken;
            }
            Frame::Incomplete => return progress,
            Frame::KeepAlive => {
                // A peer that asks and does not read loses answers, and nothing else.
                let _ = tcp.flows.send(peer.flow, &[b"\r\n"]);
            }
            Frame::Message(message) => tcp.handler.on_message(peer, message),
        }
        progress = Progress::Frames;
    }
    Progress::More
}

/// Writes what is queued, until the peer takes no more (`None`) or nobody can queue anything any more.
async fn write_queued(
    mut outgoing: Receiver<Vec<u8>>,
    mut writer: OwnedWriteHalf,
    patience: Duration,
) -> Option<OwnedWriteHalf> {
    while let Some(message) = outgoing.recv().await {
        timeout(patience, writer.write_all(&message)).await.ok()?.ok()?;
    }
    Some(writer)
}

/// Closes our side, and reads past what the peer still sends: a socket closed over unread bytes is reset, and the
/// last words with it.
async fn linger(reader: &OwnedReadHalf, writer: Option<OwnedWriteHalf>) {
    let Some(writer) = writer else { return };
    drop(writer);
    while reader.readable().await.is_ok() {
        match read_some(reader, |_| ()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn read_some(reader: &OwnedReadHalf, take: impl FnOnce(&[u8])) -> io::Result<usize> {
    READ_BUFFER.with_borrow_mut(|buffer| {
        let count = reader.try_read(buffer)?;
        take(&buffer[..count]);
        Ok(count)
    })
}

/// Returns whether `error` is about the connection that would have been accepted, and not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM]
        .iter()
        .any(|it| error.raw_os_error() == Some(*it as i32))
}

/// How soon accepting is tried again when no descriptor is left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// How soon a source that has its share under way is looked at again.
const READ_AGAIN: Duration = Duration::from_millis(2);
/// Messages of one connection that are handed over before their answers are written: as many as the shortest queue holds.
const FRAMES_AT_ONCE_MAX: usize = 8;
const READ_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// What is read passes through here to its connection's framer: a quiet connection owns no buffer.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into_boxed_slice());
}

#[cfg(test)]
mod tests {
    use super::super::flows::FlowLimits;
    use super::*;
    use std::future::Future;
    use tokio::io::{AsyncRead, AsyncReadExt};
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    #[derive(Debug, Eq, PartialEq)]
    enum Event {
        Broken(Broken),
        Closed(u64),
        Message(u64, String),
    }

    /// Where events go, and whether there is no room for more of them.
    struct Recorder(UnboundedSender<Event>, Arc<std::sync::atomic::AtomicBool>);

    impl StreamHandler for Recorder {
        fn on_message(&self, peer: Peer, message: &[u8]) {
            self.0.send(Event::Message(peer.flow, String::from_utf8_lossy(message).into_owned())).unwrap();
        }

        fn has_room(&self, _: Peer) -> bool {
            !self.1.load(std::sync::atomic::Ordering::Relaxed)
        }

        fn on_broken(&self, _: Peer, broken: Broken, head: &[u8]) -> Option<Vec<u8>> {
            self.0.send(Event::Broken(broken)).unwrap();
            Some([b"refused: ", head].concat())
        }
    }

    struct Side {
        tcp: Tcp,
        events: UnboundedReceiver<Event>,
        address: SocketAddr,
        is_full: Arc<std::sync::atomic::AtomicBool>,
    }

    /// Starts a listener on the loopback interface.
    async fn side(timeouts: TcpTimeouts, limits: FlowLimits) -> Side {
        let (events, received) = unbounded_channel();
        let closed = events.clone();
        let flows = Flows::new(limits, move |peer| _ = closed.send(Event::Closed(peer.flow)));
        let is_full = Arc::default();
        let handler = Arc::new(Recorder(events, Arc::clone(&is_full)));
        let tcp = Tcp {
            flows,
            handler,
            local_socket: 0,
            runner: Runner::Runtime(Handle::current()),
            timeouts,
            message_bytes_max: 65_536,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tcp.clone();
        tokio::spawn(async move { serving.serve(listener).await });
        Side { tcp, events: received, address, is_full }
    }

    /// Runs `test`, which may wait for events: that none comes fails it.
    fn check(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { timeout(Duration::from_secs(20), test).await.expect("an event that never came") });
    }

    async fn read_to_end(mut stream: impl AsyncRead + Unpin) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    fn message(flow: u64, text: &str) -> Option<Event> {
        Some(Event::Message(flow, text.to_owned()))
    }

    const OPTIONS: &str = "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n";

    #[test]
    fn messages_come_in_and_answers_go_back_on_the_same_connection() {
        check(async {
            let mut server = side(TcpTimeouts::default(), FlowLimits::default()).await;
            let mut client = TcpStream::connect(server.address).await.unwrap();
            client.write_all(format!("\r\n\r\n{OPTIONS}{OPTIONS}").as_bytes()).await.unwrap();
            assert_eq!(server.events.recv().await, message(1, OPTIONS));
            assert_eq!(server.events.recv().await, message(1, OPTIONS));
            assert_eq!(server.tcp.flows.send(1, &[b"answer ", b"body"]), Ok(()));
            client.shutdown().await.unwrap();
            assert_eq!(read_to_end(client).await, "\r\nanswer body");
            assert_eq!(server.events.recv().await, Some(Event::Closed(1)));
        });
    }

    #[test]
    fn nothing_is_read_while_there_is_no_room_and_nothing_is_lost() {
        check(async {
            let mut server = side(TcpTimeouts::default(), FlowLimits::default()).await;
            server.is_full.store(true, std::sync::atomic::Ordering::Relaxed);
            let mut client = TcpStream::connect(server.address).await.unwrap();
            client.write_all(OPTIONS.as_bytes()).await.unwrap();
            tokio::time::sleep(READ_AGAIN * 5).await;
            assert!(server.events.try_recv().is_err());
            server.is_full.store(false, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(server.events.recv().await, message(1, OPTIONS));
        });
    }

    #[test]
    fn a_connection_is_opened_once_and_used_both_ways() {
        check(async {
            let mut server = side(TcpTimeouts::default(), FlowLimits::default()).await;
            let mut client = side(TcpTimeouts::default(), FlowLimits::default()).await;
            let first = client.tcp.send(server.address, &[OPTIONS.as_bytes()]).unwrap();
            assert_eq!(client.tcp.send(server.address, &[OPTIONS.as_bytes()]), Ok(first));
            assert_eq!(server.events.recv().await, message(1, OPTIONS));
            assert_eq!(server.events.recv().await, message(1, OPTIONS));
            server.tcp.flows.send(1, &[OPTIONS.as_bytes()]).unwrap();
            assert_eq!(client.events.recv().await, message(first.flow, OPTIONS));
            assert_eq!(server.tcp.flows.len(), 1);
        });
    }

    #[test]
    fn a_connection_that_cannot_be_opened_is_a_closed_flow() {
        check(async {
            let mut client = side(TcpTimeouts::default(), FlowLimits::default()).await;
            let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
            let peer = client.tcp.send(gone, &[b"x"]).unwrap();
            assert_eq!(client.events.recv().await, Some(Event::Closed(peer.flow)));
            assert!(client.tcp.flows.is_empty());
        });
    }

    #[test]
    fn a_broken_stream_hears_why_before_it_is_closed() {
        check(async {
            let mut server = side(TcpTimeouts::default(), FlowLimits::default()).await;
            let mut client = TcpStream::connect(server.address).await.unwrap();
            let head = "OPTIONS sip:a SIP/2.0\r\n\r\n";
            client.write_all(format!("{head}{}", "more".repeat(1000)).as_bytes()).await.unwrap();
            assert_eq!(read_to_end(client).await, format!("refused: {head}"));
            assert_eq!(server.events.recv().await, Some(Event::Broken(Broken::MissingContentLength)));
            assert_eq!(server.events.recv().await, Some(Event::Closed(1)));
        });
    }

    #[test]
    fn a_message_that_never_ends_costs_the_connection() {
        check(async {
            let timeouts = TcpTimeouts { message: Duration::from_millis(20), ..TcpTimeouts::default() };
            let mut server = side(timeouts, FlowLimits::default()).await;
            let mut client = TcpStream::connect(server.address).await.unwrap();
            client.write_all(b"OPTIONS sip:a").await.unwrap();
            assert_eq!(server.events.recv().await, Some(Event::Closed(1)));
            assert_eq!(read_to_end(client).await, "");
        });
    }

    #[test]
    fn a_silent_connection_is_closed() {
        check(async {
            let timeouts = TcpTimeouts { idle: Duration::from_millis(20), ..TcpTimeouts::default() };
            let mut server = side(timeouts, FlowLimits::default()).await;
            let client = TcpStream::connect(server.address).await.unwrap();
            assert_eq!(server.events.recv().await, Some(Event::Closed(1)));
            assert_eq!(read_to_end(client).await, "");
        });
    }

    #[test]
    fn a_peer_that_does_not_read_is_given_up() {
        check(async {
            let timeouts = TcpTimeouts { write: Duration::from_millis(20), ..TcpTimeouts::default() };
            let mut server = side(timeouts, FlowLimits { queue_messages_max: 64, ..FlowLimits::default() }).await;
            let mut client = TcpStream::connect(server.address).await.unwrap();
            client.write_all(OPTIONS.as_bytes()).await.unwrap();
            assert_eq!(server.events.recv().await, message(1, OPTIONS));
            let large = vec![b'x'; 1 << 20];
            while server.tcp.flows.send(1, &[&large]).is_ok() {}
            assert_eq!(server.events.recv().await, Some(Event::Closed(1)));
            drop(client);
        });
    }

    #[test]
    fn a_connection_past_the_limit_is_closed_at_once() {
        check(async {
            let limits = FlowLimits { connections_per_source_max: 1, ..FlowLimits::default() };
            let mut server = side(TcpTimeouts::default(), limits).await;
            let mut first = TcpStream::connect(server.address).await.unwrap();
            first.write_all(OPTIONS.as_bytes()).await.unwrap();
            assert_eq!(server.events.recv().await, message(1, OPTIONS));
            let second = TcpStream::connect(server.address).await.unwrap();
            assert_eq!(read_to_end(second).await, "");
            first.write_all(OPTIONS.as_bytes()).await.unwrap();
            assert_eq!(server.events.recv().await, message(1, OPTIONS));
        });
    }
}
