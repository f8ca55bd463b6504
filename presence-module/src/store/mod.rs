//! Where state outlives the process. Read in this order:

pub mod owner; // who owns a database
pub mod schema; // tables, columns, keys and their migrations
pub mod sql; // what every SQL database does for us
pub mod sqlite; // the embedded backend
pub mod mysql; // MariaDB and MySQL
pub mod postgres; // PostgreSQL
pub mod url; // which of them, and where
pub mod group_commit; // many decisions, one transaction
pub mod recovery; // rows back into memory
pub mod import; // rows that another server wrote
#[doc(hidden)]
pub mod memory; // rows without a database
#[cfg(test)]
pub(crate) mod fixtures; // rows for tests

pub use self::sql::documents::NewDocument;
pub use self::sql::migration::Migrate;
pub use self::sql::ownership::TakeOver;
pub use self::sql::store::{SqlStore, Taking};

use std::fmt;
use std::sync::Arc;

use crate::change::{Change, PublicationRow, SubscriptionKey, SubscriptionRow, WatcherRow};
use crate::presentity_uri::PresentityUri;

/// A database behind the one writer thread. Simulation and failure tests bring their own.
pub trait Store: Send {
    /// Writes all `decisions` in one transaction that is durable when this returns.
    ///
    /// A row that is to be changed and is not there was removed by somebody else: its decision is guilty ([`RowGone`]). To
    /// remove a row that is not there is well.
    ///
    /// # Errors
    /// Nothing of any of them is in the database, unless the outcome of the commit itself is unknown ([`CommitError::World`]).
    fn commit(&mut self, decisions: &[&[Change]]) -> Result<(), CommitError>;

    /// Reads rows in a stream, publications first. A row that cannot be understood is reported and passed over.
    ///
    /// # Errors
    /// The database failed; what was visited so far is incomplete.
    fn load(&mut self, scope: Scope<'_>, visit: &mut dyn FnMut(Stored)) -> Result<(), StoreError>;

    /// Reads rules documents, everybody's or those of `owners`, in an order that depends on nothing but them.
    ///
    /// # Errors
    /// The database failed; what was visited so far is incomplete.
    fn load_rules(
        &mut self,
        owners: Option<&[Arc<PresentityUri>]>,
        visit: &mut dyn FnMut(RulesDocument),
    ) -> Result<(), StoreError>;

    /// Returns whose rules documents changed since the last call, whoever changed them.
    ///
    /// # Errors
    /// The database failed; the next call returns them.
    fn changed_rules(&mut self) -> Result<Vec<PresentityUri>, StoreError>;

    /// Does what keeps the database's files small; called between batches, never concurrently with a commit.
    ///
    /// # Errors
    /// The database failed.
    fn maintain(&mut self) -> Result<(), StoreError>;

    /// Shows up to `rows_max` rows of publications and subscriptions in the order of their keys, going on where the last
    /// call ended: what other programs did to them is found by comparing.
    ///
    /// # Errors
    /// The database failed; the next call shows these rows.
    fn sweep(&mut self, rows_max: usize, visit: &mut dyn FnMut(Stored)) -> Result<Sweep, StoreError>;

    /// Says that the owner lives.
    ///
    /// # Errors
    /// The database failed, or has another owner ([`TakenOver`]).
    fn heartbeat(&mut self) -> Result<(), StoreError>;

    /// Returns who owns the database, `host:pid`, if that can be found out.
    fn owner(&mut self) -> Option<String> {
        None
    }

    /// Notes that everything acknowledged was told to its watchers, so that the next start owes nothing.
    ///
    /// # Errors
    /// The database failed.
    fn close_cleanly(&mut self) -> Result<(), StoreError>;
}

/// What an opened store knows of the run before.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The key of entity-tags and To-tags, made at the first start.
    pub secret: [u8; 32],
    /// Whether the last owner stopped in order.
    pub was_clean: bool,
    /// Higher with each start; 1 at the first.
    pub epoch: u64,
    /// No row of `presentity` has this id or a higher one.
    pub next_publication_id: u64,
}

/// Which rows to read.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// All of them.
    All,
    /// Some.
    Rows(&'a RowKeys),
}

