//! What is written is read by whoever opens the database next, and goes on under its key.

use std::sync::Arc;

use module_api::abi::Transport;
use presence::change::{
    Change, Ending, Moment, PublicationRow, RenewedRow, Status, SubscriptionKey, SubscriptionRow, WatcherRow,
};
use presence::presentity_uri::PresentityUri;
use presence::store::{RowKeys, Scope, Store, Stored};
use presence::watcher;
use smol_str::SmolStr;
use tests::database::literal;

use super::batches::check_data;
use crate::backend::Backend;
use crate::fixtures::{
    address, commit, load, presentity, publication, publication_stored, sorted, subscription, subscription_stored,
    watcher, watcher_stored,
};
use crate::promise::{Promise, promise};
use crate::scene::Scene;

pub(crate) const PROMISES: &[Promise] = &[
    promise!(stored_is_loaded),
    promise!(any_text_survives),
    promise!(users_are_told_apart_by_every_character),
    promise!(publications_go_on_and_end),
    promise!(subscriptions_are_refreshed),
    promise!(subscriptions_change_and_end),
    promise!(storing_again_replaces),
    promise!(who_a_state_was_decided_for_is_written),
    promise!(some_rows_are_loaded),
    promise!(memory_only_changes_leave_no_row),
    promise!(large_documents_share_a_transaction),
];

/// What was stored is loaded by another run.
fn stored_is_loaded(scene: &Scene<'_>) {
    let (publication, subscription, watcher) =
        (publication(7, "dana"), subscription(1, "dana"), watcher("dana", "eve"));
    let changes =
        [watcher_stored(watcher.clone()), subscription_stored(&subscription), publication_stored(&publication)];
    commit(&mut scene.open(), &changes);
    let expected =
        [Stored::Publication(publication), Stored::Subscription(Box::new(subscription)), Stored::Watcher(watcher)];
    assert_eq!(load(&mut scene.open()), expected);
}

/// Quotes, control characters, other scripts, nothing at all and the longest values come back as they went.
fn any_text_survives(scene: &Scene<'_>) {
    let mut store = scene.open();
    let (longest_name, longest_text) = ("\u{1F980}".repeat(255), "x".repeat(65_535));
    let texts =
        ["", "'", "\"`;--", "a\tb\r\n\u{1}", "\u{FFFD}", "Zoë 🦀 дана", "%_\\", " 1 ", "0x41", "?", "$1", "a\0b"];
    for (n, text) in texts.iter().enumerate() {
        check_text_survives(scene, &mut store, n as u8, text, text, text);
    }
    check_text_survives(scene, &mut store, 100, &longest_name, &longest_text, &"ж".repeat(150_000));
}

/// Writes a name, a text and a document where there can be any, and reads them.
fn check_text_survives(scene: &Scene<'_>, store: &mut dyn Store, n: u8, name: &str, text: &str, document: &str) {
    let mut publication = publication(n.into(), name);
    (publication.body, publication.entity_tag) =
        (Arc::from(document), format!("{text}!").chars().take(60_000).collect());
    let mut subscription = subscription(n, name);
    subscription.watcher.user = name.into();
    for field in [
        &mut subscription.event_id,
        &mut subscription.identity,
        &mut subscription.user_agent,
        &mut subscription.display_name,
        &mut subscription.route_set,
    ] {
        *field = text.into();
    }
    let changes = [publication_stored(&publication), subscription_stored(&subscription)];
    if scene.backend == Backend::PostgreSql && text.contains('\0') {
        let refused = store.commit(&[&changes]);
        return check_data(refused);
    }
    commit(store, &changes);
    let keys =
        RowKeys { publications: vec![publication.id], subscriptions: vec![subscription.key], ..RowKeys::default() };
    let expected = [Stored::Publication(publication), Stored::Subscription(Box::new(subscription))];
    assert_eq!(load_rows(store, &keys), expected, "{n}");
}

/// `Alice` and `alice` are two users, and so are `é`, `e` and `e` with an accent of its own, and who has a space behind: so
/// are their rows, and their rules.
fn users_are_told_apart_by_every_character(scene: &Scene<'_>) {
    let mut store = scene.open();
    let users =
        ["Alice", "alice", "alice ", "al\u{ed}ce", "ali\u{301}ce", "\u{e9}", "e", "e\u{301}", "E", "ss", "ß", "", " "];
    let rows: Vec<_> = users.iter().flat_map(|user| [watcher(user, "bob"), watcher("bob", user)]).collect();
    commit(&mut store, &rows.iter().cloned().map(watcher_stored).collect::<Vec<_>>());
    assert_eq!(load(&mut store).len(), rows.len());
    for user in users {
        let columns = r#"("user", domain, xcap, doc_type)"#;
        let document = format!("INSERT INTO xcap_xml {columns} VALUES ({}, 'pres.example', 'x', 2)", literal(user));
        scene.other().execute(&document);
    }
    for user in users {
        let row = watcher(user, "bob");
        let keys = RowKeys { watchers_of: vec![row.presentity.clone()], ..RowKeys::default() };
        let mut documents = 0;
        store.load_rules(Some(std::slice::from_ref(&row.presentity)), &mut |_| documents += 1).unwrap();
        assert_eq!(documents, 1, "{user:?}");
        assert_eq!(load_rows(&mut store, &keys), [Stored::Watcher(row)]);
    }
    let mut changed = store.changed_rules().unwrap();
    changed.sort_unstable();
    let mut expected = users.map(|user| PresentityUri::new(user, "pres.example"));
    expected.sort_unstable();
    assert_eq!(changed, expected);
}

