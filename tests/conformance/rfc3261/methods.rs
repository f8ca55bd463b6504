//! §9, §11, §15: CANCEL, OPTIONS, and a BYE of nobody's.

use tests::message::Message;
use tests::pidf;
use tests::server::Server;
use tests::user_agent::{Endpoint, Publisher};

use crate::requests::{DANA, HOST, check, over_both, request, server};

/// The CANCEL of a request that was sent.
fn cancel(sent: &Message) -> Message {
    let mut cancel = Message::request("CANCEL", sent.uri().expect("a request"));
    for name in ["Via", "From", "To", "Call-ID"] {
        cancel = cancel.with(name, sent.expect(name));
    }
    let number = sent.cseq().expect("a CSeq").0;
    cancel.with("CSeq", format!("{number} CANCEL"))
}

/// RFC 6665 §4.6 has the same for SUBSCRIBE: the request is left to its own answer.
#[test]
fn s9_2_a_cancel_of_a_request_that_is_known_is_200_with_its_tag_and_changes_nothing() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let publish = publisher.next_request().with_body(pidf::CONTENT_TYPE, pidf::open(DANA, "t1", "here"));
    let publish = publisher.endpoint.send(publish);
    let published = publisher.answer_to(&publish);
    assert_eq!(published.code(), Some(200), "{published}");
    let cancelled = check(&publisher.endpoint, cancel(&publish), 200);
    assert_eq!(cancelled.tag("To"), published.tag("To"));
    assert_eq!(publisher.refresh().code(), Some(200));
    publisher.finish();
}

/// §9.1: the CANCEL waits for a provisional response, or it could be read before what it cancels.
#[test]
fn s9_2_a_cancel_of_a_request_that_has_no_final_answer_yet_is_200() {
    let server = server("if (method==\"MESSAGE\") { t_newtran(); drop; }");
    over_both(&server, |endpoint| {
        let pending = endpoint.send(request("MESSAGE", DANA));
        assert!(endpoint.responses(&pending, 1)[0].starts_with(b"SIP/2.0 100 "), "{}", endpoint.ladder());
        check(endpoint, cancel(&pending), 200);
        assert_eq!(endpoint.responses(&pending, 1).len(), 1, "{}", endpoint.ladder());
    });
}

#[test]
fn s9_2_a_cancel_of_nothing_is_481() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        check(endpoint, request("CANCEL", DANA), 481);
    });
}

/// §8.2.2.3: a CANCEL asks for no extension.
#[test]
fn s8_2_2_3_a_cancel_is_not_refused_for_what_it_requires() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let cancel = request("CANCEL", DANA).with("Require", "x").with("Proxy-Require", "y");
        check(endpoint, cancel, 481);
    });
}

#[test]
fn s11_2_options_says_all_that_can_be_done_here() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        for uri in [format!("sip:{}", server.udp_address()), HOST.into(), DANA.into()] {
            let response = check(endpoint, request("OPTIONS", &uri), 200);
            assert_eq!(response.list("Allow"), ["CANCEL", "OPTIONS", "PUBLISH", "SUBSCRIBE"], "{response}");
            assert!(response.list("Accept").contains(&pidf::CONTENT_TYPE.to_owned()), "{response}");
            assert!(response.list("Allow-Events").contains(&"presence".to_owned()), "{response}");
            assert_eq!(response.get("Accept-Encoding"), Some("identity"), "{response}");
            assert_eq!(response.get("Accept-Language"), Some("*"), "{response}");
            assert_eq!(response.get("Supported"), Some(""), "{response}");
        }
    });
}

#[test]
fn s11_2_options_is_refused_as_the_request_it_stands_for_would_be() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        check(endpoint, request("OPTIONS", "sip:dana@elsewhere.example"), 404);
        check(endpoint, request("OPTIONS", HOST).with("Require", "x"), 420);
    });
}

#[test]
fn s15_1_2_a_bye_of_nobodys_is_481() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        for to in [format!("<{DANA}>;tag=t"), format!("<{DANA}>")] {
            check(endpoint, request("BYE", DANA).set("To", to), 481);
        }
    });
}

#[test]
fn rfc6665_s4_1_3_a_notify_that_nobody_asked_for_is_481() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let notify = request("NOTIFY", HOST).with("Event", "presence").with("Subscription-State", "active;expires=60");
        check(endpoint, notify.set("To", format!("<{DANA}>;tag=t")), 481);
    });
}

/// §17.2.3: nothing is ever sent in answer to an ACK.
#[test]
fn s17_2_3_an_ack_gets_no_answer_whatever_it_is() {
    let server = Server::quickstart();
    let endpoint = Endpoint::udp(server.udp_address());
    let stray = endpoint.send(request("ACK", DANA));
    let broken = endpoint.send(request("ACK", DANA).set("From", "<>"));
    check(&endpoint, request("OPTIONS", HOST), 200);
    assert!(endpoint.responses(&stray, 0).is_empty() && endpoint.responses(&broken, 0).is_empty());
    endpoint.finish();
}
