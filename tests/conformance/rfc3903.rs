//! PUBLISH as its sender sees it: the steps of RFC 3903 §6 in their order.

use tests::message::Message;
use tests::pidf;
use tests::server::Server;
use tests::user_agent::Publisher;

use crate::scene::*;

/// Sends a PUBLISH made by `change` from a faultless initial one, and returns the answer.
fn answer_to(server: &Server, change: impl Fn(Message) -> Message) -> Message {
    let mut publisher = publisher(server);
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

/// The answer must say in its own words what is wrong, for whoever reads a trace.
fn check_words(response: &Message, standard: &str) {
    let (_, reason) = response.start.split_at("SIP/2.0 400 ".len());
    assert!(!reason.is_empty() && reason != standard, "{response}");
}

fn with_uri(request: Message, uri: &str) -> Message {
    Message { start: format!("PUBLISH {uri} SIP/2.0"), ..request }
}

fn without_body(request: Message) -> Message {
    Message { body: Vec::new(), ..request.without("Content-Type") }
}

/// Table 1 of §4.1, each answered as step 6 says. trap_31, trap_32
#[test]
fn s4_1_a_publication_is_created_refreshed_modified_and_removed() {
    for_each_transport(|server, transport| {
        let mut publisher = Publisher::over(transport, server, DANA).expiring(600);
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
        assert_eq!(published(server), ["here"]);
        step(&mut publisher, |publisher| publisher.refresh(), "600");
        assert_eq!(published(server), ["here"]);
        step(&mut publisher, |publisher| publisher.modify(&here("busy")), "600");
        assert_eq!(published(server), ["busy"]);
        step(&mut publisher, |publisher| publisher.remove(), "0");
        assert!(published(server).is_empty());
        publisher.finish();
    });
}

#[test]
fn s4_1_an_initial_publication_leaves_the_others_alone() {
    let server = Server::quickstart();
    let mut desk = publishing(&server, &device("desk"));
    let mut mobile = publishing(&server, &device("mobile"));
    assert_eq!(published(&server), ["desk", "mobile"]);
    assert_eq!(desk.refresh().code(), Some(200), "its entity-tag is good as ever");
    assert_eq!(mobile.remove().code(), Some(200));
    assert_eq!(published(&server), ["desk"]);
    desk.finish();
}

/// Call-ID, From and CSeq do not name a publication: who knows the entity-tag continues it.
#[test]
fn s4_1_the_entity_tag_alone_names_the_publication() {
    let server = Server::quickstart();
    let desk = publishing(&server, &here("here"));
    let mut other_dialog = publisher(&server);
    other_dialog.pretend_entity_tag(desk.entity_tag());
    assert_eq!(other_dialog.modify(&here("busy")).code(), Some(200));
    assert_eq!(published(&server), ["busy"]);
    other_dialog.finish();
}

/// §6: Record-Route and Contact of a PUBLISH are ignored, and no answer has them. trap_32
#[test]
fn s6_record_route_and_contact_are_ignored() {
    let server = Server::quickstart();
    let response = check(&server, 200, |request| {
        request.with("Record-Route", "<sip:p1.example;lr>").with("Contact", "<sip:dana@10.255.255.1>")
    });
    assert!(response.get("Record-Route").is_none() && response.get("Contact").is_none(), "{response}");
}

#[test]
fn s6_1_a_resource_that_is_not_ours_is_404() {
    let server = Server::quickstart();
    check(&server, 404, |request| with_uri(request, "sip:dana@elsewhere.example"));
}

/// The Request-URI names the presentity; To is the publisher's business.
#[test]
fn s6_1_the_presentity_is_that_of_the_request_uri() {
    let server = Server::quickstart();
    check(&server, 200, |request| request.set("To", "<sip:somebody@else.example>"));
    assert_eq!(published(&server), ["x"]);
}

/// trap_55
#[test]
fn s6_1_a_presentity_is_known_by_user_and_host_whatever_its_spelling() {
    let server = Server::quickstart();
    for uri in ["sip:%64ana@Pres.Example;transport=udp", "pres:dana@pres.example"] {
        check(&server, 200, |request| with_uri(request, uri));
    }
    assert_eq!(published(&server), ["x"], "twice the same service of one presentity");
    check(&server, 200, |request| with_uri(request, "sip:Dana@pres.example"));
    assert_eq!(published(&server), ["x"], "the user part is case-sensitive: that was somebody else");
}

/// trap_17, trap_18, trap_19
#[test]
fn s6_2_a_missing_or_unknown_event_is_489_with_allow_events() {
    let server = Server::quickstart();
    for event in ["dialog", "Presence", "presence.winfo", "presence.winfo.winfo.winfo", "presencefoo"] {
        let response = check(&server, 489, |request| request.set("Event", event));
        assert!(response.list("Allow-Events").contains(&"presence".to_owned()), "{response}");
    }
    check(&server, 489, |request| request.without("Event"));
    check(&server, 200, |request| request.without("Event").with("o", "presence;foo=bar"));
}

/// trap_27, trap_30
#[test]
fn s6_3_an_unknown_entity_tag_is_412() {
    let server = Server::quickstart();
    for tag in ["unknown", "*"] {
        check(&server, 412, |request| request.with("SIP-If-Match", tag));
    }
    let mut publisher = publisher(&server);
    publisher.pretend_entity_tag("unknown");
    assert_eq!(publisher.remove().code(), Some(412), "removing what is not there is no success");
    publisher.finish();
}

/// trap_25
#[test]
fn s6_3_an_entity_tag_is_stale_once_it_was_used() {
    let server = Server::quickstart();
    let mut publisher = publishing(&server, &here("here"));
    let stale = publisher.entity_tag().to_owned();
    publisher.refresh();
    let fresh = publisher.entity_tag().to_owned();
    publisher.pretend_entity_tag(&stale);
    assert_eq!(publisher.refresh().code(), Some(412));
    publisher.pretend_entity_tag(&fresh);
    assert_eq!(publisher.refresh().code(), Some(200), "a refused request changes nothing");
    publisher.finish();
}

/// trap_28
#[test]
fn s6_3_an_entity_tag_of_another_presentity_is_412() {
    let server = Server::quickstart();
    let publisher = publishing(&server, &here("here"));
    let tag = publisher.entity_tag().to_owned();
    check(&server, 412, |request| with_uri(request, ED).with("SIP-If-Match", &tag));
    publisher.finish();
}

/// What has expired matches nothing, swept or not. trap_33
#[test]
fn s6_3_an_expired_entity_tag_is_412_without_any_sweep() {
    let server = server_with(&[("clean_period", "0")]);
    let mut watcher = watching(&server, ANN);
    let mut publisher = publisher(&server).expiring(1);
    publisher.publish(&here("short"));
    assert_eq!(watcher.next_notification().notes(), ["short"]);
    assert!(watcher.next_notification().presence().is_closed_once());
    assert_eq!(publisher.refresh().code(), Some(412));
    assert!(published(&server).is_empty());
    watcher.finish();
}

/// trap_27
#[test]
fn s6_3_anything_but_one_entity_tag_is_400() {
    let server = Server::quickstart();
    for value in ["a, b", "\"a\"", ""] {
        check_words(&check(&server, 400, |request| request.with("SIP-If-Match", value)), "Bad Request");
    }
    check(&server, 400, |request| request.with("SIP-If-Match", "a").with("SIP-If-Match", "b"));
}

/// §6 step 6, §14.2: nobody guesses a tag from others.
#[test]
fn s6_6_entity_tags_are_tokens_that_share_nothing() {
    let server = Server::quickstart();
    let mut publisher = publishing(&server, &here("here"));
    let mut tags: Vec<String> = Vec::new();
    for _ in 0..16 {
        let tag = publisher.refresh().expect("SIP-ETag").to_owned();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
        assert!(tag.bytes().all(is_token) && tag.len() >= 20, "{tag}");
        for earlier in &tags {
            let same = tag.bytes().zip(earlier.bytes()).filter(|(a, b)| a == b).count();
            assert!(same * 2 < tag.len(), "{tag} resembles {earlier}");
        }
        tags.push(tag);
    }
    publisher.finish();
}

/// trap_09
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

/// trap_08
#[test]
fn s6_4_an_interval_below_the_minimum_is_423_and_says_the_minimum() {
    let server = server_with(&[("min_expires", "60")]);
    let response = check(&server, 423, |request| request.set("Expires", 59));
    assert_eq!(response.get("Min-Expires"), Some("60"), "{response}");
    let mut publisher = publisher(&server).expiring(60);
    assert_eq!(publisher.publish(&here("here")).get("Expires"), Some("60"));
    let tag = publisher.entity_tag().to_owned();
    let too_short = publisher.next_request().set("Expires", 1);
    let response = publisher.request(too_short);
    assert_eq!((response.code(), response.get("Min-Expires")), (Some(423), Some("60")), "{response}");
    publisher.pretend_entity_tag(&tag);
    let removed = publisher.remove();
    assert_eq!((removed.code(), removed.get("Expires")), (Some(200), Some("0")), "0 is never too brief: {removed}");
    publisher.finish();
}

/// PUBLISH knows no one-hour clause: a minimum above an hour counts for it. trap_08
#[test]
fn s6_4_a_minimum_above_an_hour_refuses_an_hour() {
    let server = server_with(&[("min_expires", "7200"), ("max_expires", "10000")]);
    let response = check(&server, 423, |request| request.set("Expires", 3600));
    assert_eq!(response.get("Min-Expires"), Some("7200"), "{response}");
    check(&server, 200, |request| request.set("Expires", 7200));
}

#[test]
fn s6_5_a_type_that_is_no_presence_document_is_415_with_accept() {
    let server = Server::quickstart();
    for content_type in ["text/plain", "application/pidf-diff+xml", "application/pkcs7-mime", "multipart/signed"] {
        let response = check(&server, 415, |request| request.set("Content-Type", content_type));
        assert!(response.list("Accept").contains(&pidf::CONTENT_TYPE.to_owned()), "{response}");
    }
    check(&server, 415, |request| request.with("Content-Encoding", "gzip"));
    check(&server, 200, |request| request.without("Content-Type").with("c", "Application/PIDF+xml; charset=UTF-8"));
}

#[test]
fn s6_5_a_document_that_is_malformed_is_400_and_says_why() {
    let server = Server::quickstart();
    let deep = format!("{}{}", "<a>".repeat(2000), "</a>".repeat(2000));
    let pidf = |inside: &str| format!("<presence xmlns=\"{}\" entity=\"{DANA}\">{inside}</presence>", pidf::PIDF);
    let documents = [
        "<presence".to_owned(),
        "<a/>".into(),
        "<presence entity='sip:dana@pres.example'/>".into(),
        format!("<!DOCTYPE presence [<!ENTITY e 'x'>]>{}", pidf("")),
        pidf("&e;"),
        pidf("<x:a/>"),
        pidf("<tuple><status><basic>open</basic></status></tuple>"),
        pidf("<tuple id='a'/>"),
        pidf("<tuple id='a'><status><basic>OPEN</basic></status></tuple>"),
        pidf(&deep),
        format!("{}<more/>", pidf("")),
    ];
    for body in documents {
        let response = check(&server, 400, |request| request.with_body(pidf::CONTENT_TYPE, body.as_str()));
        check_words(&response, "Bad Request");
    }
    assert!(published(&server).is_empty());
}

#[test]
fn s6_5_a_refused_modification_leaves_the_publication_as_it_was() {
    let server = Server::quickstart();
    let mut publisher = publishing(&server, &here("here"));
    let tag = publisher.entity_tag().to_owned();
    assert_eq!(publisher.modify("<presence").code(), Some(400));
    assert_eq!(published(&server), ["here"]);
    publisher.pretend_entity_tag(&tag);
    assert_eq!(publisher.modify(&here("busy")).code(), Some(200));
    publisher.finish();
}

/// trap_30
#[test]
fn s6_5_neither_body_nor_entity_tag_is_400() {
    let server = Server::quickstart();
    check_words(&check(&server, 400, without_body), "Bad Request");
    check(&server, 400, |request| without_body(request).set("Expires", 0));
}

/// trap_29
#[test]
fn s6_5_a_refresh_leaves_the_document_untouched() {
    let server = Server::quickstart();
    let mut publisher = publishing(&server, &device("desk"));
    let before = fetched(&server, ANN).message.body;
    for _ in 0..3 {
        assert_eq!(publisher.refresh().code(), Some(200));
    }
    let after = fetched(&server, ANN).message.body;
    assert_eq!(String::from_utf8_lossy(&after), String::from_utf8_lossy(&before));
    publisher.finish();
}

/// Step 5e: what expires at once is not stored; a body beside the entity-tag that removes is of no account.
#[test]
fn s6_5_what_expires_at_once_is_removed_and_not_stored() {
    let server = Server::quickstart();
    let mut publisher = publishing(&server, &here("here"));
    let with_body = publisher.next_request().set("Expires", 0).with_body(pidf::CONTENT_TYPE, here("late"));
    let response = publisher.request(with_body);
    assert_eq!((response.code(), response.get("Expires")), (Some(200), Some("0")), "{response}");
    assert!(published(&server).is_empty());
    let response = check(&server, 200, |request| request.set("Expires", 0));
    assert_eq!(response.get("Expires"), Some("0"), "{response}");
    let unused = response.expect("SIP-ETag").to_owned();
    assert!(published(&server).is_empty());
    check(&server, 412, |request| request.with("SIP-If-Match", &unused));
    publisher.finish();
}

/// A request with every mistake gets the answer of the first step that sees one; mending it brings the next. trap_26
#[test]
fn s6_the_order_of_the_steps_is_404_489_400_412_423_415_400() {
    let server = server_with(&[("min_expires", "60")]);
    let all_wrong = |request: Message| {
        let request = request.set("Event", "dialog").with("SIP-If-Match", "a, b").set("Expires", 1);
        with_uri(request.set("Content-Type", "text/plain"), "sip:dana@elsewhere.example")
    };
    check(&server, 404, all_wrong);
    let ours = |request| with_uri(all_wrong(request), DANA);
    check(&server, 489, ours);
    let right_event = |request| ours(request).set("Event", "presence");
    check(&server, 400, right_event);
    let one_tag = |request| right_event(request).set("SIP-If-Match", "unknown");
    check(&server, 412, one_tag);
    let initial = |request| one_tag(request).without("SIP-If-Match");
    check(&server, 423, initial);
    let long_enough = |request| initial(request).set("Expires", 60);
    check(&server, 415, long_enough);
    let malformed = |request| long_enough(request).with_body(pidf::CONTENT_TYPE, "<a/>");
    check(&server, 400, malformed);
    check(&server, 200, |request| malformed(request).with_body(pidf::CONTENT_TYPE, here("x")));
}

/// What RFC 3261 §8.2 has a server look at comes before what RFC 3903 does.
#[test]
fn s6_0_an_extension_nobody_knows_is_420_naming_it() {
    let server = Server::quickstart();
    let response = check(&server, 420, |request| request.with("Require", "teleport").set("Event", "dialog"));
    assert_eq!(response.get("Unsupported"), Some("teleport"), "{response}");
}

/// §6: requests for one Request-URI are processed one after the other. Of many with one entity-tag the first wins.
#[test]
fn s6_of_many_requests_with_one_entity_tag_exactly_one_wins() {
    let server = Server::quickstart();
    let original = publishing(&server, &here("here"));
    let mut rivals: Vec<_> = (0..8).map(|_| publisher(&server)).collect();
    let mut sent = Vec::new();
    for (number, rival) in rivals.iter_mut().enumerate() {
        rival.pretend_entity_tag(original.entity_tag());
        let request = rival.next_request().with_body(pidf::CONTENT_TYPE, here(&format!("rival {number}")));
        sent.push(rival.endpoint.send(request));
    }
    let codes: Vec<_> = rivals.iter_mut().zip(&sent).map(|(rival, request)| rival.answer_to(request).code()).collect();
    let winners: Vec<_> = (0..8).filter(|number| codes[*number] == Some(200)).collect();
    assert_eq!(winners.len(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| [Some(200), Some(412)].contains(code)), "{codes:?}");
    assert_eq!(published(&server), [format!("rival {}", winners[0])]);
    rivals.into_iter().for_each(Publisher::finish);
}

/// RFC 3261 §17.2.2: a copy of a request changes nothing twice, before its answer or after.
#[test]
fn s6_a_retransmission_gets_the_identical_answer_and_publishes_once() {
    let server = Server::quickstart();
    let mut publisher = publisher(&server);
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

/// On a connection no transaction outlives its answer (RFC 3261 §17.2.2, timer J); the copy finds what it did before.
#[test]
fn s6_a_copy_after_the_end_of_its_transaction_publishes_nothing_twice() {
    let server = Server::quickstart();
    let mut publisher = Publisher::tcp(server.tcp_address(), DANA);
    let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, here("here"));
    let sent = publisher.endpoint.send(request);
    let tag = publisher.answer_to(&sent).expect("SIP-ETag").to_owned();
    publisher.endpoint.send_bytes(&sent.to_bytes());
    let answers = publisher.endpoint.responses(&sent, 2);
    assert!(String::from_utf8_lossy(&answers[1]).contains(&tag), "{}", publisher.endpoint.ladder());
    assert_eq!(publisher.remove().code(), Some(200));
    assert!(published(&server).is_empty(), "a second publication is left");
    publisher.finish();
}

/// §10.4: the new document takes the place of all the old one said: a tuple that is missing is gone.
#[test]
fn s10_4_a_modification_replaces_the_whole_document() {
    let server = Server::quickstart();
    let tuple = |id: &str| {
        format!("<tuple id=\"{id}\"><status><basic>open</basic></status><contact>sip:{id}@d.example</contact></tuple>")
    };
    let document = |ids: [&str; 2]| pidf::document_of(DANA, &ids.map(tuple).concat());
    let mut publisher = publishing(&server, &document(["a", "b"]));
    assert_eq!(fetched(&server, ANN).presence().ids(), ["a", "b"]);
    assert_eq!(publisher.modify(&document(["b", "c"])).code(), Some(200));
    assert_eq!(fetched(&server, ANN).presence().ids(), ["b", "c"]);
    publisher.finish();
}

/// A change is told, a refresh is none, and a document repeated byte for byte is none either. trap_34
#[test]
fn s4_3_a_refresh_and_an_identical_document_tell_nobody() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let mut publisher = publishing(&server, &here("here"));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    let tag = publisher.entity_tag().to_owned();
    publisher.refresh();
    assert_eq!(publisher.modify(&here("here")).code(), Some(200));
    assert_ne!(publisher.entity_tag(), tag);
    publisher.modify(&here("busy"));
    assert_eq!(watcher.next_notification().notes(), ["busy"]);
    watcher.refresh_in_silence();
    watcher.finish();
}

