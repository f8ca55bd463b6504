//! Rules documents as they are read, and how their changes are noticed, whoever makes them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use presence::presentity_uri::PresentityUri;
use presence::store::schema::{TableId, table};
use presence::store::{RulesDocument, Store, TableNames};

use crate::promise::{Promise, promise};
use crate::scene::Scene;

pub(crate) const PROMISES: &[Promise] = &[
    promise!(rules_documents_are_read_by_owner_whatever_the_letters_of_the_domain),
    promise!(whoever_changes_rules_in_whatever_way_is_noticed_once),
    promise!(changes_of_rules_made_while_nobody_served_are_noticed),
    promise!(a_change_of_rules_is_stamped),
    promise!(a_table_of_rules_that_was_made_anew_is_watched),
    promise!(a_document_is_read_as_soon_as_it_is_there),
    promise!(documents_that_came_without_triggers_are_read_once_a_sweep_has_begun),
    promise!(however_many_changes_of_rules_there_are_one_look_finds_them_all),
];

const INSERT: &str = r#"INSERT INTO xcap_xml ("user", domain, xcap, doc_type, doc_uri)"#;

/// A domain is the same in any letters, a user is not; and the order depends on nothing but the documents.
fn rules_documents_are_read_by_owner_whatever_the_letters_of_the_domain(scene: &Scene<'_>) {
    let mut store = scene.open();
    scene.other().execute(&format!(
        "{INSERT} VALUES
             ('dana', 'Pres.Example', '<b/>', 2, 'b'), ('dana', 'Pres.Example', '<a/>', 2, 'a'),
             ('dana', 'Pres.Example', '<c/>', 1, 'c'), ('Dana', 'pres.example', '<other/>', 2, ''),
             ('eli', 'pres.example', '<e/>', 2, '')"
    ));
    let document = |user: &str, doc_type, document: &str| RulesDocument {
        owner: PresentityUri::new(user, "pres.example"),
        doc_type,
        document: document.into(),
    };
    let danas = [document("dana", 1, "<c/>"), document("dana", 2, "<a/>"), document("dana", 2, "<b/>")];
    assert_eq!(documents_of(&mut store, Some("dana")), danas);
    assert_eq!(documents_of(&mut store, Some("nobody")), []);
    let all = documents_of(&mut store, None);
    assert_eq!(all, documents_of(&mut store, None));
    let others = [document("Dana", 2, "<other/>"), document("eli", 2, "<e/>")];
    let of_others: Vec<_> = all.iter().filter(|document| document.owner.user != "dana").collect();
    assert!(all.len() == 5 && others.iter().all(|document| of_others.contains(&document)), "{all:?}");
}

