//! Which URIs and domains are this server's: its listeners and its aliases.

use std::net::SocketAddr;

use module_api::sip::uri::Uri;

use crate::config::{Alias, Host};

/// The names of this server.
#[derive(Clone, Debug, Default)]
pub struct Myself {
    names: Vec<(String, Option<u16>)>,
}

impl Myself {
    /// Collects the names of listeners and aliases.
    pub fn new(listeners: impl Iterator<Item = SocketAddr>, aliases: &[Alias]) -> Self {
        let listeners = listeners.map(|address| (address.ip().to_string(), Some(address.port())));
        let aliases = aliases.iter().map(|alias| {
            let host = match &alias.host {
                Host::Address(address) => address.to_string(),
                Host::Name(name) => name.to_ascii_lowercase(),
            };
            (host, alias.port)
        });
        Self { names: listeners.chain(aliases).collect() }
    }

    /// Returns whether `domain`, with any port, is one of them.
    pub fn is_domain(&self, domain: &str) -> bool {
        let bare = bare(domain);
        self.names.iter().any(|(name, _)| name.eq_ignore_ascii_case(bare))
    }

    /// Returns whether `uri` leads to this server. A port that is not named fits any.
    pub fn is_uri(&self, uri: &[u8]) -> bool {
        let Ok(uri) = Uri::parse(uri) else { return false };
        let Ok(host) = std::str::from_utf8(uri.host) else { return false };
        let bare = bare(host);
        let fits = |port: Option<u16>| uri.port.is_none() || port.is_none() || uri.port == port;
        self.names.iter().any(|(name, port)| name.eq_ignore_ascii_case(bare) && fits(*port))
    }
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_and_aliases_are_myself_and_nothing_else() {
        let listeners = ["192.0.2.1:5060", "[2001:db8::1]:5060"].map(|text| text.parse().expect("an address"));
        let alias = Alias { host: Host::Name("pres.example".into()), port: None };
        let myself = Myself::new(listeners.into_iter(), &[alias]);
        for (uri, expected) in [
            ("sip:192.0.2.1", true),
            ("sip:192.0.2.1:5060;lr", true),
            ("sip:192.0.2.1:5070", false),
            ("sip:[2001:DB8::1]:5060", true),
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
