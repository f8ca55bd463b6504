//! Strict, bounded reading of XML 1.0 with namespaces: what every document from the network passes first.
//!
//! `bounds` refuses what is too large or slips past the parser; then `roxmltree`, which does not recurse, builds the tree.
//! Neither a document type nor an entity nor another encoding than UTF-8 gets through.

use std::borrow::Cow;
use std::fmt;

use crate::limits::Bound;
use roxmltree::{Attribute, Document, Node, NodeType};

mod bounds;
mod canonical;
mod fragment;

pub use canonical::canonical_form;
pub use fragment::{Namespaces, content, write_around, write_attribute_value, write_element, write_parent};

/// How much of a document is read before it is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Longest document.
    pub bytes_max: usize,
    /// Deepest element, the root being 1.
    pub depth_max: usize,
    /// Most elements.
    pub elements_max: usize,
    /// Most attributes of one element, namespace declarations included.
    pub attributes_max: usize,
    /// Most namespace declarations in force at one place: the parser's work grows with their square.
    pub namespaces_max: usize,
    /// Longest namespace: composing may have to repeat it on every element.
    pub namespace_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 64 * 1024,
            depth_max: 32,
            elements_max: 4096,
            attributes_max: 64,
            namespaces_max: 32,
            namespace_bytes_max: 256,
        }
    }
}

/// A well-formed document within its limits.
#[derive(Debug)]
pub struct Xml<'a> {
    tree: Document<'a>,
}

/// Why a document is refused, and where. Says nothing of the document's content.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{fault} at {position}")]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// Where it is.
    pub position: Position,
}

/// A place in a document, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// What is wrong with a document as XML.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A document type declaration, and with it every entity.
    #[error("document type declaration not accepted")]
    DocumentType,
    /// The XML declaration names another encoding.
    #[error("encoding other than UTF-8")]
    Encoding,
    /// A namespace too long.
    #[error("namespace longer than {0} bytes")]
    NamespaceTooLong(usize),
    /// Not well-formed, or not well-formed with namespaces.
    #[error("XML not well-formed: {0}")]
    NotWellFormed(&'static str),
    /// Bytes that are no UTF-8.
    #[error("bytes that are not UTF-8")]
    NotUtf8,
    /// An element nested too deep.
    #[error("elements nested deeper than {0}")]
    TooDeep(usize),
    /// A document too long.
    #[error("document longer than {0} bytes")]
    TooLong(usize),
    /// An element with too many attributes.
    #[error("more than {0} attributes on one element")]
    TooManyAttributes(usize),
    /// Too many elements.
    #[error("more than {0} elements")]
    TooManyElements(usize),
    /// Too many namespace declarations in force at once.
    #[error("more than {0} namespaces in scope")]
    TooManyNamespaces(usize),
}

impl Fault {
    /// Returns the bound that a document is beyond, if nothing else is wrong.
    pub fn bound(self) -> Option<Bound> {
        use Fault::{NamespaceTooLong, TooDeep, TooManyAttributes, TooManyElements, TooManyNamespaces};
        match self {
            Self::TooLong(_) => Some(Bound::Document),
            NamespaceTooLong(_) | TooDeep(_) => Some(Bound::DocumentParts),
            TooManyAttributes(_) | TooManyElements(_) | TooManyNamespaces(_) => Some(Bound::DocumentParts),
            _ => None,
        }
    }
}

impl<'a> Xml<'a> {
    /// Reads `bytes`, refusing what is not well-formed or past `limits`.
    pub fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, Malformed> {
        if bytes.len() > limits.bytes_max {
            return Err(Malformed {
                fault: Fault::TooLong(limits.bytes_max),
                position: Position { line: 1, column: 1 },
            });
        }
        let text = utf8(bytes)?;
        bounds::check(text, limits)?;
        Self::parse(text)
    }

    /// Reads again what `read` accepted before, without asking for limits.
    pub fn read_accepted(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse(utf8(bytes)?)
    }

    fn parse(text: &'a str) -> Result<Self, Malformed> {
        let tree = Document::parse(text).map_err(|error| not_well_formed(&error))?;
        Ok(Self { tree })
    }

