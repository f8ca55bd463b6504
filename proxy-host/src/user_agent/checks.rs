//! What is asked of every request before anything is done with it (RFC 3261 §8.2, §16.3): that its mandatory headers are
//! sound, and that it asks for nothing that nobody here knows.

use module_api::sip::header::HeaderId;
use module_api::sip::message::{HeaderSpan, Message, VALUE_BYTES_MAX};
use module_api::sip::name_addr::NameAddr;
use module_api::sip::token::is_token;
use module_api::sip::uri::Uri;
use module_api::sip::via::Via;

use crate::limits::Limits;

/// How a request is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    /// In words a person understands; empty for the standard phrase.
    pub(crate) reason: &'static str,
    /// Complete lines.
    pub(crate) headers: Vec<u8>,
}

impl Refusal {
    pub(crate) fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason, headers: Vec::new() }
    }

    pub(crate) fn with_headers(code: u16, headers: &[u8]) -> Self {
        Self { code, reason: "", headers: headers.to_vec() }
    }
}

/// Returns the top Via of a request whose mandatory headers are sound, or how it is refused (§8.1.1, §16.3 step 1).
pub(crate) fn examine<'m>(request: &Message<'m>, limits: &Limits) -> Result<Via<'m>, Refusal> {
    if let Some(defect) = request.defect() {
        return Err(Refusal::new(defect.code(), defect.reason()));
    }
    if let Some(refusal) = refuse_excess(request, limits) {
        return Err(refusal);
    }
    let value = |id| request.header(id).unwrap_or_default();
    let malformed = |reason| move || Refusal::new(400, reason);
    let via = Via::parse_first(value(HeaderId::VIA)).ok().ok_or_else(malformed("Malformed Via header"))?;
    let is_address = |value| NameAddr::parse(value).is_ok_and(|address| Uri::parse(address.uri).is_ok());
    for (is_sound, reason) in [
        (is_address(value(HeaderId::FROM)), "Malformed From header"),
        (is_address(value(HeaderId::TO)), "Malformed To header"),
        (!value(HeaderId::CALL_ID).is_empty(), "Malformed Call-ID header"),
    ] {
        is_sound.then_some(()).ok_or_else(malformed(reason))?;
    }
    Ok(via)
}

/// Returns how a request is refused for its size (RFC 3261 §21.4.11, §21.5.7). What no message may have the scan has found.
fn refuse_excess(request: &Message<'_>, limits: &Limits) -> Option<Refusal> {
    let is_long = |header: &HeaderSpan| header.value.len as usize > limits.header_bytes_max;
    if request.raw().len() > limits.message_bytes_max {
        return Some(Refusal::new(513, "Message too long"));
    }
    if request.body().len() > limits.body_bytes_max {
        return Some(Refusal::new(413, "Body too long"));
    }
    if request.header_spans().len() > limits.headers_max {
        return Some(Refusal::new(513, "Too many headers"));
    }
    let may_be_long = limits.header_bytes_max < VALUE_BYTES_MAX && request.raw().len() > limits.header_bytes_max;
    (may_be_long && request.header_spans().iter().any(is_long)).then(|| Refusal::new(513, "Header value too long"))
}

/// Returns how a request is refused for the option tags in its headers `id`, Require or Proxy-Require: this host knows
/// none, and says which they are (§8.2.2.3, §16.3 step 5).
pub(crate) fn refuse_extensions(request: &Message<'_>, id: HeaderId) -> Option<Refusal> {
    request.header(id)?;
    let tags: Vec<&[u8]> = request.list(id).collect();
    if tags.is_empty() {
        return None;
    }
    if !tags.iter().all(|tag| is_token(tag)) {
        return Some(Refusal::new(400, "Malformed list of option tags"));
    }
    Some(Refusal::with_headers(420, &[b"Unsupported: ", tags.join(&b", "[..]).as_slice(), b"\r\n"].concat()))
}

#[cfg(test)]
mod tests {
    use module_api::sip::message::{HeaderTable, scan};

    use super::*;

