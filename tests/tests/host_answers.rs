//! One request, one answer: copies, closed and broken streams, and what a script or a module leaves undone
//! (RFC 3261 §8.2.6, §17.2, §18.2).

use std::sync::atomic::{AtomicU32, Ordering};

use tests::message::{Message, parameter};
use tests::pidf;
use tests::server::{Options, QUICKSTART, Server, with_route};
use tests::user_agent::{Endpoint, Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";

/// A request of any method, with ids of its own.
fn request(method: &str, uri: &str) -> Message {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Message::request(method, uri)
        .with("From", format!("<{ANN}>;tag=f{number}"))
        .with("To", format!("<{uri}>"))
        .with("Call-ID", format!("host-answers-{}-{number}", std::process::id()))
        .with("CSeq", format!("1 {method}"))
}

fn server(settings: &str, statements: &str) -> Server {
    Server::start(&with_route(settings, statements), Options::default())
}

/// Copies that arrive together meet several workers at the same time.
#[test]
fn s17_2_2_copies_of_one_request_never_get_two_answers() {
    let server = server("children=4", "handle_publish();");
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    for number in 0..50 {
        let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, pidf::open(DANA, "t1", "here"));
        let sent = publisher.endpoint.send(request);
        for _ in 0..7 {
            publisher.endpoint.send_bytes(&sent.to_bytes());
        }
        assert_eq!(publisher.answer_to(&sent).code(), Some(200), "{number}");
        let answers = publisher.endpoint.responses(&sent, 1);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{}", publisher.endpoint.ladder());
    }
    publisher.finish();
}

#[test]
fn what_the_script_has_answered_no_module_carries_out() {
    let server = server(
        "",
        "if (method==\"PUBLISH\") {\n\
         if ($hdr(Subject)==\"no\") sl_send_reply(\"403\", \"Forbidden\");\n\
         handle_publish();\n\
         handle_publish();\n\
         }\n\
         if (method==\"SUBSCRIBE\") handle_subscribe();",
    );
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let refused = publisher.next_request().with_body(pidf::CONTENT_TYPE, pidf::open(DANA, "t1", "no"));
    let refused = publisher.endpoint.send(refused.with("Subject", "no"));
    assert_eq!(publisher.answer_to(&refused).code(), Some(403));
    assert_eq!(publisher.publish(&pidf::open(DANA, "t2", "yes")).code(), Some(200));
    assert_eq!(publisher.endpoint.responses(&refused, 1).len(), 1, "{}", publisher.endpoint.ladder());
    let mut watcher = Watcher::udp(server.udp_address(), DANA, ANN);
    watcher.subscribe(600);
    assert_eq!(watcher.next_notification().notes(), ["yes"]);
    watcher.finish();
    publisher.finish();
}

/// INVITE has no transactions here: a module cannot take it, and the default answer fits.
#[test]
fn an_invite_for_a_module_is_405_and_its_ack_gets_nothing() {
    let server = server("", "if (method==\"INVITE\") handle_publish();");
    let endpoint = Endpoint::udp(server.udp_address());
    let invite = endpoint.send(request("INVITE", DANA));
    let response = endpoint.final_response(&invite);
    assert_eq!(response.code(), Some(405), "{response}");
    assert!(response.list("Allow").contains(&"PUBLISH".to_owned()), "{response}");
    let ack = invite.clone().set("CSeq", "1 ACK").set("To", response.expect("To"));
    let ack = String::from_utf8(ack.to_bytes()).expect("text").replacen("INVITE", "ACK", 1);
    endpoint.send_bytes(ack.as_bytes());
    assert_eq!(endpoint.request(request("OPTIONS", "sip:pres.example")).code(), Some(200));
    assert_eq!(endpoint.responses(&invite, 1).len(), 1, "{}", endpoint.ladder());
    endpoint.finish();
}

/// RFC 3261 §9.2: 200 to the CANCEL, and the request is left to its own answer.
#[test]
fn a_cancel_of_a_request_that_is_known_is_200() {
    let server = server("", "handle_publish();");
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let publish = publisher.next_request().with_body(pidf::CONTENT_TYPE, pidf::open(DANA, "t1", "here"));
    let publish = publisher.endpoint.send(publish);
    assert_eq!(publisher.answer_to(&publish).code(), Some(200));
    let number = publish.cseq().expect("a CSeq").0;
    let cancel = Message::request("CANCEL", DANA)
        .with("Via", publish.expect("Via"))
        .with("From", publish.expect("From"))
        .with("To", publish.expect("To"))
        .with("Call-ID", publish.expect("Call-ID"))
        .with("CSeq", format!("{number} CANCEL"));
    assert_eq!(publisher.endpoint.request(cancel).code(), Some(200));
    assert_eq!(publisher.refresh().code(), Some(200));
    publisher.finish();
}

/// A To-tag is a token; a script that puts something else where the tag stands does no harm.
#[test]
fn an_avp_that_can_be_no_tag_is_passed_over() {
    let server = server("", "$avp(i:25) = \"a tag;x=y\";\nsl_send_reply(\"404\", \"Not Here\");");
    let endpoint = Endpoint::udp(server.udp_address());
    let response = endpoint.request(request("MESSAGE", DANA));
    assert_eq!(response.tag("To").map(|tag| tag.len()), Some(32), "{response}");
    endpoint.finish();
}

