//! What `uri.rs` promises: which URIs it reads and which it refuses.

use super::*;

/// Reads `text` and shows it as `user:password@host:port|params|headers`, absent parts left out.
fn show(text: &str) -> Result<String, UriError> {
    let uri = Uri::parse(text.as_bytes())?;
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let password = uri.password.map(|password| format!(":{}", text(password))).unwrap_or_default();
    let user = uri.user.map(|user| format!("{}{password}@", text(user))).unwrap_or_default();
    let port = uri.port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{:?} {user}{}{port}|{}|{}", uri.scheme, text(uri.host), text(uri.params.text()), text(uri.headers)))
}

fn check(text: &str, expected: &str) {
    assert_eq!(show(text).as_deref(), Ok(expected), "{text}");
}

fn refuse(text: &str, expected: UriError) {
    assert_eq!(show(text), Err(expected), "{text}");
}

#[test]
fn a_sip_uri_is_cut_into_its_parts() {
    check("sip:dana@pres.example", "Sip dana@pres.example||");
    check(
        "SIPS:alice:secret@[2001:db8::10]:5070;transport=tcp;lr",
        "Sips alice:secret@[2001:db8::10]:5070|;transport=tcp;lr|",
    );
    check("sip:host.example?Route=%3Csip:a%3E&x=1", "Sip host.example||Route=%3Csip:a%3E&x=1");
    check("sip:192.0.2.1:5060;maddr=224.2.0.1", "Sip 192.0.2.1:5060|;maddr=224.2.0.1|");
    check("sip:dana@pres.example:;lr", "Sip dana@pres.example|;lr|");
}

#[test]
fn a_user_part_may_hold_semicolons_question_marks_and_escapes() {
    check("sip:user;par=u%40example.net@example.com", "Sip user;par=u%40example.net@example.com||");
    check("sip:a?b@example.com?x=y", "Sip a?b@example.com||x=y");
    check(
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "Sip 1_unusual.URI~(to-be!sure)&isn\\'t+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn\\'t-it)@example.com||",
    );
    check("sip:*21#@example.com", "Sip *21#@example.com||");
    check("sip:null-%00-null@example.com", "Sip null-%00-null@example.com||");
}

#[test]
fn other_schemes_are_known_by_what_they_are() {
    check("tel:+1-201-555-0123;phone-context=example.com", "Tel +1-201-555-0123@|;phone-context=example.com|");
    check("pres:dana@pres.example", "Pres dana@pres.example||");
    check("urn:service:sos", "Urn ||");
    check("nobodyKnowsThisScheme:totallyopaquecontent", "Other ||");
    check("http://example.com/a?b", "Other ||");
}

#[test]
fn what_is_no_uri_is_refused_for_its_reason() {
    refuse("", UriError::BadScheme);
    refuse("dana", UriError::BadScheme);
    refuse("<sip:dana@pres.example>", UriError::BadScheme);
    refuse("1sip:a@b", UriError::BadScheme);
    refuse("sip:", UriError::BadHost);
    refuse("sip:dana@", UriError::BadHost);
    refuse("sip:dana@pres example", UriError::BadCharacter);
    refuse("sip:dana@pres.example; lr", UriError::BadCharacter);
    refuse("sip:da\"na@pres.example", UriError::BadCharacter);
    refuse("sip:a@b@c", UriError::BadCharacter);
    refuse("sip:a@b;c=d@e", UriError::BadCharacter);
    refuse("sip:d\u{e4}na@pres.example", UriError::BadCharacter);
    refuse("sip:dana\0@pres.example", UriError::BadCharacter);
    refuse("sip:da%4@pres.example", UriError::BadEscape);
    refuse("sip:da%zz@pres.example", UriError::BadEscape);
    refuse("sip:dana@pres.example%4", UriError::BadEscape);
    refuse("sip:@pres.example", UriError::BadUser);
    refuse("sip:dana@pr/es", UriError::BadHost);
    refuse("sip:dana@[2001:db8::1", UriError::BadHost);
    refuse("sip:dana@[not:an:address]", UriError::BadHost);
    refuse("sip:dana@[::1]x", UriError::BadHost);
    refuse("sip:dana@h:port", UriError::BadPort);
    refuse("sip:dana@h:65536", UriError::BadPort);
    refuse("tel:", UriError::BadUser);
    refuse("tel:call-me-maybe", UriError::BadUser);
    refuse(&format!("sip:h{}", ";a".repeat(65)), UriError::TooManyParts);
}
