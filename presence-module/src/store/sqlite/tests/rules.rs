//! Rules documents as they are read, and how their changes are noticed, whoever makes them.

use super::*;

pub(super) fn document(user: &str, doc_type: i64, document: &str) -> RulesDocument {
    RulesDocument { owner: PresentityUri::new(user, "pres.example"), doc_type, document: document.into() }
}

pub(super) fn of(store: &mut SqliteStore, users: &[&str]) -> Vec<RulesDocument> {
    let owners: Vec<_> = users.iter().map(|user| PresentityUri::new(*user, "pres.example")).collect();
    let mut found = Vec::new();
    store.load_rules(Scope::Presentities(&owners), &mut |document| found.push(document)).unwrap();
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
    store.load_rules(Scope::All, &mut |_| all += 1).unwrap();
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
