//! Rows that another presence server wrote, made rows of ours: Kamailio 5, OpenSIPS 3, and the module of 2006.
//!
//! A row becomes one of ours whole, or it is skipped for a reason that names the column and never the value; nothing is cut
//! to fit. That is pure; `source` and `transfer` alone know of databases. `docs/migration.md` tells operators what becomes of
//! what. Read in this order:

pub mod foreign_row; // a row as named cells, and why it is skipped
pub mod layout; // whose tables these are
mod dialog_id; // URIs, tags and routes as a dialog needs them
mod publication; // presentity
mod subscription; // active_watchers
mod watcher; // watchers
mod rules; // xcap, xcap_xml
pub mod source; // a database that another program wrote
pub mod transfer; // all of it into ours
pub(crate) mod adoption; // the tables of 2006, in their own database

pub use foreign_row::{ForeignRow, Skipped, Value};
pub use layout::{ForeignTable, Layout};
pub use publication::publication;
pub use rules::rules_document;
pub use source::Source;
pub use subscription::{CSEQ_GAP, subscription};
pub use transfer::{Report, SourceNames, Transfer, TransferError};
pub use watcher::watcher;
