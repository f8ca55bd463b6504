//! Which URIs are the same (RFC 3261 §19.1.4; RFC 3966 §4).
//!
//! Compares parts as they are spelled, through their escapes; nothing is resolved and nothing is copied.

use super::params::{Param, Params};
use super::uri::{Scheme, Uri, ipv6, split_once, unescaped};

impl Uri<'_> {
    /// Returns whether both are the same URI by RFC 3261 §19.1.4.
    pub fn same_as(&self, other: &Uri<'_>) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Im | Scheme::Pres | Scheme::Sip | Scheme::Sips => {
                same_option(self.user, other.user, Case::Matters)
                    && same_option(self.password, other.password, Case::Matters)
                    && same_host(self.host, other.host)
                    && self.port == other.port
                    && same_params(self.params, other.params)
                    && same_headers(self.headers, other.headers)
            }
            Scheme::Tel => same_number(self, other),
            Scheme::Other | Scheme::Urn => same_opaque(self.raw, other.raw),
        }
    }
}

#[derive(Clone, Copy)]
enum Case {
    Ignored,
    Matters,
}

/// The characters of a part as comparison sees them: an escape is the character it says, unless that is a reserved
/// one, which means something else when it is not escaped.
struct Characters<'a> {
    rest: &'a [u8],
    case: Case,
}

impl Iterator for Characters<'_> {
    /// The byte, and whether it is a reserved one that was escaped.
    type Item = (u8, bool);

    fn next(&mut self) -> Option<(u8, bool)> {
        let (byte, escaped) = match unescaped(self.rest) {
            Some(byte) => (byte, true),
            None => (*self.rest.first()?, false),
        };
        self.rest = &self.rest[if escaped { 3 } else { 1 }..];
        let byte = match self.case {
            Case::Ignored => byte.to_ascii_lowercase(),
            Case::Matters => byte,
        };
        Some((byte, escaped && b";/?:@&=+$,".contains(&byte)))
    }
}

fn same(one: &[u8], other: &[u8], case: Case) -> bool {
    Characters { rest: one, case }.eq(Characters { rest: other, case })
}

fn same_option(one: Option<&[u8]>, other: Option<&[u8]>, case: Case) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => same(one, other, case),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn same_host(one: &[u8], other: &[u8]) -> bool {
    one.eq_ignore_ascii_case(other) || ipv6(one).is_some_and(|address| ipv6(other) == Some(address))
}

/// Parameters in both must be the same; of those in only one, these make a difference and all others none.
fn same_params(one: Params<'_>, other: Params<'_>) -> bool {
    const DISTINGUISHING: [&[u8]; 5] = [b"maddr", b"method", b"transport", b"ttl", b"user"];
    let alone = |param: Param<'_>| !DISTINGUISHING.iter().any(|name| name.eq_ignore_ascii_case(param.name));
    agree(one, other, alone)
}

/// Returns whether all parameters in both are the same, and `alone` holds of those in only one. A name may stand once
/// (RFC 3261 §19.1.1); where it stands again, the first counts, as for all who read it.
fn agree(one: Params<'_>, other: Params<'_>, alone: impl Fn(Param<'_>) -> bool) -> bool {
    let in_both = one.iter().all(|param| match (one.get(param.name), other.get(param.name)) {
        (Some(first), Some(found)) => same_option(first.value, found.value, Case::Ignored),
        _ => alone(param),
    });
    in_both && other.iter().all(|param| one.has(param.name) || alone(param))
}

/// No header is ever ignored: each must be in both.
fn same_headers(one: &[u8], other: &[u8]) -> bool {
    let among = |header: &[u8], others: &[u8]| parts(others).any(|part| same(header, part, Case::Ignored));
    parts(one).all(|header| among(header, other)) && parts(other).all(|header| among(header, one))
}

fn parts(headers: &[u8]) -> impl Iterator<Item = &[u8]> {
    headers.split(|&byte| byte == b'&').filter(|part| !part.is_empty())
}

/// RFC 3966 §4: visual separators apart; every parameter counts.
fn same_number(one: &Uri<'_>, other: &Uri<'_>) -> bool {
    digits(one.user).eq(digits(other.user)) && agree(one.params, other.params, |_| false)
}

fn digits(number: Option<&[u8]>) -> impl Iterator<Item = u8> {
    let bytes = number.unwrap_or_default().iter();
    bytes.filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')')).map(u8::to_ascii_lowercase)
}

fn same_opaque(one: &[u8], other: &[u8]) -> bool {
    let ((one_scheme, one), (other_scheme, other)) = (split_once(one, b':'), split_once(other, b':'));
    one_scheme.eq_ignore_ascii_case(other_scheme) && one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_same(one: &str, other: &str, expected: bool) {
        fn parse(text: &str) -> Uri<'_> {
            Uri::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}"))
        }
        let (one_uri, other_uri) = (parse(one), parse(other));
        assert_eq!(one_uri.same_as(&other_uri), expected, "{one} | {other}");
        assert_eq!(other_uri.same_as(&one_uri), expected, "{other} | {one}");
    }

    #[test]
    fn s19_1_4_equivalent_uris() {
        check_same("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true);
        check_same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true);
        check_same("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true);
        check_same(
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            true,
        );
        check_same(
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            true,
        );
    }

    #[test]
    fn s19_1_4_different_uris() {
        check_same("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false);
        check_same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false);
        check_same("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false);
        check_same("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false);
        check_same("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false);
        check_same("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false);
        check_same("sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on", false);
        check_same("sip:dana@h", "sips:dana@h", false);
        check_same("sip:dana@h", "sip:h", false);
        check_same("sip:dana:x@h", "sip:dana@h", false);
    }

    /// A URI that was not the same as itself could never be found again.
    #[test]
    fn of_a_parameter_that_stands_twice_the_first_counts() {
        check_same("sip:a@h;user=;user=phone", "sip:a@h;user=;user=phone", true);
        check_same("sip:a@h;transport=tcp;Transport=udp", "sip:a@h;transport=tcp", true);
        check_same("sip:a@h;transport=tcp;transport=udp", "sip:a@h;transport=udp", false);
        check_same("tel:1;x=1;x=2", "tel:1;x=1", true);
    }

    #[test]
    fn an_escape_is_its_character_unless_that_is_reserved() {
        check_same("sip:a%3bb@h", "sip:a%3Bb@h", true);
        check_same("sip:a%3Bb@h", "sip:a;b@h", false);
        check_same("sip:a%2Db@h", "sip:a-b@h", true);
    }

    #[test]
    fn addresses_are_the_same_however_they_are_written() {
        check_same("sip:a@[2001:db8:0:0::1]", "sip:a@[2001:DB8::1]", true);
        check_same("sip:a@[2001:db8::2]", "sip:a@[2001:db8::1]", false);
    }

    #[test]
    fn numbers_are_the_same_without_their_separators() {
        check_same("tel:+1-201-555-0123", "tel:+1(201)5550123", true);
        check_same("tel:5550123;phone-context=a.example", "tel:5550123", false);
        check_same("urn:service:sos", "URN:service:sos", true);
        check_same("urn:service:sos", "urn:service:sos.fire", false);
    }
}
