//! Request methods as small numbers (RFC 3261 §7.1 and the IANA registry of SIP methods).
//!
//! The numbers cross the module ABI: one that was given out is never given to another method. Methods are
//! case-sensitive; one that is not here is `OTHER`, and is told by its spelling in the start line.

use std::fmt;

/// A request method.
#[repr(transparent)]
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Method(pub u16);

macro_rules! methods {
    ($($method:ident = $number:literal;)*) => {
        impl Method {
            $(#[doc = concat!("`", stringify!($method), "`")] pub const $method: Self = Self($number);)*

            /// Returns the method spelled `name`, exactly.
            #[inline]
            pub fn of(name: &[u8]) -> Self {
                $(const $method: &[u8] = stringify!($method).as_bytes();)*
                match name {
                    $($method => Self::$method,)*
                    _ => Self::OTHER,
                }
            }

            /// Returns its spelling, or nothing for `OTHER` and for numbers not given out.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($number => stringify!($method),)*
                    _ => "",
                }
            }
        }
    };
}

methods! {
    ACK = 1;
    BYE = 2;
    CANCEL = 3;
    INFO = 4;
    INVITE = 5;
    MESSAGE = 6;
    NOTIFY = 7;
    OPTIONS = 8;
    PRACK = 9;
    PUBLISH = 10;
    REFER = 11;
    REGISTER = 12;
    SUBSCRIBE = 13;
    UPDATE = 14;
}

impl Method {
    /// Any method that has no number here.
    pub const OTHER: Self = Self(0);
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "" => write!(f, "Method({})", self.0),
            name => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Method) {
        assert_eq!(Method::of(name.as_bytes()), expected, "{name}");
    }

    #[test]
    fn every_method_is_its_own_spelling() {
        for number in 1..=14 {
            let method = Method(number);
            assert!(!method.name().is_empty());
            check(method.name(), method);
        }
    }

    #[test]
    fn a_method_in_another_case_is_another_method() {
        for name in ["publish", "Publish", "PUBLISHX", "PUBLIS", "", "NEWMETHOD", "OTHER"] {
            check(name, Method::OTHER);
        }
    }
}
