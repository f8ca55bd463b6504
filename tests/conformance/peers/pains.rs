//! What users of the descendants report most, most frequent first.

use tests::server::{Options, Server, Transport, with_setting};
use tests::user_agent::{Publisher, Watcher};
use tests::{message::Message, pidf};

use crate::scene::*;

fn four_workers() -> Server {
    Server::start(&with_setting("children=4"), Options::default())
}

/// P1: K3192, K2540, O2249: PUBLISHes milliseconds apart, taken by different workers, must not be told out of order.
#[test]
fn p1_changes_milliseconds_apart_end_in_the_last_state() {
    let server = four_workers();
    let mut watchers: Vec<_> = [ANN, BOB, EVE].iter().map(|identity| watching(&server, identity)).collect();
    let mut publisher = Publisher::over(Transport::Tcp, &server, DANA);
    publisher.publish(&here("0"));
    for number in 1..=100 {
        assert_eq!(publisher.modify(&here(&number.to_string())).code(), Some(200));
    }
    for watcher in &mut watchers {
        let mut last = -1;
        while last < 100 {
            let told = watcher.next_notification();
            let number: i32 = told.notes()[0].parse().expect("a number");
            assert!(number > last, "{number} after {last}\n{}", watcher.endpoint.ladder());
            last = number;
        }
        watcher.refresh_in_silence();
    }
    watchers.into_iter().for_each(Watcher::finish);
}

/// P1: several devices at once; every watcher ends with the last of each.
#[test]
fn p1_devices_that_publish_at_the_same_time_are_all_seen() {
    let server = four_workers();
    let mut watcher = watching(&server, ANN);
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut devices: Vec<_> = names.iter().map(|name| publishing(&server, &device(name))).collect();
    for round in 0..10 {
        let mut sent = Vec::new();
        for (device, name) in devices.iter_mut().zip(names) {
            let body = pidf::open_at(DANA, "t1", &format!("{name}{round}"), &format!("sip:dana@{name}.example"));
            let request = device.next_request().with_body(pidf::CONTENT_TYPE, body);
            sent.push(device.endpoint.send(request));
        }
        for (device, request) in devices.iter_mut().zip(&sent) {
            assert_eq!(device.answer_to(request).code(), Some(200));
        }
    }
    let expected = names.map(|name| format!("{name}9"));
    watcher.notification_where("the last of each", |told| told.notes() == expected);
    assert_eq!(watcher.refresh_in_silence().notes(), expected);
    watcher.finish();
}

/// P1, K21: each of a chain of PUBLISHes finds the entity-tag that the one before was given.
#[test]
fn p1_k21_entity_tags_of_consecutive_publishes_agree() {
    let server = four_workers();
    let mut publisher = publishing(&server, &here("0"));
    for number in 0..50 {
        let response = if number % 3 == 0 { publisher.refresh() } else { publisher.modify(&here(&number.to_string())) };
        assert_eq!(response.code(), Some(200), "{response}");
    }
    publisher.finish();
}

/// P1, O2854: one change, one NOTIFY, with the new state.
#[test]
fn p1_o2854_a_change_is_told_once_and_with_the_new_state() {
    let server = Server::quickstart();
    let mut publisher = publishing(&server, &here("old"));
    let mut watcher = watching(&server, ANN);
    publisher.modify(&here("new"));
    assert_eq!(watcher.next_notification().notes(), ["new"]);
    watcher.refresh_in_silence();
    watcher.finish();
}

/// P1, O3802: what is left of a subscription has nothing to do with the timers of a NOTIFY that is repeated.
#[test]
fn p1_o3802_the_time_left_is_that_of_the_subscription() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    watcher.hold_answers();
    let mut publisher = publishing(&server, &here("one"));
    watcher.next_notification();
    publisher.modify(&here("two"));
    watcher.release();
    let left = watcher.next_notification().state().expires_s;
    assert!(left > Some(580) && left <= Some(600), "{left:?}");
    watcher.finish();
}

/// P1, K448, K917: versions go up by one, whoever changes what.
#[test]
fn p1_k448_versions_of_watcher_information_are_gapless_under_load() {
    let server = four_workers();
    let mut owner = watching_watchers(&server);
    let mut phones: Vec<_> = (0..10).map(|number| watcher(&server, &format!("sip:w{number}@watch.example"))).collect();
    for _ in 0..2 {
        let sent: Vec<Message> = phones
            .iter_mut()
            .map(|phone| {
                let request = phone.next_request(600);
                phone.send(request)
            })
            .collect();
        for (phone, request) in phones.iter_mut().zip(&sent) {
            assert_eq!(phone.answer_to(request).code(), Some(200));
        }
    }
    owner.notification_where("all ten", |told| told.watchers.len() == 10);
    assert_eq!(owner.refresh_in_silence().watchers.len(), 10);
    phones.into_iter().for_each(Watcher::finish);
    owner.finish();
}

