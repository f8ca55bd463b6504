//! The authorisation states of one presentity's watchers, as their rows have them, and those who wait for a decision
//! (RFC 3857 §4.7.1).
//!
//! Pure. A watcher has one state for an event package, however many devices it subscribes with: one person piles up no
//! rows. A state nobody decides on has a deadline.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;

use crate::change::{Moment, WatcherRow};
use crate::presentity_uri::UserAtDomain;
use crate::watcher::{Event, Status};
use crate::watcher_information::WatcherEntry;

/// The state of one watcher for one event package, while nobody has decided on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Watcher {
    /// Where it stands.
    pub status: Status,
    /// Why, as the row has it.
    pub reason: SmolStr,
    /// Its id in watcher information while it waits.
    pub id: SmolStr,
    /// The identity that was decided on, empty for none.
    pub identity: SmolStr,
    /// When it is given up, unless somebody decides before.
    pub deadline: Option<Moment>,
}

/// Who, and for which event package.
type Key = (UserAtDomain, SmolStr);

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Watchers {
    undecided: FxHashMap<Key, Watcher>,
    /// What the rows say of those who were decided on, only to be compared: a fingerprint of who, and one of the state.
    decided: FxHashMap<u64, u64>,
}

impl Watchers {
    /// Takes over a row.
    pub fn store(&mut self, row: &WatcherRow, deadline: Option<Moment>) {
        let key = (row.watcher.clone(), row.event.clone());
        let who = fingerprint(&key);
        if is_undecided(row.status) {
            let (reason, id, identity) = (row.reason.clone(), row.watcher_id.clone(), row.identity.clone());
            self.undecided.insert(key, Watcher { status: row.status, reason, id, identity, deadline });
            self.decided.remove(&who);
        } else {
            self.undecided.remove(&key);
            self.decided.insert(who, fingerprint(&(row.status, &row.reason, &row.identity)));
        }
    }

    /// Forgets a watcher.
    pub fn remove(&mut self, watcher: &UserAtDomain, event: &SmolStr) {
        let key = (watcher.clone(), event.clone());
        self.undecided.remove(&key);
        self.decided.remove(&fingerprint(&key));
    }

    /// Returns the state of a watcher on whom nobody has decided.
    pub fn get(&self, watcher: &UserAtDomain, event: &SmolStr) -> Option<&Watcher> {
        self.undecided.get(&(watcher.clone(), event.clone()))
    }

    /// Returns whether the row of a watcher says that it stands at `status` for `reason`, decided on as `identity`.
    pub fn is_written(
        &self,
        (watcher, event): (&UserAtDomain, &SmolStr),
        (status, reason, identity): (Status, &str, &str),
    ) -> bool {
        if is_undecided(status) {
            let is_it =
                |known: &Watcher| (known.status, &*known.reason, &*known.identity) == (status, reason, identity);
            return self.get(watcher, event).is_some_and(is_it);
        }
        self.decided.get(&fingerprint(&(watcher, event))) == Some(&fingerprint(&(status, reason, identity)))
    }

    /// Returns whether somebody is to be decided on or given up: such a presentity is not forgotten.
    pub fn is_somebody_undecided(&self) -> bool {
        !self.undecided.is_empty()
    }

    /// Returns whether nobody has decided on a watcher that is known.
    pub fn is_undecided(&self, watcher: &UserAtDomain, event: &SmolStr) -> bool {
        self.get(watcher, event).is_some()
    }

    /// Returns how many nobody has decided on.
    pub fn undecided_count(&self) -> usize {
        self.undecided.len()
    }

    /// Returns how many were decided on.
    pub fn decided(&self) -> usize {
        self.decided.len()
    }

    /// Forgets those who were decided on, all but `needed`: their rows know.
    pub fn forget_decided(&mut self, needed: impl Iterator<Item = (UserAtDomain, SmolStr)>) {
        let needed: FxHashSet<_> = needed.map(|who| fingerprint(&who)).collect();
        self.decided.retain(|who, _| needed.contains(who));
    }

    /// Returns those nobody has decided on, in the order of their names.
    pub fn undecided(&self) -> impl Iterator<Item = (&UserAtDomain, &SmolStr, &Watcher)> {
        let mut found: Vec<_> =
            self.undecided.iter().map(|((watcher, event), state)| (watcher, event, state)).collect();
        found.sort_unstable_by_key(|(watcher, event, _)| (*watcher, *event));
        found.into_iter()
    }

    /// Returns the entries of those who wait for package `event`.
    pub fn waiting(&self, event: &str) -> impl Iterator<Item = WatcherEntry> {
        self.undecided()
            .filter(move |(_, package, state)| *package == event && state.status == Status::Waiting)
            .map(|(_, _, state)| WatcherEntry::waiting(&state.id, &state.identity, Status::Waiting, Event::Timeout))
    }

    /// Returns the deadlines of those nobody has decided on.
    pub fn deadlines(&self) -> impl Iterator<Item = Moment> {
        self.undecided.values().filter_map(|watcher| watcher.deadline)
    }
}

fn is_undecided(status: Status) -> bool {
    matches!(status, Status::Pending | Status::Waiting)
}

/// Hashes with a key of this process: nobody can bring about that two are the same.
fn fingerprint(of: &impl Hash) -> u64 {
    static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYED.hash_one(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures;

    fn row(status: Status) -> WatcherRow {
        WatcherRow { status, ..fixtures::watcher("dana", "eve") }
    }

    fn is_written(watchers: &Watchers, row: &WatcherRow) -> bool {
        watchers.is_written((&row.watcher, &row.event), (row.status, &row.reason, &row.identity))
    }

    #[test]
    fn what_is_written_of_a_watcher_is_what_its_row_said_last() {
        let mut watchers = Watchers::default();
        for status in [Status::Pending, Status::Active, Status::Waiting, Status::Terminated, Status::Active] {
            assert!(!is_written(&watchers, &row(status)), "{status:?} is still to come");
            watchers.store(&row(status), None);
            assert!(is_written(&watchers, &row(status)), "{status:?}");
            for other in [
                WatcherRow { reason: "polite-block".into(), ..row(status) },
                WatcherRow { identity: "".into(), ..row(status) },
                WatcherRow { event: "presence.winfo".into(), ..row(status) },
                WatcherRow { watcher: UserAtDomain::new("eli", "watch.example"), ..row(status) },
            ] {
                assert!(!is_written(&watchers, &other), "{other:?}");
            }
            assert_eq!(watchers.is_somebody_undecided(), is_undecided(status));
            assert_eq!(watchers.decided(), usize::from(!is_undecided(status)));
        }
    }

    #[test]
    fn who_is_not_needed_is_forgotten_unless_it_waits() {
        let mut watchers = Watchers::default();
        let of = |name: &str, status| WatcherRow { status, ..fixtures::watcher("dana", name) };
        let rows = [of("eve", Status::Active), of("eli", Status::Active), of("eva", Status::Waiting)];
        rows.iter().for_each(|row| watchers.store(row, None));
        watchers.forget_decided([(rows[0].watcher.clone(), rows[0].event.clone())].into_iter());
        assert_eq!(rows.map(|row| is_written(&watchers, &row)), [true, false, true]);
    }
}
