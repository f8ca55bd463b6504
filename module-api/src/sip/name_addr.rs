//! The value of From, To, Contact, Route, Record-Route, P-Asserted-Identity: a URI, perhaps with a name before it and
//! parameters after it (RFC 3261 §20.10, §25.1 name-addr and addr-spec).
//!
//! One value at a time: `list.rs` splits a header that has several. The URI is cut out, not checked.

use std::borrow::Cow;

use memchr::{memchr, memchr3};

use super::params::Params;
use super::quoted::{quoted_end, unquote};
use super::token::trim;
use super::uri::{Uri, UriError};

/// A URI with the name and the parameters around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NameAddr<'a> {
    /// The display name as it stands, quotes and all; empty where there is none.
    pub display_name: &'a [u8],
    /// The URI, without angle brackets.
    pub uri: &'a [u8],
    /// The parameters of the header, not of the URI.
    pub params: Params<'a>,
}

/// Says that a value is not a name and an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotNameAddr;

impl<'a> NameAddr<'a> {
    /// Reads one value. Without angle brackets, everything from the first `;` on belongs to the header, not to the
    /// URI (RFC 3261 §20.10).
    pub fn parse(value: &'a [u8]) -> Result<Self, NotNameAddr> {
        let value = trim(value);
        let (display_name, rest) = match value.first() {
            Some(b'"') => value.split_at(quoted_end(value, 0)),
            _ => match memchr3(b'<', b';', b'"', value) {
                Some(at) if value[at] == b'<' => value.split_at(at),
                Some(at) if value[at] == b'"' => return Err(NotNameAddr),
                at => return Self::addr_spec(value, at.unwrap_or(value.len())),
            },
        };
        let [b'<', inside @ ..] = trim(rest) else {
            return Err(NotNameAddr);
        };
        let close = memchr(b'>', inside).ok_or(NotNameAddr)?;
        Self::joined(trim(display_name), &inside[..close], &inside[close + 1..])
    }

    /// Returns the parsed URI.
    pub fn parse_uri(&self) -> Result<Uri<'a>, UriError> {
        Uri::parse(self.uri)
    }

    /// Returns the display name without quotes and escapes; empty where there is none.
    pub fn display_text(&self) -> Cow<'a, [u8]> {
        unquote(self.display_name)
    }

    /// Returns the tag of From or To; an empty one is none.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.value(b"tag").filter(|tag| !tag.is_empty())
    }

    fn addr_spec(value: &'a [u8], uri_end: usize) -> Result<Self, NotNameAddr> {
        Self::joined(b"", &value[..uri_end], &value[uri_end..])
    }

    fn joined(display_name: &'a [u8], uri: &'a [u8], params: &'a [u8]) -> Result<Self, NotNameAddr> {
        let (uri, params) = (trim(uri), trim(params));
        if uri.is_empty() || !matches!(params.first(), None | Some(b';')) {
            return Err(NotNameAddr);
        }
        Ok(Self { display_name, uri, params: Params::new(params) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<(&str, &str, &str)>) {
        let parsed = NameAddr::parse(value.as_bytes()).ok();
        let parsed = parsed.map(|addr| (addr.display_name, addr.uri, addr.params.text()));
        assert_eq!(parsed, expected.map(|(a, b, c)| (a.as_bytes(), b.as_bytes(), c.as_bytes())), "{value}");
    }

    #[test]
    fn brackets_keep_the_parameters_of_the_uri() {
        check("<sip:a@b;lr>;tag=1", Some(("", "sip:a@b;lr", ";tag=1")));
        check("Dana Doe <sip:a@b>", Some(("Dana Doe", "sip:a@b", "")));
        check("caller<sip:a@b>;tag=2", Some(("caller", "sip:a@b", ";tag=2")));
        check("< sip:a@b >  ; tag = 3", Some(("", "sip:a@b", "; tag = 3")));
    }

    #[test]
    fn without_brackets_parameters_belong_to_the_header() {
        check("sip:a@b;tag=1", Some(("", "sip:a@b", ";tag=1")));
        check(r#"sip:a@b;x="<y>""#, Some(("", "sip:a@b", r#";x="<y>""#)));
        check("*", Some(("", "*", "")));
    }

    #[test]
    fn a_quoted_name_may_hold_anything() {
        check(
            r#""J Rosenberg \\\" <x>;y, z" <sip:a@b>;tag=9"#,
            Some((r#""J Rosenberg \\\" <x>;y, z""#, "sip:a@b", ";tag=9")),
        );
        check("\"\0\x07\"<sip:a@b>", Some(("\"\0\x07\"", "sip:a@b", "")));
    }

    #[test]
    fn what_has_no_address_is_refused() {
        for value in
            ["", "<>", "<sip:a@b", r#""Dana"#, r#""Dana" sip:a@b"#, "<sip:a@b> x", r#"Da"na" <sip:a@b>"#, ";tag=1"]
        {
            check(value, None);
        }
    }

    #[test]
    fn the_tag_is_that_of_the_header() {
        let check = |value: &str, expected: Option<&str>| {
            let tag = NameAddr::parse(value.as_bytes()).ok().and_then(|addr| addr.tag());
            assert_eq!(tag, expected.map(str::as_bytes), "{value}");
        };
        check("<sip:a@b;tag=uri>;tag=header", Some("header"));
        check("<sip:a@b;tag=uri>", None);
        check("<sip:a@b>;TAG=x", Some("x"));
        check("<sip:a@b>;tag=", None);
        check(r#"<sip:a@b>;x=";tag=no";tag=yes"#, Some("yes"));
    }

    #[test]
    fn the_display_name_reads_without_its_quotes() {
        let check = |value: &str, expected: &str| {
            let addr = NameAddr::parse(value.as_bytes()).expect("a name-addr");
            assert_eq!(*addr.display_text(), *expected.as_bytes(), "{value}");
        };
        check(r#""Da\"na" <sip:a@b>"#, r#"Da"na"#);
        check("Dana <sip:a@b>", "Dana");
        check("sip:a@b", "");
    }
}
