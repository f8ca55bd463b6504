//! SIP messages as tests build and read them (RFC 3261 §7), in plain text.
//!
//! Shares no line with the product's scanner, so that the two cannot share a mistake. Strict: what the grammar forbids a
//! server to send does not parse.

use std::fmt;

/// A request or response: its start line, its header lines in order, its body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The start line, without its CRLF.
    pub start: String,
    /// Header names as written, with their values.
    pub headers: Vec<(String, String)>,
    /// What follows the empty line.
    pub body: Vec<u8>,
}

impl Message {
    /// Begins a request without headers.
    pub fn request(method: &str, uri: &str) -> Self {
        Self { start: format!("{method} {uri} SIP/2.0"), headers: Vec::new(), body: Vec::new() }
    }

    /// Begins a response that copies what RFC 3261 §8.2.6.2 has a UAS copy.
    pub fn response_to(request: &Self, code: u16) -> Self {
        let reason = rsip::StatusCode::from(code).to_string();
        let mut response = Self { start: format!("SIP/2.0 {reason}"), headers: Vec::new(), body: Vec::new() };
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in request.all(name) {
                response = response.with(name, value);
            }
        }
        response
    }

    /// Reads one whole message; everything after the empty line is its body.
    ///
    /// # Errors
    /// What is malformed, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let end = find(bytes, b"\r\n\r\n").ok_or("no empty line ends the headers")?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|error| format!("the head is not UTF-8: {error}"))?;
        if head.replace("\r\n", "").contains(['\r', '\n']) {
            return Err("a line ends in something else than CRLF".into());
        }
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                let (_, value) = headers.last_mut().ok_or("the first header line is a continuation")?;
                *value = format!("{value} {}", line.trim());
                continue;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| format!("no colon in {line:?}"))?;
            let name = name.trim_end();
            if !is_token(name) {
                return Err(format!("{name:?} is not a header name"));
            }
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let message = Self { start, headers, body: bytes[end + 4..].to_vec() };
        if message.code().is_none() && message.method().is_none() {
            return Err(format!("{:?} is neither a request line nor a status line", message.start));
        }
        Ok(message)
    }

    /// Appends a header line.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Replaces every line of a header by one.
    #[must_use]
    pub fn set(self, name: &str, value: impl fmt::Display) -> Self {
        self.without(name).with(name, value)
    }

    /// Puts a header line before all others, where a new topmost Via belongs.
    #[must_use]
    pub fn with_first(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.headers.insert(0, (name.to_owned(), value.to_string()));
        self
    }

    /// Leaves out every line of a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| !same_name(present, name));
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn with_body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut message = self.set("Content-Type", content_type);
        message.body = body.into();
        message
    }

    /// Writes the message out. Content-Length is added unless a test has set its own.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.get("Content-Length").is_none() {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Returns the method of a request.
    pub fn method(&self) -> Option<&str> {
        self.request_line().map(|(method, _)| method)
    }

    /// Returns the Request-URI of a request.
    pub fn uri(&self) -> Option<&str> {
        self.request_line().map(|(_, uri)| uri)
    }

    /// Returns the code of a response.
    pub fn code(&self) -> Option<u16> {
        let rest = self.start.strip_prefix("SIP/2.0 ")?;
        let (code, _reason) = rest.split_once(' ')?;
        code.parse().ok().filter(|code| (100..700).contains(code))
    }

    /// Returns the value of the first line of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(present, _)| same_name(present, name)).map(|(_, value)| value.as_str())
    }

    /// Returns the value of a header that a test cannot go on without.
    ///
    /// # Panics
    /// If it is missing; the panic shows the message.
    pub fn expect(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| panic!("no {name} in\n{self}"))
    }

    /// Returns the values of all lines of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(present, _)| same_name(present, name)).map(|(_, value)| value.as_str()).collect()
    }

    /// Returns the values of a list header: comma-separated or on lines of their own alike (RFC 3261 §7.3.1).
    pub fn list(&self, name: &str) -> Vec<String> {
        self.all(name).into_iter().flat_map(|line| split_outside_quotes(line, ',')).collect()
    }

    /// Returns the tag of From or To.
    pub fn tag(&self, name: &str) -> Option<String> {
        parameter(self.get(name)?, "tag")
    }

    /// Returns the URI of a header that holds one address.
    pub fn uri_of(&self, name: &str) -> Option<String> {
        Some(uri_of(self.get(name)?))
    }

    /// Returns the branch of the topmost Via.
    pub fn branch(&self) -> Option<String> {
        parameter(self.list("Via").first()?, "branch")
    }

    /// Returns the number and the method of CSeq.
    pub fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.get("CSeq")?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    fn request_line(&self) -> Option<(&str, &str)> {
        let (method, rest) = self.start.split_once(' ')?;
        let uri = rest.strip_suffix(" SIP/2.0")?;
        (is_token(method) && !uri.is_empty() && !uri.contains(' ')).then_some((method, uri))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()).replace('\r', ""))
    }
}

