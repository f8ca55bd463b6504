//! How changes of rules documents are found: triggers write down whose they are, so that nobody need be asked for, and a
//! document that is gone is noticed as well as one that came.

use super::TableNames;
use super::schema::TableId;

/// Returns the statements that make the triggers, in SQLite's dialect. They run at every start: a table that somebody
/// dropped and made anew has none.
pub fn triggers(names: &TableNames) -> Vec<String> {
    let table = names.of(TableId::XcapXml);
    let journal = names.of(TableId::RulesChanged);
    let note = |row: &str| format!("INSERT INTO `{journal}` (user, domain) VALUES ({row}.user, {row}.domain);");
    // In the dialect of 2006 too, since it runs in whatever program writes the table.
    let now = "CAST(strftime('%s', 'now') AS INTEGER)";
    let stamp = format!("UPDATE `{table}` SET modified = {now} WHERE rowid = NEW.rowid;");
    // The stamp itself is no change of the document.
    let columns = "UPDATE OF user, domain, xcap, doc_type, doc_uri";
    let triggers = [
        ("inserted", "INSERT", format!("{} {stamp}", note("NEW"))),
        ("updated", columns, format!("{} {} {stamp}", note("OLD"), note("NEW"))),
        ("deleted", "DELETE", note("OLD")),
    ];
    let anew = |(name, event, body): (&str, &str, String)| {
        let name = format!("presence_rules_{name}");
        let made = format!("CREATE TRIGGER `{name}` AFTER {event} ON `{table}` BEGIN {body} END");
        [format!("DROP TRIGGER IF EXISTS `{name}`"), made]
    };
    triggers.into_iter().flat_map(anew).collect()
}
