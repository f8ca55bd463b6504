//! Rows that are over and that nobody removed: looked for in steps of some thousand rows, so that no step holds up commits.

use diesel::SqliteConnection;

use super::link::{for_each_row, run};
use super::statements::{Bind, Statement};
use crate::store::schema::TableId;
use crate::store::{StoreError, TableNames};

/// Rows looked at in one step, in each table.
const STEP: i64 = 4096;

/// A table that is swept, and how far the sweep has come.
#[derive(Debug)]
pub(super) struct Swept {
    /// Finds the last row of the step that begins behind a row.
    last: Statement,
    remove: Statement,
    behind: i64,
}

impl Swept {
    /// Sweeps publications and subscriptions from their first rows on.
    pub(super) fn all(names: &TableNames) -> [Self; 2] {
        [TableId::Presentity, TableId::ActiveWatchers].map(|table| {
            let (name, step) = (names.of(table), STEP - 1);
            Self {
                last: Statement::on(
                    "SELECT rowid FROM ",
                    name,
                    &format!(" WHERE rowid > ? ORDER BY rowid LIMIT 1 OFFSET {step}"),
                ),
                remove: Statement::on("DELETE FROM ", name, " WHERE rowid > ? AND rowid <= ? AND expires < ?"),
                behind: i64::MIN,
            }
        })
    }

    /// Removes what ended before `before` in the next step, and returns how many rows that were.
    pub(super) fn step(&mut self, connection: &mut SqliteConnection, before: i64) -> Result<usize, StoreError> {
        let mut last = None;
        let behind = [Bind::Integer(self.behind)];
        for_each_row(connection, self.last.with(&behind), &["rowid"], |mut columns| {
            last = columns.number::<i64>().ok()
        })?;
        let binds = [behind[0], Bind::Integer(last.unwrap_or(i64::MAX)), Bind::Integer(before)];
        let removed = run(connection, &self.remove.with(&binds))?;
        // Past the last row the sweep begins anew.
        self.behind = last.unwrap_or(i64::MIN);
        Ok(removed)
    }
}