/// A publication is refreshed, modified and removed under one key.
fn publications_go_on_and_end(scene: &Scene<'_>) {
    let mut store = scene.open();
    let mut row = publication(3, "dana");
    commit(&mut store, &[publication_stored(&row)]);

    commit(&mut store, &[publication_continued(3, "refreshed", None)]);
    (row.entity_tag, row.expires) = ("refreshed".into(), 2_000);
    assert_eq!(load(&mut store), [Stored::Publication(row.clone())]);

    commit(&mut store, &[publication_continued(3, "modified", Some("<presence/>"))]);
    (row.entity_tag, row.body, row.received_at_ms) = ("modified".into(), Arc::from("<presence/>"), 1_500_000);
    assert_eq!(load(&mut store), [Stored::Publication(row)]);

    commit(&mut store, &[Change::PublicationRemoved { id: 3 }]);
    assert_eq!(load(&mut store), []);
}

pub(super) fn subscription_refreshed(row: &SubscriptionRow, is_prolonged_only: bool) -> Change {
    let row = Box::new(RenewedRow::from(row));
    Change::SubscriptionRefreshed { row, is_prolonged_only, deadline: Moment(0), flow: 3 }
}

/// A refresh changes what a refresh may change, and nothing else.
fn subscriptions_are_refreshed(scene: &Scene<'_>) {
    let mut store = scene.open();
    let mut row = subscription(1, "dana");
    commit(&mut store, &[subscription_stored(&row)]);
    (row.expires, row.granted_s, row.local_cseq, row.remote_cseq) = (9_000, 7_200, 192, 5);
    (row.remote_target, row.accept, row.user_agent) = ("sip:new@192.0.2.5".into(), "*/*".into(), "Phone/2".into());
    (row.received, row.socket) = (None, Some(address(Transport::TCP, "[2001:db8::1]:5062")));
    let mut as_given = row.clone();
    (as_given.event_id, as_given.identity, as_given.version) = ("other".into(), "sip:other".into(), 99);
    commit(&mut store, &[subscription_refreshed(&as_given, false)]);
    assert_eq!(load(&mut store), [Stored::Subscription(Box::new(row.clone()))]);

    (row.expires, row.granted_s, row.remote_cseq) = (9_600, 9_000, 6);
    commit(&mut store, &[subscription_refreshed(&row, true)]);
    assert_eq!(load(&mut store), [Stored::Subscription(Box::new(row))]);
}

/// The other changes of a subscription: the target, the CSeqs reserved, the authorisation, the end.
fn subscriptions_change_and_end(scene: &Scene<'_>) {
    let mut store = scene.open();
    let (mut row, other) = (subscription(1, "dana"), subscription(2, "dana"));
    commit(&mut store, &[subscription_stored(&row), subscription_stored(&other)]);
    (row.remote_target, row.received, row.socket) = ("sip:elsewhere@192.0.2.6".into(), None, None);
    row.local_contact = "sip:pa.example".into();
    let mut as_given = row.clone();
    (as_given.accept, as_given.expires) = ("other".into(), 1);
    commit(
        &mut store,
        &[
            Change::SubscriptionMoved { row: Box::new(RenewedRow::from(&as_given)), flow: 3 },
            Change::CseqReserved { key: row.key, local_cseq: u32::MAX },
            Change::SubscriptionAuthorized { key: row.key, status: Status::PoliteBlocked },
        ],
    );
    (row.local_cseq, row.status) = (u32::MAX, Status::PoliteBlocked);
    let other = Stored::Subscription(Box::new(other));
    assert_eq!(load(&mut store), [Stored::Subscription(Box::new(row.clone())), other.clone()]);
    commit(&mut store, &[Change::SubscriptionRemoved { key: row.key, ending: Ending::Expired, waits: false }]);
    assert_eq!(load(&mut store), [other]);
}

