//! Rich presence (RFC 4480), as far as one occurrence is told from another by it.

use roxmltree::Node;

use super::xml;

/// The namespace of RFC 4480.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:pidf:rpid";

/// Returns the `class` of a tuple, person or device: the publisher's own label, not for display (RFC 4480 §3.3).
pub fn class<'d>(occurrence: Node<'d, '_>) -> Option<&'d str> {
    child(occurrence, "class").map(|class| class.text().unwrap_or_default().trim_ascii())
}

/// Returns the `service-class` of a tuple by the name of its value, such as `electronic` (RFC 4480 §3.12).
pub fn service_class<'d>(tuple: Node<'d, '_>) -> Option<&'d str> {
    let class = child(tuple, "service-class")?;
    xml::elements(class).map(|value| value.tag_name().name()).find(|name| *name != "note")
}

fn child<'d, 'a>(node: Node<'d, 'a>, name: &'static str) -> Option<Node<'d, 'a>> {
    xml::elements(node).find(|child| child.has_tag_name((NAMESPACE, name)))
}
