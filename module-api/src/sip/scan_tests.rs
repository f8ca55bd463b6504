//! What scanning promises: which messages it reads, which it keeps with a defect, which it drops, and that no bytes
//! at all make it panic or reach outside.

use proptest::prelude::*;

use super::super::name_addr::NameAddr;
use super::super::params::Params;
use super::super::uri::Uri;
use super::super::via::Via;
use super::super::writer::{ResponseHead, write_response};
use super::*;

const HEADERS: &str = "Via: SIP/2.0/UDP 198.51.100.7:5070;rport;branch=z9hG4bKp1a\r\n\
    From: \"Dana\" <sip:dana@pres.example>;tag=f1\r\n\
    To: <sip:dana@pres.example>\r\n\
    Call-ID: pub-77@198.51.100.7\r\n\
    CSeq: 5 PUBLISH\r\n";

/// Scans a PUBLISH that has `headers` behind the mandatory ones, and then `body`.
fn publish(headers: &str, body: &str) -> Vec<u8> {
    format!("PUBLISH sip:dana@pres.example SIP/2.0\r\n{HEADERS}{headers}\r\n{body}").into_bytes()
}

fn check_defect(raw: &[u8], expected: Option<Defect>) {
    let mut table = HeaderTable::new();
    let defect = scan(raw, &mut table).map(|message| message.defect());
    assert_eq!(defect, Ok(expected), "{}", raw.escape_ascii());
}

fn check_dropped(raw: &[u8], expected: ScanError) {
    let mut table = HeaderTable::new();
    assert_eq!(scan(raw, &mut table).err(), Some(expected), "{}", raw.escape_ascii());
}

/// Checks the values of every `name`, in order, of a PUBLISH with `headers`.
fn check_values(headers: &str, id: HeaderId, expected: &[&str]) {
    let (raw, mut table) = (publish(headers, ""), HeaderTable::new());
    let message = scan(&raw, &mut table).expect("a request");
    let values: Vec<_> = message.headers(id).map(|value| value.escape_ascii().to_string()).collect();
    let expected: Vec<_> = expected.iter().map(|value| value.as_bytes().escape_ascii().to_string()).collect();
    assert_eq!((values, message.defect()), (expected, None), "{headers}");
}

fn check_body(headers: &str, body: &str, expected: &str, defect: Option<Defect>) {
    let (raw, mut table) = (publish(headers, body), HeaderTable::new());
    let message = scan(&raw, &mut table).expect("a request");
    assert_eq!((message.body(), message.defect()), (expected.as_bytes(), defect), "{headers}{body}");
}

#[test]
fn a_request_is_cut_into_its_parts() {
    let (raw, mut table) = (publish("Event: presence\r\nX-Own: 1\r\n", "<presence/>"), HeaderTable::new());
    let message = scan(&raw, &mut table).expect("a request");
    assert!(message.is_request() && message.is_answerable());
    assert_eq!(message.method(), Method::PUBLISH);
    assert_eq!(message.method_name(), b"PUBLISH");
    assert_eq!(message.request_uri(), b"sip:dana@pres.example");
    assert_eq!(message.header(HeaderId::EVENT), Some(b"presence".as_slice()));
    assert_eq!(message.header(HeaderId::CONTACT), None);
    assert_eq!(message.header_named(b"x-OWN"), Some(b"1".as_slice()));
    assert_eq!(message.header_named(b"o"), Some(b"presence".as_slice()));
    assert_eq!(message.all_headers().len(), 7);
    assert_eq!(message.body(), b"<presence/>");
    assert_eq!(message.status_code(), None);
}

#[test]
fn a_response_is_cut_into_its_parts() {
    let raw = format!("SIP/2.0 481 Call/Transaction Does Not Exist\r\n{HEADERS}\r\n");
    let mut table = HeaderTable::new();
    let message = scan(raw.as_bytes(), &mut table).expect("a response");
    let StartLine::Response { code, reason } = message.start() else { panic!("a response") };
    assert_eq!((code, reason.of(message.raw())), (481, b"Call/Transaction Does Not Exist".as_slice()));
    assert_eq!((message.is_request(), message.method(), message.request_uri()), (false, Method::PUBLISH, &b""[..]));
    assert_eq!(message.defect(), None);
}

