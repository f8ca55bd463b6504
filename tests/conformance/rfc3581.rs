//! RFC 3581: `rport`, for clients behind a NAT.

use tests::message::parameter;
use tests::server::{Options, QUICKSTART, Server};
use tests::user_agent::Endpoint;

use crate::requests::{HOST, Phone, branch, check, over_both, request};

#[test]
fn s3_a_request_of_ours_asks_for_it() {
    let server = Server::quickstart();
    let notify = Phone::new().watch(&server);
    assert_eq!(parameter(notify.expect("Via"), "rport").as_deref(), Some(""), "{notify}");
}

/// trap_52
#[test]
fn s4_it_is_filled_in_and_received_always_goes_with_it() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let local = endpoint.local_address();
        let via = check(endpoint, request("OPTIONS", HOST), 200).list("Via").remove(0);
        assert_eq!(parameter(&via, "rport"), Some(local.port().to_string()), "{via}");
        assert_eq!(parameter(&via, "received"), Some(local.ip().to_string()), "{via}");
    });
}

#[test]
fn s4_the_answer_goes_to_the_port_the_request_came_from() {
    let server = Server::quickstart();
    let phone = Phone::new();
    let via = format!("SIP/2.0/UDP 10.9.9.9:5099;branch={};rport", branch());
    phone.send(server.udp_address(), &request("OPTIONS", HOST).with_first("Via", via));
    let (response, source) = phone.receive();
    assert_eq!((response.code(), source), (Some(200), server.udp_address()), "{response}");
    assert_eq!(parameter(response.expect("Via"), "rport"), Some(phone.address().port().to_string()), "{response}");
}

#[test]
fn s4_without_it_the_answer_goes_to_the_port_of_sent_by_and_has_none() {
    let server = Server::quickstart();
    let (asking, answered) = (Phone::new(), Phone::new());
    let via = format!("SIP/2.0/UDP {};branch={}", answered.address(), branch());
    asking.send(server.udp_address(), &request("OPTIONS", HOST).with_first("Via", via));
    let (response, _) = answered.receive();
    assert_eq!(response.code(), Some(200), "{response}");
    assert_eq!(parameter(response.expect("Via"), "rport"), None, "{response}");
}

/// A client that filters takes nothing from elsewhere: neither does this one.
#[test]
fn s4_the_answer_leaves_from_the_address_the_request_came_to() {
    let server = Server::start(&QUICKSTART.replace("udp:127.0.0.1", "udp:0.0.0.0"), Options::default());
    let port = server.udp_address().port();
    for address in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        let at = format!("{address}:{port}").parse().expect("an address");
        let endpoint = Endpoint::udp(at);
        check(&endpoint, request("OPTIONS", HOST), 200);
        endpoint.finish();
    }
}

/// RFC 3261 §25.1: `received` takes an IPv6 address as it is, where a host has it in brackets.
#[test]
fn s4_an_ipv6_address_is_told_without_brackets() {
    let server = Server::start(&QUICKSTART.replace("127.0.0.1", "[::1]"), Options::default());
    over_both(&server, |endpoint| {
        let via = check(endpoint, request("OPTIONS", HOST), 200).list("Via").remove(0);
        assert_eq!(parameter(&via, "received").as_deref(), Some("::1"), "{via}");
    });
}
