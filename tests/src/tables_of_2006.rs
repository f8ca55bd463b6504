//! The four tables of the module of 2006, as its documentation creates them, with what a server of ours knows in them: so
//! somebody's phones are in those dialogs.

use crate::database::Database;

/// As the documentation has them, for MariaDB.
const TABLES: [&str; 4] = [
    include_str!("../tests/fixtures/seed/14_presentity.sql"),
    include_str!("../tests/fixtures/seed/15_active_watchers.sql"),
    include_str!("../tests/fixtures/seed/16_watchers.sql"),
    include_str!("../tests/fixtures/seed/17_xcap_xml.sql"),
];

/// The CSeq of 2006 began as the watcher's and grew with each NOTIFY.
pub const CSEQ: u32 = 7;

/// Makes the tables in `theirs`, a MariaDB, and copies what a server of ours knows into them.
///
/// # Panics
/// If a database refuses it.
pub fn fill(ours: &mut Database, theirs: &mut Database) {
    let columns =
        |names: &str| names.split(' ').map(|name| format!("quote({name})")).collect::<Vec<_>>().join("||','||");
    let (dialog, rest) = (
        columns("to_user to_domain from_user from_domain event event_id to_tag from_tag callid"),
        columns("contact record_route expires status version"),
    );
    let queries = [
        ("presentity", columns("username domain event etag expires received_time body")),
        ("active_watchers", format!("{dialog}||',{CSEQ},'||{rest}")),
        ("watchers", columns("p_user p_domain w_user w_domain subs_status reason inserted_time")),
    ];
    TABLES.iter().for_each(|table| theirs.script(table));
    for (table, values) in queries {
        for row in ours.lines(&values, table) {
            theirs.execute(&format!("INSERT INTO {table} VALUES ({row})"));
        }
    }
}
