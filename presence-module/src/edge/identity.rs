//! `presence_identity(uri)`: the script states who sent the request, where something before it has made sure.
//!
//! The host keeps what is stated for the rest of the script, and hands it to every module. Nothing is believed that the
//! script does not say: From is what anybody can write.

use module_api::abi::CallResult;

use super::request::uri_of_argument;

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
