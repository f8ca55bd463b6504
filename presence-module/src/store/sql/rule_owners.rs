//! Who has rules documents, where they are few enough to be known: of nobody else are they asked for.
//!
//! Whoever has one is known from the moment it can be read: the triggers write down whose it is in the transaction that
//! brings it, and what they wrote is looked at before anybody is said to have none.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashSet, FxHasher};

/// So many users are known at most; where more have documents, everybody is asked for.
pub(crate) const KNOWN_MAX: usize = 65_536;

/// What is known of who has documents.
#[derive(Debug, Default)]
pub(crate) enum RuleOwners {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// They, and perhaps some that have none any more; hashes of the users' names.
    Known(FxHashSet<u64>),
    /// More than can be known.
    Many,
}

impl RuleOwners {
    /// Knows from now on that `users` have documents, and nobody else.
    pub(crate) fn know<'a>(users: impl Iterator<Item = &'a str>) -> Self {
        let mut owners = Self::Known(FxHashSet::default());
        users.for_each(|user| owners.note(user));
        owners
    }

    /// Notes that a user may have documents by now.
    pub(crate) fn note(&mut self, user: &str) {
        if let Self::Known(known) = self {
            known.insert(hash_of(user));
            if known.len() > KNOWN_MAX {
                *self = Self::Many;
            }
        }
    }

    /// Returns whether a user may have documents.
    pub(crate) fn may_have(&self, user: &str) -> bool {
        match self {
            Self::Known(known) => known.contains(&hash_of(user)),
            Self::Unknown | Self::Many => true,
        }
    }
}

fn hash_of(user: &str) -> u64 {
    let mut hasher = FxHasher::default();
    user.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_known_has_none_and_of_too_many_everybody_may_have() {
        let users: Vec<_> = (0..KNOWN_MAX).map(|n| n.to_string()).collect();
        let mut owners = RuleOwners::know(users.iter().map(String::as_str));
        assert!(owners.may_have("65535") && !owners.may_have("dana"));
        owners.note("dana");
        assert!(owners.may_have("dana") && owners.may_have("eli"));
        assert!(RuleOwners::default().may_have("eli"));
    }
}
