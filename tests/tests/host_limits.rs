//! The bounds of the host, at them and past them: who goes beyond is told so, others are served, and it is counted
//! (docs/script.md, "Bounds").

use std::io::Read;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tests::message::Message;
use tests::server::{Options, Server, Transport, with_route, with_setting};
use tests::user_agent::Endpoint;

const DOMAIN: &str = "sip:pres.example";

fn start(settings: &str) -> Server {
    Server::start(&with_setting(settings), Options::default())
}

fn options() -> Message {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Message::request("OPTIONS", DOMAIN)
        .with("From", format!("<sip:ann@watch.example>;tag=f{number}"))
        .with("To", format!("<{DOMAIN}>"))
        .with("Call-ID", format!("limits-{}-{number}", std::process::id()))
        .with("CSeq", "1 OPTIONS")
}

fn with_body(bytes: usize) -> Message {
    let mut message = options().with("Content-Type", "text/plain").with("Content-Disposition", "x;handling=optional");
    message.body = vec![b'x'; bytes];
    message
}

/// Stops the server and checks what its last line counts.
fn check_counters(mut server: Server, expected: &[(&str, u64)]) {
    server.terminate();
    let log = server.log();
    let line = log.lines().find(|line| line.contains("stopped; ")).expect("a last line");
    for (name, count) in expected {
        assert!(line.split(' ').any(|word| word == format!("{name}={count}")), "{name}={count} in {line}");
    }
}

#[test]
fn a_body_or_header_past_its_bound_is_refused_on_both_transports_and_one_at_it_is_served() {
    let server = start("max_body_size=100\nmax_header_size=300\nmax_headers=20");
    for transport in [Transport::Udp, Transport::Tcp] {
        let endpoint = match transport {
            Transport::Tcp => Endpoint::tcp(server.tcp_address()),
            Transport::Udp => Endpoint::udp(server.udp_address()),
        };
        let subject = |bytes: usize| options().with("Subject", "x".repeat(bytes));
        let many = |count: usize| (0..count).fold(options(), |message, n| message.with(&format!("X-{n}"), "x"));
        for (message, code) in
            [(with_body(100), 200), (with_body(101), 413), (subject(300), 200), (subject(301), 513), (many(21), 513)]
        {
            assert_eq!(endpoint.request(message).code(), Some(code), "{transport:?}");
        }
        endpoint.finish();
    }
    check_counters(server, &[("bodies_too_long_total", 2), ("messages_too_long_total", 4)]);
}

#[test]
fn a_message_past_its_bound_is_513_or_ends_its_connection_with_413() {
    let server = start("max_message_size=2000");
    let datagrams = Endpoint::udp(server.udp_address());
    assert_eq!(datagrams.request(with_body(1000)).code(), Some(200));
    assert_eq!(datagrams.request(with_body(2000)).code(), Some(513));
    assert_eq!(datagrams.request(options()).code(), Some(200));
    datagrams.finish();
    let stream = Endpoint::tcp(server.tcp_address());
    assert_eq!(stream.request(with_body(1000)).code(), Some(200));
    assert_eq!(stream.request(with_body(2000)).code(), Some(413));
    stream.wait_until_closed();
    check_counters(server, &[("messages_too_long_total", 1), ("bodies_too_long_total", 1)]);
}

/// A connection that is refused is closed without a word.
fn is_refused(address: std::net::SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return true };
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

#[test]
fn connections_past_the_bound_of_a_source_are_closed_and_another_source_is_served() {
    let server = start("tcp_max_connections_per_source=2\ntcp_max_connections=3");
    let own: Vec<_> = (0..2).map(|_| Endpoint::tcp(server.tcp_address())).collect();
    for endpoint in &own {
        assert_eq!(endpoint.request(options()).code(), Some(200));
    }
    assert!(is_refused(server.tcp_address()));
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let from: std::net::SocketAddr = "127.0.0.2:0".parse().expect("an address");
    other.bind(&from.into()).expect("every address of 127/8 is ours");
    other.connect(&server.tcp_address().into()).expect("the server listens");
    let mut other = TcpStream::from(other);
    std::io::Write::write_all(&mut other, b"\r\n\r\n").expect("a keep-alive");
    let mut answer = [0; 2];
    other.read_exact(&mut answer).expect("its answer");
    assert_eq!(&answer, b"\r\n");
    own.into_iter().for_each(Endpoint::finish);
    check_counters(server, &[("tcp_refused_total", 1)]);
}

#[test]
fn a_script_that_says_the_same_of_each_request_is_suppressed_and_counted() {
    let script = "xlog(\"L_NOTICE\", \"the same\\n\");\nsl_send_reply(\"200\", \"OK\");";
    let configuration = with_route("loadmodule \"xlog.so\"\nmax_log_lines=20", script);
    let server = Server::start(&configuration, Options::default());
    let endpoint = Endpoint::udp(server.udp_address());
    for _ in 0..200 {
        assert_eq!(endpoint.request(options()).code(), Some(200));
    }
    // Told within a second, although nothing else is logged.
    let told = server.wait_for_log("log lines were suppressed");
    assert!(told.contains("WARN"), "{told}");
    endpoint.finish();
    let mut server = server;
    server.terminate();
    let log = server.log();
    let number = |line: &str| line.split_whitespace().find_map(|word| word.parse::<u64>().ok()).unwrap_or_default();
    let suppressed: u64 = log.lines().filter(|line| line.contains("were suppressed")).map(number).sum();
    let written = log.lines().filter(|line| line.contains("the same")).count() as u64;
    assert_eq!(written + suppressed, 200, "{log}");
    assert!(log.contains(&format!("log_lines_suppressed_total={suppressed}")), "{log}");
}
