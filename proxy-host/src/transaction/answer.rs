//! The response a server transaction keeps: what cannot be copied from the request (RFC 3261 §8.2.6, §17.2.2).
//!
//! The rest is copied from whichever copy of the request is being answered, so that a completed transaction keeps no
//! message. Never sends anything.

use crate::transport::response_route::Stamp;
use module_api::sip::message::Message;
use module_api::sip::writer::{ResponseHead, write_response};
use std::sync::Arc;
use std::time::Duration;

/// A response apart from its request. Copying one is cheap.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Reason phrase, To-tag, header lines and body, one after the other.
    parts: Arc<[u8]>,
    reason_end: u32,
    to_tag_end: u32,
    headers_end: u32,
    waited_ms: u32,
    code: u16,
    mirror_record_route: bool,
}

impl Answer {
    /// Keeps `response`, except where it was seen to come from, which each copy of the request tells itself.
    pub fn new(response: &ResponseHead<'_>) -> Self {
        let parts = [response.reason, response.to_tag, response.headers, response.body];
        let [reason_end, to_tag_end, headers_end] = [1, 2, 3].map(|count| {
            let bytes: usize = parts[..count].iter().map(|part| part.len()).sum();
            bytes as u32
        });
        Self {
            parts: parts.concat().into(),
            reason_end,
            to_tag_end,
            headers_end,
            waited_ms: u32::try_from(response.waited.as_millis()).unwrap_or(u32::MAX),
            code: response.code,
            mirror_record_route: response.mirror_record_route,
        }
    }

    /// Returns the 100 that tells a client to wait (RFC 4320 §4.1), as it has for so long.
    pub fn trying(waited: Duration) -> Self {
        Self::new(&ResponseHead { code: 100, waited, ..ResponseHead::default() })
    }

    /// Returns the To-tag that it gives a request without one, empty if none.
    pub fn to_tag(&self) -> &[u8] {
        &self.parts[self.reason_end as usize..self.to_tag_end as usize]
    }

    /// Returns the status code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Appends the response to `request`, the same for each copy of it.
    pub fn render(&self, out: &mut Vec<u8>, request: &Message<'_>, stamp: Stamp) {
        let (reason_end, to_tag_end) = (self.reason_end as usize, self.to_tag_end as usize);
        let headers_end = self.headers_end as usize;
        let response = ResponseHead {
            code: self.code,
            reason: &self.parts[..reason_end],
            to_tag: &self.parts[reason_end..to_tag_end],
            received: stamp.received,
            rport: stamp.rport,
            waited: Duration::from_millis(self.waited_ms.into()),
            mirror_record_route: self.mirror_record_route,
            headers: &self.parts[to_tag_end..headers_end],
            body: &self.parts[headers_end..],
        };
        write_response(out, request, &response);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use module_api::sip::message::{HeaderTable, scan};

    fn check(response: &ResponseHead<'_>, expected: &str) {
        let request = b"PUBLISH sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bKa\r\n\
            Record-Route: <sip:p;lr>\r\nFrom: <sip:a@b>;tag=f\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\nTimestamp: 5\r\n\r\n";
        let mut table = HeaderTable::new();
        let request = scan(request, &mut table).unwrap();
        let stamp = Stamp { received: Some([192, 0, 2, 1].into()), rport: Some(9) };
        let (mut direct, mut kept) = (Vec::new(), Vec::new());
        write_response(
            &mut direct,
            &request,
            &ResponseHead { received: stamp.received, rport: stamp.rport, ..*response },
        );
        Answer::new(response).render(&mut kept, &request, stamp);
        let text = String::from_utf8(kept.clone()).unwrap();
        assert_eq!(kept, direct, "{text}");
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn what_is_kept_renders_as_what_was_given() {
        let plain = ResponseHead { code: 200, ..ResponseHead::default() };
        check(&plain, "SIP/2.0 200 OK\r\n");
        let (reason, to_tag): (&[u8], &[u8]) = (b"Fine", b"t1");
        let full = ResponseHead { reason, to_tag, headers: b"SIP-ETag: x\r\n", body: b"body", ..plain };
        check(&full, "SIP/2.0 200 Fine\r\n");
        check(&ResponseHead { mirror_record_route: true, ..full }, "SIP/2.0 200 Fine\r\n");
        let waited = Duration::from_millis(3500);
        check(&ResponseHead { code: 100, waited, ..ResponseHead::default() }, "SIP/2.0 100 Trying\r\n");
    }
}
