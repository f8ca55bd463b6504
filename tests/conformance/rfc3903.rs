//! PUBLISH as its sender sees it: the steps of RFC 3903 §6 in their order.

use tests::message::Message;
use tests::pidf;
use tests::server::Server;
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";

fn here(note: &str) -> String {
    pidf::open(DANA, "t1", note)
}

/// Sends a PUBLISH made by `change` from a faultless initial one, and returns the answer.
fn answer_to(server: &Server, change: impl Fn(Message) -> Message) -> Message {
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, here("x"));
    let response = publisher.request(change(request));
    publisher.finish();
    response
}

fn check(server: &Server, expected: u16, change: impl Fn(Message) -> Message) -> Message {
    let response = answer_to(server, change);
    assert_eq!(response.code(), Some(expected), "{response}");
    response
}

fn with_uri(mut request: Message, uri: &str) -> Message {
    request.start = format!("PUBLISH {uri} SIP/2.0");
    request
}

/// Returns what a watcher would be told at this moment.
fn published(server: &Server) -> Vec<String> {
    let mut watcher = Watcher::udp(server.udp_address(), DANA, "sip:eve@watch.example");
    let notification = watcher.fetch();
    watcher.finish();
    notification.notes()
}

#[test]
fn s6_a_publication_is_created_refreshed_modified_and_removed() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA).expiring(600);
    let mut tags = Vec::new();
    let mut step = |publisher: &mut Publisher, send: fn(&mut Publisher) -> Message, expires: &str| {
        let response = send(publisher);
        assert_eq!((response.code(), response.get("Expires")), (Some(200), Some(expires)), "{response}");
        assert!(response.get("Contact").is_none(), "Table 2 of RFC 3903 has no Contact: {response}");
        let tag = response.expect("SIP-ETag").to_owned();
        assert!(!tags.contains(&tag), "{tag} was used before: {tags:?}");
        tags.push(tag);
    };
    step(&mut publisher, |publisher| publisher.publish(&here("here")), "600");
    assert_eq!(published(&server), ["here"]);
    step(&mut publisher, |publisher| publisher.refresh(), "600");
    assert_eq!(published(&server), ["here"]);
    step(&mut publisher, |publisher| publisher.modify(&here("busy")), "600");
    assert_eq!(published(&server), ["busy"]);
    step(&mut publisher, |publisher| publisher.remove(), "0");
    assert!(published(&server).is_empty());
    publisher.finish();
}

#[test]
fn s6_the_same_serves_over_tcp() {
    let server = Server::quickstart();
    let mut publisher = Publisher::tcp(server.tcp_address(), DANA);
    assert_eq!(publisher.publish(&here("here")).code(), Some(200));
    assert_eq!(publisher.refresh().code(), Some(200));
    assert_eq!(publisher.remove().code(), Some(200));
    publisher.finish();
}

#[test]
fn s6_1_a_resource_that_is_not_ours_is_404() {
    let server = Server::quickstart();
    check(&server, 404, |request| with_uri(request, "sip:dana@elsewhere.example"));
}

#[test]
fn s6_1_a_presentity_is_known_by_user_and_host_whatever_its_spelling() {
    let server = Server::quickstart();
    for uri in ["sip:%64ana@Pres.Example;transport=udp", "pres:dana@pres.example"] {
        check(&server, 200, |request| with_uri(request, uri));
    }
    assert_eq!(published(&server), ["x"], "twice the same service of one presentity");
}

#[test]
fn s6_2_a_missing_or_unknown_event_is_489_with_allow_events() {
    let server = Server::quickstart();
    for event in ["dialog", "Presence", "presence.winfo.winfo.winfo", "presencefoo"] {
        let response = check(&server, 489, |request| request.set("Event", event));
        assert!(response.list("Allow-Events").contains(&"presence".to_owned()), "{response}");
    }
    check(&server, 489, |request| request.without("Event"));
    check(&server, 200, |request| request.without("Event").with("o", "presence;foo=bar"));
}

#[test]
fn s6_3_an_unknown_entity_tag_is_412() {
    let server = Server::quickstart();
    for tag in ["unknown", "*"] {
        check(&server, 412, |request| request.with("SIP-If-Match", tag));
    }
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.pretend_entity_tag("unknown");
    assert_eq!(publisher.remove().code(), Some(412), "removing what is not there is no success");
    publisher.finish();
}

#[test]
fn s6_3_an_entity_tag_is_stale_once_it_was_used() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&here("here"));
    let stale = publisher.entity_tag().to_owned();
    publisher.refresh();
    let fresh = publisher.entity_tag().to_owned();
    publisher.pretend_entity_tag(&stale);
    assert_eq!(publisher.refresh().code(), Some(412));
    publisher.pretend_entity_tag(&fresh);
    assert_eq!(publisher.refresh().code(), Some(200), "a refused request changes nothing");
    publisher.finish();
}

