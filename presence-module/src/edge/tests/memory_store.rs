//! A store in memory that waits, refuses and fails when told.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::change::Change;
use crate::presentity_uri::UserAtDomain;
use crate::store::memory::{Key, Rows, publishes};
use crate::store::{
    BoxedError, CommitError, Opening, RowKeys, RulesDocument, Scope, Store, StoreError, Stored, Sweep, TakenOver,
};

/// The rows, and what the next commits come to.
#[derive(Default)]
pub(super) struct Disk {
    rows: Rows,
    pub(super) rules: Vec<RulesDocument>,
    /// Whose rules changed since somebody looked.
    changed_rules: Vec<UserAtDomain>,
    pub(super) was_clean: bool,
    epoch: u64,
    /// Commits wait while this is set.
    is_held: bool,
    /// So many commits end although they are held.
    permits: usize,
    /// How many commits are waiting.
    waiting: usize,
    /// Reading back fails while this is set.
    fails_loads: bool,
    /// Reading back waits while this is set.
    holds_loads: bool,
    /// How often presentities were read back.
    loads: usize,
    /// The last row that the sweep showed, and that nobody but the server has written since it began.
    swept_to: Option<Key>,
    is_as_swept: bool,
    /// How often a pass of the sweep began.
    pub(super) passes: usize,
    /// How often the owner's row was renewed, or tried to be.
    pub(super) heartbeats: usize,
    /// Another server owns the database.
    is_taken_over: bool,
    /// How often it was asked to commit.
    pub(super) commits: usize,
    /// The rows that were read by their keys.
    pub(super) read: RowKeys,
    /// So many commits fail as a database that is away does.
    fails: usize,
    /// The next commit succeeds, and nobody hears of it.
    loses_answer: bool,
    /// Whoever publishes this text is guilty.
    poison: Option<String>,
}

/// A handle on the disk that outlives the store.
#[derive(Clone, Default)]
pub(super) struct MemoryStore(Arc<(Mutex<Disk>, Condvar)>);

impl MemoryStore {
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Disk) -> R) -> R {
        look(&mut self.0.0.lock())
    }

    /// Writes as another program does.
    pub(super) fn write(&self, write: impl FnOnce(&mut Disk)) {
        self.with(|disk| {
            write(disk);
            disk.is_as_swept = false;
        });
    }

    /// Lets no commit end until [`release`](Self::release).
    pub(super) fn hold(&self) {
        self.with(|disk| disk.is_held = true);
    }

    /// Waits until a commit is being held, so that what comes now is queued behind it.
    pub(super) fn wait_held(&self) {
        let mut disk = self.0.0.lock();
        while disk.waiting == 0 {
            self.0.1.wait(&mut disk);
        }
    }

    pub(super) fn release(&self) {
        self.with(|disk| disk.is_held = false);
        self.0.1.notify_all();
    }

    /// Lets one commit end; the next is held again.
    pub(super) fn release_one(&self) {
        self.with(|disk| disk.permits = 1);
        self.0.1.notify_all();
    }

    /// Lets every reading back fail, as a database that is away does, or none.
    pub(super) fn fail_loads(&self, fails: bool) {
        self.with(|disk| disk.fails_loads = fails);
    }

    /// Lets no reading back end until [`release_loads`](Self::release_loads).
    pub(super) fn hold_loads(&self) {
        self.with(|disk| disk.holds_loads = true);
    }

    pub(super) fn release_loads(&self) {
        self.with(|disk| disk.holds_loads = false);
        self.0.1.notify_all();
    }

    /// Returns how often presentities were read back.
    pub(super) fn loads(&self) -> usize {
        self.with(|disk| disk.loads)
    }

    /// Writes the only rules document of a user, as another program does.
    pub(super) fn write_rules(&self, user: &str, document: &str) {
        let owner = UserAtDomain::new(user, "pres.example");
        self.with(|disk| {
            disk.rules.retain(|known| known.owner != owner);
            disk.rules.push(RulesDocument { owner: owner.clone(), doc_type: 2, document: document.into() });
            disk.changed_rules.push(owner);
        });
    }

    pub(super) fn fail_next(&self) {
        self.with(|disk| disk.fails = 1);
    }

    pub(super) fn lose_next_answer(&self) {
        self.with(|disk| disk.loses_answer = true);
    }

    /// Lets another server own the database.
    pub(super) fn take_over(&self) {
        self.with(|disk| disk.is_taken_over = true);
    }

    pub(super) fn refuse(&self, text: &str) {
        self.with(|disk| disk.poison = Some(text.into()));
    }

    pub(super) fn opening(&self) -> Opening {
        self.with(|disk| {
            disk.epoch += 1;
            Opening {
                secret: [3; 32],
                was_clean: std::mem::take(&mut disk.was_clean),
                epoch: disk.epoch,
                next_publication_id: disk.next_publication_id(),
            }
        })
    }
}

