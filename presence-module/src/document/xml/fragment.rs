//! Copying elements of one document into another so that every name still means the same (XML Names §6).
//!
//! The start tag is written anew with the namespace declarations that its new surroundings lack; what is inside is copied byte
//! for byte, without comments and processing instructions. A prefix counts as used wherever it stands before a colon: names
//! hide in text and attribute values too.

use std::ops::Range;

use roxmltree::{Node, NodeType};

/// The namespaces in scope where copies are put, those the output's root declares, and the language; a root states none.
#[derive(Clone, Debug)]
pub struct Namespaces<'d> {
    default: &'d str,
    prefixed: Vec<(&'d str, &'d str)>,
    language: Option<&'d str>,
}

impl<'d> Namespaces<'d> {
    /// Begins with the default namespace alone.
    pub fn new(default: &'d str) -> Self {
        Self { default, prefixed: Vec::new(), language: None }
    }

    /// Adds the prefixes declared at `node`; one that already means something else, or is one too many, is left to each copy.
    pub fn adopt(&mut self, node: Node<'d, '_>) {
        for namespace in node.namespaces() {
            let Some(prefix) = namespace.name() else { continue };
            if self.prefixed.len() < PREFIXES_MAX && self.uri(prefix).is_none() {
                self.prefixed.push((prefix, namespace.uri()));
            }
        }
    }

    /// Writes the declarations as attributes, ordered by prefix.
    pub fn write(&mut self, out: &mut Vec<u8>) {
        write_declaration(None, self.default, out);
        self.prefixed.sort_unstable();
        for &(prefix, uri) in &self.prefixed {
            write_declaration(Some(prefix), uri, out);
        }
    }

    /// Returns what is in scope inside a copy of `node` put here.
    fn inside(&self, node: Node<'d, '_>) -> Self {
        let mut inside = self.clone();
        for (prefix, uri) in missing_declarations(node, self) {
            match prefix {
                None => inside.default = uri,
                Some(prefix) => {
                    inside.prefixed.retain(|(known, _)| *known != prefix);
                    inside.prefixed.push((prefix, uri));
                }
            }
        }
        inside.language = language(node);
        inside
    }

    fn uri(&self, prefix: &str) -> Option<&'d str> {
        self.prefixed.iter().find(|(known, _)| *known == prefix).map(|(_, uri)| *uri)
    }
}

/// Every copy's prefixes are looked up among those in scope: what many publishers declare must not grow with their number.
const PREFIXES_MAX: usize = 32;

/// Copies `node` with all that is inside, its `id` replaced by `id` if one is given.
pub fn write_element(node: Node<'_, '_>, id: Option<&str>, scope: &Namespaces<'_>, out: &mut Vec<u8>) {
    let name = write_start_tag(node, id, scope, out);
    match content(node) {
        None => out.extend_from_slice(b"/>"),
        Some(content) => {
            out.push(b'>');
            write_span(node, content, out);
            write_end_tag(name, out);
        }
    }
}

/// Copies `node` with `children` in place of its own, which they are, in the order and choice given.
pub fn write_parent<'d, 'a: 'd>(
    node: Node<'d, 'a>,
    id: Option<&str>,
    children: impl IntoIterator<Item = Node<'d, 'a>>,
    scope: &Namespaces<'_>,
    out: &mut Vec<u8>,
) {
    let name = write_start_tag(node, id, scope, out);
    out.push(b'>');
    for child in children {
        write_span(child, child.range(), out);
    }
    write_end_tag(name, out);
}

/// Copies the tags of `node` around what `content` writes, which is told what is in scope between them.
pub fn write_around<'d>(
    node: Node<'d, '_>,
    id: Option<&str>,
    scope: &Namespaces<'d>,
    out: &mut Vec<u8>,
    content: impl FnOnce(&Namespaces<'d>, &mut Vec<u8>),
) {
    let name = write_start_tag(node, id, scope, out);
    out.push(b'>');
    content(&scope.inside(node), out);
    write_end_tag(name, out);
}

