//! Persons and devices of a presence document (RFC 4479).

use roxmltree::Node;

use super::{rpid, timestamp, xml};

/// The namespace of RFC 4479.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:pidf:data-model";

/// One occurrence of the human a presentity stands for; several are ambiguous, not several people (RFC 4479 §3.5).
#[derive(Clone, Copy, Debug)]
pub struct Person<'d, 'a: 'd>(pub(super) Node<'d, 'a>);

/// One occurrence of a device.
#[derive(Clone, Copy, Debug)]
pub struct Device<'d, 'a: 'd>(pub(super) Node<'d, 'a>);

impl<'d, 'a> Person<'d, 'a> {
    /// Returns the element itself.
    pub fn node(self) -> Node<'d, 'a> {
        self.0
    }

    /// Returns the occurrence id, empty if the publisher gave none.
    pub fn id(self) -> &'d str {
        id(self.0)
    }

    /// Returns the publisher's label (RFC 4480 §3.3).
    pub fn class(self) -> Option<&'d str> {
        rpid::class(self.0)
    }

    /// Returns when the publisher says this became so, in milliseconds since 1970.
    pub fn timestamp_ms(self) -> Option<u64> {
        timestamp_ms(self.0)
    }
}

impl<'d, 'a> Device<'d, 'a> {
    /// Returns the element itself.
    pub fn node(self) -> Node<'d, 'a> {
        self.0
    }

    /// Returns the occurrence id, empty if the publisher gave none.
    pub fn id(self) -> &'d str {
        id(self.0)
    }

    /// Returns the URN of the device; `None` if the publisher forgot it.
    pub fn device_id(self) -> Option<&'d str> {
        xml::elements(self.0).find_map(device_id)
    }

    /// Returns the publisher's label (RFC 4480 §3.3).
    pub fn class(self) -> Option<&'d str> {
        rpid::class(self.0)
    }

    /// Returns when the publisher says this became so, in milliseconds since 1970.
    pub fn timestamp_ms(self) -> Option<u64> {
        timestamp_ms(self.0)
    }
}

/// Returns the URN if `node` is a `deviceID`: of this namespace, or of RFC 4480 §3.5, which means the same.
pub fn device_id<'d>(node: Node<'d, '_>) -> Option<&'d str> {
    let is_device_id = node.tag_name().name() == "deviceID"
        && matches!(node.tag_name().namespace(), Some(NAMESPACE | rpid::NAMESPACE));
    is_device_id.then(|| node.text().unwrap_or_default().trim_ascii()).filter(|urn| !urn.is_empty())
}

fn id<'d>(node: Node<'d, '_>) -> &'d str {
    xml::attribute(node, "id").map(|id| id.value()).unwrap_or_default()
}

fn timestamp_ms(node: Node<'_, '_>) -> Option<u64> {
    let timestamp = xml::elements(node).find(|child| child.has_tag_name((NAMESPACE, "timestamp")))?;
    timestamp::unix_ms(&xml::text(timestamp))
}
