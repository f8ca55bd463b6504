//! From a configuration file to a server that is ready, or to every mistake in it. There is no half-started server.

use std::io::{self, IsTerminal};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, OnceLock};

use module_api::abi::{ParameterSetting, RunningModule};

use super::capabilities::Capabilities;
use super::command_line::{CommandLine, Exit};
use super::plan::{Plan, PlannedModule, plan};
use super::proxy::Proxy;
use super::{log, stop, streams, threads};
use crate::config::{Host, Listen, Transport as ListenTransport};
use crate::diagnostic::{Colour, Source};
use crate::limits::Limits;
use crate::modules::host_services::Services;
use crate::modules::library;
use crate::transport::address::Transport;
use crate::user_agent::network::Listener;
use crate::user_agent::wire::Wire;
use crate::user_agent::world::Machine;

/// Runs the server until it is told to stop.
pub fn run(command: &CommandLine) -> Exit {
    let source = match Source::read(&command.file) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("{}: {error}", command.file.display());
            return Exit::NoInput;
        }
    };
    let (plan, diagnostics) = plan(&source, &command.module_paths, library::load);
    let colour = if io::stderr().is_terminal() { Colour::Coloured } else { Colour::Plain };
    eprint!("{}", diagnostics.render(&source, colour));
    let Some(mut plan) = plan else { return Exit::Configuration };
    if command.take_over && !plan.take_over() {
        eprintln!("--take-over: no module of {} has anything that can be taken over", command.file.display());
        return Exit::Usage;
    }
    if command.check {
        println!("{}: the configuration holds", command.file.display());
        return Exit::Ok;
    }
    log::begin(plan.settings.log_level, plan.settings.limits.log_lines_max);
    serve(plan, &source).unwrap_or_else(|(exit, message)| {
        tracing::error!("{message}");
        exit
    })
}

fn serve(plan: Plan, source: &Source) -> Result<Exit, (Exit, String)> {
    let system = |error: io::Error| (Exit::System, error.to_string());
    let listening = stop::listen().map_err(system)?;
    let limits = plan.settings.limits;
    let listeners = bind_all(&plan.settings.listen, &limits, source).map_err(|message| (Exit::System, message))?;
    let wire =
        Wire::new(listeners, &plan.settings.aliases, plan.to_tag_avp, limits, Machine::start()).map_err(system)?;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = plan.settings.children.map_or(processors, usize::from);
    let runtime = streams::runtime().map_err(system)?;
    let proxy = Arc::new(Proxy {
        capabilities: Capabilities::of(plan.modules.iter().map(|module| &module.declaration)),
        wire,
        program: plan.program,
        callables: plan.callables,
        modules: OnceLock::new(),
    });
    // What modules send while they start goes out as soon as the threads run.
    streams::open(&proxy, runtime.handle());
    let modules = start_all(&proxy.wire, &plan.modules, source).map_err(|message| (Exit::Unavailable, message))?;
    proxy.modules.get_or_init(|| modules);
    let threads = threads::start(&proxy, workers, runtime).map_err(|error| {
        proxy.stop_modules();
        system(error)
    })?;
    for listener in &proxy.wire.network.listeners {
        let scheme = if listener.transport == Transport::Tcp { "tcp" } else { "udp" };
        tracing::info!("listening on {scheme}:{}", listener.address);
    }
    tracing::info!("ready");
    stop::wait(listening, &proxy, threads).map_err(system)?;
    Ok(Exit::Ok)
}

fn bind_all(lines: &[Listen], limits: &Limits, source: &Source) -> Result<Vec<Listener>, String> {
    let mut listeners = Vec::with_capacity(lines.len());
    for line in lines {
        let transport = match line.transport {
            ListenTransport::Tcp => Transport::Tcp,
            ListenTransport::Udp => Transport::Udp,
        };
        let bound = address(line).and_then(|address| Listener::bind(transport, address, limits));
        let place = line.span.map_or(String::new(), |span| {
            let (row, column) = source.location(span.start);
            format!("{}:{row}:{column}: ", source.name())
        });
        let host = match &line.host {
            Host::Address(address) => SocketAddr::new(*address, line.port).to_string(),
            Host::Name(name) => format!("{name}:{}", line.port),
        };
        let what = format!("{place}cannot listen on {host}");
        listeners.push(bound.map_err(|error| format!("{what}: {error}"))?);
    }
    Ok(listeners)
}

fn address(line: &Listen) -> io::Result<SocketAddr> {
    match &line.host {
        Host::Address(address) => Ok(SocketAddr::new(*address, line.port)),
        Host::Name(name) => {
            let mut found = (name.as_str(), line.port).to_socket_addrs()?;
            found.next().ok_or_else(|| io::Error::other("the name has no address"))
        }
    }
}

/// Starts the modules in the order of their lines; if one cannot start, those before it are stopped.
fn start_all(wire: &Arc<Wire>, planned: &[PlannedModule], source: &Source) -> Result<Vec<RunningModule>, String> {
    let mut running: Vec<RunningModule> = Vec::with_capacity(planned.len());
    for (number, module) in planned.iter().enumerate() {
        let name = module.declaration.name.as_str();
        let shown: Vec<_> = module.settings.iter().map(shown).collect();
        tracing::info!("module {name} {}: {}", module.version, shown.join(" "));
        let services = Services::new(Arc::clone(wire), number as u32, name);
        match module.module.start(services, &module.settings) {
            Ok(module) => running.push(module),
            Err(message) => {
                running.iter().rev().for_each(RunningModule::stop);
                let (row, column) = source.location(module.loaded_at.start);
                return Err(format!("{}:{row}:{column}: module {name} cannot start: {message}", source.name()));
            }
        }
    }
    Ok(running)
}

/// Shows a parameter without the password a URL may hold.
fn shown(setting: &ParameterSetting) -> String {
    format!("{}={}", setting.name, masked(setting.text.as_str()))
}

fn masked(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    let (address, options) = rest.split_once('?').filter(|(_, options)| !options.contains('@')).unwrap_or((rest, ""));
    let mut out = format!("{scheme}://");
    match address.rsplit_once('@').and_then(|(credentials, host)| Some((credentials.split_once(':')?.0, host))) {
        Some((user, host)) => out.extend([user, ":***@", host]),
        None => out.push_str(address),
    }
    for (at, option) in options.split('&').filter(|option| !option.is_empty()).enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        match option.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().contains("pass") => out.extend([name, "=***"]),
            _ => out.push_str(option),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let check = |text: &str, expected: &str| {
            let setting = ParameterSetting { name: "db_url".into(), text: text.into(), integer: 0, explicit: 1 };
            assert_eq!(shown(&setting), format!("db_url={expected}"));
        };
        check("mysql://openser:openserrw@192.168.2.132/openser", "mysql://openser:***@192.168.2.132/openser");
        check("mysql://u:p@ss@h/d", "mysql://u:***@h/d");
        check("mysql://u:p?x@h/d", "mysql://u:***@h/d");
        check("postgres://h/d?user=u&password=p&sslmode=on", "postgres://h/d?user=u&password=***&sslmode=on");
        check("mysql://u@h/d", "mysql://u@h/d");
        check("sqlite://presence.sqlite", "sqlite://presence.sqlite");
    }
}
