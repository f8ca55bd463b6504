//! The server: the real host and the real module, in one's hands.

use std::net::SocketAddr;
use std::sync::Arc;

use module_api::abi::{Host, LoadedModule, RunningModule};
use presence::edge::presence::Presence;
use presence::edge::stepping::{self, Census, Hands};
use proxy_host::modules::library::{Found, NotLoaded};
use proxy_host::server::stepping::{Stepped, found};

use crate::disk::Database;
use crate::ground::{Overheard, Shared};

/// Where it listens.
pub(crate) fn address() -> SocketAddr {
    ([192, 0, 2, 99], 5060).into()
}

/// What an operator would set.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    pub(crate) force_active: bool,
    pub(crate) notify_interval_ms: u64,
    pub(crate) max_expires_s: u32,
}

impl Configuration {
    fn text(&self) -> String {
        let Self { force_active, notify_interval_ms, max_expires_s } = self;
        format!(
            "listen=udp:192.0.2.99:5060\nalias=\"pres.example\"\n\
             loadmodule \"sl.so\"\nloadmodule \"tm.so\"\nloadmodule \"presence.so\"\n\
             modparam(\"presence\", \"identity\", \"from\")\n\
             modparam(\"presence\", \"force_active\", {})\n\
             modparam(\"presence\", \"notify_interval\", {notify_interval_ms})\n\
             modparam(\"presence\", \"max_expires\", {max_expires_s})\n\
             modparam(\"presence\", \"waiting_time\", 30)\n\
             modparam(\"presence\", \"rules_poll_period\", 2)\n\
             route {{\n  if (method==\"PUBLISH\") {{ handle_publish(); exit; }}\n  \
             if (method==\"SUBSCRIBE\") {{ handle_subscribe(); exit; }}\n  sl_send_reply(\"405\", \"No\");\n}}\n",
            u8::from(*force_active)
        )
    }
}

/// One life of the server.
pub(crate) struct Server {
    stepped: Stepped,
    hands: Hands,
}

fn find(_: &str, _: &[std::path::PathBuf]) -> Result<Found, NotLoaded> {
    thread_local! {
        // Its description is made for good: once is enough.
        static MODULE: LoadedModule = LoadedModule::linked::<Presence>();
    }
    MODULE.with(|module| found(*module))
}

impl Server {
    pub(crate) fn start(configuration: &Configuration, ground: &Shared, database: &Database) -> Self {
        let mut hands = None;
        let stepped =
            Stepped::start(&configuration.text(), find, address(), Arc::new(ground.clone()), |services, set| {
                let host = Host::new(Overheard { services, ground: ground.clone() }, "presence");
                let store = Box::new(database.clone());
                let started = stepping::start(host.clone(), set, store, &database.opening());
                let (presence, its_hands) = started.map_err(|error| error.to_string())?;
                hands = Some(its_hands);
                Ok(RunningModule::linked(presence, host))
            });
        let stepped = stepped.unwrap_or_else(|told| panic!("the server does not start: {told}"));
        Self { stepped, hands: hands.expect("set when the module started") }
    }

    pub(crate) fn receive(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.stepped.receive(from, bytes);
    }

    /// Goes a round as the host's clock.
    pub(crate) fn tick(&mut self) {
        self.stepped.tick();
    }

    /// Goes a round as the module's driver.
    pub(crate) fn drive(&mut self) {
        self.hands.drive();
    }

    /// Goes a round as the module's writer.
    pub(crate) fn write(&mut self, most: usize) {
        self.hands.write(most);
    }

    /// Stops in order.
    pub(crate) fn stop(self) {
        self.hands.stop();
    }

    pub(crate) fn is_queue_empty(&self) -> bool {
        self.hands.is_queue_empty()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.hands.is_settled()
    }

    pub(crate) fn is_told(&self) -> bool {
        self.hands.is_told()
    }

    pub(crate) fn census(&self) -> Census {
        self.hands.census()
    }

    pub(crate) fn transactions(&self) -> usize {
        self.stepped.transactions()
    }
}
