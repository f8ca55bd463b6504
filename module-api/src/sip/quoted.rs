//! Quoted strings (RFC 3261 §25.1): where one ends, and what it says.
//!
//! A quote that is never closed reaches to the end of its text.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// Returns the offset after the quoted string that opens at `open`, where `text[open]` is `"`.
pub fn quoted_end(text: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

/// Returns the offset of the first `wanted` that stands outside quoted strings.
pub fn find_unquoted(text: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', wanted, text.get(at..)?)?;
        if text[at] == wanted {
            return Some(at);
        }
        at = quoted_end(text, at);
    }
}

/// Returns what `text` says: without quotes and escapes where it is a quoted string, else as it is.
pub fn unquote(text: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', inside @ .., b'"'] = text else {
        return Cow::Borrowed(text);
    };
    if memchr(b'\\', inside).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut said = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => said.extend(bytes.next()),
            _ => said.push(byte),
        }
    }
    Cow::Owned(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_string_ends_at_the_quote_that_is_not_escaped() {
        let check = |text: &str, expected| assert_eq!(quoted_end(text.as_bytes(), 0), expected, "{text}");
        check(r#""ab" c"#, 4);
        check(r#""a\"b" c"#, 6);
        check(r#""a\\" "c""#, 5);
        check(r#""""#, 2);
    }

    #[test]
    fn an_unclosed_quote_reaches_to_the_end() {
        let check = |text: &str| assert_eq!(quoted_end(text.as_bytes(), 0), text.len(), "{text}");
        check(r#"""#);
        check(r#""ab, c"#);
        check(r#""ab\"#);
        check(r#""ab\""#);
    }

    #[test]
    fn what_is_quoted_is_not_found() {
        let check = |text: &str, expected| assert_eq!(find_unquoted(text.as_bytes(), b';'), expected, "{text}");
        check(r#""a;b";c"#, Some(5));
        check(r#"a"\";";c"#, Some(6));
        check(r#""a;b"#, None);
        check(";", Some(0));
        check("", None);
    }

    #[test]
    fn unquoting_says_what_was_meant() {
        let check = |text: &[u8], expected: &[u8]| assert_eq!(*unquote(text), *expected);
        check(br#""Dana \"D\" \\ ""#, br#"Dana "D" \ "#);
        check(b"\"NUL:\\\0\"", b"NUL:\0");
        check(b"plain", b"plain");
        check(b"\"", b"\"");
        check(b"\"\"", b"");
    }
}
