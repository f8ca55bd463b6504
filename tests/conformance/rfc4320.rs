//! RFC 4320: what non-INVITE transactions say late, and what they never say.

use std::time::{Duration, Instant};

use tests::message::Message;
use tests::server::{Server, with_route};
use tests::user_agent::Endpoint;

use crate::requests::{DANA, check, over_both, request, server};

/// The one test that waits: 3.5 s for the 100, 10 s for the 500 with which the host ends what nobody answers. trap_53
#[test]
fn s4_1_a_100_comes_at_3_5_s_and_not_before_on_every_transport() {
    let server = server("if (method==\"MESSAGE\") { t_newtran(); drop; }");
    let endpoints = [Endpoint::udp(server.udp_address()), Endpoint::tcp(server.tcp_address())];
    let began = Instant::now();
    let sent = endpoints.each_ref().map(|endpoint| {
        let sent = endpoint.send(request("MESSAGE", DANA).with("Timestamp", "54.25"));
        endpoint.send_bytes(&sent.to_bytes());
        sent
    });
    for (endpoint, sent) in endpoints.iter().zip(&sent) {
        let answers = endpoint.responses(sent, 1);
        assert!(began.elapsed() >= Duration::from_millis(3500), "{:?}: {}", began.elapsed(), endpoint.ladder());
        let trying = Message::parse(&answers[0]).expect("a response");
        assert_eq!(trying.code(), Some(100), "{trying}");
        check_timestamp(&trying);
        endpoint.send_bytes(&sent.to_bytes());
        let answers = endpoint.responses(sent, 2);
        assert_eq!(answers[0], answers[1], "a copy gets what was said last (RFC 3261 §17.2.2)");
    }
    for (endpoint, sent) in endpoints.into_iter().zip(sent) {
        assert_eq!(endpoint.final_response(&sent).code(), Some(500), "{}", endpoint.ladder());
        endpoint.finish();
    }
    server.wait_for_log("has not been answered in time");
}

/// RFC 3261 §8.2.6.1: the time of the request, and how long it waited.
fn check_timestamp(trying: &Message) {
    let (sent_at, waited) = trying.expect("Timestamp").split_once(' ').expect("a delay");
    let waited: f64 = waited.parse().expect("a number");
    assert!(sent_at == "54.25" && (3.5..10.0).contains(&waited), "{trying}");
}

#[test]
fn s4_1_no_other_provisional_response_can_be_sent() {
    for function in ["sl_send_reply", "t_reply"] {
        let ended = Server::check(&with_route("", &format!("t_newtran();\n{function}(183, \"Session Progress\");")));
        assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    }
}

/// The script says 408 in vain, and goes on. trap_53
#[test]
fn s4_2_nobody_is_told_408() {
    for says_so in ["sl_send_reply(408, \"Timeout\")", "t_newtran();\nt_reply(408, \"Timeout\")"] {
        let server = server(&format!("{says_so};\nsl_send_reply(480, \"Later\");"));
        over_both(&server, |endpoint| {
            check(endpoint, request("MESSAGE", DANA), 480);
        });
    }
}
