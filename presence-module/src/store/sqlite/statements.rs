//! The SQL of the SQLite backend: every statement once, with the run-time names of the tables in it.
//!
//! A statement and its values are a diesel query of our own, because `sql_query` is prepared anew at each call while
//! this one is found again, by its text, in the connection's cache of prepared statements.

use diesel::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::Sqlite;

use crate::store::TableNames;
use crate::store::schema::TableId;

/// The columns of a publication, in the order they are written and read.
pub(super) const PUBLICATION: &[&str] =
    &["id", "username", "domain", "event", "etag", "expires", "received_time", "body"];

/// The columns of a subscription, in the order they are written and read.
pub(super) const SUBSCRIPTION: &[&str] = &[
    "id",
    "to_user",
    "to_domain",
    "from_user",
    "from_domain",
    "event",
    "event_id",
    "to_tag",
    "from_tag",
    "callid",
    "cseq",
    "contact",
    "record_route",
    "expires",
    "status",
    "version",
    "granted_s",
    "presentity_uri",
    "local_uri",
    "remote_uri",
    "identity",
    "accept",
    "local_cseq",
    "remote_cseq",
    "local_contact",
    "received",
    "socket",
    "user_agent",
    "watcher_id",
    "display_name",
    "subscribed_at",
    "reason",
    "instance",
];

/// The columns of an authorisation state, in the order they are written and read.
pub(super) const WATCHER: &[&str] = &[
    "p_user",
    "p_domain",
    "w_user",
    "w_domain",
    "subs_status",
    "reason",
    "inserted_time",
    "event",
    "watcher_id",
    "deadline",
    "identity",
];

/// The columns of a rules document, in the order they are read.
pub(super) const RULES_DOCUMENT: &[&str] = &["user", "domain", "doc_type", "xcap"];

/// A value for a statement's parameter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bind<'a> {
    Blob(&'a [u8]),
    Integer(i64),
    Text(&'a str),
}

/// A statement: `head`, a table's name, and the pieces between its parameters.
#[derive(Debug)]
pub(super) struct Statement {
    head: String,
    table: Option<String>,
    pieces: Vec<String>,
}

impl Statement {
    /// Reads `tail` as what follows the table's name; each `?` in it is a parameter.
    pub(super) fn on(head: &str, table: &str, tail: &str) -> Self {
        Self {
            head: head.to_owned(),
            table: Some(table.to_owned()),
            pieces: tail.split('?').map(str::to_owned).collect(),
        }
    }

    /// Reads a statement that names no table of ours.
    pub(super) fn fixed(text: &str) -> Self {
        Self { head: String::new(), table: None, pieces: text.split('?').map(str::to_owned).collect() }
    }

    fn insert(table: &str, columns: &[&str]) -> Self {
        let marks = vec!["?"; columns.len()].join(", ");
        Self::on("INSERT INTO ", table, &format!(" ({}) VALUES ({marks})", columns.join(", ")))
    }

    fn upsert(table: &str, columns: &[&str], key: &[&str], condition: &str) -> Self {
        let marks = vec!["?"; columns.len()].join(", ");
        let changed: Vec<String> = columns
            .iter()
            .filter(|column| !key.contains(column))
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        let (columns, key, changed) = (columns.join(", "), key.join(", "), changed.join(", "));
        Self::on(
            "INSERT INTO ",
            table,
            &format!(" ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changed}{condition}"),
        )
    }

    fn select(columns: &[&str], table: &str) -> Self {
        Self::select_where(columns, table, "")
    }

    fn select_where(columns: &[&str], table: &str, condition: &str) -> Self {
        Self::on(&format!("SELECT {} FROM ", columns.join(", ")), table, condition)
    }

    /// Returns the table it is about, empty for none.
    pub(super) fn table(&self) -> &str {
        self.table.as_deref().unwrap_or_default()
    }

    /// Joins the statement with the values of its parameters.
    pub(super) fn with<'a>(&'a self, binds: &'a [Bind<'a>]) -> Bound<'a> {
        debug_assert_eq!(self.pieces.len(), binds.len() + 1, "{self:?}");
        Bound { statement: self, binds }
    }
}

