//! The thread of the TCP connections and the clock, with a runtime of its own.

use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use super::clock;
use super::proxy::Proxy;
use crate::transport::address::Transport;
use crate::transport::tcp::{Runner, Tcp, TcpTimeouts};

/// Makes the runtime. What is to be sent before it runs waits in it.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Makes it possible to send over TCP: connections run on `runtime`.
pub(super) fn open(proxy: &Arc<Proxy>, runtime: &Handle) {
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

/// Accepts, and keeps time, until told to stop; `ready` is told once connections are accepted.
pub(super) fn run(
    proxy: &Arc<Proxy>,
    runtime: &Runtime,
    mut stopping: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> io::Result<()> {
    LocalSet::new().block_on(runtime, async {
        let mut tasks = JoinSet::new();
        accept_all(proxy, &mut tasks)?;
        tasks.spawn_local(clock::run(Arc::clone(proxy)));
        ready();
        tokio::select! {
            // An error means that the sender is gone: the same as being told.
            _ = stopping.wait_for(|stop| *stop) => Ok(()),
            // A task that panicked is deaf for good: better no server than one that does not hear.
            Some(ended) = tasks.join_next() => Err(ended.unwrap_or_else(io::Error::other)),
        }
    })
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
