//! Work in a session, in one transaction or in none, and whether the session is still good after it.

use super::connection::{Access, Connection, Failure, Fault, Version};
use super::statement::{Statement, Write};
use super::value::{Bind, Row};

/// Runs `work` in one transaction of `connection`. An error says whether the session is still good.
pub(super) fn transaction<T, E: From<Failure>>(
    connection: &mut dyn Connection,
    access: Access,
    work: impl FnOnce(&mut dyn Connection) -> Result<T, E>,
) -> Result<T, (E, bool)> {
    let mut session = Watched { connection, is_lost: false };
    if let Err(failure) = session.begin(access) {
        return Err((failure.into(), !session.is_lost));
    }
    let done = work(&mut session).and_then(|value| Ok(session.commit().map(|()| value)?));
    done.map_err(|error| {
        // Nobody talks to a session that is lost: its server would be waited for once more, and what it answers then is
        // the answer to an earlier question. To drop it has the effect the rollback should have had.
        let is_good = !session.is_lost && session.roll_back().is_ok();
        (error, is_good)
    })
}

/// Runs `work`, of which each statement stands for itself. An error says whether the session is still good.
pub(super) fn without_transaction<T, E: From<Failure>>(
    connection: &mut dyn Connection,
    work: impl FnOnce(&mut dyn Connection) -> Result<T, E>,
) -> Result<T, (E, bool)> {
    let mut session = Watched { connection, is_lost: false };
    work(&mut session).map_err(|error| (error, !session.is_lost))
}

/// A session that remembers whether it was lost.
struct Watched<'a> {
    connection: &'a mut dyn Connection,
    is_lost: bool,
}

impl Watched<'_> {
    fn watch<T>(&mut self, call: impl FnOnce(&mut dyn Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        call(self.connection).inspect_err(|failure| self.is_lost |= failure.fault == Fault::Session)
    }
}

impl Connection for Watched<'_> {
    fn begin(&mut self, access: Access) -> Result<(), Failure> {
        self.watch(|connection| connection.begin(access))
    }

    fn commit(&mut self) -> Result<(), Failure> {
        self.watch(|connection| connection.commit())
    }

    fn roll_back(&mut self) -> Result<(), Failure> {
        self.watch(|connection| connection.roll_back())
    }

    fn run(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> Result<u64, Failure> {
        self.watch(|connection| connection.run(statement, binds))
    }

    fn write(&mut self, writes: &[Write<'_>]) -> Result<(), Failure> {
        self.watch(|connection| connection.write(writes))
    }

    fn query(
        &mut self,
        statement: &Statement,
        binds: &[Bind<'_>],
        visit: &mut dyn FnMut(&dyn Row),
    ) -> Result<(), Failure> {
        self.watch(|connection| connection.query(statement, binds, visit))
    }

    fn maintain(&mut self, is_last: bool) -> Result<(), Failure> {
        self.watch(|connection| connection.maintain(is_last))
    }

    fn version_of_others(&mut self) -> Result<Option<Version>, Failure> {
        self.watch(|connection| connection.version_of_others())
    }

    fn version_before_walk(&mut self) -> Result<Option<Version>, Failure> {
        self.watch(|connection| connection.version_before_walk())
    }

    fn durability_caveat(&mut self) -> Result<Option<String>, Failure> {
        self.watch(|connection| connection.durability_caveat())
    }
}
