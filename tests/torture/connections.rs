//! Streams that are cut anywhere, cut short, slow, or never read: whoever does that, nobody else waits.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use tests::server::Server;

use crate::case::filled;
use crate::line::{Line, Way};
use crate::witness::Witness;

const OPTIONS: &str = "OPTIONS sip:pres.example SIP/2.0
Via: SIP/2.0/TCP @SELF@;branch=@BRANCH@
To: <sip:pres.example>
From: <sip:caller@watch.example>;tag=1
Call-ID: cut.@N@
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

";

/// What others may lose while somebody misbehaves, on a machine that does other things besides.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_request_is_read_wherever_it_is_cut_in_two() {
    let server = Server::quickstart();
    let mut line = Line::open(&server, Way::Tcp);
    let length = filled(OPTIONS, "", &line).len();
    for cut in 1..length {
        let message = filled(OPTIONS, "", &line);
        let (one, other) = message.split_at(cut.min(message.len() - 1));
        line.send(one);
        line.send(other);
        let response = line.response().expect("an answer");
        assert_eq!(response.code(), Some(200), "{response}");
    }
}

/// Each stops at another byte of a request, and stays.
#[test]
fn connections_that_stop_inside_a_request_hold_up_nobody() {
    let server = Server::quickstart();
    let mut witness = Witness::new(&server);
    let mut halves = Vec::new();
    for number in 0..100 {
        let mut line = Line::open(&server, Way::Tcp);
        let message = filled(OPTIONS, "", &line);
        let stop = 1 + number * (message.len() - 2) / 100;
        line.send(&message[..stop]);
        halves.push((line, message, stop));
    }
    let began = Instant::now();
    for _ in 0..10 {
        witness.is_served(&server);
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    // Whoever goes on in time is answered; whoever leaves is forgotten.
    for (line, message, stop) in halves.iter_mut().step_by(2) {
        line.send(&message[*stop..]);
        assert_eq!(line.response().expect("an answer").code(), Some(200));
    }
    drop(halves);
    witness.is_served(&server);
    witness.finish();
}

/// A phone that has said all it has to say, and listens.
#[test]
fn who_has_closed_its_side_after_a_request_is_answered() {
    let server = Server::quickstart();
    let mut stream = TcpStream::connect(server.tcp_address()).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a connected socket takes options");
    let line = Line::open(&server, Way::Tcp);
    stream.write_all(&filled(OPTIONS, "", &line)).expect("it is written");
    stream.shutdown(Shutdown::Write).expect("it was open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server answers and closes");
    assert!(answer.starts_with(b"SIP/2.0 200 "), "{}", answer.escape_ascii());
}

#[test]
fn who_asks_and_never_reads_holds_up_nobody() {
    let server = Server::quickstart();
    let mut witness = Witness::new(&server);
    let line = Line::open(&server, Way::Tcp);
    let mut deaf = TcpStream::connect(server.tcp_address()).expect("a connection");
    deaf.set_nonblocking(true).expect("a connected socket takes options");
    // Until nothing more is taken: its buffers are full of answers, and ours of requests; or the server has had enough.
    let mut sent = 0;
    for _ in 0..50_000 {
        match deaf.write(&filled(OPTIONS, "", &line)) {
            Ok(bytes) => sent += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent > 0);
    let began = Instant::now();
    for _ in 0..10 {
        witness.is_served(&server);
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    witness.finish();
}
