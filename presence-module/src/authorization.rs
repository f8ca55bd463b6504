//! What a watcher may see: the rules of one presentity, decided (RFC 4745 §10, RFC 5025 §3, RFC 3856 §6.6.2).
//!
//! Every rule that holds adds what it grants; none takes anything away, so neither their order nor how they are spread over
//! documents matters. Without a rule that holds, a watcher is blocked.

use smol_str::SmolStr;

use crate::document::common_policy::{self, Circumstances, Conditions, Ruleset, Watcher};
use crate::document::pidf::{Part, Pidf};
use crate::document::presence_rules::{Permissions, SubHandling};
use crate::document::rpid;
use crate::document::xml::{self, Limits};

/// All rules of one presentity, from however many documents (RFC 5025 §9.7).
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// How many documents of rules there are, readable or not.
    documents: usize,
    rules: Vec<Rule>,
}

/// What is decided about one watcher.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Authorization {
    /// What becomes of a subscription.
    pub handling: SubHandling,
    /// What it is shown, where `handling` is to allow it.
    pub permissions: Permissions,
    /// The ids of the rules that hold, in the order of the documents.
    pub rules: Vec<SmolStr>,
}

/// A document whose rules grant nothing because it cannot be read. Says nothing of its content.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{cause}")]
pub struct Malformed {
    /// Which of the documents, counted from 0.
    pub document: usize,
    /// What is wrong with it, and where.
    pub cause: xml::Malformed,
}

#[derive(Clone, Debug)]
struct Rule {
    id: SmolStr,
    conditions: Conditions,
    handling: Option<SubHandling>,
    permissions: Permissions,
}

impl Rules {
    /// Reads all documents of a presentity. One that is no document of rules is passed over. One that cannot be read counts,
    /// and grants nothing: its author meant to decide.
    pub fn read<'a>(documents: impl IntoIterator<Item = &'a str>) -> (Self, Vec<Malformed>) {
        let (mut rules, mut malformed) = (Self::default(), Vec::new());
        for (document, text) in documents.into_iter().enumerate() {
            match Ruleset::read(text, &LIMITS) {
                Ok(None) => continue,
                Ok(Some(ruleset)) => rules.rules.extend(ruleset.rules().map(Rule::read)),
                Err(cause) => malformed.push(Malformed { document, cause }),
            }
            rules.documents += 1;
        }
        (rules, malformed)
    }

    /// Says whether nobody has written any: somebody else decides then.
    pub fn is_absent(&self) -> bool {
        self.documents == 0
    }

    /// Says whether a change of sphere can change a decision.
    pub fn mentions_sphere(&self) -> bool {
        self.rules.iter().any(|rule| rule.conditions.mention_sphere())
    }

    /// Returns when, after `now_ms`, the passing of time changes the next decision, if it ever does (RFC 4745 §7.4).
    pub fn next_boundary_ms(&self, now_ms: u64) -> Option<u64> {
        self.rules.iter().filter_map(|rule| rule.conditions.next_boundary_ms(now_ms)).min()
    }

    /// Decides about the watcher who was authenticated as `identity`, or was not, while the presentity is in `sphere`.
    pub fn decide(&self, identity: Option<&str>, sphere: Option<&str>, now_ms: u64) -> Authorization {
        let watcher = identity.and_then(Watcher::new);
        let circumstances = Circumstances { watcher: watcher.as_ref(), sphere, now_ms };
        let mut authorization = Authorization::default();
        for rule in self.rules.iter().filter(|rule| rule.conditions.hold(&circumstances)) {
            authorization.handling = authorization.handling.max(rule.handling.unwrap_or_default());
            authorization.permissions.combine(&rule.permissions);
            authorization.rules.push(rule.id.clone());
        }
        authorization
    }
}

impl Rule {
    fn read(rule: common_policy::Rule<'_, '_>) -> Self {
        Self {
            id: rule.id().into(),
            conditions: rule.conditions(),
            handling: SubHandling::read(rule.actions()),
            permissions: Permissions::read(rule.transformations()),
        }
    }
}

/// A list of thousands of friends fits in; every rule, condition and identity is an element.
const LIMITS: Limits = Limits {
    bytes_max: 256 * 1024,
    depth_max: 16,
    elements_max: 16_384,
    attributes_max: 16,
    namespaces_max: 32,
    namespace_bytes_max: 256,
};

/// Returns the sphere a presentity is in by all that is published: the one that every person with a sphere has
/// (RFC 5025 §3.1.2), in lower case.
pub fn sphere<'b>(bodies: impl IntoIterator<Item = &'b [u8]>) -> Option<String> {
    let mut sphere: Option<String> = None;
    for body in bodies {
        // Most documents have none, and need not be read to know.
        if memchr::memmem::find(body, b"sphere").is_none() {
            continue;
        }
        let Ok(pidf) = Pidf::read_accepted(body) else { continue };
        for part in pidf.parts() {
            let Part::Person(person) = part else { continue };
            for found in rpid::spheres(person.node()) {
                match &sphere {
                    None => sphere = Some(found.to_ascii_lowercase()),
                    Some(known) if known.eq_ignore_ascii_case(&found) => {}
                    Some(_) => return None,
                }
            }
        }
    }
    sphere
}

#[cfg(test)]
mod tests;
