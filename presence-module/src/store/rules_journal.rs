//! How changes of rules documents are found: triggers write down whose they are, so that nobody need be asked for, and a
//! document that is gone is noticed as well as one that came.

use super::TableNames;
use super::schema::TableId;

/// Returns the statements that make the triggers, in SQLite's dialect.
pub fn triggers(names: &TableNames) -> Vec<String> {
    let table = names.of(TableId::XcapXml);
    let journal = names.of(TableId::RulesChanged);
    let note = |row: &str| format!("INSERT INTO `{journal}` (user, domain) VALUES ({row}.user, {row}.domain);");
    let stamp = format!("UPDATE `{table}` SET modified = unixepoch() WHERE rowid = NEW.rowid;");
    let trigger = |name: &str, event: &str, body: &str| {
        format!("CREATE TRIGGER `presence_rules_{name}` AFTER {event} ON `{table}` BEGIN {body} END")
    };
    // The stamp itself is no change of the document.
    let columns = "UPDATE OF user, domain, xcap, doc_type, doc_uri";
    vec![
        trigger("inserted", "INSERT", &format!("{} {stamp}", note("NEW"))),
        trigger("updated", columns, &format!("{} {} {stamp}", note("OLD"), note("NEW"))),
        trigger("deleted", "DELETE", &note("OLD")),
    ]
}
