//! One pass over a document before the parser sees it: limits, and what the parser lets through although XML 1.0 or its
//! namespaces forbid it (two default namespaces on one element, undeclared prefixes, references to surrogates).
//!
//! Up to the first character that is not well-formed this pass and the parser see the same tokens, and there the parser stops;
//! so nothing that evades this pass is ever parsed. No recursion, no allocation at ordinary depth.

use memchr::{memchr, memchr_iter, memmem};
use smallvec::SmallVec;

use super::{Fault, Limits, Malformed, Position};

/// Refuses what is past `limits` or what the parser would wrongly accept.
pub(super) fn check(text: &str, limits: &Limits) -> Result<(), Malformed> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let references = memchr(b'&', text.as_bytes()).is_some();
    let mut pass = Pass { text, limits, at: start, references, elements: 0, namespaces: 0, open: SmallVec::new() };
    pass.declaration().and_then(|()| pass.content()).map_err(|(fault, at)| refuse(text, fault, at))
}

#[cold]
fn refuse(text: &str, fault: Fault, at: usize) -> Malformed {
    Malformed { fault, position: Position::of(text, at) }
}

type Step = Result<(), (Fault, usize)>;

struct Pass<'t> {
    text: &'t str,
    limits: &'t Limits,
    at: usize,
    references: bool,
    elements: usize,
    namespaces: usize,
    /// How many namespaces each open element declares.
    open: SmallVec<[usize; 32]>,
}

impl<'t> Pass<'t> {
    /// `<?xml version encoding?>`: only the encoding matters, and only that it is UTF-8 or its subset.
    fn declaration(&mut self) -> Step {
        let rest = &self.text[self.at..];
        let is_declaration = rest.strip_prefix("<?xml").is_some_and(|rest| rest.starts_with(is_space));
        if !is_declaration {
            return Ok(());
        }
        let end = rest.find("?>").ok_or((Fault::NotWellFormed("XML declaration not closed"), self.at))?;
        if let Some(found) = rest[..end].find("encoding") {
            let value = rest[found + "encoding".len()..end].trim_start_matches(is_space);
            let value = value.strip_prefix('=').unwrap_or(value).trim_start_matches(is_space);
            let name = value.trim_start_matches(['"', '\'']);
            let name = &name[..name.find(['"', '\'']).unwrap_or(name.len())];
            if !["utf-8", "utf8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
                return Err((Fault::Encoding, self.at + found));
            }
        }
        self.at += end + 2;
        Ok(())
    }

    fn content(&mut self) -> Step {
        let bytes = self.text.as_bytes();
        while let Some(offset) = memchr(b'<', &bytes[self.at..]) {
            let tag = self.at + offset;
            self.check_references(self.at, tag)?;
            self.at = tag + 1;
            match bytes.get(self.at) {
                Some(b'/') => self.end_tag(tag)?,
                Some(b'!' | b'?') => self.markup(tag)?,
                _ => self.start_tag(tag)?,
            }
        }
        self.check_references(self.at, bytes.len())
    }

    fn start_tag(&mut self, tag: usize) -> Step {
        self.elements += 1;
        if self.elements > self.limits.elements_max {
            return Err((Fault::TooManyElements(self.limits.elements_max), tag));
        }
        if self.open.len() >= self.limits.depth_max {
            return Err((Fault::TooDeep(self.limits.depth_max), tag));
        }
        self.name("element without a name")?;
        let (mut attributes, mut declared, mut default_declared) = (0, 0, false);
        loop {
            self.skip_spaces();
            match self.text.as_bytes().get(self.at) {
                Some(b'>') => {
                    self.at += 1;
                    self.open.push(declared);
                    return Ok(());
                }
                Some(b'/') => {
                    self.at += 1;
                    self.namespaces -= declared;
                    return self.expect(b'>', "slash inside a tag");
                }
                Some(_) => {}
                None => return Err((Fault::NotWellFormed("tag not closed"), tag)),
            }
            attributes += 1;
            if attributes > self.limits.attributes_max {
                return Err((Fault::TooManyAttributes(self.limits.attributes_max), tag));
            }
            if self.attribute(&mut default_declared)? {
                declared += 1;
                self.namespaces += 1;
                if self.namespaces > self.limits.namespaces_max {
                    return Err((Fault::TooManyNamespaces(self.limits.namespaces_max), tag));
                }
            }
        }
    }

