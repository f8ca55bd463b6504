//! The walk over the tables, in the order of their rows: each step shows some, and the next goes on behind them.

use diesel::SqliteConnection;

use super::link::for_each_row;
use super::reading::{self, Kind};
use super::statements::{Bind, PUBLICATION, SUBSCRIPTION, Statement};
use crate::store::schema::TableId;
use crate::store::{StoreError, Stored, Sweep, TableNames};

/// How far the walk has come.
pub(super) struct Walk {
    tables: [(Statement, Kind); 2],
    table: usize,
    behind: i64,
}

impl Walk {
    /// Walks over publications and subscriptions from their first rows on.
    pub(super) fn new(names: &TableNames) -> Self {
        let select = |table, columns: &[&str]| {
            let head = format!("SELECT {}, rowid FROM ", columns.join(", "));
            Statement::on(&head, names.of(table), " WHERE rowid > ? ORDER BY rowid LIMIT ?")
        };
        let publications = (select(TableId::Presentity, PUBLICATION), reading::PUBLICATIONS);
        let subscriptions = (select(TableId::ActiveWatchers, SUBSCRIPTION), reading::SUBSCRIPTIONS);
        Self { tables: [publications, subscriptions], table: 0, behind: i64::MIN }
    }

    /// Returns whether the next step is the first of a pass.
    pub(super) fn is_at_begin(&self) -> bool {
        (self.table, self.behind) == (0, i64::MIN)
    }

    /// Shows the next rows to `visit`.
    pub(super) fn step(
        &mut self,
        connection: &mut SqliteConnection,
        rows_max: usize,
        visit: &mut dyn FnMut(Stored),
    ) -> Result<Sweep, StoreError> {
        let (mut table, mut behind, mut left) = (self.table, self.behind, rows_max.max(1));
        while let Some((select, kind)) = self.tables.get(table) {
            let (mut seen, asked) = (0, left);
            let binds = [Bind::Integer(behind), Bind::Integer(i64::try_from(left).unwrap_or(i64::MAX))];
            for_each_row(connection, select.with(&binds), kind.columns, |mut columns| {
                seen += 1;
                let row = (kind.read)(&mut columns).unwrap_or_else(|unreadable| Stored::Skipped {
                    table: select.table().to_owned(),
                    reason: unreadable.to_string(),
                });
                behind = columns.number_at(kind.columns.len()).unwrap_or(i64::MAX);
                visit(row);
            })?;
            left -= seen;
            if seen == asked {
                break;
            }
            (table, behind) = (table + 1, i64::MIN);
        }
        let is_over = table == self.tables.len();
        (self.table, self.behind) = if is_over { (0, i64::MIN) } else { (table, behind) };
        Ok(if is_over { Sweep::Finished } else { Sweep::Unfinished })
    }
}
