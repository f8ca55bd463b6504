//! The policy `union`: what publishers say stands side by side, and only what is plainly the same thing is said once.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use roxmltree::Node;
use smallvec::SmallVec;

use super::composite::{Composite, Occurrence};
use super::{Published, occurrences};
use crate::document::oma_presence::ServiceDescription;
use crate::document::pidf::{Note, Part, Tuple};
use crate::document::xml;

/// Returns everything once.
pub(super) fn compose<'d, 'a>(documents: &'d [Published<'a>]) -> Composite<'d, 'a> {
    let mut union = Union::of(documents);
    for occurrence in occurrences(documents) {
        union.add(occurrence);
    }
    union.composite
}

/// The policy at work. Keys are the publishers': trees, since nobody can make them slow.
#[derive(Default)]
pub(super) struct Union<'d, 'a> {
    pub(super) composite: Composite<'d, 'a>,
    /// There is one publication: nothing of it can repeat another's.
    alone: bool,
    services: BTreeMap<ServiceKey<'d>, usize>,
    notes: BTreeSet<(Cow<'d, str>, Option<&'d str>)>,
    persons: BTreeMap<Meaning<'d>, usize>,
    devices: BTreeMap<&'d str, usize>,
    /// The publication each is from.
    extensions: BTreeMap<Meaning<'d>, usize>,
}

/// What an element says: its language, and its canonical form.
type Meaning<'d> = (Option<&'d str>, Vec<u8>);

/// Tuples equal in this are the same service told twice: the earlier publication is a leftover, such as of a lost 200.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct ServiceKey<'d> {
    id: &'d str,
    contact: Option<Cow<'d, str>>,
    device_ids: SmallVec<[&'d str; 2]>,
    service_class: Option<&'d str>,
    description: Option<ServiceDescription<'d>>,
}

impl<'d, 'a> Union<'d, 'a> {
    /// Begins with nothing of `documents`.
    pub(super) fn of(documents: &[Published<'_>]) -> Self {
        Self { alone: documents.len() == 1, ..Self::default() }
    }

    /// Adds what is no repetition; each document in turn, the first that began first.
    pub(super) fn add(&mut self, occurrence: Occurrence<'d, 'a>) {
        match occurrence.part {
            Part::Tuple(tuple) => self.tuple(tuple, occurrence),
            Part::Note(note) => self.note(note),
            Part::Person(_) => self.person(occurrence),
            Part::Device(device) => self.device(device.device_id(), occurrence),
            Part::Extension(node) => self.extension(node, occurrence.source),
        }
    }

    /// Ids mean something within one publication only (RFC 3903 §10.4), so an equal id alone makes no two tuples one.
    fn tuple(&mut self, tuple: Tuple<'d, 'a>, occurrence: Occurrence<'d, 'a>) {
        let tuples = &mut self.composite.tuples;
        if !self.alone {
            match self.services.entry(ServiceKey::of(tuple)) {
                Entry::Occupied(place) if tuples[*place.get()].source != occurrence.source => {
                    tuples[*place.get()].supersede(occurrence);
                    return;
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(tuples.len());
                }
            }
        }
        tuples.push(occurrence);
    }

    fn note(&mut self, note: Note<'d, 'a>) {
        if self.notes.insert((note.text(), note.language())) {
            self.composite.notes.push(note);
        }
    }

    /// Several persons are several accounts of one human, for the watcher to judge (RFC 4479 §3.5).
    fn person(&mut self, occurrence: Occurrence<'d, 'a>) {
        let persons = &mut self.composite.persons;
        if !self.alone {
            match self.persons.entry(meaning(occurrence.part.node())) {
                Entry::Occupied(place) if persons[*place.get()].source != occurrence.source => {
                    persons[*place.get()] = occurrence;
                    return;
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(persons.len());
                }
            }
        }
        persons.push(occurrence);
    }

    fn device(&mut self, device_id: Option<&'d str>, occurrence: Occurrence<'d, 'a>) {
        let devices = &mut self.composite.devices;
        if let Some(device_id) = device_id {
            match self.devices.entry(device_id) {
                Entry::Occupied(place) => {
                    devices[*place.get()].supersede(occurrence);
                    return;
                }
                Entry::Vacant(place) => {
                    place.insert(devices.len());
                }
            }
        }
        devices.push(occurrence);
    }

    /// An extension is dropped if an earlier publication holds the same.
    fn extension(&mut self, node: Node<'d, 'a>, source: usize) {
        if self.alone || *self.extensions.entry(meaning(node)).or_insert(source) == source {
            self.composite.extensions.push(node);
        }
    }
}

impl<'d> ServiceKey<'d> {
    fn of(tuple: Tuple<'d, '_>) -> Self {
        let mut device_ids = tuple.device_ids();
        device_ids.sort_unstable();
        Self {
            id: tuple.id(),
            contact: tuple.contact(),
            device_ids,
            service_class: tuple.service_class(),
            description: tuple.service_description(),
        }
    }
}

fn meaning<'d>(node: Node<'d, '_>) -> Meaning<'d> {
    (xml::language(node), xml::canonical_form(node))
}