    const REQUEST: &str = "OPTIONS sip:pres.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n\
        From: <sip:a@b>;tag=f\r\nTo: <sip:pres.example>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n";

    fn with<T>(text: &str, take: impl FnOnce(&Message<'_>) -> T) -> T {
        let mut table = HeaderTable::new();
        take(&scan(text.as_bytes(), &mut table).unwrap())
    }

    /// The request with `sound` replaced by `other` is refused with this code and reason, or not at all.
    fn check(sound: &str, other: &str, expected: Option<(u16, &str)>) {
        assert!(REQUEST.contains(sound));
        with(&REQUEST.replace(sound, other), |request| {
            let refused = examine(request, &Limits::default()).err().map(|refusal| (refusal.code, refusal.reason));
            assert_eq!(refused, expected, "{other}");
        });
    }

    #[test]
    fn mandatory_headers_are_sound_or_the_answer_says_which_is_not() {
        check("SIP/2.0/UDP h;", "SIP/2.0/UDP h;", None);
        check("<sip:a@b>;tag=f", "Ann <tel:+15550100>", None);
        check("<sip:pres.example>", "http://elsewhere.example", None);
        check("SIP/2.0/UDP h;", "SIP/2.0 h;", Some((400, "Malformed Via header")));
        check("<sip:a@b>;tag=f", "", Some((400, "Malformed From header")));
        check("<sip:a@b>;tag=f", "<sip:a@>;tag=f", Some((400, "Malformed From header")));
        check("<sip:pres.example>", "\"Dana <sip:pres.example>", Some((400, "Malformed To header")));
        check("Call-ID: c", "Call-ID:", Some((400, "Malformed Call-ID header")));
        check("CSeq: 1 OPTIONS", "CSeq: one", Some((400, "Bad CSeq header")));
        check(" SIP/2.0\r\nVia", " SIP/3.0\r\nVia", Some((505, "SIP Version Not Supported")));
    }

    /// The request with a body and one header more is refused with this code one below the bound that `of` leads to, and not
    /// at it.
    fn check_bound(at: usize, of: fn(&mut Limits) -> &mut usize, code: u16) {
        let request = REQUEST.replace("\r\n\r\n", "\r\nSubject: 0123456789012345678901234567890123456789\r\n\r\nbody");
        for (bound, expected) in [(at, None), (at - 1, Some(code))] {
            let mut limits = Limits::default();
            *of(&mut limits) = bound;
            with(&request, |request| {
                assert_eq!(examine(request, &limits).err().map(|refusal| refusal.code), expected, "{bound}");
            });
        }
    }

    #[test]
    fn what_is_at_a_bound_is_taken_and_what_is_past_it_is_not() {
        let bytes = REQUEST.len() + "Subject: \r\n".len() + 40 + "body".len();
        check_bound(bytes, |limits| &mut limits.message_bytes_max, 513);
        check_bound(4, |limits| &mut limits.body_bytes_max, 413);
        check_bound(6, |limits| &mut limits.headers_max, 513);
        check_bound(40, |limits| &mut limits.header_bytes_max, 513);
    }

    /// A request with these lines is refused for its Require with this code and header.
    fn check_extensions(lines: &str, expected: Option<(u16, &str)>) {
        with(&REQUEST.replace("Call-ID", &format!("{lines}Call-ID")), |request| {
            let refused = refuse_extensions(request, HeaderId::REQUIRE);
            let refused = refused.map(|refusal| (refusal.code, String::from_utf8(refusal.headers).unwrap()));
            assert_eq!(refused, expected.map(|(code, headers)| (code, headers.to_owned())), "{lines}");
        });
    }

    #[test]
    fn what_is_required_is_named_when_it_is_refused() {
        check_extensions("", None);
        check_extensions("Require:\r\n", None);
        check_extensions("Supported: a\r\nProxy-Require: b\r\n", None);
        check_extensions("Require: a, b\r\nRequire: c\r\n", Some((420, "Unsupported: a, b, c\r\n")));
        check_extensions("Require: a b\r\n", Some((400, "")));
    }
}
