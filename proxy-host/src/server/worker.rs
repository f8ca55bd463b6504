//! The threads that receive: each has a runtime of its own, and all of them wait on all UDP sockets.
//!
//! The first also has the TCP connections and the clock. A worker never waits for a database, a name or a peer.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use module_api::sip::message::HeaderTable;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::clock;
use super::proxy::Proxy;
use crate::transport::address::Peer;
use crate::transport::tcp::{Tcp, TcpTimeouts};
use crate::transport::udp::{AsyncUdp, BATCH_MAX, ReceiveBatch, WhenFull};
use crate::user_agent::outbox::Outbox;

/// The running threads.
pub(crate) struct Workers {
    threads: Vec<JoinHandle<io::Result<()>>>,
    stop: watch::Sender<bool>,
}

impl Workers {
    /// Ends the threads.
    pub(crate) fn stop(self) {
        // A worker that has ended already no longer listens.
        let _ = self.stop.send(true);
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!("a worker ended: {error}"),
                Err(_) => tracing::error!("a worker ended in a panic"),
            }
        }
    }
}

/// Starts `count` workers, and returns when all of them receive.
pub(crate) fn start(proxy: &Arc<Proxy>, count: usize) -> io::Result<Workers> {
    let (stop, stopping) = watch::channel(false);
    let (ready, started) = crossbeam_channel::bounded(count);
    let spawn = |number: usize| {
        let (proxy, stopping, ready) = (Arc::clone(proxy), stopping.clone(), ready.clone());
        let thread = std::thread::Builder::new().name(format!("worker-{number}"));
        thread.spawn(move || run(&proxy, number, stopping, &ready))
    };
    let threads = (0..count).map(spawn).collect::<io::Result<Vec<_>>>()?;
    drop(ready);
    for _ in 0..count {
        started.recv().map_err(|_| io::Error::other("a worker could not start"))?;
    }
    Ok(Workers { threads, stop })
}

fn run(
    proxy: &Arc<Proxy>,
    number: usize,
    mut stopping: watch::Receiver<bool>,
    ready: &crossbeam_channel::Sender<()>,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    let handle = runtime.handle().clone();
    local.block_on(&runtime, async {
        for (at, listener) in proxy.wire.network.listeners.iter().enumerate() {
            if let Some(socket) = &listener.udp {
                let socket = AsyncUdp::new(Arc::clone(socket))?;
                tokio::task::spawn_local(receive(Arc::clone(proxy), at as u32, socket));
            }
        }
        if number == 0 {
            accept_all(proxy, &handle)?;
            tokio::task::spawn_local(clock::run(Arc::clone(proxy)));
        }
        // Whoever started us waits for this; it is gone only if the start has failed elsewhere.
        let _ = ready.send(());
        // An error means that the sender is gone: the same as being told.
        let _ = stopping.wait_for(|stop| *stop).await;
        Ok(())
    })
}

async fn receive(proxy: Arc<Proxy>, number: u32, socket: AsyncUdp) {
    let mut batch = ReceiveBatch::new();
    let mut tables: Vec<_> = (0..BATCH_MAX).map(|_| HeaderTable::new()).collect();
    let mut outbox = Outbox::new(Arc::clone(&proxy.wire.network), WhenFull::Drop);
    loop {
        match socket.receive(&mut batch).await {
            Ok(_) => {
                let whole = batch.datagrams().filter(|datagram| !datagram.truncated);
                let from = whole.map(|datagram| (Peer::udp(datagram.remote, number), datagram.bytes));
                proxy.on_batch(from, &mut tables, &mut outbox);
            }
            // An ICMP error of some earlier datagram: the transactions' timers deal with its peer.
            Err(error) => tracing::debug!("receiving: {error}"),
        }
        // A socket that never runs dry must not keep connections and clock from their turn.
        tokio::task::yield_now().await;
    }
}

fn accept_all(proxy: &Arc<Proxy>, runtime: &Handle) -> io::Result<()> {
    for (at, listener) in proxy.wire.network.listeners.iter().enumerate() {
        let Some(socket) = listener.accepting.lock().take() else { continue };
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let tcp = Tcp {
            flows: Arc::clone(&proxy.wire.network.flows),
            handler: Arc::clone(proxy) as _,
            local_socket: at as u32,
            runtime: runtime.clone(),
            timeouts: TcpTimeouts::default(),
        };
        let tcp = listener.tcp.get_or_init(|| tcp).clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = tcp.serve(socket).await {
                tracing::error!("no more connections are accepted: {error}");
            }
        });
    }
    Ok(())
}
