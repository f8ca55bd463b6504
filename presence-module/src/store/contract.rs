//! What every backend promises, as functions over anything that opens one database again and again.
//!
//! A backend's own tests call each of them; what only that backend can promise is tested beside it.

use std::sync::Arc;

use module_api::abi::Transport;
use smol_str::SmolStr;

use super::{CommitError, Opening, RowGone, RowKeys, Scope, Store, Stored};
use crate::change::{
    Change, Ending, Moment, PublicationRow, Status, SubscriptionKey, SubscriptionRow, TransportAddress, WatcherRow,
};
use crate::presentity_uri::{PresentityUri, UserAtDomain};
use crate::watcher;

/// Opens the same database, as another owner each time.
pub(crate) type Opener<'a> = &'a dyn Fn() -> (Box<dyn Store>, Opening);

/// What was stored is loaded, by another run, in the order of the tables.
pub(crate) fn stored_is_loaded(open: Opener<'_>) {
    let (publication, subscription, watcher) =
        (publication(7, "dana"), subscription(1, "dana"), watcher("dana", "eve"));
    let changes =
        [watcher_stored(watcher.clone()), subscription_stored(&subscription), publication_stored(&publication)];
    commit(&mut *open().0, &changes);
    let expected =
        [Stored::Publication(publication), Stored::Subscription(Box::new(subscription)), Stored::Watcher(watcher)];
    assert_eq!(load(&mut *open().0), expected);
}

/// Quotes, control characters, other scripts, nothing at all and very long values come back as they went.
pub(crate) fn any_text_survives(open: Opener<'_>) {
    let long = "x".repeat(300_000);
    for (n, text) in
        ["", "'", "\"`;--", "a\0b", "\u{FFFD}", "Zoë 🦀 дана", "%_\\", " 1 ", "0x41", &long].iter().enumerate()
    {
        let (mut store, _) = open();
        let mut publication = publication(n as u64, text);
        (publication.body, publication.presentity) = (Arc::from(*text), Arc::new(UserAtDomain::new(*text, *text)));
        let mut subscription = subscription(n as u8, text);
        subscription.user_agent = (*text).into();
        subscription.display_name = (*text).into();
        subscription.route_set = (*text).into();
        commit(&mut *store, &[publication_stored(&publication), subscription_stored(&subscription)]);
        let loaded = load(&mut *store);
        assert!(loaded.contains(&Stored::Publication(publication)), "{n}");
        assert!(loaded.contains(&Stored::Subscription(Box::new(subscription))), "{n}");
    }
}

/// `Alice` and `alice` are two users, and so are their rows.
pub(crate) fn users_are_case_sensitive(open: Opener<'_>) {
    let (mut store, _) = open();
    let (upper, lower) = (watcher("Alice", "Bob"), watcher("alice", "bob"));
    commit(&mut *store, &[watcher_stored(upper.clone()), watcher_stored(lower.clone())]);
    assert_eq!(load(&mut *store).len(), 2);
    assert_eq!(load_watchers_of(&mut *store, &["Alice"]), [Stored::Watcher(upper)]);
    assert_eq!(load_watchers_of(&mut *store, &["alice"]), [Stored::Watcher(lower)]);
}

/// A publication is refreshed, modified and removed under one key.
pub(crate) fn publications_go_on_and_end(open: Opener<'_>) {
    let (mut store, _) = open();
    let mut row = publication(3, "dana");
    commit(&mut *store, &[publication_stored(&row)]);

    commit(&mut *store, &[publication_continued(3, "refreshed", None)]);
    (row.entity_tag, row.expires) = ("refreshed".into(), 2_000);
    assert_eq!(load(&mut *store), [Stored::Publication(row.clone())]);

    commit(&mut *store, &[publication_continued(3, "modified", Some("<presence/>"))]);
    (row.entity_tag, row.body, row.received_at_ms) = ("modified".into(), Arc::from("<presence/>"), 1_500_000);
    assert_eq!(load(&mut *store), [Stored::Publication(row)]);

    commit(&mut *store, &[Change::PublicationRemoved { id: 3 }]);
    assert_eq!(load(&mut *store), []);
}

