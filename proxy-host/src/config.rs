//! The settings a configuration file makes, typed and checked (the lines outside modules and routes).
//!
//! Read from the syntax tree before any module is loaded, since `mpath` says where to find them. Names are resolved
//! and sockets bound by the server; what fails there is told at [`Listen::span`].

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::limits::{self, Limit, Limits};
use crate::script::ast::{Ast, Setting, Spanned};
use crate::script::setting_names;
use crate::script::value::parse_integer;
use crate::suggestion::closest;

/// What the settings of a file come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Where the server listens; without a `listen` line, `udp:127.0.0.1` on the default port.
    pub listen: Vec<Listen>,
    /// The domains this host answers for, beside its own addresses.
    pub aliases: Vec<Alias>,
    /// How many worker threads serve; `None` leaves it to the number of processors.
    pub children: Option<u16>,
    /// Directories to look for modules in, in order.
    pub module_paths: Vec<PathBuf>,
    /// How much is logged.
    pub log_level: LogLevel,
    /// How much is taken from others.
    pub limits: Limits,
}

impl Settings {
    /// Reads the settings of a file; what is wrong with them goes to `diagnostics`, and the default stands in.
    pub fn read(ast: &Ast, diagnostics: &mut Diagnostics) -> Self {
        let mut reader = Reader { diagnostics, port: None, children: None, log_level: None, limits: Vec::new() };
        // `port` counts for `listen` lines above it, too.
        for setting in ast.settings.iter().filter(|setting| setting.name.node == "port") {
            let number = reader.single_integer(setting, 0, u16::MAX.into());
            reader.port = number.and_then(|port| u16::try_from(port).ok()).or(reader.port);
        }
        let mut settings = Self {
            listen: Vec::new(),
            aliases: Vec::new(),
            children: None,
            module_paths: Vec::new(),
            log_level: LogLevel::Information,
            limits: Limits::default(),
        };
        for setting in &ast.settings {
            reader.setting(setting, &mut settings);
        }
        if settings.listen.is_empty() {
            let host = Host::Address(IpAddr::from([127, 0, 0, 1]));
            let port = reader.port.unwrap_or(DEFAULT_PORT);
            settings.listen.push(Listen { transport: Transport::Udp, host, port, span: None });
        }
        settings
    }
}

/// One place to listen at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listen {
    /// The transport.
    pub transport: Transport,
    /// The address or name.
    pub host: Host,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// Where the file says so; `None` for the default.
    pub span: Option<Span>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

/// A host as a setting names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name to resolve, in lower case.
    Name(String),
}

/// A domain this host answers for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alias {
    /// The domain or address.
    pub host: Host,
    /// Only with this port; `None` for any.
    pub port: Option<u16>,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what is odd.
    Warning,
    /// And what happens now and then.
    Information,
    /// And what happens to each request.
    Debug,
    /// And everything else.
    Trace,
}

/// The port of SIP (RFC 3261 §19.1.2).
const DEFAULT_PORT: u16 = 5060;

/// More threads than this serve nobody.
const CHILDREN_MAX: i64 = 256;

const LEVELS: [(&str, LogLevel); 7] = [
    ("debug", LogLevel::Debug),
    ("error", LogLevel::Error),
    ("info", LogLevel::Information),
    ("information", LogLevel::Information),
    ("trace", LogLevel::Trace),
    ("warn", LogLevel::Warning),
    ("warning", LogLevel::Warning),
];

struct Reader<'d> {
    diagnostics: &'d mut Diagnostics,
    port: Option<u16>,
    children: Option<Span>,
    log_level: Option<Span>,
    /// Bounds that were set, and where.
    limits: Vec<(&'static str, Span)>,
}

