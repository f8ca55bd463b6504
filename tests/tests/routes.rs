//! Where messages go beyond what a clause says: NAT, connections, both families, and what is no message at all. Clauses are
//! in `conformance/rfc3261/transport.rs`.

use tests::message::Message;
use tests::pidf;
use tests::server::{QUICKSTART, Server};
use tests::user_agent::{Endpoint, Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";

fn watcher(server: &Server) -> Watcher {
    Watcher::udp(server.udp_address(), DANA, ANN)
}

fn topmost_via(response: &Message) -> String {
    response.list("Via").remove(0)
}

/// A phone behind a NAT names an address that leads nowhere (`nat=auto`).
#[test]
fn a_watcher_behind_a_nat_is_told_at_the_address_it_came_from() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    watcher.move_to("<sip:ann@10.255.255.1:5999;ob>");
    watcher.subscribe(600);
    let notify = watcher.next_notification().message;
    assert_eq!(notify.uri(), Some("sip:ann@10.255.255.1:5999;ob"), "the Request-URI stays what the phone knows");
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&pidf::open(DANA, "t1", "here"));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    watcher.finish();
}

#[test]
fn a_watcher_on_tcp_is_told_on_its_connection() {
    let server = Server::quickstart();
    let mut watcher = Watcher::tcp(server.tcp_address(), DANA, ANN);
    let accepted = watcher.subscribe(600);
    assert_eq!(accepted.code(), Some(200));
    let contact = accepted.uri_of("Contact").expect("a Contact");
    assert!(contact.contains("transport=tcp"), "refreshes must find the way back: {contact}");
    let first = watcher.next_notification().message;
    assert!(topmost_via(&first).starts_with("SIP/2.0/TCP"), "{first}");
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&pidf::open(DANA, "t1", "here"));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    watcher.unsubscribe();
    assert!(watcher.next_notification().state().is_terminated());
    watcher.finish();
}

#[test]
fn it_listens_on_ipv6_too() {
    let config = QUICKSTART.replace("listen=tcp:127.0.0.1:@PORT@", "listen=udp:[::1]:@PORT@");
    let server = Server::start(&config, Default::default());
    let six = *server.udp_addresses().iter().find(|address| address.is_ipv6()).expect("an IPv6 listener");
    let mut watcher = Watcher::udp(six, DANA, ANN);
    let accepted = watcher.subscribe(600);
    assert_eq!(accepted.code(), Some(200));
    assert!(accepted.expect("Contact").contains("[::1]"), "{accepted}");
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    watcher.next_notification();
    publisher.publish(&pidf::open(DANA, "t1", "here"));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    watcher.finish();
}

/// What cannot be a SIP message is dropped; the server goes on.
#[test]
fn garbage_is_no_request() {
    let server = Server::quickstart();
    let endpoint = Endpoint::udp(server.udp_address());
    for garbage in [&b""[..], b"\0", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", &[0xff; 60_000]]
    {
        endpoint.send_bytes(garbage);
    }
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&pidf::open(DANA, "t1", "here")).code(), Some(200));
    publisher.finish();
    endpoint.finish();
}
