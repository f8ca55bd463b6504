//! Presence rules (RFC 5025): what a common-policy rule does with a subscription, and what it shows.
//!
//! Everything here is a grant, and what is not granted is not given. What is not understood grants nothing and takes nothing
//! away (RFC 4745 §8). `privacy_filter.rs` applies `Permissions` to a document.

use std::collections::BTreeSet;

use roxmltree::Node;

use super::xml;

mod attributes;

pub use attributes::{Attribute, Attributes, KnownAttributes, UserInput};

/// The namespace of RFC 5025.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:pres-rules";

/// What becomes of a subscription (RFC 5025 §3.2.1); of several, the greatest.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SubHandling {
    /// It is refused.
    #[default]
    Block,
    /// It waits for the presentity's word.
    Confirm,
    /// It is accepted, and shown a presentity who is not there.
    PoliteBlock,
    /// It is accepted, and shown what is permitted.
    Allow,
}

/// What a watcher may see (RFC 5025 §3.3). Equal permissions are equal values.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Permissions {
    /// Which tuples.
    pub services: Components,
    /// Which persons.
    pub persons: Components,
    /// Which devices.
    pub devices: Components,
    /// What of those.
    pub attributes: Attributes,
}

/// Which tuples, persons or devices are shown (RFC 5025 §3.3.1).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Components {
    /// Every one.
    All,
    /// Those that are one of these.
    Selected(Selected),
}

/// Some tuples, persons or devices.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Selected {
    /// Those their publisher labelled so.
    pub classes: BTreeSet<Box<str>>,
    /// Those of these ids.
    pub occurrence_ids: BTreeSet<Box<str>>,
    /// Services at these URIs, or the devices of these.
    pub uris: BTreeSet<Box<str>>,
    /// Services at URIs of these schemes.
    pub uri_schemes: BTreeSet<Box<str>>,
}

/// What a `provide-` element selects from.
#[derive(Clone, Copy)]
enum Kind {
    Device,
    Person,
    Service,
}

impl SubHandling {
    /// Reads the actions of a rule; `None` if none says what becomes of a subscription.
    pub fn read<'d, 'a: 'd>(actions: impl IntoIterator<Item = Node<'d, 'a>>) -> Option<Self> {
        let handlings = actions.into_iter().filter(|action| action.has_tag_name((NAMESPACE, "sub-handling")));
        handlings.filter_map(|action| Self::from_token(xml::text(action).trim_ascii())).max()
    }

    fn from_token(token: &str) -> Option<Self> {
        match token {
            "allow" => Some(Self::Allow),
            "block" => Some(Self::Block),
            "confirm" => Some(Self::Confirm),
            "polite-block" => Some(Self::PoliteBlock),
            _ => None,
        }
    }
}

impl Permissions {
    /// Permits everything.
    pub fn everything() -> Self {
        Self {
            services: Components::All,
            persons: Components::All,
            devices: Components::All,
            attributes: Attributes::All,
        }
    }

    /// Says whether everything is permitted.
    pub fn is_everything(&self) -> bool {
        *self == Self::everything()
    }

    /// Reads the transformations of a rule.
    pub fn read<'d, 'a: 'd>(transformations: impl IntoIterator<Item = Node<'d, 'a>>) -> Self {
        let mut permissions = Self::default();
        for transformation in transformations {
            if transformation.tag_name().namespace() == Some(NAMESPACE) {
                permissions.grant(transformation);
            }
        }
        permissions
    }

    /// Adds what another rule permits (RFC 4745 §10.2).
    pub fn combine(&mut self, other: &Self) {
        self.services.combine(&other.services);
        self.persons.combine(&other.persons);
        self.devices.combine(&other.devices);
        self.attributes.combine(&other.attributes);
    }

    fn grant(&mut self, transformation: Node<'_, '_>) {
        match transformation.tag_name().name() {
            "provide-all-attributes" => self.attributes = Attributes::All,
            "provide-devices" => self.devices.combine(&Components::read(transformation, Kind::Device)),
            "provide-persons" => self.persons.combine(&Components::read(transformation, Kind::Person)),
            "provide-services" => self.services.combine(&Components::read(transformation, Kind::Service)),
            name => self.attributes.grant(name, transformation),
        }
    }
}

impl Components {
    fn read(provide: Node<'_, '_>, kind: Kind) -> Self {
        let mut selected = Selected::default();
        for child in xml::elements(provide).filter(|child| child.tag_name().namespace() == Some(NAMESPACE)) {
            let values = match (kind, child.tag_name().name()) {
                (Kind::Device, "all-devices") | (Kind::Person, "all-persons") | (Kind::Service, "all-services") => {
                    return Self::All;
                }
                (_, "class") => &mut selected.classes,
                (_, "occurrence-id") => &mut selected.occurrence_ids,
                (Kind::Device, "deviceID") | (Kind::Service, "service-uri") => &mut selected.uris,
                (Kind::Service, "service-uri-scheme") => &mut selected.uri_schemes,
                _ => continue,
            };
            values.insert(xml::text(child).trim_ascii().into());
        }
        Self::Selected(selected)
    }

    fn combine(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Selected(selected), Self::Selected(more)) => selected.extend(more),
        }
    }
}

impl Default for Components {
    fn default() -> Self {
        Self::Selected(Selected::default())
    }
}

impl Selected {
    fn extend(&mut self, more: &Self) {
        self.classes.extend(more.classes.iter().cloned());
        self.occurrence_ids.extend(more.occurrence_ids.iter().cloned());
        self.uri_schemes.extend(more.uri_schemes.iter().cloned());
        self.uris.extend(more.uris.iter().cloned());
        while self.uris.len() > URIS_MAX {
            self.uris.pop_last();
        }
    }
}

/// Each of them is compared with each service or device; those past it select nothing.
const URIS_MAX: usize = 64;

#[cfg(test)]
mod tests;
