//! §8.2: what a request must be to be carried out, check by check and in their order.

use tests::message::Message;
use tests::pidf;
use tests::server::Server;
use tests::user_agent::{Endpoint, Publisher};

use crate::requests::{DANA, HOST, branch, check, over_both, request, server, transport};

/// A PUBLISH of Dana's, with ids of its own.
fn publish() -> Message {
    let body = pidf::open(DANA, "t1", "here");
    request("PUBLISH", DANA).with("Event", "presence").with("Expires", 600).with_body(pidf::CONTENT_TYPE, body)
}

#[test]
fn s8_2_1_a_method_that_is_not_served_is_405_or_501_and_the_answer_says_which_are() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        for (method, code) in [("MESSAGE", 405), ("REGISTER", 405), ("INVITE", 405), ("DANCE", 501)] {
            let response = check(endpoint, request(method, DANA), code);
            assert_eq!(response.list("Allow"), ["CANCEL", "OPTIONS", "PUBLISH", "SUBSCRIBE"], "{response}");
        }
    });
}

#[test]
fn s8_2_2_1_a_scheme_nobody_knows_is_416_and_a_domain_that_is_not_ours_404() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        for method in ["OPTIONS", "PUBLISH", "SUBSCRIBE"] {
            for (uri, code) in [("http://pres.example/", 416), ("sip:dana@elsewhere.example", 404), ("sip:dana@", 400)]
            {
                check(endpoint, request(method, uri).set("To", format!("<{DANA}>")), code);
            }
        }
    });
}

#[test]
fn s8_2_2_1_to_need_not_be_the_request_uri() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        check(endpoint, publish().set("To", "<urn:service:sos>"), 200);
    });
}

/// Each request is wrong in all that follows its first fault, too.
#[test]
fn s8_2_the_first_fault_is_the_one_that_is_answered() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let wrong = |method: &str, uri: &str| {
            let request = request(method, uri).with("Require", "100rel").with("Proxy-Require", "privacy");
            request.set("To", format!("<{DANA}>")).with_body("text/plain", "hello")
        };
        for (method, uri, code) in [
            ("MESSAGE", "http://elsewhere.example", 416),
            ("MESSAGE", "sip:dana@elsewhere.example", 405),
            ("OPTIONS", "sip:dana@elsewhere.example", 404),
            ("OPTIONS", DANA, 420),
            ("PUBLISH", DANA, 420),
        ] {
            check(endpoint, wrong(method, uri), code);
        }
        check(endpoint, wrong("OPTIONS", DANA).without("Require").without("Proxy-Require"), 415);
        for method in ["PUBLISH", "SUBSCRIBE"] {
            let wrong = |uri| wrong(method, uri).without("Proxy-Require");
            check(endpoint, wrong("sip:dana@elsewhere.example"), 404);
            check(endpoint, wrong(DANA), 420);
        }
    });
}

#[test]
fn s8_2_2_2_a_request_that_comes_a_second_way_is_482() {
    let server = Server::quickstart();
    let endpoint = Endpoint::udp(server.udp_address());
    let publish = publish();
    check(&endpoint, publish.clone(), 200);
    check(&endpoint, publish.clone(), 482);
    let next = publish.set("CSeq", "2 PUBLISH");
    check(&endpoint, next, 200);
    endpoint.finish();
}

#[test]
fn s8_2_2_2_a_request_with_a_to_tag_is_never_merged() {
    let server = Server::quickstart();
    let endpoint = Endpoint::udp(server.udp_address());
    let inside = publish().set("To", format!("<{DANA}>;tag=t"));
    check(&endpoint, inside.clone(), 200);
    check(&endpoint, inside, 200);
    endpoint.finish();
}

/// The second try has the Call-ID and the From-tag of the first, and the next CSeq (§22.2).
#[test]
fn s8_2_2_2_a_try_with_credentials_is_not_merged_with_the_one_without() {
    for challenge in ["sl_send_reply(401, \"Unauthorized\");", "t_newtran(); t_reply(401, \"Unauthorized\");"] {
        let server =
            server(&format!("if ($hdr(Authorization)=~\"^Digest\") handle_publish();\nelse {{ {challenge} }}"));
        let endpoint = Endpoint::udp(server.udp_address());
        let first = publish();
        check(&endpoint, first.clone(), 401);
        let second = first.set("CSeq", "2 PUBLISH").with("Authorization", "Digest username=\"ann\"");
        check(&endpoint, second, 200);
        endpoint.finish();
    }
}

