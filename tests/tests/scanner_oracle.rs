//! Our scanner against rsip, an independent parser, on the messages both can read.
//!
//! rsip refuses or loses much that is legal (compact names, folding, IPv6, quoted Via parameters), so it judges only what it
//! reads; where it reads a message, both must have read the same.

use module_api::sip::header::HeaderId;
use module_api::sip::message::{HeaderTable, StartLine, scan};
use module_api::sip::name_addr::NameAddr;
use proptest::prelude::*;
use rsip::message::HeadersExt;
use rsip::prelude::{ToTypedHeader, UntypedHeader};

/// Compares what both read; returns whether rsip could read the message at all.
fn check(bytes: &[u8]) -> bool {
    let Ok(theirs) = rsip::Request::try_from(bytes) else { return false };
    let mut table = HeaderTable::new();
    let ours = scan(bytes, &mut table).expect("what rsip reads is SIP");
    let StartLine::Request { name, .. } = ours.start() else { panic!("a request is no response") };
    let text = |id: HeaderId| String::from_utf8_lossy(ours.header(id).unwrap_or_default()).into_owned();
    assert_eq!(String::from_utf8_lossy(name.of(ours.raw())), theirs.method.to_string());
    if let Ok(call_id) = theirs.call_id_header() {
        assert_eq!(text(HeaderId::CALL_ID), call_id.value());
    }
    if let (Ok(cseq), Some(own)) = (theirs.cseq_header().and_then(|cseq| cseq.typed()), ours.cseq()) {
        assert_eq!((own.number, own.method.name()), (cseq.seq, cseq.method.to_string().as_str()));
    }
    if let Ok(from) = theirs.from_header().and_then(|from| from.typed()) {
        let value = text(HeaderId::FROM);
        let own = NameAddr::parse(value.as_bytes()).expect("a From that rsip reads");
        assert_eq!(own.tag().map(String::from_utf8_lossy), from.tag().map(|tag| tag.value().into()));
    }
    true
}

fn publish(user: &str, tag: &str, cseq: u32, call_id: &str, body: &str) -> String {
    format!(
        "PUBLISH sip:{user}@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{call_id}\r\n\
         From: \"{user}\" <sip:{user}@pres.example>;tag={tag}\r\nTo: <sip:{user}@pres.example>\r\nCall-ID: {call_id}\r\n\
         CSeq: {cseq} PUBLISH\r\nEvent: presence\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn the_plain_messages_of_a_presence_server_are_read_alike() {
    assert!(check(publish("dana", "f1", 7, "call-1", "<presence/>").as_bytes()));
    let subscribe = publish("eli", "w", 1, "call-2", "").replace("PUBLISH", "SUBSCRIBE");
    assert!(check(subscribe.as_bytes()));
}

proptest! {
    #[test]
    fn any_plain_request_is_read_alike(
        user in "[a-z][a-z0-9]{0,20}", tag in "[A-Za-z0-9]{1,20}", cseq in 1_u32..0x7fff_ffff,
        call_id in "[A-Za-z0-9.-]{1,40}", body in "[ -~]{0,200}",
    ) {
        prop_assert!(check(publish(&user, &tag, cseq, &call_id, &body).as_bytes()));
    }
}
