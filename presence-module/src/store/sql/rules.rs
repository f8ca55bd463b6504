//! How changes of rules documents are found: triggers write down whose they are, so that nobody need be asked for, and a
//! document that is gone is noticed as well as one that came.

use super::dialect::Dialect;
use crate::store::TableNames;
use crate::store::schema::TableId;

/// How many triggers there are.
pub(crate) const TRIGGERS: i64 = 3;

/// The columns whose change is a change of the document.
const DOCUMENT: &[&str] = &["user", "domain", "xcap", "doc_type", "doc_uri"];

/// Returns the query that counts them; `None` where they are made at every start, which costs nothing there.
pub(crate) fn find_triggers(dialect: Dialect) -> Option<String> {
    let (column, schema) = match dialect {
        Dialect::Sqlite => return None,
        Dialect::MySql => ("trigger_name", "DATABASE()"),
        Dialect::Postgres => ("trigger_name", "current_schema()"),
    };
    let names = "('presence_rules_inserted', 'presence_rules_updated', 'presence_rules_deleted')";
    Some(format!(
        "SELECT COUNT(DISTINCT {column}) FROM information_schema.triggers WHERE trigger_schema = {schema} AND {column} IN {names}"
    ))
}

/// Returns the statements that make the triggers.
pub(crate) fn triggers(dialect: Dialect, names: &TableNames) -> Vec<String> {
    let made = Made {
        dialect,
        table: dialect.quoted(names.of(TableId::XcapXml)),
        journal: dialect.quoted(names.of(TableId::RulesChanged)),
    };
    match dialect {
        Dialect::MySql => made.mysql(),
        Dialect::Postgres => made.postgres(),
        Dialect::Sqlite => made.sqlite(),
    }
}

struct Made {
    dialect: Dialect,
    table: String,
    journal: String,
}

impl Made {
    /// Writes down whose document `row` is.
    fn note(&self, row: &str) -> String {
        let (journal, user) = (&self.journal, self.dialect.quoted("user"));
        format!("INSERT INTO {journal} ({user}, domain) VALUES ({row}.{user}, {row}.domain);")
    }

    fn sqlite(&self) -> Vec<String> {
        let (table, now) = (&self.table, self.dialect.now());
        let stamp = format!("UPDATE {table} SET modified = {now} WHERE rowid = NEW.rowid;");
        // The stamp itself is no change of the document.
        let updated = format!("UPDATE OF {}", self.dialect.list(DOCUMENT));
        let anew = |(name, event, body): (&str, &str, String)| {
            let name = format!("presence_rules_{name}");
            let made = format!("CREATE TRIGGER `{name}` AFTER {event} ON {table} BEGIN {body} END");
            [format!("DROP TRIGGER IF EXISTS `{name}`"), made]
        };
        let triggers = [
            ("inserted", "INSERT", format!("{} {stamp}", self.note("NEW"))),
            ("updated", &updated, format!("{} {} {stamp}", self.note("OLD"), self.note("NEW"))),
            ("deleted", "DELETE", self.note("OLD")),
        ];
        triggers.into_iter().flat_map(anew).collect()
    }

    fn mysql(&self) -> Vec<String> {
        let (table, now) = (&self.table, self.dialect.now());
        let stamp = format!("SET NEW.modified = {now};");
        let anew = |(name, event, body): (&str, &str, String)| {
            let name = format!("presence_rules_{name}");
            let made = format!("CREATE TRIGGER `{name}` BEFORE {event} ON {table} FOR EACH ROW BEGIN {body} END");
            [format!("DROP TRIGGER IF EXISTS `{name}`"), made]
        };
        let triggers = [
            ("inserted", "INSERT", format!("{} {stamp}", self.note("NEW"))),
            ("updated", "UPDATE", format!("{} {} {stamp}", self.note("OLD"), self.note("NEW"))),
            ("deleted", "DELETE", self.note("OLD")),
        ];
        triggers.into_iter().flat_map(anew).collect()
    }

    fn postgres(&self) -> Vec<String> {
        let (table, now) = (&self.table, self.dialect.now());
        let (old, new) = (self.note("OLD"), self.note("NEW"));
        let function = format!(
            "CREATE OR REPLACE FUNCTION presence_rules_changed_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF TG_OP <> 'INSERT' THEN {old} END IF; \
             IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; \
             {new} NEW.modified = {now}; RETURN NEW; END $$"
        );
        let anew = |(name, event): (&str, &str)| {
            let made = format!(
                "CREATE TRIGGER presence_rules_{name} BEFORE {event} ON {table} FOR EACH ROW \
                 EXECUTE FUNCTION presence_rules_changed_row()"
            );
            [format!("DROP TRIGGER IF EXISTS presence_rules_{name} ON {table}"), made]
        };
        let triggers = [("inserted", "INSERT"), ("updated", "UPDATE"), ("deleted", "DELETE")];
        std::iter::once(function).chain(triggers.into_iter().flat_map(anew)).collect()
    }
}