/// Appends `value` as the inside of a double-quoted attribute value; what XML cannot carry becomes U+FFFD.
pub fn write_attribute_value(value: &str, out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some(at) = rest.bytes().position(may_need_escape) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = special.chars();
        let Some(character) = characters.next() else { return };
        match character {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\t' => out.extend_from_slice(b"&#9;"),
            '\n' => out.extend_from_slice(b"&#10;"),
            '\r' => out.extend_from_slice(b"&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.extend_from_slice("\u{fffd}".as_bytes()),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Returns whether a character that begins with `byte` may not stand as it is; U+FFFE and U+FFFF begin as many do that may.
fn may_need_escape(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'>' | b'"' | ..=0x1f | 0xef)
}

/// Writes the start tag up to its end, which is the caller's; returns the element's name as written.
fn write_start_tag<'a>(node: Node<'_, 'a>, id: Option<&str>, scope: &Namespaces<'_>, out: &mut Vec<u8>) -> &'a str {
    let name = qualified_name(node);
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    for (prefix, uri) in missing_declarations(node, scope) {
        write_declaration(prefix, uri, out);
    }
    let source = node.document().input_text();
    let (mut id, mut has_language) = (id, false);
    for attribute in node.attributes() {
        has_language |= attribute.name() == "lang" && attribute.namespace() == Some(roxmltree::NS_XML_URI);
        match id {
            Some(replacement) if attribute.name() == "id" && attribute.namespace().is_none() => {
                write_attribute("id", replacement, out);
                id = None;
            }
            _ => {
                out.push(b' ');
                out.extend_from_slice(source[attribute.range()].as_bytes());
            }
        }
    }
    if let Some(id) = id {
        write_attribute("id", id, out);
    }
    if !has_language && language(node) != scope.language {
        write_attribute("xml:lang", language(node).unwrap_or_default(), out);
    }
    name
}

/// Returns the declarations a copy of `node` needs that are not in force already; the default namespace, if any, comes last.
fn missing_declarations<'d>(
    node: Node<'d, '_>,
    scope: &Namespaces<'_>,
) -> impl Iterator<Item = (Option<&'d str>, &'d str)> {
    let prefixed = node.namespaces().filter_map(move |namespace| {
        let (prefix, uri) = (namespace.name()?, namespace.uri());
        (scope.uri(prefix) != Some(uri) && is_used(node, prefix)).then_some((Some(prefix), uri))
    });
    let default = match node.namespaces().find(|namespace| namespace.name().is_none()) {
        Some(namespace) => Some(namespace.uri()),
        None => node.descendants().any(is_in_no_namespace).then_some(""),
    };
    prefixed.chain(default.filter(|uri| *uri != scope.default).map(|uri| (None, uri)))
}

/// Says whether `prefix` may be used inside `node`: a declaration repeated on every copy for nothing could fill megabytes.
fn is_used(node: Node<'_, '_>, prefix: &str) -> bool {
    let element = &node.document().input_text().as_bytes()[node.range()];
    let mut uses = memchr::memmem::find_iter(element, prefix).map(|at| at + prefix.len());
    uses.any(|end| element.get(end) == Some(&b':'))
}

/// Returns the language that holds at `node`; the empty one is none.
fn language<'d>(node: Node<'d, '_>) -> Option<&'d str> {
    super::language(node).filter(|language| !language.is_empty())
}

fn is_in_no_namespace(node: Node<'_, '_>) -> bool {
    node.is_element() && node.tag_name().namespace().is_none_or(str::is_empty)
}

fn write_declaration(prefix: Option<&str>, uri: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b" xmlns");
    if let Some(prefix) = prefix {
        out.push(b':');
        out.extend_from_slice(prefix.as_bytes());
    }
    write_value(uri, out);
}

fn write_attribute(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    write_value(value, out);
}

fn write_value(value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"=\"");
    write_attribute_value(value, out);
    out.push(b'"');
}

fn write_end_tag(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

fn qualified_name<'a>(node: Node<'_, 'a>) -> &'a str {
    let tag = &node.document().input_text()[node.range().start + 1..];
    let ends = |byte: &u8| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n');
    &tag[..tag.as_bytes().iter().position(ends).unwrap_or(tag.len())]
}

/// Returns what lies between the start tag and the end tag; `None` if that is nothing.
pub fn content(node: Node<'_, '_>) -> Option<Range<usize>> {
    let start = node.first_child()?.range().start;
    let element = node.range();
    let end_tag = memchr::memrchr(b'<', node.document().input_text()[element.clone()].as_bytes())?;
    Some(start..element.start + end_tag)
}

/// Copies `span` of the source, which lies inside `node`, without the comments and processing instructions in it.
fn write_span(node: Node<'_, '_>, span: Range<usize>, out: &mut Vec<u8>) {
    let source = node.document().input_text();
    let mut at = span.start;
    for aside in node.descendants().filter(is_aside) {
        let aside = aside.range();
        out.extend_from_slice(&source.as_bytes()[at..aside.start]);
        at = aside.end;
        // Text that met nothing but a comment must not become the "]]>" that text may not hold.
        if let Some(escape) = end_of_section(out.last(), source.as_bytes().get(at)) {
            out.extend_from_slice(escape);
            at += 1;
        }
    }
    out.extend_from_slice(&source.as_bytes()[at..span.end]);
}

fn end_of_section(before: Option<&u8>, after: Option<&u8>) -> Option<&'static [u8]> {
    match (before, after) {
        (Some(b']'), Some(b']')) => Some(b"&#93;"),
        (Some(b']'), Some(b'>')) => Some(b"&gt;"),
        _ => None,
    }
}

fn is_aside(node: &Node<'_, '_>) -> bool {
    matches!(node.node_type(), NodeType::Comment | NodeType::PI)
}
