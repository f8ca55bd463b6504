//! The operations that every message pays for, each ready to be run again and again: what `benches/parts.rs` times and
//! `tests/instructions.rs` counts the instructions of.

mod fixtures; // messages, rows and rules as they come

use std::hint::black_box;

use module_api::sip::header::HeaderId;
use module_api::sip::message::{HeaderTable, scan};
use module_api::sip::uri::Uri;
use module_api::sip::via::Via;
use module_api::sip::writer::ResponseHead;
use presence::authorization::Rules;
use presence::composition::{Policy, Source, compose};
use presence::dialog::DialogKey;
use presence::effect::Notification;
use presence::headers::subscription_state::SubscriptionState;
use presence::notification::write_head;
use presence::packed_row::PackedRow;
use presence::privacy_filter::filter;
use proxy_host::transaction::key::KeySecret;
use proxy_host::transaction::server_table::Matched;
use proxy_host::transaction::table::{Table, TableLimits};
use proxy_host::transaction::timers::Moment;
use proxy_host::transport::address::Peer;

/// Something to be run.
pub(crate) type Operation = Box<dyn FnMut()>;

/// Makes one ready.
type Make = fn() -> Operation;

/// All of them, by name.
pub(crate) const OPERATIONS: [(&str, Make); 6] = [
    ("scan of a PUBLISH", scan_publish),
    ("comparison of two URIs", compare_uris),
    ("composition of two publications", compose_two),
    ("rules and filter", rules_and_filter),
    ("rendering of a NOTIFY", render_notify),
    ("transaction of a request", transaction),
];

fn scan_publish() -> Operation {
    let (raw, mut table) = (fixtures::publish(0), HeaderTable::new());
    Box::new(move || {
        let message = scan(black_box(raw.as_bytes()), &mut table).expect("a sound message");
        black_box(message.all_headers().len());
    })
}

fn compare_uris() -> Operation {
    Box::new(|| {
        let [one, other] = fixtures::SAME_URIS.map(|uri| Uri::parse(black_box(uri)).expect("a sound URI"));
        assert!(black_box(one.same_as(&other)));
    })
}

fn compose_two() -> Operation {
    let bodies = [fixtures::document("phone"), fixtures::document("desk")];
    Box::new(move || {
        let sources = [0, 1].map(|n| Source { body: bodies[n].as_bytes(), received_at_ms: n as u64, number: n as u64 });
        black_box(compose(Policy::Union, "sip:dana@pres.example", black_box(&sources)));
    })
}

fn rules_and_filter() -> Operation {
    let (rules, malformed) = Rules::read([fixtures::RULES]);
    assert!(malformed.is_empty());
    let document = fixtures::document("phone");
    Box::new(move || {
        let authorization = rules.decide(Some(black_box("sip:ben@pres.example")), None, 0);
        black_box(filter(document.as_bytes(), &authorization.permissions));
    })
}

fn render_notify() -> Operation {
    let notification = Notification {
        dialog: DialogKey([7; 16]),
        row: PackedRow::from(&fixtures::subscription()),
        cseq: 4711,
        state: SubscriptionState::Active { expires_s: 3599 },
        body: fixtures::document("phone").into_bytes().into(),
        flow: 0,
    };
    let mut head = Vec::with_capacity(2048);
    Box::new(move || {
        head.clear();
        black_box(write_head(black_box(&notification), &mut head));
    })
}

/// A new request, its answer, and a copy of it that is answered again.
fn transaction() -> Operation {
    let table: Table<Vec<u8>> =
        Table::new(TableLimits { transactions_max: 1000, ..TableLimits::default() }, KeySecret([1, 2]));
    let peer = Peer::udp(([192, 0, 2, 7], 5060).into(), 0);
    let (mut number, mut headers, mut out) = (0, HeaderTable::new(), Vec::new());
    Box::new(move || {
        number += 1;
        let raw = fixtures::publish(number);
        let message = scan(raw.as_bytes(), &mut headers).expect("a sound message");
        let via = Via::parse_first(message.header(HeaderId::VIA).expect("a Via")).expect("a sound Via");
        let now = Moment::from_nanos(number);
        let Matched::New(handle) = table.on_request(&message, &via, peer, now) else {
            panic!("a new request is new");
        };
        out.clear();
        table.reply(handle, &ResponseHead { code: 200, ..ResponseHead::default() }, now, &mut out).expect("it waits");
        black_box(table.on_request(&message, &via, peer, now));
    })
}
