//! URIs: sip, sips, tel, pres, im, urn and others (RFC 3261 §19.1; RFC 3966; RFC 3859).
//!
//! A `Uri` is cut into parts and checked once; what is cut stays as it is spelled. `uri_comparison.rs` says which are the same, `aor.rs` whom
//! they name.

use std::net::Ipv6Addr;

use memchr::{memchr, memchr_iter, memrchr};

use super::params::Params;
use super::token::parse_port;

pub use super::aor::{Aor, push_escaped_user, unescape};

/// What a URI begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `im:` (RFC 3860)
    Im,
    /// A scheme that is not here; a request for it is answered 416.
    Other,
    /// `pres:` (RFC 3859)
    Pres,
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// `urn:` (RFC 8141)
    Urn,
}

/// A URI in its parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Uri<'a> {
    /// The whole of it.
    pub raw: &'a [u8],
    /// The scheme.
    pub scheme: Scheme,
    /// The user part with its escapes; the number of a tel URI.
    pub user: Option<&'a [u8]>,
    /// The password with its escapes.
    pub password: Option<&'a [u8]>,
    /// The host; an IPv6 address keeps its brackets. Empty for tel, urn and other schemes.
    pub host: &'a [u8],
    /// The port.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
    /// What follows `?`: `name=value&name=value`.
    pub headers: &'a [u8],
}

/// Why a URI is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UriError {
    /// A byte that must be escaped, or that no URI holds.
    BadCharacter,
    /// `%` without two hexadecimal digits.
    BadEscape,
    /// No host, or one that is neither name nor address.
    BadHost,
    /// A port that is not a number up to 65535.
    BadPort,
    /// No scheme, or one that is not letters, digits, `+`, `-`, `.`.
    BadScheme,
    /// An empty user part before `@`, or a tel URI without a number.
    BadUser,
    /// More parameters or headers than anybody means.
    TooManyParts,
}

/// The most parameters, and the most headers, a URI has. It bounds what comparing two costs.
const PARTS_MAX: usize = 64;

impl<'a> Uri<'a> {
    /// Reads a URI.
    pub fn parse(raw: &'a [u8]) -> Result<Self, UriError> {
        let colon = memchr(b':', raw).ok_or(UriError::BadScheme)?;
        let scheme = Scheme::of(&raw[..colon])?;
        let rest = &raw[colon + 1..];
        check_bytes(rest)?;
        let opaque = Self {
            raw,
            scheme,
            user: None,
            password: None,
            host: b"",
            port: None,
            params: Params::default(),
            headers: b"",
        };
        match scheme {
            Scheme::Im | Scheme::Pres | Scheme::Sip | Scheme::Sips => opaque.with_hierarchy(rest),
            Scheme::Tel => opaque.with_number(rest),
            Scheme::Other | Scheme::Urn => Ok(opaque),
        }
    }

    /// Returns whether it is a sip or sips URI.
    pub const fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// Returns the `transport` parameter.
    pub fn transport(&self) -> Option<&'a [u8]> {
        self.params.value(b"transport")
    }

    /// Returns whether it names a loose router (RFC 3261 §16.12), however `lr` is spelled.
    pub fn is_loose_router(&self) -> bool {
        self.params.has(b"lr")
    }

    /// `[user[:password]@]host[:port][;params][?headers]`. User parts may hold `;` and `?`, nothing after them `@`.
    fn with_hierarchy(self, rest: &'a [u8]) -> Result<Self, UriError> {
        let (user, password, rest) = match memrchr(b'@', rest) {
            Some(at) => {
                let (user, password) = split_user(&rest[..at])?;
                (Some(user), password, &rest[at + 1..])
            }
            None => (None, None, rest),
        };
        let (rest, headers) = split_once(rest, b'?');
        let host_end = host_end(rest)?;
        let (host, rest) = rest.split_at(host_end);
        let (port, params) = split_port(rest)?;
        check_count(params, b';')?;
        check_count(headers, b'&')?;
        Ok(Self { user, password, host, port, params: Params::new(params), headers, ..self })
    }

    fn with_number(self, rest: &'a [u8]) -> Result<Self, UriError> {
        let number_end = memchr(b';', rest).unwrap_or(rest.len());
        let (number, params) = rest.split_at(number_end);
        if number.is_empty() || !number.iter().all(|&byte| is_number_byte(byte)) {
            return Err(UriError::BadUser);
        }
        check_count(params, b';')?;
        Ok(Self { user: Some(number), params: Params::new(params), ..self })
    }
}

