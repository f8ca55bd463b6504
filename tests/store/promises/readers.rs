//! What others read in the tables, and what is read of what others wrote there.

use presence::store::Stored;
use presence::store::TakeOver;
use tests::database::literal;

use crate::backend::Backend;
use crate::fixtures::{
    commit, load, publication, publication_stored, sorted, subscription, subscription_stored, watcher, watcher_stored,
};
use crate::promise::{Promise, promise};
use crate::scene::{Scene, Start};

pub(crate) const PROMISES: &[Promise] =
    &[promise!(what_readers_of_2006_look_for_is_there), promise!(a_row_that_cannot_be_understood_is_passed_over)];

/// Programs that read the tables of the module of 2006 find what it wrote there.
fn what_readers_of_2006_look_for_is_there(scene: &Scene<'_>) {
    let mut store = scene.open();
    let rows = [publication_stored(&publication(1, "dana")), subscription_stored(&subscription(1, "dana"))];
    commit(&mut store, &[&rows[..], &[watcher_stored(watcher("dana", "eve"))]].concat());
    let joined = |columns: &str| columns.split(' ').collect::<Vec<_>>().join(" || ' ' || ");
    let check = |table: &str, columns: &str, expected: &str| {
        assert_eq!(scene.other().lines(&joined(columns), table), [expected], "{table}");
    };
    check("presentity", "username domain event etag expires received_time", "dana pres.example presence tag 1000 10");
    check(
        "active_watchers WHERE to_user = 'dana' AND to_domain = 'pres.example' AND cseq = 2",
        "from_user from_domain event event_id to_tag from_tag callid contact expires status",
        "Eve watch.example presence id1 local remote call@192.0.2.5 sip:eve@192.0.2.5:5062 4000000000 active",
    );
    check(
        "watchers",
        "p_user p_domain w_user w_domain subs_status reason inserted_time",
        "dana pres.example eve watch.example pending subscribe 33",
    );
}

/// What a table may be made to hold, and what is wrong with it.
type Spoilt = (&'static str, &'static str, &'static str);

const SPOILT: &[Spoilt] = &[
    ("presentity", "expires = -1", "`expires` is negative"),
    ("presentity", "event = ''", "`event` is empty"),
    ("presentity", "etag = ''", "`etag` is empty"),
    ("active_watchers", "status = 'terminated'", "`status` is no status of a stored row"),
    ("active_watchers", "contact = ''", "`contact` is empty"),
    ("active_watchers", "callid = ''", "`callid` is empty"),
    ("active_watchers", "to_tag = ''", "`to_tag` is empty"),
    ("active_watchers", "local_cseq = 4294967296", "`local_cseq` is too large"),
    ("active_watchers", "subscribed_at = -9223372036854775808", "`subscribed_at` is negative"),
    ("active_watchers", "received = 'udp:nowhere'", "`received` is no transport address"),
    ("active_watchers", "socket = 'sctp:192.0.2.1:5060'", "`socket` is no transport address"),
    ("watchers", "subs_status = ''", "`subs_status` is no status of a watcher"),
];

/// In SQLite each value has a type of its own.
const SPOILT_IN_SQLITE: &[Spoilt] = &[
    ("presentity", "expires = 'soon'", "`expires` is not a number"),
    ("presentity", "expires = 1.5", "`expires` is not a number"),
    ("presentity", "body = x'3C'", "`body` is not text"),
    ("presentity", "body = CAST(x'3CFF3E' AS TEXT)", "`body` is not UTF-8"),
    ("active_watchers", "id = x'00'", "`id` is not of the right length"),
    ("active_watchers", "id = 'sixteen letters!'", "`id` is not bytes"),
];

/// In PostgreSQL bytes may be any number.
const SPOILT_IN_POSTGRESQL: &[Spoilt] = &[("active_watchers", r"id = '\x00'", "`id` is not of the right length")];

/// It is reported without what stands in it, and the rest is read.
fn a_row_that_cannot_be_understood_is_passed_over(scene: &Scene<'_>) {
    let own = match scene.backend {
        Backend::MariaDb => &[],
        Backend::PostgreSql => SPOILT_IN_POSTGRESQL,
        Backend::Sqlite => SPOILT_IN_SQLITE,
    };
    let (mut store, mut other) = (scene.open(), scene.other());
    let mut expected = Vec::new();
    for (n, (table, change, reason)) in SPOILT.iter().chain(own).enumerate() {
        let user = format!("user{n}");
        let (publication, watcher) = (publication(n as u64, &user), watcher(&user, "eve"));
        let mut subscription = subscription(n as u8, &user);
        subscription.event_id = user.as_str().into();
        let stored =
            [publication_stored(&publication), subscription_stored(&subscription), watcher_stored(watcher.clone())];
        commit(&mut store, &stored);
        let key = match *table {
            "presentity" => "username",
            "active_watchers" => "event_id",
            _ => "p_user",
        };
        assert_eq!(other.execute(&format!("UPDATE {table} SET {change} WHERE {key} = {}", literal(&user))), 1);
        let skipped = Stored::Skipped { table: (*table).into(), reason: (*reason).into() };
        let mut rows =
            [Stored::Publication(publication), Stored::Subscription(Box::new(subscription)), Stored::Watcher(watcher)];
        rows[["presentity", "active_watchers", "watchers"].iter().position(|name| name == table).unwrap()] = skipped;
        expected.extend(rows);
    }
    assert_eq!(load(&mut store), sorted(expected));
    drop(store);
    let next = Start { take_over: TakeOver::ByForce, ..scene.start() };
    assert!(next.open().is_ok(), "a start is not kept from serving by a row");
}
