//! One request, one answer, whatever script, module and client leave undone. Clauses are in `conformance/rfc3261/`.

use std::sync::atomic::{AtomicU32, Ordering};

use tests::message::Message;
use tests::pidf;
use tests::server::{Options, Server, with_route};
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

/// A To-tag is a token; a script that puts something else where the tag stands does no harm.
#[test]
fn an_avp_that_can_be_no_tag_is_passed_over() {
    let server = server("", "$avp(i:25) = \"a tag;x=y\";\nsl_send_reply(\"404\", \"Not Here\");");
    let endpoint = Endpoint::udp(server.udp_address());
    let response = endpoint.request(request("MESSAGE", DANA));
    assert_eq!(response.tag("To").map(|tag| tag.len()), Some(32), "{response}");
    endpoint.finish();
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