#[test]
fn a_status_line_may_lack_its_reason() {
    let check = |line: &str| check_defect(format!("{line}\r\n{HEADERS}\r\n").as_bytes(), None);
    check("SIP/2.0 200 ");
    check("SIP/2.0 200");
    check("SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e}");
}

#[test]
fn a_method_nobody_knows_is_kept_by_its_spelling() {
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    let raw = format!("{method} sip:h SIP/2.0\r\n{HEADERS}\r\n").replace("5 PUBLISH", &format!("5 {method}"));
    let mut table = HeaderTable::new();
    let message = scan(raw.as_bytes(), &mut table).expect("a request");
    assert_eq!((message.method(), message.method_name()), (Method::OTHER, method.as_bytes()));
    assert_eq!(message.defect(), None);
}

#[test]
fn a_table_forgets_the_message_before() {
    let (long, mut table) = (publish(&"Subject: x\r\n".repeat(100), ""), HeaderTable::new());
    assert_eq!(scan(&long, &mut table).map(|message| message.all_headers().len()), Ok(105));
    let short = publish("", "");
    assert_eq!(scan(&short, &mut table).map(|message| message.all_headers().len()), Ok(5));
}

#[test]
fn compact_names_folds_and_spaces_before_the_colon_are_read() {
    check_values("o: presence\r\n", HeaderId::EVENT, &["presence"]);
    check_values("EVENT \t :presence  \r\n", HeaderId::EVENT, &["presence"]);
    check_values("Accept: a/b,\r\n\t c/d\r\nAccept:\r\n  e/f\r\n", HeaderId::ACCEPT, &["a/b,\r\n\t c/d", "e/f"]);
    check_values("Supported:\r\nk: a\r\n", HeaderId::SUPPORTED, &["", "a"]);
    check_values("Accept:\r\n \r\n \r\n", HeaderId::ACCEPT, &[""]);
    check_values("X-Own: y\r\n", HeaderId::OTHER, &["y"]);
}

#[test]
fn values_may_hold_any_other_byte() {
    check_values("Subject: \"\0\x07\x7f\" \u{20ac} : ;\r\n", HeaderId::SUBJECT, &["\"\0\x07\x7f\" \u{20ac} : ;"]);
}

#[test]
fn lists_run_over_lines_and_respect_quotes() {
    let headers = "m: \"Bell, A.\" <sip:a,b@h>;q=0.1, sip:c@d\r\nContact: <sip:e@f>\r\n";
    let (raw, mut table) = (publish(headers, ""), HeaderTable::new());
    let message = scan(&raw, &mut table).expect("a request");
    let contacts: Vec<_> = message.list(HeaderId::CONTACT).collect();
    assert_eq!(contacts, [b"\"Bell, A.\" <sip:a,b@h>;q=0.1".as_slice(), b"sip:c@d", b"<sip:e@f>"]);
}

#[test]
fn line_ends_before_a_message_are_skipped() {
    check_defect(&[b"\r\n\r\n".as_slice(), &publish("", "")].concat(), None);
}

#[test]
fn the_body_ends_where_content_length_says() {
    check_body("Content-Length: 3\r\n", "abcdef", "abc", None);
    check_body("l:0\r\n", "abcdef", "", None);
    check_body("", "abcdef", "abcdef", None);
    check_body("Content-Length: 7\r\n", "abcdef", "abcdef", Some(Defect::TruncatedBody));
    check_body("Content-Length: 4294967295\r\n", "abc", "abc", Some(Defect::TruncatedBody));
    check_body("Content-Length: 4294967296\r\n", "abc", "abc", Some(Defect::BadContentLength));
    check_body("Content-Length: -3\r\n", "abc", "abc", Some(Defect::BadContentLength));
    check_body("Content-Length:\r\n", "abc", "abc", Some(Defect::BadContentLength));
    check_body("l: 3\r\nl: 3\r\n", "abc", "abc", Some(Defect::DuplicateHeader(HeaderId::CONTENT_LENGTH)));
}

#[test]
fn a_keep_alive_is_no_message() {
    for raw in [b"".as_slice(), b"\r\n", b"\r\n\r\n", b"\n"] {
        check_dropped(raw, ScanError::KeepAlive);
    }
}

