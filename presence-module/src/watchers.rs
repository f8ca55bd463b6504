//! The authorisation states of one presentity's watchers, as their rows have them, and those who wait for a decision
//! (RFC 3857 §4.7.1).
//!
//! Pure. A watcher has one state for an event package, however many devices it subscribes with: one person piles up no
//! rows. A state nobody decides on has a deadline.

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use crate::change::{Moment, WatcherRow};
use crate::presentity_uri::UserAtDomain;
use crate::watcher::{Event, Status};
use crate::watcher_information::WatcherEntry;

/// The state of one watcher for one event package.
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
    by_key: FxHashMap<Key, Watcher>,
    /// How many of them were decided on.
    decided: usize,
}

impl Watchers {
    /// Takes over a row.
    pub fn store(&mut self, row: &WatcherRow, deadline: Option<Moment>) {
        let (reason, id, identity) = (row.reason.clone(), row.watcher_id.clone(), row.identity.clone());
        let watcher = Watcher { status: row.status, reason, id, identity, deadline };
        self.decided += usize::from(!watcher.is_undecided());
        let former = self.by_key.insert((row.watcher.clone(), row.event.clone()), watcher);
        self.leave(former);
    }

    /// Forgets a watcher.
    pub fn remove(&mut self, watcher: &UserAtDomain, event: &SmolStr) {
        let former = self.by_key.remove(&(watcher.clone(), event.clone()));
        self.leave(former);
    }

    fn leave(&mut self, former: Option<Watcher>) {
        self.decided -= usize::from(former.is_some_and(|former| !former.is_undecided()));
    }

    /// Returns the state of a watcher.
    pub fn get(&self, watcher: &UserAtDomain, event: &SmolStr) -> Option<&Watcher> {
        self.by_key.get(&(watcher.clone(), event.clone()))
    }

    /// Returns whether somebody is to be decided on or given up: such a presentity is not forgotten.
    pub fn is_somebody_undecided(&self) -> bool {
        self.by_key.values().any(Watcher::is_undecided)
    }

    /// Returns how many were decided on.
    pub fn decided(&self) -> usize {
        self.decided
    }

    /// Forgets those who were decided on and of whom `is_needed` does not hold: their rows know.
    pub fn forget_decided(&mut self, is_needed: impl Fn(&UserAtDomain, &SmolStr) -> bool) {
        self.by_key.retain(|(watcher, event), state| state.is_undecided() || is_needed(watcher, event));
        self.decided = self.by_key.values().filter(|state| !state.is_undecided()).count();
    }

    /// Returns those nobody has decided on, in the order of their names.
    pub fn undecided(&self) -> impl Iterator<Item = (&UserAtDomain, &SmolStr, &Watcher)> {
        let mut found: Vec<_> = self
            .by_key
            .iter()
            .filter(|(_, watcher)| watcher.is_undecided())
            .map(|((watcher, event), state)| (watcher, event, state))
            .collect();
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
        self.by_key.values().filter_map(|watcher| watcher.deadline)
    }
}

impl Watcher {
    /// Returns whether somebody is still to decide on it.
    pub fn is_undecided(&self) -> bool {
        matches!(self.status, Status::Pending | Status::Waiting)
    }
}