/// A refresh changes what a refresh may change, and nothing else.
pub(crate) fn subscriptions_are_refreshed(open: Opener<'_>) {
    let (mut store, _) = open();
    let mut row = subscription(1, "dana");
    commit(&mut *store, &[subscription_stored(&row)]);
    (row.expires, row.granted_s, row.local_cseq, row.remote_cseq) = (9_000, 7_200, 192, 5);
    (row.remote_target, row.accept, row.user_agent) = ("sip:new@192.0.2.5".into(), "*/*".into(), "Phone/2".into());
    (row.received, row.socket) = (None, Some(address(Transport::TCP, "[2001:db8::1]:5062")));
    let mut as_given = row.clone();
    (as_given.event_id, as_given.identity, as_given.version) = ("other".into(), "sip:other".into(), 99);
    commit(&mut *store, &[Change::SubscriptionRefreshed { row: Arc::new(as_given), deadline: Moment(0), flow: 3 }]);
    assert_eq!(load(&mut *store), [Stored::Subscription(Box::new(row))]);
}

/// The other changes of a subscription: the target, the CSeqs reserved, the authorisation, the end.
pub(crate) fn subscriptions_change_and_end(open: Opener<'_>) {
    let (mut store, _) = open();
    let (mut row, other) = (subscription(1, "dana"), subscription(2, "dana"));
    commit(&mut *store, &[subscription_stored(&row), subscription_stored(&other)]);
    (row.remote_target, row.received, row.socket) = ("sip:elsewhere@192.0.2.6".into(), None, None);
    row.local_contact = "sip:pa.example".into();
    let mut as_given = row.clone();
    (as_given.accept, as_given.expires) = ("other".into(), 1);
    commit(
        &mut *store,
        &[
            Change::SubscriptionMoved { row: Arc::new(as_given), flow: 3 },
            Change::CseqReserved { key: row.key, local_cseq: u32::MAX },
            Change::SubscriptionAuthorized { key: row.key, status: Status::PoliteBlocked },
        ],
    );
    (row.local_cseq, row.status) = (u32::MAX, Status::PoliteBlocked);
    let other = Stored::Subscription(Box::new(other));
    assert_eq!(load(&mut *store), [Stored::Subscription(Box::new(row.clone())), other.clone()]);
    commit(&mut *store, &[Change::SubscriptionRemoved { key: row.key, ending: Ending::Expired, waits: false }]);
    assert_eq!(load(&mut *store), [other]);
}

/// A row stored again under its key is the new row, whole.
pub(crate) fn storing_again_replaces(open: Opener<'_>) {
    let (mut store, _) = open();
    let (mut row, mut state) = (subscription(1, "dana"), watcher("dana", "eve"));
    commit(&mut *store, &[subscription_stored(&row), watcher_stored(state.clone())]);
    (row.presentity, row.status, row.call_id) = (presentity("fred"), Status::Pending, "again".into());
    (state.status, state.reason, state.inserted_time) = (watcher::Status::Active, "approved".into(), 77);
    commit(&mut *store, &[subscription_stored(&row), watcher_stored(state.clone())]);
    assert_eq!(load(&mut *store), [Stored::Subscription(Box::new(row)), Stored::Watcher(state)]);
}

/// A state that somebody has proven takes the place of the same state that nobody had; written again, it stays as it was.
pub(crate) fn who_a_state_was_decided_for_is_written(open: Opener<'_>) {
    let (mut store, _) = open();
    let proven = watcher("dana", "eve");
    commit(&mut *store, &[watcher_stored(WatcherRow { identity: SmolStr::default(), ..proven.clone() })]);
    commit(&mut *store, &[watcher_stored(proven.clone())]);
    commit(&mut *store, &[watcher_stored(WatcherRow { inserted_time: 99, watcher_id: "w2".into(), ..proven.clone() })]);
    assert_eq!(load(&mut *store), [Stored::Watcher(proven)]);
}

