//! Sockets as peers see them: every address, both families, several listeners, names, connections
//! (RFC 3261 §8.1.1, §18; RFC 3581).

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tests::message::Message;
use tests::pidf;
use tests::server::{Options, QUICKSTART, Server, with_setting};
use tests::user_agent::{Endpoint, Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";
const NAT_OFF: &str = "modparam(\"presence\", \"nat\", \"off\")";

fn start(configuration: &str) -> Server {
    Server::start(configuration, Options::default())
}

/// An OPTIONS to `uri`, with ids of its own.
fn options(uri: &str) -> Message {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Message::request("OPTIONS", uri)
        .with("From", format!("<{ANN}>;tag=f{number}"))
        .with("To", format!("<{uri}>"))
        .with("Call-ID", format!("host-network-{}-{number}", std::process::id()))
        .with("CSeq", "1 OPTIONS")
}

/// Checks what OPTIONS to each URI gets: 200 where it names the server.
fn check_names(server: SocketAddr, expected: &[(String, u16)]) {
    let endpoint = Endpoint::udp(server);
    for (uri, code) in expected {
        let response = endpoint.request(options(uri));
        assert_eq!(response.code(), Some(*code), "{uri}: {response}");
    }
    endpoint.finish();
}

/// Subscribes, publishes, and returns the accepted SUBSCRIBE and the NOTIFY.
fn check_presence(mut watcher: Watcher, mut publisher: Publisher) -> (Message, Message) {
    let accepted = watcher.subscribe(600);
    assert_eq!(accepted.code(), Some(200), "{accepted}");
    watcher.next_notification();
    // What is published already would be no news.
    let note = format!("from {}", publisher.endpoint.local_address());
    assert_eq!(publisher.publish(&pidf::open(DANA, "t1", &note)).code(), Some(200));
    let notify = watcher.next_notification();
    assert!(notify.notes().contains(&note), "{}", notify.message);
    watcher.finish();
    publisher.finish();
    (accepted, notify.message)
}

#[test]
fn a_listener_on_every_address_tells_one_that_can_be_reached_and_is_all_of_them() {
    for (any, loopback) in [("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")] {
        let server = start(&QUICKSTART.replace("127.0.0.1", any));
        let told = server.udp_address();
        assert!(!told.ip().is_unspecified(), "{told}");
        let at = |port: u16| -> SocketAddr { format!("{loopback}:{port}").parse().expect("an address") };
        let near = at(told.port());
        for watcher in [Watcher::udp(near, DANA, ANN), Watcher::tcp(at(server.tcp_address().port()), DANA, ANN)] {
            let (accepted, notify) = check_presence(watcher, Publisher::udp(near, DANA));
            for value in [accepted.expect("Contact"), notify.expect("Contact"), notify.expect("Via")] {
                assert!(!value.contains(any) && value.contains(&told.ip().to_string()), "{value}");
            }
        }
        let uris = [(format!("sip:{told}"), 200), (format!("sip:{near}"), 200), ("sip:192.0.2.77".into(), 404)];
        check_names(near, &uris);
    }
}

#[test]
fn ipv6_is_written_in_brackets_and_compared_as_an_address() {
    let server = start(&QUICKSTART.replace("127.0.0.1", "[::1]"));
    let (udp, tcp) = (server.udp_address(), server.tcp_address());
    for (watcher, local) in [(Watcher::udp(udp, DANA, ANN), udp), (Watcher::tcp(tcp, DANA, ANN), tcp)] {
        let (accepted, notify) = check_presence(watcher, Publisher::tcp(tcp, DANA));
        assert!(accepted.expect("Contact").contains(&format!("{local}")), "{accepted}");
        assert!(notify.expect("Via").contains(&format!(" {local};")), "{notify}");
    }
    let long = format!("sip:[0:0:0::0:1]:{}", udp.port());
    check_names(udp, &[(format!("sip:{udp}"), 200), (long, 200), ("sip:[::2]".into(), 404)]);
}

#[test]
fn a_notify_leaves_from_the_socket_that_the_subscribe_came_in_on() {
    let two = "listen=udp:127.0.0.1:@PORT@\nlisten=udp:127.0.0.1:@PORT@\nlisten=udp:127.0.0.2:@PORT@";
    let server = start(&QUICKSTART.replace("listen=udp:127.0.0.1:@PORT@", two));
    for &address in server.udp_addresses() {
        // The watcher takes nothing from any other address.
        let (accepted, notify) =
            check_presence(Watcher::udp(address, DANA, ANN), Publisher::udp(server.udp_address(), DANA));
        assert!(accepted.expect("Contact").contains(&address.to_string()), "{accepted}");
        assert!(notify.expect("Via").starts_with(&format!("SIP/2.0/UDP {address};")), "{notify}");
    }
}

#[test]
fn a_notify_on_a_connection_names_the_listener_of_that_connection() {
    let two = "listen=tcp:127.0.0.1:@PORT@\nlisten=tcp:127.0.0.2:@PORT@";
    let server = start(&QUICKSTART.replace("listen=tcp:127.0.0.1:@PORT@", two));
    let listening = server.wait_for_log_lines("listening on tcp:", 2);
    for line in &listening {
        let address = line.rsplit("tcp:").next().and_then(|text| text.parse().ok()).expect("an address");
        let (_, notify) = check_presence(Watcher::tcp(address, DANA, ANN), Publisher::udp(server.udp_address(), DANA));
        assert!(notify.expect("Via").starts_with(&format!("SIP/2.0/TCP {address};")), "{notify}");
    }
}

#[test]
fn an_alias_with_a_port_is_this_server_on_that_port() {
    let server = start(&with_setting("alias=\"sip.example:5080\""));
    let names = [
        ("sip:sip.example:5080", 200),
        ("sip:SIP.example", 200),
        ("sip:sip.example:5061", 404),
        ("sip:pres.example:5061", 200),
        ("sip:other.example:5080", 404),
    ];
    check_names(server.udp_address(), &names.map(|(uri, code)| (uri.to_owned(), code)));
}

/// `localhost` has an IPv6 address, too, on most machines; the server listens on IPv4 only.
#[test]
fn a_watcher_with_a_name_is_told_at_an_address_that_a_listener_can_send_to() {
    let server = start(&with_setting(NAT_OFF));
    let mut watcher = Watcher::udp(server.udp_address(), DANA, ANN);
    let port = watcher.endpoint.local_address().port();
    watcher.move_to(&format!("<sip:ann@localhost:{port}>"));
    watcher.subscribe(600);
    assert_eq!(watcher.next_notification().message.uri(), Some(format!("sip:ann@localhost:{port}").as_str()));
    watcher.finish();
}

/// What a module sends while it starts waits until the first worker runs.
#[test]
fn a_watcher_on_tcp_is_told_again_after_a_crash() {
    let phone = TcpListener::bind("127.0.0.1:0").expect("a port");
    let contact = format!("<sip:ann@{};transport=tcp>", phone.local_addr().expect("an address"));
    let mut server = start(&with_setting(NAT_OFF));
    let mut watcher = Watcher::tcp(server.tcp_address(), DANA, ANN);
    watcher.move_to(&contact);
    watcher.subscribe(600);
    watcher.next_notification();
    server.kill_nine();
    server.restart();
    let (mut connection, _) = phone.accept().expect("the server calls");
    let mut message = vec![0; 8192];
    let length = connection.read(&mut message).expect("a NOTIFY");
    let message = String::from_utf8_lossy(&message[..length]);
    assert!(message.starts_with("NOTIFY sip:ann@") && message.contains("active"), "{message}");
}

/// RFC 3261 §8.1.3.1: a connection that cannot be opened is an outcome at once, not after timer F (RFC 6665 §4.2.2).
#[test]
fn a_watcher_whose_port_is_closed_loses_its_subscription_at_once() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port");
    let server = start(&with_setting(NAT_OFF));
    let mut owner = Watcher::udp(server.udp_address(), DANA, DANA).with_event("presence.winfo");
    owner.subscribe(600);
    owner.next_notification();
    let mut watcher = Watcher::udp(server.udp_address(), DANA, ANN);
    watcher.move_to(&format!("<sip:ann@{closed};transport=tcp>"));
    let began = Instant::now();
    assert_eq!(watcher.subscribe(600).code(), Some(200));
    assert_eq!(owner.next_notification().watchers.len(), 1);
    assert!(owner.next_notification().watchers.is_empty());
    assert!(began.elapsed() < Duration::from_secs(10), "after a timer, not at once");
    assert_eq!(watcher.subscribe(600).code(), Some(481));
    watcher.finish();
    owner.finish();
}

/// RFC 3261 §21.5.7 and §21.4: what is longer than the host takes is refused, and the socket serves on.
#[test]
fn what_is_too_long_is_refused_with_its_own_code() {
    let server = start(QUICKSTART);
    let endpoint = Endpoint::udp(server.udp_address());
    let mut many = options("sip:pres.example");
    for number in 0..200 {
        many = many.with(&format!("X-{number}"), "x");
    }
    let long = options("sip:pres.example").with("Subject", "x".repeat(9000));
    for request in [many, long] {
        let code = endpoint.request(request).code();
        assert_eq!(code, Some(513));
    }
    for keep_alive in [&b"\r\n\r\n"[..], b"\r\n", b"\0"] {
        endpoint.send_bytes(keep_alive);
    }
    assert_eq!(endpoint.request(options("sip:pres.example")).code(), Some(200));
    endpoint.finish();
}