/// A row stored again under its key is the new row, whole.
fn storing_again_replaces(scene: &Scene<'_>) {
    let mut store = scene.open();
    let (mut row, mut state) = (subscription(1, "dana"), watcher("dana", "eve"));
    commit(&mut store, &[subscription_stored(&row), watcher_stored(state.clone())]);
    (row.presentity, row.status, row.call_id) = (presentity("fred"), Status::Pending, "again".into());
    (state.status, state.reason, state.inserted_time) = (watcher::Status::Active, "approved".into(), 77);
    commit(&mut store, &[subscription_stored(&row), watcher_stored(state.clone())]);
    assert_eq!(load(&mut store), [Stored::Subscription(Box::new(row)), Stored::Watcher(state)]);
}

/// A state that somebody has proven takes the place of the same state that nobody had; written again, it stays as it was.
fn who_a_state_was_decided_for_is_written(scene: &Scene<'_>) {
    let mut store = scene.open();
    let proven = watcher("dana", "eve");
    commit(&mut store, &[watcher_stored(WatcherRow { identity: SmolStr::default(), ..proven.clone() })]);
    commit(&mut store, &[watcher_stored(proven.clone())]);
    commit(&mut store, &[watcher_stored(WatcherRow { inserted_time: 99, watcher_id: "w2".into(), ..proven.clone() })]);
    assert_eq!(load(&mut store), [Stored::Watcher(proven)]);
}

/// Rows are read by their keys: those that are there and no others, however many are asked for.
fn some_rows_are_loaded(scene: &Scene<'_>) {
    let mut store = scene.open();
    for n in 0..40 {
        let user = format!("user{n}");
        let changes = [
            publication_stored(&publication(n, &user)),
            subscription_stored(&subscription(n as u8, &user)),
            watcher_stored(watcher(&user, "eve")),
            watcher_stored(watcher(&user, "fred")),
        ];
        commit(&mut store, &changes);
    }
    assert_eq!(load_rows(&mut store, &RowKeys::default()), []);
    let key = |n| SubscriptionKey([n; 16]);
    let absent = RowKeys {
        publications: vec![40, u64::MAX],
        subscriptions: vec![key(40)],
        watchers_of: ["nobody", "user", "user4%"].map(presentity).into(),
    };
    assert_eq!(load_rows(&mut store, &absent), []);
    let some = RowKeys {
        publications: vec![4, 99, 7],
        subscriptions: vec![key(99), key(5)],
        watchers_of: vec![presentity("user6")],
    };
    let found = load_rows(&mut store, &some);
    let expected = [
        Stored::Publication(publication(4, "user4")),
        Stored::Publication(publication(7, "user7")),
        Stored::Subscription(Box::new(subscription(5, "user5"))),
        Stored::Watcher(watcher("user6", "eve")),
        Stored::Watcher(watcher("user6", "fred")),
    ];
    assert_eq!(found, expected);
    let all = RowKeys {
        publications: (0..3_000).collect(),
        subscriptions: (0..=255).map(key).collect(),
        watchers_of: (0..3_000).map(|n| presentity(&format!("user{n}"))).collect(),
    };
    assert_eq!(load_rows(&mut store, &all).len(), load(&mut store).len());
}

/// What only memory knows is not written, whether alone or among others.
fn memory_only_changes_leave_no_row(scene: &Scene<'_>) {
    let mut store = scene.open();
    let row = Arc::new(subscription(1, "dana"));
    commit(&mut store, &[Change::SubscriptionFetched { row, flow: 0 }]);
    store.commit(&[]).unwrap();
    assert_eq!(load(&mut store), []);
}

/// More of them than a server takes in one message.
fn large_documents_share_a_transaction(scene: &Scene<'_>) {
    let mut store = scene.open();
    let large = |n: u64| PublicationRow { body: Arc::from("x".repeat(300_000 + n as usize)), ..publication(n, "dana") };
    let rows: Vec<_> = (0..64).map(large).collect();
    commit(&mut store, &rows.iter().map(publication_stored).collect::<Vec<_>>());
    let expected: Vec<_> = rows.into_iter().map(Stored::Publication).collect();
    assert!(load(&mut scene.open()) == expected);
}

/// Reads the rows of some keys.
fn load_rows(store: &mut dyn Store, keys: &RowKeys) -> Vec<Stored> {
    let mut rows = Vec::new();
    store.load(Scope::Rows(keys), &mut |row| rows.push(row)).unwrap();
    sorted(rows)
}

pub(super) fn publication_continued(id: u64, entity_tag: &str, body: Option<&str>) -> Change {
    Change::PublicationContinued {
        id,
        entity_tag: entity_tag.into(),
        body: body.map(Arc::from),
        received_at_ms: 1_500_000,
        expires: 2_000,
        deadline: Moment(0),
        sender: None,
    }
}
