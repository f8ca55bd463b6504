//! A database as a [`Store`]: the session, got back when it is lost; the transaction, fenced; the rows, read and written.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::connection::{Access, Connect, Connection, Failure, Fault, Version};
use super::dialect::Dialect;
use super::migration::{Migrate, Migration};
use super::old_tables::OldTables;
use super::ownership::{Ownership, TakeOver};
use super::reading::{self, Columns};
use super::rule_owners::RuleOwners;
use super::statement::Statement;
use super::statements::Statements;
use super::sweep::Walk;
use super::transaction::{transaction, without_transaction};
use super::value::{Bind, Row};
use super::writing;
use crate::change::Change;
use crate::presentity_uri::PresentityUri;
use crate::store::schema::TableId;
use crate::store::{
    CommitError, Opening, RowKeys, RulesDocument, Scope, Store, StoreError, Stored, Sweep, TableNames, TakenOver,
};

/// A database that this process owns.
pub struct SqlStore {
    connect: Connect,
    connection: Option<Box<dyn Connection>>,
    dialect: Dialect,
    names: TableNames,
    /// What is to be taken over before the version of the tables is noted.
    old_tables: Option<OldTables>,
    statements: Statements,
    ownership: Ownership,
    walk: Walk,
    /// What others had committed when the last pass of the walk began.
    walked_at: Option<Version>,
    /// What they had when nobody's rules had changed.
    pub(super) unchanged: Option<Version>,
    /// Those whose rules changed and whom nobody has asked for yet.
    pub(super) changed_rules: BTreeSet<PresentityUri>,
    pub(super) rule_owners: RuleOwners,
}

/// How a database is taken into use.
pub struct Taking<'a> {
    /// The names of the tables.
    pub names: &'a TableNames,
    /// Who takes it, written `host:pid`.
    pub owner: &'a str,
    /// From whom.
    pub take_over: TakeOver,
    /// What may be done to its tables.
    pub migrate: Migrate,
    /// Where a secret comes from, if there is none yet.
    pub random: &'a mut dyn FnMut(&mut [u8]),
    /// Told what an operator should know of what is done.
    pub note: &'a mut dyn FnMut(&str),
}

impl SqlStore {
    /// Takes the database that `connect` leads to into use.
    ///
    /// # Errors
    /// It cannot be reached, another server owns it, its tables are not ours, or `taking.names` will not do.
    pub(crate) fn open(
        dialect: Dialect,
        mut connect: Connect,
        taking: &mut Taking<'_>,
    ) -> Result<(Self, Opening), StoreError> {
        let Taking { names, owner, take_over, migrate, random, note } = taking;
        names.check().map_err(|bad| StoreError::Database(Box::new(bad)))?;
        let mut connection = connect()?;
        let (old_tables, ownership, opening) = transaction(&mut *connection, Access::Write, |connection| {
            let mut migration = Migration { connection, dialect, names, note };
            let old_tables = migration.run(*migrate)?;
            let (ownership, was_clean) = Ownership::take(&mut migration, owner, *take_over)?;
            let opening = migration.opening(was_clean, ownership.epoch(), random)?;
            Ok::<_, StoreError>((old_tables, ownership, opening))
        })
        .map_err(|(error, _)| error)?;
        let store = Self {
            connect,
            connection: Some(connection),
            dialect,
            names: (*names).clone(),
            old_tables,
            statements: Statements::new(dialect, names),
            ownership,
            walk: Walk::default(),
            walked_at: None,
            unchanged: None,
            changed_rules: BTreeSet::new(),
            rule_owners: RuleOwners::Unknown,
        };
        Ok((store, opening))
    }

    /// Returns the tables of 2006 that are to be taken over before all is as it should be, `None` where it is.
    pub(crate) fn old_tables(&mut self) -> Option<OldTables> {
        self.old_tables.take()
    }

    /// Removes what an earlier attempt to take over may have left.
    pub(crate) fn empty(&mut self) -> Result<(), StoreError> {
        let tables = [TableId::Presentity, TableId::ActiveWatchers, TableId::Watchers, TableId::XcapXml];
        let emptied = tables.map(|table| format!("DELETE FROM {}", self.dialect.quoted(self.names.of(table))));
        self.owned(|connection, _| {
            for statement in &emptied {
                connection.run(&Statement::verbatim(statement), &[])?;
            }
            Ok(())
        })
    }

    /// Notes that the tables are those of this version, and returns the next id of a publication.
    pub(crate) fn finish_migration(&mut self) -> Result<u64, StoreError> {
        let (dialect, names) = (self.dialect, self.names.clone());
        self.owned(|connection, _| {
            let mut migration = Migration { connection, dialect, names: &names, note: &mut |_| () };
            migration.note_version()?;
            migration.next_publication_id()
        })
    }

