//! A database that keeps what was committed, whatever becomes of the server, and fails as often as it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use presence::change::{Change, SubscriptionKey, SubscriptionRow};
use presence::presentity_uri::PresentityUri;
use presence::store::memory::{Rows, publishes};
use presence::store::{CommitError, Opening, RulesDocument, Scope, SessionLost, Store, StoreError, Stored, Sweep};

use crate::ground::Shared;

/// What becomes of the next commit that is not as it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mishap {
    /// Written, and the process dies before anybody hears of it.
    DiesAfter,
    /// Not written.
    Fails,
    /// Written, and nobody is told.
    SaysNothing,
}

/// The rows, and what is wrong with the database.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) rows: Rows,
    /// Privacy rules by user, `None` where there is no document.
    rules: BTreeMap<String, Option<String>>,
    changed: Vec<PresentityUri>,
    /// Whose rules the server has read since somebody looked.
    pub(crate) read: Vec<String>,
    pub(crate) was_clean: bool,
    epoch: u64,
    pub(crate) mishap: Option<Mishap>,
    /// Nothing works until then.
    pub(crate) is_away: bool,
    /// Whoever publishes this is refused.
    pub(crate) poison: Option<String>,
    /// Entity-tags, and what names a SUBSCRIBE, of everything that was ever committed.
    pub(crate) written: BTreeSet<String>,
    /// Another program wrote since it was walked last, and how far this walk came.
    pub(crate) is_meddled_with: bool,
    pub(crate) walked_to: Option<RowKey>,
    /// Rows that another program changed or removed, by the entity-tag they had, and what it wrote.
    pub(crate) meddled: BTreeMap<String, Option<u64>>,
    /// How often anything failed: memory may have been read back.
    pub(crate) failures: u64,
}

/// The database as everybody holds it.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    disk: Arc<Mutex<Disk>>,
    ground: Shared,
}

impl Database {
    pub(crate) fn new(ground: Shared) -> Self {
        Self { disk: Arc::default(), ground }
    }

    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut Disk) -> R) -> R {
        look(&mut self.disk.lock())
    }

    pub(crate) fn opening(&self) -> Opening {
        self.with(|disk| {
            disk.epoch += 1;
            (disk.is_meddled_with, disk.walked_to) = (false, None);
            Opening {
                secret: [3; 32],
                was_clean: std::mem::take(&mut disk.was_clean),
                epoch: disk.epoch,
                next_publication_id: disk.rows.next_publication_id(),
            }
        })
    }

    /// Writes the rules of a user, as another program does.
    pub(crate) fn write_rules(&self, user: &str, document: Option<String>) {
        self.with(|disk| {
            disk.rules.insert(user.into(), document);
            disk.changed.push(PresentityUri::new(user, "pres.example"));
        });
    }

    fn reach(&self) -> Result<(), StoreError> {
        self.with(|disk| match disk.is_away {
            true => {
                disk.failures += 1;
                Err(StoreError::Database(Box::new(SessionLost("away, as told".into()))))
            }
            false => Ok(()),
        })
    }
}

/// The key of a row, in the order they are walked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum RowKey {
    Publication(u64),
    Subscription(SubscriptionKey),
}

impl Disk {
    /// Shows the next rows of the walk, if anybody else wrote since the last began.
    pub(crate) fn walk(&mut self, rows_max: usize, visit: &mut dyn FnMut(Stored)) -> Sweep {
        if self.walked_to.is_none() && !std::mem::take(&mut self.is_meddled_with) {
            return Sweep::NothingNew;
        }
        let publications = self.rows.publications.keys().map(|id| RowKey::Publication(*id));
        let keys = publications.chain(self.rows.subscriptions.keys().map(|key| RowKey::Subscription(*key)));
        let step: Vec<_> = keys.filter(|key| Some(*key) > self.walked_to).take(rows_max).collect();
        for key in &step {
            visit(match key {
                RowKey::Publication(id) => Stored::Publication(self.rows.publications[id].clone()),
                RowKey::Subscription(key) => Stored::Subscription(Box::new(self.rows.subscriptions[key].clone())),
            });
        }
        let is_over = step.len() < rows_max;
        self.walked_to = step.last().copied().filter(|_| !is_over);
        if is_over { Sweep::Finished } else { Sweep::Unfinished }
    }
}

