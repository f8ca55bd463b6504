//! The embedded backend: one SQLite file in WAL mode, one connection, a commit that is on the disk when it returns.
//!
//! Whatever a commit writes stands behind one statement that fails once another server has raised the epoch. The log
//! is checkpointed between commits and never by one.

mod failure; // whose fault a failed statement is
mod link; // the connection, and getting it back
mod migration; // tables, epoch, secret
mod reading; // rows to Rust
mod statements; // all the SQL
mod sweep; // the walk over the tables
mod writing; // changes to rows

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use diesel::{QueryResult, SqliteConnection};

pub use self::link::CannotOpen;
pub use self::writing::TooLarge;

use self::link::{Access, Link, for_each_row, run};
use self::statements::{Bind, Statement, Statements};
use self::sweep::Walk;
use super::{
    CommitError, Opening, RowGone, RulesDocument, Scope, Store, StoreError, Stored, Sweep, TableNames, TakenOver,
};
use crate::change::Change;
use crate::presentity_uri::PresentityUri;

/// A database file that this process owns.
pub struct SqliteStore {
    /// Above this length of the write-ahead log, commits wait until all of it is in the database file.
    pub wal_bytes_max: u64,
    link: Link,
    statements: Statements,
    epoch: i64,
    walk: Walk,
    /// By which connection, and under which number of its own for the database's content, everything was read.
    swept: Option<(u64, i64)>,
    /// Whether anything was committed since the last checkpoint.
    is_wal_behind: bool,
    /// The length of the log at which the next checkpoint is due.
    checkpoint_due: u64,
    /// By which connection, and under which number of its own for the database's content, nobody's rules had changed.
    unchanged: Option<(u64, i64)>,
    /// Those whose rules changed and whom nobody has asked for yet.
    changed_rules: BTreeSet<PresentityUri>,
}

