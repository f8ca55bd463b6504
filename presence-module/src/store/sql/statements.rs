//! Every statement that runs again and again, with the run-time names of the tables in it.

use super::dialect::Dialect;
use super::many_rows::ManyRows;
use super::rule_owners::KNOWN_MAX;
use super::statement::Statement;
use crate::store::TableNames;
use crate::store::schema::TableId;

/// The columns of a publication, in the order they are written and read.
pub(crate) const PUBLICATION: &[&str] =
    &["id", "username", "domain", "event", "etag", "expires", "received_time", "body"];

/// The columns of a subscription, in the order they are written and read.
pub(crate) const SUBSCRIPTION: &[&str] = &[
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
pub(crate) const WATCHER: &[&str] = &[
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
pub(crate) const RULES_DOCUMENT: &[&str] = &["user", "domain", "doc_type", "xcap"];

/// The columns of a document that is put there, in the order they are written.
pub(crate) const NEW_DOCUMENT: &[&str] = &["user", "domain", "doc_type", "doc_uri", "xcap"];

/// For how many users rules documents are read at once, at most.
pub(crate) const RULES_AT_ONCE: usize = 64;

/// Every statement that is run again and again.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) fence: Statement,
    pub(crate) heartbeat: Statement,
    pub(crate) mark_clean: Statement,
    pub(crate) owner: Statement,

    pub(crate) publication_stored: Statement,
    pub(crate) publication_refreshed: Statement,
    pub(crate) publication_modified: Statement,
    pub(crate) publication_removed: Statement,
    pub(crate) subscription_stored: Statement,
    pub(crate) subscription_refreshed: Statement,
    pub(crate) subscription_prolonged: Statement,
    pub(crate) subscription_authorized: Statement,
    pub(crate) subscription_moved: Statement,
    pub(crate) cseq_reserved: Statement,
    pub(crate) subscription_removed: Statement,
    pub(crate) watcher_stored: Statement,
    pub(crate) watcher_removed: Statement,

    pub(crate) publications: Statement,
    pub(crate) subscriptions: Statement,
    pub(crate) watchers: Statement,
    pub(crate) publication: Statement,
    pub(crate) subscription: Statement,
    pub(crate) watchers_of: Statement,
    pub(crate) next_publications: Statement,
    pub(crate) next_subscriptions: Statement,

    pub(crate) document_stored: Statement,
    pub(crate) rules: Statement,
    /// For some numbers of users, small ones first; in whatever domain.
    pub(crate) rules_of: [(usize, Statement); 4],
    pub(crate) rule_owners: Statement,
    pub(crate) changed_rules: Statement,
    pub(crate) changed_rules_seen: Statement,
}

impl Statements {
    /// Writes the statements for tables of these names.
    pub(crate) fn new(dialect: Dialect, names: &TableNames) -> Self {
        let writer = Writer { dialect, names };
        let (publications, subscriptions) = (TableId::Presentity, TableId::ActiveWatchers);
        let (watchers, rules, changed) = (TableId::Watchers, TableId::XcapXml, TableId::RulesChanged);
        let one_key = &["id"];
        Self {
            fence: writer.own("clean = 0"),
            heartbeat: writer.own("clean = clean"),
            mark_clean: writer.own("clean = 1"),
            owner: writer.select(TableId::Owner, &["owner"], " WHERE id = 1"),

            publication_stored: writer.insert(publications, PUBLICATION).about([0]),
            publication_refreshed: writer.update(publications, &["etag", "expires"]),
            publication_modified: writer.update(publications, &["etag", "expires", "received_time", "body"]),
            publication_removed: writer.delete(publications, one_key),
            subscription_stored: writer.put(subscriptions, SUBSCRIPTION, one_key, &[]),
            subscription_refreshed: writer.update(subscriptions, SUBSCRIPTION_REFRESHED),
            subscription_prolonged: writer.update(subscriptions, &["cseq", "expires", "granted_s", "remote_cseq"]),
            subscription_authorized: writer.update(subscriptions, &["status", "reason"]),
            subscription_moved: writer.update(subscriptions, &["contact", "received", "socket", "local_contact"]),
            cseq_reserved: writer.update(subscriptions, &["local_cseq"]),
            subscription_removed: writer.delete(subscriptions, one_key),
            // A state that is there already goes on since when it was decided, under the id it has.
            watcher_stored: writer.put(watchers, WATCHER, WATCHER_KEY, &["subs_status", "reason", "identity"]),
            watcher_removed: writer.delete(watchers, WATCHER_KEY),

            publications: writer.select(publications, PUBLICATION, ""),
            subscriptions: writer.select(subscriptions, SUBSCRIPTION, ""),
            watchers: writer.select(watchers, WATCHER, ""),
            publication: writer.select(publications, PUBLICATION, " WHERE id = ?"),
            subscription: writer.select(subscriptions, SUBSCRIPTION, " WHERE id = ?"),
            watchers_of: writer.select(watchers, WATCHER, " WHERE p_user = ? AND p_domain = ?"),
            next_publications: writer.select(publications, PUBLICATION, " WHERE id > ? ORDER BY id LIMIT ?"),
            next_subscriptions: writer.select(subscriptions, SUBSCRIPTION, " WHERE id > ? ORDER BY id LIMIT ?"),

            document_stored: writer.insert(rules, NEW_DOCUMENT),
            rules: writer.select(rules, RULES_DOCUMENT, &format!(" ORDER BY {}", dialect.list(RULES_KEY))),
            rules_of: [1, 4, 16, RULES_AT_ONCE].map(|count| (count, writer.rules_of(count))),
            rule_owners: writer.rule_owners(),
            changed_rules: writer.select(changed, &["seq", "user", "domain"], " ORDER BY seq LIMIT 4096"),
            changed_rules_seen: writer.delete(changed, &["seq"]),
        }
    }
}

/// The columns that a refresh may change, in the order they are written.
const SUBSCRIPTION_REFRESHED: &[&str] = &[
    "cseq",
    "contact",
    "expires",
    "granted_s",
    "accept",
    "local_cseq",
    "remote_cseq",
    "received",
    "socket",
    "local_contact",
    "user_agent",
];

const WATCHER_KEY: &[&str] = &["p_user", "p_domain", "w_user", "w_domain", "event"];
const RULES_KEY: &[&str] = &["user", "domain", "doc_type", "doc_uri"];

/// Writes statements about our tables.
struct Writer<'a> {
    dialect: Dialect,
    names: &'a TableNames,
}

