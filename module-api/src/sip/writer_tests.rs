//! What `writer.rs` promises, compared byte by byte.

use super::super::message::{HeaderTable, scan};
use super::*;

const REQUEST: &str = "SUBSCRIBE sip:dana@pres.example SIP/2.0\r\n\
    v: SIP / 2.0 / UDP 198.51.100.7:5070 ;rport;x=\"a,;rport\";branch=z9hG4bKa, SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKb\r\n\
    Via: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKc\r\n\
    Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr=on>\r\n\
    Record-Route: <sip:p3.example;lr>\r\n\
    Max-Forwards: 70\r\n\
    f: \"Ben\" <sip:ben@pres.example>;tag=f1\r\n\
    t: sip:dana@pres.example\r\n\
    i: 77@198.51.100.7\r\n\
    CSeq: 5\r\n SUBSCRIBE\r\n\
    Timestamp: 54\r\n\
    l: 0\r\n\r\n";

fn written(request: &str, response: &ResponseHead<'_>) -> String {
    let mut table = HeaderTable::new();
    let request = scan(request.as_bytes(), &mut table).expect("a request");
    let mut out = Vec::new();
    write_response(&mut out, &request, response);
    String::from_utf8(out).expect("text")
}

fn check(response: &ResponseHead<'_>, expected: &str) {
    assert_eq!(written(REQUEST, response), expected);
}

/// Checks the top Via alone.
fn check_via(via: &str, received: Option<&str>, rport: Option<u16>, expected: &str) {
    let request = format!("OPTIONS sip:h SIP/2.0\r\nVia: {via}\r\n\r\n");
    let received = received.map(|address| address.parse().expect("an address"));
    let response = written(&request, &ResponseHead { code: 200, received, rport, ..ResponseHead::default() });
    assert_eq!(response.lines().nth(1), Some(expected));
}

#[test]
fn a_response_copies_its_request_and_stamps_the_top_via() {
    check(
        &ResponseHead {
            code: 200,
            to_tag: b"a-91c2",
            received: Some([203, 0, 113, 5].into()),
            rport: Some(40001),
            mirror_record_route: true,
            headers: b"Expires: 3600\r\n",
            body: b"hello",
            ..ResponseHead::default()
        },
        "SIP/2.0 200 OK\r\n\
         Via: SIP / 2.0 / UDP 198.51.100.7:5070;x=\"a,;rport\";branch=z9hG4bKa;received=203.0.113.5;rport=40001, SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKb\r\n\
         Via: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKc\r\n\
         Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr=on>\r\n\
         Record-Route: <sip:p3.example;lr>\r\n\
         From: \"Ben\" <sip:ben@pres.example>;tag=f1\r\n\
         To: sip:dana@pres.example;tag=a-91c2\r\n\
         Call-ID: 77@198.51.100.7\r\n\
         CSeq: 5\r\n SUBSCRIBE\r\n\
         Expires: 3600\r\n\
         Content-Length: 5\r\n\r\nhello",
    );
}

#[test]
fn a_100_has_the_timestamp_and_no_tag() {
    check(
        &ResponseHead { code: 100, to_tag: b"a-91c2", ..ResponseHead::default() },
        "SIP/2.0 100 Trying\r\n\
         Via: SIP / 2.0 / UDP 198.51.100.7:5070 ;rport;x=\"a,;rport\";branch=z9hG4bKa, SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKb\r\n\
         Via: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKc\r\n\
         From: \"Ben\" <sip:ben@pres.example>;tag=f1\r\n\
         To: sip:dana@pres.example\r\n\
         Call-ID: 77@198.51.100.7\r\n\
         CSeq: 5\r\n SUBSCRIBE\r\n\
         Timestamp: 54\r\n\
         Content-Length: 0\r\n\r\n",
    );
}

