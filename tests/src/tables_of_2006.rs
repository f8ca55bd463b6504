//! The four tables of the module of 2006, as its documentation creates them, with what a server of ours knows in them: so
//! somebody's phones are in those dialogs.

use crate::database::Database;

/// As the documentation has them; `@ENGINE@` is MyISAM there.
const TABLES: &str = "
CREATE TABLE `presentity` (
  `username` varchar(64) NOT NULL,
  `domain` varchar(124) NOT NULL,
  `event` varchar(64) NOT NULL,
  `etag` varchar(64) NOT NULL,
  `expires` int(11) NOT NULL,
  `received_time` int(11) NOT NULL,
  `body` text NOT NULL,
  PRIMARY KEY  (`username`,`domain`,`event`,`etag`)
) @ENGINE@;
CREATE TABLE `active_watchers` (
  `to_user` varchar(64) NOT NULL,
  `to_domain` varchar(128) NOT NULL,
  `from_user` varchar(64) NOT NULL,
  `from_domain` varchar(128) NOT NULL,
  `event` varchar(64) NOT NULL default 'presence',
  `event_id` varchar(64) NOT NULL,
  `to_tag` varchar(128) NOT NULL,
  `from_tag` varchar(128) NOT NULL,
  `callid` varchar(128) NOT NULL,
  `cseq` int(11) NOT NULL,
  `contact` varchar(128) NOT NULL,
  `record_route` varchar(255) NOT NULL,
  `expires` int(11) NOT NULL,
  `status` varchar(32) NOT NULL default 'pending',
  `version` int(11) NOT NULL default '0',
  PRIMARY KEY  (`from_tag`)
) @ENGINE@;
CREATE TABLE `watchers` (
  `p_user` varchar(64) NOT NULL,
  `p_domain` varchar(128) NOT NULL,
  `w_user` varchar(64) NOT NULL,
  `w_domain` varchar(128) NOT NULL,
  `subs_status` varchar(64) NOT NULL,
  `reason` varchar(64) NOT NULL,
  `inserted_time` int(11) NOT NULL,
  PRIMARY KEY  (`p_user`,`p_domain`,`w_user`,`w_domain`)
) @ENGINE@;
CREATE TABLE `xcap_xml` (
  `user` varchar(64) NOT NULL,
  `domain` varchar(128) NOT NULL,
  `xcap` text NOT NULL,
  `doc_type` int(11) NOT NULL,
  PRIMARY KEY  (`user`,`domain`)
) @ENGINE@;
";

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
    theirs.script(&TABLES.replace("@ENGINE@", "ENGINE=MyISAM"));
    for (table, values) in queries {
        for row in ours.lines(&values, table) {
            theirs.execute(&format!("INSERT INTO {table} VALUES ({row})"));
        }
    }
}