/// Returns the length of the first message in a stream, or `None` while it is incomplete (RFC 3261 §18.3).
///
/// # Errors
/// What makes the stream unreadable.
pub fn frame(stream: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = find(stream, b"\r\n\r\n") else { return Ok(None) };
    let head = Message::parse(&stream[..end + 4])?;
    let length = head.get("Content-Length").ok_or("no Content-Length on a stream")?;
    let length: usize = length.parse().map_err(|_| format!("Content-Length: {length:?}"))?;
    let whole = end + 4 + length;
    Ok((stream.len() >= whole).then_some(whole))
}

/// Returns the value of a parameter of a header value, empty where it has none; what stands in `<>` or quotes is not it.
pub fn parameter(value: &str, name: &str) -> Option<String> {
    split_outside_quotes(value, ';').into_iter().skip(1).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((&part, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Returns the URI of a `name-addr` or `addr-spec`.
pub fn uri_of(value: &str) -> String {
    let address = split_outside_quotes(value, ';').swap_remove(0);
    // A quoted display name may hold brackets of its own.
    let after_name = address.rsplit('"').next().unwrap_or_default();
    let inside = after_name.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(uri, _)| uri);
    inside.unwrap_or(after_name).trim().to_owned()
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for letter in text.chars() {
        if letter == separator && !quoted && !bracketed {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        match letter {
            '"' if !escaped => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            _ => {}
        }
        escaped = letter == '\\' && quoted && !escaped;
        part.push(letter);
    }
    parts.push(part);
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

fn same_name(a: &str, b: &str) -> bool {
    long_name(a).eq_ignore_ascii_case(long_name(b))
}

fn long_name(name: &str) -> &str {
    const COMPACT: [(&str, &str); 13] = [
        ("c", "Content-Type"),
        ("e", "Content-Encoding"),
        ("f", "From"),
        ("i", "Call-ID"),
        ("k", "Supported"),
        ("l", "Content-Length"),
        ("m", "Contact"),
        ("o", "Event"),
        ("r", "Refer-To"),
        ("s", "Subject"),
        ("t", "To"),
        ("u", "Allow-Events"),
        ("v", "Via"),
    ];
    COMPACT.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)).map_or(name, |(_, long)| long)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTIFY: &str = "NOTIFY sip:ann@192.0.2.9 SIP/2.0\r\nv: SIP/2.0/UDP a;x=\"b;c\";branch=z9hG4bK7, SIP/2.0/TCP b\r\n\
        From: \"a <b>\" <sip:d@e;tag=no>;tag=f1\r\nTo: sip:ann@x;tag=t1\r\ni: 1@2\r\nCSeq: 7 NOTIFY\r\n\
        Subject: two\r\n  lines\r\nContent-Length: 2\r\n\r\nhi";

    fn check_refused(bytes: &str, why: &str) {
        let error = Message::parse(bytes.as_bytes()).expect_err("malformed");
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn a_message_is_read_whatever_the_form_of_its_headers() {
        let message = Message::parse(NOTIFY.as_bytes()).unwrap();
        assert_eq!((message.method(), message.uri()), (Some("NOTIFY"), Some("sip:ann@192.0.2.9")));
        assert_eq!(message.branch().as_deref(), Some("z9hG4bK7"));
        assert_eq!(message.list("Via").len(), 2);
        assert_eq!((message.tag("From").as_deref(), message.tag("To").as_deref()), (Some("f1"), Some("t1")));
        assert_eq!(message.uri_of("From").as_deref(), Some("sip:d@e;tag=no"));
        assert_eq!((message.get("call-id"), message.get("Subject")), (Some("1@2"), Some("two lines")));
        assert_eq!(message.cseq(), Some((7, "NOTIFY")));
        assert_eq!(message.body, b"hi");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let message = Message::request("OPTIONS", "sip:a").with("Via", "x").with_body("text/plain", "body");
        let read = Message::parse(&message.to_bytes()).unwrap();
        assert_eq!(read.without("Content-Length"), message);
        let answer = Message::response_to(&message, 481);
        assert_eq!((answer.code(), answer.get("Via")), (Some(481), Some("x")), "{answer}");
    }

    #[test]
    fn malformed_messages_do_not_parse() {
        check_refused("SIP/2.0 200 OK\r\n", "empty line");
        check_refused("SIP/2.0 200 OK\nVia: x\r\n\r\n", "CRLF");
        check_refused("SIP/2.0 200 OK\r\nVia\r\n\r\n", "colon");
        check_refused("SIP/2.0 200 OK\r\nA B: x\r\n\r\n", "header name");
        check_refused("SIP/2.0 20 OK\r\n\r\n", "status line");
        check_refused("NOTIFY sip:a b SIP/2.0\r\n\r\n", "request line");
    }

    #[test]
    fn a_stream_is_cut_by_content_length() {
        let bytes = NOTIFY.as_bytes();
        assert_eq!(frame(bytes), Ok(Some(bytes.len())));
        assert_eq!(frame(&bytes[..bytes.len() - 1]), Ok(None));
        assert!(frame(b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n").is_err());
    }
}
