//! A NOTIFY as bytes (RFC 6665 §4.2.2, RFC 3261 §12.2.1.1): the request line, route set and headers of its dialog.
//!
//! Pure: everything was bound before. The Via is the host's.

use module_api::sip::list::List;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::uri::Uri;
use module_api::sip::writer::push_decimal;

use crate::effect::Notification;
use crate::package::Package;
use crate::packed_row::{DialogTexts, PackedRow};

/// A NOTIFY's head and what the host must know to send it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rendered {
    /// Where the Via goes, in bytes from the start of the head.
    pub via_at: usize,
    /// Where the head ends in the buffer.
    pub end: usize,
}

/// Appends the head of `notification` to `out`.
pub fn write_head(notification: &Notification, out: &mut Vec<u8>) -> Rendered {
    let (row, start) = (&notification.row, out.len());
    let texts = row.dialog_texts();
    let routing = Routing::of(&texts);
    out.extend_from_slice(b"NOTIFY ");
    match routing.is_strict {
        true => put_strict(out, routing.request_uri),
        false => out.extend_from_slice(routing.request_uri),
    }
    out.extend_from_slice(b" SIP/2.0\r\n");
    let via_at = out.len() - start;
    out.extend_from_slice(b"Max-Forwards: 70\r\n");
    routing.write_route(&texts, out);
    put(out, &[b"From: <", texts.local_uri.as_bytes(), b">;tag=", texts.local_tag.as_bytes(), b"\r\n"]);
    put(out, &[b"To: <", texts.remote_uri.as_bytes(), b">"]);
    if !texts.remote_tag.is_empty() {
        put(out, &[b";tag=", texts.remote_tag.as_bytes()]);
    }
    put(out, &[b"\r\nCall-ID: ", texts.call_id.as_bytes(), b"\r\nCSeq: "]);
    push_decimal(out, notification.cseq.into());
    put(out, &[b" NOTIFY\r\nContact: <", row.local_contact().as_bytes(), b">\r\nEvent: ", row.event().as_bytes()]);
    if !texts.event_id.is_empty() {
        put(out, &[b";id=", texts.event_id.as_bytes()]);
    }
    out.extend_from_slice(b"\r\nSubscription-State: ");
    notification.state.write(out);
    out.extend_from_slice(b"\r\nAllow-Events: ");
    out.extend_from_slice(Package::ALLOW_EVENTS.as_bytes());
    if !notification.body.is_empty() {
        let media_type = Package::of(row.event()).map_or("application/octet-stream", Package::media_type);
        put(out, &[b"\r\nContent-Type: ", media_type.as_bytes()]);
    }
    out.extend_from_slice(b"\r\nContent-Length: ");
    push_decimal(out, notification.body.len() as u64);
    out.extend_from_slice(b"\r\n\r\n");
    Rendered { via_at, end: out.len() }
}

/// Returns the URI whose host the NOTIFY is sent to: the first route, else the remote target.
pub fn next_hop(row: &PackedRow) -> &[u8] {
    Routing::of(&row.dialog_texts()).next_hop
}

/// Returns the same of a dialog that is yet to begin.
pub fn first_hop<'a>(route_set: &'a str, remote_target: &'a str) -> &'a [u8] {
    Routing::by(route_set, remote_target).next_hop
}

/// The route set applied (RFC 3261 §12.2.1.1).
struct Routing<'a> {
    request_uri: &'a [u8],
    next_hop: &'a [u8],
    /// The first router is strict: it expects itself in the Request-URI and the remote target as the last Route.
    is_strict: bool,
}

impl<'a> Routing<'a> {
    fn of(texts: &DialogTexts<'a>) -> Self {
        Self::by(texts.route_set, texts.remote_target)
    }

    fn by(route_set: &'a str, remote_target: &'a str) -> Self {
        let remote_target = remote_target.as_bytes();
        let first = List::new(route_set.as_bytes()).next().and_then(|route| NameAddr::parse(route).ok());
        match first {
            None => Self { request_uri: remote_target, next_hop: remote_target, is_strict: false },
            Some(first) if is_loose(first.uri) => {
                Self { request_uri: remote_target, next_hop: first.uri, is_strict: false }
            }
            Some(first) => Self { request_uri: first.uri, next_hop: first.uri, is_strict: true },
        }
    }

    fn write_route(&self, texts: &DialogTexts<'_>, out: &mut Vec<u8>) {
        let mut routes = List::new(texts.route_set.as_bytes());
        if self.is_strict {
            routes.next();
        }
        for route in routes {
            put(out, &[b"Route: ", route, b"\r\n"]);
        }
        if self.is_strict {
            put(out, &[b"Route: <", texts.remote_target.as_bytes(), b">\r\n"]);
        }
    }
}

/// Appends a strict router's URI as a Request-URI, which has neither headers nor `method` (RFC 3261 §12.2.1.1).
fn put_strict(out: &mut Vec<u8>, uri: &[u8]) {
    let bare = uri.split(|byte| *byte == b'?').next().unwrap_or(uri);
    for (at, part) in bare.split(|byte| *byte == b';').enumerate() {
        let is_method = part.len() >= 7 && part[..7].eq_ignore_ascii_case(b"method=");
        if at == 0 {
            out.extend_from_slice(part);
        } else if !is_method {
            put(out, &[b";", part]);
        }
    }
}

/// Returns whether a route's URI has the `lr` parameter, with whatever value (RFC 3261 §19.1.1).
fn is_loose(uri: &[u8]) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.is_loose_router())
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s12_2_1_1_a_strict_routers_uri_loses_its_method_and_headers() {
        let mut out = Vec::new();
        put_strict(&mut out, b"sip:p.example;Method=NOTIFY;transport=tcp?subject=x;method=y");
        assert_eq!(out, b"sip:p.example;transport=tcp");
    }
}
