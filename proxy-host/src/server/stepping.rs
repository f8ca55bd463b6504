//! A server without its threads: whoever holds it is its worker and its clock, and a module that is part of the program
//! serves behind the same border as a loaded one.
//!
//! For the simulation: every datagram in and out passes its hands, and every byte of a connection. No server runs this way.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use module_api::abi::{Body, LoadedModule, ParameterSetting, RunningModule};
use module_api::sip::message::HeaderTable;
use parking_lot::Mutex;

use super::capabilities::Capabilities;
use super::plan::{Find, plan};
use super::proxy::Proxy;
use crate::diagnostic::{Colour, Source};
use crate::modules::host_services::Services;
use crate::modules::library::{Found, NotLoaded};
use crate::transaction::table::Action;
use crate::transport::address::{Peer, Transport};
use crate::transport::flows::Registration;
use crate::transport::framing::Broken;
use crate::transport::tcp::{Runner, SteppedConnection, StreamHandler, Tcp, TcpTimeouts};
use crate::transport::udp::WhenFull;
use crate::user_agent::network::Listener;
use crate::user_agent::outbox::Outbox;
use crate::user_agent::wire::Wire;
use crate::user_agent::world::World;

/// A server at one simulated address, UDP and TCP, with one module.
pub struct Stepped {
    proxy: Arc<Proxy>,
    tcp: Tcp,
    /// Connections that it wants opened.
    wanted: Arc<Mutex<Vec<Registration>>>,
    outbox: Outbox,
    tables: [HeaderTable; 1],
    actions: Vec<Action<Body>>,
}

/// What a `loadmodule` line finds: the one module there is.
#[doc(hidden)]
pub fn found(module: LoadedModule) -> Result<Found, NotLoaded> {
    let declaration = module.declaration();
    Ok(Found { path: PathBuf::new(), name: declaration.name.into(), version: String::new(), module })
}

impl Stepped {
    /// Starts a server by its configuration, whose modules `find` finds; `start` starts the one it names.
    ///
    /// # Errors
    /// The configuration does not hold, or the module does not start: what an operator would be told.
    pub fn start(
        configuration: &str,
        find: Find,
        address: SocketAddr,
        world: Arc<dyn World>,
        start: impl FnOnce(Services, &[ParameterSetting]) -> Result<RunningModule, String>,
    ) -> Result<Self, String> {
        let source = Source::new("simulation.cfg", configuration.as_bytes());
        let (plan, diagnostics) = plan(&source, &[], find);
        let plan = plan.ok_or_else(|| diagnostics.render(&source, Colour::Plain))?;
        let simulated = |transport| Listener::simulated(transport, address, Arc::clone(&world));
        let listeners = [Transport::Udp, Transport::Tcp].map(simulated).into();
        let (aliases, limits) = (&plan.settings.aliases, plan.settings.limits);
        let wire = Wire::new(listeners, aliases, plan.to_tag_avp, limits, Arc::clone(&world));
        let wire = wire.map_err(|error| error.to_string())?;
        let proxy = Arc::new(Proxy {
            capabilities: Capabilities::of(plan.modules.iter().map(|module| &module.declaration)),
            wire,
            program: plan.program,
            callables: plan.callables,
            modules: OnceLock::new(),
        });
        let wanted = Arc::default();
        let tcp = Tcp {
            flows: Arc::clone(&proxy.wire.network.flows),
            handler: Arc::new(Behind(Arc::downgrade(&proxy))),
            local_socket: 1,
            runner: Runner::Steps(Arc::clone(&wanted)),
            timeouts: TcpTimeouts::default(),
            message_bytes_max: limits.message_bytes_max,
        };
        proxy.wire.network.listeners[1].tcp.get_or_init(|| tcp.clone());
        let [module] = &plan.modules[..] else { return Err("one module, and no other".into()) };
        let services = Services::new(Arc::clone(&proxy.wire), 0, module.declaration.name.as_str());
        let running = start(services, &module.settings)?;
        proxy.modules.get_or_init(|| vec![running]);
        let outbox = Outbox::new(Arc::clone(&proxy.wire.network), WhenFull::Drop);
        Ok(Self { proxy, tcp, wanted, outbox, tables: [HeaderTable::new()], actions: Vec::new() })
    }

    /// Takes in a datagram.
    pub fn receive(&mut self, remote: SocketAddr, bytes: &[u8]) {
        self.proxy.on_batch([(Peer::udp(remote, 0), bytes)].into_iter(), &mut self.tables, &mut self.outbox);
    }

    /// Accepts a connection, if there may be one more.
    pub fn accept(&mut self, remote: SocketAddr) -> Option<SteppedConnection> {
        let registration = self.tcp.flows.register(Transport::Tcp, remote, self.tcp.local_socket).ok()?;
        SteppedConnection::new(registration, &self.tcp)
    }

    /// Returns the connections that the server wants opened: whoever holds one has opened it.
    pub fn take_wanted(&mut self) -> Vec<SteppedConnection> {
        let wanted = std::mem::take(&mut *self.wanted.lock());
        wanted.into_iter().filter_map(|registration| SteppedConnection::new(registration, &self.tcp)).collect()
    }

    /// Does what time brings, each [`TICK`](crate::transaction::timers::TICK).
    pub fn tick(&mut self) {
        self.proxy.on_tick(&mut self.actions, &mut self.outbox);
    }

    /// Returns the one module, to be called past the host.
    pub fn module(&self) -> Option<&RunningModule> {
        self.proxy.modules().first()
    }

    /// Returns how many transactions there are.
    pub fn transactions(&self) -> usize {
        self.proxy.wire.table.len()
    }
}

/// A server as its connections know it, which keep it alive no longer than whoever steps it.
struct Behind(Weak<Proxy>);

impl StreamHandler for Behind {
    fn on_message(&self, peer: Peer, message: &[u8]) {
        if let Some(proxy) = self.0.upgrade() {
            proxy.on_message(peer, message);
        }
    }

    fn has_room(&self, peer: Peer) -> bool {
        self.0.upgrade().is_some_and(|proxy| proxy.has_room(peer))
    }

    fn on_broken(&self, peer: Peer, broken: Broken, head: &[u8]) -> Option<Vec<u8>> {
        self.0.upgrade()?.on_broken(peer, broken, head)
    }
}