/// Of a batch with one impossible row, nothing is written; the store goes on.
pub(crate) fn a_batch_is_whole_or_nothing(open: Opener<'_>) {
    let (mut store, _) = open();
    commit(&mut *store, &[publication_stored(&publication(5, "dana"))]);
    let before = load(&mut *store);
    let batch = [
        Change::PublicationRemoved { id: 5 },
        publication_stored(&publication(6, "eve")),
        publication_stored(&publication(6, "fred")),
    ];
    let decisions: Vec<&[Change]> = batch.iter().map(std::slice::from_ref).collect();
    check_data(store.commit(&decisions));
    assert_eq!(load(&mut *store), before);
    commit(&mut *store, &batch[1..2]);
    assert_eq!(load(&mut *store).len(), 2);
}

/// A number no column can hold is the decision's fault.
pub(crate) fn a_number_too_large_is_refused(open: Opener<'_>) {
    let (mut store, _) = open();
    let mut row = publication(1, "dana");
    row.expires = u64::MAX;
    check_data(store.commit(&[&[publication_stored(&row)]]));
    assert_eq!(load(&mut *store), []);
}

/// What only memory knows is not written, whether alone or among others.
pub(crate) fn memory_only_changes_leave_no_row(open: Opener<'_>) {
    let (mut store, _) = open();
    let row = Arc::new(subscription(1, "dana"));
    commit(&mut *store, &[Change::SubscriptionFetched { row, flow: 0 }]);
    store.commit(&[]).unwrap();
    assert_eq!(load(&mut *store), []);
}

/// Rows are read by their keys: those that are there and no others, however many are asked for.
pub(crate) fn some_rows_are_loaded(open: Opener<'_>) {
    let (mut store, _) = open();
    for n in 0..40 {
        let user = format!("user{n}");
        let changes = [
            publication_stored(&publication(n, &user)),
            subscription_stored(&subscription(n as u8, &user)),
            watcher_stored(watcher(&user, "eve")),
            watcher_stored(watcher(&user, "fred")),
        ];
        commit(&mut *store, &changes);
    }
    assert_eq!(load_rows(&mut *store, &RowKeys::default()), []);
    let key = |n| SubscriptionKey([n; 16]);
    let absent = RowKeys {
        publications: vec![40, u64::MAX],
        subscriptions: vec![key(40)],
        watchers_of: ["nobody", "user", "user4%"].map(presentity).into(),
    };
    assert_eq!(load_rows(&mut *store, &absent), []);
    let some = RowKeys {
        publications: vec![4, 99, 7],
        subscriptions: vec![key(99), key(5)],
        watchers_of: vec![presentity("user6")],
    };
    let found = load_rows(&mut *store, &some);
    let expected = [
        Stored::Publication(publication(4, "user4")),
        Stored::Publication(publication(7, "user7")),
        Stored::Subscription(Box::new(subscription(5, "user5"))),
        Stored::Watcher(watcher("user6", "eve")),
        Stored::Watcher(watcher("user6", "fred")),
    ];
    assert!(found.len() == 5 && expected.iter().all(|row| found.contains(row)), "{found:?}");
    let all = RowKeys {
        publications: (0..3_000).collect(),
        subscriptions: (0..=255).map(key).collect(),
        watchers_of: (0..3_000).map(|n| presentity(&format!("user{n}"))).collect(),
    };
    assert_eq!(load_rows(&mut *store, &all).len(), load(&mut *store).len());
}

/// A change of a row that somebody else removed is its decision's fault, and nothing of the transaction stands; to remove
/// such a row is well.
pub(crate) fn a_row_that_is_gone_refuses_whoever_changes_it(open: Opener<'_>) {
    let (mut store, _) = open();
    let row = Arc::new(subscription(9, "dana"));
    let changes = [
        (publication_continued(9, "refreshed", None), "presentity"),
        (publication_continued(9, "modified", Some("<presence/>")), "presentity"),
        (Change::SubscriptionRefreshed { row: row.clone(), deadline: Moment(0), flow: 0 }, "active_watchers"),
        (Change::SubscriptionAuthorized { key: row.key, status: Status::Active }, "active_watchers"),
        (Change::SubscriptionMoved { row: row.clone(), flow: 0 }, "active_watchers"),
        (Change::CseqReserved { key: row.key, local_cseq: 128 }, "active_watchers"),
    ];
    for (change, table) in changes {
        let fine = publication_stored(&publication(1, "dana"));
        let refused = store.commit(&[&[fine], std::slice::from_ref(&change)]);
        let Err(CommitError::Data(error)) = refused else { panic!("{change:?}: {refused:?}") };
        assert_eq!(error.downcast_ref(), Some(&RowGone { table: table.into() }), "{change:?}");
        assert_eq!(load(&mut *store), [], "{change:?}");
    }
    let (watcher, event) = (UserAtDomain::new("eve", "watch.example"), SmolStr::from("presence"));
    let removed = [
        Change::PublicationRemoved { id: 9 },
        Change::SubscriptionRemoved { key: row.key, ending: Ending::Silent, waits: false },
        Change::WatcherRemoved { presentity: presentity("dana"), watcher, event, because: watcher::Event::Giveup },
        publication_stored(&publication(1, "dana")),
    ];
    commit(&mut *store, &removed);
    assert_eq!(load(&mut *store).len(), 1);
}

