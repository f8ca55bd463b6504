//! The order of children inside a tuple (RFC 3863 §4.1.2), a person and a device (RFC 4479 schema).
//!
//! Publishers append what they know at the end; watchers validate. What a schema allows once is taken once, the first.

use roxmltree::Node;
use smallvec::SmallVec;

use super::{data_model, pidf, xml};

/// Children in the order of the schema; those of one place keep the order they came in.
pub type Children<'d, 'a> = SmallVec<[Node<'d, 'a>; 12]>;

/// Places of a schema's sequence, first to last; the extensions are those no other place claims.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Place {
    Status,
    Extension,
    DeviceId,
    Contact,
    Note,
    Timestamp,
}

/// Returns the children of a tuple: status, extensions, contact, notes, timestamp.
pub fn of_tuple<'d, 'a>(tuple: Node<'d, 'a>) -> Children<'d, 'a> {
    ordered(tuple, |child| match child.tag_name().name() {
        _ if child.tag_name().namespace() != Some(pidf::NAMESPACE) => Place::Extension,
        "status" => Place::Status,
        "contact" => Place::Contact,
        "note" => Place::Note,
        "timestamp" => Place::Timestamp,
        _ => Place::Extension,
    })
}

/// Returns the children of a person or device: extensions, a device's URN, notes, timestamp.
pub fn of_person_or_device<'d, 'a>(occurrence: Node<'d, 'a>) -> Children<'d, 'a> {
    let is_device = occurrence.tag_name().name() == "device";
    ordered(occurrence, |child| match child.tag_name().name() {
        _ if child.tag_name().namespace() != Some(data_model::NAMESPACE) => Place::Extension,
        "deviceID" if is_device => Place::DeviceId,
        "note" => Place::Note,
        "timestamp" => Place::Timestamp,
        _ => Place::Extension,
    })
}

fn ordered<'d, 'a>(node: Node<'d, 'a>, place: impl Fn(Node<'d, 'a>) -> Place) -> Children<'d, 'a> {
    let mut children: SmallVec<[(Place, Node<'d, 'a>); 12]> =
        xml::elements(node).map(|child| (place(child), child)).collect();
    if !children.is_sorted_by_key(|(place, _)| *place) {
        children.sort_by_key(|(place, _)| *place);
    }
    children.dedup_by_key(|(place, child)| match place {
        // Never equal to its neighbour: each may stand any number of times.
        Place::Extension | Place::Note => (*place, Some(child.id())),
        Place::Status | Place::DeviceId | Place::Contact | Place::Timestamp => (*place, None),
    });
    children.into_iter().map(|(_, child)| child).collect()
}
