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

    /// Returns it as a URI of `scheme`, what may not stand in a user part escaped. Without a domain it is a telephone
    /// number, whatever the scheme.
    pub fn to_uri(&self, scheme: &str) -> String {
        if self.domain.is_empty() {
            return format!("tel:{}", self.user);
        }
        let mut user = Vec::with_capacity(self.user.len());
        push_escaped_user(&mut user, self.user.as_bytes());
        format!("{scheme}:{}@{}", String::from_utf8_lossy(&user), self.domain)
    }
}

impl fmt::Display for UserAtDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.domain)
    }
}