#[test]
fn what_is_not_sip_is_dropped() {
    for raw in [
        b"\0".as_slice(),
        b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl",
        b"hello",
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"PUBLISH SIP/2.0\r\n\r\n",
        b"PUBLISH sip:h\r\n\r\n",
        b"PUB(LISH sip:h SIP/2.0\r\n\r\n",
        b" PUBLISH sip:h SIP/2.0\r\n\r\n",
        b"SIP/2.0\r\n\r\n",
        b"SIP/2.0 20\r\n\r\n",
        b"SIP/2.0 2000 OK\r\n\r\n",
        b"SIP/2.0 042 OK\r\n\r\n",
        b"SIP/2.0 700 OK\r\n\r\n",
    ] {
        check_dropped(raw, ScanError::NotSip);
    }
}

#[test]
fn a_crooked_request_line_is_answered() {
    let check = |line: &str, defect| check_defect(format!("{line}\r\n{HEADERS}\r\n").as_bytes(), Some(defect));
    check("PUBLISH sip:h SIP/7.0", Defect::UnknownVersion);
    check("PUBLISH sip:h SIP/2.00", Defect::UnknownVersion);
    check("PUBLISH  sip:h SIP/2.0", Defect::MalformedStartLine);
    check("PUBLISH sip:h  SIP/2.0", Defect::MalformedStartLine);
    check("PUBLISH sip:h SIP/2.0 ", Defect::MalformedStartLine);
    check("PUBLISH sip:h; lr SIP/2.0", Defect::MalformedStartLine);
    check("PUBLISH  SIP/2.0", Defect::MalformedStartLine);
    check("PUBLISH sip:h\0 SIP/2.0", Defect::MalformedStartLine);
}

#[test]
fn a_crooked_header_line_is_answered() {
    let check = |line: &str, defect| check_defect(&publish(line, ""), Some(defect));
    check("no colon here\r\n", Defect::MalformedHeader);
    check(": no name\r\n", Defect::MalformedHeader);
    check("Bad name: x\r\n", Defect::MalformedHeader);
    check("Ev\0ent: presence\r\n", Defect::MalformedHeader);
    check("Event: a\nX: b\r\n", Defect::BareLineEnd);
    check("Event: a\rX: b\r\n", Defect::BareLineEnd);
    check("Event: presence\r\nEvent: dialog\r\n", Defect::DuplicateHeader(HeaderId::EVENT));
    check("SIP-If-Match: a\r\nsip-if-match: b\r\n", Defect::DuplicateHeader(HeaderId::SIP_IF_MATCH));
    check("i: another\r\n", Defect::DuplicateHeader(HeaderId::CALL_ID));
}

#[test]
fn a_fold_with_nothing_before_it_is_malformed() {
    let raw = format!("PUBLISH sip:h SIP/2.0\r\n Via: x\r\n{HEADERS}\r\n");
    check_defect(raw.as_bytes(), Some(Defect::MalformedHeader));
}

#[test]
fn a_line_end_that_is_not_crlf_separates_no_headers_from_its_defect() {
    let (raw, mut table) = (publish("Event: a\nP-Asserted-Identity: sip:b@c\r\n", ""), HeaderTable::new());
    let message = scan(&raw, &mut table).expect("a request");
    assert_eq!((message.header(HeaderId::EVENT), message.defect()), (Some(&b"a"[..]), Some(Defect::BareLineEnd)));
    assert!(message.is_answerable());
}

#[test]
fn limits_are_answered_513() {
    let check = |raw: &[u8], defect: Defect| {
        check_defect(raw, Some(defect));
        assert_eq!(defect.code(), 513);
    };
    check(&publish(&"X-Own: y\r\n".repeat(124), ""), Defect::TooManyHeaders);
    check(&publish(&format!("X-Own: {}\r\n", "y".repeat(8193)), ""), Defect::ValueTooLong);
    check(&publish("", &"y".repeat(65536)), Defect::MessageTooLong);
    check_defect(&publish(&"X-Own: y\r\n".repeat(123), ""), None);
    check_defect(&publish(&format!("X-Own: {}\r\n", "y".repeat(8192)), ""), None);
    let head = publish("", "").len();
    check_defect(&publish("", &"y".repeat(65536 - head)), None);
}

#[test]
fn headers_that_never_end_are_answered() {
    let mut raw = publish("Event: presence\r\n", "");
    raw.truncate(raw.len() - 2);
    check_defect(&raw, Some(Defect::UnendedHeaders));
    raw.truncate(raw.len() - 6);
    check_defect(&raw, Some(Defect::UnendedHeaders));
}

