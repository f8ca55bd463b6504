//! Cuts a stream into messages by their Content-Length (RFC 3261 §18.3), and finds the keep-alives between them
//! (RFC 5626 §3.5.1).
//!
//! Sans-io. Each byte is searched once, however the stream is segmented, and a message is bounded before its bytes
//! are kept. What a message means is not looked at: only where it ends.

use memchr::{memchr, memmem};
use std::ops::Range;

/// Holds the bytes of one connection that are not a whole message yet.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the next message begins.
    start: usize,
    /// No end of headers begins before this.
    searched: usize,
    stage: Stage,
    message_bytes_max: usize,
}

/// What stands next in the stream.
#[derive(Debug, Eq, PartialEq)]
pub enum Frame<'a> {
    /// The stream cannot be followed any further: answer what is left of the message, then close.
    Broken(Broken, &'a [u8]),
    /// Nothing whole: more bytes are needed.
    Incomplete,
    /// A double CRLF, to be answered with a single one.
    KeepAlive,
    /// One message, headers and body.
    Message(&'a [u8]),
}

/// Why the end of a message cannot be found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Broken {
    /// Content-Length is not a number, or there are two that differ.
    BadContentLength,
    /// There is no Content-Length, which a stream needs.
    MissingContentLength,
    /// The message is longer than one may be.
    TooLong,
}

impl Broken {
    /// Returns the status code that answers it, where its headers could be read.
    pub const fn code(self) -> u16 {
        match self {
            Self::BadContentLength | Self::MissingContentLength => 400,
            Self::TooLong => 413,
        }
    }

    /// Returns the reason phrase that tells the peer what to mend.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BadContentLength => "Bad Content-Length header",
            Self::MissingContentLength => "Missing Content-Length header",
            Self::TooLong => "Message too long",
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Stage {
    /// Before a message; one CRLF has been met where `true`.
    Between(bool),
    /// In the body of a message with this many bytes in all.
    Body(usize),
    /// Past saving; the range is what could be read of the last message.
    Broken(Broken, Range<usize>),
    /// In the headers of a message.
    Head,
}

/// The most bytes a message on a stream has, as on a datagram.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

impl Framer {
    /// Makes the framer of a new connection; longer messages than `message_bytes_max` break it.
    pub fn new(message_bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, stage: Stage::Between(false), message_bytes_max }
    }

    /// Takes what was read; [`Framer::next_frame`] is then called until it returns `Incomplete` or `Broken`.
    pub fn push(&mut self, bytes: &[u8]) {
        if matches!(self.stage, Stage::Broken(..)) {
            return;
        }
        self.discard_consumed();
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns whether a message has begun and not ended: its peer owes the rest.
    pub fn is_inside_message(&self) -> bool {
        matches!(self.stage, Stage::Head | Stage::Body(_))
    }

    /// Returns what stands next in the stream, and goes past it.
    pub fn next_frame(&mut self) -> Frame<'_> {
        loop {
            let next = match &self.stage {
                Stage::Between(after_crlf) => self.between(*after_crlf),
                Stage::Body(length) => match self.start + length {
                    end if end <= self.buffer.len() => return Frame::Message(self.take_message(end)),
                    _ => None,
                },
                Stage::Broken(broken, seen) => return Frame::Broken(*broken, &self.buffer[seen.clone()]),
                Stage::Head => self.head(),
            };
            match next {
                None => return Frame::Incomplete,
                Some(Step::KeepAlive) => return Frame::KeepAlive,
                Some(Step::Enter(stage)) => self.stage = stage,
            }
        }
    }

    /// Passes over line ends before a message (RFC 3261 §7.5): two in a row ask for an answer.
    fn between(&mut self, after_crlf: bool) -> Option<Step> {
        match &self.buffer[self.start..] {
            [] | [b'\r'] => None,
            [b'\r', b'\n', ..] => {
                self.start += 2;
                self.stage = Stage::Between(!after_crlf);
                Some(if after_crlf { Step::KeepAlive } else { Step::Enter(Stage::Between(true)) })
            }
            _ => {
                self.searched = self.start;
                Some(Step::Enter(Stage::Head))
            }
        }
    }

