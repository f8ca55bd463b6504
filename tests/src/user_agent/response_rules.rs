//! What every response must be, whatever a test sent (RFC 3261 §8.2.6, §18.2.1; RFC 3581 §4; RFC 3903 and 6665).
//!
//! Pure: compares a response with the request it answers.

use crate::message::Message;
use crate::user_agent::{Rule, Violation};

/// Returns what a final response breaks.
pub(crate) fn check(request: &Message, response: &Message) -> Vec<Violation> {
    let mut broken = Vec::new();
    let mut claim = |holds: bool, rule: Rule, detail: &str| {
        if !holds {
            broken.push(Violation::new(rule, format!("{detail}\n{request}\n{response}")));
        }
    };
    for name in ["From", "Call-ID", "CSeq"] {
        claim(request.get(name) == response.get(name), Rule::Response, &format!("{name} is not that of the request"));
    }
    for name in ["From", "To", "Call-ID", "CSeq", "Content-Length", "Content-Type", "Expires", "SIP-ETag"] {
        claim(response.all(name).len() < 2, Rule::Repeated, name);
    }
    claim(mirrors_to(request, response), Rule::Response, "To is not that of the request with a tag");
    claim(mirrors_via(request, response), Rule::Response, "Via is not that of the request");
    claim(response.get("Event").is_none(), Rule::Response, "Event in a response (RFC 6665 §8.2.1)");
    let length = response.body.len().to_string();
    claim(response.get("Content-Length") == Some(&length), Rule::ContentLength, "not the length of the body");
    claim(response.get("Content-Type").is_none() == response.body.is_empty(), Rule::ContentType, "body or no body");
    for (code, header) in [(405, "Allow"), (415, "Accept"), (423, "Min-Expires"), (489, "Allow-Events")] {
        let missing = response.code() == Some(code) && response.get(header).is_none();
        claim(!missing, Rule::Response, &format!("{code} without {header}"));
    }
    let is_publish = request.method() == Some("PUBLISH");
    claim(!is_publish || response.get("Record-Route").is_none(), Rule::Response, "Record-Route (RFC 3903 §6)");
    claim(response.code() != Some(408), Rule::Response, "408 to a request that is no INVITE (RFC 4320 §4.2)");
    claim(response.code() != Some(202), Rule::Response, "202 (RFC 6665 §8.3.1)");
    broken
}

fn mirrors_to(request: &Message, response: &Message) -> bool {
    let (Some(asked), Some(answered)) = (request.get("To"), response.get("To")) else { return false };
    match request.tag("To") {
        Some(_) => asked == answered,
        None => answered.starts_with(asked) && response.tag("To").is_some_and(|tag| !tag.is_empty()),
    }
}

/// Compares all Vias; the topmost may gain `received` and a value for `rport`.
fn mirrors_via(request: &Message, response: &Message) -> bool {
    let (asked, answered) = (request.list("Via"), response.list("Via"));
    let plain = |via: &String| -> Vec<String> {
        let parts = via.split(';').map(|part| part.trim().to_owned());
        parts.filter(|part| !part.starts_with("received=") && !part.starts_with("rport")).collect()
    };
    asked.len() == answered.len()
        && asked.first().map(plain) == answered.first().map(plain)
        && asked.iter().skip(1).eq(answered.iter().skip(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Message {
        Message::request("PUBLISH", "sip:dana@pres.example")
            .with("Via", "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1;rport, SIP/2.0/TCP b;rport")
            .with("From", "<sip:a@b>;tag=f")
            .with("To", "<sip:dana@pres.example>")
            .with("Call-ID", "c")
            .with("CSeq", "1 PUBLISH")
    }

    fn answer(code: u16) -> Message {
        Message::response_to(&request(), code)
            .set("Via", "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1;rport=5070;received=127.0.0.1")
            .with("Via", "SIP/2.0/TCP b;rport")
            .set("To", "<sip:dana@pres.example>;tag=t")
            .with("Content-Length", 0)
    }

    fn check_broken(response: Message, expected: &[Rule]) {
        let broken = check(&request(), &response);
        let seen: Vec<_> = broken.iter().map(|violation| violation.rule).collect();
        assert_eq!(seen, expected, "{broken:#?}");
    }

    #[test]
    fn a_response_that_keeps_every_promise_passes() {
        check_broken(answer(200), &[]);
        check_broken(answer(489).with("Allow-Events", "presence"), &[]);
    }

    #[test]
    fn every_broken_promise_of_a_response_is_seen() {
        check_broken(answer(200).set("CSeq", "2 PUBLISH"), &[Rule::Response]);
        check_broken(answer(200).set("Call-ID", "d"), &[Rule::Response]);
        check_broken(answer(200).set("From", "<sip:a@b>;tag=g"), &[Rule::Response]);
        check_broken(answer(200).set("To", "<sip:dana@pres.example>"), &[Rule::Response]);
        check_broken(answer(200).set("To", "<sip:else@pres.example>;tag=t"), &[Rule::Response]);
        check_broken(answer(200).set("Via", "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1"), &[Rule::Response]);
        check_broken(answer(200).with("Event", "presence"), &[Rule::Response]);
        check_broken(answer(200).with("Record-Route", "<sip:a;lr>"), &[Rule::Response]);
        check_broken(answer(200).with("SIP-ETag", "a").with("SIP-ETag", "b"), &[Rule::Repeated]);
        check_broken(answer(200).set("Content-Length", 1), &[Rule::ContentLength]);
        check_broken(answer(200).with("Content-Type", "a/b"), &[Rule::ContentType]);
        for code in [202, 405, 408, 415, 423, 489] {
            check_broken(answer(code), &[Rule::Response]);
        }
    }
}
