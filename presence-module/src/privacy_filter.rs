//! What a watcher is shown of a presence document: the privacy filter F of RFC 5025 §4.
//!
//! Only what is permitted is copied, to the byte and in its order, so that what nobody thought of stays hidden.
//! `extent.rs` says what is permitted.

use std::ops::Range;

use roxmltree::{Attribute, NS_XML_URI, Node};

use crate::document::pidf::{self, Pidf};
use crate::document::presence_rules::Permissions;
use crate::document::xml;

mod extent;

use extent::{Extent, Place};

#[cfg(test)]
mod tests;

/// Returns what `permissions` show of `document`, which composition wrote; if that is nothing, the closed document.
///
/// Filtering again changes nothing (RFC 5025 §4), unless a component was chosen by its class and the class is not shown:
/// nothing could choose it again.
pub fn filter(document: &[u8], permissions: &Permissions) -> Vec<u8> {
    if permissions.is_everything() {
        return document.to_vec();
    }
    // Of what cannot be read, nothing is known to be permitted, not even whom it is about.
    let Ok(pidf) = Pidf::read_accepted(document) else { return pidf::closed_document("") };
    let closed = pidf::closed_document(pidf.entity());
    if document == closed { closed } else { shown(&pidf, permissions).unwrap_or(closed) }
}

/// Returns what is shown, `None` if nothing is.
fn shown(pidf: &Pidf<'_>, permissions: &Permissions) -> Option<Vec<u8>> {
    let root = pidf.root();
    let source = root.document().input_text();
    let mut copy = Copy { source, permissions, out: Vec::with_capacity(source.len()) };
    copy.push(0..root.range().start);
    let is_any_shown = copy.parts(root, Place::Presence);
    copy.push(root.range().end..source.len());
    drop_unused_prefixes(root, &mut copy.out);
    is_any_shown.then_some(copy.out)
}

/// Drops the declarations at the root of prefixes that are not used in what is shown: they would tell of what is not.
fn drop_unused_prefixes(root: Node<'_, '_>, shown: &mut Vec<u8>) {
    let inside = start_tag(root).end;
    for prefix in root.namespaces().filter_map(|namespace| namespace.name()) {
        let declared = format!(" xmlns:{prefix}=\"");
        let Some(start) = memchr::memmem::find(shown, declared.as_bytes()).filter(|at| *at < inside) else { continue };
        let Some(length) = memchr::memchr(b'"', &shown[start + declared.len()..]) else { continue };
        let end = start + declared.len() + length + 1;
        let mut uses = memchr::memmem::find_iter(&shown[end..], prefix).map(|at| end + at + prefix.len());
        if !uses.any(|at| shown.get(at) == Some(&b':')) {
            shown.drain(start..end);
        }
    }
}

/// Copying at work.
struct Copy<'c> {
    source: &'c str,
    permissions: &'c Permissions,
    out: Vec<u8>,
}

impl Copy<'_> {
    /// Copies what is shown of `node`; says whether that is anything.
    fn element(&mut self, node: Node<'_, '_>, place: Place) -> bool {
        match extent::of(node, place, self.permissions) {
            Extent::Nothing => return false,
            Extent::Parts(inside) => {
                self.parts(node, inside);
            }
            Extent::WithAttributes(kept) => {
                let tag = start_tag(node);
                let rest = tag.end..node.range().end;
                self.tag(node, tag, kept);
                self.push(rest);
            }
            Extent::Whole => self.push(node.range()),
        }
        true
    }

    /// Copies the tags of `parent` and what is shown of its children; says whether that is anything.
    fn parts(&mut self, parent: Node<'_, '_>, inside: Place) -> bool {
        self.tag(parent, start_tag(parent), inside.attributes());
        let Some(content) = xml::content(parent) else { return false };
        let mut is_any_shown = false;
        for child in xml::elements(parent) {
            let end = self.out.len();
            self.white_space_before(child.range().start);
            if self.element(child, inside) {
                is_any_shown = true;
            } else {
                self.out.truncate(end);
            }
        }
        self.white_space_before(content.end);
        self.push(content.end..parent.range().end);
        is_any_shown
    }

    /// Copies `tag`, the start tag of `node`, with those of its attributes that are `kept` or of XML itself.
    fn tag(&mut self, node: Node<'_, '_>, tag: Range<usize>, kept: &[&str]) {
        let is_hidden = |attribute: &Attribute<'_, '_>| match attribute.namespace() {
            None => !kept.contains(&attribute.name()),
            Some(namespace) => namespace != NS_XML_URI,
        };
        let mut at = tag.start;
        for hidden in node.attributes().filter(is_hidden) {
            self.push(at..self.white_space_start(hidden.range().start));
            at = hidden.range().end;
        }
        self.push(at..tag.end);
    }

    /// Copies the white space that ends at `end`. Other text between elements has no meaning, and is not shown.
    fn white_space_before(&mut self, end: usize) {
        self.push(self.white_space_start(end)..end);
    }

    fn white_space_start(&self, end: usize) -> usize {
        self.source[..end].trim_ascii_end().len()
    }

    fn push(&mut self, range: Range<usize>) {
        self.out.extend_from_slice(&self.source.as_bytes()[range]);
    }
}

/// Returns the start tag of `node`, which is all of it if nothing is inside.
fn start_tag(node: Node<'_, '_>) -> Range<usize> {
    node.range().start..xml::content(node).map_or(node.range().end, |content| content.start)
}
