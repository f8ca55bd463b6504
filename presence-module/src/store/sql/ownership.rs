//! The one server that may write a database: its row, its epoch, its heartbeat (design: one owner of a database).
//!
//! Every transaction that writes begins with an update of the row that fails once another server has raised the epoch.
//! After a session was lost the epoch is raised before anything is read, so that what the lost session may still have
//! under way comes before it or not at all.

use super::connection::Connection;
use super::dialect::Dialect;
use super::migration::Migration;
use super::reading::Columns;
use super::statement::Statement;
use super::value::Bind;
use crate::store::owner::{Holder, Owner};
use crate::store::schema::TableId;
use crate::store::{StoreError, TableNames, TakenOver};

/// Whether a database is taken from a server that seems to live.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TakeOver {
    /// Whoever owns it.
    ByForce,
    /// Only from one that is gone.
    IfOwnerIsGone,
}

/// Our right to write.
#[derive(Debug)]
pub(crate) struct Ownership {
    owner: String,
    epoch: i64,
    /// The epoch of an attempt to raise it whose outcome nobody told us.
    attempted: i64,
    raise: Statement,
    read: Statement,
}

impl Ownership {
    /// Makes `owner` the owner, inside the caller's transaction, and returns whether the last one stopped in order.
    pub(crate) fn take(
        migration: &mut Migration<'_>,
        owner: &str,
        take_over: TakeOver,
    ) -> Result<(Self, bool), StoreError> {
        let (dialect, names) = (migration.dialect, migration.names);
        let table = dialect.quoted(names.of(TableId::Owner));
        let holder = holder(migration)?.ok_or_else(|| StoreError::Schema {
            found: format!("no row in `{}`", names.of(TableId::Owner)),
            expected: "the one row of its first start".into(),
        })?;
        if take_over == TakeOver::IfOwnerIsGone && holder.is_serving() {
            return Err(StoreError::Owned(holder));
        }
        let now = dialect.now();
        let taken =
            format!("UPDATE {table} SET owner = ?, epoch = epoch + 1, heartbeat = {now}, clean = 0 WHERE id = 1");
        migration.connection.run(&Statement::new(dialect, &taken), &[Bind::Text(owner)])?;
        let mut ownership = Self::new(dialect, names, owner);
        ownership.epoch = ownership.stored_epoch(migration.connection)?;
        ownership.attempted = ownership.epoch;
        Ok((ownership, holder.was_clean))
    }

    fn new(dialect: Dialect, names: &TableNames, owner: &str) -> Self {
        let table = dialect.quoted(names.of(TableId::Owner));
        let now = dialect.now();
        let raise = format!(
            "UPDATE {table} SET epoch = ?, heartbeat = {now} WHERE id = 1 AND owner = ? AND epoch >= ? AND epoch <= ?"
        );
        let read = format!("SELECT epoch FROM {table} WHERE id = 1");
        let (raise, read) = (Statement::new(dialect, &raise), Statement::new(dialect, &read));
        Self { owner: owner.to_owned(), epoch: 0, attempted: 0, raise, read }
    }

    /// Returns what the epoch of each write must be.
    pub(crate) fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Takes the database anew in a session that takes the place of a lost one, inside the caller's transaction.
    ///
    /// # Errors
    /// Another server has it ([`TakenOver`]), or the database failed.
    pub(crate) fn raise(&mut self, connection: &mut dyn Connection) -> Result<(), StoreError> {
        let (lowest, highest) = (self.epoch, self.attempted);
        self.attempted = highest + 1;
        let binds =
            [Bind::Integer(highest + 1), Bind::Text(&self.owner), Bind::Integer(lowest), Bind::Integer(highest)];
        match connection.run(&self.raise, &binds)? {
            0 => Err(StoreError::Database(Box::new(TakenOver))),
            _ => Ok(()),
        }
    }

    /// Notes that the transaction of [`raise`](Self::raise) was committed.
    pub(crate) fn raised(&mut self) {
        self.epoch = self.attempted;
    }

    fn stored_epoch(&self, connection: &mut dyn Connection) -> Result<i64, StoreError> {
        let mut epoch = None;
        connection.query(&self.read, &[], &mut |row| epoch = Columns::new(row, &["epoch"]).number().ok())?;
        epoch.ok_or_else(|| StoreError::Schema { found: "no epoch".into(), expected: "a number".into() })
    }
}

/// Returns who owns the database, `None` where the row is missing.
pub(crate) fn holder(migration: &mut Migration<'_>) -> Result<Option<Holder>, StoreError> {
    let dialect = migration.dialect;
    let table = dialect.quoted(migration.names.of(TableId::Owner));
    let names = ["owner", "heartbeat_age", "clean"];
    let query =
        format!("SELECT owner, {} - heartbeat AS heartbeat_age, clean FROM {table} WHERE id = 1", dialect.now());
    let mut holder = None;
    migration.connection.query(&Statement::new(dialect, &query), &[], &mut |row| {
        let mut columns = Columns::new(row, &names);
        let owner = columns.text().ok().and_then(|text| Owner::from_column(&text));
        let heartbeat_age_s = columns.number().unwrap_or(i64::MAX);
        holder = Some(Holder { owner, heartbeat_age_s, was_clean: columns.number() == Ok(1_i64) });
    })?;
    Ok(holder)
}
