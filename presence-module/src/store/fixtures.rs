//! Rows as tests write them, here and, by the path of this file, in the suite that every backend runs (`tests/store`).

use std::sync::Arc;

use module_api::abi::Transport;

use crate::change::{
    Change, Moment, PublicationRow, Status, SubscriptionKey, SubscriptionRow, TransportAddress, WatcherRow,
};
use crate::presentity_uri::{PresentityUri, UserAtDomain};
use crate::store::{Scope, Store, Stored};
use crate::watcher;

pub(crate) fn commit(store: &mut dyn Store, changes: &[Change]) {
    store.commit(&[changes]).unwrap();
}

/// Reads everything: publications first, then subscriptions, then watchers; each of them sorted, since the order inside a
/// table is the database's affair.
pub(crate) fn load(store: &mut dyn Store) -> Vec<Stored> {
    let mut rows = Vec::new();
    store.load(Scope::All, &mut |row| rows.push(row)).unwrap();
    let tables: Vec<_> = rows.iter().filter_map(|row| place(row).0).collect();
    assert!(tables.is_sorted(), "the order of the tables");
    sorted(rows)
}

/// Sorts rows by their tables and keys; those that were passed over come first.
pub(crate) fn sorted(mut rows: Vec<Stored>) -> Vec<Stored> {
    rows.sort_by_cached_key(place);
    rows
}

/// Returns which table a row is of, if that can be told, and where in it it belongs.
fn place(row: &Stored) -> (Option<u8>, u64, String) {
    match row {
        Stored::Publication(row) => (Some(0), row.id, String::new()),
        Stored::Subscription(row) => (Some(1), 0, format!("{:?}", row.key)),
        Stored::Watcher(row) => (Some(2), 0, format!("{} {} {}", row.presentity, row.watcher, row.event)),
        Stored::Skipped { table, reason } => (None, 0, format!("{table} {reason}")),
    }
}

pub(crate) fn publication_stored(row: &PublicationRow) -> Change {
    Change::PublicationStored { row: row.clone(), deadline: Moment(0), sender: None }
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

pub(crate) fn presentity(user: &str) -> Arc<PresentityUri> {
    Arc::new(UserAtDomain::new(user, "pres.example"))
}

pub(crate) fn address(transport: Transport, address: &str) -> TransportAddress {
    TransportAddress { transport, address: address.parse().unwrap() }
}
