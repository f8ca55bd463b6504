//! The policy `union`: what publishers say stands side by side, and only what is plainly the same thing is said once.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use roxmltree::Node;

use super::composite::{Composite, Occurrence};
use super::identity::Identity;
use super::{Published, occurrences};
use crate::document::pidf::{Note, Part};
use crate::document::xml;

/// Returns everything once.
pub(super) fn compose<'d, 'a>(documents: &[&'d Published<'a>]) -> Composite<'d, 'a> {
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
    services: BTreeMap<Option<Identity<'d>>, usize>,
    notes: BTreeSet<(Cow<'d, str>, Option<&'d str>)>,
    devices: BTreeMap<&'d str, usize>,
    /// Persons and extensions, and the publication each is from.
    said: BTreeMap<Meaning<'d>, usize>,
}

/// What an element says: its language, and its canonical form.
type Meaning<'d> = (Option<&'d str>, Vec<u8>);

impl<'d, 'a> Union<'d, 'a> {
    /// Begins with nothing of `documents`.
    pub(super) fn of(documents: &[&Published<'_>]) -> Self {
        Self { alone: documents.len() == 1, ..Self::default() }
    }

    /// Adds what is no repetition; each document in turn.
    pub(super) fn add(&mut self, occurrence: Occurrence<'d, 'a>) {
        match occurrence.part {
            Part::Tuple(_) => self.tuple(occurrence),
            Part::Note(note) => self.note(note),
            Part::Person(person) => {
                // Several persons are several accounts of one human, for the watcher to judge (RFC 4479 §3.5).
                if self.is_new(person.node(), occurrence.source) {
                    self.composite.persons.push(occurrence);
                }
            }
            Part::Device(device) => self.device(device.device_id(), occurrence),
            Part::Extension(node) => {
                if self.is_new(node, occurrence.source) {
                    self.composite.extensions.push(node);
                }
            }
        }
    }

    /// Of one service told twice the older account is a leftover, such as of a lost 200. Ids mean something within one
    /// publication only (RFC 3903 §10.4), so an equal id alone makes no two tuples one.
    fn tuple(&mut self, occurrence: Occurrence<'d, 'a>) {
        let tuples = &mut self.composite.tuples;
        if !self.alone {
            match self.services.entry(Identity::of(occurrence.part)) {
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

    /// Says whether no publication before `source` says the same as `node`.
    fn is_new(&mut self, node: Node<'d, '_>, source: usize) -> bool {
        self.alone || *self.said.entry((xml::language(node), xml::canonical_form(node))).or_insert(source) == source
    }
}
