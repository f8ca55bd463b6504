//! Via: the hop a request came over, and where its response goes (RFC 3261 §18.2, §20.42; RFC 3581).
//!
//! Only the first value is read; those behind it belong to other hops.

use super::list::element_end;
use super::params::Params;
use super::span::Span;
use super::token::{is_space, is_token_byte, parse_port, parse_u32, trim};

/// The first value of a Via header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Via<'a> {
    /// The transport as it is spelled: `UDP`, `TCP`, `TLS`, `WS` …
    pub transport: &'a [u8],
    /// The host of sent-by; an IPv6 address keeps its brackets.
    pub host: &'a [u8],
    /// The port of sent-by.
    pub port: Option<u16>,
    /// All parameters, as they stand.
    pub params: Params<'a>,
    /// Where this value lies in the header value it was read from, so that a writer can put another in its place.
    pub span: Span,
}

/// What a Via says about `rport` (RFC 3581 §3, §4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rport {
    /// Not there: the response goes to the port of sent-by.
    Absent,
    /// There without a value: the client asks for the port it is seen from.
    Asked,
    /// Filled in by the element that received the request.
    Port(u16),
}

/// Says that a value is not a Via.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotVia;

impl<'a> Via<'a> {
    /// Reads the first value of `value`. White space may stand around `/` and `:`.
    pub fn parse_first(value: &'a [u8]) -> Result<Self, NotVia> {
        let end = element_end(value);
        let text = trim(&value[..end]);
        let mut cursor = Cursor { rest: text };
        let name = cursor.token()?;
        cursor.separator(b'/')?;
        let version = cursor.token()?;
        cursor.separator(b'/')?;
        let transport = cursor.token()?;
        let [space, ..] = cursor.rest else { return Err(NotVia) };
        if !is_space(*space) || !name.eq_ignore_ascii_case(b"SIP") || version != b"2.0" {
            return Err(NotVia);
        }
        cursor.rest = trim(cursor.rest);
        let host = cursor.host()?;
        let port = cursor.port()?;
        if !matches!(cursor.rest.first(), None | Some(b';')) {
            return Err(NotVia);
        }
        let span = Span::locate(value, text).unwrap_or_default();
        Ok(Self { transport, host, port, params: Params::new(cursor.rest), span })
    }

    /// Returns the branch; an empty one is none.
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params.value(b"branch").filter(|branch| !branch.is_empty())
    }

    /// Returns whether the branch says that it is globally unique (RFC 3261 §8.1.1.7).
    pub fn has_magic_cookie(&self) -> bool {
        self.branch().is_some_and(|branch| branch.starts_with(MAGIC_COOKIE))
    }

    /// Returns the address the request was seen to come from, without the brackets some put around IPv6.
    pub fn received(&self) -> Option<&'a [u8]> {
        let address = self.params.value(b"received")?;
        match address {
            [b'[', inside @ .., b']'] => Some(inside),
            _ => Some(address),
        }
    }

    /// Returns what it says about the port the request was seen to come from. A value that is no port asks for one.
    pub fn rport(&self) -> Rport {
        match self.params.get(b"rport") {
            None => Rport::Absent,
            Some(param) => param.value.and_then(parse_port).map_or(Rport::Asked, Rport::Port),
        }
    }

    /// Returns the address that responses are sent to instead of the source.
    pub fn maddr(&self) -> Option<&'a [u8]> {
        self.params.value(b"maddr").filter(|maddr| !maddr.is_empty())
    }

    /// Returns the time-to-live of multicast responses.
    pub fn ttl(&self) -> Option<u8> {
        self.params.value(b"ttl").and_then(parse_u32).and_then(|ttl| u8::try_from(ttl).ok())
    }
}

