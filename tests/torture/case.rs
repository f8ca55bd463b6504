//! A file of `messages/`: lines of `#` say what it is about, `answer:` how it is answered, and behind an empty line stands the
//! message, each line ended by CRLF, in the notation of RFC 4475 §2.1: `<hex>` for bytes, `<repeat count="N">` for what is long.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use tests::pidf;

use crate::line::{Line, Way};

/// A message and what must come of it.
pub(crate) struct Case {
    pub(crate) label: String,
    udp: Answer,
    tcp: Answer,
    message: String,
}

/// What must come of a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Answer {
    /// The codes of the responses, in order, and words that are in their reason phrases.
    pub(crate) codes: Vec<u16>,
    pub(crate) words: Vec<String>,
    /// Whether the connection is closed then.
    pub(crate) closes: bool,
    /// Whether the server waits for more.
    pub(crate) is_incomplete: bool,
}

impl Case {
    /// Reads all files of a directory of `messages/`, in the order of their names.
    pub(crate) fn all(directory: &str) -> Vec<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("torture/messages").join(directory);
        let entries = fs::read_dir(&directory).expect("the messages are there");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    fn read(file: &Path) -> Self {
        let label = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(file).expect("a readable file");
        let (head, message) = text.split_once("\n\n").expect("an empty line before the message");
        let answer = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(Answer::read);
        let both = answer("answer: ");
        let of = |name| answer(name).or(both.clone()).unwrap_or_else(|| panic!("{label} has no {name}"));
        Self { udp: of("udp: "), tcp: of("tcp: "), message: message.to_owned(), label }
    }

    pub(crate) fn answer(&self, way: Way) -> &Answer {
        if way == Way::Udp { &self.udp } else { &self.tcp }
    }

    /// Returns the message as it is sent on `line`; no two are one transaction.
    pub(crate) fn filled(&self, line: &Line) -> Vec<u8> {
        filled(&self.message, &self.label, line)
    }
}

impl Answer {
    fn read(text: &str) -> Self {
        let mut answer = Self::default();
        for word in text.split_whitespace() {
            match (word, word.parse()) {
                ("closed", _) => answer.closes = true,
                ("more", _) => answer.is_incomplete = true,
                ("none", _) => {}
                (_, Ok(code)) => answer.codes.push(code),
                (word, Err(_)) => answer.words.push(word.to_owned()),
            }
        }
        answer
    }
}

/// Fills in a template.
pub(crate) fn filled(template: &str, label: &str, line: &Line) -> Vec<u8> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = format!("{}.{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let text = template
        .replace("@PIDF@", &pidf::open("sip:user@pres.example", "t1", "tortured"))
        .replace("\r\n", "\n")
        .replace('\n', "\r\n")
        .replace("@LABEL@", label)
        .replace("@N@", &number)
        .replace("@BRANCH@", &format!("z9hG4bKtorture{number}"))
        .replace("@SELF@", &line.local_address().to_string())
        .replace("@TRANSPORT@", line.transport());
    let repeated = expanded(text.as_bytes(), b"<repeat count=\"", b"</repeat>", |inside| {
        let text = String::from_utf8_lossy(inside);
        let (count, text) = text.split_once("\">").expect("a count");
        text.repeat(count.parse().expect("a number")).into_bytes()
    });
    let bytes = expanded(&repeated, b"<hex>", b"</hex>", |inside| {
        let digits = std::str::from_utf8(inside).expect("digits");
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two hexadecimal digits");
        (0..digits.len()).step_by(2).map(byte).collect()
    });
    let body = find(&bytes, b"\r\n\r\n").map_or(0, |at| bytes.len() - at - 4);
    expanded(&bytes, b"@LENG", b"TH@", |_| body.to_string().into_bytes())
}

/// Replaces whatever stands between two marks, marks included.
fn expanded(text: &[u8], open: &[u8], close: &[u8], replacement: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(at) = find(rest, open) {
        let inside = &rest[at + open.len()..];
        let end = find(inside, close).expect("what is opened is closed");
        out.extend_from_slice(&rest[..at]);
        out.extend(replacement(&inside[..end]));
        rest = &inside[end + close.len()..];
    }
    out.extend_from_slice(rest);
    out
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
