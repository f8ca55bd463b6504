//! Responses, and the lines of requests, written by copying spans (RFC 3261 §8.2.6, §18.2.1; RFC 3581 §4).
//!
//! Nothing here formats text piece by piece, and no value that came from elsewhere can end its line.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use memchr::memchr3;

use super::header::HeaderId;
use super::message::Message;
use super::name_addr::NameAddr;
use super::status::reason_phrase;
use super::token::{is_space, is_token};
use super::via::{Rport, Via};

/// What a response says beside what it copies from its request.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseHead<'a> {
    /// The status code, 100 to 699.
    pub code: u16,
    /// The reason phrase; the standard one where it is empty, or could not stand in one line.
    pub reason: &'a [u8],
    /// The tag that To gets where the request's has none, except in a 100; none where it is no token.
    pub to_tag: &'a [u8],
    /// Where the request was seen to come from, for the top Via; replaces what stands there.
    pub received: Option<IpAddr>,
    /// The port it was seen to come from, for a top Via that asks for it (RFC 3581 §4). A Via without `rport` gets
    /// none, and one that has a port keeps it.
    pub rport: Option<u16>,
    /// How long a 100 let its request wait, which its Timestamp then says (RFC 3261 §8.2.6.1).
    pub waited: Duration,
    /// Whether Record-Route is copied, as a response that makes a dialog must (RFC 3261 §12.1.1).
    pub mirror_record_route: bool,
    /// Further header lines, each complete with its CRLF.
    pub headers: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

/// Says that a value holds CR, LF or NUL, and would be more than one line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Injection;

/// Appends the response to `request`. Headers that the request lacks are lacking in the response.
pub fn write_response(out: &mut Vec<u8>, request: &Message<'_>, response: &ResponseHead<'_>) {
    out.reserve(request.raw().len().min(2048) + response.headers.len() + response.body.len());
    status_line(out, response.code, response.reason);
    via_lines(out, request, response);
    if response.mirror_record_route {
        copy_all(out, request, HeaderId::RECORD_ROUTE);
    }
    copy_first(out, request, HeaderId::FROM);
    to_line(out, request, response);
    copy_first(out, request, HeaderId::CALL_ID);
    copy_first(out, request, HeaderId::CSEQ);
    if response.code == 100 {
        timestamp_line(out, request, response.waited);
    }
    out.extend_from_slice(response.headers);
    end_with_body(out, response.body);
}

/// Appends `METHOD uri SIP/2.0`.
pub fn request_line(out: &mut Vec<u8>, method: &[u8], uri: &[u8]) -> Result<(), Injection> {
    check_line(method)?;
    check_line(uri)?;
    append(out, &[method, b" ", uri, b" SIP/2.0\r\n"]);
    Ok(())
}

/// Appends the Via of a request that goes out; it asks for `rport` (RFC 3581 §3).
pub fn via_line(out: &mut Vec<u8>, transport: &[u8], sent_by: &[u8], branch: &[u8]) -> Result<(), Injection> {
    for part in [transport, sent_by, branch] {
        check_line(part)?;
    }
    append(out, &[b"Via: SIP/2.0/", transport, b" ", sent_by, b";rport;branch=", branch, b"\r\n"]);
    Ok(())
}

/// Appends a header line.
pub fn header_line(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), Injection> {
    check_line(name.as_bytes())?;
    check_line(value)?;
    push_line(out, name, value);
    Ok(())
}

/// Appends a header line whose value is a number.
pub fn number_line(out: &mut Vec<u8>, id: HeaderId, number: u64) {
    append(out, &[id.name().as_bytes(), b": "]);
    push_decimal(out, number);
    out.extend_from_slice(b"\r\n");
}

/// Appends Content-Length, the empty line and `body`: the end of any message.
pub fn end_with_body(out: &mut Vec<u8>, body: &[u8]) {
    number_line(out, HeaderId::CONTENT_LENGTH, body.len() as u64);
    append(out, &[b"\r\n", body]);
}