/// What every branch begins with since RFC 3261.
pub const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !wanted(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn token(&mut self) -> Result<&'a [u8], NotVia> {
        match self.take(is_token_byte) {
            [] => Err(NotVia),
            token => Ok(token),
        }
    }

    fn separator(&mut self, separator: u8) -> Result<(), NotVia> {
        self.take(is_space);
        match self.rest.split_first() {
            Some((first, rest)) if *first == separator => self.rest = rest,
            _ => return Err(NotVia),
        }
        self.take(is_space);
        Ok(())
    }

    fn host(&mut self) -> Result<&'a [u8], NotVia> {
        if self.rest.first() != Some(&b'[') {
            return match self.take(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) {
                [] => Err(NotVia),
                host => Ok(host),
            };
        }
        let close = self.rest.iter().position(|&byte| byte == b']').ok_or(NotVia)?;
        let (host, rest) = self.rest.split_at(close + 1);
        self.rest = rest;
        if host[1..close].iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) && close > 1 {
            Ok(host)
        } else {
            Err(NotVia)
        }
    }

    fn port(&mut self) -> Result<Option<u16>, NotVia> {
        self.take(is_space);
        if self.rest.first() != Some(&b':') {
            return Ok(None);
        }
        self.separator(b':')?;
        let port = parse_port(self.take(|byte| byte.is_ascii_digit())).ok_or(NotVia)?;
        self.take(is_space);
        Ok(Some(port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(value: &str) -> Via<'_> {
        Via::parse_first(value.as_bytes()).unwrap_or_else(|_| panic!("not a Via: {value}"))
    }

    fn check(value: &str, transport: &str, host: &str, port: Option<u16>, branch: Option<&str>) {
        let via = via(value);
        assert_eq!(via.transport, transport.as_bytes(), "{value}");
        assert_eq!(via.host, host.as_bytes(), "{value}");
        assert_eq!(via.port, port, "{value}");
        assert_eq!(via.branch(), branch.map(str::as_bytes), "{value}");
    }

    #[test]
    fn the_hop_is_read() {
        check("SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bKa", "UDP", "192.0.2.2", Some(5070), Some("z9hG4bKa"));
        check("SIP/2.0/TLS host.example.com", "TLS", "host.example.com", None, None);
        check("SIP/2.0/TCP [2001:db8::9:1]:5061;branch=b", "TCP", "[2001:db8::9:1]", Some(5061), Some("b"));
        check("SIP/2.0/TCP [2001:db8::9:1];branch=b", "TCP", "[2001:db8::9:1]", None, Some("b"));
    }

    #[test]
    fn white_space_and_folds_may_stand_around_separators() {
        check("SIP / 2.0\r\n / UDP\r\n  192.0.2.2 : 5060 ;\r\n branch = b", "UDP", "192.0.2.2", Some(5060), Some("b"));
        check("sip/2.0/udp\thost\t;branch=b", "udp", "host", None, Some("b"));
    }

    #[test]
    fn only_the_first_value_counts() {
        let value = r#" SIP/2.0/UDP a;x="1,2";branch=z9hG4bK1 , SIP/2.0/UDP b;branch=z9hG4bK2"#;
        check(value, "UDP", "a", None, Some("z9hG4bK1"));
        assert_eq!(via(value).span.of(value.as_bytes()), br#"SIP/2.0/UDP a;x="1,2";branch=z9hG4bK1"#);
    }

    #[test]
    fn a_quoted_parameter_does_not_hide_the_branch() {
        check(r#"SIP/2.0/UDP a;x=";branch=no\"";branch=z9hG4bKy"#, "UDP", "a", None, Some("z9hG4bKy"));
    }

    #[test]
    fn rport_is_absent_asked_for_or_filled_in() {
        let check = |value: &str, expected| assert_eq!(via(value).rport(), expected, "{value}");
        check("SIP/2.0/UDP a", Rport::Absent);
        check("SIP/2.0/UDP a;rport", Rport::Asked);
        check("SIP/2.0/UDP a;rport=", Rport::Asked);
        check("SIP/2.0/UDP a;rport=99999", Rport::Asked);
        check("SIP/2.0/UDP a;RPort=5062", Rport::Port(5062));
    }

    #[test]
    fn the_other_parameters_are_read() {
        let via = via("SIP/2.0/UDP a;maddr=224.2.0.1;ttl=16;received=[2001:db8::1];branch=1234");
        assert_eq!(via.maddr(), Some(b"224.2.0.1".as_slice()));
        assert_eq!(via.ttl(), Some(16));
        assert_eq!(via.received(), Some(b"2001:db8::1".as_slice()));
        assert!(!via.has_magic_cookie());
    }

    #[test]
    fn anything_else_is_refused() {
        for value in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0 UDP host",
            "SIP/3.0/UDP host",
            "HTTP/2.0/UDP host",
            "SIP/2.0/UDP host:port",
            "SIP/2.0/UDP host:",
            "SIP/2.0/UDP host:65536",
            "SIP/2.0/UDP [::1",
            "SIP/2.0/UDP []",
            "SIP/2.0/UDP ho st",
            "SIP/2.0/UDP ;branch=b",
            "SIP/2.0/UDP h\0st",
        ] {
            assert_eq!(Via::parse_first(value.as_bytes()), Err(NotVia), "{value}");
        }
    }
}
