//! Signals, draining, the end.
//!
//! At the first SIGTERM or SIGINT new requests are answered 503 and the modules finish what they began, for at most
//! five seconds; a second signal ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use module_api::abi::RunningModule;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::proxy::Proxy;
use super::worker::Workers;

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
    let signals = Signals { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    drop(guard);
    Ok(Listening { runtime, signals })
}

/// Waits for a signal, and ends everything.
pub(super) fn wait(listening: Listening, proxy: &Arc<Proxy>, workers: Workers) -> io::Result<()> {
    let Listening { runtime, mut signals } = listening;
    let is_drained = runtime.block_on(async {
        signals.next().await;
        tracing::info!("stopping: finishing what was begun");
        proxy.wire.is_draining.store(true, Ordering::Relaxed);
        let done = stop_modules(proxy)?;
        io::Result::Ok(tokio::select! {
            _ = done => true,
            () = signals.next() => false,
            () = sleep(DRAIN_MAX) => false,
        })
    })?;
    if !is_drained {
        tracing::warn!("stopped before the modules had finished");
        return Ok(());
    }
    workers.stop();
    tracing::info!("stopped; {}", proxy.wire.metrics.summary());
    Ok(())
}

struct Signals {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Drains and stops the modules on a thread of its own, while the workers go on taking in answers.
fn stop_modules(proxy: &Arc<Proxy>) -> io::Result<oneshot::Receiver<()>> {
    let (tell, done) = oneshot::channel();
    let proxy = Arc::clone(proxy);
    std::thread::Builder::new().name("drain".into()).spawn(move || {
        proxy.modules.iter().for_each(RunningModule::drain);
        proxy.modules.iter().rev().for_each(RunningModule::stop);
        // Nobody waits any more after the time limit.
        let _ = tell.send(());
    })?;
    Ok(done)
}
