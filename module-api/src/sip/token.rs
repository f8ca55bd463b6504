//! The smallest words of the grammar: tokens, digits, white space, delta-seconds (RFC 3261 §25.1).
//!
//! Works on bytes: a peer's bytes are not UTF-8.

/// Returns whether `byte` may stand in a token.
#[inline]
pub const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Returns whether `word` is a token: at least one byte, and only such.
pub fn is_token(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|&byte| is_token_byte(byte))
}

/// Returns whether `word` is made of decimal digits, at least one.
pub fn is_digits(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_digit)
}

/// Returns whether `byte` is linear white space or part of a fold.
#[inline]
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Returns `text` without the white space around it.
#[inline]
pub const fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// Says that something is not the number its place asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotANumber;

/// Returns the seconds that `word` says; more than 2^32-1 is as good as 2^32-1 (RFC 3261 §20.19).
pub fn delta_seconds(word: &[u8]) -> Result<u32, NotANumber> {
    if !is_digits(word) {
        return Err(NotANumber);
    }
    let seconds = word.iter().fold(0_u32, |n, digit| n.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    Ok(seconds)
}

/// Returns the number that `word` says, or `None` where it is none or exceeds 32 bits.
#[inline]
pub(super) fn parse_u32(word: &[u8]) -> Option<u32> {
    let mut number = 0_u64;
    for byte in word {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
        if number > u64::from(u32::MAX) {
            return None;
        }
    }
    if word.is_empty() { None } else { u32::try_from(number).ok() }
}

/// Returns the port that `word` says: digits, at most 65535.
pub(super) fn parse_port(word: &[u8]) -> Option<u16> {
    parse_u32(word).and_then(|port| u16::try_from(port).ok())
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_the_grammar_says() {
        let check = |word: &[u8], expected| assert_eq!(is_token(word), expected, "{}", word.escape_ascii());
        check(b"!interesting-Method0123456789_*+`.%indeed'~", true);
        check(b"", false);
        for byte in b"()<>@,;:\\\"/[]?={} \t\r\n\0\x7f\x80\xff" {
            check(&[b'a', *byte], false);
        }
    }

    #[test]
    fn too_many_seconds_are_as_many_as_fit() {
        let check = |word: &[u8], expected| assert_eq!(delta_seconds(word), expected, "{}", word.escape_ascii());
        check(b"0", Ok(0));
        check(b"3600", Ok(3600));
        check(b"0000000000000600", Ok(600));
        check(b"4294967295", Ok(u32::MAX));
        check(b"4294967296", Ok(u32::MAX));
        check(b"99999999999999999999999999999999", Ok(u32::MAX));
    }

    #[test]
    fn malformed_seconds_are_refused_not_guessed() {
        for word in [b"".as_slice(), b"-1", b"+1", b"1 ", b" 1", b"1.5", b"0x10", b"ten", b"\xd9\xa1"] {
            assert_eq!(delta_seconds(word), Err(NotANumber), "{}", word.escape_ascii());
        }
    }

    #[test]
    fn a_number_past_its_bound_is_none() {
        assert_eq!(parse_u32(b"4294967295"), Some(u32::MAX));
        assert_eq!(parse_u32(b"4294967296"), None);
        assert_eq!(parse_u32(b"36893488147419103232"), None);
        assert_eq!(parse_u32(b""), None);
        assert_eq!(parse_port(b"65535"), Some(65535));
        assert_eq!(parse_port(b"65536"), None);
    }

    #[test]
    fn trimming_takes_folds_and_leaves_the_inside() {
        assert_eq!(trim(b" \t\r\n a b \r\n "), b"a b");
        assert_eq!(trim(b" \t "), b"");
    }
}