/// By name, by document, by another owner, or altogether.
fn whoever_changes_rules_in_whatever_way_is_noticed_once(scene: &Scene<'_>) {
    let mut store = scene.open();
    assert_eq!(changed(&mut store), Vec::<String>::new());
    let mut check = |sql: &str, expected: &[&str]| {
        scene.other().execute(sql);
        assert_eq!(changed(&mut store), expected, "{sql}");
        assert_eq!(changed(&mut store), Vec::<String>::new(), "{sql}");
    };
    let two =
        format!("{INSERT} VALUES ('dana', 'PRES.example', '<a/>', 2, ''), ('eli', 'pres.example', '<b/>', 2, '')");
    check(&two, &["dana", "eli"]);
    check(r#"UPDATE xcap_xml SET xcap = '<c/>' WHERE "user" = 'eli'"#, &["eli"]);
    check(r#"UPDATE xcap_xml SET "user" = 'fay' WHERE "user" = 'eli'"#, &["eli", "fay"]);
    check("UPDATE presentity SET expires = 0", &[]);
    check("DELETE FROM xcap_xml", &["dana", "fay"]);
}

/// The next start hears of them.
fn changes_of_rules_made_while_nobody_served_are_noticed(scene: &Scene<'_>) {
    scene.open();
    scene.other().execute(&format!("{INSERT} VALUES ('dana', 'pres.example', '<a/>', 2, '')"));
    assert_eq!(scene.open().changed_rules().unwrap(), [PresentityUri::new("dana", "pres.example")]);
}

/// Operators see when.
fn a_change_of_rules_is_stamped(scene: &Scene<'_>) {
    scene.open();
    let mut other = scene.other();
    for change in
        [&format!("{INSERT} VALUES ('dana', 'pres.example', '<a/>', 2, '')"), "UPDATE xcap_xml SET xcap = '<b/>'"]
    {
        other.execute(change);
        let stamp: u64 = other.lines("modified", "xcap_xml")[0].parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(now.abs_diff(Duration::from_secs(stamp)) < Duration::from_secs(30), "{stamp}");
    }
}

/// Its triggers are gone with the table that was dropped; the next start makes them.
fn a_table_of_rules_that_was_made_anew_is_watched(scene: &Scene<'_>) {
    scene.open();
    let mut other = scene.other();
    other.execute("DROP TABLE xcap_xml");
    // By the server's own account, as `scripts/db` would.
    let made = table(TableId::XcapXml).create(scene.dialect(), &TableNames::default());
    tests::database::Database::connect(&scene.url()).execute(&made);
    let mut store = scene.open();
    assert_eq!(changed(&mut store), Vec::<String>::new());
    other.execute(&format!("{INSERT} VALUES ('dana', 'pres.example', '<a/>', 2, '')"));
    assert_eq!(changed(&mut store), ["dana"]);
    other.script("UPDATE xcap_xml SET xcap = '<b/>'; DELETE FROM xcap_xml;");
    assert_eq!(changed(&mut store), ["dana"]);
}

/// Whoever was known to have none is not taken for having none any more; and it is a change all the same.
fn a_document_is_read_as_soon_as_it_is_there(scene: &Scene<'_>) {
    let (mut store, mut other) = (scene.open(), scene.other());
    let mut count = |user| documents_of(&mut store, Some(user)).len();
    assert_eq!((count("dana"), count("eli")), (0, 0));
    other.execute(&format!("{INSERT} VALUES ('dana', 'pres.example', '<a/>', 2, '')"));
    assert_eq!((count("dana"), count("eli")), (1, 0));
    other.execute(r#"UPDATE xcap_xml SET "user" = 'eli'"#);
    assert_eq!((count("dana"), count("eli")), (0, 1));
    other.execute("DELETE FROM xcap_xml");
    assert_eq!((count("dana"), count("eli")), (0, 0));
    assert_eq!(changed(&mut store), ["dana", "eli"]);
}

/// As when a backup is put in the table's place while the server runs.
fn documents_that_came_without_triggers_are_read_once_a_sweep_has_begun(scene: &Scene<'_>) {
    let (mut store, mut other) = (scene.open(), scene.other());
    assert_eq!(documents_of(&mut store, Some("dana")), []);
    other.execute("DROP TABLE xcap_xml");
    let made = table(TableId::XcapXml).create(scene.dialect(), &TableNames::default());
    tests::database::Database::connect(&scene.url()).execute(&made);
    other.execute(&format!("{INSERT} VALUES ('dana', 'pres.example', '<a/>', 2, '')"));
    store.sweep(100, &mut |_| ()).unwrap();
    assert_eq!(documents_of(&mut store, Some("dana")).len(), 1);
}

/// More than are read at once, and exactly as many.
fn however_many_changes_of_rules_there_are_one_look_finds_them_all(scene: &Scene<'_>) {
    let (mut store, mut other) = (scene.open(), scene.other());
    let digit = |name: &str| {
        format!("(SELECT 0 AS d{}) AS {name}", (1..10).map(|n| format!(" UNION ALL SELECT {n}")).collect::<String>())
    };
    let numbers = format!(
        "(SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n FROM {}, {}, {}, {}) AS numbers",
        digit("a"),
        digit("b"),
        digit("c"),
        digit("e")
    );
    for changes in [4096, 8193] {
        let user = format!("'u' || n || '-{changes}'");
        other.execute(&format!(
            "{INSERT} SELECT {user}, 'pres.example', '<a/>', 2, '' FROM {numbers} WHERE n < {changes}"
        ));
        assert_eq!(changed(&mut store).len(), changes, "{changes}");
        assert_eq!(other.lines("count(*)", "presence_rules_changed"), ["0"], "what was seen is removed");
    }
}

/// Returns the documents of `user`, or of everybody.
fn documents_of(store: &mut dyn Store, user: Option<&str>) -> Vec<RulesDocument> {
    let owners: Vec<_> = user.iter().map(|user| Arc::new(PresentityUri::new(*user, "pres.example"))).collect();
    let mut found = Vec::new();
    store.load_rules(user.is_some().then_some(&owners), &mut |document| found.push(document)).unwrap();
    found
}

/// Returns whose rules changed since somebody looked.
pub(super) fn changed(store: &mut dyn Store) -> Vec<String> {
    store.changed_rules().unwrap().into_iter().map(|owner| owner.user.to_string()).collect()
}