/// P2, K3074: what ends leaves no row, however it ends: 408, 481, expiry, unsubscribe. trap_20
#[test]
fn p2_k3074_what_has_ended_leaves_no_row() {
    let server = Server::quickstart();
    let (mut failed, mut lost) = (watching(&server, ANN), watching(&server, ANN));
    failed.answer_next_with(408);
    lost.answer_next_with(481);
    let mut unsubscribed = watching(&server, BOB);
    unsubscribed.unsubscribe();
    unsubscribed.next_notification();
    let mut expired = watcher(&server, EVE);
    expired.subscribe(1);
    expired.next_notification();
    let mut witness = watching(&server, "sip:witness@watch.example");
    let mut publisher = publishing(&server, &here("one"));
    [&mut failed, &mut lost, &mut witness]
        .into_iter()
        .for_each(|told| assert_eq!(told.next_notification().notes(), ["one"]));
    expired.notification_where("the end", |told| told.state().is_terminated());
    publisher.modify(&here("two"));
    witness.next_notification();
    // Whatever was decided before the answer to this is written before it.
    for mut gone in [failed, lost, unsubscribed, expired] {
        assert_eq!(gone.subscribe(600).code(), Some(481));
        gone.finish();
    }
    publisher.modify(&here("three"));
    witness.next_notification();
    let mut database = server.open_database();
    assert_eq!(database.lines("from_user", "active_watchers"), ["witness"]);
    witness.finish();
}

/// P2, K1163: what is removed twice is removed once.
#[test]
fn p2_k1163_an_unsubscribe_that_comes_twice_harms_nothing() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let request = watcher.next_request(0);
    let again = request.clone().set("CSeq", "99 SUBSCRIBE");
    watcher.request(request);
    check_terminated(&watcher.next_notification(), "timeout");
    assert_eq!(watcher.endpoint.request(again).code(), Some(481));
    watcher.finish();
}

/// P2, K1609: many subscriptions that end in one second are all told.
#[test]
fn p2_k1609_a_burst_of_expiries_is_told_to_everybody() {
    let server = Server::quickstart();
    let mut watchers: Vec<_> =
        (0..60).map(|number| watcher(&server, &format!("sip:w{number}@watch.example"))).collect();
    for watcher in &mut watchers {
        assert_eq!(watcher.subscribe(2).code(), Some(200));
    }
    for watcher in &mut watchers {
        let last = watcher.notification_where("the end", |told| told.state().is_terminated());
        check_terminated(&last, "timeout");
    }
    watchers.into_iter().for_each(Watcher::finish);
}

/// P2, K3074, O2519: a watcher that never answers is gone when its time is, and is told so once.
#[test]
fn p2_a_subscription_of_a_silent_watcher_ends_with_its_time() {
    let server = Server::quickstart();
    let mut owner = watching_watchers(&server);
    let mut silent = watcher(&server, ANN);
    silent.stay_silent();
    silent.subscribe(2);
    silent.next_notification();
    owner.notification_where("the end", |told| told.watcherinfo().only().status == "terminated");
    assert!(owner.refresh_in_silence().watchers.is_empty());
    assert_eq!(silent.subscribe(600).code(), Some(481));
    silent.finish();
    owner.finish();
}

/// P3, K1354, K1341: where a watcher has moved to is kept like all else; K809: the NOTIFY after a restart is not empty.
#[test]
fn p3_a_moved_watcher_is_found_after_a_restart() {
    let mut server = Server::quickstart();
    let mut publisher = publishing(&server, &here("before"));
    let mut watcher = watching(&server, ANN);
    let moved = format!("sip:moved@{}", watcher.endpoint.local_address());
    watcher.move_to(&format!("<{moved}>"));
    watcher.subscribe(600);
    watcher.next_notification();
    server.kill_nine();
    watcher.allow_jump_once();
    server.restart();
    let owed = watcher.next_notification();
    assert_eq!((owed.message.uri(), owed.notes()), (Some(moved.as_str()), vec!["before".to_owned()]));
    publisher.modify(&here("after"));
    assert_eq!(watcher.next_notification().notes(), ["after"]);
    watcher.finish();
}

/// P5, O30, K11: a watcher on a connection is told on it, never on another transport or a new connection.
#[test]
fn p5_a_watcher_on_a_connection_is_told_on_it() {
    let server = Server::quickstart();
    let mut watcher = Watcher::tcp(server.tcp_address(), DANA, ANN);
    watcher.move_to("<sip:ann@10.255.255.1:5060;transport=tcp>");
    watcher.subscribe(600);
    watcher.next_notification();
    let _desk = publishing(&server, &here("here"));
    let told = watcher.next_notification();
    assert!(told.message.expect("Via").starts_with("SIP/2.0/TCP"), "{}", told.message);
    assert_eq!(told.notes(), ["here"]);
    watcher.finish();
}