/// A statement with its values: what diesel runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound<'a> {
    statement: &'a Statement,
    binds: &'a [Bind<'a>],
}

impl QueryFragment<Sqlite> for Bound<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(&self.statement.head);
        if let Some(table) = &self.statement.table {
            out.push_identifier(table)?;
        }
        let mut binds = self.binds.iter();
        for (position, piece) in self.statement.pieces.iter().enumerate() {
            if position > 0 {
                match binds.next() {
                    Some(Bind::Blob(bytes)) => out.push_bind_param::<Binary, [u8]>(bytes)?,
                    Some(Bind::Integer(number)) => out.push_bind_param::<BigInt, i64>(number)?,
                    Some(Bind::Text(text)) => out.push_bind_param::<Text, str>(text)?,
                    None => return Err(diesel::result::Error::QueryBuilderError("a parameter has no value".into())),
                }
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl QueryId for Bound<'_> {
    type QueryId = ();
    // One type carries every statement, so its text is what the cache goes by.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Bound<'_> {
    // Rows are read by position and by the type each value turns out to have.
    type SqlType = Binary;
}

/// Every statement that is run again and again.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) begin_read: Statement,
    pub(super) begin_write: Statement,
    pub(super) commit: Statement,
    pub(super) rollback: Statement,
    pub(super) fence: Statement,
    pub(super) mark_clean: Statement,
    pub(super) owner: Statement,

    pub(super) publication_stored: Statement,
    pub(super) publication_refreshed: Statement,
    pub(super) publication_modified: Statement,
    pub(super) publication_removed: Statement,
    pub(super) subscription_stored: Statement,
    pub(super) subscription_refreshed: Statement,
    pub(super) subscription_authorized: Statement,
    pub(super) subscription_moved: Statement,
    pub(super) cseq_reserved: Statement,
    pub(super) subscription_removed: Statement,
    pub(super) watcher_stored: Statement,
    pub(super) watcher_removed: Statement,

    pub(super) publications: Statement,
    pub(super) subscriptions: Statement,
    pub(super) watchers: Statement,
    pub(super) publication: Statement,
    pub(super) subscription: Statement,
    pub(super) watchers_of: Statement,

    pub(super) rules: Statement,
    pub(super) rules_of_one: Statement,
    pub(super) data_version: Statement,
    pub(super) changed_rules: Statement,
    pub(super) changed_rules_seen: Statement,
}

