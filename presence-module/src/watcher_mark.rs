//! A watcher as those see it who only count: a number that tells it apart from others.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::LazyLock;

use crate::packed_row::PackedRow;
use crate::presentity_uri::UserAtDomain;

/// A hash with a key of this process: nobody can bring about that two are the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WatcherMark(pub u64);

impl WatcherMark {
    /// Marks a watcher.
    pub fn of(watcher: &UserAtDomain) -> Self {
        Self::of_parts(&watcher.user, &watcher.domain)
    }

    /// Marks the watcher of a subscription.
    pub fn of_row(row: &PackedRow) -> Self {
        Self::of_parts(row.watcher_user(), row.watcher_domain())
    }

    fn of_parts(user: &str, domain: &str) -> Self {
        static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(KEYED.hash_one((user, domain)))
    }
}
