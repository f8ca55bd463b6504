//! Who a URI names: the address-of-record (RFC 3261 §10.3 step 5, §19.1.4), whatever the scheme, the port, the
//! parameters and the escapes.

use super::uri::{Scheme, Uri, ipv6, unescaped};

/// An address-of-record: the key everything about a user is kept under.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Aor {
    /// The user part without escapes, letter case kept.
    pub user: String,
    /// The host in lower case; an IPv6 address in its shortest form, in brackets.
    pub host: String,
}

impl Aor {
    /// Returns it as a sip URI.
    pub fn to_uri(&self) -> String {
        let mut uri = Vec::with_capacity("sip:@".len() + self.user.len() + self.host.len());
        uri.extend_from_slice(b"sip:");
        push_escaped_user(&mut uri, self.user.as_bytes());
        uri.push(b'@');
        uri.extend_from_slice(self.host.as_bytes());
        // Escaping leaves ASCII, and a host is a String.
        String::from_utf8(uri).expect("ASCII and a String")
    }
}

impl Uri<'_> {
    /// Returns the user it names, or `None` where it names none: no user part, no host, or a user part that is not
    /// UTF-8 behind its escapes. Two URIs that name one user may well not be `same_as` each other.
    pub fn aor(&self) -> Option<Aor> {
        if !matches!(self.scheme, Scheme::Im | Scheme::Pres | Scheme::Sip | Scheme::Sips) {
            return None;
        }
        let user = String::from_utf8(unescape(self.user?)).ok()?;
        let host = match ipv6(self.host) {
            Some(address) => format!("[{address}]"),
            None => std::str::from_utf8(self.host).ok()?.to_ascii_lowercase(),
        };
        Some(Aor { user, host })
    }
}

/// Returns `text` with every escape replaced by the byte it says.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let (byte, length) = unescaped(rest).map_or((first, 1), |byte| (byte, 3));
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}

/// Appends `user` as it stands in a URI: what may not stand there is escaped.
pub fn push_escaped_user(out: &mut Vec<u8>, user: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in user {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            out.push(byte);
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expected: Option<(&str, &str)>) {
        let aor = Uri::parse(uri.as_bytes()).ok().and_then(|uri| uri.aor());
        assert_eq!(aor.as_ref().map(|aor| (aor.user.as_str(), aor.host.as_str())), expected, "{uri}");
    }

    #[test]
    fn every_spelling_of_a_user_is_one_key() {
        let dana = Some(("dana", "pres.example"));
        check("sip:dana@pres.example", dana);
        check("sip:%64ana@Pres.Example:", dana);
        check("sips:dana:secret@PRES.EXAMPLE:5061;transport=tcp?x=y", dana);
        check("pres:dana@pres.example", dana);
        check("sip:dana@[2001:DB8:0::1]", Some(("dana", "[2001:db8::1]")));
    }

    #[test]
    fn users_that_differ_in_case_are_two() {
        check("sip:Dana@pres.example", Some(("Dana", "pres.example")));
    }

    #[test]
    fn what_names_no_user_at_a_host_has_none() {
        check("sip:pres.example", None);
        check("tel:+12015550123", None);
        check("urn:service:sos", None);
        check("sip:%FF@pres.example", None);
    }

    #[test]
    fn a_user_part_survives_escaping_and_reading_back() {
        for user in ["dana", "d\u{e4}na", "a b@c:d", "50%", "*21#", "a;b=c", "\0\"<>\\", "%41"] {
            let aor = Aor { user: user.to_owned(), host: "pres.example".to_owned() };
            check(&aor.to_uri(), Some((user, "pres.example")));
        }
    }

    #[test]
    fn an_escape_that_is_none_is_left_as_it_is() {
        assert_eq!(unescape(b"50%"), b"50%");
        assert_eq!(unescape(b"%4x%41"), b"%4xA");
    }
}
