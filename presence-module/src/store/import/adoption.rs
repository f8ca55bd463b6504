//! The tables of the module of 2006, taken over inside their own database at the first start.

use std::time::Duration;

use super::source::Source;
use super::transfer::{SourceNames, Transfer, TransferError};
use crate::store::sql::old_tables::OldTables;
use crate::store::url::DatabaseUrl;
use crate::store::{Opening, SqlStore, StoreError};

/// How much longer somebody waits for a decision; the server's `waiting_time` bounds it further.
const WAITING_TIME_S: u64 = 259_200;

/// Takes over what is in tables that were set aside, if there are any and it was not done yet; then every watcher is owed
/// the present state.
pub(crate) fn adopt(
    url: &DatabaseUrl,
    timeout: Duration,
    target: &mut SqlStore,
    opening: &mut Opening,
    note: &mut dyn FnMut(&str),
) -> Result<(), StoreError> {
    let Some(old) = target.old_tables() else { return Ok(()) };
    if old.are_there() {
        let names = names(old);
        target.empty()?;
        let (source, now_s) = (Source::open(url, timeout)?, target.now_s()?);
        let transfer = Transfer { source, names, target, now_s, waiting_time_s: WAITING_TIME_S };
        for report in transfer.run().map_err(StoreError::from)? {
            note(&report.to_string());
        }
        opening.was_clean = false;
    }
    opening.next_publication_id = target.finish_migration()?;
    Ok(())
}

fn names(old: OldTables) -> SourceNames {
    let OldTables { presentity, active_watchers, watchers, xcap } = old;
    SourceNames { presentity, active_watchers, watchers, xcap, is_complete: true }
}

impl From<TransferError> for StoreError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Refused(why) => Self::Schema { found: why, expected: "the tables of 2006".into() },
            TransferError::Source(error) | TransferError::Target(error) => error,
        }
    }
}
