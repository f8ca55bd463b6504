//! Where messages go: route sets, Via, NAT and connections (RFC 3261 §12.2, §16.4, §18.2; RFC 3581).

use tests::message::{Message, parameter};
use tests::pidf;
use tests::server::{QUICKSTART, Server, with_route};
use tests::user_agent::{Endpoint, Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";

fn watcher(server: &Server) -> Watcher {
    Watcher::udp(server.udp_address(), DANA, ANN)
}

fn topmost_via(response: &Message) -> String {
    response.list("Via").remove(0)
}

/// The watcher's socket plays the first proxy of the route set; its phone is where nobody listens.
#[test]
fn s12_2_1_1_a_loose_route_set_is_kept_in_order_and_the_target_stays_in_the_request_uri() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let proxies = [
        format!("<sip:{};lr=on;ftag=1>", watcher.endpoint.local_address()),
        "<sip:p2.example;lr;x=y>".to_owned(),
        "<sip:p3.example;lr>".to_owned(),
    ];
    watcher.move_to("<sip:ann@phone.invalid:5999;ob>");
    let request = watcher.next_request(600).with("Record-Route", proxies[..2].join(", "));
    watcher.request(request.with("Record-Route", &proxies[2]));
    let notify = watcher.next_notification().message;
    assert_eq!(notify.uri(), Some("sip:ann@phone.invalid:5999;ob"));
    assert_eq!(notify.list("Route"), proxies);
    watcher.finish();
}

#[test]
fn s12_2_1_1_a_strict_router_finds_itself_in_the_request_uri_and_the_target_last() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let strict = format!("sip:{};x=y", watcher.endpoint.local_address());
    watcher.move_to("<sip:ann@phone.invalid:5999>");
    let routes = format!("<{strict}>, <sip:p2.example;lr>");
    let request = watcher.next_request(600).with("Record-Route", routes);
    watcher.request(request);
    let notify = watcher.next_notification().message;
    assert_eq!(notify.uri(), Some(strict.as_str()));
    assert_eq!(notify.list("Route"), ["<sip:p2.example;lr>", "<sip:ann@phone.invalid:5999>"]);
    watcher.finish();
}

#[test]
fn s12_2_the_route_set_of_a_dialog_does_not_change() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    watcher.subscribe(600);
    assert!(watcher.next_notification().message.get("Route").is_none());
    let refresh = watcher.next_request(600).with("Record-Route", "<sip:p9.example;lr>");
    watcher.request(refresh);
    assert!(watcher.next_notification().message.get("Route").is_none());
    watcher.finish();
}

/// A phone whose outbound proxy is the server names it in Route, even in its first request.
#[test]
fn s16_4_a_route_that_names_us_is_taken_off_before_the_script_looks() {
    let script = "xlog(\"L_INFO\", \"route is $hdr(Route)\\n\");\n\
        if (method==\"PUBLISH\") handle_publish();\nif (method==\"SUBSCRIBE\") handle_subscribe();";
    let server = Server::start(&with_route("loadmodule \"xlog.so\"", script), Default::default());
    let mut watcher = watcher(&server);
    let request = watcher.next_request(600).with("Route", format!("<sip:{};lr>", server.udp_address()));
    assert_eq!(watcher.request(request).code(), Some(200));
    assert!(watcher.next_notification().message.get("Route").is_none());
    server.wait_for_log("route is <null>");
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, pidf::open(DANA, "t1", "here"));
    let by_name = request.with("Route", "<sip:pres.example;lr>");
    assert_eq!(publisher.request(by_name).code(), Some(200));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    watcher.finish();
    publisher.finish();
}

#[test]
fn rfc_3581_rport_is_filled_in_and_received_always_goes_with_it() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let port = publisher.endpoint.local_address().port().to_string();
    let response = publisher.publish(&pidf::open(DANA, "t1", "here"));
    let via = topmost_via(&response);
    assert_eq!(parameter(&via, "rport"), Some(port), "{via}");
    assert_eq!(parameter(&via, "received").as_deref(), Some("127.0.0.1"), "{via}");
    publisher.finish();
}

#[test]
fn s18_2_a_sent_by_that_is_not_the_source_gets_received_and_the_answer_comes_back_all_the_same() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let port = publisher.endpoint.local_address().port();
    let via = format!("SIP/2.0/UDP phone.invalid:{port};branch=z9hG4bKrx{port}");
    let request = publisher.next_request().with_first("Via", via);
    let response = publisher.request(request.with_body(pidf::CONTENT_TYPE, pidf::open(DANA, "t1", "here")));
    let via = topmost_via(&response);
    assert_eq!(parameter(&via, "received").as_deref(), Some("127.0.0.1"), "{via}");
    assert_eq!(parameter(&via, "rport"), None, "{via}");
    publisher.finish();
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
fn a_stream_is_read_however_it_is_cut() {
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