/// P5, K4118, K915: a connection that is gone harms its own watcher only.
#[test]
fn p5_k4118_a_dead_connection_blocks_nobody() {
    let server = Server::quickstart();
    let dead: Vec<_> = (0..5)
        .map(|_| {
            let mut watcher = Watcher::tcp(server.tcp_address(), DANA, BOB);
            watcher.subscribe(600);
            watcher.next_notification();
            watcher
        })
        .collect();
    let mut alive = Watcher::tcp(server.tcp_address(), DANA, ANN);
    alive.subscribe(600);
    alive.next_notification();
    dead.into_iter().for_each(Watcher::finish);
    let mut publisher = publishing(&server, &here("0"));
    alive.next_notification();
    for number in 1..5 {
        publisher.modify(&here(&number.to_string()));
        assert_eq!(alive.next_notification().notes(), [number.to_string()]);
    }
    alive.finish();
}

/// P5, K3627: the 200 is on its way before the NOTIFY, under load too. trap_60
#[test]
fn p5_k3627_no_notify_overtakes_its_200() {
    let server = four_workers();
    let _desk = publishing(&server, &here("here"));
    for number in 0..20 {
        let mut watcher = watcher(&server, &format!("sip:w{number}@watch.example"));
        watcher.subscribe(600);
        watcher.next_notification();
        let ladder = watcher.endpoint.ladder();
        assert!(ladder.find("<- SIP/2.0 200") < ladder.find("<- NOTIFY"), "{ladder}");
        watcher.finish();
    }
}

/// P6, K3119: a document longer than a datagram usually is arrives whole, on either transport. trap_54
#[test]
fn p6_k3119_a_long_document_arrives_whole() {
    for_each_transport(|server, transport| {
        let note = "n".repeat(3000);
        let mut watcher = Watcher::over(transport, server, DANA, ANN);
        watcher.subscribe(600);
        watcher.next_notification();
        let mut publisher = Publisher::over(transport, server, DANA);
        assert_eq!(publisher.publish(&here(&note)).code(), Some(200));
        assert_eq!(watcher.next_notification().notes(), [note]);
        watcher.finish();
    });
}

/// P7, K794, K795, K441: what killed them: nothing where something was expected.
#[test]
fn p7_emptiness_kills_nothing() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let mut publisher = publisher(&server);
    let empty = format!("<presence xmlns=\"{}\" entity=\"{DANA}\"/>", pidf::PIDF);
    assert_eq!(publisher.publish(&empty).code(), Some(200), "a document that says nothing is one");
    for body in ["", " ", "<?xml version=\"1.0\"?>", "<presence/>"] {
        let request = publisher.next_request().without("SIP-If-Match").with_body(pidf::CONTENT_TYPE, body);
        assert_eq!(publisher.request(request).code(), Some(400), "{body:?}");
    }
    for header in ["From", "To", "Call-ID", "CSeq", "Contact", "Event"] {
        // What comes back for a request nobody can name is not this test's business: no user agent looks.
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a loopback socket");
        let via = format!("SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKodd{header};rport");
        let odd = self::watcher(&server, BOB).next_request(600).set(header, "").with_first("Via", via);
        socket.send_to(&odd.with("Max-Forwards", 70).to_bytes(), server.udp_address()).expect("loopback takes it");
    }
    publisher.publish(&here("alive"));
    watcher.notification_where("alive", |told| told.notes().contains(&"alive".to_owned()));
    watcher.finish();
}

/// P9, K94, K116: domains are compared without case, users with it (RFC 3261 §19.1.4). trap_55
#[test]
fn p9_k94_case_counts_in_users_and_not_in_domains() {
    let server = Server::quickstart();
    let _desk = publishing(&server, &here("here"));
    for (uri, expected) in [("sip:dana@PRES.Example", 1), ("sip:DANA@pres.example", 0)] {
        let mut watcher = Watcher::udp(server.udp_address(), uri, ANN);
        assert_eq!(watcher.fetch().notes().len(), expected, "{uri}");
        watcher.finish();
    }
}

/// P9, K55, O1193: an active watcher always gets a document, published or not.
#[test]
fn p9_k55_there_is_always_a_document() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN);
    watcher.subscribe(600);
    check_state(&watcher.next_notification(), "active", true);
    check_state(&watcher.refresh_in_silence(), "active", true);
    watcher.finish();
}

/// P9, irontec/ivozprovider 1334: the entity is whom the watcher asked for, whatever publishers call themselves.
#[test]
fn p9_the_entity_is_the_presentity() {
    let server = Server::quickstart();
    let _desk = publishing(&server, &pidf::open("sip:4711@trunk.example", "t1", "here"));
    assert_eq!(fetched(&server, ANN).presence().entity, DANA);
}

/// P9, K783: which of two devices wins is the operator's choice, and the same each time.
#[test]
fn p9_k783_the_operator_says_whose_document_wins() {
    let server = server_with(&[("composition_policy", "newest")]);
    let _early = publishing(&server, &device("early"));
    let _late = publishing(&server, &device("late"));
    assert_eq!(published(&server), ["late"]);
}
