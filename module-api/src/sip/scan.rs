//! One pass over a datagram, or over one framed message, that finds the spans of a `Message` (RFC 3261 §7, §18.3).
//!
//! It allocates nothing and reads no value but Content-Length and CSeq. Every loop moves forward, so hostile bytes
//! cost no more than honest ones.

use memchr::{memchr, memchr2, memrchr};

use super::cseq::{CSeq, CSeqError};
use super::defect::{Defect, ScanError};
use super::header::{HeaderId, HeaderSet};
use super::message::{HeaderSpan, Message, StartLine};
use super::method::Method;
use super::span::Span;
use super::token::{is_space, is_token, is_token_byte, parse_u32};

/// The most bytes a message has.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The most header lines a message has.
pub const HEADERS_MAX: usize = 128;
/// The most bytes a header value has, folds included.
pub const VALUE_BYTES_MAX: usize = 8 * 1024;

/// Room for the header spans of one message, made once and used again for the next.
#[derive(Clone, Debug)]
pub struct HeaderTable {
    entries: Box<[HeaderSpan; HEADERS_MAX]>,
}

impl HeaderTable {
    /// Makes an empty table.
    pub fn new() -> Self {
        Self { entries: Box::new([HeaderSpan::default(); HEADERS_MAX]) }
    }
}

impl Default for HeaderTable {
    fn default() -> Self {
        Self::new()
    }
}

/// Finds the parts of the one message in `raw`; bytes after its Content-Length are not part of it.
///
/// A request that is wrong and can still be answered is `Ok`, and says what is wrong in `Message::defect`.
pub fn scan<'a>(raw: &'a [u8], table: &'a mut HeaderTable) -> Result<Message<'a>, ScanError> {
    let bytes = &raw[..raw.len().min(MESSAGE_BYTES_MAX)];
    let mut scanner = Scanner::new(bytes, &mut table.entries);
    if raw.len() > MESSAGE_BYTES_MAX {
        scanner.report(Defect::MessageTooLong);
    }
    let start = scanner.start_line()?;
    scanner.header_lines();
    scanner.check_headers(start);
    let body = scanner.body();
    let Scanner { entries, count, defect, .. } = scanner;
    Ok(Message::from_parts(raw, start, &entries[..count], body).with_defect(defect))
}

struct Scanner<'a> {
    raw: &'a [u8],
    /// Where reading goes on; never beyond the end.
    at: usize,
    entries: &'a mut [HeaderSpan; HEADERS_MAX],
    count: usize,
    seen: HeaderSet,
    content_length: Option<usize>,
    cseq: Span,
    defect: Option<Defect>,
}

/// Where a line stops, and where the next one begins.
struct LineEnd {
    end: usize,
    next: usize,
}

impl<'a> Scanner<'a> {
    fn new(raw: &'a [u8], entries: &'a mut [HeaderSpan; HEADERS_MAX]) -> Self {
        let (seen, cseq) = (HeaderSet::default(), Span::EMPTY);
        Self { raw, at: 0, entries, count: 0, seen, content_length: None, cseq, defect: None }
    }

    /// Keeps the first defect: later ones are often its consequences.
    #[cold]
    fn report(&mut self, defect: Defect) {
        self.defect.get_or_insert(defect);
    }

