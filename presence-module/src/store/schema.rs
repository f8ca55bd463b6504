//! The tables, as data: what each is for, its columns, its key; and the statements that make them.
//!
//! Tables and columns of the module of 2006 keep their names and meaning; keys and further columns are ours. Nothing
//! here talks to a database: a backend takes the statements, operators' documentation takes the meanings.

use super::sql::dialect::Dialect;
use super::sql::rules;
use super::{BadTableName, TableNames};

/// The schema this version reads and writes.
pub const VERSION: u32 = 2;

/// One step of the schema: what makes version `to` out of the version before it.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// The version it leads to.
    pub to: u32,
    /// What it does, for the log.
    pub what: &'static str,
    /// Returns its statements, in order.
    pub statements: fn(Dialect, &TableNames) -> Vec<String>,
}

/// Every migration, oldest first; an empty database goes through none of them (see [`create_all`]).
pub const MIGRATIONS: &[Migration] = &[Migration {
    to: 2,
    what: "tells devices apart, and notes whose rules change",
    statements: |dialect, names| {
        let added = |table: TableId, column: &str| {
            let described = self::table(table).columns.iter().find(|described| described.name == column);
            let definition = described.map(|column| column.definition(dialect)).unwrap_or_default();
            format!("ALTER TABLE {} ADD COLUMN {definition}", dialect.quoted(names.of(table)))
        };
        vec![
            added(TableId::ActiveWatchers, "instance"),
            added(TableId::Watchers, "identity"),
            table(TableId::RulesChanged).create(dialect, names),
        ]
    },
}];

/// Returns the statements that make everything in an empty database, each of which can be repeated: those that make the
/// version, which says 0, and those that make the rest.
pub fn create_all(dialect: Dialect, names: &TableNames) -> ([String; 2], Vec<String>) {
    let version = dialect.quoted(names.of(TableId::Version));
    let unmade = format!(
        "INSERT INTO {version} (id, version) SELECT 1, 0 FROM (SELECT 1 AS one) AS made \
         WHERE NOT EXISTS (SELECT 1 FROM {version})"
    );
    let others = TABLES.iter().filter(|table| table.id != TableId::Version);
    let others = others.map(|table| table.create(dialect, names)).collect();
    ([table(TableId::Version).create(dialect, names), unmade], others)
}

/// Returns everything that makes the tables in an empty database, as a script for the database's own client.
pub fn ddl(dialect: Dialect, names: &TableNames) -> String {
    let (version, others) = create_all(dialect, names);
    let owner = dialect.quoted(names.of(TableId::Owner));
    let rows = [
        format!("INSERT INTO {owner} (id, owner, epoch, heartbeat) VALUES (1, '', 0, 0)"),
        format!("UPDATE {} SET version = {VERSION} WHERE id = 1", dialect.quoted(names.of(TableId::Version))),
    ];
    let triggers = rules::triggers(dialect, names);
    // A trigger holds semicolons of its own.
    let delimited = |statement: &String| match dialect {
        Dialect::MySql => format!("DELIMITER $$\n{statement}$$\nDELIMITER ;\n"),
        Dialect::Postgres | Dialect::Sqlite => format!("{statement};\n"),
    };
    let tables = version.iter().chain(&others).map(|statement| format!("{statement};\n"));
    let rows = rows.iter().map(|statement| format!("{statement};\n"));
    tables.chain(triggers.iter().map(delimited)).chain(rows).collect()
}

/// Which table is meant; [`TableNames::of`] says what it is called here.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TableId {
    /// Subscriptions.
    ActiveWatchers,
    /// Who serves this database.
    Owner,
    /// Publications.
    Presentity,
    /// Whose rules documents changed.
    RulesChanged,
    /// The server's secrets.
    Secret,
    /// The version of the schema.
    Version,
    /// Authorisation states.
    Watchers,
    /// Rules documents.
    XcapXml,
}