/// A change that leaves a row as it is meets it all the same.
pub(crate) fn a_change_to_the_same_is_no_refusal(open: Opener<'_>) {
    let (mut store, _) = open();
    let row = subscription(1, "dana");
    commit(&mut *store, &[publication_stored(&publication(3, "dana")), subscription_stored(&row)]);
    for _ in 0..2 {
        commit(&mut *store, &[publication_continued(3, "refreshed", None)]);
        commit(&mut *store, &[Change::CseqReserved { key: row.key, local_cseq: row.local_cseq }]);
        commit(&mut *store, &[Change::SubscriptionAuthorized { key: row.key, status: row.status }]);
    }
}

/// A start after a stop in order knows it; after anything else it knows that too. The secret stays, ids go on.
pub(crate) fn a_start_knows_how_the_last_run_ended(open: Opener<'_>) {
    let (mut store, first) = open();
    assert!(first.was_clean, "nobody is owed anything by an empty database");
    assert_eq!(first.next_publication_id, 1);
    commit(&mut *store, &[publication_stored(&publication(41, "dana"))]);
    store.close_cleanly().unwrap();
    drop(store);

    let (store, second) = open();
    assert!(second.was_clean);
    assert_eq!((second.secret, second.next_publication_id), (first.secret, 42));
    drop(store);

    let (store, third) = open();
    assert!(!third.was_clean, "the second run did not stop in order");
    assert_eq!(third.secret, first.secret);
    drop(store);
}

/// A commit after the mark of a clean stop takes the mark back.
pub(crate) fn a_commit_after_a_clean_stop_is_unclean(open: Opener<'_>) {
    let (mut store, _) = open();
    store.close_cleanly().unwrap();
    commit(&mut *store, &[publication_stored(&publication(1, "dana"))]);
    drop(store);
    assert!(!open().1.was_clean);
}

/// Once another server has opened the database, the first one writes nothing more, and no decision is blamed.
pub(crate) fn the_last_to_open_owns_the_database(open: Opener<'_>) {
    let (mut first, _) = open();
    commit(&mut *first, &[publication_stored(&publication(1, "dana"))]);
    let (mut second, _) = open();
    for _ in 0..2 {
        let refused = first.commit(&[&[publication_stored(&publication(2, "eve"))]]);
        let Err(error @ CommitError::World(_)) = refused else { panic!("{refused:?}") };
        assert!(super::is_taken_over(&error), "{error}");
    }
    let error = first.heartbeat().expect_err("it is another's");
    assert!(super::is_taken_over(&error), "{error}");
    assert!(first.close_cleanly().is_err());
    second.heartbeat().unwrap();
    commit(&mut *second, &[publication_stored(&publication(2, "fred"))]);
    assert_eq!(load(&mut *second).len(), 2);
}

/// What is committed is there for the next run, whether or not this one ended in order.
pub(crate) fn a_commit_outlives_its_run(open: Opener<'_>) {
    for n in 0..5 {
        let (mut store, _) = open();
        assert_eq!(load(&mut *store).len(), n);
        commit(&mut *store, &[publication_stored(&publication(n as u64, "dana"))]);
        store.maintain().unwrap();
    }
}