/// Soft state: what is not refreshed in time is closed within a second, and every watcher is told. trap_34
#[test]
fn s4_2_a_publication_that_expires_is_closed_within_a_second() {
    use std::time::{Duration, Instant};
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let mut publisher = publisher(&server).expiring(2);
    let sent = Instant::now();
    publisher.publish(&here("desk"));
    let answered = Instant::now();
    assert_eq!(watcher.next_notification().notes(), ["desk"]);
    let closed = watcher.next_notification();
    assert!(closed.presence().is_closed_once(), "{}", closed.message);
    assert!(sent.elapsed() >= Duration::from_secs(2), "closed {:?} after it was published", sent.elapsed());
    // The deadline lies 2 s after a moment between the two; it may take up to a second, and the way here.
    assert!(answered.elapsed() < Duration::from_millis(3500), "closed {:?} after it was accepted", answered.elapsed());
    assert_eq!(publisher.refresh().code(), Some(412), "an expired publication cannot be refreshed");
    watcher.refresh_in_silence();
    watcher.finish();
}

/// A refresh moves the deadline: what was granted first does not close it.
#[test]
fn s4_3_a_refresh_prolongs_the_publication() {
    let server = Server::quickstart();
    let mut watcher = watching(&server, ANN);
    let mut long = publisher(&server).expiring(1);
    long.publish(&device("long"));
    assert_eq!(watcher.next_notification().notes(), ["long"]);
    let mut long = long.expiring(600);
    assert_eq!(long.refresh().get("Expires"), Some("600"));
    // Its first deadline has passed when a publication that began later runs out.
    let mut short = publisher(&server).expiring(2);
    short.publish(&device("short"));
    assert_eq!(watcher.next_notification().notes(), ["long", "short"]);
    assert_eq!(watcher.next_notification().notes(), ["long"]);
    watcher.finish();
}