    fn head(&mut self) -> Option<Step> {
        let received = self.buffer.len() - self.start;
        let Some(found) = memmem::find(&self.buffer[self.searched..], b"\r\n\r\n") else {
            // The last three bytes may be the beginning of the end.
            self.searched = self.buffer.len().saturating_sub(3).max(self.start);
            return (received > self.message_bytes_max).then(|| self.broken(Broken::TooLong, self.start));
        };
        let head_end = self.searched + found + 4;
        let head_bytes = head_end - self.start;
        if head_bytes > self.message_bytes_max {
            return Some(self.broken(Broken::TooLong, self.start));
        }
        Some(match content_length(&self.buffer[self.start..head_end]) {
            Ok(body) if body <= self.message_bytes_max - head_bytes => Step::Enter(Stage::Body(head_bytes + body)),
            Ok(_) => self.broken(Broken::TooLong, head_end),
            Err(broken) => self.broken(broken, head_end),
        })
    }

    fn broken(&self, broken: Broken, seen_end: usize) -> Step {
        Step::Enter(Stage::Broken(broken, self.start..seen_end))
    }

    fn take_message(&mut self, end: usize) -> &[u8] {
        let begin = std::mem::replace(&mut self.start, end);
        self.stage = Stage::Between(false);
        &self.buffer[begin..end]
    }

    fn discard_consumed(&mut self) {
        self.buffer.drain(..self.start);
        self.searched = self.searched.saturating_sub(self.start);
        self.start = 0;
        // A quiet connection keeps no more than a small message's worth.
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE_BYTES_MAX {
            self.buffer = Vec::new();
        }
    }
}

enum Step {
    Enter(Stage),
    KeepAlive,
}

/// Finds Content-Length in `head`, start line and empty line included.
fn content_length(head: &[u8]) -> Result<usize, Broken> {
    let mut found = None;
    let mut rest = after_line(head);
    while !rest.is_empty() {
        let next = after_folded_line(rest);
        if let Some(value) = content_length_value(&rest[..rest.len() - next.len()]) {
            let length = parse_length(value).ok_or(Broken::BadContentLength)?;
            if found.is_some_and(|other| other != length) {
                return Err(Broken::BadContentLength);
            }
            found = Some(length);
        }
        rest = next;
    }
    found.ok_or(Broken::MissingContentLength)
}

/// Returns the value where `line` is a Content-Length, in long or compact form.
fn content_length_value(line: &[u8]) -> Option<&[u8]> {
    if !matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')) {
        return None;
    }
    let colon = memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    let is_it = name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l");
    is_it.then(|| line[colon + 1..].trim_ascii())
}

/// Reads digits and nothing else; a number too large to count is too large in any case.
fn parse_length(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |length: usize, digit: &u8| length.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
    Some(digits.iter().fold(0, add))
}

fn after_folded_line(text: &[u8]) -> &[u8] {
    let mut rest = after_line(text);
    while let [b' ' | b'\t', ..] = rest {
        rest = after_line(rest);
    }
    rest
}

fn after_line(text: &[u8]) -> &[u8] {
    memchr(b'\n', text).map_or(&[], |end| &text[end + 1..])
}