/// Returns what an answer to the request behind `change`, which is written by now, can be told by.
fn name_of(change: &Change, rows: &Rows) -> Option<String> {
    let name = |row: &SubscriptionRow| format!("{} {} {}", row.call_id, row.local_tag, row.remote_cseq);
    match change {
        Change::PublicationStored { row, .. } => Some(row.entity_tag.to_string()),
        Change::PublicationContinued { entity_tag, .. } => Some(entity_tag.to_string()),
        Change::SubscriptionStored { row, .. } => Some(name(row)),
        Change::SubscriptionRefreshed { row, .. } => rows.subscriptions.get(&row.key).map(name),
        _ => None,
    }
}

impl Store for Database {
    fn commit(&mut self, decisions: &[&[Change]]) -> Result<(), CommitError> {
        let mut disk = self.disk.lock();
        let mishap = disk.mishap.take();
        if disk.is_away || mishap == Some(Mishap::Fails) {
            disk.failures += 1;
            return Err(CommitError::World("away, as told".into()));
        }
        let changes = || decisions.iter().copied().flatten();
        if disk.poison.as_ref().is_some_and(|poison| changes().any(|change| publishes(change, poison))) {
            disk.failures += 1;
            return Err(CommitError::Data("refused, as told".into()));
        }
        if let Some(refusal) = disk.rows.refusal(changes()) {
            disk.failures += 1;
            return Err(CommitError::Data(refusal));
        }
        for change in changes() {
            disk.rows.write(change);
            let name = name_of(change, &disk.rows);
            disk.written.extend(name);
        }
        match mishap {
            None => return Ok(()),
            Some(Mishap::DiesAfter) => self.ground.with(|ground| ground.is_dead = true),
            Some(Mishap::Fails | Mishap::SaysNothing) => {}
        }
        disk.failures += 1;
        Err(CommitError::World("silent, as told".into()))
    }

    fn load(&mut self, scope: Scope<'_>, visit: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
        self.reach()?;
        let rows = self.with(|disk| disk.rows.clone());
        rows.show(scope, visit);
        Ok(())
    }

    fn load_rules(
        &mut self,
        owners: Option<&[Arc<PresentityUri>]>,
        visit: &mut dyn FnMut(RulesDocument),
    ) -> Result<(), StoreError> {
        self.reach()?;
        self.with(|disk| {
            let asked: Vec<_> = match owners {
                None => disk.rules.keys().cloned().collect(),
                Some(owners) => {
                    let ours = owners.iter().filter(|owner| owner.domain == "pres.example");
                    ours.map(|owner| owner.user.to_string()).collect()
                }
            };
            for user in &asked {
                if let Some(Some(document)) = disk.rules.get(user) {
                    let owner = PresentityUri::new(user, "pres.example");
                    visit(RulesDocument { owner, doc_type: 2, document: document.clone() });
                }
            }
            disk.read.extend(asked);
        });
        Ok(())
    }

    fn changed_rules(&mut self) -> Result<Vec<PresentityUri>, StoreError> {
        self.reach()?;
        self.with(|disk| Ok(std::mem::take(&mut disk.changed)))
    }

    fn maintain(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn sweep(&mut self, rows_max: usize, visit: &mut dyn FnMut(Stored)) -> Result<Sweep, StoreError> {
        self.reach()?;
        Ok(self.with(|disk| disk.walk(rows_max, visit)))
    }

    fn heartbeat(&mut self) -> Result<(), StoreError> {
        self.reach()
    }

    fn close_cleanly(&mut self) -> Result<(), StoreError> {
        self.reach()?;
        self.with(|disk| disk.was_clean = true);
        Ok(())
    }
}
