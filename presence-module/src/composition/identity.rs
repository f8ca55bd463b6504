//! What tells one tuple, person or device from another, whatever state it is in.
//!
//! Parts stand in this order, and ids that clash are given in it, so that neither who published first (RFC 3856 §6.11.1) nor a
//! change of state shows in either.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::document::oma_presence::ServiceDescription;
use crate::document::pidf::{Part, Pidf};

/// The lasting properties of a part; ordered as they are listed.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Identity<'d> {
    /// Tuples equal in this are the same service.
    Tuple {
        id: &'d str,
        contact: Option<Cow<'d, str>>,
        device_ids: SmallVec<[&'d str; 2]>,
        service_class: Option<&'d str>,
        description: Option<ServiceDescription<'d>>,
    },
    Person {
        id: &'d str,
    },
    Device {
        device_id: Option<&'d str>,
        id: &'d str,
    },
}

impl<'d> Identity<'d> {
    /// Returns what tells `part` from others; notes and extensions have nothing but their content.
    pub(super) fn of(part: Part<'d, '_>) -> Option<Self> {
        match part {
            Part::Tuple(tuple) => {
                let mut device_ids = tuple.device_ids();
                device_ids.sort_unstable();
                Some(Self::Tuple {
                    id: tuple.id(),
                    contact: tuple.contact(),
                    device_ids,
                    service_class: tuple.service_class(),
                    description: tuple.service_description(),
                })
            }
            Part::Person(person) => Some(Self::Person { id: person.id() }),
            Part::Device(device) => Some(Self::Device { device_id: device.device_id(), id: device.id() }),
            Part::Note(_) | Part::Extension(_) => None,
        }
    }

    /// Returns what tells one publication from another, in whatever order it names its parts.
    pub(super) fn of_all(document: &'d Pidf<'_>) -> Vec<Self> {
        let mut identities: Vec<_> = document.parts().filter_map(Self::of).collect();
        identities.sort_unstable();
        identities
    }
}
