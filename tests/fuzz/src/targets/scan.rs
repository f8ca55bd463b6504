//! A datagram into spans, and our answer to it: what we write down is read as what we meant.

use module_api::sip::header::HeaderId;
use module_api::sip::message::{HeaderTable, Message, StartLine, scan};
use module_api::sip::name_addr::NameAddr;
use module_api::sip::token::{is_token, trim};
use module_api::sip::via::Via;
use module_api::sip::writer::{ResponseHead, write_response};

pub(super) fn target(data: &[u8]) {
    let (mut table, mut again) = (HeaderTable::new(), HeaderTable::new());
    let Ok(message) = scan(data, &mut table) else {
        assert!(scan(data, &mut again).is_err());
        return;
    };
    let second = scan(data, &mut again).expect("it was read before");
    assert_eq!(message.all_headers(), second.all_headers());
    assert_eq!((message.start(), message.defect()), (second.start(), second.defect()));
    check_spans(&message);
    if message.is_request() && message.is_answerable() {
        check_answer(&message);
    }
}

fn check_spans(message: &Message<'_>) {
    let raw = message.raw();
    assert!(message.body_span().within(raw.len()));
    let mut begins_at = 0;
    for header in message.all_headers() {
        assert!(header.name.within(raw.len()) && header.value.within(raw.len()));
        assert!(is_token(header.name.of(raw)));
        let value = header.value.of(raw);
        assert_eq!(trim(value).len(), value.len());
        assert!(header.name.start >= begins_at, "headers stand in order");
        begins_at = header.value.start + header.value.len;
        assert_eq!(HeaderId::of_name(header.name.of(raw)), header.id);
        assert!(message.header(header.id).is_some() && message.header_named(header.name.of(raw)).is_some());
    }
    if let (None, Some(length)) = (message.defect(), message.header(HeaderId::CONTENT_LENGTH)) {
        assert_eq!(std::str::from_utf8(length).expect("digits").parse(), Ok(message.body().len()));
    }
    assert!(message.list(HeaderId::VIA).all(|element| !element.is_empty()));
    let _ = (message.method(), message.method_name(), message.cseq(), message.is_body_optional());
}

/// Answers a request and reads the answer.
fn check_answer(request: &Message<'_>) {
    let head = ResponseHead {
        code: 200,
        to_tag: b"minted",
        received: Some([192, 0, 2, 7].into()),
        rport: Some(5070),
        mirror_record_route: true,
        headers: b"Expires: 600\r\n",
        body: b"body",
        ..ResponseHead::default()
    };
    let (mut out, mut table) = (Vec::new(), HeaderTable::new());
    write_response(&mut out, request, &head);
    let response = scan(&out, &mut table).expect("an answer is SIP");
    assert!(matches!(response.start(), StartLine::Response { code: 200, .. }));
    for id in [HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ] {
        let there = usize::from(request.header(id).is_some());
        assert_eq!(response.headers(id).count(), there, "{}", out.escape_ascii());
    }
    assert_eq!(response.headers(HeaderId::EXPIRES).count(), 1, "{}", out.escape_ascii());
    assert_eq!(response.body(), b"body");
    // What is wrong with a request may be wrong with what is copied of it.
    if request.defect().is_some() {
        return;
    }
    assert_eq!(response.defect(), None, "{}", out.escape_ascii());
    assert_eq!(response.header(HeaderId::EXPIRES), Some(b"600".as_slice()));
    for id in [HeaderId::FROM, HeaderId::CALL_ID, HeaderId::CSEQ] {
        assert_eq!(response.header(id), request.header(id));
    }
    for id in [HeaderId::VIA, HeaderId::RECORD_ROUTE] {
        assert_eq!(response.headers(id).count(), request.headers(id).count());
    }
    check_to(request.header(HeaderId::TO), response.header(HeaderId::TO));
    check_via(request.header(HeaderId::VIA), response.header(HeaderId::VIA));
}

/// A To without a tag has ours, one with a tag is as it was.
fn check_to(asked: Option<&[u8]>, answered: Option<&[u8]>) {
    let (asked, answered) = (asked.expect("it is there"), answered.expect("it is there"));
    match (NameAddr::parse(asked), NameAddr::parse(answered)) {
        (Ok(to), Ok(said)) if to.tag().is_none() => {
            assert_eq!(to.uri, said.uri);
            // An unclosed quote takes up whatever follows it.
            let is_open = to.params.text().iter().filter(|&&byte| byte == b'"').count() > 0;
            assert!(
                is_open || said.params.iter().any(|param| param.value == Some(b"minted")),
                "{}",
                answered.escape_ascii()
            );
        }
        _ => assert_eq!(asked, answered),
    }
}

/// The topmost Via says where the request came from, and is the same otherwise.
fn check_via(asked: Option<&[u8]>, answered: Option<&[u8]>) {
    let (asked, answered) = (asked.expect("it is there"), answered.expect("it is there"));
    let Ok(via) = Via::parse_first(asked) else { return assert_eq!(asked, answered) };
    let said = Via::parse_first(answered).expect("a stamped Via is one");
    assert_eq!((via.transport, via.host, via.port), (said.transport, said.host, said.port));
    let is_open = via.params.text().contains(&b'"');
    assert!(is_open || said.received() == Some(b"192.0.2.7"), "{}", answered.escape_ascii());
    assert_eq!(via.branch(), said.branch());
}
