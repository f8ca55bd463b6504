//! A SUBSCRIBE that points at somebody who never asked brings that one few NOTIFYs, however many SUBSCRIBEs there are
//! (RFC 6665 §6.3); whoever did ask is told everything as soon as it has answered once.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use tests::message::Message;
use tests::server::{Options, Server, with_setting};
use tests::user_agent::Endpoint;

/// As many NOTIFYs may be unanswered at an address that has answered none.
const UNPROVEN: usize = 4;
const SUBSCRIBES: usize = 40;

/// Subscribes as somebody new, who is to be told at `target`.
fn subscribe(endpoint: &Endpoint, number: usize, target: SocketAddr) {
    let request = Message::request("SUBSCRIBE", "sip:dana@pres.example")
        .with("From", format!("<sip:w{number}@watch.example>;tag=f{number}"))
        .with("To", "<sip:dana@pres.example>")
        .with("Call-ID", format!("amplification-{number}"))
        .with("CSeq", "1 SUBSCRIBE")
        .with("Contact", format!("<sip:w{number}@{target}>"))
        .with("Event", "presence")
        .with("Expires", 600);
    assert_eq!(endpoint.request(request).code(), Some(200), "{number}");
}

/// Reads what comes to `victim` until `enough` or for so long, and returns the Call-IDs of the NOTIFYs and how many datagrams
/// there were.
fn told(victim: &UdpSocket, lasting: Duration, enough: usize, answers: bool) -> (BTreeSet<String>, usize) {
    let (begun, mut calls, mut datagrams) = (Instant::now(), BTreeSet::new(), 0);
    let mut buffer = vec![0; 65_536];
    while begun.elapsed() < lasting && calls.len() < enough {
        victim.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let Ok((length, from)) = victim.recv_from(&mut buffer) else { continue };
        let notify = Message::parse(&buffer[..length]).expect("a NOTIFY");
        datagrams += 1;
        if answers {
            let answer = Message::response_to(&notify, 200).to_bytes();
            victim.send_to(&answer, from).expect("an answer");
        }
        calls.insert(notify.expect("Call-ID").to_owned());
    }
    (calls, datagrams)
}

#[test]
fn somebody_who_never_asked_gets_few_and_somebody_who_answers_gets_all() {
    let settings = format!("max_requests_unproven={UNPROVEN}\nmodparam(\"presence\", \"nat\", \"off\")");
    let mut server = Server::start(&with_setting(&settings), Options::default());
    let victim = UdpSocket::bind("127.0.0.9:0").expect("a port");
    let target = victim.local_addr().expect("a bound socket");
    let endpoint = Endpoint::udp(server.udp_address());
    (0..SUBSCRIBES).for_each(|number| subscribe(&endpoint, number, target));
    // Long enough for the first copies: each NOTIFY is repeated by RFC 3261's timers, and no other begun.
    let (calls, datagrams) = told(&victim, Duration::from_millis(1200), usize::MAX, false);
    assert_eq!(calls.len(), UNPROVEN, "{calls:?}");
    assert!((UNPROVEN + 1..=3 * UNPROVEN).contains(&datagrams), "{datagrams}");
    // It did ask, and answers: all are told.
    let (calls, _) = told(&victim, Duration::from_secs(20), SUBSCRIBES, true);
    assert_eq!(calls.len(), SUBSCRIBES, "{calls:?}");
    endpoint.finish();
    server.terminate();
    let held = format!("requests_held_total={}", SUBSCRIBES - UNPROVEN);
    assert!(server.log().contains(&held), "{}", server.log());
}
