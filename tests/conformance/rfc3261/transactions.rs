//! §17: what is a copy of what, what answers what, and how often something is said again.

use std::time::{Duration, Instant};

use tests::message::Message;
use tests::pidf;
use tests::server::{Options, Server, with_route};
use tests::user_agent::{Endpoint, Publisher};

use crate::requests::{DANA, Phone, branch, request, server};

/// Copies that arrive together meet several workers at the same time.
#[test]
fn s17_2_2_copies_of_one_request_never_get_two_answers() {
    let server = Server::start(&with_route("children=4", "handle_publish();"), Options::default());
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    for number in 0..50 {
        let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, pidf::open(DANA, "t1", "here"));
        let sent = publisher.endpoint.send(request);
        for _ in 0..7 {
            publisher.endpoint.send_bytes(&sent.to_bytes());
        }
        assert_eq!(publisher.answer_to(&sent).code(), Some(200), "{number}");
        let answers = publisher.endpoint.responses(&sent, 1);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{}", publisher.endpoint.ladder());
    }
    publisher.finish();
}

/// What the server says, through a transaction, of a request and of one that `change` made of it: how often the script
/// has run.
fn check_matching(via: &str, change: impl Fn(Message) -> Message, expected_runs: usize) {
    let script = "xlog(\"seen $ci\\n\");\nt_newtran();\nt_reply(200, \"OK\");";
    let server = Server::start(&with_route("loadmodule \"xlog.so\"", script), Options::default());
    let phone = Phone::new();
    let via = via.replace("@HERE@", &phone.address().to_string()).replace("@BRANCH@", &branch());
    let first = request("MESSAGE", DANA).with_first("Via", format!("SIP/2.0/UDP {via}"));
    let last = request("INFO", DANA).with_first("Via", format!("SIP/2.0/UDP {};branch={}", phone.address(), branch()));
    let call_id = first.expect("Call-ID").to_owned();
    for message in [&first, &change(first.clone()), &last] {
        phone.send(server.udp_address(), message);
        let (response, _) = phone.receive();
        assert_eq!(response.code(), Some(200), "{response}");
    }
    server.wait_for_log(&format!("seen {}", last.expect("Call-ID")));
    let runs = server.log().lines().filter(|line| line.ends_with(&format!("seen {call_id}"))).count();
    assert_eq!(runs, expected_runs, "{first}");
}

const HERE: &str = "@HERE@;branch=@BRANCH@";

fn with_via(message: Message, change: impl Fn(&str) -> String) -> Message {
    let via = change(message.expect("Via"));
    message.without("Via").with_first("Via", via)
}

#[test]
fn s17_2_3_a_branch_a_sent_by_and_a_method_are_a_transaction_whatever_else_differs() {
    let other = |message: Message| with_via(message.with("Subject", "again"), |via| format!("{via};x=y"));
    check_matching(HERE, other, 1);
}

#[test]
fn s17_2_3_another_branch_or_sent_by_is_another_transaction() {
    check_matching(HERE, |message| with_via(message, |via| format!("{via}x")), 2);
    let elsewhere = |via: &str| via.replace("127.0.0.1:", "phone.invalid:");
    check_matching(HERE, |message| with_via(message, elsewhere), 2);
}

#[test]
fn s17_2_3_another_method_is_another_transaction() {
    let other = |message: Message| {
        let mut other = message.set("CSeq", "1 INFO");
        other.start = format!("INFO {DANA} SIP/2.0");
        other
    };
    check_matching(HERE, other, 2);
}

/// A peer that knows no magic cookie: RFC 2543.
#[test]
fn s17_2_3_without_the_magic_cookie_the_headers_are_the_transaction() {
    for via in ["@HERE@", "@HERE@;branch=1"] {
        check_matching(via, |message| message.with("Subject", "again"), 1);
        check_matching(via, |message| message.set("CSeq", "2 MESSAGE"), 2);
        check_matching(via, |message| with_via(message, |via| format!("{via};x=y")), 2);
    }
}

/// Timer E: at T1, then after twice as long.
#[test]
fn s17_1_2_2_a_notify_without_an_answer_is_sent_again_as_it_was() {
    let server = Server::quickstart();
    let phone = Phone::new();
    let first = phone.watch(&server);
    let began = Instant::now();
    for after_ms in [400, 1400] {
        let (copy, _) = phone.receive();
        assert_eq!(copy, first);
        assert!(began.elapsed() >= Duration::from_millis(after_ms), "{:?}", began.elapsed());
    }
}

/// A NOTIFY is answered as `change` would have it, which must count for nothing: it comes again, and a sound answer then
/// lets the next one go out.
fn check_dropped(change: impl Fn(Message) -> Message) {
    let server = Server::quickstart();
    let phone = Phone::new();
    let notify = phone.watch(&server);
    let sound = Message::response_to(&notify, 200);
    let dropped = change(sound.clone());
    phone.send(server.udp_address(), &dropped);
    assert_eq!(phone.receive().0, notify, "{dropped}");
    phone.send(server.udp_address(), &sound);
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&pidf::open(DANA, "t1", "here"));
    let number = |notify: &Message| notify.cseq().expect("a CSeq").0;
    let next = std::iter::repeat_with(|| phone.receive().0).find(|next| *next != notify).expect("another");
    assert_eq!(number(&next), number(&notify) + 1, "{next}");
    publisher.finish();
}

#[test]
fn s8_1_3_3_a_response_with_more_than_one_via_is_dropped() {
    check_dropped(|response| response.with("Via", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKother"));
    check_dropped(|response| with_via(response, |via| format!("{via}, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKother")));
}

#[test]
fn s17_1_3_a_response_with_another_branch_or_method_is_dropped() {
    check_dropped(|response| with_via(response, |via| format!("{via}x")));
    check_dropped(|response| {
        let cseq = response.expect("CSeq").replace("NOTIFY", "SUBSCRIBE");
        response.set("CSeq", cseq)
    });
}

#[test]
fn s18_1_2_a_response_with_anothers_sent_by_is_dropped() {
    check_dropped(|response| with_via(response, |via| via.replace("127.0.0.1:", "127.0.0.2:")));
}

#[test]
fn s18_3_a_response_whose_body_is_cut_short_is_dropped() {
    check_dropped(|response| response.with("Content-Length", 5));
}

/// A provisional response is none yet; the final one after it is.
#[test]
fn s17_1_2_1_a_provisional_response_ends_nothing() {
    check_dropped(|response| Message { start: "SIP/2.0 100 Trying".into(), ..response });
}

/// RFC 3261 §17.2.2: a transaction runs the script once.
#[test]
fn s17_2_2_an_answer_given_through_a_transaction_is_repeated_byte_by_byte() {
    let server = server("if (!t_newtran()) exit;\nt_reply(\"480\", \"Asleep\");\nt_release();");
    let endpoint = Endpoint::udp(server.udp_address());
    let sent = endpoint.send(request("MESSAGE", DANA));
    assert_eq!(endpoint.final_response(&sent).start, "SIP/2.0 480 Asleep");
    endpoint.send_bytes(&sent.to_bytes());
    let answers = endpoint.responses(&sent, 2);
    assert_eq!(answers[0], answers[1]);
    endpoint.finish();
}
