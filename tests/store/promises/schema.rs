//! A start makes the tables, or takes those that are ours, and leaves everything else alone.

use presence::store::Migrate;
use presence::store::schema::VERSION;
use presence::store::{Scope, Store, StoreError, Stored, TableNames};

use crate::backend::Backend;
use crate::fixtures::{commit, load, publication, publication_stored, subscription, subscription_stored};
use crate::promise::{Promise, promise};
use crate::scene::{Scene, Start};
use tests::patience::wait_until;

pub(crate) const PROMISES: &[Promise] = &[
    promise!(tables_are_called_as_the_script_says),
    promise!(tables_of_somebody_else_are_refused),
    promise!(a_newer_schema_is_refused),
    promise!(a_schema_that_lacks_something_is_refused),
    promise!(a_refused_start_changes_no_owner),
    promise!(a_start_that_was_cut_short_is_finished_by_the_next),
    promise!(without_auto_migrate_only_what_is_ready_is_served),
    promise!(tables_that_operators_change_are_served_on),
];

/// Whatever the tables are called, in words that SQL keeps for itself even.
fn tables_are_called_as_the_script_says(scene: &Scene<'_>) {
    let names = TableNames {
        presentity: "select".into(),
        active_watchers: "Aw_2".into(),
        watchers: "_w".into(),
        xcap: "xcap".into(),
    };
    let mut store = Start { names, ..scene.start() }.open().unwrap().0;
    commit(&mut store, &[subscription_stored(&subscription(1, "dana")), publication_stored(&publication(1, "dana"))]);
    let mut other = scene.other();
    other.execute(r#"UPDATE "select" SET event = ''"#);
    other.execute(r#"UPDATE "Aw_2" SET contact = ''"#);
    assert_eq!(other.lines("count(*)", r#""_w""#), ["0"]);
    other.execute(r#"INSERT INTO "xcap" ("user", domain, doc_type, xcap) VALUES ('dana', 'pres.example', 2, '<a/>')"#);
    assert_eq!(store.changed_rules().unwrap().len(), 1);
    let skipped = |table: &str, reason: &str| Stored::Skipped { table: table.into(), reason: reason.into() };
    assert_eq!(load(&mut store), [skipped("Aw_2", "`contact` is empty"), skipped("select", "`event` is empty")]);
}

/// A table that has a name of ours and was not made by us is somebody's; those of other names are nothing to us.
fn tables_of_somebody_else_are_refused(scene: &Scene<'_>) {
    let mut other = scene.other();
    other.script("CREATE TABLE watchers (p_user varchar(64)); CREATE TABLE location (ruid varchar(64));");
    let refusal = scene.start().refusal().to_string();
    assert!(refusal.starts_with("schema: found table `watchers` without `presence_version`, expected "), "{refusal}");
    assert!(other.try_lines("1", "presence_version").is_err(), "nothing was made");
    other.execute("DROP TABLE watchers");
    scene.open();
    assert_eq!(other.lines("count(*)", "location"), ["0"]);
}

/// A later version of this server has been here.
fn a_newer_schema_is_refused(scene: &Scene<'_>) {
    scene.open();
    scene.other().execute(&format!("UPDATE presence_version SET version = {}", VERSION + 1));
    check_refused(&scene.start(), &format!("version {}", VERSION + 1));
    scene.other().execute("DELETE FROM presence_version");
    check_refused(&scene.start(), "no version in `presence_version`");
}

/// The tables say they are ours, and somebody changed them, or their names in the script.
fn a_schema_that_lacks_something_is_refused(scene: &Scene<'_>) {
    scene.open();
    check_refused(&renamed(scene), &format!("version {VERSION} without table `renamed`"));
    scene.other().execute("ALTER TABLE watchers DROP COLUMN deadline");
    check_refused(&scene.start(), "table `watchers` without column `deadline`");
}

/// Who may not serve a database does not end the service of who does.
fn a_refused_start_changes_no_owner(scene: &Scene<'_>) {
    let mut store = scene.open();
    renamed(scene).refusal();
    commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
}

/// Where tables cannot be made in one transaction, some of them may be there, and the version that is written last is not.
fn a_start_that_was_cut_short_is_finished_by_the_next(scene: &Scene<'_>) {
    scene.open();
    scene.other().script("UPDATE presence_version SET version = 0; DROP TABLE watchers; DELETE FROM presence_owner;");
    let (mut store, opening) = scene.start().open().unwrap();
    assert!(opening.was_clean, "nobody is owed anything by an empty database");
    commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
    assert_eq!(scene.other().lines("version", "presence_version"), [VERSION.to_string()]);
}

/// An operator who keeps tables in his own hands is told the command, and nothing is made behind his back.
fn without_auto_migrate_only_what_is_ready_is_served(scene: &Scene<'_>) {
    let only_check = || Start { migrate: Migrate::OnlyCheck, ..scene.start() };
    let refusal = only_check().refusal();
    assert!(matches!(refusal, StoreError::NotMigrated { found: 0 }), "{refusal}");
    assert!(refusal.to_string().contains("`scripts/db migrate URL`"), "{refusal}");
    assert!(scene.other().try_lines("1", "presence_version").is_err(), "nothing was made");

    scene.open();
    let mut store = only_check().open().unwrap().0;
    commit(&mut store, &[publication_stored(&publication(1, "dana"))]);
    scene.other().execute("UPDATE presence_version SET version = 1");
    let refusal = only_check().refusal();
    assert!(matches!(refusal, StoreError::NotMigrated { found: 1 }), "{refusal}");
}

/// A column of their own, another type for one of ours, a trigger that writes elsewhere: whatever was prepared for the
/// tables as they were is prepared anew.
fn tables_that_operators_change_are_served_on(scene: &Scene<'_>) {
    let (mut store, mut other) = (scene.open(), scene.other());
    let rows = |n: u64| [publication_stored(&publication(n, "dana")), publication_stored(&publication(n + 1, "eve"))];
    commit(&mut store, &rows(1));
    other.execute("ALTER TABLE presentity ADD COLUMN note varchar(20) DEFAULT 'x'");
    match scene.backend {
        Backend::MariaDb => other.execute("ALTER TABLE presentity MODIFY etag varchar(200) NOT NULL"),
        Backend::PostgreSql => other.execute("ALTER TABLE presentity ALTER COLUMN etag TYPE varchar(200)"),
        Backend::Sqlite => other.execute("CREATE TABLE place (id integer)"),
    };
    scene.count_publications();
    for n in [10, 20] {
        wait_until("the next session is well", || store.load(Scope::All, &mut |_| {}).is_ok());
        wait_until("the next session is well", || store.commit(&[&rows(n)]).is_ok());
        assert_eq!(load(&mut store).len() as u64, 2 + n / 5);
    }
    assert_eq!(other.lines("n", "counted"), ["4"]);
}

/// Looks for a table that is not there.
fn renamed(scene: &Scene<'_>) -> Start {
    Start { names: TableNames { presentity: "renamed".into(), ..TableNames::default() }, ..scene.start() }
}

/// Expects that a start finds `found`, and says so.
fn check_refused(start: &Start, found: &str) {
    let refusal = start.refusal().to_string();
    assert_eq!(refusal, format!("schema: found {found}, expected version {VERSION}, or none of its tables"));
}
