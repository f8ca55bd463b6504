//! The traps of our protocol digest that no clause's own test springs; `trap_NN` in the words above a test names the others.

use tests::server::Server;
use tests::user_agent::{Publisher, Watcher};

use crate::scene::*;

/// From and To change places, tags and all, and Call-ID stays (RFC 3261 §12.2.1.1).
#[test]
fn trap_01_a_notify_has_the_addresses_of_its_subscribe_the_other_way_round() {
    for_each_transport(|server, transport| {
        let mut watcher = Watcher::over(transport, server, DANA, ANN);
        let request = watcher.next_request(600);
        let accepted = watcher.request(request.clone());
        let notify = watcher.next_notification().message;
        assert_eq!(notify.get("To"), request.get("From"));
        assert_eq!(notify.get("From"), accepted.get("To"));
        assert_eq!(notify.get("Call-ID"), request.get("Call-ID"));
        watcher.finish();
    });
}

/// `lr` counts by being there, whatever stands behind it and however it is written (RFC 3261 §19.1.1).
#[test]
fn trap_04_a_router_is_loose_whatever_its_lr_says() {
    let server = Server::quickstart();
    for lr in ["lr", "lr=on", "LR=true", "transport=udp;Lr;x=y"] {
        let mut watcher = watcher(&server, ANN);
        let route = format!("<sip:{};{lr}>", watcher.endpoint.local_address());
        watcher.move_to("<sip:ann@phone.invalid:5999>");
        let request = watcher.next_request(600).with("Record-Route", &route);
        assert_eq!(watcher.request(request).code(), Some(200));
        let notify = watcher.next_notification().message;
        assert_eq!(notify.uri(), Some("sip:ann@phone.invalid:5999"), "{lr}");
        assert_eq!(notify.list("Route"), [route], "{lr}");
        watcher.finish();
    }
}

/// `terminated` has a reason and no time, the others a time and no reason (RFC 6665 §4.1.3): as written, not as read.
#[test]
fn trap_12_subscription_state_says_one_thing() {
    for (server, substate) in [(Server::quickstart(), "active"), (server_that_asks(), "pending")] {
        let mut watcher = watcher(&server, ANN);
        watcher.subscribe(600);
        let first = watcher.next_notification().message;
        let value = first.expect("Subscription-State");
        assert!([format!("{substate};expires=600"), format!("{substate};expires=599")].contains(&value.to_owned()));
        watcher.unsubscribe();
        let last = watcher.next_notification().message;
        assert_eq!(last.get("Subscription-State"), Some("terminated;reason=timeout"));
        watcher.finish();
    }
}

/// What is too long for the columns of 2006 is kept whole, over a restart as well.
#[test]
fn trap_57_long_values_are_kept_whole() {
    let mut server = Server::quickstart();
    let note = "n".repeat(20_000);
    let mut publisher = Publisher::tcp(server.tcp_address(), DANA);
    assert_eq!(publisher.publish(&here(&note)).code(), Some(200));
    let mut watcher = watcher(&server, &format!("sip:{}@watch.example", "a".repeat(255)));
    let target = format!("sip:{}@phone.invalid:5999;x={}", "p".repeat(300), "y".repeat(300));
    watcher.move_to(&format!("<{target}>"));
    let here = watcher.endpoint.local_address();
    let routes = [format!("<sip:{here};lr;z={}>", "r".repeat(1500)), format!("<sip:{}.example;lr>", "q".repeat(60))];
    let request = watcher.next_request(600).with("Record-Route", routes.join(", "));
    assert_eq!(watcher.request(request).code(), Some(200));
    let check = |watcher: &mut Watcher| {
        let told = watcher.next_notification();
        assert_eq!(told.message.uri(), Some(target.as_str()));
        assert_eq!(told.message.list("Route"), routes);
        assert_eq!(told.notes(), [note.as_str()]);
    };
    check(&mut watcher);
    server.kill_nine();
    watcher.allow_jump_once();
    server.restart();
    check(&mut watcher);
    watcher.finish();
}

/// The NOTIFY may reach the watcher first, so both rest on what is written: a crash behind the 200 loses nothing.
#[test]
fn trap_60_what_a_200_says_is_written_before_it_leaves() {
    let mut server = Server::quickstart();
    let mut watcher = watcher(&server, ANN);
    let accepted = watcher.subscribe(600);
    assert_eq!(accepted.code(), Some(200));
    server.kill_nine();
    watcher.allow_jump_once();
    server.restart();
    let refreshed = watcher.subscribe(300);
    assert_eq!(refreshed.code(), Some(200), "{refreshed}");
    watcher.notification_where("the refresh", |told| told.state().expires_s <= Some(300));
    watcher.finish();
}