fn check_data(outcome: Result<(), CommitError>) {
    assert!(matches!(outcome, Err(CommitError::Data(_))), "{outcome:?}");
}

pub(crate) fn commit(store: &mut dyn Store, changes: &[Change]) {
    store.commit(&[changes]).unwrap();
}

pub(crate) fn load(store: &mut dyn Store) -> Vec<Stored> {
    let mut rows = Vec::new();
    store.load(Scope::All, &mut |row| rows.push(row)).unwrap();
    rows
}

fn load_rows(store: &mut dyn Store, keys: &RowKeys) -> Vec<Stored> {
    let mut rows = Vec::new();
    store.load(Scope::Rows(keys), &mut |row| rows.push(row)).unwrap();
    rows
}

fn load_watchers_of(store: &mut dyn Store, users: &[&str]) -> Vec<Stored> {
    load_rows(
        store,
        &RowKeys { watchers_of: users.iter().map(|user| presentity(user)).collect(), ..RowKeys::default() },
    )
}

pub(crate) fn publication_stored(row: &PublicationRow) -> Change {
    Change::PublicationStored { row: row.clone(), deadline: Moment(0), sender: None }
}

fn publication_continued(id: u64, entity_tag: &str, body: Option<&str>) -> Change {
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

pub(crate) fn subscription_stored(row: &SubscriptionRow) -> Change {
    Change::SubscriptionStored { row: Arc::new(row.clone()), deadline: Moment(0), flow: 0 }
}

pub(crate) fn watcher_stored(row: WatcherRow) -> Change {
    Change::WatcherStored { row, deadline: None }
}

pub(crate) fn publication(id: u64, user: &str) -> PublicationRow {
    PublicationRow {
        id,
        presentity: presentity(user),
        event: "presence".into(),
        entity_tag: "tag".into(),
        expires: 1_000,
        received_at_ms: 10_000,
        body: Arc::from("<presence xmlns='urn:ietf:params:xml:ns:pidf'/>"),
    }
}

pub(crate) fn subscription(n: u8, user: &str) -> SubscriptionRow {
    SubscriptionRow {
        key: SubscriptionKey([n; 16]),
        presentity: presentity(user),
        watcher: UserAtDomain::new("Eve", "watch.example"),
        event: "presence".into(),
        event_id: "id1".into(),
        call_id: "call@192.0.2.5".into(),
        local_tag: "local".into(),
        remote_tag: "remote".into(),
        local_cseq: 64,
        remote_cseq: 2,
        remote_target: "sip:eve@192.0.2.5:5062".into(),
        route_set: "<sip:a.example;lr>,<sip:b.example;lr>".into(),
        expires: 4_000_000_000,
        granted_s: 3_600,
        status: Status::Active,
        version: 7,
        presentity_uri: "pres:dana@pres.example".into(),
        local_uri: "sip:dana@pres.example".into(),
        remote_uri: "sip:Eve@watch.example".into(),
        identity: "sip:eve@watch.example".into(),
        accept: "application/pidf+xml".into(),
        local_contact: "sip:192.0.2.9:5060".into(),
        received: Some(address(Transport::UDP, "198.51.100.7:40000")),
        socket: Some(address(Transport::UDP, "192.0.2.9:5060")),
        user_agent: "Phone/1".into(),
        watcher_id: "w1".into(),
        display_name: "Eve \"the watcher\"".into(),
        subscribed_at: 5,
        instance: "<urn:uuid:0>".into(),
    }
}

pub(crate) fn watcher(user: &str, watcher: &str) -> WatcherRow {
    WatcherRow {
        presentity: presentity(user),
        watcher: UserAtDomain::new(watcher, "watch.example"),
        event: "presence".into(),
        status: watcher::Status::Pending,
        reason: "subscribe".into(),
        inserted_time: 33,
        watcher_id: "w1".into(),
        deadline: 44,
        identity: "sip:eve@watch.example".into(),
    }
}

fn presentity(user: &str) -> Arc<PresentityUri> {
    Arc::new(UserAtDomain::new(user, "pres.example"))
}

fn address(transport: Transport, address: &str) -> TransportAddress {
    TransportAddress { transport, address: address.parse().unwrap() }
}