/// Some rows, by their keys.
#[derive(Clone, Debug, Default)]
pub struct RowKeys {
    /// Rows of `presentity`.
    pub publications: Vec<u64>,
    /// Rows of `active_watchers`.
    pub subscriptions: Vec<SubscriptionKey>,
    /// All rows of `watchers` of these.
    pub watchers_of: Vec<Arc<PresentityUri>>,
}

/// How far a sweep has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sweep {
    /// That was the end of the tables; the next call begins anew.
    Finished,
    /// Nobody else has written since the last pass began, or since all was loaded: there is nothing to compare.
    NothingNew,
    /// More rows are to come.
    Unfinished,
}

/// How durable a commit is when it returns.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Durability {
    /// It survives a loss of power.
    #[default]
    Full,
    /// It survives the end of the process, and may be lost with the machine.
    Relaxed,
}

/// A row read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stored {
    /// A row of `presentity`.
    Publication(PublicationRow),
    /// A row of `active_watchers`.
    Subscription(Box<SubscriptionRow>),
    /// A row of `watchers`.
    Watcher(WatcherRow),
    /// A row that was passed over, and why, without personal data.
    Skipped {
        /// The table.
        table: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A row of `xcap_xml`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RulesDocument {
    /// Whose it is.
    pub owner: PresentityUri,
    /// What kind of document.
    pub doc_type: i64,
    /// The document.
    pub document: String,
}

/// Why a commit failed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The database refuses what was written: one of the decisions is guilty.
    #[error("the database refuses the data: {0}")]
    Data(#[source] BoxedError),
    /// Another session holds a row that one of the decisions needs.
    #[error("a row is held by another session: {0}")]
    Held(#[source] BoxedError),
    /// The database is away, full, or did not say what became of the transaction: no decision is guilty.
    #[error("the database failed: {0}")]
    World(#[source] BoxedError),
}

/// A row that was to be changed is not there: somebody else removed it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a row of `{table}` is gone that was to be changed")]
pub struct RowGone {
    /// The table.
    pub table: String,
}

/// Why the store cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("{0}")]
    Database(#[source] BoxedError),
    /// Another server serves this database.
    #[error("owned by {0}; one database has one server (`--take-over` takes it from one that is gone)")]
    Owned(owner::Holder),
    /// The tables are older than this version, or not there, and may not be touched by a start.
    #[error(
        "schema: found {}, expected version {}; auto_migrate is 0: `scripts/db migrate URL` brings it up",
        if *found == 0 { "none of the tables".to_owned() } else { format!("version {found}") },
        schema::VERSION
    )]
    NotMigrated {
        /// The version that was found, 0 for none.
        found: u32,
    },
    /// The schema is not one of ours: what was found and what was expected.
    #[error("schema: found {found}, expected {expected}")]
    Schema {
        /// What is there.
        found: String,
        /// What this version serves.
        expected: String,
    },
}

/// A backend's own error.
pub type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// The run-time names of the tables; each is `[A-Za-z_][A-Za-z0-9_]{0,62}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TableNames {
    /// `presentity_table`.
    pub presentity: String,
    /// `active_watchers_table`.
    pub active_watchers: String,
    /// `watchers_table`.
    pub watchers: String,
    /// `xcap_table`.
    pub xcap: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self {
            presentity: "presentity".into(),
            active_watchers: "active_watchers".into(),
            watchers: "watchers".into(),
            xcap: "xcap_xml".into(),
        }
    }
}

/// A name that cannot be a table's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadTableName(pub String);

impl fmt::Display for BadTableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a table name", self.0)
    }
}

impl std::error::Error for BadTableName {}

/// Another server owns the database: whoever meets this must stop serving.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("another server has taken over this database")]
pub struct TakenOver;

/// Returns whether an error of a store means that another server owns the database.
pub fn is_taken_over(error: &(dyn std::error::Error + 'static)) -> bool {
    is_caused_by::<TakenOver>(error)
}

/// The session with the database was lost: that may be away.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SessionLost(#[source] pub BoxedError);

/// Returns whether an error of a store means that the database may be away.
pub fn is_session_lost(error: &(dyn std::error::Error + 'static)) -> bool {
    is_caused_by::<SessionLost>(error)
}

/// Another session holds a row.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RowHeld(#[source] pub BoxedError);

/// Returns whether an error of a store means that another session holds what is to be written.
pub fn is_row_held(error: &(dyn std::error::Error + 'static)) -> bool {
    is_caused_by::<RowHeld>(error)
}

fn is_caused_by<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<E>())
}
