//! A server without its threads: whoever holds it is its worker and its clock, and a module that is part of the program
//! serves behind the same border as a loaded one.
//!
//! For the simulation: every datagram in and out passes its hands. No server runs this way.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use module_api::abi::{Body, LoadedModule, ParameterSetting, RunningModule};
use module_api::sip::message::HeaderTable;

use super::capabilities::Capabilities;
use super::plan::{Find, plan};
use super::proxy::Proxy;
use crate::diagnostic::{Colour, Source};
use crate::modules::host_services::Services;
use crate::modules::library::{Found, NotLoaded};
use crate::transaction::table::Action;
use crate::transport::address::Peer;
use crate::transport::udp::WhenFull;
use crate::user_agent::network::Listener;
use crate::user_agent::outbox::Outbox;
use crate::user_agent::wire::Wire;
use crate::user_agent::world::World;

/// A server at one simulated UDP address, with one module.
pub struct Stepped {
    proxy: Arc<Proxy>,
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
        let listener = Listener::simulated(address, Arc::clone(&world));
        let (aliases, limits) = (&plan.settings.aliases, plan.settings.limits);
        let wire = Wire::new(vec![listener], aliases, plan.to_tag_avp, limits, world);
        let wire = wire.map_err(|error| error.to_string())?;
        let proxy = Arc::new(Proxy {
            capabilities: Capabilities::of(plan.modules.iter().map(|module| &module.declaration)),
            wire,
            program: plan.program,
            callables: plan.callables,
            modules: OnceLock::new(),
        });
        let [module] = &plan.modules[..] else { return Err("one module, and no other".into()) };
        let services = Services::new(Arc::clone(&proxy.wire), 0, module.declaration.name.as_str());
        let running = start(services, &module.settings)?;
        proxy.modules.get_or_init(|| vec![running]);
        let outbox = Outbox::new(Arc::clone(&proxy.wire.network), WhenFull::Drop);
        Ok(Self { proxy, outbox, tables: [HeaderTable::new()], actions: Vec::new() })
    }

    /// Takes in a datagram.
    pub fn receive(&mut self, remote: SocketAddr, bytes: &[u8]) {
        self.proxy.on_batch([(Peer::udp(remote, 0), bytes)].into_iter(), &mut self.tables, &mut self.outbox);
    }

    /// Does what time brings, each [`TICK`](crate::transaction::timers::TICK).
    pub fn tick(&mut self) {
        self.proxy.on_tick(&mut self.actions, &mut self.outbox);
    }

    /// Returns how many transactions there are.
    pub fn transactions(&self) -> usize {
        self.proxy.wire.table.len()
    }
}