impl Statements {
    /// Writes the statements for tables of these names.
    pub(super) fn new(names: &TableNames) -> Self {
        let publications = names.of(TableId::Presentity);
        let subscriptions = names.of(TableId::ActiveWatchers);
        let watchers = names.of(TableId::Watchers);
        let owner = names.of(TableId::Owner);
        let (rules, changed) = (names.of(TableId::XcapXml), names.of(TableId::RulesChanged));
        let select_rules = format!("SELECT {} FROM ", RULES_DOCUMENT.join(", "));
        Self {
            begin_read: Statement::fixed("BEGIN"),
            begin_write: Statement::fixed("BEGIN IMMEDIATE"),
            commit: Statement::fixed("COMMIT"),
            rollback: Statement::fixed("ROLLBACK"),
            fence: Statement::on(
                "UPDATE ",
                owner,
                " SET heartbeat = unixepoch(), clean = 0 WHERE id = 1 AND epoch = ?",
            ),
            mark_clean: Statement::on(
                "UPDATE ",
                owner,
                " SET heartbeat = unixepoch(), clean = 1 WHERE id = 1 AND epoch = ?",
            ),
            owner: Statement::on("SELECT owner FROM ", owner, " WHERE id = 1"),

            publication_stored: Statement::insert(publications, PUBLICATION),
            publication_refreshed: Statement::on("UPDATE ", publications, " SET etag = ?, expires = ? WHERE id = ?"),
            publication_modified: Statement::on(
                "UPDATE ",
                publications,
                " SET etag = ?, expires = ?, received_time = ?, body = ? WHERE id = ?",
            ),
            publication_removed: Statement::on("DELETE FROM ", publications, " WHERE id = ?"),
            subscription_stored: Statement::upsert(subscriptions, SUBSCRIPTION, &["id"], ""),
            subscription_refreshed: Statement::on(
                "UPDATE ",
                subscriptions,
                " SET cseq = ?, contact = ?, expires = ?, granted_s = ?, accept = ?, local_cseq = ?, remote_cseq = ?, \
                 received = ?, socket = ?, local_contact = ?, user_agent = ? WHERE id = ?",
            ),
            subscription_authorized: Statement::on(
                "UPDATE ",
                subscriptions,
                " SET status = ?, reason = ? WHERE id = ?",
            ),
            subscription_moved: Statement::on(
                "UPDATE ",
                subscriptions,
                " SET contact = ?, received = ?, socket = ?, local_contact = ? WHERE id = ?",
            ),
            cseq_reserved: Statement::on("UPDATE ", subscriptions, " SET local_cseq = ? WHERE id = ?"),
            subscription_removed: Statement::on("DELETE FROM ", subscriptions, " WHERE id = ?"),
            watcher_stored: Statement::upsert(
                watchers,
                WATCHER,
                &["p_user", "p_domain", "w_user", "w_domain", "event"],
                // A state that is there already goes on since when it was decided, under the id it has.
                " WHERE subs_status <> excluded.subs_status OR reason <> excluded.reason OR identity <> excluded.identity",
            ),
            watcher_removed: Statement::on(
                "DELETE FROM ",
                watchers,
                " WHERE p_user = ? AND p_domain = ? AND w_user = ? AND w_domain = ? AND event = ?",
            ),

            publications: Statement::select(PUBLICATION, publications),
            subscriptions: Statement::select(SUBSCRIPTION, subscriptions),
            watchers: Statement::select(WATCHER, watchers),
            publication: Statement::select_where(PUBLICATION, publications, " WHERE id = ?"),
            subscription: Statement::select_where(SUBSCRIPTION, subscriptions, " WHERE id = ?"),
            watchers_of: Statement::select_where(WATCHER, watchers, " WHERE p_user = ? AND p_domain = ?"),

            rules: Statement::on(&select_rules, rules, " ORDER BY user, domain, doc_type, doc_uri"),
            rules_of_one: Statement::on(
                &select_rules,
                rules,
                // Whoever writes these rows may not know that domains are lower-case here; to pass over a row would open
                // what it closes.
                " WHERE user = ? AND domain = ? COLLATE NOCASE ORDER BY doc_type, doc_uri",
            ),
            data_version: Statement::fixed("PRAGMA data_version"),
            changed_rules: Statement::on("SELECT seq, user, domain FROM ", changed, " ORDER BY seq LIMIT 4096"),
            changed_rules_seen: Statement::on("DELETE FROM ", changed, " WHERE seq <= ?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::table;

    fn check_covers(id: TableId, columns: &[&str], left_to_their_defaults: &[&str]) {
        for column in table(id).columns {
            let is_written = columns.contains(&column.name);
            assert_ne!(is_written, left_to_their_defaults.contains(&column.name), "{id:?} `{}`", column.name);
        }
        assert_eq!(columns.len() + left_to_their_defaults.len(), table(id).columns.len());
    }

    #[test]
    fn every_column_is_written_or_has_a_default() {
        check_covers(TableId::Presentity, PUBLICATION, &[]);
        check_covers(TableId::ActiveWatchers, SUBSCRIPTION, &[]);
        check_covers(TableId::Watchers, WATCHER, &[]);
    }
}
