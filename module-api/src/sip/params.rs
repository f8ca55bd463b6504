//! Parameters: `;name`, `;name=value`, `;name="quoted value"` (RFC 3261 §25.1, generic-param and uri-parameter).
//!
//! Names are found in any letter case. Semicolons in quoted values separate nothing.

use std::borrow::Cow;

use super::quoted::{find_unquoted, unquote};
use super::token::trim;

/// The parameters of a header value or of a URI, as text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Params<'a> {
    text: &'a [u8],
}

/// One parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Param<'a> {
    /// The name as it is spelled.
    pub name: &'a [u8],
    /// The value with its quotes; none where there is no `=`.
    pub value: Option<&'a [u8]>,
}

impl<'a> Params<'a> {
    /// Reads the parameters in `text`, which begins at the first `;` or after it.
    #[inline]
    pub const fn new(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// Returns them as they stand.
    #[inline]
    pub const fn text(self) -> &'a [u8] {
        self.text
    }

    /// Returns the parameters in order.
    #[inline]
    pub const fn iter(self) -> Iter<'a> {
        Iter { rest: self.text }
    }

    /// Returns the first parameter `name`.
    pub fn get(self, name: &[u8]) -> Option<Param<'a>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }

    /// Returns the value of the first parameter `name`, with its quotes; none where it has none.
    pub fn value(self, name: &[u8]) -> Option<&'a [u8]> {
        self.get(name)?.value
    }

    /// Returns whether there is a parameter `name`, whatever its value: `lr`, `lr=on` and `LR=true` say the same.
    pub fn has(self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }
}

impl<'a> IntoIterator for Params<'a> {
    type Item = Param<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> Param<'a> {
    /// Returns the value without quotes and escapes; empty where there is none.
    pub fn unquoted(self) -> Cow<'a, [u8]> {
        unquote(self.value.unwrap_or_default())
    }

    fn read(text: &'a [u8]) -> Self {
        // No quote can precede the first `=`: names are tokens.
        match text.iter().position(|&byte| byte == b'=') {
            Some(equals) => Self { name: trim(&text[..equals]), value: Some(trim(&text[equals + 1..])) },
            None => Self { name: text, value: None },
        }
    }
}

/// Goes through parameters in order; empty ones (`;;`) are passed over.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Param<'a>;

    fn next(&mut self) -> Option<Param<'a>> {
        while !self.rest.is_empty() {
            let end = find_unquoted(self.rest, b';').unwrap_or(self.rest.len());
            let text = trim(&self.rest[..end]);
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !text.is_empty() {
                return Some(Param::read(text));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, Option<&str>)]) {
        let params: Vec<_> = Params::new(text.as_bytes()).iter().collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| Param { name: name.as_bytes(), value: value.map(str::as_bytes) })
            .collect();
        assert_eq!(params, expected, "{text}");
    }

    #[test]
    fn names_and_values_are_read_in_order() {
        check(";tag=1928301774", &[("tag", Some("1928301774"))]);
        check("lr;transport=tcp;ob", &[("lr", None), ("transport", Some("tcp")), ("ob", None)]);
        check(" ; q = 0.7 \r\n ;\texpires=60 ", &[("q", Some("0.7")), ("expires", Some("60"))]);
    }

    #[test]
    fn quotes_hide_semicolons_and_equals_signs() {
        check(
            r#";x="a;branch=evil\";y";branch=z9hG4bK1"#,
            &[("x", Some(r#""a;branch=evil\";y""#)), ("branch", Some("z9hG4bK1"))],
        );
        check(r#";x="a;b"#, &[("x", Some(r#""a;b"#))]);
    }

    #[test]
    fn an_empty_value_is_not_a_missing_one() {
        check(";a=;b", &[("a", Some("")), ("b", None)]);
        check(";;; ;", &[]);
        check("", &[]);
    }

    #[test]
    fn lr_is_there_in_every_spelling() {
        for text in [";lr", ";lr=on", ";LR=true", ";transport=udp;Lr"] {
            assert!(Params::new(text.as_bytes()).has(b"lr"), "{text}");
        }
        assert!(!Params::new(b";xlr;lrx").has(b"lr"));
    }

    #[test]
    fn values_are_unquoted_on_request() {
        let params = Params::new(br#";handling="opt\"ional";q=1"#);
        assert_eq!(params.get(b"HANDLING").map(Param::unquoted).as_deref(), Some(br#"opt"ional"#.as_slice()));
        assert_eq!(params.get(b"q").map(Param::unquoted).as_deref(), Some(b"1".as_slice()));
    }
}
