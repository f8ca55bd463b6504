//! Header field values that only an event server reads or writes (RFC 3903, RFC 6665), one idea a file.
//!
//! Pure parsers from the bytes of a value, without the header's name. A value may still carry its folding: CR and LF count as
//! white space (RFC 3261 §7.3.1). Nothing here decides what a refusal answers.

/// `Event`: which package a request is about.
pub mod event;

/// `SIP-If-Match` and `SIP-ETag`: which publication.
pub mod entity_tag;

/// `Accept` and `Content-Type`: in which format.
pub mod accept;

/// `Subscription-State`: how a subscription stands.
pub mod subscription_state;

/// Returns `bytes` as text if they are one `token` (RFC 3261 §25.1).
fn token(bytes: &[u8]) -> Option<&str> {
    let is_token = !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte));
    if is_token { std::str::from_utf8(bytes).ok() } else { None }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// Splits `value` at each `separator` outside a quoted string and trims the parts.
fn split(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = unquoted(text, separator).unwrap_or(text.len());
        rest = text.get(end + 1..);
        Some(trim(&text[..end]))
    })
}

fn unquoted(text: &[u8], wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.iter().position(|&byte| {
        let found = byte == wanted && !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        found
    })
}

/// Splits a parameter into its trimmed name and, behind `=`, its trimmed value.
fn parameter(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', text) {
        Some(at) => (trim(&text[..at]), Some(trim(&text[at + 1..]))),
        None => (text, None),
    }
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_inside_quoted_strings_do_not_split() {
        let parts: Vec<_> = split(br#" a;b="c;\";d" ; ;e"#, b';').collect();
        assert_eq!(parts, [&b"a"[..], br#"b="c;\";d""#, b"", b"e"]);
        assert_eq!(split(b"", b',').count(), 1);
    }

    #[test]
    fn a_token_is_of_token_characters_only() {
        assert_eq!(token(b"a-.!%*_+`'~9"), Some("a-.!%*_+`'~9"));
        for no_token in [&b""[..], b"a b", b"a;b", b"\"a\"", b"a,b", b"\xc3\xa4", b"a\0"] {
            assert_eq!(token(no_token), None, "{no_token:?}");
        }
    }
}