impl SqliteStore {
    /// Opens the file at `path` for `owner`, written `host:pid`, and takes it from whoever owned it before.
    ///
    /// An empty database gets its tables, and a secret out of `random`. `:memory:` is a database for tests.
    ///
    /// # Errors
    /// The file cannot be opened ([`CannotOpen`]), `names` will not do, or the tables are not of this version.
    pub fn open(
        path: &str,
        names: &TableNames,
        owner: &str,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(Self, Opening), StoreError> {
        names.check().map_err(|bad| StoreError::Database(Box::new(bad)))?;
        let mut link = Link::open(path)?;
        let statements = Statements::new(names);
        let (epoch, opening) = link.transaction(Access::Write, &statements, |connection| {
            migration::migrate(connection, names)?;
            migration::take_over(connection, names, owner, random)
        })?;
        let store = Self {
            wal_bytes_max: WAL_BYTES_MAX,
            link,
            statements,
            epoch,
            walk: Walk::new(names),
            swept: None,
            is_wal_behind: true,
            // What the last run left in the log is copied at the first opportunity.
            checkpoint_due: 0,
            unchanged: None,
            changed_rules: BTreeSet::new(),
        };
        Ok((store, opening))
    }

    /// Takes over whose rules changed, as the triggers wrote it down, and removes what they wrote: some thousand rows at
    /// a time. Returns whether there were any.
    fn take_changed_rules(&mut self) -> Result<bool, StoreError> {
        let (statements, epoch) = (&self.statements, [Bind::Integer(self.epoch)]);
        self.is_wal_behind = true;
        let (mut last, mut changed) = (None, Vec::new());
        self.link.transaction(Access::Write, statements, |connection| {
            let query = statements.changed_rules.with(&[]);
            for_each_row(connection, query, &["seq", "user", "domain"], |mut columns| {
                last = columns.number().ok().or(last);
                let owner = columns.user_at_domain();
                changed.extend(owner.map(|owner| PresentityUri::new(owner.user, owner.domain.to_ascii_lowercase())));
            })?;
            let Some(last) = last else { return Ok(()) };
            if run(connection, &statements.fence.with(&epoch))? == 0 {
                return Err(StoreError::Database(Box::new(TakenOver)));
            }
            run(connection, &statements.changed_rules_seen.with(&[Bind::Integer(last)]))?;
            Ok(())
        })?;
        self.changed_rules.extend(changed);
        Ok(last.is_some())
    }

    /// Returns a number for the content of the database, and by which connection: what others commit changes it, and what
    /// this connection commits does not.
    fn content(&mut self) -> Result<Option<(u64, i64)>, StoreError> {
        let (mut version, query) = (None, self.statements.data_version.with(&[]));
        for_each_row(self.link.connection()?, query, &["data_version"], |mut columns| version = columns.number().ok())?;
        Ok(version.map(|version| (self.link.openings(), version)))
    }

    /// Copies the log into the database file and returns whether all of it could be.
    fn checkpoint(&mut self, mode: &str) -> Result<bool, StoreError> {
        let mut is_complete = false;
        let statement = Statement::fixed(&format!("PRAGMA wal_checkpoint({mode})"));
        for_each_row(self.link.connection()?, statement.with(&[]), &["busy", "log", "checkpointed"], |mut columns| {
            let numbers = [(); 3].map(|()| columns.number::<i64>().unwrap_or(-1));
            is_complete = numbers[0] == 0 && numbers[1] == numbers[2];
        })?;
        Ok(is_complete)
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, decisions: &[&[Change]]) -> Result<(), CommitError> {
        let changes = || decisions.iter().copied().flatten().filter(|change| change.is_durable());
        if changes().next().is_none() {
            return Ok(());
        }
        self.is_wal_behind = true;
        let (statements, epoch) = (&self.statements, [Bind::Integer(self.epoch)]);
        self.link.transaction(Access::Write, statements, |connection| {
            match run(connection, &statements.fence.with(&epoch))? {
                0 => Err(CommitError::World(Box::new(TakenOver))),
                _ => changes().try_for_each(|change| write_one(connection, statements, change)),
            }
        })
    }

    fn load(&mut self, scope: Scope<'_>, visit: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
        if let Scope::All = scope {
            self.swept = self.content()?;
        }
        let statements = &self.statements;
        self.link.transaction(Access::Read, statements, |connection| {
            match scope {
                Scope::All => {
                    read_table(connection, &statements.publications, reading::PUBLICATIONS, &[], visit)?;
                    read_table(connection, &statements.subscriptions, reading::SUBSCRIPTIONS, &[], visit)?;
                    read_table(connection, &statements.watchers, reading::WATCHERS, &[], visit)?;
                }
                Scope::Rows(keys) => {
                    for id in keys.publications.iter().filter_map(|id| i64::try_from(*id).ok()) {
                        let key = [Bind::Integer(id)];
                        read_table(connection, &statements.publication, reading::PUBLICATIONS, &key, visit)?;
                    }
                    for key in &keys.subscriptions {
                        let key = [Bind::Blob(&key.0)];
                        read_table(connection, &statements.subscription, reading::SUBSCRIPTIONS, &key, visit)?;
                    }
                    for owner in &keys.watchers_of {
                        let owner = [Bind::Text(&owner.user), Bind::Text(&owner.domain)];
                        read_table(connection, &statements.watchers_of, reading::WATCHERS, &owner, visit)?;
                    }
                }
            }
            Ok(())
        })
    }

    fn load_rules(
        &mut self,
        owners: Option<&[Arc<PresentityUri>]>,
        visit: &mut dyn FnMut(RulesDocument),
    ) -> Result<(), StoreError> {
        let statements = &self.statements;
        self.link.transaction(Access::Read, statements, |connection| {
            match owners {
                None => read_rules(connection, &statements.rules, &[], visit)?,
                Some(owners) => {
                    for owner in owners {
                        let owner = [Bind::Text(&owner.user), Bind::Text(&owner.domain)];
                        read_rules(connection, &statements.rules_of_one, &owner, visit)?;
                    }
                }
            }
            Ok(())
        })
    }

    fn changed_rules(&mut self) -> Result<Vec<PresentityUri>, StoreError> {
        let seen = self.content()?;
        if seen.is_none() || seen != self.unchanged {
            while self.take_changed_rules()? {}
            self.unchanged = seen;
        }
        Ok(std::mem::take(&mut self.changed_rules).into_iter().collect())
    }

    fn maintain(&mut self) -> Result<(), StoreError> {
        if !self.is_wal_behind {
            return Ok(());
        }
        let length = self.link.wal_length();
        if length <= self.checkpoint_due {
            return Ok(());
        }
        self.is_wal_behind = false;
        let is_urgent = length > self.wal_bytes_max;
        let is_complete = self.checkpoint(if is_urgent { "TRUNCATE" } else { "PASSIVE" })?;
        // What a reader holds back is tried again when enough has come to make it worth the wait.
        let pause = if is_urgent { self.wal_bytes_max / 4 } else { CHECKPOINT_BYTES };
        self.checkpoint_due = if is_complete { CHECKPOINT_BYTES.min(self.wal_bytes_max) } else { length + pause };
        Ok(())
    }

    fn sweep(&mut self, rows_max: usize, visit: &mut dyn FnMut(Stored)) -> Result<Sweep, StoreError> {
        if self.walk.is_at_begin() {
            let content = self.content()?;
            if content.is_some() && content == self.swept {
                return Ok(Sweep::NothingNew);
            }
            self.swept = content;
        }
        let walk = &mut self.walk;
        self.link.transaction(Access::Read, &self.statements, |connection| walk.step(connection, rows_max, visit))
    }

    fn heartbeat(&mut self) -> Result<(), StoreError> {
        let (statements, epoch) = (&self.statements, [Bind::Integer(self.epoch)]);
        self.is_wal_behind = true;
        self.link.transaction(Access::Write, statements, |connection| {
            match run(connection, &statements.fence.with(&epoch))? {
                0 => Err(StoreError::Database(Box::new(TakenOver))),
                _ => Ok(()),
            }
        })
    }

    fn owner(&mut self) -> Option<String> {
        let (mut owner, query) = (None, self.statements.owner.with(&[]));
        let found = |mut columns: reading::Columns<'_, '_>| owner = columns.text().ok().map(String::from);
        for_each_row(self.link.connection().ok()?, query, &["owner"], found).ok()?;
        owner.filter(|owner| !owner.is_empty())
    }

    fn close_cleanly(&mut self) -> Result<(), StoreError> {
        let (statements, epoch) = (&self.statements, [Bind::Integer(self.epoch)]);
        self.link.transaction(Access::Write, statements, |connection| {
            match run(connection, &statements.mark_clean.with(&epoch))? {
                0 => Err(StoreError::Database(Box::new(TakenOver))),
                _ => Ok(()),
            }
        })?;
        self.checkpoint("TRUNCATE").map(drop)
    }
}

/// Writes one change; what is to be changed must be there.
fn write_one(connection: &mut SqliteConnection, statements: &Statements, change: &Change) -> Result<(), CommitError> {
    let table = match change {
        Change::PublicationContinued { .. } => statements.publications.table(),
        Change::CseqReserved { .. }
        | Change::SubscriptionAuthorized { .. }
        | Change::SubscriptionMoved { .. }
        | Change::SubscriptionRefreshed { .. } => statements.subscriptions.table(),
        _ => return writing::write(connection, statements, change).map(drop),
    };
    match writing::write(connection, statements, change)? {
        Some(0) => Err(CommitError::Data(Box::new(RowGone { table: table.to_owned() }))),
        _ => Ok(()),
    }
}

/// Reads rules documents; one that cannot be read denies, as one that is malformed does.
fn read_rules(
    connection: &mut SqliteConnection,
    select: &Statement,
    owner: &[Bind<'_>],
    visit: &mut dyn FnMut(RulesDocument),
) -> QueryResult<()> {
    for_each_row(connection, select.with(owner), statements::RULES_DOCUMENT, |mut columns| {
        if let Ok(document) = reading::rules_document(&mut columns) {
            visit(document);
        }
    })
}

/// Reads what a statement selects of one table.
fn read_table(
    connection: &mut SqliteConnection,
    select: &Statement,
    kind: reading::Kind,
    key: &[Bind<'_>],
    visit: &mut dyn FnMut(Stored),
) -> QueryResult<()> {
    for_each_row(connection, select.with(key), kind.columns, |mut columns| {
        visit((kind.read)(&mut columns).unwrap_or_else(|unreadable| Stored::Skipped {
            table: select.table().to_owned(),
            reason: unreadable.to_string(),
        }));
    })
}

/// The log is copied into the database file whenever it is this much longer: often enough to stay in the page cache,
/// seldom enough that a page changed a hundred times is copied once.
const CHECKPOINT_BYTES: u64 = 8 << 20;

/// See [`SqliteStore::wal_bytes_max`].
const WAL_BYTES_MAX: u64 = 256 << 20;
