//! The world outside: clocks, randomness, names and datagrams. A server has the machine's; a simulation brings its own, so that
//! a run can be repeated.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use module_api::abi::Clock;
use nix::errno::Errno;

use crate::transport::resolver::{Resolver, ResolverLimits};
use crate::transport::udp::{Datagram, UdpSocket, WhenFull};

/// What a server is given from outside.
pub trait World: Send + Sync {
    /// Reads both clocks.
    fn clock(&self) -> Clock;

    /// Fills `out` with what nobody can foresee.
    ///
    /// # Errors
    /// There is none to be had.
    fn random(&self, out: &mut [u8]) -> io::Result<()>;

    /// Starts what looks up host names.
    ///
    /// # Errors
    /// No thread for it.
    fn resolver(&self) -> io::Result<Resolver> {
        Resolver::start(ResolverLimits::default())
    }

    /// Takes a datagram that leaves the listener at `from`. Only what is simulated has any.
    fn send(&self, _from: SocketAddr, _datagram: &Datagram<'_>) {}
}

/// The machine's clocks and randomness.
pub struct Machine {
    started: Instant,
}

impl Machine {
    /// Counts from here on.
    pub fn start() -> Arc<Self> {
        Arc::new(Self { started: Instant::now() })
    }
}

impl World for Machine {
    fn clock(&self) -> Clock {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock { monotonic_ns: self.started.elapsed().as_nanos() as u64, wall_ms: wall.as_millis() as u64 }
    }

    fn random(&self, out: &mut [u8]) -> io::Result<()> {
        getrandom::fill(out).map_err(io::Error::other)
    }
}

/// What a UDP listener sends through.
pub enum UdpPort {
    /// A simulation, from this address.
    Simulated(SocketAddr, Arc<dyn World>),
    /// A socket of the machine's.
    Socket(Arc<UdpSocket>),
}

impl UdpPort {
    /// Returns the socket, if it is one.
    pub fn socket(&self) -> Option<&Arc<UdpSocket>> {
        match self {
            Self::Simulated(..) => None,
            Self::Socket(socket) => Some(socket),
        }
    }

    /// Sends as [`UdpSocket::send_batch`] does. What is simulated refuses nothing.
    pub fn send_batch(&self, datagrams: &[Datagram<'_>], full: WhenFull, failed: impl FnMut(usize, Errno)) {
        match self {
            Self::Simulated(from, world) => datagrams.iter().for_each(|datagram| world.send(*from, datagram)),
            Self::Socket(socket) => drop(socket.send_batch(datagrams, full, failed)),
        }
    }
}
