//! CSeq: the number and method that order the requests of a dialog (RFC 3261 §8.1.1.5, §20.16).

use super::method::Method;
use super::token::{is_space, is_token, parse_u32, trim};

/// A CSeq value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CSeq<'a> {
    /// The sequence number, at most 2^31-1.
    pub number: u32,
    /// The method, or `Method::OTHER`.
    pub method: Method,
    /// The method as it is spelled.
    pub method_name: &'a [u8],
}

/// Why a CSeq value is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CSeqError {
    /// It is not a number, white space and a method.
    Malformed,
    /// Its number exceeds 2^31-1.
    TooLarge,
}

impl<'a> CSeq<'a> {
    /// The largest sequence number (RFC 3261 §8.1.1.5).
    pub const NUMBER_MAX: u32 = (1 << 31) - 1;

    /// Reads the value of a CSeq header.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Result<Self, CSeqError> {
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = value.split_at(digits);
        if number.is_empty() || !rest.first().is_some_and(|&byte| is_space(byte)) {
            return Err(CSeqError::Malformed);
        }
        let method_name = trim(rest);
        if !is_token(method_name) {
            return Err(CSeqError::Malformed);
        }
        match parse_u32(number) {
            Some(number) if number <= Self::NUMBER_MAX => {
                Ok(Self { number, method: Method::of(method_name), method_name })
            }
            _ => Err(CSeqError::TooLarge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Result<(u32, &str), CSeqError>) {
        let parsed = CSeq::parse(value.as_bytes()).map(|cseq| (cseq.number, cseq.method_name));
        assert_eq!(parsed, expected.map(|(number, name)| (number, name.as_bytes())), "{value:?}");
    }

    #[test]
    fn a_number_and_a_method_are_read() {
        check("1 PUBLISH", Ok((1, "PUBLISH")));
        check("0009\r\n  INVITE", Ok((9, "INVITE")));
        check("2147483647\tnewMethod", Ok((2_147_483_647, "newMethod")));
    }

    #[test]
    fn a_number_past_31_bits_is_too_large() {
        check("2147483648 INVITE", Err(CSeqError::TooLarge));
        check("36893488147419103232 REGISTER", Err(CSeqError::TooLarge));
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in ["", "1", "1 ", "PUBLISH", "1PUBLISH", "-1 PUBLISH", "1 PUB LISH", "1 PUB,LISH", "x 1 PUBLISH"] {
            check(value, Err(CSeqError::Malformed));
        }
    }
}
