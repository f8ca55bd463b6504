//! That a row comes out of its packing as it went in, and what it takes.

use module_api::abi::Transport;
use proptest::prelude::*;

use super::*;
use crate::store::fixtures;

fn addresses() -> impl Strategy<Value = Option<TransportAddress>> {
    let some = any::<(bool, std::net::SocketAddr)>().prop_map(|(is_tcp, mut address)| {
        if let std::net::SocketAddr::V6(address) = &mut address {
            // A column does not know it.
            address.set_flowinfo(0);
        }
        TransportAddress { transport: if is_tcp { Transport::TCP } else { Transport::UDP }, address }
    });
    proptest::option::of(some)
}

/// What tells a row's texts apart: few, so that some of a row are the same.
const TEXTS: &[&str] = &[
    "",
    "a",
    "dana",
    "sip:a@b",
    "sip:dana@pres.example",
    "sip:d%C3%A4na@pres.example",
    "d\u{e4}na",
    "tel:+15550100",
    "<urn:uuid:00000000-0000-1000-8000-000a95a0e128>;a text that is longer than one digit says, \u{e4}\u{f6}\u{fc}",
];

prop_compose! {
    /// Rows of which each text may be the same as another.
    fn rows()(
        texts in proptest::collection::vec(proptest::sample::select(TEXTS), OWN + 3),
        numbers in any::<(u64, u64, u32, u32, u32, u32)>(),
        status in proptest::sample::select(vec![Status::Active, Status::Pending, Status::PoliteBlocked]),
        received in addresses(),
        socket in addresses(),
    ) -> SubscriptionRow {
        let mut texts = texts.into_iter().map(SmolStr::new_static);
        let mut text = || texts.next().unwrap();
        let (expires, subscribed_at, granted_s, local_cseq, remote_cseq, version) = numbers;
        SubscriptionRow {
            watcher: UserAtDomain::new(text(), text()),
            event: text(), event_id: text(), call_id: text(), local_tag: text(), remote_tag: text(),
            remote_target: text(), route_set: text(), presentity_uri: text(), local_uri: text(),
            remote_uri: text(), identity: text(), accept: text(), local_contact: text(), user_agent: text(),
            instance: text(), watcher_id: text(), display_name: text(),
            expires, subscribed_at, granted_s, local_cseq, remote_cseq, version, status, received, socket,
            ..fixtures::subscription(1, "dana")
        }
    }
}

proptest! {
    #[test]
    fn what_is_packed_is_what_comes_out(row in rows()) {
        let packed = PackedRow::from(&row);
        prop_assert_eq!(packed.to_row(), row.clone());
        prop_assert!(packed == row);
        prop_assert_eq!(packed.renewed(), RenewedRow::from(&row));
        prop_assert!(packed.is_of(&row.watcher));
        let DialogTexts { route_set, remote_target, local_tag, remote_tag, .. } = packed.dialog_texts();
        prop_assert_eq!(
            [route_set, remote_target, local_tag, remote_tag],
            [&*row.route_set, &row.remote_target, &row.local_tag, &row.remote_tag]
        );
        let DialogTexts { call_id, event_id, remote_uri, local_uri, .. } = packed.dialog_texts();
        prop_assert_eq!(
            [call_id, event_id, remote_uri, local_uri],
            [&*row.call_id, &row.event_id, &row.remote_uri, &row.local_uri]
        );
    }

    #[test]
    fn what_is_renewed_is_as_if_it_had_been_packed_so(row in rows(), by in rows()) {
        let by = RenewedRow { key: row.key, ..RenewedRow::from(&by) };
        let (mut packed, mut wide) = (PackedRow::from(&row), row.clone());
        packed.go_over(&by);
        wide.go_over(&by);
        prop_assert_eq!(packed.to_row(), wide.clone());
        prop_assert!(packed.is_at(&by));
        packed.renew(&by);
        wide.renew(&by);
        prop_assert_eq!(&packed, &PackedRow::from(&wide));
        prop_assert_eq!(packed.renewed(), by);
    }

    #[test]
    fn rows_that_differ_are_not_the_same(row in rows(), other in rows()) {
        let packed = PackedRow::from(&row);
        prop_assert_eq!(packed == other, row == other);
    }
}

#[test]
fn a_refresh_only_prolongs_that_changes_no_text_and_no_address() {
    let row = fixtures::subscription(1, "dana");
    let packed = PackedRow::from(&row);
    let mut renewed = packed.renewed();
    (renewed.remote_cseq, renewed.expires, renewed.granted_s) = (99, 99_999, 9_999);
    assert!(packed.is_prolonged_only(&renewed));
    let mut after = packed.clone();
    after.renew(&renewed);
    let prolonged = SubscriptionRow { remote_cseq: 99, expires: 99_999, granted_s: 9_999, ..row };
    assert_eq!(after, prolonged);
    let changes: [fn(&mut RenewedRow); 7] = [
        |row| row.local_cseq += 1,
        |row| row.remote_target = "sip:elsewhere@192.0.2.7".into(),
        |row| row.received = None,
        |row| row.socket = None,
        |row| row.local_contact = "sip:other.example".into(),
        |row| row.accept = "text/plain".into(),
        |row| row.user_agent = "Other/1".into(),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut other = renewed.clone();
        change(&mut other);
        assert!(!packed.is_prolonged_only(&other), "change {at}");
    }
}

#[test]
fn a_refresh_that_moves_nobody_leaves_the_texts_where_they_are() {
    let row = fixtures::subscription(1, "dana");
    let mut packed = PackedRow::from(&row);
    let former = packed.clone();
    packed.renew(&RenewedRow { remote_cseq: 9, expires: 1, ..packed.renewed() });
    assert!(std::ptr::eq(packed.call_id(), former.call_id()));
    assert!(Arc::ptr_eq(&packed.common, &former.common));
}

#[test]
fn what_devices_say_alike_is_kept_once_and_not_longer_than_they_are_there() {
    let of = |n, domain: &str| {
        let watcher = UserAtDomain::new("eve", domain);
        PackedRow::from(&SubscriptionRow { watcher, ..fixtures::subscription(n, "dana") })
    };
    let (one, two) = (of(1, "kept.example"), of(2, "kept.example"));
    assert!(Arc::ptr_eq(&one.common, &two.common));
    let kept = Arc::downgrade(&one.common);
    drop((one, two));
    assert!(kept.upgrade().is_none(), "nobody says it any more");
}

#[test]
fn a_packed_row_is_small() {
    assert_eq!(size_of::<PackedRow>(), 88);
    assert_eq!(size_of::<Common>(), 136);
}
