//! What only an event server reads: Event, Accept, SIP-If-Match, CSeq, seconds.

use module_api::sip::cseq::CSeq;
use module_api::sip::token::{delta_seconds, is_token};
use presence::headers::accept::{admits, is_media_type};
use presence::headers::entity_tag::EntityTag;
use presence::headers::event::Event;

/// The media type that is asked for.
const PIDF: &str = "application/pidf+xml";

/// Every line is a value of one header.
pub(super) fn target(data: &[u8]) {
    let lines: Vec<_> = data.split(|&byte| byte == b'\n').take(8).collect();
    assert_eq!(
        admits(lines.iter().copied(), PIDF),
        admits(lines.iter().rev().copied(), PIDF),
        "their order means nothing"
    );
    if let Ok(Some(tag)) = EntityTag::from_if_match(lines.iter().copied()) {
        assert!(is_token(tag.as_str().as_bytes()));
        assert_eq!(EntityTag::from_if_match([tag.as_str().as_bytes()].into_iter()), Ok(Some(tag)));
    }
    for line in lines {
        let _ = is_media_type(line, PIDF);
        if let Ok(event) = Event::parse(line) {
            let id = event.id.map(|id| format!(" ; id={id}")).unwrap_or_default();
            assert_eq!(Event::parse(format!("{}{id}", event.package).as_bytes()), Ok(event));
        }
        if let Ok(cseq) = CSeq::parse(line) {
            let written = [cseq.number.to_string().as_bytes(), b" ", cseq.method_name].concat();
            assert_eq!(CSeq::parse(&written), Ok(cseq));
        }
        if let Ok(seconds) = delta_seconds(line) {
            assert_eq!(delta_seconds(seconds.to_string().as_bytes()), Ok(seconds));
        }
    }
}