/// The stream cannot be followed past such a message: it is answered, with all an answer has, and closed.
#[test]
fn s18_3_a_stream_that_breaks_is_answered_and_closed() {
    let server = Server::quickstart();
    let last_words = [
        ("Content-Length: 70000\r\n", 413),
        ("Content-Length: x\r\n", 400),
        ("", 400),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
    ];
    for (length, code) in last_words {
        let endpoint = Endpoint::tcp(server.tcp_address());
        let port = endpoint.local_address().port();
        let via = format!("SIP/2.0/TCP phone.invalid;branch=z9hG4bKbroken{port};rport");
        let message = request("PUBLISH", DANA).with_first("Via", via).with("Content-Length", 0);
        let text = String::from_utf8(message.to_bytes()).expect("text");
        endpoint.send_bytes(text.replace("Content-Length: 0\r\n", length).as_bytes());
        endpoint.wait_until_closed();
        let said = endpoint.ladder();
        let answer = said.rsplit("<- ").next().unwrap_or_default();
        assert!(answer.starts_with(&format!("SIP/2.0 {code} ")), "{said}");
        let via = answer.lines().find_map(|line| line.trim().strip_prefix("Via: ")).unwrap_or_default();
        assert_eq!(parameter(via, "rport"), Some(port.to_string()), "{said}");
        assert_eq!(parameter(via, "received").as_deref(), Some("127.0.0.1"), "{said}");
        assert!(answer.lines().any(|line| line.trim().starts_with("To: ") && line.contains(";tag=")), "{said}");
        endpoint.take_violations();
    }
}

/// RFC 3261 §18.2.2: where the connection is gone, the answer goes to the port that Via names.
#[test]
fn an_answer_whose_connection_is_gone_goes_to_the_port_of_sent_by() {
    use std::io::{Read, Write};
    let server = Server::quickstart();
    let listening = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listening.local_addr().expect("an address").port();
    let via = format!("SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bKgone{port};rport");
    let body = pidf::open(DANA, "t1", "here");
    let publish = request("PUBLISH", DANA)
        .with_first("Via", via)
        .with("Max-Forwards", 70)
        .with("Event", "presence")
        .with("Expires", 600)
        .with_body(pidf::CONTENT_TYPE, body);
    let mut stream = std::net::TcpStream::connect(server.tcp_address()).expect("a connection");
    stream.write_all(&publish.to_bytes()).expect("written");
    drop(stream);
    let (mut answering, _) = listening.accept().expect("the server comes back");
    let mut answer = vec![0; 4096];
    let length = answering.read(&mut answer).expect("an answer");
    assert!(answer[..length].starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(&answer[..length]));
}

/// Its answers wait in a bounded queue and are then lost; no further connection is opened to it.
#[test]
fn a_client_that_does_not_read_costs_one_connection_and_no_more() {
    use std::io::Write;
    let mut server = Server::quickstart();
    let listening = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listening.local_addr().expect("an address").port();
    let mut stream = std::net::TcpStream::connect(server.tcp_address()).expect("a connection");
    for number in 0..4000 {
        let request = request("OPTIONS", "sip:pres.example")
            .with_first("Via", format!("SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bKdeaf{number}"))
            .set("From", format!("<{ANN}>;tag=f{number};x={}", "y".repeat(7000)));
        stream.write_all(&request.to_bytes()).expect("the server reads on");
    }
    let endpoint = Endpoint::udp(server.udp_address());
    assert_eq!(endpoint.request(request("OPTIONS", "sip:pres.example")).code(), Some(200));
    assert_eq!(server.terminate().code(), Some(0));
    let said = server.log();
    assert!(said.contains(" tcp_undelivered_total=") && said.contains(" tcp_opened_total=1 "), "{said}");
    endpoint.finish();
}

/// RFC 4320 §4.1: a transaction that nobody answers gets 100 after 3.5 s; the host ends it with 500.
#[test]
fn a_transaction_that_nobody_answers_ends_in_500() {
    let server = server("", "if (method==\"MESSAGE\") { t_newtran(); drop; }");
    let endpoint = Endpoint::udp(server.udp_address());
    let sent = endpoint.send(request("MESSAGE", DANA));
    assert_eq!(endpoint.final_response(&sent).code(), Some(500));
    server.wait_for_log("has not been answered in time");
    endpoint.finish();
}

#[test]
fn requests_of_other_methods_and_schemes_get_what_fits() {
    let server = Server::start(QUICKSTART, Options::default());
    let endpoint = Endpoint::udp(server.udp_address());
    for (method, uri, code) in [
        ("OPTIONS", "sip:pres.example", 200),
        ("OPTIONS", DANA, 404),
        ("MESSAGE", DANA, 405),
        ("DANCE", DANA, 501),
        ("MESSAGE", "sip:dana@elsewhere.example", 404),
        ("MESSAGE", "http://pres.example/", 416),
    ] {
        let response = endpoint.request(request(method, uri).set("To", format!("<{DANA}>")));
        assert_eq!(response.code(), Some(code), "{method} {uri}: {response}");
    }
    endpoint.finish();
}
