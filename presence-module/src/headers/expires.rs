//! The `Expires` header field as an interval (RFC 3261 §20.19): delta-seconds.
//!
//! A value past 2^32-1 counts as 2^32-1. What a malformed or absent value means is the caller's policy.

use super::trim;

/// An interval in seconds, as requested or granted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Expires {
    /// The interval; zero ends what it is about.
    pub seconds: u32,
}

/// An `Expires` value that is not `1*DIGIT`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MalformedExpires;

impl Expires {
    /// Reads one header field value.
    pub fn parse(value: &[u8]) -> Result<Self, MalformedExpires> {
        let digits = trim(value);
        if digits.is_empty() {
            return Err(MalformedExpires);
        }
        let mut seconds = 0_u32;
        for &digit in digits {
            if !digit.is_ascii_digit() {
                return Err(MalformedExpires);
            }
            seconds = seconds.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
        }
        Ok(Self { seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<u32>) {
        assert_eq!(Expires::parse(value.as_bytes()).ok().map(|expires| expires.seconds), expected, "{value:?}");
    }

    #[test]
    fn seconds_are_digits_and_saturate() {
        check("3600", Some(3600));
        check(" 0 ", Some(0));
        check("007", Some(7));
        check("4294967295", Some(u32::MAX));
        check("4294967296", Some(u32::MAX));
        check(&"9".repeat(4000), Some(u32::MAX));
    }

    #[test]
    fn anything_else_is_reported() {
        for value in
            ["", " ", "-1", "+1", "1.5", "3600;x", "36 00", "1e3", "soon", "Thu, 01 Dec 1994 16:00:00 GMT", "١"]
        {
            check(value, None);
        }
    }
}