impl Scheme {
    fn of(name: &[u8]) -> Result<Self, UriError> {
        const KNOWN: [(&[u8], Scheme); 6] = [
            (b"sip", Scheme::Sip),
            (b"sips", Scheme::Sips),
            (b"pres", Scheme::Pres),
            (b"tel", Scheme::Tel),
            (b"im", Scheme::Im),
            (b"urn", Scheme::Urn),
        ];
        if let Some((_, scheme)) = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Ok(*scheme);
        }
        let sound = name.first().is_some_and(u8::is_ascii_alphabetic)
            && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if sound { Ok(Self::Other) } else { Err(UriError::BadScheme) }
    }
}

pub(super) fn split_once(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match memchr(separator, text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

/// Splits `user[:password]`.
fn split_user(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), UriError> {
    let (user, password) = match memchr(b':', text) {
        Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
        None => (text, None),
    };
    if user.is_empty() {
        return Err(UriError::BadUser);
    }
    if text.iter().any(|byte| matches!(byte, b'@' | b'[' | b']'))
        || memchr(b':', password.unwrap_or_default()).is_some()
    {
        return Err(UriError::BadCharacter);
    }
    Ok((user, password))
}

/// Returns the offset after the host that `text` begins with.
fn host_end(text: &[u8]) -> Result<usize, UriError> {
    if text.first() == Some(&b'[') {
        let close = memchr(b']', text).ok_or(UriError::BadHost)?;
        return ipv6(&text[..=close]).map(|_| close + 1).ok_or(UriError::BadHost);
    }
    let end = text.iter().position(|byte| matches!(byte, b':' | b';')).unwrap_or(text.len());
    // Underscores are no part of host names, and in use.
    let sound = text[..end].iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if end > 0 && sound { Ok(end) } else { Err(UriError::BadHost) }
}

/// Reads `[address]`.
pub(super) fn ipv6(host: &[u8]) -> Option<Ipv6Addr> {
    let [b'[', address @ .., b']'] = host else { return None };
    std::str::from_utf8(address).ok()?.parse().ok()
}

/// A colon without digits is the absent port (RFC 3986 §3.2.3).
fn split_port(text: &[u8]) -> Result<(Option<u16>, &[u8]), UriError> {
    let params_at = memchr(b';', text).unwrap_or(text.len());
    let (port, params) = text.split_at(params_at);
    match port {
        [] | [b':'] => Ok((None, params)),
        [b':', digits @ ..] => Ok((Some(parse_port(digits).ok_or(UriError::BadPort)?), params)),
        _ => Err(UriError::BadHost),
    }
}

fn check_count(text: &[u8], separator: u8) -> Result<(), UriError> {
    if memchr_iter(separator, text).count() > PARTS_MAX { Err(UriError::TooManyParts) } else { Ok(()) }
}

/// Refuses what no URI holds: white space, controls, quotes, angle brackets, bytes beyond ASCII. `#` is let pass:
/// phones dial `*21#` without escaping it.
fn check_bytes(text: &[u8]) -> Result<(), UriError> {
    if !text.iter().all(|&byte| URI_BYTE[usize::from(byte)]) {
        return Err(UriError::BadCharacter);
    }
    for percent in memchr_iter(b'%', text) {
        unescaped(&text[percent..]).ok_or(UriError::BadEscape)?;
    }
    Ok(())
}

static URI_BYTE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}');
        byte += 1;
    }
    table
};

fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'*' | b'#' | b'-' | b'.' | b'(' | b')')
}

/// Returns the byte that the escape at the beginning of `text` says.
pub(super) fn unescaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
