//! A strict tree of an XML document, so that tests judge what the product writes by other means than the product's own.
//!
//! quick-xml finds the tokens; what a tokenizer lets pass (several roots, a document cut short, a DOCTYPE, unknown
//! entities, unbound prefixes) is refused here.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

/// An element with its namespace resolved.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Element {
    /// The namespace name, empty for none.
    pub namespace: String,
    /// The local name.
    pub name: String,
    /// Attributes in order: name as written, value unescaped.
    pub attributes: Vec<(String, String)>,
    /// Child elements in order.
    pub children: Vec<Element>,
    /// The text directly inside.
    pub text: String,
}

impl Element {
    /// Reads a document and returns its root.
    ///
    /// # Errors
    /// What is not well-formed.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
        let mut reader = NsReader::from_str(text);
        let (mut open, mut root) = (Vec::new(), None);
        loop {
            let (namespace, event) = reader.read_resolved_event().map_err(|error| error.to_string())?;
            match event {
                Event::Start(start) => open.push(Self::begin(&namespace, &start)?),
                Event::Empty(start) => place(Self::begin(&namespace, &start)?, &mut open, &mut root)?,
                Event::End(_) => {
                    let element = open.pop().ok_or("an end without a beginning")?;
                    place(element, &mut open, &mut root)?;
                }
                Event::Text(text) => add(&text.xml10_content(), &mut open)?,
                Event::CData(text) => add(&text.xml10_content(), &mut open)?,
                Event::GeneralRef(reference) => add(&resolved(&reference)?, &mut open)?,
                Event::DocType(_) => return Err("a DOCTYPE".into()),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof if open.is_empty() => return root.ok_or_else(|| "no element".into()),
                Event::Eof => return Err("the document ends inside an element".into()),
            }
        }
    }

    fn begin(namespace: &ResolveResult<'_>, start: &BytesStart<'_>) -> Result<Self, String> {
        let namespace = match namespace {
            ResolveResult::Bound(Namespace(name)) => (*name).to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(prefix) => return Err(format!("the prefix {prefix:?} is not bound")),
        };
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|error| error.to_string())?;
            attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        let name = start.local_name().as_ref().to_owned();
        Ok(Self { namespace, name, attributes, ..Self::default() })
    }

    /// Returns an attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_str())
    }

    /// Returns whether the element has this expanded name.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// Returns the local names of the children, in order.
    pub fn child_names(&self) -> Vec<&str> {
        self.children.iter().map(|child| child.name.as_str()).collect()
    }

    /// Returns the first child of this expanded name.
    pub fn child(&self, namespace: &str, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(namespace, name))
    }
}

/// Puts a finished element where it belongs.
fn place(element: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), String> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_some() => return Err("something follows the root element".into()),
        None => *root = Some(element),
    }
    Ok(())
}

fn add(text: &str, open: &mut [Element]) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("text outside the root element".into()),
    }
    Ok(())
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(letter) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(letter.into());
    }
    let name = reference.xml10_content();
    let predefined = quick_xml::escape::resolve_predefined_entity(&name);
    predefined.map(str::to_owned).ok_or_else(|| format!("the entity {name} is unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_attributes_and_text_are_read() {
        let text =
            "<?xml version='1.0'?><!-- c --><a xmlns=\"u\" xmlns:p='v' k='1 &amp; &#x41;'><p:b/>t<![CDATA[<]]></a>\n";
        let root = Element::read(text.as_bytes()).unwrap();
        assert!(root.is("u", "a") && root.child("v", "b").is_some());
        assert_eq!((root.attribute("k"), root.text.as_str()), (Some("1 & A"), "t<"));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "<a><b></a></b>",
            "<a/><a/>",
            "<a",
            "<a>",
            "<a x='1' x='2'/>",
            "<a x=1/>",
            "<p:a/>",
            "<a>&nbsp;</a>",
            "<a>&</a>",
            "<!DOCTYPE a><a/>",
            "<a/>text",
            "",
        ] {
            assert!(Element::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