    fn start_line(&mut self) -> Result<StartLine, ScanError> {
        let begin = self.raw.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).ok_or(ScanError::KeepAlive)?;
        let line_end = self.line_end(begin);
        self.at = line_end.next;
        let line = &self.raw[begin..line_end.end];
        if has_version_prefix(line) { self.status_line(begin, line) } else { self.request_line(begin, line) }
    }

    /// `Method SP Request-URI SP SIP-Version`. More or other white space is a defect, for nobody knows whether it
    /// belongs to the URI (RFC 4475 §3.1.2.8, §3.1.2.9).
    fn request_line(&mut self, begin: usize, line: &[u8]) -> Result<StartLine, ScanError> {
        let trimmed = line.trim_ascii_end();
        let (Some(first), Some(last)) = (memchr(b' ', trimmed), memrchr(b' ', trimmed)) else {
            return Err(ScanError::NotSip);
        };
        let (name, version) = (&line[..first], &trimmed[last + 1..]);
        if first == last || !is_token(name) || !has_version_prefix(version) {
            return Err(ScanError::NotSip);
        }
        let uri = &line[first + 1..last];
        if !version[4..].eq_ignore_ascii_case(b"2.0") {
            self.report(Defect::UnknownVersion);
        }
        if trimmed.len() != line.len() || uri.is_empty() || uri.iter().any(|&byte| byte <= b' ') {
            self.report(Defect::MalformedStartLine);
        }
        let (name_end, uri_end) = (begin + first, begin + last);
        let (name_span, uri) = (Span::new(begin, name_end), Span::new(name_end + 1, uri_end));
        Ok(StartLine::Request { method: Method::of(name), name: name_span, uri })
    }

    /// `SIP-Version SP Status-Code SP Reason-Phrase`. A status line that ends with its code is let pass: the space
    /// after it is easily lost.
    fn status_line(&mut self, begin: usize, line: &[u8]) -> Result<StartLine, ScanError> {
        let version_end = memchr(b' ', line).ok_or(ScanError::NotSip)?;
        let (version, rest) = (&line[4..version_end], &line[version_end + 1..]);
        let code = match rest {
            [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9']
            | [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] => {
                [a, b, c].iter().fold(0, |code, digit| code * 10 + u16::from(**digit - b'0'))
            }
            _ => return Err(ScanError::NotSip),
        };
        if version != b"2.0" {
            self.report(Defect::UnknownVersion);
        }
        let (reason, end) = (begin + version_end + 5, begin + line.len());
        Ok(StartLine::Response { code, reason: Span::new(reason.min(end), end) })
    }

    fn header_lines(&mut self) {
        loop {
            match self.raw.get(self.at) {
                None => return self.report(Defect::UnendedHeaders),
                Some(b'\r' | b'\n') => {
                    self.at = self.line_end(self.at).next;
                    return;
                }
                Some(_) if self.count == HEADERS_MAX => return self.report(Defect::TooManyHeaders),
                Some(_) => self.header_line(),
            }
        }
    }

    fn header_line(&mut self) {
        let begin = self.at;
        let name_end = self.skip(begin, is_token_byte);
        let colon = self.skip(name_end, |byte| matches!(byte, b' ' | b'\t'));
        let line_end = self.folded_line_end(colon);
        self.at = line_end.next;
        if name_end == begin || self.raw.get(colon) != Some(&b':') {
            return self.report(Defect::MalformedHeader);
        }
        let value = self.trimmed(colon + 1, line_end.end);
        let id = HeaderId::of_token(&self.raw[begin..name_end]);
        self.keep(HeaderSpan { id, name: Span::new(begin, name_end), value });
    }

    fn keep(&mut self, header: HeaderSpan) {
        let HeaderSpan { id, value, .. } = header;
        if value.len as usize > VALUE_BYTES_MAX {
            self.report(Defect::ValueTooLong);
        }
        if self.seen.contains(id) && HeaderSet::SINGLE.contains(id) {
            self.report(Defect::DuplicateHeader(id));
        }
        match id {
            HeaderId::CONTENT_LENGTH => self.content_length(value),
            HeaderId::CSEQ => self.cseq = value,
            _ => {}
        }
        self.seen.insert(id);
        self.entries[self.count] = header;
        self.count += 1;
    }

    fn content_length(&mut self, value: Span) {
        match parse_u32(value.of(self.raw)) {
            Some(bytes) => self.content_length = Some(bytes as usize),
            None => self.report(Defect::BadContentLength),
        }
    }

    fn check_headers(&mut self, start: StartLine) {
        if self.defect.is_some() {
            return;
        }
        if !self.seen.contains_all(HeaderSet::MANDATORY) {
            return self.report_missing();
        }
        let cseq = match CSeq::parse(self.cseq.of(self.raw)) {
            Ok(cseq) => cseq,
            Err(CSeqError::Malformed) => return self.report(Defect::BadCSeq),
            Err(CSeqError::TooLarge) => return self.report(Defect::CSeqTooLarge),
        };
        if let StartLine::Request { name, .. } = start
            && name.of(self.raw) != cseq.method_name
        {
            self.report(Defect::CSeqMethodMismatch);
        }
    }

    #[cold]
    fn report_missing(&mut self) {
        let mandatory = [HeaderId::VIA, HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ];
        if let Some(id) = mandatory.into_iter().find(|&id| !self.seen.contains(id)) {
            self.report(Defect::MissingHeader(id));
        }
    }

    fn body(&mut self) -> Span {
        let rest = self.raw.len() - self.at;
        let bytes = self.content_length.unwrap_or(rest);
        if bytes > rest {
            self.report(Defect::TruncatedBody);
        }
        Span::new(self.at, self.at + bytes.min(rest))
    }

    /// Returns the first place from `at` on whose byte is not `wanted`.
    #[inline]
    fn skip(&self, at: usize, wanted: impl Fn(u8) -> bool) -> usize {
        self.raw[at..].iter().position(|&byte| !wanted(byte)).map_or(self.raw.len(), |n| at + n)
    }

    /// Returns the end of the header line that goes on at `at`, with the lines folded into it.
    #[inline]
    fn folded_line_end(&mut self, at: usize) -> LineEnd {
        let mut line_end = self.line_end(at);
        while let Some(b' ' | b'\t') = self.raw.get(line_end.next) {
            line_end = self.line_end(line_end.next);
        }
        line_end
    }

    #[inline]
    fn trimmed(&self, begin: usize, end: usize) -> Span {
        let bytes = &self.raw[begin..end];
        let before = bytes.iter().take_while(|&&byte| is_space(byte)).count();
        let after = bytes[before..].iter().rev().take_while(|&&byte| is_space(byte)).count();
        Span::new(begin + before, end - after)
    }

    #[inline]
    fn line_end(&mut self, at: usize) -> LineEnd {
        let Some(end) = memchr2(b'\r', b'\n', &self.raw[at..]).map(|n| at + n) else {
            return LineEnd { end: self.raw.len(), next: self.raw.len() };
        };
        if self.raw[end..].starts_with(b"\r\n") {
            return LineEnd { end, next: end + 2 };
        }
        self.report(Defect::BareLineEnd);
        LineEnd { end, next: end + 1 }
    }
}

/// Returns whether `line` begins as every SIP version does (RFC 3261 §7.1: in any letter case).
#[inline]
fn has_version_prefix(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"SIP/"))
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
