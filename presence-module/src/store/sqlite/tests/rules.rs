//! Rules documents as they are read, and how their changes are noticed, whoever makes them.

use super::*;

pub(super) fn document(user: &str, doc_type: i64, document: &str) -> RulesDocument {
    RulesDocument { owner: PresentityUri::new(user, "pres.example"), doc_type, document: document.into() }
}

pub(super) fn of(store: &mut SqlStore, users: &[&str]) -> Vec<RulesDocument> {
    let owners: Vec<_> = users.iter().map(|user| Arc::new(PresentityUri::new(*user, "pres.example"))).collect();
    let mut found = Vec::new();
    store.load_rules(Some(&owners), &mut |document| found.push(document)).unwrap();
    found
}

#[test]
fn rules_documents_are_read_by_owner_whatever_the_letters_of_the_domain() {
    let database = Database::new();
    let mut store = database.open();
    database.execute(
        "INSERT INTO xcap_xml (user, domain, xcap, doc_type, doc_uri) VALUES
             ('dana', 'Pres.Example', '<b/>', 2, 'b'), ('dana', 'Pres.Example', '<a/>', 2, 'a'),
             ('dana', 'Pres.Example', '<c/>', 1, 'c'), ('Dana', 'pres.example', '<other/>', 2, ''),
             ('eli', 'pres.example', '<e/>', 2, '')",
    );
    let danas = [document("dana", 1, "<c/>"), document("dana", 2, "<a/>"), document("dana", 2, "<b/>")];
    assert_eq!(of(&mut store, &["dana"]), danas);
    assert_eq!(of(&mut store, &["nobody"]), []);
    let mut all = 0;
    store.load_rules(None, &mut |_| all += 1).unwrap();
    assert_eq!(all, 5);
}

#[test]
fn a_rules_document_that_is_not_text_is_read_as_one_that_allows_nothing() {
    let database = Database::new();
    let mut store = database.open();
    database.execute("INSERT INTO xcap_xml (user, domain, xcap, doc_type) VALUES ('dana', 'pres.example', x'3C', 2)");
    assert_eq!(of(&mut store, &["dana"]), [document("dana", 2, "")]);
}

#[test]
fn whoever_changes_rules_in_whatever_way_is_noticed_once() {
    let database = Database::new();
    let mut store = database.open();
    assert_eq!(store.changed_rules().unwrap(), []);
    let mut check = |sql: &str, expected: &[&str]| {
        database.execute(sql);
        let users: Vec<_> = store.changed_rules().unwrap().into_iter().map(|owner| owner.user).collect();
        assert_eq!(users, expected, "{sql}");
        assert_eq!(store.changed_rules().unwrap(), [], "{sql}");
    };
    check(
        "INSERT INTO xcap_xml (user, domain, xcap, doc_type) VALUES
             ('dana', 'PRES.example', '<a/>', 2), ('eli', 'pres.example', '<b/>', 2)",
        &["dana", "eli"],
    );
    check("UPDATE xcap_xml SET xcap = '<c/>' WHERE user = 'eli'", &["eli"]);
    check("UPDATE xcap_xml SET user = 'fay' WHERE user = 'eli'", &["eli", "fay"]);
    check("UPDATE presentity SET expires = 0", &[]);
    check("DELETE FROM xcap_xml", &["dana", "fay"]);
}

#[test]
fn changes_made_while_nobody_served_are_noticed_at_the_next_start() {
    let database = Database::new();
    database.open();
    database.execute("INSERT INTO xcap_xml (user, domain, xcap, doc_type) VALUES ('dana', 'pres.example', '<a/>', 2)");
    let mut store = database.open();
    assert_eq!(store.changed_rules().unwrap(), [PresentityUri::new("dana", "pres.example")]);
}

#[test]
fn a_change_of_rules_is_stamped() {
    let database = Database::new();
    database.open();
    database.execute("INSERT INTO xcap_xml (user, domain, xcap, doc_type) VALUES ('dana', 'pres.example', '<a/>', 2)");
    assert_eq!(database.number("SELECT abs(modified - unixepoch()) < 5 FROM xcap_xml"), 1);
}

/// Whose rules changed since somebody looked.
fn changed(store: &mut SqlStore) -> Vec<String> {
    store.changed_rules().unwrap().into_iter().map(|owner| owner.user.to_string()).collect()
}

const INSERT: &str = "INSERT INTO xcap_xml (user, domain, xcap, doc_type)";

#[test]
fn a_change_is_noticed_by_the_connection_that_takes_the_place_of_another() {
    let database = Database::new();
    let mut store = database.open();
    for user in ["dana", "eli", "fay"] {
        assert_eq!(changed(&mut store), Vec::<String>::new());
        database.execute(&format!("{INSERT} VALUES ('{user}', 'pres.example', '<a/>', 2)"));
        // The connection is dropped, as at any failure.
        within(&mut store, "BEGIN");
        assert!(store.commit(&[&[publication_stored(&publication(1, "dana"))]]).is_err());
        assert_eq!(changed(&mut store), [user]);
    }
}

#[test]
fn a_table_that_was_made_anew_is_watched_from_the_next_start_on() {
    let database = Database::new();
    database.open();
    let made = database.texts("SELECT sql FROM sqlite_schema WHERE name = 'xcap_xml'");
    let before = database.columns_and_triggers();
    database.execute(&format!("DROP TABLE xcap_xml; {}", made[0]));
    assert_ne!(database.columns_and_triggers(), before, "its triggers are gone with it");
    let mut store = database.open();
    assert_eq!(database.columns_and_triggers(), before);
    assert_eq!(changed(&mut store), Vec::<String>::new());
    database.execute(&format!("{INSERT} VALUES ('dana', 'pres.example', '<a/>', 2)"));
    assert_eq!(changed(&mut store), ["dana"]);
    database.execute("UPDATE xcap_xml SET xcap = '<b/>'; DELETE FROM xcap_xml");
    assert_eq!(changed(&mut store), ["dana"]);
}

#[test]
fn however_many_changes_there_are_one_look_finds_them_all() {
    let database = Database::new();
    let mut store = database.open();
    for changes in [4095, 4096, 4097, 10_000] {
        database.execute(&format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {changes})
             {INSERT} SELECT 'u' || n || '-{changes}', 'pres.example', '<a/>', 2 FROM n"
        ));
        assert_eq!(changed(&mut store).len(), changes, "{changes}");
        assert_eq!(database.number("SELECT count(*) FROM presence_rules_changed"), 0, "what was seen is removed");
    }
}
