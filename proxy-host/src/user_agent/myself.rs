//! Which URIs and domains are this server's: its listeners and its aliases.

use std::net::SocketAddr;

use module_api::sip::uri::Uri;

use crate::config::{Alias, Host};
use crate::transport::resolver::written_address;

/// The names of this server.
#[derive(Clone, Debug, Default)]
pub struct Myself {
    names: Vec<(Host, Option<u16>)>,
}

impl Myself {
    /// Collects the addresses of listeners and the aliases.
    pub fn new(listeners: impl Iterator<Item = SocketAddr>, aliases: &[Alias]) -> Self {
        let listeners = listeners.map(|address| (Host::Address(address.ip()), Some(address.port())));
        let aliases = aliases.iter().map(|alias| (alias.host.clone(), alias.port));
        Self { names: listeners.chain(aliases).collect() }
    }

    /// Returns whether `domain`, with any port, is one of them.
    pub fn is_domain(&self, domain: &str) -> bool {
        self.ports_of(domain).next().is_some()
    }

    /// Returns whether `uri` leads to this server. A port that is not named fits any.
    pub fn is_uri(&self, uri: &[u8]) -> bool {
        let Ok(uri) = Uri::parse(uri) else { return false };
        let Ok(host) = std::str::from_utf8(uri.host) else { return false };
        self.ports_of(host).any(|port| uri.port.is_none() || port.is_none() || uri.port == port)
    }

    /// Returns the port of each name that is `host`. An address is itself however it is written.
    fn ports_of(&self, host: &str) -> impl Iterator<Item = Option<u16>> {
        let address = written_address(host);
        let is_it = move |name: &Host| match name {
            Host::Address(own) => Some(*own) == address,
            Host::Name(own) => own.eq_ignore_ascii_case(host),
        };
        self.names.iter().filter(move |(name, _)| is_it(name)).map(|(_, port)| *port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_and_aliases_are_myself_and_nothing_else() {
        let listeners = ["192.0.2.1:5060", "[2001:db8::1]:5060"].map(|text| text.parse().expect("an address"));
        let alias = |name: &str, port| Alias { host: Host::Name(name.into()), port };
        let aliases = [alias("pres.example", None), alias("sip.example", Some(5080))];
        let myself = Myself::new(listeners.into_iter(), &aliases);
        for (uri, expected) in [
            ("sip:192.0.2.1", true),
            ("sip:192.0.2.1:5060;lr", true),
            ("sip:192.0.2.1:5070", false),
            ("sip:[2001:DB8:0::1]:5060", true),
            ("sip:dana@sip.example:5080", true),
            ("sip:dana@sip.example:5060", false),
            ("sip:dana@PRES.example:5090", true),
            ("sip:dana@sub.pres.example", false),
            ("tel:+15550100", false),
            ("garbage", false),
        ] {
            assert_eq!(myself.is_uri(uri.as_bytes()), expected, "{uri}");
        }
        assert!(myself.is_domain("Pres.Example") && !myself.is_domain("other.example"));
    }
}
