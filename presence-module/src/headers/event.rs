//! The `Event` header field (RFC 6665 §8.2.1, §8.4): an event type and an optional `id`.
//!
//! Compared byte by byte, and as a whole: `presence.winfo` is a package of its own, `Presence` an unknown one. It does not know
//! which packages this server offers.

use super::{parameter, split, token};

/// The event type and `id` of one `Event` header field; equal if they name the same subscription within a dialog.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Event<'a> {
    /// The whole event type, templates included: `presence`, `presence.winfo`.
    pub package: &'a str,
    /// The `id` parameter, echoed in every NOTIFY (RFC 6665 §4.5.2).
    pub id: Option<&'a str>,
}

/// An `Event` value that is not `event-type *( SEMI event-param )`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MalformedEvent;

impl<'a> Event<'a> {
    /// Reads one header field value; every parameter except `id` is ignored (RFC 6665 §8.2.1).
    pub fn parse(value: &'a [u8]) -> Result<Self, MalformedEvent> {
        let mut parts = split(value, b';');
        let package = parts.next().and_then(event_type).ok_or(MalformedEvent)?;
        let mut id = None;
        for part in parts {
            let (name, value) = parameter(part);
            let name = token(name).ok_or(MalformedEvent)?;
            if name.eq_ignore_ascii_case("id") {
                let value = value.and_then(token).ok_or(MalformedEvent)?;
                if id.replace(value).is_some() {
                    return Err(MalformedEvent);
                }
            }
        }
        Ok(Self { package, id })
    }
}

/// `event-type = event-package *( "." event-template )`, each a token without a dot.
fn event_type(text: &[u8]) -> Option<&str> {
    token(text).filter(|text| text.split('.').all(|part| !part.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<(&str, Option<&str>)>) {
        let event = Event::parse(value.as_bytes()).ok();
        assert_eq!(event.map(|event| (event.package, event.id)), expected, "{value:?}");
    }

    #[test]
    fn the_type_is_taken_whole_and_as_written() {
        check("presence", Some(("presence", None)));
        check(" presence\t", Some(("presence", None)));
        check("Presence", Some(("Presence", None)));
        check("presence.winfo", Some(("presence.winfo", None)));
        check("presence.winfo.winfo", Some(("presence.winfo.winfo", None)));
        check("presence\r\n ;id=7", Some(("presence", Some("7"))));
    }

    #[test]
    fn id_is_the_only_parameter_that_counts() {
        check("presence;id=a1", Some(("presence", Some("a1"))));
        check("presence ; ID = a1", Some(("presence", Some("a1"))));
        check("presence;id=A1", Some(("presence", Some("A1"))));
        check("presence;foo=bar", Some(("presence", None)));
        check("presence;foo", Some(("presence", None)));
        check("presence;foo=\"x;id=9\";id=2", Some(("presence", Some("2"))));
        check("presence;idx=3", Some(("presence", None)));
    }

    #[test]
    fn what_is_not_an_event_is_refused() {
        for value in ["", " ", ";id=1", "presence.", ".winfo", "presence..winfo", "presence winfo", "\"presence\""] {
            check(value, None);
        }
        for value in
            ["presence, dialog", "presence;", "presence;id", "presence;id=", "presence;id=\"1\"", "presence;=1"]
        {
            check(value, None);
        }
        check("presence;id=1;id=1", None);
        check("présence", None);
    }
}
