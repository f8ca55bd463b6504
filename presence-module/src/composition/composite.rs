//! What a policy leaves of the publications, and how that is written: in the order of the schemas (RFC 3863, RFC 4479), with
//! ids of its own where publishers chose the same, and everything else as the publishers wrote it.

use std::borrow::Cow;

use roxmltree::Node;
use smallvec::{SmallVec, smallvec};

use super::identity::Identity;
use super::{Published, accounts};
use crate::document::occurrence_id;
use crate::document::pidf::{self, Note, Part};
use crate::document::xml::{self, Namespaces};

/// The parts of a document, each kind in the order it is written in.
#[derive(Default)]
pub(super) struct Composite<'d, 'a> {
    pub(super) tuples: Vec<Occurrence<'d, 'a>>,
    pub(super) notes: Vec<Note<'d, 'a>>,
    pub(super) persons: Vec<Occurrence<'d, 'a>>,
    pub(super) devices: Vec<Occurrence<'d, 'a>>,
    pub(super) extensions: Vec<Node<'d, 'a>>,
}

/// A tuple, person or device.
pub(super) struct Occurrence<'d, 'a> {
    pub(super) part: Part<'d, 'a>,
    /// Which publication it is from.
    pub(super) source: usize,
    received_at_ms: u64,
    number: u64,
    id: Cow<'d, str>,
    /// All that is told of it, newest first.
    accounts: SmallVec<[Node<'d, 'a>; 1]>,
}

impl<'d> Composite<'d, '_> {
    pub(super) fn is_empty(&self) -> bool {
        self.tuples.is_empty()
            && self.notes.is_empty()
            && self.persons.is_empty()
            && self.devices.is_empty()
            && self.extensions.is_empty()
    }

    /// Writes the document: tuples, notes, then the rest (RFC 3863 §4.1.1), each element on a line.
    pub(super) fn write(mut self, entity: &str, documents: &[&'d Published<'_>], out: &mut Vec<u8>) {
        // What one publisher wrote stays in its order.
        if documents.len() > 1 {
            self.sort();
        }
        self.make_ids_unique();
        if documents.len() > 1 {
            self.put_first_what_counts();
        }
        let mut scope = Namespaces::new(pidf::NAMESPACE);
        documents.iter().for_each(|document| scope.adopt(document.pidf.root()));
        out.extend_from_slice(pidf::DECLARATION);
        out.extend_from_slice(b"<presence");
        scope.write(out);
        out.extend_from_slice(b" entity=\"");
        xml::write_attribute_value(entity, out);
        out.extend_from_slice(b"\">\n");
        for tuple in &self.tuples {
            line(out, |out| accounts::write(&tuple.accounts, Some(&tuple.id), &scope, out));
        }
        for note in &self.notes {
            line(out, |out| xml::write_element(note.node(), None, &scope, out));
        }
        for occurrence in self.persons.iter().chain(&self.devices) {
            line(out, |out| accounts::write(&occurrence.accounts, Some(&occurrence.id), &scope, out));
        }
        for node in &self.extensions {
            line(out, |out| xml::write_element(*node, None, &scope, out));
        }
        out.extend_from_slice(b"</presence>\n");
    }

    /// Puts each kind in an order that no change of state changes; what is equal in it, and what is only content, stays in
    /// that of the publications.
    fn sort(&mut self) {
        for occurrences in [&mut self.tuples, &mut self.persons, &mut self.devices] {
            occurrences.sort_by_cached_key(|occurrence| Identity::of(occurrence.part));
        }
    }

    /// Makes ids unique over tuples, persons and devices (RFC 4479 §3.5); of equal ones the first keeps its own, before the
    /// open tuples are put first: an id stays with its device whatever state that is in.
    fn make_ids_unique(&mut self) {
        let occurrences = self.tuples.iter_mut().chain(&mut self.persons).chain(&mut self.devices);
        let occurrences: Vec<_> = occurrences.collect();
        let wished: Vec<_> =
            occurrences.iter().map(|occurrence| (id(occurrence.part), letter(occurrence.part))).collect();
        for (occurrence, id) in occurrences.into_iter().zip(occurrence_id::assign(&wished)) {
            occurrence.id = id;
        }
    }

    /// Many watchers read no further than the first tuple and the first person: whoever is open somewhere is open, and
    /// nobody's silence hides what another device says. The order of elements means nothing else (RFC 3863 §4.1.2).
    pub(super) fn put_first_what_counts(&mut self) {
        let is_open = |account: &Node<'_, '_>| {
            Part::of(*account).as_tuple().is_some_and(|tuple| tuple.basic().as_deref() == Some("open"))
        };
        let says_something = |account: &Node<'_, '_>| account.descendants().skip(1).any(is_statement);
        self.tuples.sort_by_key(|occurrence| !occurrence.accounts.iter().any(is_open));
        self.persons.sort_by_key(|occurrence| !occurrence.accounts.iter().any(says_something));
    }
}

impl<'d, 'a> Occurrence<'d, 'a> {
    pub(super) fn new(part: Part<'d, 'a>, source: usize, published: &Published<'_>) -> Self {
        let &Published { received_at_ms, number, .. } = published;
        Self { part, source, received_at_ms, number, id: Cow::Borrowed(id(part)), accounts: smallvec![part.node()] }
    }

    /// Makes one of several, which keeps the id that is first in order, whoever is the newest.
    pub(super) fn merged(mut group: Vec<Self>) -> Option<Self> {
        group.sort_by_key(Self::recency);
        let accounts = group.iter().rev().map(|account| account.part.node()).collect();
        let first = group.into_iter().min_by_key(|account| Identity::of(account.part))?;
        Some(Self { accounts, ..first })
    }

    /// Takes the place of `self` unless `self` is the newer.
    pub(super) fn supersede(&mut self, other: Self) {
        if other.recency() >= self.recency() {
            *self = other;
        }
    }

    /// Returns what is greater for the newer of two accounts: since when it is so, then when it came, and in the last resort
    /// when its publication began.
    fn recency(&self) -> (u64, u64, u64) {
        (self.since_ms(), self.received_at_ms, self.number)
    }

    /// Since when this is so: as its publisher says, else since it came; nothing is said before it is so, whatever the
    /// publisher's clock.
    fn since_ms(&self) -> u64 {
        let timestamp_ms = match self.part {
            Part::Tuple(tuple) => tuple.timestamp_ms(),
            Part::Person(person) => person.timestamp_ms(),
            Part::Device(device) => device.timestamp_ms(),
            Part::Note(_) | Part::Extension(_) => None,
        };
        timestamp_ms.map_or(self.received_at_ms, |timestamp_ms| timestamp_ms.min(self.received_at_ms))
    }
}

/// Whether this is a statement about a person: a text, or an empty element; `activities` without any is none (RFC 4480 §3.2).
fn is_statement(node: Node<'_, '_>) -> bool {
    let is_text = node.text().is_some_and(|text| !text.trim_ascii().is_empty());
    is_text || node.is_element() && !node.has_children() && node.tag_name().name() != "activities"
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
