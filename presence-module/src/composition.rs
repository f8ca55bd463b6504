//! Several publications of one presentity made into one presence document (RFC 3903 §10.3, RFC 3856 §6.11.1).
//!
//! No RFC prescribes how. The policy here is `union`: what publishers say stands side by side, and only what is plainly the
//! same thing is said once. Equal publications give equal bytes in whatever order they come. A policy turns documents into a
//! `Composite`; writing one down is the same for all.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use roxmltree::Node;
use smallvec::SmallVec;

use crate::document::pidf::{self, Note, Part, Pidf, Tuple};
use crate::document::xml::{self, Namespaces};
use crate::document::{child_order, occurrence_id};

#[cfg(test)]
mod tests;

/// One live publication.
#[derive(Clone, Copy, Debug)]
pub struct Source<'s> {
    /// The PIDF document, accepted when it came.
    pub body: &'s [u8],
    /// When this document came, in milliseconds since 1970; a refresh without a body does not change it.
    pub received_at_ms: u64,
    /// Which publication it is: one that began later has a higher number.
    pub number: u64,
}

/// Returns the document of `entity`, composed of `sources`; without any, the closed one.
pub fn compose(entity: &str, sources: &[Source<'_>]) -> Vec<u8> {
    let documents = read(sources);
    let composite = Composite::union(&documents);
    if composite.is_empty() {
        return pidf::closed_document(entity);
    }
    let mut out = Vec::with_capacity(256 + sources.iter().map(|source| source.body.len()).sum::<usize>());
    composite.write(entity, &documents, &mut out);
    out
}

/// A publication read; later ones in a list came later.
struct Published<'a> {
    pidf: Pidf<'a>,
    received_at_ms: u64,
}

/// What a policy leaves of the publications.
#[derive(Default)]
struct Composite<'d, 'a> {
    tuples: Vec<Occurrence<'d, 'a>>,
    notes: Vec<Note<'d, 'a>>,
    persons: Vec<Occurrence<'d, 'a>>,
    devices: Vec<Occurrence<'d, 'a>>,
    extensions: Vec<Node<'d, 'a>>,
}

/// A tuple, person or device.
struct Occurrence<'d, 'a> {
    part: Part<'d, 'a>,
    /// Which publication it is from.
    source: usize,
    received_at_ms: u64,
    id: Cow<'d, str>,
}

/// Tuples equal in this are the same service told twice: the earlier publication is a leftover, such as of a lost 200.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct ServiceKey<'d> {
    id: &'d str,
    contact: Option<Cow<'d, str>>,
    device_ids: SmallVec<[&'d str; 2]>,
    service_class: Option<&'d str>,
}

fn read<'a>(sources: &[Source<'a>]) -> Vec<Published<'a>> {
    let mut sources: SmallVec<[Source<'a>; 4]> = sources.iter().copied().collect();
    sources.sort_unstable_by_key(|source| (source.number, source.received_at_ms, source.body));
    let published = |source: Source<'a>| {
        let pidf = Pidf::read_accepted(source.body).ok()?;
        Some(Published { pidf, received_at_ms: source.received_at_ms })
    };
    sources.into_iter().filter_map(published).collect()
}

