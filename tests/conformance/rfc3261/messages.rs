//! §7: how a message is written, and how else it may be.

use tests::pidf;
use tests::server::Server;
use tests::user_agent::Endpoint;

use crate::requests::{ANN, DANA, HOST, check, over_both, request};

#[test]
fn s7_1_methods_are_told_apart_by_case() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let response = check(endpoint, request("Options", HOST), 501);
        assert!(response.list("Allow").contains(&"OPTIONS".to_owned()), "{response}");
    });
}

#[test]
fn s7_1_another_version_is_505() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let mut other = request("OPTIONS", HOST);
        other.start = format!("OPTIONS {HOST} SIP/3.0");
        check(endpoint, other, 505);
        let mut in_lower_case = request("OPTIONS", HOST);
        in_lower_case.start = format!("OPTIONS {HOST} sip/2.0");
        check(endpoint, in_lower_case, 200);
    });
}

#[test]
fn s7_3_1_names_are_short_or_long_in_any_case_and_values_may_be_folded() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let body = pidf::open(DANA, "t1", "here");
        let full = request("PUBLISH", DANA).with("Event", "presence").with("Expires", 600);
        let mut short =
            full.without("Expires").without("Event").with("EXPIRES ", "\r\n 600").with("o", "\r\n\tpresence");
        for (name, _) in &mut short.headers {
            *name = match name.as_str() {
                "From" => "f".into(),
                "To" => "T".into(),
                "Call-ID" => "i".into(),
                _ => name.to_ascii_lowercase(),
            };
        }
        short = short.with("c", "application/pidf+xml\r\n  ;charset=utf-8").with("l", body.len());
        short.body = body.into_bytes();
        let response = check(endpoint, short, 200);
        assert_eq!(response.get("Expires"), Some("600"), "{response}");
    });
}

#[test]
fn s7_3_1_a_header_on_several_lines_is_one_list() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let required = request("OPTIONS", HOST).with("Require", "one, two").with("Require", "three");
        let response = check(endpoint, required, 420);
        assert_eq!(response.list("Unsupported"), ["one", "two", "three"], "{response}");
    });
}

#[test]
fn s7_3_1_a_header_nobody_knows_is_passed_over() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let strange = request("OPTIONS", HOST).with("X-Strange", "<>;\"=").with("Date", "yesterday");
        check(endpoint, strange, 200);
    });
}

#[test]
fn s7_5_line_ends_before_a_request_are_passed_over() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        let first = endpoint.send(request("OPTIONS", HOST));
        endpoint.send_bytes(&[b"\r\n\r\n".as_slice(), &first.to_bytes()].concat());
        let answers = endpoint.responses(&first, 2);
        assert_eq!(answers[0], answers[1]);
    });
}

/// §8.1.1 has every request bear them; where one cannot be read, the answer says which.
#[test]
fn s8_1_1_a_mandatory_header_that_cannot_be_read_is_400() {
    let server = Server::quickstart();
    over_both(&server, |endpoint| {
        for (name, value) in [
            ("From", "<sip:ann@watch.example"),
            ("From", "<>;tag=f1"),
            ("To", "\"Dana <sip:dana@pres.example>"),
            ("Call-ID", ""),
            ("CSeq", "1 PUBLISH"),
            ("CSeq", "one OPTIONS"),
            ("CSeq", "2147483648 OPTIONS"),
        ] {
            let broken = endpoint.send(request("OPTIONS", HOST).set(name, value));
            let answers = endpoint.responses(&broken, 1);
            let answer = String::from_utf8_lossy(&answers[0]).into_owned();
            let status_line = answer.lines().next().unwrap_or_default();
            assert!(status_line.starts_with("SIP/2.0 400 ") && status_line.contains(name), "{name}: {value}: {answer}");
            // What could not be read could not be mirrored as it should be, either.
            endpoint.take_violations();
        }
        let twice = request("OPTIONS", HOST).with("From", format!("<{ANN}>;tag=second"));
        let twice = endpoint.send(twice);
        assert!(endpoint.responses(&twice, 1)[0].starts_with(b"SIP/2.0 400 Duplicate From"));
        endpoint.take_violations();
    });
}

/// Its answer goes where it came from: there is no other way known.
#[test]
fn s8_1_1_7_a_via_that_cannot_be_read_is_400() {
    let server = Server::quickstart();
    let endpoint = Endpoint::udp(server.udp_address());
    let broken = endpoint.send(request("OPTIONS", HOST).with_first("Via", "SIP/2.0 UDP phone.invalid;branch=z9hG4bKx"));
    assert!(endpoint.responses(&broken, 1)[0].starts_with(b"SIP/2.0 400 Malformed Via"));
    endpoint.finish();
}