#[test]
fn the_timestamp_of_a_100_tells_how_long_its_request_has_waited() {
    let check = |timestamp: &str, waited_ms: u64, expected: &str| {
        let request = REQUEST.replace("Timestamp: 54", &format!("Timestamp: {timestamp}"));
        let waited = Duration::from_millis(waited_ms);
        let response = written(&request, &ResponseHead { code: 100, waited, ..ResponseHead::default() });
        assert!(response.contains(&format!("\r\nTimestamp: {expected}\r\n")), "{response}");
    };
    check("54", 3500, "54 3.500");
    check("54.25 0.1", 3550, "54.25 3.550");
    check("54.25 0.1", 0, "54.25 0.1");
}

#[test]
fn a_tag_that_is_there_stays() {
    let request = REQUEST.replace("t: sip:dana@pres.example", "t: <sip:dana@pres.example>;tag=mine");
    let response = written(&request, &ResponseHead { code: 200, to_tag: b"other", ..ResponseHead::default() });
    assert!(response.contains("\r\nTo: <sip:dana@pres.example>;tag=mine\r\n"), "{response}");
}

#[test]
fn rport_is_filled_in_only_where_it_is_asked_for() {
    let via = "SIP/2.0/UDP h";
    check_via(&format!("{via};rport"), Some("192.0.2.7"), Some(9), "Via: SIP/2.0/UDP h;received=192.0.2.7;rport=9");
    check_via(&format!("{via};rport=5"), Some("192.0.2.7"), Some(9), "Via: SIP/2.0/UDP h;rport=5;received=192.0.2.7");
    check_via(via, Some("192.0.2.7"), Some(9), "Via: SIP/2.0/UDP h;received=192.0.2.7");
    check_via(&format!("{via};rport"), None, None, "Via: SIP/2.0/UDP h;rport");
}

#[test]
fn received_replaces_what_a_client_claims() {
    let via = "SIP/2.0/UDP h;received=6.6.6.6;branch=b";
    check_via(via, Some("2001:db8::1"), None, "Via: SIP/2.0/UDP h;branch=b;received=2001:db8::1");
}

#[test]
fn a_via_that_cannot_be_read_is_copied_as_it_is() {
    check_via("garbage;rport", Some("192.0.2.7"), Some(9), "Via: garbage;rport");
}

#[test]
fn no_value_can_end_its_line() {
    let mut out = Vec::new();
    for value in ["a\r\nEvil: 1", "a\nb", "a\rb", "a\0b"] {
        assert_eq!(header_line(&mut out, "Subject", value.as_bytes()), Err(Injection));
        assert_eq!(via_line(&mut out, b"UDP", b"h", value.as_bytes()), Err(Injection));
        assert_eq!(request_line(&mut out, b"NOTIFY", value.as_bytes()), Err(Injection));
    }
    assert!(out.is_empty());
    let head = ResponseHead { code: 404, reason: b"No\r\nEvil: 1", to_tag: b"x\r\nEvil: 1", ..ResponseHead::default() };
    let response = written(REQUEST, &head);
    assert!(response.starts_with("SIP/2.0 404 Not Found\r\n") && !response.contains("Evil"), "{response}");
}

#[test]
fn the_lines_of_a_request_read_as_they_should() {
    let mut out = Vec::new();
    request_line(&mut out, b"NOTIFY", b"sip:ben@192.0.2.33;ob").expect("one line");
    via_line(&mut out, b"UDP", b"198.51.100.1:5060", b"z9hG4bK.1").expect("one line");
    header_line(&mut out, "Event", b"presence").expect("one line");
    number_line(&mut out, HeaderId::MAX_FORWARDS, 70);
    end_with_body(&mut out, b"");
    assert_eq!(
        String::from_utf8(out).expect("text"),
        "NOTIFY sip:ben@192.0.2.33;ob SIP/2.0\r\n\
         Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bK.1\r\n\
         Event: presence\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn numbers_are_written_whole() {
    let check = |number: u64| {
        let mut out = Vec::new();
        push_decimal(&mut out, number);
        assert_eq!(out, number.to_string().into_bytes());
    };
    [0, 9, 10, 70, 4_294_967_296, u64::MAX].into_iter().for_each(check);
}
