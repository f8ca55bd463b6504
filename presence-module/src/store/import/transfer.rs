//! All of a foreign database into an empty one of ours, and a report of what became of it.
//!
//! Rows are written in batches, each in one transaction. A row that the database refuses is found by halves and skipped. The
//! end is not marked as a clean stop: the next start owes every watcher the present state.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::foreign_row::{ForeignRow, Skipped};
use super::layout::{ForeignTable, Layout};
use super::source::Source;
use super::{publication, rules_document, subscription, watcher};
use crate::change::{Change, Moment, SubscriptionKey};
use crate::store::{CommitError, NewDocument, Scope, SqlStore, Store, StoreError};

/// What the tables of the source are called; `None` for the name its program gives them.
#[derive(Clone, Debug, Default)]
pub struct SourceNames {
    /// Publications.
    pub presentity: Option<String>,
    /// Subscriptions.
    pub active_watchers: Option<String>,
    /// Authorisation states.
    pub watchers: Option<String>,
    /// Rules documents.
    pub xcap: Option<String>,
    /// Whether what has no name here is not there.
    pub is_complete: bool,
}

/// What is taken over, into what, and as of when.
pub struct Transfer<'a> {
    /// The foreign database.
    pub source: Source,
    /// Its tables.
    pub names: SourceNames,
    /// Ours, which must be empty.
    pub target: &'a mut SqlStore,
    /// The seconds since 1970-01-01 UTC.
    pub now_s: u64,
    /// For how much longer somebody waits on whom nobody has decided.
    pub waiting_time_s: u64,
}

/// What became of one table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// The table, as the source calls it.
    pub table: String,
    /// Rows that were taken over.
    pub taken: u64,
    /// Rows that were not, by what is wrong with them.
    pub skipped: BTreeMap<Skipped, u64>,
}

/// Why nothing, or not everything, was taken over.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// What was named is not what one can take over from, or into.
    #[error("{0}")]
    Refused(String),
    /// The source failed.
    #[error("the source: {0}")]
    Source(#[source] StoreError),
    /// The target failed; what was written before is there.
    #[error("the target: {0}")]
    Target(#[source] StoreError),
}

/// A table that was found.
struct Found {
    table: ForeignTable,
    name: String,
    layout: Layout,
    columns: Vec<&'static str>,
}

impl Transfer<'_> {
    /// Takes over everything that can be held, and returns what became of each table.
    ///
    /// # Errors
    /// Nothing is written unless every table is known and the target is empty.
    pub fn run(mut self) -> Result<Vec<Report>, TransferError> {
        refuse_occupied(self.target)?;
        let mut found = Vec::new();
        for table in ForeignTable::ALL {
            found.extend(self.find(table)?);
        }
        if found.is_empty() {
            return Err(TransferError::Refused("the source has none of the tables".into()));
        }
        found.into_iter().map(|found| self.take(found)).collect()
    }

    /// Finds a table by the name it was given, else by those its programs give it.
    fn find(&mut self, table: ForeignTable) -> Result<Option<Found>, TransferError> {
        let named = match table {
            ForeignTable::ActiveWatchers => &self.names.active_watchers,
            ForeignTable::Presentity => &self.names.presentity,
            ForeignTable::Watchers => &self.names.watchers,
            ForeignTable::Xcap => &self.names.xcap,
        };
        let names = match named {
            Some(name) => vec![name.clone()],
            None if self.names.is_complete => return Ok(None),
            None => [Layout::Kamailio, Layout::Seed2006].map(|layout| table.default_name(layout).to_owned()).into(),
        };
        for name in &names {
            let columns = self.source.columns(name).map_err(TransferError::Source)?;
            if columns.is_empty() {
                continue;
            }
            let refused = |why: Skipped| TransferError::Refused(format!("table `{name}` of the source: {why}"));
            let layout = Layout::of(table, &columns).map_err(refused)?;
            let has = |name: &&str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
            let columns = table.columns(layout).iter().map(|column| column.name).filter(has).collect();
            return Ok(Some(Found { table, name: name.clone(), layout, columns }));
        }
        match named {
            Some(name) => Err(TransferError::Refused(format!("the source has no table `{name}`"))),
            None => Ok(None),
        }
    }

    fn take(&mut self, found: Found) -> Result<Report, TransferError> {
        let Found { table, name, layout, columns } = found;
        let (now_s, waiting_time_s) = (self.now_s, self.waiting_time_s);
        let mut writer = Writer::new(self.target, name.clone());
        let (mut next_id, mut dialogs) = (1, FxHashSet::default());
        let read: &mut dyn FnMut(&ForeignRow) -> Result<Written, Skipped> = match table {
            ForeignTable::Presentity => &mut |row| {
                let row = publication(row, next_id)?;
                next_id += 1;
                Ok(Written::Row(Change::PublicationStored { row, deadline: Moment(0), sender: None }))
            },
            ForeignTable::ActiveWatchers => &mut |row| {
                let row = subscription(row, layout, now_s)?;
                refuse_known(&mut dialogs, row.key)?;
                Ok(Written::Row(Change::SubscriptionStored { row: Arc::new(row), deadline: Moment(0), flow: 0 }))
            },
            ForeignTable::Watchers => &mut |row| {
                let row = watcher(row, layout, waiting_time_s, now_s)?;
                Ok(Written::Row(Change::WatcherStored { row, deadline: None }))
            },
            ForeignTable::Xcap => &mut |row| rules_document(row, layout).map(Written::Document),
        };
        let rows = self.source.rows(&name, &columns, &mut |row| match read(row) {
            Ok(written) => writer.write(written),
            Err(why) => writer.skip(why),
        });
        rows.map_err(TransferError::Source)?;
        writer.finish()
    }
}