impl Reader<'_> {
    fn setting(&mut self, setting: &Setting, settings: &mut Settings) {
        let name = setting.name.node.as_str();
        match name {
            "alias" => settings.aliases.extend(setting.values.iter().filter_map(|value| self.alias(value))),
            "children" => {
                if let Some(number) = self.single_integer(setting, 1, CHILDREN_MAX) {
                    let earlier = self.children.replace(setting.name.span);
                    self.tell_repeated(setting, earlier);
                    settings.children = u16::try_from(number).ok();
                }
            }
            "debug" | "log_level" => {
                if let Some(level) = self.log_level(setting) {
                    let earlier = self.log_level.replace(setting.name.span);
                    self.tell_repeated(setting, earlier);
                    settings.log_level = level;
                }
            }
            "listen" => setting.values.iter().for_each(|value| self.listen(value, &mut settings.listen)),
            "mpath" => settings.module_paths.extend(setting.values.iter().map(|value| PathBuf::from(&value.node))),
            // Read before all others.
            "port" => {}
            name => match limits::find(name) {
                Some(limit) => self.limit(setting, limit, &mut settings.limits),
                None => self.ignored_or_unknown(name, setting.name.span),
            },
        }
    }

    fn limit(&mut self, setting: &Setting, limit: &'static Limit, limits: &mut Limits) {
        let Some(number) = self.single_integer(setting, limit.minimum as i64, limit.maximum as i64) else { return };
        let earlier = self.limits.iter().find(|(name, _)| *name == limit.name).map(|(_, span)| *span);
        self.tell_repeated(setting, earlier);
        self.limits.push((limit.name, setting.name.span));
        *(limit.of)(limits) = usize::try_from(number).unwrap_or(limit.default);
    }

    fn ignored_or_unknown(&mut self, name: &str, span: Span) {
        if let Some(reason) = setting_names::why_ignored(name) {
            let message = format!("`{name}` does nothing here: {reason}");
            self.diagnostics.push(Diagnostic::information(span, message));
            return;
        }
        let known = || setting_names::KNOWN.iter().copied();
        let near = closest(name, known()).or_else(|| closest(name, setting_names::all()));
        let diagnostic = Diagnostic::error(span, format!("unknown setting `{name}`"));
        self.diagnostics.push(match near {
            Some(_) => diagnostic.label("expected the name of a setting").did_you_mean(near),
            None => diagnostic.label(format!("expected one of {}", known().collect::<Vec<_>>().join(", "))),
        });
    }

    fn listen(&mut self, value: &Spanned<String>, all: &mut Vec<Listen>) {
        let Some((transport, host, port)) = self.endpoint(value) else { return };
        let transport = transport.unwrap_or(Transport::Udp);
        let port = port.or(self.port).unwrap_or(DEFAULT_PORT);
        let same = |other: &&Listen| other.transport == transport && other.host == host && other.port == port;
        if let Some(first) = all.iter().find(same).filter(|_| port != 0) {
            let diagnostic = Diagnostic::information(value.span, "this address is listened at already");
            self.diagnostics.push(diagnostic.related(first.span.unwrap_or_default(), "here"));
            return;
        }
        all.push(Listen { transport, host, port, span: Some(value.span) });
    }

    fn alias(&mut self, value: &Spanned<String>) -> Option<Alias> {
        let (_, host, port) = self.endpoint(value)?;
        Some(Alias { host, port })
    }

    /// Reads `[transport:]host[:port]`.
    fn endpoint(&mut self, value: &Spanned<String>) -> Option<(Option<Transport>, Host, Option<u16>)> {
        match endpoint(&value.node) {
            Ok(endpoint) => Some(endpoint),
            Err(message) => {
                let mut diagnostic = Diagnostic::error(value.span, message).label("expected [udp:|tcp:]HOST[:PORT]");
                if value.node.matches(':').count() > 2 {
                    diagnostic = diagnostic.hint("an IPv6 address stands in brackets, as in `udp:[::1]:5060`");
                }
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    /// `debug=3` as in OpenSER, `log_level=info`, or either with the other's value.
    fn log_level(&mut self, setting: &Setting) -> Option<LogLevel> {
        let value = self.single(setting)?;
        let number = match parse_integer(&value.node) {
            Some(number) => number,
            None => {
                let named = LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&value.node));
                if named.is_none() {
                    let diagnostic = Diagnostic::error(value.span, format!("`{}` is no log level", value.node));
                    let suggestion = closest(&value.node, LEVELS.iter().map(|(name, _)| *name));
                    let label = "expected error, warning, info, debug, trace, or a number from -3 to 9";
                    self.diagnostics.push(diagnostic.label(label).did_you_mean(suggestion));
                }
                return named.map(|(_, level)| *level);
            }
        };
        match self.single_integer(setting, -3, 9).map(|_| number)? {
            ..=0 => Some(LogLevel::Error),
            1 | 2 => Some(LogLevel::Warning),
            3 => Some(LogLevel::Information),
            4 => Some(LogLevel::Debug),
            _ => Some(LogLevel::Trace),
        }
    }

    fn single_integer(&mut self, setting: &Setting, minimum: i64, maximum: i64) -> Option<i64> {
        let value = self.single(setting)?;
        let number = parse_integer(&value.node).filter(|number| (minimum..=maximum).contains(number));
        if number.is_none() {
            let message = format!("`{}` is no value for `{}`", value.node, setting.name.node);
            let label = format!("expected a number from {minimum} to {maximum}");
            self.diagnostics.push(Diagnostic::error(value.span, message).label(label));
        }
        number
    }

    fn single<'s>(&mut self, setting: &'s Setting) -> Option<&'s Spanned<String>> {
        if let [_, second, ..] = setting.values.as_slice() {
            let message = format!("`{}` takes one value", setting.name.node);
            self.diagnostics.push(Diagnostic::error(second.span, message).label("expected the end of the line"));
            return None;
        }
        setting.values.first()
    }

    fn tell_repeated(&mut self, setting: &Setting, earlier: Option<Span>) {
        if let Some(earlier) = earlier {
            let message = format!("`{}` is set a second time: this line counts", setting.name.node);
            let diagnostic = Diagnostic::information(setting.name.span, message);
            self.diagnostics.push(diagnostic.related(earlier, "set here first"));
        }
    }
}