#[test]
fn what_is_mandatory_is_missed_by_name() {
    let names = [HeaderId::VIA, HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ];
    for (missing, id) in names.into_iter().enumerate() {
        let lines = HEADERS.split_inclusive("\r\n").enumerate().filter(|(at, _)| *at != missing);
        let headers: String = lines.map(|(_, line)| line).collect();
        let raw = format!("PUBLISH sip:h SIP/2.0\r\n{headers}\r\n");
        check_defect(raw.as_bytes(), Some(Defect::MissingHeader(id)));
        assert_eq!(Defect::MissingHeader(id).reason(), format!("Missing {} header", id.name()));
        let mut table = HeaderTable::new();
        let is_answerable = scan(raw.as_bytes(), &mut table).expect("a request").is_answerable();
        assert_eq!(is_answerable, id != HeaderId::VIA, "without {}", id.name());
    }
}

#[test]
fn cseq_must_fit_its_request() {
    let check = |cseq: &str, defect| {
        let raw = String::from_utf8(publish("", "")).expect("text").replace("5 PUBLISH", cseq);
        check_defect(raw.as_bytes(), defect);
    };
    check("2147483647 PUBLISH", None);
    check("2147483648 PUBLISH", Some(Defect::CSeqTooLarge));
    check("5 SUBSCRIBE", Some(Defect::CSeqMethodMismatch));
    check("5 publish", Some(Defect::CSeqMethodMismatch));
    check("five PUBLISH", Some(Defect::BadCSeq));
    check("", Some(Defect::BadCSeq));
}

#[test]
fn every_duplicate_is_told_by_its_name_or_at_all() {
    for number in 1..128 {
        let id = HeaderId(number);
        if HeaderSet::SINGLE.contains(id) {
            let reason = Defect::DuplicateHeader(id).reason();
            assert!(reason == format!("Duplicate {} header", id.name()) || reason == "Duplicate header", "{reason}");
        }
    }
}

/// RFC 4475 §3.1.1.1, abridged where it repeats itself.
const TORTUROUS: &str = "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n\
    TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n\
    from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n\
    MaX-fOrWaRdS: 0068\r\n\
    Call-ID: wsinv.ndaksdj@192.0.2.1\r\n\
    Content-Length   : 3\r\n\
    cseq: 0009\r\n  INVITE\r\n\
    Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n\
    s :\r\n\
    NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n\
    UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n\
    Content-Type: application/sdp\r\n\
    Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n\
    v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n\
    m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n\
    \r\nv=0";

#[test]
fn a_short_tortuous_invite_is_read() {
    let mut table = HeaderTable::new();
    let message = scan(TORTUROUS.as_bytes(), &mut table).expect("a request");
    assert_eq!((message.defect(), message.body()), (None, b"v=0".as_slice()));
    let value = |id| message.header(id).unwrap_or_else(|| panic!("{id:?}"));
    let from = NameAddr::parse(value(HeaderId::FROM)).expect("From");
    assert_eq!((&*from.display_text(), from.tag()), (&b"J Rosenberg \\\""[..], Some(&b"98asjd8"[..])));
    let to = NameAddr::parse(value(HeaderId::TO)).expect("To");
    assert_eq!((to.uri, to.tag()), (&b"sip:vivekg@chair-dnrc.example.com"[..], Some(&b"1918181833n"[..])));
    assert_eq!(message.cseq().map(|cseq| cseq.number), Some(9));
    let vias: Vec<_> = message.list(HeaderId::VIA).map(|via| Via::parse_first(via).expect("Via").branch()).collect();
    assert_eq!(vias, [Some(&b"390skdjuw"[..]), Some(b"z9hG4bK9ikj8"), Some(b"z9hG4bK30239")]);
    let contact = NameAddr::parse(value(HeaderId::CONTACT)).expect("Contact");
    assert_eq!((contact.params.value(b"Q"), contact.params.has(b"secondparam")), (Some(&b"0.33"[..]), true));
    assert!(NameAddr::parse(value(HeaderId::ROUTE)).expect("Route").parse_uri().expect("a URI").is_loose_router());
}