    /// Passes over one attribute; says whether it declares a namespace.
    fn attribute(&mut self, default_declared: &mut bool) -> Result<bool, (Fault, usize)> {
        let start = self.at;
        let name = self.name("attribute without a name")?;
        self.skip_spaces();
        self.expect(b'=', "attribute without a value")?;
        self.skip_spaces();
        let quote = match self.text.as_bytes().get(self.at) {
            Some(&quote @ (b'"' | b'\'')) => quote,
            _ => return Err((Fault::NotWellFormed("attribute value without quotes"), start)),
        };
        let value = self.at + 1;
        let length = memchr(quote, &self.text.as_bytes()[value..])
            .ok_or((Fault::NotWellFormed("attribute value not closed"), start))?;
        self.check_references(value, value + length)?;
        self.at = value + length + 1;
        let is_declaration = name.strip_prefix("xmlns").is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        if is_declaration && length > self.limits.namespace_bytes_max {
            return Err((Fault::NamespaceTooLong(self.limits.namespace_bytes_max), start));
        }
        match name.strip_prefix("xmlns") {
            Some("") if *default_declared => Err((Fault::NotWellFormed("default namespace declared twice"), start)),
            Some("") => {
                *default_declared = true;
                Ok(true)
            }
            Some(prefix) if prefix.starts_with(':') && length == 0 => {
                Err((Fault::NotWellFormed("namespace prefix without a namespace"), start))
            }
            _ if name.ends_with(":xmlns") => Err((Fault::NotWellFormed("reserved namespace declared"), start)),
            _ => Ok(is_declaration),
        }
    }

    fn end_tag(&mut self, tag: usize) -> Step {
        let declared = self.open.pop().ok_or((Fault::NotWellFormed("end tag without a start tag"), tag))?;
        self.namespaces -= declared;
        let name = self.text.as_bytes()[self.at..].iter().position(|&byte| byte == b'>');
        self.at += name.ok_or((Fault::NotWellFormed("tag not closed"), tag))? + 1;
        Ok(())
    }

    /// A comment, CDATA section or processing instruction; a document type is refused.
    fn markup(&mut self, tag: usize) -> Step {
        let rest = &self.text[tag..];
        if rest.starts_with("<!--") {
            self.at = tag + 4;
            self.skip_past(b"-->", "comment not closed", tag)
        } else if rest.starts_with("<![CDATA[") {
            self.skip_past(b"]]>", "CDATA section not closed", tag)
        } else if rest.starts_with("<?") {
            self.skip_past(b"?>", "processing instruction not closed", tag)
        } else if rest.starts_with("<!DOCTYPE") {
            Err((Fault::DocumentType, tag))
        } else {
            Err((Fault::NotWellFormed("unexpected character"), tag))
        }
    }

    /// Refuses character references to what is no character; every other reference is the parser's to judge.
    fn check_references(&self, start: usize, end: usize) -> Step {
        if !self.references {
            return Ok(());
        }
        let segment = &self.text.as_bytes()[start..end];
        for at in memchr_iter(b'&', segment) {
            let Some([b'#', number @ ..]) = segment.get(at + 1..) else { continue };
            let (digits, radix) = match number {
                [b'x', digits @ ..] => (digits, 16),
                digits => (digits, 10),
            };
            let code = digits
                .iter()
                .map_while(|&digit| char::from(digit).to_digit(radix))
                .fold(0_u32, |code, digit| code.saturating_mul(radix).saturating_add(digit));
            if char::from_u32(code).is_none() {
                return Err((Fault::NotWellFormed("reference to no character"), start + at));
            }
        }
        Ok(())
    }

    /// Passes over a name; one that begins with ':' has an empty prefix.
    fn name(&mut self, missing: &'static str) -> Result<&'t str, (Fault, usize)> {
        let rest = &self.text[self.at..];
        let length = rest.bytes().position(|byte| ENDS_NAME[usize::from(byte)]).unwrap_or(rest.len());
        if length == 0 || rest.starts_with(':') {
            return Err((Fault::NotWellFormed(missing), self.at));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.as_bytes().get(self.at) {
            self.at += 1;
        }
    }

    fn skip_past(&mut self, end: &[u8], missing: &'static str, tag: usize) -> Step {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += memmem::find(rest, end).ok_or((Fault::NotWellFormed(missing), tag))? + end.len();
        Ok(())
    }

    fn expect(&mut self, byte: u8, otherwise: &'static str) -> Step {
        if self.text.as_bytes().get(self.at) != Some(&byte) {
            return Err((Fault::NotWellFormed(otherwise), self.at));
        }
        self.at += 1;
        Ok(())
    }
}

/// Which bytes no name goes past; a table, since every name is looked at byte by byte.
const ENDS_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut bytes: &[u8] = b"=>/< \t\r\n\"'";
    while let [byte, rest @ ..] = bytes {
        table[*byte as usize] = true;
        bytes = rest;
    }
    table
};

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}
