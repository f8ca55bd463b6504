//! Several accounts of one tuple, person or device written as one element: attribute by attribute, the newest wins.
//!
//! An attribute is all children of one name, so that what one publisher says in several elements stays together, and what is
//! inside an attribute is never looked at. The status of a tuple is merged the same way, one level deeper.

use std::collections::BTreeSet;

use roxmltree::Node;
use smallvec::SmallVec;

use crate::document::child_order::{self, Children};
use crate::document::data_model;
use crate::document::pidf::Part;
use crate::document::xml::{self, Namespaces};

/// Writes `accounts`, newest first, as one element; one alone is copied.
pub(super) fn write<'d, 'a: 'd>(
    accounts: &[Node<'d, 'a>],
    id: Option<&str>,
    scope: &Namespaces<'d>,
    out: &mut Vec<u8>,
) {
    let [newest, older @ ..] = accounts else { return };
    let status = status_of(*newest);
    if older.is_empty() && status.is_none_or(is_in_order) {
        xml::write_parent(*newest, id, child_order::of(*newest), scope, out);
        return;
    }
    xml::write_around(*newest, id, scope, out, |inside, out| {
        for child in merged(*newest, accounts) {
            if Some(child) == status {
                let statuses: SmallVec<[_; 4]> = accounts.iter().copied().filter_map(status_of).collect();
                write(&statuses, None, inside, out);
            } else {
                xml::write_element(child, None, inside, out);
            }
        }
    });
}

/// Returns the children that `accounts`, newest first, come to.
fn merged<'d, 'a>(newest: Node<'d, 'a>, accounts: &[Node<'d, 'a>]) -> Children<'d, 'a> {
    let contact = preferred_contact(accounts);
    let mut attributes = Attributes::default();
    for account in accounts {
        attributes.add(xml::elements(*account).filter(|child| {
            let (namespace, name) = (child.tag_name().namespace(), child.tag_name().name());
            match name {
                _ if namespace != newest.tag_name().namespace() => true,
                // Of equal contacts, the one preferred most.
                "contact" => contact.is_none_or(|contact| contact == *child),
                // Since when it is so is said by who says it last, or by nobody.
                "timestamp" => *account == newest,
                _ => true,
            }
        }));
    }
    child_order::ordered(newest, attributes.children)
}

/// Of tuples with one contact, returns it as the one with the highest priority writes it.
fn preferred_contact<'d, 'a>(accounts: &[Node<'d, 'a>]) -> Option<Node<'d, 'a>> {
    // Of equal ones the last counts, which is the newest.
    let tuples = accounts.iter().rev().filter_map(|account| Part::of(*account).as_tuple());
    tuples.max_by_key(|tuple| tuple.priority())?.contact_element()
}

fn status_of<'d, 'a>(node: Node<'d, 'a>) -> Option<Node<'d, 'a>> {
    Part::of(node).as_tuple()?.status()
}

fn is_in_order(status: Node<'_, '_>) -> bool {
    child_order::of(status).into_iter().eq(xml::elements(status))
}

/// The attributes told so far.
#[derive(Default)]
struct Attributes<'d, 'a> {
    children: Children<'d, 'a>,
    names: BTreeSet<(Option<&'d str>, &'d str)>,
    device_ids: BTreeSet<&'d str>,
}

impl<'d, 'a> Attributes<'d, 'a> {
    /// Adds what an older account tells beyond the newer ones. A service runs on all the devices it is said to run on.
    fn add(&mut self, account: impl Iterator<Item = Node<'d, 'a>>) {
        let first = self.children.len();
        for child in account {
            let is_told = match data_model::device_id(child) {
                Some(device_id) => !self.device_ids.insert(device_id),
                None => self.names.contains(&name(child)),
            };
            if !is_told {
                self.children.push(child);
            }
        }
        self.names.extend(self.children[first..].iter().copied().map(name));
    }
}

fn name<'d>(node: Node<'d, '_>) -> (Option<&'d str>, &'d str) {
    (node.tag_name().namespace(), node.tag_name().name())
}
