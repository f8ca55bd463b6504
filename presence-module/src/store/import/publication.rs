//! A row of `presentity`, the same in all layouts.

use std::sync::Arc;

use module_api::sip::token::is_token;

use super::foreign_row::{ForeignRow, Skipped};
use crate::change::PublicationRow;
use crate::document::pidf::{Malformed, Pidf};
use crate::document::xml::Limits;

/// Takes over a publication under the key `id`: its entity-tag, what is left of its lifetime, and its document as it is.
///
/// # Errors
/// It is of a package that is not published here, never ends, or its document is one that a PUBLISH would be refused for.
pub fn publication(row: &ForeignRow, id: u64) -> Result<PublicationRow, Skipped> {
    let package = row.package()?;
    if !package.is_published() {
        return Err(Skipped::because(format!("`{}` is not published", package.name())));
    }
    let entity_tag = row.filled_text("etag")?;
    if !is_token(entity_tag.as_bytes()) {
        return Err(Skipped::of("etag", "is no entity-tag"));
    }
    let expires = row.number::<i64>("expires")?;
    let expires = u64::try_from(expires).ok().filter(|expires| *expires > 0);
    let body = row.filled_text("body")?;
    if let Err(malformed) = Pidf::read(body.as_bytes(), &Limits::default()) {
        return Err(Skipped::because(match malformed {
            Malformed::Xml(malformed) => format!("the document is refused: {}", malformed.fault),
            _ => "the document is refused: no presence document, or an attribute or element is missing".into(),
        }));
    }
    Ok(PublicationRow {
        id,
        presentity: Arc::new(row.user("username", "domain")?),
        event: package.name().into(),
        entity_tag: entity_tag.into(),
        expires: expires.ok_or_else(|| Skipped::because("a publication that never ends"))?,
        received_at_ms: row.number::<u64>("received_time")?.saturating_mul(1000),
        body: Arc::from(&*body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::import::Value;

    /// As Kamailio 5.6.3 wrote it.
    const KAMAILIO: &str = r#"           id = 1
     username = dana
       domain = pres.example
        event = presence
         etag = a.1795739074.22722.1.0
      expires = 1795742676
received_time = 1795739076
         body = <?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:dana@pres.example"><tuple id="t1"><status><basic>open</basic></status><note>x</note></tuple></presence>
       sender = 
     priority = 0
         ruid = pres-6b08cdc2-58c2-1"#;

    fn check(column: &'static str, value: Value, expected: &str) {
        let refused = publication(&ForeignRow::from_lines(KAMAILIO).with(column, value), 1).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }

    #[test]
    fn what_its_publisher_refers_to_and_what_its_watchers_see_stays() {
        let body = KAMAILIO.lines().find_map(|line| line.strip_prefix("         body = ")).unwrap();
        let expected = PublicationRow {
            id: 7,
            presentity: Arc::new(crate::presentity_uri::UserAtDomain::new("dana", "pres.example")),
            event: "presence".into(),
            entity_tag: "a.1795739074.22722.1.0".into(),
            expires: 1_795_742_676,
            received_at_ms: 1_795_739_076_000,
            body: Arc::from(body),
        };
        let row = ForeignRow::from_lines(KAMAILIO);
        assert_eq!(publication(&row, 7), Ok(expected.clone()));
        let as_bytes = row.with("body", Value::Bytes(body.as_bytes().to_vec()));
        assert_eq!(publication(&as_bytes, 7), Ok(expected));
    }

    #[test]
    fn what_cannot_be_held_is_skipped_for_a_reason() {
        check("event", "dialog".into(), "the event package `dialog` is not served here");
        check("event", "presence.winfo".into(), "`presence.winfo` is not published");
        check("etag", "".into(), "`etag` is empty");
        check("etag", "a b".into(), "`etag` is no entity-tag");
        check("expires", Value::Integer(-1), "a publication that never ends");
        check("expires", Value::Integer(0), "a publication that never ends");
        check("received_time", Value::Null, "`received_time` is NULL");
        check("username", Value::Null, "`username` is empty");
        check("body", Value::Null, "`body` is empty");
        check("body", Value::Bytes(vec![b'<', 0xff]), "`body` is not UTF-8");
        check("body", "<presence".into(), "the document is refused: XML not well-formed: tag not closed");
    }
}