#[test]
fn s8_2_2_3_what_is_required_and_unknown_is_420_and_named() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        for method in ["OPTIONS", "PUBLISH", "SUBSCRIBE"] {
            let response = check(endpoint, request(method, DANA).with("Require", "eventlist, x-y"), 420);
            assert_eq!(response.list("Unsupported"), ["eventlist", "x-y"], "{response}");
            check(endpoint, request(method, DANA).with("Require", "\"quoted\""), 400);
        }
        check(endpoint, publish().with("Require", "").with("Supported", "eventlist"), 200);
    });
}

#[test]
fn s16_3_what_a_proxy_here_would_have_to_know_is_420_too() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        for method in ["OPTIONS", "PUBLISH", "SUBSCRIBE"] {
            let response = check(endpoint, request(method, DANA).with("Proxy-Require", "sec-agree"), 420);
            assert_eq!(response.list("Unsupported"), ["sec-agree"], "{response}");
        }
    });
}

#[test]
fn s8_2_3_a_body_nobody_reads_is_415_unless_it_is_optional() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let with_body = |content_type: &str| request("OPTIONS", HOST).with_body(content_type, "v=0\r\n");
        let response = check(endpoint, with_body("application/sdp"), 415);
        assert!(response.list("Accept").contains(&pidf::CONTENT_TYPE.to_owned()), "{response}");
        let zipped = check(endpoint, with_body(pidf::CONTENT_TYPE).with("Content-Encoding", "gzip"), 415);
        assert_eq!(zipped.list("Accept-Encoding"), ["identity"], "{zipped}");
        let optional = with_body("application/sdp").with("Content-Disposition", "session;handling=optional");
        check(endpoint, optional, 200);
        check(endpoint, with_body(pidf::CONTENT_TYPE).with("Content-Language", "tlh"), 200);
    });
}

/// §8.2.6.2: a tag that is there stays; Via, From, Call-ID and CSeq are those of the request. What else a response must be
/// the endpoint checks of each.
#[test]
fn s8_2_6_2_a_response_mirrors_its_request() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let inside = request("OPTIONS", HOST).set("To", "\"D\" <sip:dana@pres.example>;tag=MiXeD;x=y");
        assert_eq!(check(endpoint, inside.clone(), 200).get("To"), inside.get("To"));
        let own = format!("SIP/2.0/{} {};branch={}", transport(endpoint), endpoint.local_address(), branch());
        let others = "SIP/2.0/TLS p1.example:5061;branch=z9hG4bK1;x=\"a,b\", SIP / 2.0 / UDP p2.example";
        let relayed = request("OPTIONS", HOST).with_first("Via", others).with_first("Via", own);
        let response = check(endpoint, relayed, 200);
        assert_eq!(response.list("Via").len(), 3, "{response}");
    });
}

/// §8.2.7: without a transaction, the same request gets the same tag, and no other gets it.
#[test]
fn s8_2_7_the_tag_of_an_answer_without_a_transaction_is_that_of_its_request() {
    let server = server("sl_send_reply(\"404\", \"Not Here\");");
    over_both(&server, |endpoint| {
        let sent = endpoint.send(request("MESSAGE", DANA));
        endpoint.responses(&sent, 1);
        endpoint.send_bytes(&sent.to_bytes());
        let answers = endpoint.responses(&sent, 2);
        assert_eq!(answers[0], answers[1]);
        let tag = endpoint.final_response(&sent).tag("To");
        assert_ne!(tag, endpoint.request(request("MESSAGE", DANA)).tag("To"));
    });
}

/// Max-Forwards is for those who forward (§16.3): whoever a request is for takes it.
#[test]
fn s8_1_1_6_a_request_that_may_go_no_further_is_taken_where_it_is() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        check(endpoint, publish().with("Max-Forwards", 0), 200);
        check(endpoint, request("OPTIONS", HOST).with("Max-Forwards", 0), 200);
    });
}

#[test]
fn s19_3_every_answer_but_100_has_a_tag_nobody_can_guess() {
    let server = Server::quickstart();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let mut tags: Vec<_> = (0..20).map(|_| publisher.publish(&pidf::open(DANA, "t1", "here")).tag("To")).collect();
    tags.extend((0..20).map(|_| publisher.endpoint.request(request("OPTIONS", HOST)).tag("To")));
    let lengths = tags.iter().flatten().map(String::len);
    assert!(lengths.clone().count() == 40 && lengths.min() >= Some(16), "{tags:?}");
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 40);
    publisher.finish();
}
