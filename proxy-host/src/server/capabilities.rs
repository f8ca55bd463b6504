//! What this server says it can do (RFC 3261 §8.2.1, §8.2.3, §11.2; RFC 6665 §4.4.4): its own methods, and what its modules
//! declare.

use std::collections::BTreeSet;

use module_api::abi::{RString, WireDeclaration};
use module_api::sip::header::HeaderId;
use module_api::sip::message::Message;

/// As header lines, each complete with its CRLF, and as what they are made of.
#[derive(Clone, Debug)]
pub(crate) struct Capabilities {
    methods: Vec<String>,
    accepts: Vec<String>,
    /// Whether a module serves the users of this server's domains.
    pub(crate) serves_users: bool,
    /// Allow.
    pub(crate) allow: Vec<u8>,
    /// Accept and Accept-Encoding.
    pub(crate) accept: Vec<u8>,
    /// Everything: what an answer to OPTIONS says.
    pub(crate) options: Vec<u8>,
}

impl Capabilities {
    /// Collects what `modules` declare.
    pub(crate) fn of<'m>(modules: impl Iterator<Item = &'m WireDeclaration> + Clone) -> Self {
        let all = |list: fn(&WireDeclaration) -> &[RString]| -> BTreeSet<String> {
            modules.clone().flat_map(|module| list(module).iter().map(ToString::to_string)).collect()
        };
        let mut methods = all(|module| &module.methods);
        let serves_users = !methods.is_empty();
        methods.extend(["CANCEL", "OPTIONS"].map(String::from));
        let (accepts, events) = (all(|module| &module.accepts), all(|module| &module.event_packages));
        let line = |name: &str, values: &BTreeSet<String>| {
            format!("{name}: {}\r\n", values.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        };
        let allow = line("Allow", &methods);
        let accept = line("Accept", &accepts) + "Accept-Encoding: identity\r\n";
        let events = if events.is_empty() { String::new() } else { line("Allow-Events", &events) };
        Self {
            options: format!("{allow}{accept}Accept-Language: *\r\nSupported: \r\n{events}").into_bytes(),
            methods: methods.into_iter().collect(),
            accepts: accepts.into_iter().collect(),
            serves_users,
            allow: allow.into_bytes(),
            accept: accept.into_bytes(),
        }
    }

    /// Returns whether the method of `request` is served at all.
    pub(crate) fn serves_method_of(&self, request: &Message<'_>) -> bool {
        self.methods.iter().any(|name| name.as_bytes() == request.method_name())
    }

    /// Returns whether the body of `request` can be read, or may be passed over (RFC 3261 §8.2.3).
    pub(crate) fn can_read_body_of(&self, request: &Message<'_>) -> bool {
        if request.body().is_empty() || request.is_body_optional() {
            return true;
        }
        let is_plain =
            request.header(HeaderId::CONTENT_ENCODING).is_none_or(|value| value.eq_ignore_ascii_case(b"identity"));
        let media_type =
            request.header(HeaderId::CONTENT_TYPE).and_then(|value| value.split(|byte| *byte == b';').next());
        let is_known = |media_type: &[u8]| {
            self.accepts.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(media_type.trim_ascii()))
        };
        is_plain && media_type.is_some_and(is_known)
    }
}

#[cfg(test)]
mod tests {
    use module_api::sip::message::{HeaderTable, scan};

    use super::*;

    fn declaration(methods: &[&str], accepts: &[&str], event_packages: &[&str]) -> WireDeclaration {
        let strings = |list: &[&str]| list.iter().map(|item| RString::from(*item)).collect();
        WireDeclaration {
            name: "m".into(),
            requires: strings(&[]),
            parameters: Vec::new().into(),
            functions: Vec::new().into(),
            event_packages: strings(event_packages),
            accepts: strings(accepts),
            methods: strings(methods),
        }
    }

    #[test]
    fn what_all_modules_can_do_is_said_once_and_in_order() {
        let modules = [
            declaration(&["SUBSCRIBE", "PUBLISH"], &["application/pidf+xml"], &["presence"]),
            declaration(&["PUBLISH"], &[], &["dialog"]),
        ];
        let capabilities = Capabilities::of(modules.iter());
        assert_eq!(
            String::from_utf8(capabilities.options).unwrap(),
            "Allow: CANCEL, OPTIONS, PUBLISH, SUBSCRIBE\r\nAccept: application/pidf+xml\r\nAccept-Encoding: identity\r\n\
             Accept-Language: *\r\nSupported: \r\nAllow-Events: dialog, presence\r\n"
        );
        assert!(capabilities.serves_users);
        assert!(!Capabilities::of([].iter()).serves_users);
    }

    /// Whether a body with these headers can be read, where only presence documents are.
    fn check(lines: &str, body: &str, expected: bool) {
        let capabilities = Capabilities::of([declaration(&[], &["application/pidf+xml"], &[])].iter());
        let text = format!("OPTIONS sip:a SIP/2.0\r\n{lines}\r\n{body}");
        let mut table = HeaderTable::new();
        assert_eq!(capabilities.can_read_body_of(&scan(text.as_bytes(), &mut table).unwrap()), expected, "{lines}");
    }

    #[test]
    fn a_body_is_known_or_optional_or_cannot_be_read() {
        check("", "", true);
        check("Content-Type: text/plain\r\n", "", true);
        check("Content-Type: Application/PIDF+xml ;charset=utf-8\r\n", "x", true);
        check("", "x", false);
        check("c: text/plain\r\n", "x", false);
        check("c: text/plain\r\nContent-Disposition: render;handling=optional\r\n", "x", true);
        check("c: text/plain\r\nContent-Disposition: render; x=y ; Handling=Optional\r\n", "x", true);
        check("c: text/plain\r\nContent-Disposition: render;handling=required\r\n", "x", false);
        check("c: application/pidf+xml\r\ne: gzip\r\n", "x", false);
        check("c: application/pidf+xml\r\ne: identity\r\n", "x", true);
    }
}