/// Reads `[transport:]host[:port]`; the error says what is wrong.
fn endpoint(text: &str) -> Result<(Option<Transport>, Host, Option<u16>), String> {
    let (transport, rest) = match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("udp") => (Some(Transport::Udp), rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tcp") => (Some(Transport::Tcp), rest),
        Some((scheme, _)) if ["sctp", "tls", "ws", "wss"].contains(&scheme.to_ascii_lowercase().as_str()) => {
            return Err(format!("transport `{scheme}` is not served here"));
        }
        _ => (None, text),
    };
    let (host, port) = match rest.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, port))) => {
            let address: Ipv6Addr = address.parse().map_err(|_| format!("`{address}` is no IPv6 address"))?;
            (Host::Address(address.into()), port.strip_prefix(':').or(if port.is_empty() { None } else { Some(port) }))
        }
        Some(None) => return Err(format!("`{rest}` has no closing bracket")),
        None => match rest.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(format!("`{rest}` is no host and port")),
            Some((host, port)) => (named_host(host)?, Some(port)),
            None => (named_host(rest)?, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse().map_err(|_| format!("`{port}` is no port"))?),
        None => None,
    };
    Ok((transport, host, port))
}

fn named_host(host: &str) -> Result<Host, String> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Host::Address(address));
    }
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    // What ends in a number and is no address is a mistyped address, never a name (RFC 1123 §2.1).
    let last_label = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_numeric = !last_label.is_empty() && last_label.bytes().all(|byte| byte.is_ascii_digit());
    match !host.is_empty() && host.len() <= 253 && host.bytes().all(is_host) && !is_numeric {
        true => Ok(Host::Name(host.to_ascii_lowercase())),
        false => Err(format!("`{host}` is neither a host name nor an address")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Alias, Host, Listen, LogLevel, Settings, Transport};
    use crate::diagnostic::Source;
    use crate::limits::{self, Limits};
    use crate::script::parse;

    #[track_caller]
    fn read(text: &str) -> Settings {
        let (ast, mut diagnostics) = parse(&Source::new("proxy.cfg", text.as_bytes()));
        let settings = Settings::read(&ast, &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{text}: {diagnostics:?}");
        settings
    }

    /// Checks where a file listens, each written `transport host port`.
    #[track_caller]
    fn check(text: &str, expected: &[(Transport, &str, u16)]) {
        let listen = read(text).listen;
        let written = |listen: &Listen| (listen.transport, written(&listen.host), listen.port);
        let found: Vec<(Transport, String, u16)> = listen.iter().map(written).collect();
        let expected: Vec<_> = expected.iter().map(|(t, host, port)| (*t, (*host).to_owned(), *port)).collect();
        assert_eq!(found, expected, "{text}");
    }

    fn written(host: &Host) -> String {
        match host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        }
    }

    #[test]
    fn transport_and_port_may_be_left_out() {
        use Transport::{Tcp, Udp};
        check("", &[(Udp, "127.0.0.1", 5060)]);
        check("listen=udp:127.0.0.1:5070", &[(Udp, "127.0.0.1", 5070)]);
        check("listen=\"tcp:127.0.0.1\";", &[(Tcp, "127.0.0.1", 5060)]);
        check("listen=TCP:[::1]:0", &[(Tcp, "::1", 0)]);
        check("listen=[2001:db8::1]", &[(Udp, "2001:db8::1", 5060)]);
        check("listen=Proxy-1.example.COM:5062", &[(Udp, "proxy-1.example.com", 5062)]);
        check("listen=192.0.2.1 tcp:192.0.2.1:5061 # both", &[(Udp, "192.0.2.1", 5060), (Tcp, "192.0.2.1", 5061)]);
        check("listen=192.0.2.1\nport=5070", &[(Udp, "192.0.2.1", 5070)]);
        check("port=0", &[(Udp, "127.0.0.1", 0)]);
    }

    #[test]
    fn an_address_is_listened_at_once_and_port_0_as_often_as_it_stands() {
        use Transport::{Tcp, Udp};
        check("listen=127.0.0.1\nlisten=udp:127.0.0.1:5060", &[(Udp, "127.0.0.1", 5060)]);
        check("listen=127.0.0.1:0\nlisten=127.0.0.1:0", &[(Udp, "127.0.0.1", 0), (Udp, "127.0.0.1", 0)]);
        check("listen=127.0.0.1\nlisten=tcp:127.0.0.1", &[(Udp, "127.0.0.1", 5060), (Tcp, "127.0.0.1", 5060)]);
    }

    #[test]
    fn the_other_settings_have_defaults_and_the_last_line_counts() {
        let settings = read("");
        assert_eq!((settings.children, settings.log_level), (None, LogLevel::Information));
        assert_eq!((settings.aliases, settings.module_paths), (vec![], vec![]));
        assert_eq!(read("children=4\nchildren=5\n").children, Some(5));
    }

    /// Every bound is taken at both ends of its range and refused past them.
    #[test]
    fn bounds_have_defaults_and_ranges() {
        assert_eq!(read("").limits, Limits::default());
        for limit in limits::LIMITS {
            for number in [limit.minimum, limit.maximum] {
                let mut limits = read(&format!("{}={number}", limit.name)).limits;
                assert_eq!(*(limit.of)(&mut limits), number, "{}", limit.name);
            }
            for number in [limit.minimum as i64 - 1, limit.maximum as i64 + 1] {
                let text = format!("{}={number}", limit.name);
                let (ast, mut diagnostics) = parse(&Source::new("proxy.cfg", text.as_bytes()));
                Settings::read(&ast, &mut diagnostics);
                assert!(diagnostics.has_errors(), "{text}");
            }
        }
    }

    #[test]
    fn settings_are_read_in_every_spelling() {
        let settings = read("children=0x4\nmpath=\"/a/\"\nmpath=b/c\nalias=Example.COM\nalias=\"udp:[::1]:5060\"\n");
        assert_eq!(settings.children, Some(4));
        assert_eq!(settings.module_paths, [PathBuf::from("/a/"), PathBuf::from("b/c")]);
        let named = Alias { host: Host::Name("example.com".to_owned()), port: None };
        let numbered = Alias { host: Host::Address([0, 0, 0, 0, 0, 0, 0, 1].into()), port: Some(5060) };
        assert_eq!(settings.aliases, [named, numbered]);
    }

    #[test]
    fn log_levels_are_names_or_openser_numbers() {
        for (text, expected) in [
            ("debug=-3", LogLevel::Error),
            ("debug=0", LogLevel::Error),
            ("debug=2", LogLevel::Warning),
            ("debug=3", LogLevel::Information),
            ("debug=4", LogLevel::Debug),
            ("debug=9", LogLevel::Trace),
            ("log_level=warn", LogLevel::Warning),
            ("log_level=\"TRACE\"", LogLevel::Trace),
            ("debug=9\nlog_level=error", LogLevel::Error),
        ] {
            assert_eq!(read(text).log_level, expected, "{text}");
        }
    }
}