    /// Returns the root element.
    pub fn root(&self) -> Node<'_, 'a> {
        self.tree.root_element()
    }
}

impl Position {
    /// Returns the place of the byte at `offset`; linear, for errors only.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
        let column = before[line_start..].chars().count() + 1;
        let bounded = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self { line: bounded(line), column: bounded(column) }
    }

    /// Returns where `node` begins.
    pub(crate) fn of_node(node: Node<'_, '_>) -> Self {
        Self::of(node.document().input_text(), node.range().start)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}", self.line, self.column)
    }
}

/// Returns the attribute `name` that is in no namespace; `roxmltree`'s own look-up by a bare name finds those of every one.
pub fn attribute<'d, 'a>(node: Node<'d, 'a>, name: &str) -> Option<Attribute<'d, 'a>> {
    node.attributes().find(|attribute| attribute.name() == name && attribute.namespace().is_none())
}

/// Returns the text directly inside `node`, whatever comments part it.
pub fn text<'d>(node: Node<'d, '_>) -> Cow<'d, str> {
    let mut texts = node.children().filter(Node::is_text).filter_map(|text| text.text());
    let first = texts.next().unwrap_or_default();
    match texts.next() {
        None => Cow::Borrowed(first),
        Some(second) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
    }
}

/// Returns the text directly inside `node` without white space around it.
pub fn trimmed_text<'d>(node: Node<'d, '_>) -> Cow<'d, str> {
    match text(node) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
        Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
    }
}

/// Returns `xml:lang` as it holds at `node`, inherited from the nearest element that has one.
pub fn language<'d>(node: Node<'d, '_>) -> Option<&'d str> {
    node.ancestors().find_map(|element| element.attribute((roxmltree::NS_XML_URI, "lang")))
}

/// Returns the children of `node` that are elements.
pub fn elements<'d, 'a>(node: Node<'d, 'a>) -> impl Iterator<Item = Node<'d, 'a>> {
    node.children().filter(|child| child.node_type() == NodeType::Element)
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        Malformed { fault: Fault::NotUtf8, position: Position::of(valid, valid.len()) }
    })
}

#[cold]
fn not_well_formed(error: &roxmltree::Error) -> Malformed {
    use roxmltree::Error::*;
    let fault = match error {
        DtdDetected => Fault::DocumentType,
        NodesLimitReached | AttributesLimitReached => Fault::NotWellFormed("too many nodes"),
        NamespacesLimitReached => Fault::TooManyNamespaces(usize::from(u16::MAX)),
        DuplicatedAttribute(..) => Fault::NotWellFormed("attribute given twice"),
        DuplicatedNamespace(..) => Fault::NotWellFormed("namespace prefix declared twice"),
        InvalidAttributeValue(_) | InvalidChar(b'"' | b'\'', b'<', _) => {
            Fault::NotWellFormed("less-than sign in an attribute value")
        }
        InvalidCharacterData(_) => Fault::NotWellFormed("end mark of a CDATA section in text"),
        InvalidComment(_) => Fault::NotWellFormed("two hyphens in a comment"),
        InvalidElementNamePrefix(_) | InvalidName(_) => Fault::NotWellFormed("name not valid"),
        InvalidXmlPrefixUri(_) | UnexpectedXmlUri(_) | UnexpectedXmlnsUri(_) => {
            Fault::NotWellFormed("reserved namespace declared")
        }
        MalformedEntityReference(_) | UnknownEntityReference(..) => Fault::NotWellFormed("reference not known"),
        NoRootNode => Fault::NotWellFormed("no root element"),
        NonXmlChar(..) => Fault::NotWellFormed("character not allowed"),
        UnclosedRootNode | UnexpectedEndOfStream => Fault::NotWellFormed("document ends inside an element"),
        UnexpectedCloseTag(..) => Fault::NotWellFormed("element closed by the end tag of another"),
        UnexpectedDeclaration(_) => Fault::NotWellFormed("XML declaration not at the start"),
        UnknownNamespace(..) => Fault::NotWellFormed("namespace prefix not declared"),
        _ => Fault::NotWellFormed("unexpected character"),
    };
    let at = error.pos();
    Malformed { fault, position: Position { line: at.row, column: at.col } }
}

#[cfg(test)]
mod tests;