/// What a column holds. All text is UTF-8 and compared byte by byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SqlType {
    /// A text of up to 16 MB.
    Document,
    /// A 64-bit integer; times are seconds since 1970-01-01 UTC.
    Integer,
    /// 16 bytes.
    Key,
    /// A text of up to 255 characters.
    Name,
    /// 32 bytes.
    Secret,
    /// A 64-bit integer that the database counts up.
    Serial,
    /// A text of up to 65535 bytes.
    Text,
    /// An ASCII text of up to 255 characters.
    Token,
}

/// One column; none of them may be NULL.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub sql_type: SqlType,
    /// What a row that does not say has there, as SQL writes it.
    pub default: Option<&'static str>,
    /// What it means to an operator.
    pub meaning: &'static str,
}

/// One table. None has a second index: memory knows who is where, what expires, and by which keys a presentity is read
/// back; and to keep one of presentities costs a new row as much again as all the rest of it.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Which one it is.
    pub id: TableId,
    /// What a row of it is.
    pub meaning: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// The columns of its primary key.
    pub key: &'static [&'static str],
    /// Whether the rows live in the key's own tree, which suits short rows under a text key.
    pub is_clustered: bool,
}

impl Table {
    /// Returns the statement that creates the table.
    pub fn create(&self, dialect: Dialect, names: &TableNames) -> String {
        let columns: String =
            self.columns.iter().map(|column| format!("  {},\n", column.definition(dialect))).collect();
        let (name, key) = (dialect.quoted(names.of(self.id)), dialect.list(self.key));
        let storage = dialect.storage(self.is_clustered);
        format!("CREATE TABLE IF NOT EXISTS {name} (\n{columns}  PRIMARY KEY ({key})\n){storage}")
    }
}

impl Column {
    /// Returns the column as CREATE TABLE writes it.
    fn definition(&self, dialect: Dialect) -> String {
        let (name, sql_type) = (dialect.quoted(self.name), dialect.sql_type(self.sql_type));
        let default = self.default.map(|value| dialect.default(value)).unwrap_or_default();
        format!("{name} {sql_type} NOT NULL{default}")
    }
}

impl TableNames {
    /// Refuses names that cannot be tables', that two tables would share, or that are taken.
    ///
    /// # Errors
    /// The first name that will not do.
    pub fn check(&self) -> Result<(), BadTableName> {
        for (position, table) in TABLES.iter().enumerate() {
            let name = self.of(table.id);
            let is_shared = TABLES[..position].iter().any(|other| self.of(other.id).eq_ignore_ascii_case(name));
            if is_shared || !is_table_name(name) {
                return Err(BadTableName(name.to_owned()));
            }
        }
        Ok(())
    }

    /// Returns what `table` is called.
    pub fn of(&self, table: TableId) -> &str {
        match table {
            TableId::ActiveWatchers => &self.active_watchers,
            TableId::Owner => "presence_owner",
            TableId::Presentity => &self.presentity,
            TableId::RulesChanged => "presence_rules_changed",
            TableId::Secret => "presence_secret",
            TableId::Version => "presence_version",
            TableId::Watchers => &self.watchers,
            TableId::XcapXml => &self.xcap,
        }
    }
}

/// Returns the description of `id`.
pub fn table(id: TableId) -> &'static Table {
    TABLES.iter().find(|table| table.id == id).expect("every table is described")
}

