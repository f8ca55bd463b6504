//! The server: the real host and the real module, in one's hands.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use module_api::abi::{Host, LoadedModule, RunningModule};
use presence::edge::presence::Presence;
use presence::edge::stepping::{self, Census, Hands};
use proxy_host::modules::library::{Found, NotLoaded};
use proxy_host::server::stepping::{Stepped, found};
use proxy_host::transport::tcp::SteppedConnection;

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
    /// Another program writes into the database, and is looked for often.
    pub(crate) has_another_writer: bool,
}

impl Configuration {
    fn text(&self) -> String {
        let Self { force_active, notify_interval_ms, max_expires_s, has_another_writer } = self;
        let clean_period = if *has_another_writer { 2 } else { 100 };
        format!(
            "listen=udp:192.0.2.99:5060\nalias=\"pres.example\"\n\
             loadmodule \"sl.so\"\nloadmodule \"tm.so\"\nloadmodule \"presence.so\"\n\
             modparam(\"presence\", \"identity\", \"from\")\n\
             modparam(\"presence\", \"force_active\", {})\n\
             modparam(\"presence\", \"notify_interval\", {notify_interval_ms})\n\
             modparam(\"presence\", \"max_expires\", {max_expires_s})\n\
             modparam(\"presence\", \"waiting_time\", 30)\n\
             modparam(\"presence\", \"clean_period\", {clean_period})\n\
             modparam(\"presence\", \"rules_poll_period\", 2)\n\
             route {{\n  if (method==\"PUBLISH\") {{ handle_publish(); exit; }}\n  \
             if (method==\"SUBSCRIBE\") {{ handle_subscribe(); exit; }}\n  sl_send_reply(\"405\", \"No\");\n}}\n",
            u8::from(*force_active)
        )
    }
}

/// One life of the server.
pub(crate) struct Server {
    pub(crate) stepped: Stepped,
    hands: Hands,
    /// Its ends of the connections.
    connections: BTreeMap<u64, SteppedConnection>,
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
        Self { stepped, hands: hands.expect("set when the module started"), connections: BTreeMap::new() }
    }

    pub(crate) fn receive(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.stepped.receive(from, bytes);
    }

    /// Accepts connection number `link`, if it may be.
    pub(crate) fn accept(&mut self, link: u64, remote: SocketAddr) -> bool {
        self.stepped.accept(remote).is_some_and(|connection| self.connections.insert(link, connection).is_none())
    }

    /// Returns the connections that it wants opened.
    pub(crate) fn take_wanted(&mut self) -> Vec<SteppedConnection> {
        self.stepped.take_wanted()
    }

    /// Goes on with one of them.
    pub(crate) fn take_up(&mut self, link: u64, connection: SteppedConnection) {
        self.connections.insert(link, connection);
    }

    /// Reads from a connection, and returns whether that can be gone on with.
    pub(crate) fn read(&mut self, link: u64, bytes: &[u8]) -> bool {
        self.connections.get_mut(&link).is_none_or(|connection| connection.read(bytes))
    }

    /// Returns what it has written since, connection by connection.
    pub(crate) fn take_written(&mut self) -> Vec<(u64, Vec<u8>)> {
        let mut written = Vec::new();
        for (link, connection) in &mut self.connections {
            while let Some(bytes) = connection.next_outgoing() {
                written.push((*link, bytes));
            }
        }
        written
    }

    /// Notices that a connection is broken.
    pub(crate) fn hang_up(&mut self, link: u64) {
        self.connections.remove(&link);
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