/// What a row of the source becomes.
enum Written {
    Document(NewDocument),
    Row(Change),
}

/// Writes what came of the rows of one table, many at a time.
struct Writer<'a> {
    target: &'a mut SqlStore,
    batch: Vec<Written>,
    report: Report,
    failed: Option<StoreError>,
}

/// Rows written in one transaction.
const BATCH: usize = 512;

impl<'a> Writer<'a> {
    fn new(target: &'a mut SqlStore, table: String) -> Self {
        let report = Report { table, taken: 0, skipped: BTreeMap::new() };
        Self { target, batch: Vec::new(), report, failed: None }
    }

    fn write(&mut self, written: Written) {
        self.batch.push(written);
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    fn skip(&mut self, why: Skipped) {
        *self.report.skipped.entry(why).or_default() += 1;
    }

    fn flush(&mut self) {
        let batch = mem::take(&mut self.batch);
        if self.failed.is_none() {
            self.failed = self.commit(&batch).err();
        }
    }

    /// Commits `batch`; if one of its rows is refused, each half of it.
    fn commit(&mut self, batch: &[Written]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (mut changes, mut documents) = (Vec::new(), Vec::new());
        for written in batch {
            match written {
                Written::Document(document) => documents.push(document),
                Written::Row(change) => changes.push(std::slice::from_ref(change)),
            }
        }
        let done = match documents.is_empty() {
            true => self.target.commit(&changes),
            false => self.target.put_documents(&documents),
        };
        match done {
            Ok(()) => self.report.taken += batch.len() as u64,
            Err(CommitError::Held(error) | CommitError::World(error)) => return Err(StoreError::Database(error)),
            Err(CommitError::Data(_)) if batch.len() == 1 => self.skip(Skipped::because("the database refuses it")),
            Err(CommitError::Data(_)) => {
                let (first, second) = batch.split_at(batch.len() / 2);
                self.commit(first)?;
                self.commit(second)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Report, TransferError> {
        self.flush();
        match self.failed {
            None => Ok(self.report),
            Some(error) => Err(TransferError::Target(error)),
        }
    }
}

/// Refuses a second subscription of one dialog: it would take the place of the first.
fn refuse_known(dialogs: &mut FxHashSet<SubscriptionKey>, key: SubscriptionKey) -> Result<(), Skipped> {
    match dialogs.insert(key) {
        true => Ok(()),
        false => Err(Skipped::because("another row has the same dialog")),
    }
}

/// Refuses a target that somebody used already.
fn refuse_occupied(target: &mut SqlStore) -> Result<(), TransferError> {
    let mut rows = 0_u64;
    target.load(Scope::All, &mut |_| rows += 1).map_err(TransferError::Target)?;
    target.load_rules(None, &mut |_| rows += 1).map_err(TransferError::Target)?;
    match rows {
        0 => Ok(()),
        _ => Err(TransferError::Refused(format!("the target has {rows} rows already; an import begins with none"))),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} taken", self.table, self.taken)?;
        let skipped: u64 = self.skipped.values().sum();
        if skipped > 0 {
            write!(f, ", {skipped} skipped")?;
        }
        self.skipped.iter().try_for_each(|(why, count)| write!(f, "\n  {count} skipped: {why}"))
    }
}