impl Writer<'_> {
    /// Renews the owner's row, if it is still the caller's, and changes something else in it.
    fn own(&self, change: &str) -> Statement {
        let now = self.dialect.now();
        self.on(TableId::Owner, |owner| {
            format!("UPDATE {owner} SET heartbeat = {now}, {change} WHERE id = 1 AND epoch = ?")
        })
    }

    fn insert(&self, table: TableId, columns: &[&str]) -> Statement {
        Statement::insert(self.dialect, self.names.of(table), columns, "")
    }

    /// Writes a row in the place of the one with the same key; where `differing` are named, only if one of them differs.
    fn put(&self, table: TableId, columns: &[&str], key: &[&str], differing: &[&str]) -> Statement {
        let name = self.names.of(table);
        let mut changed: Vec<&str> = columns.iter().copied().filter(|column| !key.contains(column)).collect();
        // What is compared is assigned last: MySQL sees what was assigned before.
        changed.sort_by_key(|column| differing.contains(column));
        let tail = match self.dialect {
            Dialect::MySql => self.on_duplicate_key(&changed, differing),
            Dialect::Postgres | Dialect::Sqlite => self.on_conflict(name, &changed, key, differing),
        };
        let places = columns.iter().enumerate().filter(|(_, column)| key.contains(column)).map(|(place, _)| place);
        Statement::insert(self.dialect, name, columns, &tail).about(places)
    }

    fn on_conflict(&self, table: &str, changed: &[&str], key: &[&str], differing: &[&str]) -> String {
        let assigned: Vec<String> = changed.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let table = self.dialect.quoted(table);
        let differs: Vec<String> =
            differing.iter().map(|column| format!("{table}.{column} <> excluded.{column}")).collect();
        let condition = if differs.is_empty() { String::new() } else { format!(" WHERE {}", differs.join(" OR ")) };
        format!(" ON CONFLICT ({}) DO UPDATE SET {}{condition}", self.dialect.list(key), assigned.join(", "))
    }

    fn on_duplicate_key(&self, changed: &[&str], differing: &[&str]) -> String {
        let differs: Vec<String> = differing.iter().map(|column| format!("{column} <> VALUES({column})")).collect();
        let assign = |column: &&str| match differing.is_empty() || differing.contains(column) {
            true => format!("{column} = VALUES({column})"),
            false => format!("{column} = IF({}, VALUES({column}), {column})", differs.join(" OR ")),
        };
        format!(" ON DUPLICATE KEY UPDATE {}", changed.iter().map(assign).collect::<Vec<_>>().join(", "))
    }

    /// Changes `columns` of the row with an id, which must be there.
    fn update(&self, table: TableId, columns: &[&str]) -> Statement {
        let assigned = columns.iter().map(|column| format!("{column} = ?")).collect::<Vec<_>>().join(", ");
        let statement = self.on(table, |table| format!("UPDATE {table} SET {assigned} WHERE id = ?"));
        let statement = statement.meeting_its_row().about([columns.len()]);
        match self.dialect {
            Dialect::MySql => statement.for_many(ManyRows::chosen(self.dialect, self.names.of(table), columns, "id")),
            // Where a row costs no round trip.
            Dialect::Postgres | Dialect::Sqlite => statement,
        }
    }

    fn delete(&self, table: TableId, key: &[&str]) -> Statement {
        let all = self.all_of(key);
        let statement = self.on(table, |table| format!("DELETE FROM {table} WHERE {all}")).about(0..key.len());
        let ([key], Dialect::MySql) = (key, self.dialect) else { return statement };
        let head = format!("DELETE FROM {} WHERE {key} IN (", self.dialect.quoted(self.names.of(table)));
        statement.for_many(ManyRows::listed(head, "?".into(), ")".into()))
    }

    fn select(&self, table: TableId, columns: &[&str], tail: &str) -> Statement {
        let columns = self.dialect.list(columns);
        self.on(table, |table| format!("SELECT {columns} FROM {table}{tail}"))
    }

    /// Reads the rules of so many users. Whoever writes these rows may not know that domains are lower-case here, and to pass
    /// over a row would open what it closes: it is the reader who tells domains apart.
    fn rules_of(&self, count: usize) -> Statement {
        let (user, places, order) =
            (self.dialect.quoted("user"), vec!["?"; count].join(", "), self.dialect.list(RULES_KEY));
        self.select(TableId::XcapXml, RULES_DOCUMENT, &format!(" WHERE {user} IN ({places}) ORDER BY {order}"))
    }

    /// Reads who has documents, of more than can be known one more.
    fn rule_owners(&self) -> Statement {
        let user = self.dialect.quoted("user");
        let most = KNOWN_MAX + 1;
        self.on(TableId::XcapXml, |table| format!("SELECT DISTINCT {user} FROM {table} LIMIT {most}"))
    }

    fn all_of(&self, columns: &[&str]) -> String {
        columns.iter().map(|column| format!("{} = ?", self.dialect.quoted(column))).collect::<Vec<_>>().join(" AND ")
    }

    fn on(&self, table: TableId, text: impl FnOnce(&str) -> String) -> Statement {
        let name = self.names.of(table);
        Statement::on(self.dialect, name, &text(&self.dialect.quoted(name)))
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

    #[test]
    fn what_is_compared_is_assigned_last() {
        let statements = Statements::new(Dialect::MySql, &TableNames::default());
        let text = statements.watcher_stored.text();
        let at = |piece: &str| text.find(piece).unwrap_or_else(|| panic!("{piece} in {text}"));
        assert!(at("deadline = IF(") < at("subs_status = VALUES("), "{text}");
        assert!(at("watcher_id = IF(") < at("identity = VALUES("), "{text}");
    }
}
