//! What another program writes into the tables, on the disk and in the reference model.

use smol_str::format_smolstr;

use super::events::Sql;
use super::records::Publication;
use super::requests::What;
use super::truth::Truth;
use super::world::{World, dana};
use crate::change::{Change, Ending, Moment, Now, PublicationRow, SubscriptionKey};
use crate::presentity::Found;
use crate::store::recovery;

/// What was written, for the reference model.
#[derive(Clone, Debug)]
pub(super) enum Written {
    Published(u64, Publication),
    PublicationRemoved(u64),
    SubscriptionRemoved(SubscriptionKey),
}

impl World {
    /// Lets another program write, and the sweep find it: as `edge/sweep.rs` does it, while nothing is being decided.
    pub(super) fn sql(&mut self, sql: Sql) {
        if self.is_stale() || !self.queue.is_empty() {
            return;
        }
        // What is over is ended first, and by itself.
        self.wake();
        if !self.queue.is_empty() {
            return;
        }
        let Some((written, found)) = self.write(sql) else { return };
        self.step(What::Written(written), |presentity, now| presentity.on_found(found, now));
    }

    fn write(&mut self, sql: Sql) -> Option<(Written, Found)> {
        let now = self.now;
        match sql {
            Sql::Change { nth, document, expires } => {
                let (id, known) = nth_of(&self.truth.publications, nth)?;
                let expires = now.wall_s() + u64::from(expires);
                // A clock that was set moves no end that nobody changed.
                let deadline = if expires == known.expires { known.deadline } else { deadline(expires, now) };
                let publication = Publication { document, expires, deadline, ..known };
                Some(self.published(id, publication))
            }
            Sql::Insert { device, document, expires } => {
                let id = self.phones.number();
                let (expires, entity_tag) = (now.wall_s() + u64::from(expires), format_smolstr!("t{id}"));
                let (deadline, received_at_ms) = (deadline(expires, now), now.wall_ms);
                let publication = Publication { device, document, entity_tag, expires, deadline, received_at_ms };
                Some(self.published(id, publication))
            }
            Sql::Remove { nth } => {
                let (id, _) = nth_of(&self.truth.publications, nth)?;
                self.disk.publications.remove(&id);
                let found = Found { gone_publications: vec![id], ..Found::default() };
                Some((Written::PublicationRemoved(id), found))
            }
            Sql::Unsubscribe { nth } => {
                let (key, _) = nth_of(&self.truth.subscriptions, nth)?;
                self.disk.subscriptions.remove(&key);
                let found = Found { gone_subscriptions: vec![key], ..Found::default() };
                Some((Written::SubscriptionRemoved(key), found))
            }
        }
    }

    fn published(&mut self, id: u64, publication: Publication) -> (Written, Found) {
        let Publication { device, document, entity_tag, expires, received_at_ms, .. } = publication.clone();
        let (presentity, event) = (dana(), "presence".into());
        let body = document.written(device).into();
        let row = PublicationRow { id, presentity, event, entity_tag, expires, received_at_ms, body };
        self.disk.publications.insert(id, row.clone());
        let found = Found { publications: vec![recovery::publication(row, u32::MAX, self.now)], ..Found::default() };
        (Written::Published(id, publication), found)
    }

    /// Takes in that another program wrote, although what the machine made of it is refused or forgotten.
    pub(super) fn note_written(&mut self, what: &What) {
        match what {
            // Its row is still there, even if it is over.
            What::Written(Written::Published(id, publication)) => {
                self.truth.publications.insert(*id, publication.clone());
            }
            What::Written(written) => drop(self.truth.take_up(written, self.now)),
            _ => {}
        }
    }

    /// Removes a row that the next decision is to change, and returns whether there is one.
    pub(super) fn remove_under_next(&mut self) -> bool {
        let queued = || self.queue.iter().map(|step| &step.decision);
        let changes = || queued().chain(&self.refused).flat_map(|decision| &decision.changes);
        let is_decided_otherwise = |key: SubscriptionKey| {
            changes().any(|change| match change {
                Change::SubscriptionRemoved { key: other, .. } => *other == key,
                Change::SubscriptionStored { row, .. } => row.key == key,
                _ => false,
            })
        };
        let next = self.queue.front().into_iter().flat_map(|step| &step.decision.changes);
        let removed = next.filter_map(|change| match change {
            Change::PublicationContinued { id, .. } => Some(Written::PublicationRemoved(*id)),
            Change::CseqReserved { key, .. } | Change::SubscriptionAuthorized { key, .. } => {
                Some(Written::SubscriptionRemoved(*key))
            }
            Change::SubscriptionMoved { row, .. } | Change::SubscriptionRefreshed { row, .. } => {
                Some(Written::SubscriptionRemoved(row.key))
            }
            _ => None,
        });
        let mut removed = removed.filter(|removed| match removed {
            Written::SubscriptionRemoved(key) => {
                self.disk.subscriptions.contains_key(key) && !is_decided_otherwise(*key)
            }
            Written::PublicationRemoved(id) => self.disk.publications.contains_key(id),
            Written::Published(..) => false,
        });
        let Some(removed) = removed.next() else { return false };
        match &removed {
            Written::PublicationRemoved(id) => drop(self.disk.publications.remove(id)),
            Written::SubscriptionRemoved(key) => drop(self.disk.subscriptions.remove(key)),
            Written::Published(..) => {}
        }
        let next = self.queue.front().expect("it has changes");
        let changes: Vec<_> = next.decision.changes.clone();
        assert!(self.disk.refusal(changes.iter()).is_some(), "who changes what is gone is refused");
        self.truth.take_up(&removed, self.now);
        if let Written::SubscriptionRemoved(key) = removed {
            self.trust_memory(key);
        }
        true
    }
}

impl World {
    /// Where a watcher was before its last request was refused, only the row knew that is gone.
    fn trust_memory(&mut self, key: SubscriptionKey) {
        let target = self.presentity.subscription(key).map(|row| row.remote_target().into());
        if let (Some((over, _)), Some(target)) = (self.truth.over.get_mut(&key), target) {
            over.remote_target = target;
        }
    }
}

fn nth_of<K: Copy, V: Clone>(known: &std::collections::BTreeMap<K, V>, nth: usize) -> Option<(K, V)> {
    (!known.is_empty()).then(|| nth % known.len()).and_then(|nth| known.iter().nth(nth)).map(|(k, v)| (*k, v.clone()))
}

fn deadline(expires: u64, now: Now) -> Moment {
    match (1000 * expires).checked_sub(now.wall_ms) {
        Some(left_ms) => Moment(now.mono.0 + left_ms),
        None => Moment(now.mono.0 - (now.wall_ms - 1000 * expires)),
    }
}

impl Truth {
    /// Takes in what another program wrote, and returns that nobody is answered.
    pub(super) fn take_up(&mut self, written: &Written, now: Now) -> u16 {
        match written {
            Written::PublicationRemoved(id) => drop(self.publications.remove(id)),
            Written::Published(id, publication) => {
                let is_over = publication.deadline <= now.mono && !self.publications.contains_key(id);
                if !is_over {
                    self.publications.insert(*id, publication.clone());
                }
            }
            Written::SubscriptionRemoved(key) => self.end(vec![(*key, Ending::Deactivated)], now),
        }
        0
    }
}
