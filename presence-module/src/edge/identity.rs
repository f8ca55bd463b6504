//! Who sent a request (RFC 5025 §3.1.1): what the host authenticated, or what the script states with
//! `presence_identity(uri)`, where something before it has made sure.
//!
//! The host keeps what is stated for the rest of the script, and hands it to every module. From is what anybody can write:
//! it counts only where the operator says so.

use module_api::abi::{CallResult, Request};
use module_api::sip::name_addr::NameAddr;
use module_api::sip::uri::{Scheme, Uri};
use smol_str::SmolStr;

use super::request::uri_of_argument;

/// Who says who sent a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IdentitySource {
    /// The host, or the script.
    #[default]
    Authenticated,
    /// Where neither does, the sender itself.
    From,
}

impl IdentitySource {
    /// Reads the parameter.
    pub fn from_parameter(value: &str) -> Option<Self> {
        match value {
            "authenticated" => Some(Self::Authenticated),
            "from" => Some(Self::From),
            _ => None,
        }
    }

    /// Returns who sent a request, empty if nobody knows. URIs are without what does not say who: parameters, port.
    pub(super) fn of(self, request: &Request<'_>, from: &NameAddr<'_>) -> SmolStr {
        let uri = match request.identity() {
            Some(stated) => uri_of_argument(stated),
            None if self == Self::From => Uri::parse(from.uri).ok(),
            None => None,
        };
        uri.filter(|uri| !is_anonymous(uri)).and_then(|uri| canonical(&uri)).unwrap_or_default()
    }
}

/// Returns whether a URI says that its owner does not want to be known (RFC 3323 §4.1.1.3, RFC 5025 §3.1.1.1).
fn is_anonymous(uri: &Uri<'_>) -> bool {
    uri.user.is_some_and(|user| user.eq_ignore_ascii_case(b"anonymous"))
        || uri.host.eq_ignore_ascii_case(b"anonymous.invalid")
}

/// Writes the address-of-record under the scheme it was stated with: rules tell schemes apart (RFC 5025 §3.1.1.2).
fn canonical(uri: &Uri<'_>) -> Option<SmolStr> {
    let scheme = match uri.scheme {
        Scheme::Pres => "pres",
        Scheme::Sip => "sip",
        Scheme::Sips => "sips",
        _ => return std::str::from_utf8(uri.raw).ok().map(SmolStr::new),
    };
    let aor = uri.aor()?;
    Some(crate::presentity_uri::UserAtDomain::new(aor.user, aor.host).to_uri(scheme).into())
}

/// The request has an identity.
const STATED: i32 = 1;
/// The argument names nobody.
const NOBODY: i32 = -1;

/// States the URI in `argument` as the identity of the request.
pub(super) fn state(argument: &[u8]) -> CallResult {
    match uri_of_argument(argument) {
        Some(uri) => CallResult::new(STATED).with_identity(uri.raw),
        None => CallResult::new(NOBODY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An argument comes to this code, and states this identity.
    fn check(argument: &str, code: i32, identity: &str) {
        let result = state(argument.as_bytes());
        assert_eq!((result.code, result.identity()), (code, identity.as_bytes()), "{argument}");
    }

    #[test]
    fn a_uri_is_stated_as_it_is_written_and_without_what_stands_around_it() {
        check("sip:ann@watch.example", 1, "sip:ann@watch.example");
        check("sips:ann@watch.example;x=y", 1, "sips:ann@watch.example;x=y");
        check(" pres:ann@watch.example ", 1, "pres:ann@watch.example");
        check("tel:+15550100;phone-context=+1", 1, "tel:+15550100;phone-context=+1");
        check("<sip:ann@watch.example>", 1, "sip:ann@watch.example");
        check("\"Ann, <b>\" <sip:ann@watch.example>;q=1", 1, "sip:ann@watch.example");
    }

    #[test]
    fn of_several_the_first_counts() {
        check("<sip:ann@watch.example>, <tel:+15550100>", 1, "sip:ann@watch.example");
    }

    #[test]
    fn what_names_nobody_states_nothing() {
        for argument in
            ["", "<null>", "ann", "<>", "http://watch.example", "sip:", "sip:ann@", "<sip:ann@watch.example"]
        {
            check(argument, -1, "");
        }
    }
}
