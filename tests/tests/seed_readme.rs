//! Every example of the README of 2006, as printed there: `tests/fixtures/seed/` holds them byte for byte.

use std::fs;
use std::path::{Path, PathBuf};

use tests::pidf;
use tests::server::{Server, with_route};
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";

/// Returns the examples whose file names end in `end`, by number.
fn examples(end: &str) -> Vec<(PathBuf, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/seed");
    let entries = fs::read_dir(&directory).expect("the fixtures are there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable directory").path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(end));
    files.sort();
    let read = |path: PathBuf| (path.clone(), fs::read_to_string(path).expect("a readable fixture"));
    files.into_iter().map(read).collect()
}

fn modparams() -> Vec<(PathBuf, String)> {
    examples(".cfg").into_iter().filter(|(_, text)| text.starts_with("modparam")).collect()
}

/// Returns the quickstart with the two functions as printed, and `lines` in the place of its own parameters.
fn configuration(lines: &str) -> String {
    let functions = ["_handle_publish.cfg", "_handle_subscribe.cfg"].map(|end| examples(end).remove(0).1).concat();
    let quickstart = with_route("# parameters", &functions);
    let others: Vec<_> = quickstart.lines().filter(|line| !line.starts_with("modparam")).collect();
    others.join("\n").replace("# parameters", lines) + "\n"
}

#[test]
fn each_of_the_eleven_parameters_is_accepted_as_printed() {
    let examples = modparams();
    assert_eq!(examples.len(), 11);
    for (path, text) in examples {
        let ended = Server::check(&configuration(&text));
        assert_eq!(ended.code, Some(0), "{}:\n{}", path.display(), ended.stderr);
    }
}

#[test]
fn all_eleven_together_are_accepted() {
    let all: String = modparams().into_iter().map(|(_, text)| text).collect();
    let ended = Server::check(&configuration(&all));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

/// All of them but the database's address, which names a machine of 2006.
#[test]
fn the_functions_run_as_printed_under_the_parameters_as_printed() {
    let others: String =
        modparams().into_iter().filter(|(_, text)| !text.contains("db_url")).map(|(_, text)| text).collect();
    let lines = format!("modparam(\"presence\", \"db_url\", \"@DB_URL@\")\n{others}");
    let server = Server::start(&configuration(&lines), Default::default());
    let mut publisher = Publisher::udp(server.udp_address(), DANA).expiring(7200);
    let published = publisher.publish(&pidf::open(DANA, "t1", "here"));
    assert_eq!((published.code(), published.get("Expires")), (Some(200), Some("3590")), "{published}");
    let mut watcher = Watcher::udp(server.udp_address(), DANA, "sip:ann@watch.example");
    let accepted = watcher.subscribe(7200);
    assert_eq!((accepted.code(), accepted.get("Expires")), (Some(200), Some("3600")), "{accepted}");
    assert!(accepted.tag("To").is_some_and(|tag| tag.starts_with('a')), "to_tag_pref: {accepted}");
    let notification = watcher.next_notification();
    assert_eq!((notification.state().substate.as_str(), notification.notes()), ("active", vec!["here".to_owned()]));
    watcher.finish();
    publisher.finish();
}

/// What reads the tables of 2006 finds its columns.
#[test]
fn the_columns_of_the_four_tables_are_among_ours() {
    let mut server = Server::quickstart();
    assert_eq!(server.terminate().code(), Some(0));
    let mut database = server.open_database();
    let tables = examples(".sql");
    assert_eq!(tables.len(), 4);
    for (path, text) in tables {
        let names: Vec<_> = text.lines().filter_map(|line| line.split('`').nth(1)).collect();
        let (table, columns) = names.split_first().expect("a name after CREATE TABLE");
        let ours = database.lines("name", &format!("pragma_table_info('{table}')"));
        for column in columns {
            assert!(ours.iter().any(|ours| ours == column), "{}: no {column} in {ours:?}", path.display());
        }
    }
}
