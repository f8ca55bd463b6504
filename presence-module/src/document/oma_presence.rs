//! The presence vocabulary of the Open Mobile Alliance (Presence SIMPLE 1.1), as far as one service is told from another by it.

use std::borrow::Cow;

use roxmltree::Node;

use super::xml;

/// The namespace of OMA's extensions to a presence document.
pub const NAMESPACE: &str = "urn:oma:xml:prs:pidf:oma-pres";

/// Which service a tuple is an occurrence of, by OMA's registered names.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ServiceDescription<'d> {
    /// `service-id`, such as `org.openmobilealliance:PoC-session`.
    pub service_id: Cow<'d, str>,
    /// `version`.
    pub version: Cow<'d, str>,
}

/// Returns what the `service-description` of a tuple names; its `description` is for humans.
pub fn service_description<'d>(tuple: Node<'d, '_>) -> Option<ServiceDescription<'d>> {
    let description = child(tuple, "service-description")?;
    let text = |name| child(description, name).map(xml::trimmed_text).unwrap_or_default();
    Some(ServiceDescription { service_id: text("service-id"), version: text("version") })
}

fn child<'d, 'a>(node: Node<'d, 'a>, name: &'static str) -> Option<Node<'d, 'a>> {
    xml::elements(node).find(|child| child.has_tag_name((NAMESPACE, name)))
}
