//! A walk through publications and subscriptions in the order of their keys, some rows at a time.

use super::connection::Connection;
use super::reading;
use super::statements::Statements;
use super::store::show;
use super::value::Bind;
use crate::store::{StoreError, Stored, Sweep};

/// How far the walk has come.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    at: At,
}

#[derive(Debug)]
enum At {
    Publications { behind: i64 },
    Subscriptions { behind: Vec<u8> },
}

impl Default for At {
    fn default() -> Self {
        Self::Publications { behind: i64::MIN }
    }
}

impl Walk {
    /// Returns whether the next step is the first of a pass.
    pub(crate) fn is_at_its_beginning(&self) -> bool {
        matches!(self.at, At::Publications { behind: i64::MIN })
    }

    /// Shows the next `rows_max` rows.
    pub(crate) fn step(
        &mut self,
        connection: &mut dyn Connection,
        statements: &Statements,
        rows_max: usize,
        visit: &mut dyn FnMut(Stored),
    ) -> Result<Sweep, StoreError> {
        let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let (mut rows, mut last_id, mut last_key) = (0, None, None);
        match &self.at {
            At::Publications { behind } => {
                let binds = [Bind::Integer(*behind), Bind::Integer(limit)];
                show(connection, &statements.next_publications, &binds, reading::PUBLICATIONS, &mut |row, stored| {
                    rows += 1;
                    row.cell(0, &mut |cell| last_id = cell.as_integer().or(last_id));
                    visit(stored);
                })?;
            }
            At::Subscriptions { behind } => {
                let binds = [Bind::Blob(behind), Bind::Integer(limit)];
                show(
                    connection,
                    &statements.next_subscriptions,
                    &binds,
                    reading::SUBSCRIPTIONS,
                    &mut |row, stored| {
                        rows += 1;
                        row.cell(0, &mut |cell| last_key = cell.as_bytes().map(<[u8]>::to_vec).or(last_key.take()));
                        visit(stored);
                    },
                )?;
            }
        }
        let is_more = rows >= rows_max;
        let next = match (&self.at, last_id, last_key) {
            (At::Publications { .. }, Some(behind), _) if is_more => At::Publications { behind },
            (At::Publications { .. }, ..) => At::Subscriptions { behind: Vec::new() },
            (At::Subscriptions { .. }, _, Some(behind)) if is_more => At::Subscriptions { behind },
            (At::Subscriptions { .. }, ..) => At::default(),
        };
        self.at = next;
        Ok(if self.is_at_its_beginning() { Sweep::Finished } else { Sweep::Unfinished })
    }
}
