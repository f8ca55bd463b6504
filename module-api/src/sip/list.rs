//! Comma-separated values (RFC 3261 §7.3.1): one header line or several say the same list.
//!
//! Commas in quoted strings and in angle brackets separate nothing. Empty elements are passed over.

use memchr::{memchr, memchr3};

use super::quoted::quoted_end;
use super::token::trim;

/// The elements of one header value, trimmed.
#[derive(Clone, Debug)]
pub struct List<'a> {
    rest: &'a [u8],
}

impl<'a> List<'a> {
    /// Reads the elements of `value`.
    pub const fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    /// Reads the elements of several values, as if they were one.
    pub fn of_all<I: Iterator<Item = &'a [u8]>>(values: I) -> impl Iterator<Item = &'a [u8]> + use<'a, I> {
        values.flat_map(List::new)
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = element_end(self.rest);
            let element = trim(&self.rest[..end]);
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// Returns the offset of the first comma that separates, or the length where none does.
pub(super) fn element_end(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr3(b',', b'"', b'<', rest)) {
        at += found;
        match text[at] {
            b',' => return at,
            b'"' => at = quoted_end(text, at),
            _ => match memchr(b'>', &text[at..]) {
                Some(close) => at += close + 1,
                None => break,
            },
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &[&str]) {
        let elements: Vec<_> = List::new(value.as_bytes()).map(|element| element.escape_ascii().to_string()).collect();
        let expected: Vec<_> = expected.iter().map(|element| element.as_bytes().escape_ascii().to_string()).collect();
        assert_eq!(elements, expected, "{value}");
    }

    #[test]
    fn commas_separate() {
        check("presence, presence.winfo", &["presence", "presence.winfo"]);
        check("a,b\r\n ,c", &["a", "b", "c"]);
    }

    #[test]
    fn quoted_and_bracketed_commas_do_not() {
        check(
            r#""Bell, Alexander" <sip:a@b>;q=0.1, <sip:c,d@e>"#,
            &[r#""Bell, Alexander" <sip:a@b>;q=0.1"#, "<sip:c,d@e>"],
        );
        check(r#""a\",b", c"#, &[r#""a\",b""#, "c"]);
        check(r#"<sip:a"@b>, "x""#, &[r#"<sip:a"@b>"#, r#""x""#]);
    }

    #[test]
    fn empty_elements_are_passed_over() {
        check("", &[]);
        check(" , ,", &[]);
        check(",a,,b,", &["a", "b"]);
    }

    #[test]
    fn what_is_never_closed_is_one_element() {
        check(r#""a, b"#, &[r#""a, b"#]);
        check("<a, b", &["<a, b"]);
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [b"a, b".as_slice(), b"", b"c"];
        let all: Vec<_> = List::of_all(lines.into_iter()).collect();
        assert_eq!(all, [b"a", b"b", b"c"]);
    }
}
