//! The few values of a message that are looked at, found without reading the rest.

use memchr::{memchr, memmem};

/// Returns what follows `name` up to the end of its line; `name` begins with a line end.
pub(super) fn value_after<'m>(message: &'m [u8], name: &[u8]) -> Option<&'m [u8]> {
    let rest = &message[memmem::find(message, name)? + name.len()..];
    Some(&rest[..memchr(b'\r', rest).unwrap_or(rest.len())])
}

/// Returns the decimal number that follows `name`.
pub(super) fn number_after(message: &[u8], name: &[u8]) -> Option<u32> {
    let rest = &message[memmem::find(message, name)? + name.len()..];
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

/// Returns the tag of a From or To value.
pub(super) fn tag(value: &[u8]) -> Option<&str> {
    let rest = &value[memmem::find(value, b";tag=")? + 5..];
    let end = memchr(b';', rest).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()
}

/// Returns what stands between the angle brackets of a Contact.
pub(super) fn uri(value: &[u8]) -> Option<&str> {
    let begin = memchr(b'<', value)? + 1;
    let end = begin + memchr(b'>', &value[begin..])?;
    std::str::from_utf8(&value[begin..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_and_nothing_beyond_their_line() {
        let message =
            b"SIP/2.0 200 OK\r\nTo: <sip:a@b>;tag=x1;y\r\nCSeq: 12 PUBLISH\r\nContact: \"q\" <sip:c@d>\r\n\r\n";
        let to = value_after(message, b"\r\nTo: ").unwrap();
        assert_eq!((to, tag(to)), (&b"<sip:a@b>;tag=x1;y"[..], Some("x1")));
        assert_eq!(number_after(message, b"\r\nCSeq: "), Some(12));
        assert_eq!(uri(value_after(message, b"\r\nContact: ").unwrap()), Some("sip:c@d"));
        assert_eq!(value_after(message, b"\r\nFrom: "), None);
    }
}
