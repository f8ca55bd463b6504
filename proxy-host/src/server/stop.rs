//! Signals, draining, the end.
//!
//! At SIGUSR1 the modules look again at what other programs may have changed. At the first SIGTERM or SIGINT new requests
//! are answered 503 and the modules finish what they began, for at most five seconds; a second signal ends the process at
//! once. A worker that fails ends it in the same way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::log;
use super::proxy::Proxy;
use super::threads::Threads;

/// How long a stop may take.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Ears for signals: from here on none of them ends the process by itself.
pub(super) struct Listening {
    runtime: Runtime,
    signals: Signals,
}

/// Begins to listen.
pub(super) fn listen() -> io::Result<Listening> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let signals = Signals {
        term: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        user: signal(SignalKind::user_defined1())?,
    };
    drop(guard);
    Ok(Listening { runtime, signals })
}

/// Waits for a signal, or for a worker that fails, and ends everything.
pub(super) fn wait(listening: Listening, proxy: &Arc<Proxy>, mut threads: Threads) -> io::Result<()> {
    let Listening { runtime, mut signals } = listening;
    let (ended, is_drained) = runtime.block_on(async {
        let ended = loop {
            tokio::select! {
                wish = signals.next() => match wish {
                    Wish::End => break Ok(()),
                    Wish::Refresh => {
                        tracing::info!("looking again at what other programs may have changed");
                        proxy.refresh_modules();
                    }
                },
                error = threads.failure() => break Err(error),
            }
        };
        proxy.wire.is_draining.store(true, Ordering::Relaxed);
        tracing::info!("stopping: finishing what was begun");
        let done = stop_modules(proxy)?;
        let is_drained = tokio::select! {
            _ = done => true,
            () = signals.end() => false,
            () = sleep(DRAIN_MAX) => false,
        };
        io::Result::Ok((ended, is_drained))
    })?;
    if is_drained {
        threads.stop()?;
        tracing::info!("stopped; {}{}", proxy.wire.summary(), log::summary());
    } else {
        tracing::warn!("stopped before the modules had finished");
    }
    ended
}

struct Signals {
    term: Signal,
    interrupt: Signal,
    user: Signal,
}

/// What an operator asks for.
enum Wish {
    End,
    Refresh,
}

impl Signals {
    async fn next(&mut self) -> Wish {
        tokio::select! {
            biased;
            _ = self.term.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.user.recv() => Wish::Refresh,
        }
    }

    async fn end(&mut self) {
        while matches!(self.next().await, Wish::Refresh) {}
    }
}

/// Drains and stops the modules on a thread of its own, while the workers go on taking in answers.
fn stop_modules(proxy: &Arc<Proxy>) -> io::Result<oneshot::Receiver<()>> {
    let (tell, done) = oneshot::channel();
    let proxy = Arc::clone(proxy);
    std::thread::Builder::new().name("drain".into()).spawn(move || {
        proxy.stop_modules();
        // Nobody waits any more after the time limit.
        let _ = tell.send(());
    })?;
    Ok(done)
}