    /// Returns the database's clock, in seconds since 1970-01-01 UTC.
    pub(crate) fn now_s(&mut self) -> Result<u64, StoreError> {
        let query = Statement::new(self.dialect, &format!("SELECT {}", self.dialect.now()));
        self.with(|connection, _| {
            let mut now_s = 0;
            connection.query(&query, &[], &mut |row| now_s = Columns::new(row, &["now"]).number().unwrap_or(0))?;
            Ok(now_s)
        })
    }

    /// Returns what an operator should know about how this database keeps what is committed, if anything.
    ///
    /// # Errors
    /// The database failed.
    pub fn durability_caveat(&mut self) -> Result<Option<String>, StoreError> {
        self.with(|connection, _| Ok(connection.durability_caveat()?))
    }

    /// Runs `work` in one transaction; an error of it leaves nothing behind.
    fn transaction<T, E: From<Failure> + From<StoreError>>(
        &mut self,
        access: Access,
        work: impl FnOnce(&mut dyn Connection, &Statements) -> Result<T, E>,
    ) -> Result<T, E> {
        let statements = &self.statements;
        let connection = connected(&mut self.connection, &mut self.connect, &mut self.ownership)?;
        let done = transaction(connection, access, |connection| work(connection, statements));
        kept(&mut self.connection, done)
    }

    /// Reads, each statement for itself: a transaction would cost more than what is read.
    pub(super) fn reading<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Connection, &Statements) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let statements = &self.statements;
        let connection = connected(&mut self.connection, &mut self.connect, &mut self.ownership)?;
        let done = without_transaction(connection, |connection| work(connection, statements));
        kept(&mut self.connection, done)
    }

    /// Runs `work` in the session, which is dropped if it fails.
    pub(in crate::store) fn with<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Connection, &Statements) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = connected(&mut self.connection, &mut self.connect, &mut self.ownership)?;
        work(connection, &self.statements).inspect_err(|_| self.connection = None)
    }

    /// Writes in one transaction, if this server still owns the database.
    pub(super) fn owned<T, E: From<Failure> + From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut dyn Connection, &Statements) -> Result<T, E>,
    ) -> Result<T, E> {
        self.fenced(|statements| &statements.fence, work)
    }

    /// Writes in one transaction that begins with `fence`: a change of the owner's row, if it is still ours.
    fn fenced<T, E: From<Failure> + From<StoreError>>(
        &mut self,
        fence: impl FnOnce(&Statements) -> &Statement,
        work: impl FnOnce(&mut dyn Connection, &Statements) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = connected(&mut self.connection, &mut self.connect, &mut self.ownership)?;
        // Only once there is a session is it known which epoch is ours.
        let (statements, epoch) = (&self.statements, [Bind::Integer(self.ownership.epoch())]);
        let done = transaction(connection, Access::Write, |connection| {
            check_owned(connection.run(fence(statements), &epoch).map_err(Failure::of_everybody)?)?;
            work(connection, statements)
        });
        kept(&mut self.connection, done)
    }

    pub(super) fn version_of_others(&mut self) -> Result<Option<Version>, StoreError> {
        self.with(|connection, _| Ok(connection.version_of_others()?))
    }

    fn version_before_walk(&mut self) -> Result<Option<Version>, StoreError> {
        self.with(|connection, _| Ok(connection.version_before_walk()?))
    }
}

impl Store for SqlStore {
    fn commit(&mut self, decisions: &[&[Change]]) -> Result<(), CommitError> {
        let changes = || decisions.iter().copied().flat_map(written);
        if changes().next().is_none() {
            return Ok(());
        }
        self.owned(|connection, statements| {
            let writes: Result<Vec<_>, _> =
                changes().filter_map(|one| writing::write(statements, one).transpose()).collect();
            Ok(connection.write(&writes?)?)
        })
    }

    fn load(&mut self, scope: Scope<'_>, visit: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
        if let Scope::All = scope {
            self.walked_at = self.version_before_walk()?;
        }
        self.transaction(Access::Read, |connection, statements| match scope {
            Scope::All => load_all(connection, statements, visit),
            Scope::Rows(keys) => load_some(connection, statements, keys, visit),
        })
    }

    fn load_rules(
        &mut self,
        owners: Option<&[Arc<PresentityUri>]>,
        visit: &mut dyn FnMut(RulesDocument),
    ) -> Result<(), StoreError> {
        self.read_rules(owners, visit)
    }

    fn changed_rules(&mut self) -> Result<Vec<PresentityUri>, StoreError> {
        self.look_at_changed_rules()?;
        Ok(std::mem::take(&mut self.changed_rules).into_iter().collect())
    }

    fn maintain(&mut self) -> Result<(), StoreError> {
        self.with(|connection, _| Ok(connection.maintain(false)?))
    }

    fn sweep(&mut self, rows_max: usize, visit: &mut dyn FnMut(Stored)) -> Result<Sweep, StoreError> {
        if self.walk.is_at_its_beginning() {
            self.forget_rule_owners();
            let version = self.version_before_walk()?;
            if version.is_some() && version == self.walked_at {
                return Ok(Sweep::NothingNew);
            }
            self.walked_at = version;
        }
        let mut walk = std::mem::take(&mut self.walk);
        let step =
            self.transaction(Access::Read, |connection, statements| walk.step(connection, statements, rows_max, visit));
        // A step that failed is taken again.
        self.walk = walk;
        step
    }

