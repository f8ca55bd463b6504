//! The seam to a database: one session, used by one thread at a time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::statement::{Statement, Write};
use super::value::{Bind, Row};
use crate::store::{BoxedError, CommitError, RowHeld, SessionLost, StoreError};

/// What a transaction is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// A view of one moment.
    Read,
    /// Changes.
    Write,
}

/// Whose fault it is that a statement failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// What was to be written: the decision is refused, or tried once more, for a deadlock is told the same way.
    Data,
    /// Another session holds a row, and has for [`HELD_UP_FOR`] of what an answer is waited for; the session is good.
    Held,
    /// The session may be gone, and nobody knows what became of its transaction: it is dropped.
    Session,
    /// The database cannot do it now; the session is good.
    World,
}

/// The part of what an answer is waited for that is waited for a row which another session holds: whoever needs it holds
/// up everybody else, and finding out who that is takes some tries.
pub(crate) const HELD_UP_FOR: u32 = 16;

/// Why a statement failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whose fault it is.
    pub(crate) fault: Fault,
    /// What the database, or the way to it, says.
    pub(crate) error: BoxedError,
}

impl Failure {
    /// Blames nobody: what failed is the same for all.
    pub(crate) fn of_everybody(self) -> Self {
        match self.fault {
            Fault::Data | Fault::Held => Self { fault: Fault::World, ..self },
            Fault::Session | Fault::World => self,
        }
    }
}

/// Tells one session of this process from all others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SessionNumber(u64);

impl SessionNumber {
    /// Returns one that no other session has.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What stands for all that other sessions have committed; each session counts for itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Version {
    /// Who counted.
    pub(crate) session: SessionNumber,
    /// The count.
    pub(crate) number: i64,
}

/// A session with a database. A [`Failure`] of any call leaves a transaction that can only be rolled back.
pub(crate) trait Connection: Send {
    /// Begins a transaction.
    fn begin(&mut self, access: Access) -> Result<(), Failure>;

    /// Commits; what was written is as durable as was asked for when it returns.
    fn commit(&mut self) -> Result<(), Failure>;

    /// Undoes the transaction.
    fn roll_back(&mut self) -> Result<(), Failure>;

    /// Runs a statement and returns how many rows it met.
    fn run(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> Result<u64, Failure>;

    /// Runs all `writes`, in an order that cannot be told from theirs.
    ///
    /// # Errors
    /// The first failure; a statement that [must meet its row](Statement::must_meet_its_row) and does not is
    /// [`RowGone`](crate::store::RowGone), the data's fault.
    fn write(&mut self, writes: &[Write<'_>]) -> Result<(), Failure> {
        for write in writes {
            let met = self.run(write.statement, &write.binds)?;
            check_met(write.statement, met)?;
        }
        Ok(())
    }

    /// Shows each row to `visit`, one at a time, and holds no more of them than a few.
    fn query(
        &mut self,
        statement: &Statement,
        binds: &[Bind<'_>],
        visit: &mut dyn FnMut(&dyn Row),
    ) -> Result<(), Failure>;

    /// Does what keeps the database's files small, outside of any transaction.
    fn maintain(&mut self, _is_last: bool) -> Result<(), Failure> {
        Ok(())
    }

    /// Returns what is another after some other session committed; `None` if the database does not tell, or not at once.
    fn version_of_others(&mut self) -> Result<Option<Version>, Failure> {
        Ok(None)
    }

    /// Returns the same, where that may take some milliseconds.
    fn version_before_walk(&mut self) -> Result<Option<Version>, Failure> {
        self.version_of_others()
    }

    /// Returns what an operator should know about how this database keeps what is committed, if anything.
    fn durability_caveat(&mut self) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}

/// Opens a session, again and again.
pub(crate) type Connect = Box<dyn FnMut() -> Result<Box<dyn Connection>, StoreError> + Send>;

/// Refuses a statement that met no row and should have.
pub(crate) fn check_met(statement: &Statement, met: u64) -> Result<(), Failure> {
    if met > 0 || !statement.must_meet_its_row() {
        return Ok(());
    }
    let gone = crate::store::RowGone { table: statement.table().to_owned() };
    Err(Failure { fault: Fault::Data, error: Box::new(gone) })
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::Database(match failure.fault {
            Fault::Data | Fault::World => failure.error,
            Fault::Held => Box::new(RowHeld(failure.error)),
            Fault::Session => Box::new(SessionLost(failure.error)),
        })
    }
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        match failure.fault {
            Fault::Data => Self::Data(failure.error),
            Fault::Held => Self::Held(failure.error),
            Fault::Session | Fault::World => Self::World(failure.error),
        }
    }
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        Self::World(Box::new(error))
    }
}