#[test]
fn s6_3_an_entity_tag_of_another_presentity_is_412() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&here("here"));
    let tag = publisher.entity_tag().to_owned();
    check(&server, 412, |request| with_uri(request, "sip:ed@pres.example").with("SIP-If-Match", &tag));
    publisher.finish();
}

#[test]
fn s6_3_anything_but_one_entity_tag_is_400() {
    let server = Server::quickstart();
    for value in ["a, b", "\"a\"", ""] {
        check(&server, 400, |request| request.with("SIP-If-Match", value));
    }
    check(&server, 400, |request| request.with("SIP-If-Match", "a").with("SIP-If-Match", "b"));
}

#[test]
fn s6_4_the_granted_interval_is_never_longer_than_the_requested() {
    let server = Server::quickstart();
    for (requested, granted) in [("60", "60"), ("3600", "3600"), ("7200", "3600"), ("99999999999", "3600")] {
        let response = check(&server, 200, |request| request.set("Expires", requested));
        assert_eq!(response.get("Expires"), Some(granted), "{response}");
    }
    let response = check(&server, 200, |request| request.without("Expires"));
    assert_eq!(response.get("Expires"), Some("3600"), "{response}");
}

#[test]
fn s6_5_a_type_that_is_no_presence_document_is_415_with_accept() {
    let server = Server::quickstart();
    let response = check(&server, 415, |request| request.set("Content-Type", "text/plain"));
    assert!(response.list("Accept").contains(&pidf::CONTENT_TYPE.to_owned()), "{response}");
    check(&server, 415, |request| request.with("Content-Encoding", "gzip"));
    check(&server, 200, |request| request.without("Content-Type").with("c", "Application/PIDF+xml; charset=UTF-8"));
}

#[test]
fn s6_5_a_document_that_is_malformed_is_400() {
    let server = Server::quickstart();
    for body in ["<presence", "<a/>", "<!DOCTYPE presence []><presence xmlns='urn:ietf:params:xml:ns:pidf'/>"] {
        check(&server, 400, |request| request.with_body(pidf::CONTENT_TYPE, body));
    }
    assert!(published(&server).is_empty());
}

#[test]
fn s6_5_neither_body_nor_entity_tag_is_400() {
    let server = Server::quickstart();
    let bare = |request: Message| Message { body: Vec::new(), ..request.without("Content-Type") };
    check(&server, 400, bare);
    check(&server, 400, |request| bare(request).set("Expires", 0));
}

/// A request with every mistake gets the answer of the first step that sees one; mending it brings the next.
#[test]
fn s6_the_order_of_the_steps_is_404_489_400_412_415() {
    let server = Server::quickstart();
    let all_wrong = |request: Message| {
        let request = request.set("Event", "dialog").with("SIP-If-Match", "a, b").set("Content-Type", "text/plain");
        with_uri(request, "sip:dana@elsewhere.example")
    };
    check(&server, 404, all_wrong);
    let ours = |request| with_uri(all_wrong(request), DANA);
    check(&server, 489, ours);
    let right_event = |request| ours(request).set("Event", "presence");
    check(&server, 400, right_event);
    let one_tag = |request| right_event(request).set("SIP-If-Match", "unknown");
    check(&server, 412, one_tag);
    check(&server, 415, |request| one_tag(request).without("SIP-If-Match"));
}

#[test]
fn a_retransmission_gets_the_identical_answer_and_publishes_once() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    // A contact of its own each time would make two publications two tuples.
    let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, here("here"));
    let sent = publisher.endpoint.send(request);
    publisher.endpoint.send_bytes(&sent.to_bytes());
    publisher.answer_to(&sent);
    publisher.endpoint.send_bytes(&sent.to_bytes());
    let answers = publisher.endpoint.responses(&sent, 2);
    assert_eq!(answers[0], answers[1], "{}", publisher.endpoint.ladder());
    assert_eq!(publisher.remove().code(), Some(200));
    assert!(published(&server).is_empty(), "a second publication is left");
    publisher.finish();
}

#[test]
fn an_extension_nobody_knows_is_420_naming_it() {
    let server = Server::quickstart();
    let response = check(&server, 420, |request| request.with("Require", "teleport"));
    assert_eq!(response.get("Unsupported"), Some("teleport"), "{response}");
}

#[test]
fn expires_offset_shortens_what_is_said_but_never_to_nothing() {
    let config = tests::server::with_setting("modparam(\"presence\", \"expires_offset\", 10)");
    let server = Server::start(&config, Default::default());
    for (requested, said) in [("600", "590"), ("5", "1"), ("10", "1")] {
        let response = check(&server, 200, |request| request.set("Expires", requested));
        assert_eq!(response.get("Expires"), Some(said), "{response}");
    }
}
