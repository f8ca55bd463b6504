//! One spelling for elements that say the same: what decides whether two publishers sent the same thing.
//!
//! Names are written with their namespace and not their prefix, attributes in order, text as it is read. Not Canonical XML: it
//! never leaves the server.

use roxmltree::{Node, NodeType};
use smallvec::SmallVec;

/// Returns a text that is equal for elements that differ only in prefixes, attribute order, quoting, references and comments.
pub fn canonical_form(node: Node<'_, '_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(node.range().len() + 64);
    // Depth-first order and each element's number of children fix the tree, so no end tags are needed.
    for inner in node.descendants() {
        match inner.node_type() {
            NodeType::Element => write_element(inner, &mut out),
            NodeType::Text => write_part(b'"', inner.text().unwrap_or_default(), &mut out),
            NodeType::Comment | NodeType::PI | NodeType::Root => {}
        }
    }
    out
}

fn write_element(node: Node<'_, '_>, out: &mut Vec<u8>) {
    write_part(b'{', node.tag_name().namespace().unwrap_or_default(), out);
    write_part(b'}', node.tag_name().name(), out);
    let mut attributes: SmallVec<[_; 8]> = node
        .attributes()
        .map(|attribute| (attribute.namespace().unwrap_or_default(), attribute.name(), attribute.value()))
        .collect();
    attributes.sort_unstable();
    for (namespace, name, value) in attributes {
        write_part(b'@', namespace, out);
        write_part(b':', name, out);
        write_part(b'=', value, out);
    }
    let children = node.children().filter(|child| child.is_element() || child.is_text()).count();
    out.push(b'#');
    out.extend_from_slice(&children.to_be_bytes());
}

/// Writes a part behind its length, so that no part can be mistaken for two.
fn write_part(kind: u8, part: &str, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&part.len().to_be_bytes());
    out.extend_from_slice(part.as_bytes());
}
