//! Which attributes of a tuple, person or device a watcher may see (RFC 5025 §3.3.2).

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::Node;

use crate::document::xml;

/// What is shown of a tuple, person or device, beside what always is (RFC 5025 §3.3.2).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Attributes {
    /// Everything, known or not.
    All,
    /// What is named.
    Named {
        /// Those there is a permission for.
        known: KnownAttributes,
        /// How much of `user-input`.
        user_input: UserInput,
        /// Those there is none for: local names, by namespace.
        unknown: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    },
}

/// An attribute with a boolean permission of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attribute {
    /// `activities`
    Activities,
    /// `class`
    Class,
    /// `deviceID` of a tuple
    DeviceId,
    /// `mood`
    Mood,
    /// `note`
    Note,
    /// `place-is`
    PlaceIs,
    /// `place-type`
    PlaceType,
    /// `privacy`
    Privacy,
    /// `relationship`
    Relationship,
    /// `sphere`
    Sphere,
    /// `status-icon`
    StatusIcon,
    /// `time-offset`
    TimeOffset,
}

/// A set of attributes.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct KnownAttributes(u16);

/// How much of `user-input` is shown (RFC 5025 §3.3.2.12); of several, the greatest.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum UserInput {
    /// Nothing.
    #[default]
    False,
    /// Whether the user is there.
    Bare,
    /// And how long it takes to count as away.
    Thresholds,
    /// And since when.
    Full,
}

impl Attributes {
    /// Says whether `attribute` is shown.
    pub fn include(&self, attribute: Attribute) -> bool {
        match self {
            Self::All => true,
            Self::Named { known, .. } => known.contains(attribute),
        }
    }

    /// Says whether an element there is no permission for is shown.
    pub fn include_unknown(&self, namespace: &str, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named { unknown, .. } => unknown.get(namespace).is_some_and(|names| names.contains(name)),
        }
    }

    /// Returns how much of `user-input` is shown.
    pub fn user_input(&self) -> UserInput {
        match self {
            Self::All => UserInput::Full,
            Self::Named { user_input, .. } => *user_input,
        }
    }

    pub(super) fn grant(&mut self, name: &str, transformation: Node<'_, '_>) {
        let Self::Named { known, user_input, unknown } = self else { return };
        let text = xml::text(transformation);
        let text = text.trim_ascii();
        match name {
            "provide-unknown-attribute" if is_true(text) => {
                let attribute = |name| xml::attribute(transformation, name).map(|attribute| attribute.value());
                if let (Some(namespace), Some(name)) = (attribute("ns"), attribute("name")) {
                    unknown.entry(namespace.into()).or_default().insert(name.into());
                }
            }
            "provide-user-input" => *user_input = UserInput::from_token(text).unwrap_or_default().max(*user_input),
            _ if is_true(text) => {
                if let Some(attribute) = Attribute::permitted_by(name) {
                    known.insert(attribute);
                }
            }
            _ => {}
        }
    }

    pub(super) fn combine(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (
                Self::Named { known, user_input, unknown },
                Self::Named { known: more, user_input: greater, unknown: others },
            ) => {
                known.0 |= more.0;
                *user_input = (*user_input).max(*greater);
                for (namespace, names) in others {
                    unknown.entry(namespace.clone()).or_default().extend(names.iter().cloned());
                }
            }
        }
    }
}

impl Default for Attributes {
    fn default() -> Self {
        Self::Named { known: KnownAttributes::default(), user_input: UserInput::False, unknown: BTreeMap::new() }
    }
}

impl Attribute {
    /// Returns what the transformation `name` permits.
    fn permitted_by(name: &str) -> Option<Self> {
        Some(match name {
            "provide-activities" => Self::Activities,
            "provide-class" => Self::Class,
            "provide-deviceID" => Self::DeviceId,
            "provide-mood" => Self::Mood,
            "provide-note" => Self::Note,
            "provide-place-is" => Self::PlaceIs,
            "provide-place-type" => Self::PlaceType,
            "provide-privacy" => Self::Privacy,
            "provide-relationship" => Self::Relationship,
            "provide-sphere" => Self::Sphere,
            "provide-status-icon" => Self::StatusIcon,
            "provide-time-offset" => Self::TimeOffset,
            _ => return None,
        })
    }
}

impl KnownAttributes {
    /// Adds `attribute`.
    pub fn insert(&mut self, attribute: Attribute) {
        self.0 |= 1 << attribute as u16;
    }

    /// Says whether `attribute` is in it.
    pub fn contains(self, attribute: Attribute) -> bool {
        self.0 & 1 << attribute as u16 != 0
    }
}

impl UserInput {
    fn from_token(token: &str) -> Option<Self> {
        match token {
            "bare" => Some(Self::Bare),
            "false" => Some(Self::False),
            "full" => Some(Self::Full),
            "thresholds" => Some(Self::Thresholds),
            _ => None,
        }
    }
}

/// `xs:boolean`.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "true")
}