/// Appends `number` in decimal digits.
pub fn push_decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn check_line(text: &[u8]) -> Result<(), Injection> {
    if memchr3(b'\r', b'\n', b'\0', text).is_some() { Err(Injection) } else { Ok(()) }
}

fn append(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

fn push_line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    append(out, &[name.as_bytes(), b": ", value, b"\r\n"]);
}

fn status_line(out: &mut Vec<u8>, code: u16, reason: &[u8]) {
    out.extend_from_slice(b"SIP/2.0 ");
    push_decimal(out, u64::from(code));
    let given = !reason.is_empty() && check_line(reason).is_ok();
    append(out, &[b" ", if given { reason } else { reason_phrase(code).as_bytes() }, b"\r\n"]);
}

fn copy_first(out: &mut Vec<u8>, request: &Message<'_>, id: HeaderId) {
    if let Some(value) = request.header(id) {
        push_line(out, id.name(), value);
    }
}

/// Copies Timestamp; the time its request has waited stands behind it, in seconds.
fn timestamp_line(out: &mut Vec<u8>, request: &Message<'_>, waited: Duration) {
    let Some(value) = request.header(HeaderId::TIMESTAMP) else { return };
    if waited.is_zero() {
        return push_line(out, HeaderId::TIMESTAMP.name(), value);
    }
    let sent_at = value.split(|&byte| is_space(byte)).next().unwrap_or_default();
    append(out, &[HeaderId::TIMESTAMP.name().as_bytes(), b": ", sent_at]);
    // Writing to a Vec cannot fail.
    let _ = write!(out, " {:.3}\r\n", waited.as_secs_f64());
}

fn copy_all(out: &mut Vec<u8>, request: &Message<'_>, id: HeaderId) {
    request.headers(id).for_each(|value| push_line(out, id.name(), value));
}

fn to_line(out: &mut Vec<u8>, request: &Message<'_>, response: &ResponseHead<'_>) {
    let Some(value) = request.header(HeaderId::TO) else { return };
    append(out, &[b"To: ", value]);
    let untagged = NameAddr::parse(value).is_ok_and(|to| to.tag().is_none());
    if untagged && response.code != 100 && is_token(response.to_tag) {
        append(out, &[b";tag=", response.to_tag]);
    }
    out.extend_from_slice(b"\r\n");
}

fn via_lines(out: &mut Vec<u8>, request: &Message<'_>, response: &ResponseHead<'_>) {
    let mut values = request.headers(HeaderId::VIA);
    if let Some(top) = values.next() {
        out.extend_from_slice(b"Via: ");
        match Via::parse_first(top) {
            Ok(via) if response.received.is_some() || response.rport.is_some() => stamp(out, top, &via, response),
            _ => out.extend_from_slice(top),
        }
        out.extend_from_slice(b"\r\n");
    }
    values.for_each(|value| push_line(out, "Via", value));
}

/// Writes `top` with `received` and `rport` filled into its first value.
fn stamp(out: &mut Vec<u8>, top: &[u8], via: &Via<'_>, response: &ResponseHead<'_>) {
    let rport = response.rport.filter(|_| via.rport() == Rport::Asked);
    let end = (via.span.start + via.span.len) as usize;
    let params_at = end - via.params.text().len();
    out.extend_from_slice(top[..params_at].trim_ascii_end());
    for param in via.params {
        let replaced = rport.is_some() && param.name.eq_ignore_ascii_case(b"rport")
            || response.received.is_some() && param.name.eq_ignore_ascii_case(b"received");
        if !replaced {
            append(out, &[b";", param.name]);
            if let Some(value) = param.value {
                append(out, &[b"=", value]);
            }
        }
    }
    if let Some(address) = response.received {
        // Writing to a Vec cannot fail.
        let _ = write!(out, ";received={address}");
    }
    if let Some(port) = rport {
        out.extend_from_slice(b";rport=");
        push_decimal(out, u64::from(port));
    }
    out.extend_from_slice(&top[end..]);
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
