//! Who is watched, and who watches: a user at a domain, apart from scheme, parameters and port (RFC 3261 §10.3).
//!
//! The user part is unescaped and case-sensitive, the domain lower-case; so `sip:%64ana@Pres.Example` is `dana@pres.example`.

use std::fmt;

use module_api::sip::uri::push_escaped_user;
use smol_str::SmolStr;

/// A user at a domain.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserAtDomain {
    /// The user part, unescaped.
    pub user: SmolStr,
    /// The domain, lower-case.
    pub domain: SmolStr,
}

/// The watched resource (RFC 3856 §3): the unit of ordering, locking and ownership.
pub type PresentityUri = UserAtDomain;

impl UserAtDomain {
    /// Names `user`, already unescaped, at `domain`, already lower-case.
    pub fn new(user: impl Into<SmolStr>, domain: impl Into<SmolStr>) -> Self {
        Self { user: user.into(), domain: domain.into() }
    }

    /// Returns whether every database can hold the name, and tell it from every other: 255 characters of user without NUL
    /// and without a space at its end, which MySQL does not compare; 255 bytes of ASCII of domain.
    pub fn is_storable(&self) -> bool {
        let Self { user, domain } = self;
        let is_user = !user.contains('\0') && !user.ends_with(' ') && user.chars().count() <= NAME_CHARS_MAX;
        is_user && domain.is_ascii() && !domain.contains('\0') && domain.len() <= NAME_CHARS_MAX
    }

    /// Returns the URI of `scheme`, such as `sip`, that names it: what may not stand in a user part is escaped. Without a
    /// domain it is a telephone number, whatever the scheme.
    pub fn to_uri(&self, scheme: &str) -> String {
        if self.domain.is_empty() {
            return format!("tel:{}", self.user);
        }
        let mut user = Vec::with_capacity(self.user.len());
        push_escaped_user(&mut user, self.user.as_bytes());
        let user = String::from_utf8(user).expect("escaping leaves ASCII");
        format!("{scheme}:{user}@{}", self.domain)
    }
}

/// The longest user part, and the longest domain, that is stored.
pub const NAME_CHARS_MAX: usize = 255;

impl fmt::Display for UserAtDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.domain)
    }
}

#[cfg(test)]
mod tests {
    use module_api::sip::uri::Uri;

    use super::*;

    fn check(user: &str, expected: &str) {
        let uri = UserAtDomain::new(user, "pres.example").to_uri("sip");
        assert_eq!(uri, expected);
        let read = Uri::parse(uri.as_bytes()).unwrap().aor().unwrap();
        assert_eq!((&*read.user, &*read.host), (user, "pres.example"));
    }

    #[test]
    fn a_user_part_is_escaped_and_reads_back() {
        check("dana", "sip:dana@pres.example");
        check("a b", "sip:a%20b@pres.example");
        check("a@b:c", "sip:a%40b%3Ac@pres.example");
        check("50%", "sip:50%25@pres.example");
        check("d\u{e4}na", "sip:d%C3%A4na@pres.example");
        check("<&>\"\0", "sip:%3C&%3E%22%00@pres.example");
        check("+15550100;phone-context=x", "sip:+15550100;phone-context=x@pres.example");
    }

    #[test]
    fn a_name_that_some_database_cannot_hold_or_tell_apart_is_not_storable() {
        let check = |user: &str, domain: &str, expected: bool| {
            assert_eq!(UserAtDomain::new(user, domain).is_storable(), expected, "{user:?} {domain:?}");
        };
        check(&"\u{e4}".repeat(255), &"d".repeat(255), true);
        check("", "", true);
        check(" a b", "pres.example", true);
        check(&"a".repeat(256), "pres.example", false);
        check("a\0b", "pres.example", false);
        check("dana ", "pres.example", false);
        check("dana", &"d".repeat(256), false);
        check("dana", "pr\u{e9}s.example", false);
    }

    #[test]
    fn a_telephone_number_has_no_domain() {
        assert_eq!(UserAtDomain::new("+15550100", "").to_uri("sip"), "tel:+15550100");
    }

    #[test]
    fn the_scheme_is_the_caller_s() {
        assert_eq!(UserAtDomain::new("dana", "pres.example").to_uri("pres"), "pres:dana@pres.example");
    }
}
