//! What a request gets that the script leaves unanswered (RFC 3261 §8.2.1, §8.2.2.1, §11.2).

use module_api::sip::method::Method;
use module_api::sip::uri::{Scheme, Uri};

use super::call::RequestContext;

impl RequestContext<'_> {
    /// Answers by what the request asks for, and of whom.
    pub(super) fn answer_by_default(&mut self) {
        if self.request.is_answered {
            return;
        }
        let (capabilities, request) = (&self.proxy.capabilities, &mut self.request);
        let is_served = capabilities.methods.iter().any(|name| name.as_bytes() == request.message.method_name());
        let method = request.message.method();
        let uri = Uri::parse(&request.request_uri).ok();
        let is_foreign = uri.as_ref().is_some_and(|uri| uri.scheme == Scheme::Other);
        let is_for_the_server = uri.is_some_and(|uri| uri.user.is_none());
        match method {
            _ if is_foreign => request.reply(416, b"", b""),
            _ if !request.wire.myself.is_uri(&request.request_uri) => request.reply(404, b"", b""),
            Method::OPTIONS if is_for_the_server => request.reply(200, b"", &capabilities.options),
            _ if is_served => request.reply(404, b"", b""),
            Method::OTHER => request.reply(501, b"", &capabilities.allow),
            _ => request.reply(405, b"", &capabilities.allow),
        };
    }
}
