//! The policy `oma`, after OMA Presence SIMPLE 1.1: one tuple for each service, one person, one device for each device.
//!
//! Leftovers, notes and extensions are as in `union`. Tuples are one service if contact, service and class agree and neither
//! denies the other's basic status; in case of doubt they are kept apart.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use smallvec::SmallVec;

use super::composite::{Composite, Occurrence};
use super::union::Union;
use super::{Published, occurrences};
use crate::document::oma_presence::ServiceDescription;
use crate::document::pidf::Part;

/// Returns everything merged that is one thing.
pub(super) fn compose<'d, 'a>(documents: &[&'d Published<'a>]) -> Composite<'d, 'a> {
    let mut union = Union::of(documents);
    let (mut persons, mut devices) = (Vec::new(), Vec::new());
    for occurrence in occurrences(documents) {
        match occurrence.part {
            Part::Person(_) => persons.push(occurrence),
            Part::Device(device) => devices.push((device.device_id(), occurrence)),
            Part::Tuple(_) | Part::Note(_) | Part::Extension(_) => union.add(occurrence),
        }
    }
    let mut composite = union.composite;
    if documents.len() > 1 {
        // A tuple that has no basic status goes with the open ones.
        composite.put_first_what_counts();
    }
    composite.tuples = merged(by_service(composite.tuples));
    composite.persons = merged(vec![persons]);
    composite.devices = merged(by_device(devices));
    composite
}

type Group<'d, 'a> = Vec<Occurrence<'d, 'a>>;

fn merged<'d, 'a>(groups: Vec<Group<'d, 'a>>) -> Vec<Occurrence<'d, 'a>> {
    groups.into_iter().filter_map(Occurrence::merged).collect()
}

/// A device without a name may be any: it merges with none.
fn by_device<'d, 'a>(devices: Vec<(Option<&'d str>, Occurrence<'d, 'a>)>) -> Vec<Group<'d, 'a>> {
    let mut groups: Vec<Group<'d, 'a>> = Vec::new();
    let mut places = BTreeMap::new();
    for (device_id, device) in devices {
        let place = device_id.map_or(groups.len(), |device_id| *places.entry(device_id).or_insert(groups.len()));
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(device);
    }
    groups
}

/// A service that one publication holds twice is told apart there by what only its publisher knows: it merges with none.
fn by_service<'d, 'a>(tuples: Vec<Occurrence<'d, 'a>>) -> Vec<Group<'d, 'a>> {
    let services: Vec<_> = tuples.iter().map(service).collect();
    let (mut seen, mut ambiguous) = (BTreeSet::new(), BTreeSet::new());
    for (tuple, service) in tuples.iter().zip(&services) {
        if !seen.insert((service, tuple.source)) {
            ambiguous.insert(service);
        }
    }
    let mut groups: Vec<Group<'d, 'a>> = Vec::new();
    let mut places: BTreeMap<_, SmallVec<[usize; 2]>> = BTreeMap::new();
    for (tuple, service) in tuples.into_iter().zip(&services) {
        let places = places.entry(service).or_default();
        let place = places.iter().copied().find(|place| agrees(&groups[*place], &tuple));
        match place {
            Some(place) => groups[place].push(tuple),
            None => {
                if !ambiguous.contains(service) {
                    places.push(groups.len());
                }
                groups.push(vec![tuple]);
            }
        }
    }
    groups
}

/// What tuples of one service agree in.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Service<'d> {
    contact: Option<Cow<'d, str>>,
    service_class: Option<&'d str>,
    description: Option<ServiceDescription<'d>>,
    class: Option<&'d str>,
}

fn service<'d>(tuple: &Occurrence<'d, '_>) -> Option<Service<'d>> {
    let tuple = tuple.part.as_tuple()?;
    Some(Service {
        contact: tuple.contact(),
        service_class: tuple.service_class(),
        description: tuple.service_description(),
        class: tuple.class(),
    })
}

/// Says whether nobody in `group` denies the basic status of `tuple`: a service is not open and closed (RFC 3863 §4.1.2).
fn agrees(group: &[Occurrence<'_, '_>], tuple: &Occurrence<'_, '_>) -> bool {
    let basic = |tuple: &Occurrence<'_, '_>| tuple.part.as_tuple()?.basic().map(Cow::into_owned);
    let Some(wanted) = basic(tuple) else { return true };
    group.iter().filter_map(basic).all(|other| other == wanted)
}
