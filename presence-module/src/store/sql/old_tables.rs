//! The four tables of the module of 2006, found under our names: they are set aside under names that end in `_2006`, and
//! what is in them is taken over from there.
//!
//! Until all is taken over the version of the schema stays 0, and a start that finds it so begins again. Nothing is ever
//! served from the old tables, which have no transactions, and nothing in them is changed.

use super::dialect::Dialect;
use super::migration::Migration;
use crate::store::schema::TableId;
use crate::store::{StoreError, TableNames};

/// The columns of 2006, as its documentation creates them.
const COLUMNS: [(TableId, &[&str]); 4] = [
    (TableId::Presentity, &["body", "domain", "etag", "event", "expires", "received_time", "username"]),
    (
        TableId::ActiveWatchers,
        &[
            "callid",
            "contact",
            "cseq",
            "event",
            "event_id",
            "expires",
            "from_domain",
            "from_tag",
            "from_user",
            "record_route",
            "status",
            "to_domain",
            "to_tag",
            "to_user",
            "version",
        ],
    ),
    (TableId::Watchers, &["inserted_time", "p_domain", "p_user", "reason", "subs_status", "w_domain", "w_user"]),
    (TableId::XcapXml, &["doc_type", "domain", "user", "xcap"]),
];

/// What the tables that were set aside are called, `None` where there was none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct OldTables {
    /// Publications.
    pub(crate) presentity: Option<String>,
    /// Subscriptions.
    pub(crate) active_watchers: Option<String>,
    /// Authorisation states.
    pub(crate) watchers: Option<String>,
    /// Rules documents.
    pub(crate) xcap: Option<String>,
}

impl OldTables {
    /// Returns whether there were any.
    pub(crate) fn are_there(&self) -> bool {
        *self != Self::default()
    }
}

impl Migration<'_> {
    /// Returns which of our names tables of 2006 have.
    pub(super) fn tables_of_2006(&mut self) -> Result<Vec<TableId>, StoreError> {
        let mut found = Vec::new();
        for (table, columns) in COLUMNS {
            let mut there = self.columns(self.names.of(table))?;
            there.iter_mut().for_each(|column| column.make_ascii_lowercase());
            there.sort_unstable();
            if there == columns {
                found.push(table);
            }
        }
        Ok(found)
    }

    /// Gives tables of 2006 the names under which they stay.
    pub(super) fn set_aside(&mut self, tables: &[TableId]) -> Result<(), StoreError> {
        let names: Vec<&str> = tables.iter().map(|table| self.names.of(*table)).collect();
        (self.note)(&format!(
            "found tables of the module of 2006; a copy of them is made by `{}`",
            self.dialect.dump_command(&names)
        ));
        for name in &names {
            if !self.columns(&old_name(name))?.is_empty() {
                let found = format!("table `{name}` of 2006 beside `{}`", old_name(name));
                return Err(StoreError::Schema { found, expected: "one of them".into() });
            }
        }
        let quoted = |name: &str| (self.dialect.quoted(name), self.dialect.quoted(&old_name(name)));
        let renamed: Vec<(String, String)> = names.iter().map(|name| quoted(name)).collect();
        match self.dialect {
            // All or none of them.
            Dialect::MySql => {
                let all: Vec<String> = renamed.iter().map(|(from, to)| format!("{from} TO {to}")).collect();
                self.execute(&format!("RENAME TABLE {}", all.join(", ")))?;
            }
            Dialect::Postgres | Dialect::Sqlite => {
                for (from, to) in renamed {
                    self.execute(&format!("ALTER TABLE {from} RENAME TO {to}"))?;
                }
            }
        }
        let kept: Vec<String> = names.iter().map(|name| format!("`{}`", old_name(name))).collect();
        (self.note)(&format!("they are taken over, and stay as they are under the names {}", kept.join(", ")));
        Ok(())
    }

    /// Returns the tables that were set aside.
    pub(super) fn old_tables(&mut self) -> Result<OldTables, StoreError> {
        let names: &TableNames = self.names;
        let mut kept = |table| -> Result<Option<String>, StoreError> {
            let name = old_name(names.of(table));
            Ok(if self.columns(&name)?.is_empty() { None } else { Some(name) })
        };
        Ok(OldTables {
            presentity: kept(TableId::Presentity)?,
            active_watchers: kept(TableId::ActiveWatchers)?,
            watchers: kept(TableId::Watchers)?,
            xcap: kept(TableId::XcapXml)?,
        })
    }
}

fn old_name(name: &str) -> String {
    format!("{name}_2006")
}
