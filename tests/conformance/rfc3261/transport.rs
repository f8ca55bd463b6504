//! §18: where messages go, and where they end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use tests::message::{Message, parameter};
use tests::pidf;
use tests::server::Server;
use tests::user_agent::{Endpoint, Publisher, Watcher};

use crate::requests::{ANN, DANA, HOST, Phone, branch, check, over_both, request, transport};

fn topmost_via(response: &Message) -> String {
    response.list("Via").remove(0)
}

#[test]
fn s18_2_1_a_sent_by_that_is_not_the_source_gets_received_and_the_answer_comes_back_all_the_same() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let (port, transport) = (endpoint.local_address().port(), transport(endpoint));
        for (host, received) in
            [("phone.invalid", Some("127.0.0.1")), ("10.9.9.9", Some("127.0.0.1")), ("127.0.0.1", None)]
        {
            let via = format!("SIP/2.0/{transport} {host}:{port};branch={}", branch());
            let via = topmost_via(&check(endpoint, request("OPTIONS", HOST).with_first("Via", via), 200));
            assert_eq!(parameter(&via, "received").as_deref(), received, "{via}");
            assert_eq!(parameter(&via, "rport"), None, "{via}");
        }
    });
}

/// What a client says it was seen as counts for nothing.
#[test]
fn s18_2_1_a_received_that_the_client_wrote_is_replaced() {
    let server = Server::quickstart();
    let endpoint = Endpoint::udp(server.udp_address());
    let via = format!("SIP/2.0/UDP {};branch={};received=192.0.2.66", endpoint.local_address(), branch());
    let sent = endpoint.send(request("OPTIONS", HOST).with_first("Via", via));
    let answer = String::from_utf8_lossy(&endpoint.responses(&sent, 1)[0]).into_owned();
    assert!(answer.contains(";received=127.0.0.1") && !answer.contains("192.0.2.66"), "{answer}");
    endpoint.finish();
}

#[test]
fn s18_2_2_a_maddr_goes_before_the_source() {
    let server = Server::quickstart();
    let (asking, answered) = (Phone::new(), Phone::at("127.0.0.2:0"));
    let port = answered.address().port();
    let via = format!("SIP/2.0/UDP 127.0.0.1:{port};branch={};maddr=127.0.0.2;rport", branch());
    asking.send(server.udp_address(), &request("OPTIONS", HOST).with_first("Via", via));
    let (response, _) = answered.receive();
    assert_eq!(response.code(), Some(200), "{response}");
}

#[test]
fn s18_2_2_a_response_goes_on_the_connection_of_its_request() {
    let server = Server::quickstart();
    let endpoint = Endpoint::tcp(server.tcp_address());
    let via = format!("SIP/2.0/TCP phone.invalid:1;branch={};maddr=192.0.2.66", branch());
    check(&endpoint, request("OPTIONS", HOST).with_first("Via", via), 200);
    endpoint.finish();
}

#[test]
fn s18_2_2_an_answer_whose_connection_is_gone_goes_to_the_port_of_sent_by() {
    let server = Server::quickstart();
    let listening = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listening.local_addr().expect("an address").port();
    let via = format!("SIP/2.0/TCP 127.0.0.1:{port};branch={};rport", branch());
    let publish = request("PUBLISH", DANA)
        .with_first("Via", via)
        .with("Max-Forwards", 70)
        .with("Event", "presence")
        .with("Expires", 600)
        .with_body(pidf::CONTENT_TYPE, pidf::open(DANA, "t1", "here"));
    let mut stream = TcpStream::connect(server.tcp_address()).expect("a connection");
    stream.write_all(&publish.to_bytes()).expect("written");
    drop(stream);
    let (mut answering, _) = listening.accept().expect("the server comes back");
    let mut answer = vec![0; 4096];
    let length = answering.read(&mut answer).expect("an answer");
    assert!(answer[..length].starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(&answer[..length]));
}

/// Over UDP a long NOTIFY would be cut to pieces; a watcher on a connection gets it there.
#[test]
fn s18_1_1_a_long_notify_reaches_a_watcher_on_tcp_whole() {
    let server = Server::quickstart();
    let mut watcher = Watcher::tcp(server.tcp_address(), DANA, ANN);
    watcher.subscribe(600);
    watcher.next_notification();
    let long = "x".repeat(6000);
    let mut publisher = Publisher::tcp(server.tcp_address(), DANA);
    assert_eq!(publisher.publish(&pidf::open(DANA, "t1", &long)).code(), Some(200));
    let notify = watcher.next_notification();
    assert_eq!(notify.notes(), [long]);
    assert!(topmost_via(&notify.message).starts_with("SIP/2.0/TCP "), "{}", notify.message);
    watcher.finish();
    publisher.finish();
}

#[test]
fn s18_3_bytes_after_content_length_are_dropped_and_a_body_that_is_short_is_400() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let body = pidf::open(DANA, "t1", "here");
    let longer = publisher.next_request().with_body(pidf::CONTENT_TYPE, format!("{body}garbage"));
    let response = publisher.request(longer.set("Content-Length", body.len()));
    assert_eq!(response.code(), Some(200), "{response}");
    let short = publisher.next_request().with_body(pidf::CONTENT_TYPE, body.clone());
    let response = publisher.request(short.set("Content-Length", body.len() + 1));
    assert_eq!(response.code(), Some(400), "{response}");
    publisher.finish();
}

/// A datagram ends where it ends.
#[test]
fn s18_3_a_datagram_needs_no_content_length_and_its_body_is_what_is_left() {
    let server = Server::quickstart();
    let phone = Phone::new();
    let publish = request("PUBLISH", DANA)
        .with_first("Via", format!("SIP/2.0/UDP {};branch={}", phone.address(), branch()))
        .with("Event", "presence")
        .with("Expires", 60)
        .with_body(pidf::CONTENT_TYPE, pidf::open(DANA, "t1", "here"));
    let bytes = String::from_utf8(publish.to_bytes()).expect("text");
    let length = format!("Content-Length: {}\r\n", publish.body.len());
    assert!(bytes.contains(&length));
    phone.send_bytes(server.udp_address(), bytes.replace(&length, "").as_bytes());
    let (response, _) = phone.receive();
    assert_eq!(response.code(), Some(200), "{response}");
}

#[test]
fn s18_3_a_stream_is_read_however_it_is_cut() {
    let server = Server::quickstart();
    let mut publisher = Publisher::tcp(server.tcp_address(), DANA);
    let body = pidf::open(DANA, "t1", "here");
    let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, body.clone());
    let via = format!("SIP/2.0/TCP {};branch=z9hG4bKcut1;rport", publisher.endpoint.local_address());
    let first = publisher.endpoint.send(request.with_first("Via", via));
    let tag = publisher.answer_to(&first).expect("SIP-ETag").to_owned();

    // Two keep-alives, then a request byte by byte, its successor glued to its end.
    publisher.endpoint.send_bytes(b"\r\n\r\n\r\n\r\n");
    let pieces = first.to_bytes();
    pieces.iter().for_each(|byte| publisher.endpoint.send_bytes(&[*byte]));
    let answers = publisher.endpoint.responses(&first, 1);
    assert!(String::from_utf8_lossy(&answers[0]).contains(&tag));
    assert_eq!(publisher.refresh().code(), Some(200));
    publisher.finish();
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
