//! Common policy (RFC 4745): rules, and the conditions under which each holds.
//!
//! A rule grants and never takes away, so whatever of a condition is not understood makes it false, and its rule grants
//! nothing. What a rule grants is another vocabulary's: see `presence_rules.rs`.

use roxmltree::Node;
use smallvec::SmallVec;

use super::timestamp;
use super::xml::{self, Limits, Malformed, Xml};
use crate::planted::Planted;

mod identity;

use identity::Identity;
pub use identity::Watcher;

/// The namespace of RFC 4745.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:common-policy";

/// A document of rules.
#[derive(Debug)]
pub struct Ruleset<'a> {
    xml: Xml<'a>,
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'d, 'a: 'd>(Node<'d, 'a>);

/// When a rule holds: under all of its conditions, and always if it has none (RFC 4745 §10.1).
#[derive(Clone, Debug)]
pub struct Conditions(SmallVec<[Condition; 1]>);

/// What conditions are about.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'c> {
    /// Who asks; `None` for one who was not authenticated.
    pub watcher: Option<&'c Watcher<'c>>,
    /// The sphere the presentity is in, if it is in one (RFC 5025 §3.1.2).
    pub sphere: Option<&'c str>,
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
}

#[derive(Clone, Debug)]
enum Condition {
    /// RFC 4745 §7.1
    Identity(Identity),
    /// One of these values (RFC 4745 §7.3).
    Sphere(Vec<Box<str>>),
    /// Not understood: an extension, such as the `external-list`, `other-identity` and `anonymous-request` of OMA, or a known
    /// condition that is malformed. Never true (RFC 4745 §7).
    Unsupported,
    /// Within one of these intervals (RFC 4745 §7.4).
    Validity(Vec<Interval>),
}

/// From the first instant on until just before the second, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Interval {
    from_ms: u64,
    until_ms: u64,
}

impl<'a> Ruleset<'a> {
    /// Reads a document; `None` if it is one of another kind.
    pub fn read(document: &'a str, limits: &Limits) -> Result<Option<Self>, Malformed> {
        let xml = Xml::read(document.as_bytes(), limits)?;
        Ok(is(xml.root(), "ruleset").then_some(Self { xml }))
    }

    /// Returns its rules; their order means nothing.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'_, 'a>> {
        xml::elements(self.xml.root()).filter(|child| is(*child, "rule")).map(Rule)
    }
}

impl<'d, 'a> Rule<'d, 'a> {
    /// Returns the id, empty if its author gave none.
    pub fn id(self) -> &'d str {
        value(self.0, "id").unwrap_or_default()
    }

    /// Returns when it holds. A child that no rule has might be a condition, and counts as one that is not understood.
    pub fn conditions(self) -> Conditions {
        let mut conditions = SmallVec::new();
        for child in xml::elements(self.0) {
            if is(child, "conditions") {
                conditions.extend(xml::elements(child).map(Condition::read));
            } else if !is(child, "actions") && !is(child, "transformations") {
                conditions.push(Condition::Unsupported);
            }
        }
        Conditions(conditions)
    }

    /// Returns what is to be done with the subscription of one it holds for.
    pub fn actions(self) -> impl Iterator<Item = Node<'d, 'a>> {
        self.parts("actions")
    }

    /// Returns what is to be shown to one it holds for.
    pub fn transformations(self) -> impl Iterator<Item = Node<'d, 'a>> {
        self.parts("transformations")
    }

    fn parts(self, name: &'static str) -> impl Iterator<Item = Node<'d, 'a>> {
        xml::elements(self.0).filter(move |child| is(*child, name)).flat_map(xml::elements)
    }
}

impl Conditions {
    /// Says whether all of them are true.
    pub fn hold(&self, circumstances: &Circumstances<'_>) -> bool {
        self.0.iter().all(|condition| condition.holds(circumstances))
    }

    /// Says whether the sphere makes a difference.
    pub fn mention_sphere(&self) -> bool {
        self.0.iter().any(|condition| matches!(condition, Condition::Sphere(_)))
    }

    /// Returns when time makes the next difference after `now_ms`, if it ever does.
    pub fn next_boundary_ms(&self, now_ms: u64) -> Option<u64> {
        let intervals = self.0.iter().flat_map(|condition| match condition {
            Condition::Validity(intervals) => &intervals[..],
            Condition::Identity(_) | Condition::Sphere(_) | Condition::Unsupported => &[],
        });
        intervals.flat_map(|interval| [interval.from_ms, interval.until_ms]).filter(|&at| at > now_ms).min()
    }
}

impl Condition {
    fn read(condition: Node<'_, '_>) -> Self {
        match condition.tag_name().name() {
            _ if condition.tag_name().namespace() != Some(NAMESPACE) => Self::Unsupported,
            "identity" => Self::Identity(Identity::read(condition)),
            "sphere" => {
                let values = value(condition, "value").unwrap_or_default();
                Self::Sphere(values.split_ascii_whitespace().map(Box::from).collect())
            }
            "validity" => intervals(condition).map_or(Self::Unsupported, Self::Validity),
            _ => Self::Unsupported,
        }
    }

    fn holds(&self, circumstances: &Circumstances<'_>) -> bool {
        match self {
            Self::Identity(identity) => identity.includes(circumstances.watcher),
            Self::Sphere(values) => {
                circumstances.sphere.is_some_and(|sphere| values.iter().any(|value| value.eq_ignore_ascii_case(sphere)))
            }
            Self::Unsupported => false,
            Self::Validity(intervals) => {
                let is_in = |interval: &Interval| (interval.from_ms..interval.until_ms).contains(&circumstances.now_ms);
                intervals.iter().any(is_in) || Planted::ValidityIgnored.is_here()
            }
        }
    }
}

/// Reads the children of a `validity`: `from` and `until`, any number of times but not none.
fn intervals(validity: Node<'_, '_>) -> Option<Vec<Interval>> {
    let children: Vec<_> = xml::elements(validity).collect();
    let (pairs, []) = children.as_chunks() else { return None };
    let interval = |[from, until]: &[Node<'_, '_>; 2]| {
        Some(Interval { from_ms: instant_ms(*from, "from")?, until_ms: instant_ms(*until, "until")? })
    };
    pairs.iter().map(interval).collect::<Option<Vec<_>>>().filter(|intervals| !intervals.is_empty())
}

fn instant_ms(node: Node<'_, '_>, name: &'static str) -> Option<u64> {
    let ms = timestamp::date_time_ms(&xml::text(node)).filter(|_| is(node, name))?;
    // Nothing is asked before 1970.
    Some(u64::try_from(ms).unwrap_or_default())
}

fn is(node: Node<'_, '_>, name: &'static str) -> bool {
    node.has_tag_name((NAMESPACE, name))
}

fn value<'d>(node: Node<'d, '_>, attribute: &str) -> Option<&'d str> {
    xml::attribute(node, attribute).map(|attribute| attribute.value())
}

#[cfg(test)]
mod tests;