const IDLE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, Eq, PartialEq)]
    enum Seen {
        Broken(u16, String),
        KeepAlive,
        Message(String),
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Reads `stream` in segments that end at `cuts`.
    fn read(stream: &[u8], cuts: &[usize]) -> Vec<Seen> {
        let mut framer = Framer::new(1000);
        let mut seen = Vec::new();
        let mut begin = 0;
        for end in cuts.iter().copied().chain([stream.len()]) {
            framer.push(&stream[begin..end]);
            begin = end;
            loop {
                match framer.next_frame() {
                    Frame::Broken(broken, head) => {
                        seen.push(Seen::Broken(broken.code(), text(head)));
                        return seen;
                    }
                    Frame::Incomplete => break,
                    Frame::KeepAlive => seen.push(Seen::KeepAlive),
                    Frame::Message(message) => seen.push(Seen::Message(text(message))),
                }
            }
        }
        seen
    }

    /// Whatever way `stream` is cut into two or into single bytes, it reads as `expected`.
    fn check(stream: &str, expected: &[Seen]) {
        let stream = stream.as_bytes();
        for cut in 0..=stream.len() {
            assert_eq!(read(stream, &[cut]), expected, "cut at {cut}: {}", text(stream));
        }
        let every: Vec<usize> = (0..stream.len()).collect();
        assert_eq!(read(stream, &every), expected, "byte by byte: {}", text(stream));
    }

    fn message(text: &str) -> Seen {
        Seen::Message(text.to_owned())
    }

    #[test]
    fn messages_end_where_their_content_length_says() {
        let first = "PUBLISH sip:a@b SIP/2.0\r\nContent-Length: 4\r\nEvent: x\r\n\r\nbody";
        let second = "SIP/2.0 200 OK\r\nl:0\r\n\r\n";
        check(&format!("{first}{second}{first}"), &[message(first), message(second), message(first)]);
    }

    #[test]
    fn content_length_is_read_in_every_legal_spelling() {
        for header in
            ["CONTENT-LENGTH \t:  3 ", "l: 3", "L:3", "content-length:\r\n 3", "l:003", "l:3\r\nContent-Length: 3"]
        {
            let stream = format!("OPTIONS sip:a SIP/2.0\r\nX: y\r\n {header}\r\n{header}\r\n\r\nabc");
            check(&stream, &[message(&stream)]);
        }
    }

    #[test]
    fn a_folded_line_that_looks_like_content_length_is_none() {
        let stream = "OPTIONS sip:a SIP/2.0\r\nSubject: x\r\n l: 3\r\n\r\n";
        check(stream, &[Seen::Broken(400, stream.to_owned())]);
    }

    #[test]
    fn without_a_sound_content_length_the_stream_ends_with_400() {
        for header in ["X: y", "l:", "l: -1", "l: 3 4", "l: 0x3", "l: 3\r\nl: 4", "Content-Lengths: 3"] {
            let head = format!("OPTIONS sip:a SIP/2.0\r\n{header}\r\n\r\n");
            check(&format!("{head}abc"), &[Seen::Broken(400, head)]);
        }
    }

    #[test]
    fn a_message_that_announces_too_much_ends_the_stream_with_413() {
        for length in ["1000", "99999999999999999999999999"] {
            let head = format!("OPTIONS sip:a SIP/2.0\r\nl: {length}\r\n\r\n");
            check(&format!("{head}abc"), &[Seen::Broken(413, head)]);
        }
    }

    #[test]
    fn headers_without_end_are_given_up_at_the_bound() {
        let stream = format!("OPTIONS sip:a SIP/2.0\r\nX: {}", "x".repeat(2000));
        check(&stream, &[Seen::Broken(413, String::new())]);
        let stream = format!("OPTIONS sip:a SIP/2.0\r\nl: 0\r\nX: {}\r\n\r\n", "x".repeat(1000));
        check(&stream, &[Seen::Broken(413, String::new())]);
    }

    #[test]
    fn a_message_of_exactly_the_bound_is_read() {
        let head = "OPTIONS sip:a SIP/2.0\r\nl: 954\r\n\r\n";
        let stream = format!("{head}{}", "x".repeat(1000 - head.len()));
        let stream = stream.replace("954", &format!("{:03}", 1000 - head.len()));
        check(&stream, &[message(&stream)]);
    }

    #[test]
    fn double_line_ends_are_keep_alives_and_single_ones_nothing() {
        let options = "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n";
        check("\r\n\r\n", &[Seen::KeepAlive]);
        check("\r\n", &[]);
        check("\r\n\r\n\r\n\r\n", &[Seen::KeepAlive, Seen::KeepAlive]);
        check(&format!("\r\n{options}"), &[message(options)]);
        check(&format!("{options}\r\n\r\n{options}"), &[message(options), Seen::KeepAlive, message(options)]);
        check(&format!("\r\n\r\n\r\n{options}\r\n{options}"), &[Seen::KeepAlive, message(options), message(options)]);
    }

    #[test]
    fn only_an_unfinished_message_is_owed() {
        let mut framer = Framer::new(MESSAGE_BYTES_MAX);
        let mut owed = |bytes: &[u8]| {
            framer.push(bytes);
            while !matches!(framer.next_frame(), Frame::Incomplete) {}
            framer.is_inside_message()
        };
        assert!(!owed(b"\r\n\r\n\r\n"));
        assert!(owed(b"OPT"));
        assert!(owed(b"IONS sip:a SIP/2.0\r\nl: 1\r\n\r\n"));
        assert!(!owed(b"x"));
    }

    /// Pieces that make streams both sound and broken.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"l: 2\r\n".to_vec()),
            Just(b"A sip:b SIP/2.0\r\n".to_vec()),
            Just(b"A sip:b SIP/2.0\r\nl: 3\r\n\r\nabc".to_vec()),
            Just(b"A sip:b SIP/2.0\r\nContent-Length: 0\r\n\r\n".to_vec()),
            prop::collection::vec(any::<u8>(), 0..12),
        ]
    }

    proptest! {
        #[test]
        fn any_stream_reads_the_same_in_any_segments(
            pieces in prop::collection::vec(piece(), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let stream = pieces.concat();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            prop_assert_eq!(read(&stream, &cuts), read(&stream, &[]));
        }
    }
}
