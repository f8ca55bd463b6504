//! What a request gets that the script leaves unanswered (RFC 3261 §8.2.1, §8.2.2.1, §11.2).

use module_api::sip::method::Method;
use module_api::sip::uri::Uri;

use super::call::RequestContext;

impl RequestContext<'_> {
    /// Answers by what the request asks for, and of whom.
    pub(super) fn answer_by_default(&mut self) {
        if self.request.is_answered {
            return;
        }
        let capabilities = &self.proxy.capabilities;
        let method = self.request.message.method();
        let is_served = capabilities.methods.iter().any(|name| name.as_bytes() == self.request.message.method_name());
        if !self.request.wire.myself.is_uri(&self.request.request_uri) {
            self.request.reply(404, b"", b"");
        } else if method == Method::OPTIONS && self.is_for_the_server() {
            self.request.reply(200, b"", &capabilities.options);
        } else if method == Method::OTHER {
            self.request.reply(501, b"", &capabilities.allow);
        } else if !is_served {
            self.request.reply(405, b"", &capabilities.allow);
        } else {
            self.request.reply(404, b"", b"");
        }
    }

    /// Returns whether the Request-URI names nobody behind this server.
    fn is_for_the_server(&self) -> bool {
        Uri::parse(&self.request.request_uri).is_ok_and(|uri| uri.user.is_none())
    }
}
