//! How much of an element is shown where it stands (RFC 5025 §3.3).
//!
//! Tuples, persons and devices are chosen by the document as it is, by a class that is not shown too. What is inside of them
//! is either always shown (§3.3.2), or has a permission of its own, or is unknown and has to be named.

use std::borrow::Cow;

use module_api::sip::uri::Uri;
use roxmltree::Node;

use crate::document::pidf::{self, Part};
use crate::document::presence_rules::{Attribute, Attributes, Components, Permissions, UserInput};
use crate::document::{data_model, rpid};

/// What is inside of which element: where an element stands decides what it is.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Place {
    Device,
    Person,
    Presence,
    Status,
    Tuple,
}

/// How much of an element is shown.
#[derive(Clone, Copy)]
pub(super) enum Extent {
    /// Nothing.
    Nothing,
    /// Its tags, and of its children what is shown inside.
    Parts(Place),
    /// All of it, with these of its attributes.
    WithAttributes(&'static [&'static str]),
    /// All of it.
    Whole,
}

impl Place {
    /// Returns the XML attributes shown of the element that is this place.
    pub(super) fn attributes(self) -> &'static [&'static str] {
        match self {
            Self::Device | Self::Person | Self::Tuple => &["id"],
            Self::Presence => &["entity"],
            Self::Status => &[],
        }
    }
}

/// Says how much of `node` is shown, which stands in `place`.
pub(super) fn of(node: Node<'_, '_>, place: Place, permissions: &Permissions) -> Extent {
    let attributes = &permissions.attributes;
    if place != Place::Presence {
        return inside(node, place, attributes);
    }
    let (is_chosen, inside) = match Part::of(node) {
        Part::Tuple(tuple) => {
            let component = Component { id: tuple.id(), class: tuple.class(), uri: tuple.contact() };
            (component.is_among(&permissions.services), Place::Tuple)
        }
        Part::Person(person) => {
            let component = Component { id: person.id(), class: person.class(), uri: None };
            (component.is_among(&permissions.persons), Place::Person)
        }
        Part::Device(device) => {
            let urn = device.device_id().map(Cow::Borrowed);
            let component = Component { id: device.id(), class: device.class(), uri: urn };
            (component.is_among(&permissions.devices), Place::Device)
        }
        // The RFC speaks of the notes inside of components; this one is the same remark, one level up.
        Part::Note(_) => return whole_if(attributes.include(Attribute::Note)),
        Part::Extension(_) => return whole_if(*attributes == Attributes::All),
    };
    match attributes {
        _ if !is_chosen => Extent::Nothing,
        Attributes::All => Extent::Whole,
        Attributes::Named { .. } => Extent::Parts(inside),
    }
}

/// What a tuple, person or device is chosen by (RFC 5025 §3.3.1).
struct Component<'d> {
    id: &'d str,
    class: Option<&'d str>,
    uri: Option<Cow<'d, str>>,
}

impl Component<'_> {
    fn is_among(&self, components: &Components) -> bool {
        let Components::Selected(selected) = components else { return true };
        selected.occurrence_ids.contains(self.id)
            || self.class.is_some_and(|class| selected.classes.contains(class))
            || self.uri.as_deref().is_some_and(|uri| {
                let scheme = uri.split_once(':').map(|(scheme, _)| scheme);
                scheme.is_some_and(|scheme| selected.uri_schemes.contains(scheme))
                    || selected.uris.iter().any(|selected| is_same(selected, uri))
            })
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one == other
        || matches!((Uri::parse(one.as_bytes()), Uri::parse(other.as_bytes())), (Ok(one), Ok(other)) if one.same_as(&other))
}

/// Says how much is shown of an attribute: an element inside of a tuple, of its status, of a person or a device.
fn inside(node: Node<'_, '_>, place: Place, attributes: &Attributes) -> Extent {
    use Place::{Device, Person, Status, Tuple};
    let (namespace, name) = (node.tag_name().namespace().unwrap_or_default(), node.tag_name().name());
    match (namespace, name, place) {
        (pidf::NAMESPACE, "status", Tuple) => Extent::Parts(Status),
        (pidf::NAMESPACE, "basic", Status)
        | (pidf::NAMESPACE, "contact" | "timestamp", Tuple)
        | (rpid::NAMESPACE, "service-class", Tuple)
        | (data_model::NAMESPACE, "timestamp", Device | Person)
        | (data_model::NAMESPACE | rpid::NAMESPACE, "deviceID", Device) => Extent::Whole,
        (rpid::NAMESPACE, "user-input", Device | Person | Tuple) => user_input(attributes.user_input()),
        // There is no permission for what stands where RFC 3863, 4479 and 4480 do not put it.
        (pidf::NAMESPACE | data_model::NAMESPACE | rpid::NAMESPACE, ..) => {
            whole_if(known(namespace, name, place).is_some_and(|attribute| attributes.include(attribute)))
        }
        _ => whole_if(attributes.include_unknown(namespace, name)),
    }
}

/// Returns the attribute that an element is where it stands.
fn known(namespace: &str, name: &str, place: Place) -> Option<Attribute> {
    use Place::{Device, Person, Tuple};
    Some(match (namespace, name, place) {
        (data_model::NAMESPACE | rpid::NAMESPACE, "deviceID", Tuple) => Attribute::DeviceId,
        // Which namespace a note is of matters to schemas and to nobody else.
        (data_model::NAMESPACE | pidf::NAMESPACE, "note", Device | Person | Tuple) => Attribute::Note,
        (rpid::NAMESPACE, "activities", Person) => Attribute::Activities,
        (rpid::NAMESPACE, "class", Device | Person | Tuple) => Attribute::Class,
        (rpid::NAMESPACE, "mood", Person) => Attribute::Mood,
        (rpid::NAMESPACE, "place-is", Person) => Attribute::PlaceIs,
        (rpid::NAMESPACE, "place-type", Person) => Attribute::PlaceType,
        (rpid::NAMESPACE, "privacy", Person | Tuple) => Attribute::Privacy,
        (rpid::NAMESPACE, "relationship", Tuple) => Attribute::Relationship,
        (rpid::NAMESPACE, "sphere", Person) => Attribute::Sphere,
        (rpid::NAMESPACE, "status-icon", Person | Tuple) => Attribute::StatusIcon,
        (rpid::NAMESPACE, "time-offset", Person) => Attribute::TimeOffset,
        _ => return None,
    })
}

/// The attribute that says since when is `last-input` in the schema of RFC 4480, and `since` in RFC 5025 §3.3.2.12; it is
/// shown, as every other, to those alone who see all.
fn user_input(permitted: UserInput) -> Extent {
    match permitted {
        UserInput::False => Extent::Nothing,
        UserInput::Bare => Extent::WithAttributes(&["id"]),
        UserInput::Thresholds => Extent::WithAttributes(&["id", "idle-threshold"]),
        UserInput::Full => Extent::Whole,
    }
}

fn whole_if(is_shown: bool) -> Extent {
    if is_shown { Extent::Whole } else { Extent::Nothing }
}
