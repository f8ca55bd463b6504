//! The threads that receive: each has a runtime of its own, and all of them wait on all UDP sockets.
//!
//! The first also has the TCP connections and the clock. A worker never waits for a database, a name or a peer.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use super::clock;
use super::intake::Intake;
use super::proxy::Proxy;
use crate::transport::address::Transport;
use crate::transport::tcp::{Runner, Tcp, TcpTimeouts};
use crate::transport::udp::{AsyncUdp, ReceiveBatch};
use crate::user_agent::world::UdpPort;

/// How soon it is tried again when every source has its share under way.
const SERVE_AGAIN: Duration = Duration::from_millis(1);

/// The running threads.
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    /// Each says once that it receives, and why it has ended if nobody told it to.
    news: UnboundedReceiver<io::Result<()>>,
}

impl Workers {
    /// Waits for a worker that ends although nobody told it to.
    pub(super) async fn failure(&mut self) -> io::Error {
        match self.news.recv().await {
            Some(Err(error)) => error,
            Some(Ok(())) | None => io::Error::other("a worker ended"),
        }
    }

    /// Ends the threads.
    pub(super) fn stop(self) {
        // A worker that has ended already no longer listens.
        let _ = self.stop.send(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended in a panic");
            }
        }
    }
}

/// Makes the runtimes of `count` workers. What is to be sent before they run waits in them.
pub(super) fn runtimes(count: usize) -> io::Result<Vec<Runtime>> {
    (0..count).map(|_| Builder::new_current_thread().enable_all().build()).collect()
}

/// Makes it possible to send over TCP: connections run on `runtime`, the first worker's.
pub(super) fn open_streams(proxy: &Arc<Proxy>, runtime: &Handle) {
    for (at, listener) in proxy.wire.network.listeners.iter().enumerate() {
        if listener.transport == Transport::Tcp {
            listener.tcp.get_or_init(|| Tcp {
                flows: Arc::clone(&proxy.wire.network.flows),
                handler: Arc::clone(proxy) as _,
                local_socket: at as u32,
                runner: Runner::Runtime(runtime.clone()),
                timeouts: TcpTimeouts::default(),
                message_bytes_max: proxy.wire.limits.message_bytes_max,
            });
        }
    }
}

/// Starts a worker on each of `runtimes`, and returns when all of them receive.
pub(super) fn start(proxy: &Arc<Proxy>, runtimes: Vec<Runtime>) -> io::Result<Workers> {
    let (stop, stopping) = watch::channel(false);
    let (tell, mut news) = unbounded_channel();
    let count = runtimes.len();
    let spawn = |(number, runtime): (usize, Runtime)| {
        let (proxy, stopping, tell) = (Arc::clone(proxy), stopping.clone(), tell.clone());
        let thread = std::thread::Builder::new().name(format!("worker-{number}"));
        thread.spawn(move || {
            if let Err(error) = run(&proxy, number, &runtime, stopping, &tell) {
                // Nobody listens any more once the server stops.
                let _ = tell.send(Err(error));
            }
        })
    };
    let threads = runtimes.into_iter().enumerate().map(spawn).collect::<io::Result<Vec<_>>>()?;
    for _ in 0..count {
        news.blocking_recv().unwrap_or_else(|| Err(io::Error::other("a worker could not start")))?;
    }
    Ok(Workers { threads, stop, news })
}

fn run(
    proxy: &Arc<Proxy>,
    number: usize,
    runtime: &Runtime,
    mut stopping: watch::Receiver<bool>,
    tell: &UnboundedSender<io::Result<()>>,
) -> io::Result<()> {
    LocalSet::new().block_on(runtime, async {
        let mut tasks = JoinSet::new();
        for (at, listener) in proxy.wire.network.listeners.iter().enumerate() {
            if let Some(socket) = listener.udp.as_ref().and_then(UdpPort::socket) {
                let socket = AsyncUdp::new(Arc::clone(socket))?;
                tasks.spawn_local(receive(Arc::clone(proxy), at as u32, socket));
            }
        }
        if number == 0 {
            accept_all(proxy, &mut tasks)?;
            tasks.spawn_local(clock::run(Arc::clone(proxy)));
        }
        // Whoever started us waits for this; it is gone only if the start has failed elsewhere.
        let _ = tell.send(Ok(()));
        tokio::select! {
            // An error means that the sender is gone: the same as being told.
            _ = stopping.wait_for(|stop| *stop) => Ok(()),
            // A task that panicked is deaf for good: better no server than one that does not hear.
            Some(ended) = tasks.join_next() => Err(ended.unwrap_or_else(io::Error::other)),
        }
    })
}

async fn receive(proxy: Arc<Proxy>, number: u32, socket: AsyncUdp) -> io::Error {
    let mut intake = Intake::new(&proxy, number);
    let mut batch = ReceiveBatch::new(socket.socket());
    loop {
        // An ICMP error of some earlier datagram is no reason to stop: the transactions' timers deal with its peer.
        if !intake.has_waiting() {
            match socket.receive(&mut batch).await {
                Ok(count) => intake.on_received(&batch, count),
                Err(error) => tracing::debug!("receiving: {error}"),
            }
        } else {
            intake.drain(socket.socket(), &mut batch);
            if !intake.serve() {
                // Every source has its share under way: some of that is answered in a moment.
                tokio::time::sleep(SERVE_AGAIN).await;
            }
        }
        // A socket that never runs dry must not keep connections and clock from their turn.
        tokio::task::yield_now().await;
    }
}

fn accept_all(proxy: &Arc<Proxy>, tasks: &mut JoinSet<io::Error>) -> io::Result<()> {
    for listener in &proxy.wire.network.listeners {
        let (Some(socket), Some(tcp)) = (listener.accepting.lock().take(), listener.tcp.get()) else { continue };
        let (socket, tcp) = (tokio::net::TcpListener::from_std(socket)?, tcp.clone());
        tasks.spawn_local(async move {
            let ended = tcp.serve(socket).await;
            ended.err().unwrap_or_else(|| io::Error::other("no more connections are accepted"))
        });
    }
    Ok(())
}
