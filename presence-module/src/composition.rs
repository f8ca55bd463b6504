//! Several publications of one presentity made into one presence document (RFC 3903 §10.3, RFC 3856 §6.11.1).
//!
//! No RFC prescribes how: that is a `Policy`. Equal publications give equal bytes in whatever order they came; when they came
//! counts only where they differ about one thing. A policy turns documents into a `Composite`; writing one down is the same
//! for all.

use self::composite::Occurrence;
use self::identity::Identity;
use crate::document::pidf::{self, Pidf};

mod identity; // what tells one tuple, person or device from another
mod accounts; // several accounts of one thing written as one
mod composite; // what a policy leaves of the publications, and how that is written
mod union; // the policy `union`
mod oma; // the policy `oma`

#[cfg(test)]
mod tests;

/// How one document is made of several.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Policy {
    /// The publication that came last, alone.
    Newest,
    /// What is one service, the person, and what is one device, each merged: the newest wins, attribute by attribute.
    Oma,
    /// Everything, side by side; only what is plainly the same thing is said once.
    #[default]
    Union,
}

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

impl Policy {
    /// Reads the name an operator gives it.
    pub fn from_token(token: &str) -> Option<Self> {
        match token {
            "newest" => Some(Self::Newest),
            "oma" => Some(Self::Oma),
            "union" => Some(Self::Union),
            _ => None,
        }
    }
}

/// Returns the document of `entity`, composed of `sources`; without any, the closed one.
pub fn compose(policy: Policy, entity: &str, sources: &[Source<'_>]) -> Vec<u8> {
    let published: Vec<_> = sources.iter().filter_map(Published::read).collect();
    let mut documents = in_order(&published);
    if policy == Policy::Newest {
        keep_newest(&mut documents);
    }
    let composite = match policy {
        Policy::Newest | Policy::Union => union::compose(&documents),
        Policy::Oma => oma::compose(&documents),
    };
    if composite.is_empty() {
        return pidf::closed_document(entity);
    }
    let mut out = Vec::with_capacity(256 + sources.iter().map(|source| source.body.len()).sum::<usize>());
    composite.write(entity, &documents, &mut out);
    out
}

/// A publication read.
struct Published<'a> {
    pidf: Pidf<'a>,
    received_at_ms: u64,
    number: u64,
}

impl<'a> Published<'a> {
    fn read(source: &Source<'a>) -> Option<Self> {
        let pidf = Pidf::read_accepted(source.body).ok()?;
        Some(Self { pidf, received_at_ms: source.received_at_ms, number: source.number })
    }
}

/// Returns publications in the order of what they name, which outlasts their state; of one name, in that of their bytes; of the
/// same bytes, as they came.
fn in_order<'d, 'a>(published: &'d [Published<'a>]) -> Vec<&'d Published<'a>> {
    let mut documents: Vec<_> = published.iter().collect();
    if documents.len() > 1 {
        documents.sort_by_cached_key(|document| {
            let bytes = document.pidf.root().document().input_text();
            (Identity::of_all(&document.pidf), bytes, document.received_at_ms, document.number)
        });
    }
    documents
}

/// Returns every part of every document.
fn occurrences<'d, 'a>(documents: &[&'d Published<'a>]) -> impl Iterator<Item = Occurrence<'d, 'a>> {
    documents
        .iter()
        .enumerate()
        .flat_map(|(source, document)| document.pidf.parts().map(move |part| Occurrence::new(part, source, document)))
}

/// Of publications that came at one moment, the one that began last is kept.
fn keep_newest(documents: &mut Vec<&Published<'_>>) {
    let newest = documents.iter().copied().max_by_key(|document| (document.received_at_ms, document.number));
    *documents = newest.into_iter().collect();
}
