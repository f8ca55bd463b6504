//! The order of children inside a tuple and its status (RFC 3863 §4.1.2, §4.1.3), a person and a device (RFC 4479 schema).
//!
//! Publishers append what they know at the end; watchers validate. What a schema allows once is taken once, the first; of its own
//! elements those that it has no place for are left out, for `xs:any` there means other namespaces.

use roxmltree::Node;
use smallvec::SmallVec;

use super::{data_model, pidf, xml};

/// Children in the order of the schema; those of one place keep the order they came in.
pub type Children<'d, 'a> = SmallVec<[Node<'d, 'a>; 12]>;

/// Places of a schema's sequence, first to last; the extensions are those no other place claims.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Place {
    Basic,
    Status,
    Extension,
    DeviceId,
    Contact,
    Note,
    Timestamp,
}

/// Returns the children of `parent`, which is a tuple, a status, a person or a device.
pub fn of<'d, 'a>(parent: Node<'d, 'a>) -> Children<'d, 'a> {
    ordered(parent, xml::elements(parent))
}

/// Returns `children`, which become those of `parent`: a tuple has a status, extensions, a contact, notes and a timestamp, in
/// this order; a status a basic and extensions; a person or device extensions, the device's URN, notes and a timestamp.
pub fn ordered<'d, 'a>(parent: Node<'d, 'a>, children: impl IntoIterator<Item = Node<'d, 'a>>) -> Children<'d, 'a> {
    let mut children: SmallVec<[(Place, Node<'d, 'a>); 12]> =
        children.into_iter().filter_map(|child| Some((Place::of(parent, child)?, child))).collect();
    if !children.is_sorted_by_key(|(place, _)| *place) {
        children.sort_by_key(|(place, _)| *place);
    }
    children.dedup_by(|(next, _), (place, _)| next == place && place.is_for_one());
    children.into_iter().map(|(_, child)| child).collect()
}

impl Place {
    /// Says whether the schema allows one child there.
    fn is_for_one(self) -> bool {
        match self {
            Self::Extension | Self::Note => false,
            Self::Basic | Self::Status | Self::DeviceId | Self::Contact | Self::Timestamp => true,
        }
    }

    /// Returns `None` if there is no place.
    fn of(parent: Node<'_, '_>, child: Node<'_, '_>) -> Option<Self> {
        let namespace = child.tag_name().namespace();
        if namespace.is_none() || namespace != parent.tag_name().namespace() {
            return Some(Self::Extension);
        }
        let place = match (namespace, parent.tag_name().name(), child.tag_name().name()) {
            (Some(pidf::NAMESPACE), "status", "basic") => Self::Basic,
            (Some(pidf::NAMESPACE), "tuple", "status") => Self::Status,
            (Some(pidf::NAMESPACE), "tuple", "contact") => Self::Contact,
            (Some(data_model::NAMESPACE), "device", "deviceID") => Self::DeviceId,
            (_, "tuple" | "person" | "device", "note") => Self::Note,
            (_, "tuple" | "person" | "device", "timestamp") => Self::Timestamp,
            _ => return None,
        };
        Some(place)
    }
}
