//! The bounds of the host, at them and past them: who goes beyond is told so, others are served, and it is counted
//! (docs/script.md, "Bounds").

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tests::message::{Message, frame};
use tests::patience::wait_until;
use tests::pidf;
use tests::processes::Tree;
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

/// Connects from an address of this machine; what comes to it is kept for it in little room.
fn connect(from: [u8; 4], server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket has this option");
    socket.bind(&SocketAddr::from((from, 0)).into()).expect("every address of 127/8 is ours");
    socket.connect(&server.into()).expect("the server listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
}

/// A connection that is refused is closed without a word.
fn is_refused(mut stream: TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

#[test]
fn connections_past_the_bound_of_a_source_are_closed_and_another_source_is_served() {
    let server = start("tcp_max_connections_per_source=2\ntcp_max_connections=3");
    let own: Vec<_> = (0..2).map(|_| Endpoint::tcp(server.tcp_address())).collect();
    for endpoint in &own {
        assert_eq!(endpoint.request(options()).code(), Some(200));
    }
    assert!(is_refused(connect([127, 0, 0, 1], server.tcp_address())));
    let mut other = connect([127, 0, 0, 2], server.tcp_address());
    other.write_all(b"\r\n\r\n").expect("a keep-alive");
    let mut answer = [0; 2];
    other.read_exact(&mut answer).expect("its answer");
    assert_eq!(&answer, b"\r\n");
    assert!(is_refused(connect([127, 0, 0, 3], server.tcp_address())), "there may be three in all");
    own.into_iter().for_each(Endpoint::finish);
    check_counters(server, &[("tcp_refused_total", 2)]);
}

/// Sends so many OPTIONS on a connection, has another one be served, and returns how many answers there are to be read then.
fn answers_on(server: &Server, mut connection: TcpStream, asked: usize, padding: usize) -> usize {
    let own = connection.local_addr().expect("an address");
    for number in 0..asked {
        let via = format!("SIP/2.0/TCP {own};branch=z9hG4bKmany{number};x={}", "x".repeat(padding));
        let request = options().with_first("Via", via).with("Max-Forwards", 70);
        connection.write_all(&request.to_bytes()).expect("the server reads on");
    }
    let other = Endpoint::tcp(server.tcp_address());
    assert_eq!(other.request(options()).code(), Some(200));
    other.finish();
    connection.shutdown(Shutdown::Write).expect("it was open");
    let (mut read, mut answers) = (Vec::new(), 0);
    connection.read_to_end(&mut read).expect("what was kept, and the end");
    let mut rest = read.as_slice();
    while let Some(length) = frame(rest).expect("whole messages") {
        assert!(rest.starts_with(b"SIP/2.0 200 "));
        (rest, answers) = (&rest[length..], answers + 1);
    }
    assert!(rest.is_empty());
    answers
}

#[test]
fn who_sends_much_at_once_loses_no_answer_for_which_its_connection_has_room() {
    let server = start("tcp_max_queue=8");
    let connection = TcpStream::connect(server.tcp_address()).expect("the server listens");
    connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    assert_eq!(answers_on(&server, connection, 300, 1), 300);
}

#[test]
fn who_does_not_read_loses_what_is_past_its_queue_and_another_is_served() {
    let server = start("tcp_max_queue=8");
    // Long answers, so that few fill the system's own buffers.
    let deaf = connect([127, 0, 0, 1], server.tcp_address());
    let (asked, answers) = (2000, answers_on(&server, deaf, 2000, 4000));
    assert!((9..asked).contains(&answers), "{answers} of {asked}");
    check_counters(server, &[("tcp_undelivered_total", (asked - answers) as u64)]);
}

/// What is not answered yet has its place until it is; what is answered gives it up to whoever comes.
#[test]
fn a_transaction_too_many_is_503_until_another_is_answered() {
    let places = 16;
    let server = start(&format!("max_transactions={places}\nmodparam(\"presence\", \"db_timeout\", 60000)"));
    let endpoint = Endpoint::udp(server.udp_address());
    let publish = |number: usize| {
        let user = format!("sip:user{number}@pres.example");
        let request =
            Message::request("PUBLISH", &user).with("From", format!("<{user}>;tag=f")).with("To", format!("<{user}>"));
        let request = request.with("Call-ID", format!("places-{number}")).with("CSeq", "1 PUBLISH");
        request.with("Event", "presence").with_body(pidf::CONTENT_TYPE, pidf::open(&user, "t1", "here"))
    };
    // Nothing is committed, so nothing is answered.
    let mut database = server.open_database();
    database.execute("BEGIN IMMEDIATE");
    let all: Vec<_> = (0..=places).map(|number| endpoint.send(publish(number))).collect();
    wait_until("one is refused", || endpoint.ladder().contains("SIP/2.0 503 "));
    database.execute("COMMIT");
    let answers: Vec<_> = all.iter().map(|request| endpoint.final_response(request)).collect();
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.code() == Some(200));
    assert_eq!((accepted.len(), refused.len()), (places, 1));
    assert!(refused[0].code() == Some(503) && refused[0].get("Retry-After").is_some(), "{}", refused[0]);
    for number in places + 1..3 * places {
        assert_eq!(endpoint.request(publish(number)).code(), Some(200), "the completed go early");
    }
    endpoint.finish();
    check_counters(server, &[("requests_refused_total", 1)]);
}

/// Sends 100 datagrams to a server that stands still, and returns how many it finds when it goes on.
fn found_after_a_pause(settings: &str) -> u64 {
    let mut server = start(settings);
    let endpoint = Endpoint::udp(server.udp_address());
    let processes = Tree::of(server.process_id());
    processes.pause();
    (0..100).for_each(|_| _ = endpoint.send(options()));
    processes.resume();
    // It has read what stood before this, and serves on.
    assert_eq!(endpoint.request(options()).code(), Some(200));
    endpoint.finish();
    server.terminate();
    let log = server.log();
    let received = log.split(' ').find_map(|word| word.strip_prefix("udp_received_total=")?.parse().ok());
    received.unwrap_or_else(|| panic!("{log}"))
}

#[test]
fn what_a_socket_has_room_for_waits_while_the_server_is_busy_and_the_rest_is_lost() {
    assert!(found_after_a_pause("udp_receive_buffer=212992") > 100);
    let found = found_after_a_pause("udp_receive_buffer=4096");
    assert!((2..50).contains(&found), "{found}");
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
