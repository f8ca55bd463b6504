//! A thread that receives datagrams: there are some, and each waits on all UDP sockets.
//!
//! A worker never waits for a database, a name or a peer.

use std::io;
use std::time::Duration;

use super::intake::Intake;
use super::proxy::Proxy;
use crate::transport::udp::{ReceiveBatch, UdpSocket};
use crate::transport::watch::{Stop, Watch};
use crate::user_agent::world::UdpPort;

/// How soon it is tried again when every source has its share under way.
const SERVE_AGAIN: Duration = Duration::from_millis(1);

/// A socket, and what one worker does with what it brings.
struct Ear<'p> {
    socket: &'p UdpSocket,
    batch: ReceiveBatch,
    intake: Intake<'p>,
}

/// Receives until `stop`; `ready` is told once datagrams are waited for.
pub(super) fn run(proxy: &Proxy, stop: &Stop, ready: impl FnOnce()) -> io::Result<()> {
    let listeners = proxy.wire.network.listeners.iter().enumerate();
    let sockets = listeners.filter_map(|(at, listener)| Some((at, listener.udp.as_ref().and_then(UdpPort::socket)?)));
    let mut ears: Vec<_> = sockets.map(|(at, socket)| Ear::new(proxy, at as u32, socket)).collect();
    let mut watch = Watch::new(ears.iter().map(|ear| ear.socket), stop)?;
    ready();
    let mut pause = None;
    while let Some(heard) = watch.wait(pause)? {
        heard.for_each(|at| ears[at].receive());
        pause = ears.iter_mut().filter_map(Ear::serve).min();
    }
    Ok(())
}

impl<'p> Ear<'p> {
    fn new(proxy: &'p Proxy, number: u32, socket: &'p UdpSocket) -> Self {
        Self { socket, batch: ReceiveBatch::new(socket), intake: Intake::new(proxy, number) }
    }

    fn receive(&mut self) {
        if self.intake.has_waiting() {
            return;
        }
        match self.batch.receive(self.socket) {
            Ok(count) => self.intake.on_received(&self.batch, count),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // The ICMP error of some earlier datagram is no reason to stop: the transactions' timers deal with its peer.
            Err(error) => tracing::debug!("receiving: {error}"),
        }
    }

    /// Goes on with what waits. Returns when to go on again, `None` if nothing waits.
    fn serve(&mut self) -> Option<Duration> {
        if self.intake.has_waiting() {
            self.intake.drain(self.socket, &mut self.batch);
            let has_served = self.intake.serve();
            // Every source may have its share under way: some of that is answered in a moment.
            return self.intake.has_waiting().then_some(if has_served { Duration::ZERO } else { SERVE_AGAIN });
        }
        None
    }
}