/// `[A-Za-z_][A-Za-z0-9_]{0,62}`, less the prefix SQLite keeps for itself.
fn is_table_name(name: &str) -> bool {
    let is_reserved = name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_"));
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts_well
        && !is_reserved
        && name.len() <= 63
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

const fn text(name: &'static str, meaning: &'static str) -> Column {
    column(name, SqlType::Text, meaning)
}

const fn integer(name: &'static str, meaning: &'static str) -> Column {
    column(name, SqlType::Integer, meaning)
}

const fn column(name: &'static str, sql_type: SqlType, meaning: &'static str) -> Column {
    Column { name, sql_type, default: None, meaning }
}

const fn user(name: &'static str, meaning: &'static str) -> Column {
    column(name, SqlType::Name, meaning)
}

const fn token(name: &'static str, meaning: &'static str) -> Column {
    column(name, SqlType::Token, meaning)
}

const fn or(column: Column, default: &'static str) -> Column {
    Column { default: Some(default), ..column }
}

/// Every table, in the order they are created.
pub const TABLES: &[Table] = &[
    Table {
        id: TableId::Presentity,
        meaning: "A publication: one device's state of one user, for one event package (RFC 3903).",
        columns: &[
            integer("id", "The row's key; it stays the same while the publication is refreshed and modified."),
            user("username", "The user part of the presentity, unescaped, case-sensitive."),
            token("domain", "The domain of the presentity, lower-case."),
            token("event", "The event package, e.g. `presence`."),
            text("etag", "The current entity-tag (RFC 3903 §4.1); every PUBLISH that succeeds changes it."),
            integer("expires", "When the publication ends, in seconds since 1970-01-01 UTC."),
            integer(
                "received_time",
                "When the last PUBLISH that carried a document came, in seconds since 1970-01-01 UTC.",
            ),
            column("body", SqlType::Document, "The published document, as it was received."),
        ],
        key: &["id"],
        is_clustered: false,
    },
    Table {
        id: TableId::ActiveWatchers,
        meaning: "A subscription and the dialog its NOTIFYs travel in (RFC 6665).",
        columns: &[
            column(
                "id",
                SqlType::Key,
                "The row's key: 16 bytes, when the subscription began in milliseconds (48 bits), then a hash of the \
                 dialog, the event package and the event id.",
            ),
            user("to_user", "The user part of who is watched, unescaped, case-sensitive."),
            token("to_domain", "The domain of who is watched, lower-case."),
            user("from_user", "The user part of who watches: of the identity, without one of the From URI."),
            token("from_domain", "The domain of who watches, lower-case; empty for a telephone number."),
            or(token("event", "The event package."), "'presence'"),
            or(text("event_id", "The `id` parameter of Event; empty for none."), "''"),
            text("to_tag", "Our tag of the dialog, as the answer to the SUBSCRIBE carried it."),
            text("from_tag", "The watcher's tag of the dialog."),
            text("callid", "The dialog's Call-ID."),
            integer(
                "cseq",
                "The CSeq of the last SUBSCRIBE, for who reads this table as it was in 2006; see `remote_cseq`.",
            ),
            text("contact", "The remote target: the URI NOTIFYs are sent to (RFC 3261 §12.1.1)."),
            text(
                "record_route",
                "The Record-Route values of the SUBSCRIBE in the order received, joined by commas; empty for none.",
            ),
            integer("expires", "When the subscription ends, in seconds since 1970-01-01 UTC."),
            or(text("status", "`active` or `pending` (RFC 6665 §4.1.3); what is terminated has no row."), "'pending'"),
            or(integer("version", "Always 0: documents are numbered on above `local_cseq` after a start."), "0"),
            or(
                integer(
                    "granted_s",
                    "The longest duration ever granted, in seconds: no clock set back can prolong the row past it.",
                ),
                "0",
            ),
            or(text("presentity_uri", "The Request-URI of the initial SUBSCRIBE: what the watcher asked for."), "''"),
            or(text("local_uri", "The To URI of the SUBSCRIBE: the From URI of our NOTIFYs."), "''"),
            or(text("remote_uri", "The From URI of the SUBSCRIBE: the To URI of our NOTIFYs."), "''"),
            or(
                text(
                    "identity",
                    "The authenticated identity of the watcher, which rules are applied to; empty for none.",
                ),
                "''",
            ),
            or(text("accept", "The Accept of the latest SUBSCRIBE; empty for none."), "''"),
            or(
                integer(
                    "local_cseq",
                    "The highest CSeq a NOTIFY of this dialog may have used; the next start goes on above it.",
                ),
                "0",
            ),
            or(integer("remote_cseq", "The CSeq of the last SUBSCRIBE."), "0"),
            or(text("local_contact", "The Contact URI we gave the watcher."), "''"),
            or(
                text(
                    "received",
                    "Where NOTIFYs go instead of `contact`, e.g. `udp:192.0.2.1:5060` for a watcher behind a NAT; empty for `contact`.",
                ),
                "''",
            ),
            or(
                text("socket", "The listener the SUBSCRIBE came in on, e.g. `udp:192.0.2.9:5060`; empty if unknown."),
                "''",
            ),
            or(text("user_agent", "The watcher's User-Agent, for people; empty for none."), "''"),
            or(text("reason", "`polite-block` where an active watcher sees an offline user only; else empty."), "''"),
            or(text("watcher_id", "The watcher's stable id in watcher information (RFC 3858 §4.4)."), "''"),
            or(text("display_name", "The display name of From; empty for none."), "''"),
            or(integer("subscribed_at", "When the subscription began, in seconds since 1970-01-01 UTC."), "0"),
            or(text("instance", "The device, from `+sip.instance` of Contact (RFC 5626 §4.1); empty for none."), "''"),
        ],
        key: &["id"],
        is_clustered: false,
    },
    Table {
        id: TableId::Watchers,
        meaning: "An authorisation state: what was decided last about one watcher of one user; written when it changes, and not \
                  where there is nothing to decide.",
        columns: &[
            user("p_user", "The user part of who is watched, unescaped, case-sensitive."),
            token("p_domain", "The domain of who is watched, lower-case."),
            user("w_user", "The user part of who watches."),
            token("w_domain", "The domain of who watches, lower-case."),
            text(
                "subs_status",
                "`active`, `pending`, `waiting` (asked, went away, and nobody has decided) or `terminated` (denied after it was allowed).",
            ),
            or(text("reason", "`polite-block`, `rejected` or `timeout`; empty for no particular reason."), "''"),
            integer("inserted_time", "Since when, in seconds since 1970-01-01 UTC."),
            or(token("event", "The event package the decision is for."), "'presence'"),
            or(text("watcher_id", "The watcher's stable id in watcher information (RFC 3858 §4.4)."), "''"),
            or(
                integer(
                    "deadline",
                    "When an undecided state is given up, in seconds since 1970-01-01 UTC; 0 for never.",
                ),
                "0",
            ),
            or(
                text("identity", "The identity that was decided on; empty only in rows that an earlier version wrote."),
                "''",
            ),
        ],
        key: &["p_user", "p_domain", "w_user", "w_domain", "event"],
        is_clustered: true,
    },
    Table {
        id: TableId::XcapXml,
        meaning: "A document that rules are read from (RFC 5025), one row each.",
        columns: &[
            user("user", "The user part of the document's owner, unescaped, case-sensitive."),
            token("domain", "The domain of the document's owner, lower-case."),
            column("xcap", SqlType::Document, "The document."),
            integer("doc_type", "What kind of document it is; see the parameter `pres_rules_doc_types`."),
            or(
                user(
                    "doc_uri",
                    "Which of the owner's documents of that kind it is; empty where there can be one only.",
                ),
                "''",
            ),
            or(integer("modified", "When the row last changed, in seconds since 1970-01-01 UTC."), "0"),
        ],
        key: &["user", "domain", "doc_type", "doc_uri"],
        is_clustered: false,
    },
    Table {
        id: TableId::RulesChanged,
        meaning: "Whose rules documents changed and were not looked at yet; triggers on the documents' table write it.",
        columns: &[
            column("seq", SqlType::Serial, "Grows with each change."),
            user("user", "The user part of the documents' owner."),
            token("domain", "The domain of the documents' owner."),
        ],
        key: &["seq"],
        is_clustered: false,
    },
    Table {
        id: TableId::Owner,
        meaning: "The one row says which server writes this database.",
        columns: &[
            integer("id", "Always 1."),
            text("owner", "The server's host and process id, `host:pid`; empty before the first start."),
            integer(
                "epoch",
                "Raised whenever a server takes the database; each transaction of an earlier owner then fails.",
            ),
            integer("heartbeat", "When the owner last committed, in seconds since 1970-01-01 UTC."),
            or(
                integer(
                    "clean",
                    "1 if the last owner stopped in order, so that its watchers are owed nothing; 0 while it serves.",
                ),
                "1",
            ),
        ],
        key: &["id"],
        is_clustered: false,
    },
    Table {
        id: TableId::Secret,
        meaning: "A key only this server knows. Who can read it can guess entity-tags and To-tags.",
        columns: &[
            token("name", "What it is for: `tags` is the key of entity-tags and To-tags."),
            column("secret", SqlType::Secret, "32 random bytes, made at the first start."),
        ],
        key: &["name"],
        is_clustered: false,
    },
    Table {
        id: TableId::Version,
        meaning: "The one row says which version of the schema the other tables have.",
        columns: &[integer("id", "Always 1."), integer("version", "The version.")],
        key: &["id"],
        is_clustered: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn columns_of(id: TableId) -> Vec<&'static str> {
        table(id).columns.iter().map(|column| column.name).collect()
    }

    fn check_seed(id: TableId, seed: &str) {
        for column in seed.split(' ') {
            assert!(columns_of(id).contains(&column), "{id:?} lacks `{column}`");
        }
    }

    fn check_name(name: &str, is_good: bool) {
        let names = TableNames { presentity: name.into(), ..TableNames::default() };
        assert_eq!(names.check(), if is_good { Ok(()) } else { Err(BadTableName(name.into())) });
    }

    #[test]
    fn the_columns_of_2006_are_a_subset() {
        check_seed(TableId::Presentity, "username domain event etag expires received_time body");
        check_seed(
            TableId::ActiveWatchers,
            "to_user to_domain from_user from_domain event event_id to_tag from_tag callid cseq contact record_route \
             expires status version",
        );
        check_seed(TableId::Watchers, "p_user p_domain w_user w_domain subs_status reason inserted_time");
        check_seed(TableId::XcapXml, "user domain xcap doc_type");
    }

    #[test]
    fn defaults_of_2006_are_kept() {
        let default = |name| table(TableId::ActiveWatchers).columns.iter().find(|column| column.name == name)?.default;
        assert_eq!(default("event"), Some("'presence'"));
        assert_eq!(default("status"), Some("'pending'"));
        assert_eq!(default("version"), Some("0"));
    }

    #[test]
    fn keys_are_columns_and_columns_are_named_once() {
        for table in TABLES {
            assert!(table.key.iter().all(|key| columns_of(table.id).contains(key)), "{:?}", table.id);
            let mut names = columns_of(table.id);
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.columns.len(), "{:?}", table.id);
        }
    }

    #[test]
    fn migrations_lead_to_the_version_without_a_gap() {
        let steps: Vec<u32> = MIGRATIONS.iter().map(|migration| migration.to).collect();
        assert_eq!(steps, (2..=VERSION).collect::<Vec<_>>());
    }

    #[test]
    fn table_names_are_letters_digits_and_underscores() {
        for good in ["p", "_", "Presentity_2", &"x".repeat(63)] {
            check_name(good, true);
        }
        for bad in ["", "2p", "p-q", "p`q", "p q", "présence", "sqlite_x", "SQLite_x", &"x".repeat(64)] {
            check_name(bad, false);
        }
    }

    #[test]
    fn no_two_tables_share_a_name() {
        for taken in ["watchers", "WATCHERS", "xcap_xml", "presence_owner"] {
            let names = TableNames { presentity: taken.into(), ..TableNames::default() };
            assert!(names.check().is_err(), "{taken}");
        }
    }

    #[test]
    fn the_statements_are_these() {
        let names = TableNames { presentity: "p2".into(), ..TableNames::default() };
        for dialect in [Dialect::MySql, Dialect::Postgres, Dialect::Sqlite] {
            let (version, others) = create_all(dialect, &names);
            insta::assert_snapshot!(format!("{dialect:?}"), [&version[..], &others[..]].concat().join(";\n"));
        }
    }
}