/// Asks everything of a message that a server may ask, and answers it.
fn use_up(message: &Message<'_>) -> Vec<u8> {
    for header in message.all_headers() {
        let value = header.value.of(message.raw());
        for element in super::super::list::List::new(value) {
            let _ = Via::parse_first(element).map(|via| (via.branch(), via.rport(), via.received(), via.ttl()));
            let _ = CSeq::parse(element);
            Params::new(element).iter().for_each(|param| drop(param.unquoted()));
            if let Ok(addr) = NameAddr::parse(element) {
                let _ = (addr.tag(), addr.display_text());
                let uri = addr.parse_uri();
                assert!(uri.is_err() || uri.is_ok_and(|uri| uri.same_as(&uri)), "a URI is itself");
            }
        }
    }
    if let Some(aor) = Uri::parse(message.request_uri()).ok().and_then(|uri| uri.aor()) {
        assert_eq!(Uri::parse(aor.to_uri().as_bytes()).ok().and_then(|uri| uri.aor()), Some(aor));
    }
    let _ = (message.method(), message.method_name(), message.header_named(b"X"), message.body());
    let head = ResponseHead {
        code: 200,
        to_tag: b"t",
        received: Some([192, 0, 2, 1].into()),
        rport: Some(5062),
        mirror_record_route: true,
        ..ResponseHead::default()
    };
    let mut out = Vec::new();
    write_response(&mut out, message, &head);
    out
}

fn check_any(raw: &[u8]) {
    let mut table = HeaderTable::new();
    let Ok(message) = scan(raw, &mut table) else { return };
    for header in message.all_headers() {
        assert!(header.name.within(raw.len()) && header.value.within(raw.len()));
        let value = header.value.of(raw);
        assert_eq!(value, super::super::token::trim(value));
        assert_eq!(HeaderId::of_name(header.name.of(raw)), header.id);
    }
    assert!(message.body_span().within(raw.len()));
    let response = use_up(&message);
    if message.defect().is_none() {
        let mut table = HeaderTable::new();
        let answered = scan(&response, &mut table).map(|response| (response.defect(), response.status_code()));
        assert_eq!(answered, Ok((None, Some(200))), "{}", response.escape_ascii());
    }
}

/// One change to a message: some bytes at a place, taken out and others put in.
fn mutation() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        prop::sample::select(vec![
            "\r\n", "\n ", "\r\n\r\n", "\"", "<", ">", ",", ";", ":", "%", "\0", "Via:", "=", "@", "["
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    (any::<prop::sample::Index>(), 0..4_usize, bytes)
}

fn mutated(valid: &str, mutations: &[(prop::sample::Index, usize, Vec<u8>)]) -> Vec<u8> {
    let mut raw = valid.as_bytes().to_vec();
    for (index, taken, put) in mutations {
        let at = index.index(raw.len() + 1);
        let end = (at + taken).min(raw.len());
        raw.splice(at..end, put.iter().copied());
    }
    raw
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(raw in prop::collection::vec(any::<u8>(), 0..600)) {
        check_any(&raw);
    }

    #[test]
    fn arbitrary_header_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check_any(&[b"PUBLISH sip:h SIP/2.0\r\n".as_slice(), &bytes].concat());
    }

    #[test]
    fn mutated_messages_never_panic(mutations in prop::collection::vec(mutation(), 0..12)) {
        check_any(&mutated(TORTUROUS, &mutations));
        check_any(&mutated(&format!("PUBLISH sip:dana@pres.example SIP/2.0\r\n{HEADERS}\r\n"), &mutations));
    }

    #[test]
    fn hostile_spans_never_panic(
        raw in prop::collection::vec(any::<u8>(), 0..40),
        spans in prop::collection::vec((any::<u16>(), 0..60_u32, prop_oneof![0..60_u32, Just(u32::MAX)]), 0..12),
    ) {
        let span = |start, len| Span { start, len };
        let headers: Vec<_> = spans
            .iter()
            .map(|&(id, start, len)| HeaderSpan { id: HeaderId(id % 80), name: span(len, start), value: span(start, len) })
            .collect();
        let (_, start, len) = spans.first().copied().unwrap_or_default();
        let start_line = StartLine::Request { method: Method(7), name: span(len, len), uri: span(start, len) };
        use_up(&Message::from_parts(&raw, start_line, &headers, span(start, len)));
    }
}