    fn heartbeat(&mut self) -> Result<(), StoreError> {
        self.fenced(|statements| &statements.heartbeat, |_, _| Ok(()))
    }

    fn owner(&mut self) -> Option<String> {
        let mut owner = None;
        let found = self.transaction(Access::Read, |connection, statements| {
            connection.query(&statements.owner, &[], &mut |row| owner = Columns::new(row, &["owner"]).text().ok())?;
            Ok::<_, StoreError>(())
        });
        found.ok().and(owner).map(String::from)
    }

    fn close_cleanly(&mut self) -> Result<(), StoreError> {
        self.fenced(|statements| &statements.mark_clean, |_, _| Ok::<_, StoreError>(()))?;
        self.with(|connection, _| Ok(connection.maintain(true)?))
    }
}

/// Returns the session, opened again if it was lost: then the database is taken anew before anything else happens in it.
fn connected<'a>(
    connection: &'a mut Option<Box<dyn Connection>>,
    connect: &mut Connect,
    ownership: &mut Ownership,
) -> Result<&'a mut dyn Connection, StoreError> {
    if connection.is_none() {
        let mut session = connect()?;
        transaction(&mut *session, Access::Write, |session| ownership.raise(session)).map_err(|(error, _)| error)?;
        ownership.raised();
        *connection = Some(session);
    }
    let session = connection.as_mut().expect("it was just put there");
    Ok(&mut **session)
}

/// Returns what was done, and drops the session if it is not good after it.
fn kept<T, E>(connection: &mut Option<Box<dyn Connection>>, done: Result<T, (E, bool)>) -> Result<T, E> {
    done.map_err(|(error, is_good)| {
        if !is_good {
            *connection = None;
        }
        error
    })
}

/// Returns what of a decision is to be written: not what only memory knows of, and not how a subscription goes on that the
/// same decision ends.
fn written(decision: &[Change]) -> impl Iterator<Item = &Change> {
    decision
        .iter()
        .enumerate()
        .filter(|(at, change)| change.is_durable() && !is_over(change, &decision[at + 1..]))
        .map(|(_, change)| change)
}

fn is_over(change: &Change, later: &[Change]) -> bool {
    let (Change::SubscriptionRefreshed { row, .. } | Change::SubscriptionMoved { row, .. }) = change else {
        return false;
    };
    later.iter().any(|change| matches!(change, Change::SubscriptionRemoved { key, .. } if *key == row.key))
}

fn check_owned(met: u64) -> Result<(), Failure> {
    match met {
        0 => Err(Failure { fault: Fault::World, error: Box::new(TakenOver) }),
        _ => Ok(()),
    }
}

fn load_all(
    connection: &mut dyn Connection,
    statements: &Statements,
    visit: &mut dyn FnMut(Stored),
) -> Result<(), StoreError> {
    show(connection, &statements.publications, &[], reading::PUBLICATIONS, &mut |_, stored| visit(stored))?;
    show(connection, &statements.subscriptions, &[], reading::SUBSCRIPTIONS, &mut |_, stored| visit(stored))?;
    show(connection, &statements.watchers, &[], reading::WATCHERS, &mut |_, stored| visit(stored))
}

fn load_some(
    connection: &mut dyn Connection,
    statements: &Statements,
    keys: &RowKeys,
    visit: &mut dyn FnMut(Stored),
) -> Result<(), StoreError> {
    let mut show =
        |statement, binds: &[Bind<'_>], kind| show(connection, statement, binds, kind, &mut |_, row| visit(row));
    for id in &keys.publications {
        let Ok(id) = i64::try_from(*id) else { continue };
        show(&statements.publication, &[Bind::Integer(id)], reading::PUBLICATIONS)?;
    }
    for key in &keys.subscriptions {
        show(&statements.subscription, &[Bind::Blob(&key.0)], reading::SUBSCRIPTIONS)?;
    }
    for presentity in &keys.watchers_of {
        let binds = [Bind::Text(&presentity.user), Bind::Text(&presentity.domain)];
        show(&statements.watchers_of, &binds, reading::WATCHERS)?;
    }
    Ok(())
}

/// Shows each row with what it says, or with what is wrong with it.
pub(super) fn show(
    connection: &mut dyn Connection,
    select: &Statement,
    binds: &[Bind<'_>],
    kind: reading::Kind,
    visit: &mut dyn FnMut(&dyn Row, Stored),
) -> Result<(), StoreError> {
    connection.query(select, binds, &mut |row| {
        let stored = (kind.read)(&mut Columns::new(row, kind.columns));
        let stored = stored.unwrap_or_else(|unreadable| Stored::Skipped {
            table: select.table().to_owned(),
            reason: unreadable.to_string(),
        });
        visit(row, stored);
    })?;
    Ok(())
}
