//! What the descendants of the 2006 module fixed later than it: right here from the first day.

use tests::message::{parameter, uri_of};
use tests::server::{Options, QUICKSTART, Server};
use tests::user_agent::Watcher;

use crate::scene::*;

#[test]
fn fixed_2007_04_every_publish_has_a_new_entity_tag() {
    let server = Server::quickstart();
    let mut publisher = publishing(&server, &here("here"));
    let first = publisher.entity_tag().to_owned();
    publisher.refresh();
    let second = publisher.entity_tag().to_owned();
    publisher.modify(&here("busy"));
    assert!(first != second && second != publisher.entity_tag() && first != publisher.entity_tag());
    publisher.finish();
}

#[test]
fn fixed_2007_05_the_presentity_is_that_of_the_request_uri() {
    let server = Server::quickstart();
    let mut publisher = publisher(&server);
    let request = publisher.next_request().set("To", "<sip:else@pres.example>");
    publisher.request(request.with_body(tests::pidf::CONTENT_TYPE, here("here")));
    assert_eq!(published(&server), ["here"]);
    publisher.finish();
}

#[test]
fn fixed_2007_02_a_refresh_is_followed_by_a_notify() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    watcher.refresh_in_silence();
    watcher.finish();
}

#[test]
fn fixed_2007_07_an_unsubscribe_is_followed_by_a_notify() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    watcher.unsubscribe();
    check_terminated(&watcher.next_notification(), "timeout");
    watcher.finish();
}

#[test]
fn fixed_2007_02_the_id_of_event_is_echoed() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN).with_event("presence;id=4711");
    watcher.subscribe(600);
    let event = watcher.next_notification().message.expect("Event").to_owned();
    assert_eq!(parameter(&event, "id").as_deref(), Some("4711"));
    watcher.finish();
}

#[test]
fn fixed_2007_02_the_200_and_the_notify_have_a_contact_that_leads_to_us() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN);
    let accepted = watcher.subscribe(600);
    for message in [&accepted, &watcher.next_notification().message] {
        let contact = uri_of(message.expect("Contact"));
        assert!(contact.contains(&server.udp_address().to_string()), "{contact}");
    }
    watcher.finish();
}

/// The harness takes a NOTIFY from anywhere else for a stray.
#[test]
fn fixed_2007_03_a_notify_leaves_from_the_socket_the_subscribe_came_in_on() {
    let two = QUICKSTART.replacen(
        "listen=udp:127.0.0.1:@PORT@\n",
        "listen=udp:127.0.0.1:@PORT@\nlisten=udp:127.0.0.1:@PORT@\n",
        1,
    );
    let server = Server::start(&two, Options::default());
    for address in server.udp_addresses() {
        let mut watcher = Watcher::udp(*address, DANA, ANN);
        let accepted = watcher.subscribe(600);
        assert!(uri_of(accepted.expect("Contact")).contains(&address.to_string()), "{accepted}");
        watcher.next_notification();
        let _desk = publishing(&server, &device(&address.port().to_string()));
        watcher.next_notification();
        watcher.finish();
    }
}

/// Their CSeq and ours have nothing to do with each other. trap_02
#[test]
fn fixed_2007_08_the_cseqs_of_the_two_sides_are_apart() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server, ANN);
    let mut last = None;
    for cseq in [1_000_000, 1_000_001, 2_000_000_000] {
        let request = watcher.next_request(600).set("CSeq", format!("{cseq} SUBSCRIBE"));
        assert_eq!(watcher.request(request).code(), Some(200));
        let ours = watcher.next_notification().cseq();
        assert!(last.is_none_or(|last: u32| ours == last + 1), "{ours} after {last:?}");
        last = Some(ours);
    }
    watcher.finish();
}

#[test]
fn fixed_2007_07_a_489_says_what_is_allowed() {
    let server = Server::quickstart();
    let mut publisher = publisher(&server);
    let request = publisher.next_request().set("Event", "dialog");
    let response = publisher.request(request);
    assert_eq!(response.code(), Some(489));
    assert!(response.list("Allow-Events").contains(&"presence".to_owned()), "{response}");
    publisher.finish();
}

/// `to_tag_pref` and `totag_avpid` went in 2008; the tag they made right is right here, with them or without.
#[test]
fn fixed_2008_02_the_tag_of_the_answer_is_that_of_the_dialog() {
    let server = server_with(&[("to_tag_pref", "a"), ("totag_avpid", "987")]);
    let mut watcher = watcher(&server, ANN);
    let tag = watcher.subscribe(600).tag("To").expect("a tag");
    assert!(tag.starts_with("a."), "{tag}");
    assert_eq!(watcher.next_notification().message.tag("From"), Some(tag));
    watcher.refresh_in_silence();
    watcher.finish();
}

/// In 2006 the sweep could not be turned off; here it can, and nothing rests on it. trap_33
#[test]
fn fixed_2008_12_the_cleaning_can_be_turned_off() {
    let server = server_with(&[("clean_period", "0")]);
    let mut watcher = watcher(&server, ANN);
    watcher.subscribe(1);
    watcher.next_notification();
    check_terminated(&watcher.next_notification(), "timeout");
    watcher.finish();
}

#[test]
fn fixed_later_min_expires_is_423_for_both_methods() {
    let server = server_with(&[("min_expires", "60")]);
    let mut watcher = watcher(&server, ANN);
    assert_eq!(watcher.subscribe(30).get("Min-Expires"), Some("60"));
    let mut publisher = publisher(&server).expiring(30);
    assert_eq!(publisher.publish(&here("here")).get("Min-Expires"), Some("60"));
    watcher.finish();
    publisher.finish();
}

/// trap_14
#[test]
fn fixed_5_5_a_subscribe_is_answered_200() {
    let server = server_that_asks();
    let mut watcher = watcher(&server, ANN);
    assert_eq!(watcher.subscribe(600).code(), Some(200));
    watcher.next_notification();
    watcher.finish();
}

/// The crash of 2006: a PUBLISH without Event.
#[test]
fn seed_1_2_a_publish_without_event_is_489() {
    let server = Server::quickstart();
    let mut publisher = publisher(&server);
    let request = publisher.next_request().without("Event").with_body(tests::pidf::CONTENT_TYPE, here("x"));
    assert_eq!(publisher.request(request).code(), Some(489));
    publisher.finish();
}

/// In 2006 two devices that expired in one sweep each left the other open for good.
#[test]
fn seed_1_4_devices_that_expire_in_one_moment_leave_nothing_open() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let mut devices: Vec<_> = (0..4).map(|_| publisher(&server).expiring(1)).collect();
    devices.iter_mut().zip(["a", "b", "c", "d"]).for_each(|(publisher, name)| {
        publisher.publish(&device(name));
    });
    let last = watcher.notification_where("nobody", |notification| notification.notes().is_empty());
    assert!(last.presence().is_closed_once(), "{}", last.message);
    watcher.refresh_in_silence();
    watcher.finish();
}
