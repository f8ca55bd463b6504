//! The threads that take in what comes: workers for datagrams, one for connections and the clock. All of them run, or none.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::proxy::Proxy;
use super::{streams, worker};
use crate::transport::watch::Stop;

/// The running threads.
pub(super) struct Threads {
    running: Vec<JoinHandle<()>>,
    stop: Arc<Stop>,
    stop_streams: watch::Sender<bool>,
    /// Each says once that it receives, and why it has ended if nobody told it to.
    news: UnboundedReceiver<io::Result<()>>,
}

/// Starts the threads, `workers` of them for datagrams, and returns when all of them receive.
pub(super) fn start(proxy: &Arc<Proxy>, workers: usize, runtime: Runtime) -> io::Result<Threads> {
    let (stop, (stop_streams, stopping), (tell, news)) =
        (Arc::new(Stop::new()?), watch::channel(false), unbounded_channel());
    let mut threads = Threads { running: Vec::new(), stop, stop_streams, news };
    for number in 0..workers {
        let (proxy, stop) = (Arc::clone(proxy), Arc::clone(&threads.stop));
        threads.spawn(format!("worker-{number}"), &tell, move |ready| worker::run(&proxy, &stop, ready))?;
    }
    let proxy = Arc::clone(proxy);
    threads.spawn("streams".into(), &tell, move |ready| streams::run(&proxy, &runtime, stopping, ready))?;
    drop(tell);
    for _ in 0..=workers {
        let begun = threads.news.blocking_recv();
        begun.unwrap_or_else(|| Err(io::Error::other("a worker could not start")))?;
    }
    Ok(threads)
}

impl Threads {
    fn spawn(
        &mut self,
        name: String,
        tell: &UnboundedSender<io::Result<()>>,
        run: impl FnOnce(&dyn Fn()) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let tell = tell.clone();
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            // Whoever started us waits for this; it is gone only if the start has failed elsewhere.
            let ready = || drop(tell.send(Ok(())));
            let ended = catch_unwind(AssertUnwindSafe(|| run(&ready)));
            // Who panicked is deaf for good: better no server than one that does not hear.
            if let Err(error) = ended.unwrap_or_else(|_| Err(io::Error::other("a worker ended in a panic"))) {
                // Nobody listens any more once the server stops.
                let _ = tell.send(Err(error));
            }
        })?;
        self.running.push(thread);
        Ok(())
    }

    /// Waits for a thread that ends although nobody told it to.
    pub(super) async fn failure(&mut self) -> io::Error {
        match self.news.recv().await {
            Some(Err(error)) => error,
            Some(Ok(())) | None => io::Error::other("a worker ended"),
        }
    }

    /// Ends the threads.
    pub(super) fn stop(self) -> io::Result<()> {
        self.stop.raise()?;
        // Who has ended already no longer listens.
        let _ = self.stop_streams.send(true);
        for thread in self.running {
            if thread.join().is_err() {
                tracing::error!("a worker ended in a panic");
            }
        }
        Ok(())
    }
}
