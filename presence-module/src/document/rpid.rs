//! Rich presence (RFC 4480), as far as something is decided by it: which occurrence is which, and the sphere.

use std::borrow::Cow;

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

/// Returns the spheres a person is said to be in, by name, such as `work`: by the schema one, and there may be none.
pub fn spheres<'d>(person: Node<'d, '_>) -> impl Iterator<Item = Cow<'d, str>> {
    xml::elements(person).filter(|child| child.has_tag_name((NAMESPACE, "sphere"))).flat_map(|sphere| {
        let mut names = xml::elements(sphere).map(|value| Cow::Borrowed(value.tag_name().name())).peekable();
        // Written as text by those who know the drafts.
        let text = names.peek().is_none().then(|| xml::trimmed_text(sphere));
        names.chain(text.filter(|text| !text.is_empty()))
    })
}

fn child<'d, 'a>(node: Node<'d, 'a>, name: &'static str) -> Option<Node<'d, 'a>> {
    xml::elements(node).find(|child| child.has_tag_name((NAMESPACE, name)))
}