impl Disk {
    /// Returns why `changes` cannot be written, one after the other.
    pub(super) fn refusal<'c>(&self, changes: impl Iterator<Item = &'c Change> + Clone) -> Option<BoxedError> {
        let is_guilty =
            self.poison.as_ref().is_some_and(|poison| changes.clone().any(|change| publishes(change, poison)));
        is_guilty.then(|| "told to refuse".into()).or_else(|| self.rows.refusal(changes))
    }
}

impl Deref for Disk {
    type Target = Rows;

    fn deref(&self) -> &Rows {
        &self.rows
    }
}

impl DerefMut for Disk {
    fn deref_mut(&mut self) -> &mut Rows {
        &mut self.rows
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, decisions: &[&[Change]]) -> Result<(), CommitError> {
        let mut disk = self.0.0.lock();
        disk.waiting += 1;
        self.0.1.notify_all();
        while disk.is_held && disk.permits == 0 {
            self.0.1.wait(&mut disk);
        }
        disk.permits = disk.permits.saturating_sub(1);
        disk.waiting -= 1;
        disk.commits += 1;
        if disk.is_taken_over {
            return Err(CommitError::World(Box::new(StoreError::Database(Box::new(TakenOver)))));
        }
        if disk.fails > 0 {
            disk.fails -= 1;
            return Err(CommitError::World("told to fail".into()));
        }
        let changes = || decisions.iter().copied().flatten();
        if let Some(refusal) = disk.refusal(changes()) {
            return Err(CommitError::Data(refusal));
        }
        changes().for_each(|change| disk.write(change));
        match std::mem::take(&mut disk.loses_answer) {
            true => Err(CommitError::World("told to say nothing".into())),
            false => Ok(()),
        }
    }

    fn load(&mut self, scope: Scope<'_>, visit: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
        let mut disk = self.0.0.lock();
        disk.loads += usize::from(matches!(scope, Scope::Rows(_)));
        while disk.holds_loads {
            self.0.1.wait(&mut disk);
        }
        if disk.fails_loads {
            return Err(StoreError::Database("told to fail".into()));
        }
        if let Scope::Rows(keys) = scope {
            disk.read = keys.clone();
        }
        disk.show(scope, visit);
        Ok(())
    }

    fn load_rules(
        &mut self,
        owners: Option<&[Arc<UserAtDomain>]>,
        visit: &mut dyn FnMut(RulesDocument),
    ) -> Result<(), StoreError> {
        self.with(|disk| {
            if disk.fails_loads {
                return Err(StoreError::Database("told to fail".into()));
            }
            let is_wanted =
                |owner: &UserAtDomain| owners.is_none_or(|owners| owners.iter().any(|wanted| **wanted == *owner));
            disk.rules.iter().filter(|document| is_wanted(&document.owner)).cloned().for_each(visit);
            Ok(())
        })
    }

    fn changed_rules(&mut self) -> Result<Vec<UserAtDomain>, StoreError> {
        self.with(|disk| Ok(std::mem::take(&mut disk.changed_rules)))
    }

    fn maintain(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn sweep(&mut self, rows_max: usize, visit: &mut dyn FnMut(Stored)) -> Result<Sweep, StoreError> {
        let mut disk = self.0.0.lock();
        disk.passes += usize::from(disk.swept_to.is_none());
        while disk.holds_loads {
            self.0.1.wait(&mut disk);
        }
        if disk.fails_loads {
            return Err(StoreError::Database("told to fail".into()));
        }
        if disk.swept_to.is_none() && std::mem::replace(&mut disk.is_as_swept, true) {
            return Ok(Sweep::NothingNew);
        }
        let publications = disk.publications.keys().map(|id| Key::Publication(*id));
        let keys = publications.chain(disk.subscriptions.keys().map(|key| Key::Subscription(*key)));
        let step: Vec<_> = keys.filter(|key| Some(*key) > disk.swept_to).take(rows_max).collect();
        for key in &step {
            visit(match key {
                Key::Publication(id) => Stored::Publication(disk.publications[id].clone()),
                Key::Subscription(key) => Stored::Subscription(Box::new(disk.subscriptions[key].clone())),
            });
        }
        let is_over = step.len() < rows_max;
        disk.swept_to = step.last().copied().filter(|_| !is_over);
        Ok(if is_over { Sweep::Finished } else { Sweep::Unfinished })
    }

    fn heartbeat(&mut self) -> Result<(), StoreError> {
        self.with(|disk| {
            disk.heartbeats += 1;
            if disk.fails_loads || disk.is_taken_over {
                let error: BoxedError = if disk.is_taken_over { Box::new(TakenOver) } else { "told to fail".into() };
                return Err(StoreError::Database(error));
            }
            Ok(())
        })
    }

    fn owner(&mut self) -> Option<String> {
        self.with(|disk| disk.is_taken_over.then(|| "elsewhere:7".into()))
    }

    fn close_cleanly(&mut self) -> Result<(), StoreError> {
        self.with(|disk| disk.was_clean = true);
        Ok(())
    }
}
