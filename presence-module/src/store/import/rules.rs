//! A row of `xcap` or `xcap_xml`: a document, rules or not. `doc_type` stays what it was; `pres_rules_doc_types` says which of
//! them are rules.

use super::foreign_row::{ForeignRow, Skipped};
use super::layout::Layout;
use crate::store::NewDocument;

/// Takes over a document. What is not text becomes a document that allows nobody, as it allowed nobody before: without it
/// its owner would have no rules at all.
///
/// # Errors
/// It names no owner, or has no type.
pub fn rules_document(row: &ForeignRow, layout: Layout) -> Result<NewDocument, Skipped> {
    let (user, document) = match layout {
        Layout::Seed2006 => ("user", "xcap"),
        Layout::Kamailio | Layout::OpenSips => ("username", "doc"),
    };
    Ok(NewDocument {
        owner: row.user(user, "domain")?,
        doc_type: row.number("doc_type")?,
        doc_uri: row.text("doc_uri")?.into(),
        document: row.text(document).unwrap_or_default().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presentity_uri::PresentityUri;
    use crate::store::import::Value;

    /// As it is written for Kamailio 5.6.3, the document aside.
    const KAMAILIO: &str = r#"      id = 1
username = dana
  domain = Pres.example
     doc = <cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy"/>
doc_type = 2
    etag = e1
  source = 0
 doc_uri = /xcap-root/pres-rules/users/sip:dana@pres.example/index
    port = 0"#;

    /// By the columns its documentation names.
    const SEED: &str = r#"user = dana
domain = pres.example
xcap = <cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy"/>
doc_type = 1"#;

    #[test]
    fn a_document_keeps_its_type_and_its_name() {
        let expected = NewDocument {
            owner: PresentityUri::new("dana", "pres.example"),
            doc_type: 2,
            doc_uri: "/xcap-root/pres-rules/users/sip:dana@pres.example/index".into(),
            document: "<cp:ruleset xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\"/>".into(),
        };
        assert_eq!(rules_document(&ForeignRow::from_lines(KAMAILIO), Layout::Kamailio), Ok(expected.clone()));
        let of_2006 = NewDocument { doc_type: 1, doc_uri: "".into(), ..expected };
        assert_eq!(rules_document(&ForeignRow::from_lines(SEED), Layout::Seed2006), Ok(of_2006));
    }

    #[test]
    fn a_document_that_cannot_be_read_allows_nobody() {
        let row = ForeignRow::from_lines(KAMAILIO).with("doc", Value::Bytes(vec![0xff]));
        let document = rules_document(&row, Layout::Kamailio).unwrap().document;
        let (rules, malformed) = crate::authorization::Rules::read([&*document]);
        assert!(!rules.is_absent() && malformed.len() == 1);
    }

    #[test]
    fn what_cannot_be_held_is_skipped_for_a_reason() {
        let check = |column: &'static str, value: Value, expected: &str| {
            let row = ForeignRow::from_lines(KAMAILIO).with(column, value);
            assert_eq!(rules_document(&row, Layout::Kamailio).unwrap_err().to_string(), expected);
        };
        check("username", Value::Null, "`username` is empty");
        check("doc_type", "rules".into(), "`doc_type` is not a number");
        check("doc_uri", Value::Bytes(vec![0xff]), "`doc_uri` is not UTF-8");
    }
}