impl<'d, 'a> Composite<'d, 'a> {
    /// The policy `union`: everything once.
    fn union(documents: &'d [Published<'a>]) -> Self {
        let mut union = Union { alone: documents.len() == 1, ..Union::default() };
        for (source, document) in documents.iter().enumerate() {
            for part in document.pidf.parts() {
                let id = Cow::Borrowed(id(part));
                let occurrence = Occurrence { part, source, received_at_ms: document.received_at_ms, id };
                match part {
                    Part::Tuple(tuple) => union.tuple(tuple, occurrence),
                    Part::Note(note) => union.note(note),
                    Part::Person(_) => union.person(occurrence),
                    Part::Device(device) => union.device(device.device_id(), occurrence),
                    Part::Extension(node) => union.extension(node, source),
                }
            }
        }
        union.composite
    }

    fn is_empty(&self) -> bool {
        self.tuples.is_empty()
            && self.notes.is_empty()
            && self.persons.is_empty()
            && self.devices.is_empty()
            && self.extensions.is_empty()
    }

    /// Writes the document: tuples, notes, then the rest (RFC 3863 §4.1.1), each element on a line.
    fn write(mut self, entity: &str, documents: &[Published<'_>], out: &mut Vec<u8>) {
        self.make_ids_unique();
        let mut scope = Namespaces::new(pidf::NAMESPACE);
        documents.iter().for_each(|document| scope.adopt(document.pidf.root()));
        out.extend_from_slice(pidf::DECLARATION);
        out.extend_from_slice(b"<presence");
        scope.write(out);
        out.extend_from_slice(b" entity=\"");
        xml::write_attribute_value(entity, out);
        out.extend_from_slice(b"\">\n");
        for tuple in &self.tuples {
            let node = tuple.part.node();
            line(out, |out| xml::write_parent(node, Some(&tuple.id), child_order::of_tuple(node), &scope, out));
        }
        for note in &self.notes {
            line(out, |out| xml::write_element(note.node(), None, &scope, out));
        }
        for occurrence in self.persons.iter().chain(&self.devices) {
            let node = occurrence.part.node();
            let children = child_order::of_person_or_device(node);
            line(out, |out| xml::write_parent(node, Some(&occurrence.id), children, &scope, out));
        }
        for node in &self.extensions {
            line(out, |out| xml::write_element(*node, None, &scope, out));
        }
        out.extend_from_slice(b"</presence>\n");
    }

    /// Makes ids unique over tuples, persons and devices (RFC 4479 §3.5); the publication that began last keeps its own, so
    /// that an id stays with its device however often either is modified.
    fn make_ids_unique(&mut self) {
        let occurrences = self.tuples.iter_mut().chain(&mut self.persons).chain(&mut self.devices);
        let mut occurrences: Vec<_> = occurrences.collect();
        occurrences.sort_by_key(|occurrence| Reverse(occurrence.source));
        let wished: Vec<_> =
            occurrences.iter().map(|occurrence| (id(occurrence.part), letter(occurrence.part))).collect();
        for (occurrence, id) in occurrences.into_iter().zip(occurrence_id::assign(&wished)) {
            occurrence.id = id;
        }
    }
}

impl Occurrence<'_, '_> {
    /// Since when this is so: as its publisher says, else since it came.
    fn since_ms(&self) -> u64 {
        let timestamp_ms = match self.part {
            Part::Tuple(tuple) => tuple.timestamp_ms(),
            Part::Person(person) => person.timestamp_ms(),
            Part::Device(device) => device.timestamp_ms(),
            Part::Note(_) | Part::Extension(_) => None,
        };
        timestamp_ms.unwrap_or(self.received_at_ms)
    }

    /// Takes the place of `self`, which came earlier, unless `self` speaks of a later time.
    fn supersede(&mut self, later: Self) {
        if later.since_ms() >= self.since_ms() {
            *self = later;
        }
    }
}

/// The policy `union` at work. Keys are the publishers': trees, since nobody can make them slow.
#[derive(Default)]
struct Union<'d, 'a> {
    composite: Composite<'d, 'a>,
    /// There is one publication: nothing of it can repeat another's.
    alone: bool,
    services: BTreeMap<ServiceKey<'d>, usize>,
    notes: BTreeSet<(Cow<'d, str>, Option<&'d str>)>,
    /// By canonical form.
    persons: BTreeMap<Vec<u8>, usize>,
    devices: BTreeMap<&'d str, usize>,
    /// By canonical form: the publication each is from.
    extensions: BTreeMap<Vec<u8>, usize>,
}

impl<'d, 'a> Union<'d, 'a> {
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
            match self.persons.entry(xml::canonical_form(occurrence.part.node())) {
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
        if self.alone || *self.extensions.entry(xml::canonical_form(node)).or_insert(source) == source {
            self.composite.extensions.push(node);
        }
    }
}

impl<'d> ServiceKey<'d> {
    fn of(tuple: Tuple<'d, '_>) -> Self {
        let mut device_ids = tuple.device_ids();
        device_ids.sort_unstable();
        Self { id: tuple.id(), contact: tuple.contact(), device_ids, service_class: tuple.service_class() }
    }
}

fn id<'d>(part: Part<'d, '_>) -> &'d str {
    let id = match part {
        Part::Tuple(tuple) => tuple.id(),
        Part::Person(person) => person.id(),
        Part::Device(device) => device.id(),
        Part::Note(_) | Part::Extension(_) => "",
    };
    id.trim_ascii()
}

/// What an id that is no name begins with instead.
fn letter(part: Part<'_, '_>) -> char {
    match part {
        Part::Person(_) => 'p',
        Part::Device(_) => 'd',
        Part::Tuple(_) | Part::Note(_) | Part::Extension(_) => 't',
    }
}

fn line(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"  ");
    write(out);
    out.push(b'\n');
}
