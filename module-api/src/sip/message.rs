//! A message as spans over the bytes it came in: start line, headers, body (RFC 3261 §7).
//!
//! Nothing is copied and nothing is parsed before it is asked for. `scan.rs` finds the spans; a view that came over
//! the module ABI builds the same `Message` from spans it was given.

use memchr::memchr;

use super::cseq::CSeq;
use super::header::HeaderId;
use super::list::List;
use super::method::Method;
use super::params::Params;
use super::span::Span;

pub use super::defect::{Defect, ScanError};
pub use super::scan::{HEADERS_MAX, HeaderTable, MESSAGE_BYTES_MAX, VALUE_BYTES_MAX, scan};

/// One header line.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HeaderSpan {
    /// Which header it is.
    pub id: HeaderId,
    /// The name as it is spelled.
    pub name: Span,
    /// The value without the white space around it; folds inside stay.
    pub value: Span,
}

/// The first line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartLine {
    /// `METHOD uri SIP/2.0`.
    Request {
        /// The method, or `Method::OTHER`.
        method: Method,
        /// The method as it is spelled.
        name: Span,
        /// The Request-URI.
        uri: Span,
    },
    /// `SIP/2.0 code reason`.
    Response {
        /// The status code, 100 to 699.
        code: u16,
        /// The reason phrase, perhaps empty.
        reason: Span,
    },
}

/// A request or a response.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    raw: &'a [u8],
    start: StartLine,
    headers: &'a [HeaderSpan],
    body: Span,
    defect: Option<Defect>,
}

impl<'a> Message<'a> {
    /// Builds a message from spans over `raw`. Those that reach outside read as empty.
    #[inline]
    pub const fn from_parts(raw: &'a [u8], start: StartLine, headers: &'a [HeaderSpan], body: Span) -> Self {
        Self { raw, start, headers, body, defect: None }
    }

    pub(super) const fn with_defect(self, defect: Option<Defect>) -> Self {
        Self { defect, ..self }
    }

    /// Returns the bytes it was scanned from, which may go on after the body.
    #[inline]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Returns the first line.
    #[inline]
    pub const fn start(&self) -> StartLine {
        self.start
    }

    /// Returns whether it is a request.
    #[inline]
    pub const fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// Returns the method of a request, or the one a response answers, as its CSeq says.
    #[inline]
    pub fn method(&self) -> Method {
        match self.start {
            StartLine::Request { method, .. } => method,
            StartLine::Response { .. } => self.cseq().map_or(Method::OTHER, |cseq| cseq.method),
        }
    }

    /// Returns the method as it is spelled: in the request line, or in the CSeq of a response.
    pub fn method_name(&self) -> &'a [u8] {
        match self.start {
            StartLine::Request { name, .. } => name.of(self.raw),
            StartLine::Response { .. } => self.cseq().map_or(b"", |cseq| cseq.method_name),
        }
    }

    /// Returns the Request-URI; empty for a response.
    #[inline]
    pub fn request_uri(&self) -> &'a [u8] {
        match self.start {
            StartLine::Request { uri, .. } => uri.of(self.raw),
            StartLine::Response { .. } => b"",
        }
    }

    /// Returns the status code of a response.
    #[inline]
    pub const fn status_code(&self) -> Option<u16> {
        match self.start {
            StartLine::Request { .. } => None,
            StartLine::Response { code, .. } => Some(code),
        }
    }

    /// Returns where every header line is, in the order they came.
    pub fn header_spans(&self) -> &'a [HeaderSpan] {
        self.headers
    }

    /// Returns the value of the first header `id`.
    #[inline]
    pub fn header(&self, id: HeaderId) -> Option<&'a [u8]> {
        let raw = self.raw;
        self.headers.iter().find(|header| header.id == id).map(|header| header.value.of(raw))
    }

    /// Returns the values of all headers `id`, in order, one a line.
    #[inline]
    pub fn headers(&self, id: HeaderId) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let (raw, headers) = (self.raw, self.headers);
        headers.iter().filter(move |header| header.id == id).map(move |header| header.value.of(raw))
    }

    /// Returns the elements of the comma-separated header `id`, over all its lines.
    #[inline]
    pub fn list(&self, id: HeaderId) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        List::of_all(self.headers(id))
    }

    /// Returns the value of the first header spelled `name` in any letter case, known to `HeaderId` or not.
    pub fn header_named(&self, name: &[u8]) -> Option<&'a [u8]> {
        match HeaderId::of_name(name) {
            HeaderId::OTHER => {
                let raw = self.raw;
                let header = self.headers.iter().find(|header| header.name.of(raw).eq_ignore_ascii_case(name))?;
                Some(header.value.of(raw))
            }
            id => self.header(id),
        }
    }

    /// Returns every header line, in order.
    #[inline]
    pub const fn all_headers(&self) -> &'a [HeaderSpan] {
        self.headers
    }

    /// Returns the CSeq, where there is a sound one.
    pub fn cseq(&self) -> Option<CSeq<'a>> {
        self.header(HeaderId::CSEQ).and_then(|value| CSeq::parse(value).ok())
    }

    /// Returns the body.
    #[inline]
    pub fn body(&self) -> &'a [u8] {
        self.body.of(self.raw)
    }

    /// Returns whether whoever cannot read the body passes over it: `handling=optional` (RFC 3261 §20.11). Without that a
    /// body nobody can read is refused (§8.2.3).
    pub fn is_body_optional(&self) -> bool {
        let disposition = self.header(HeaderId::CONTENT_DISPOSITION).unwrap_or_default();
        let params_at = memchr(b';', disposition).unwrap_or(disposition.len());
        let handling = Params::new(&disposition[params_at..]).value(b"handling");
        handling.is_some_and(|handling| handling.eq_ignore_ascii_case(b"optional"))
    }

    /// Returns where the body lies.
    #[inline]
    pub const fn body_span(&self) -> Span {
        self.body
    }

    /// Returns what is wrong with it: the first defect that scanning met.
    #[inline]
    pub const fn defect(&self) -> Option<Defect> {
        self.defect
    }

    /// Returns whether a response to it finds its way: there is a Via, sound or not. Whatever else RFC 3261 §8.2.6.2 has a
    /// response copy is copied if it is there (RFC 4475 §3.3.1).
    pub fn is_answerable(&self) -> bool {
        self.header(HeaderId::VIA).is_some()
    }
}
