//! What a request gets that the script leaves unanswered: the checks of RFC 3261 §8.2, in their order, and what is left
//! when all of them hold (§11.2, §12.2.2).

use module_api::sip::header::HeaderId;
use module_api::sip::method::Method;
use module_api::sip::uri::{Scheme, Uri};

use super::call::RequestContext;
use super::capabilities::Capabilities;
use crate::user_agent::Request;
use crate::user_agent::checks::{Refusal, refuse_extensions};

impl RequestContext<'_> {
    /// Answers by what the request asks for, and of whom.
    pub(super) fn answer_by_default(&mut self) {
        if self.request.is_answered {
            return;
        }
        match refusal(&self.proxy.capabilities, &self.request) {
            Some(Refusal { code, reason, headers }) => self.request.reply(code, reason.as_bytes(), &headers),
            None => self.request.reply(200, b"", &self.proxy.capabilities.options),
        };
    }
}

/// Returns how a request is refused, or `None` for an OPTIONS that is to be told what this server can do.
fn refusal(capabilities: &Capabilities, request: &Request<'_>) -> Option<Refusal> {
    let (message, method) = (&request.message, request.message.method());
    let Ok(uri) = Uri::parse(&request.request_uri) else {
        return Some(Refusal::new(400, "Malformed Request-URI"));
    };
    if uri.scheme == Scheme::Other {
        return Some(Refusal::new(416, ""));
    }
    // They are about a dialog, and nobody here has it: what keeps sending them is to stop (RFC 6665 §4.1.3).
    if matches!(method, Method::BYE | Method::NOTIFY) {
        return Some(Refusal::new(481, ""));
    }
    if !capabilities.serves_method_of(message) {
        let code = if method == Method::OTHER { 501 } else { 405 };
        return Some(Refusal::with_headers(code, &capabilities.allow));
    }
    if !request.wire.myself.is_uri(&request.request_uri) {
        return Some(Refusal::new(404, ""));
    }
    let asks_of = |id| refuse_extensions(message, id);
    if let Some(refusal) = asks_of(HeaderId::PROXY_REQUIRE).or_else(|| asks_of(HeaderId::REQUIRE)) {
        return Some(refusal);
    }
    if !capabilities.can_read_body_of(message) {
        return Some(Refusal::with_headers(415, &capabilities.accept));
    }
    let is_for_us = uri.user.is_none() || capabilities.serves_users;
    (method != Method::OPTIONS || !is_for_us).then(|| Refusal::new(404, ""))
}
