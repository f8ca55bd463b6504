//! Watcher information (RFC 3858): who watches a presentity, as its presentity is told.
//!
//! Writing only, one watcher a line. What stands in a document is the caller's: whether it is full, who may be in it, and that
//! `version` is 0 in the first of a subscription and one higher in each that follows.

use module_api::sip::writer::push_decimal;

use super::pidf::DECLARATION;
use super::xml;
use crate::watcher::{Event, Status};

/// The type of these documents.
pub const MEDIA_TYPE: &str = "application/watcherinfo+xml";

/// The namespace of RFC 3858.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:watcherinfo";

/// Whether a document tells of every watcher: its `state` attribute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Completeness {
    /// It takes the place of all that was told before.
    Full,
    /// It tells of the watchers that changed.
    Partial,
}

/// One watcher.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Names the subscription, the same as long as it lasts: a token (RFC 3261 §25.1), unlike that of any other watcher.
    pub id: &'a str,
    /// How it stands.
    pub status: Status,
    /// What brought it there.
    pub event: Event,
    /// Who watches: the authenticated address-of-record, not the Contact.
    pub uri: &'a str,
    /// How the watcher wishes to be called.
    pub display_name: Option<&'a str>,
    /// How long the subscription lasts unless it is refreshed.
    pub expiration_s: Option<u64>,
    /// How long ago it began.
    pub duration_subscribed_s: Option<u64>,
}

/// Returns the document of the watchers of `resource`, the presentity's address-of-record as a URI, for `package`, the event
/// package watched, which is named without `.winfo` (RFC 3858 §3.2).
pub fn write<'a>(
    version: u32,
    completeness: Completeness,
    resource: &str,
    package: &str,
    entries: impl IntoIterator<Item = Entry<'a>>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(DECLARATION);
    out.extend_from_slice(b"<watcherinfo");
    write_attribute("xmlns", NAMESPACE, &mut out);
    write_number("version", version.into(), &mut out);
    write_attribute("state", completeness.as_str(), &mut out);
    out.extend_from_slice(b">\n  <watcher-list");
    write_attribute("resource", resource, &mut out);
    write_attribute("package", package, &mut out);
    out.extend_from_slice(b">\n");
    for entry in entries {
        entry.write(&mut out);
    }
    out.extend_from_slice(b"  </watcher-list>\n</watcherinfo>\n");
    out
}

impl Completeness {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
        }
    }
}

impl Entry<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"    <watcher");
        write_attribute("id", self.id, out);
        write_attribute("status", self.status.as_str(), out);
        write_attribute("event", self.event.as_str(), out);
        if let Some(display_name) = self.display_name {
            write_attribute("display-name", display_name, out);
        }
        if let Some(seconds) = self.duration_subscribed_s {
            write_number("duration-subscribed", seconds, out);
        }
        if let Some(seconds) = self.expiration_s {
            write_number("expiration", seconds, out);
        }
        out.push(b'>');
        // What an attribute may hold, text may hold too.
        xml::write_attribute_value(self.uri, out);
        out.extend_from_slice(b"</watcher>\n");
    }
}

fn write_attribute(name: &str, value: &str, out: &mut Vec<u8>) {
    begin_attribute(name, out);
    xml::write_attribute_value(value, out);
    out.push(b'"');
}

fn write_number(name: &str, number: u64, out: &mut Vec<u8>) {
    begin_attribute(name, out);
    push_decimal(out, number);
    out.push(b'"');
}

fn begin_attribute(name: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::document::xml::{Limits, Xml, attribute, elements, text};

    const ELI: Entry<'_> = Entry {
        id: "w-3f9a",
        status: Status::Pending,
        event: Event::Subscribe,
        uri: "sip:eli@other.example",
        display_name: Some("Eli"),
        expiration_s: Some(3559),
        duration_subscribed_s: Some(41),
    };

    const FAY: Entry<'_> = Entry {
        id: "w-77b0",
        status: Status::Waiting,
        event: Event::Timeout,
        uri: "sip:fay@pres.example",
        display_name: None,
        expiration_s: None,
        duration_subscribed_s: None,
    };

    /// Writes a document, reads it as its receiver does, and checks that each watcher arrived as it was sent.
    fn check(version: u32, completeness: Completeness, entries: &[Entry<'_>]) -> String {
        let resource = "sip:dana@pres.example";
        let document = write(version, completeness, resource, "presence", entries.iter().copied());
        let xml = Xml::read(&document, &Limits { bytes_max: usize::MAX, ..Limits::default() }).unwrap();
        let root = xml.root();
        assert!(root.has_tag_name((NAMESPACE, "watcherinfo")));
        let value = |node, name| attribute(node, name).map(|attribute| attribute.value());
        assert_eq!(value(root, "version"), Some(&*version.to_string()));
        assert_eq!(value(root, "state"), Some(completeness.as_str()));
        let list = elements(root).next().unwrap();
        assert!(list.has_tag_name((NAMESPACE, "watcher-list")));
        assert_eq!((value(list, "resource"), value(list, "package")), (Some(resource), Some("presence")));
        let mut watchers = elements(list);
        for entry in entries {
            let watcher = watchers.next().unwrap();
            assert!(watcher.has_tag_name((NAMESPACE, "watcher")));
            assert_eq!(text(watcher), entry.uri);
            assert_eq!(value(watcher, "id"), Some(entry.id));
            assert_eq!(value(watcher, "status"), Some(entry.status.as_str()));
            assert_eq!(value(watcher, "event"), Some(entry.event.as_str()));
            assert_eq!(value(watcher, "display-name"), entry.display_name);
            let number = |name| value(watcher, name).map(|seconds| seconds.parse().unwrap());
            assert_eq!(number("expiration"), entry.expiration_s);
            assert_eq!(number("duration-subscribed"), entry.duration_subscribed_s);
        }
        assert!(watchers.next().is_none() && elements(root).nth(1).is_none());
        String::from_utf8_lossy(&document).into_owned()
    }

    #[test]
    fn s3_a_first_document_is_full_and_has_version_0() {
        assert_snapshot!(check(0, Completeness::Full, &[ELI, FAY]), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="0" state="full">
          <watcher-list resource="sip:dana@pres.example" package="presence">
            <watcher id="w-3f9a" status="pending" event="subscribe" display-name="Eli" duration-subscribed="41" expiration="3559">sip:eli@other.example</watcher>
            <watcher id="w-77b0" status="waiting" event="timeout">sip:fay@pres.example</watcher>
          </watcher-list>
        </watcherinfo>
        "#);
    }

    #[test]
    fn s3_a_change_is_partial() {
        let approved = Entry {
            status: Status::Active,
            event: Event::Approved,
            display_name: None,
            expiration_s: None,
            duration_subscribed_s: None,
            ..ELI
        };
        assert_snapshot!(check(1, Completeness::Partial, &[approved]), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="1" state="partial">
          <watcher-list resource="sip:dana@pres.example" package="presence">
            <watcher id="w-3f9a" status="active" event="approved">sip:eli@other.example</watcher>
          </watcher-list>
        </watcherinfo>
        "#);
    }

    #[test]
    fn nobody_watching_is_an_empty_list() {
        assert_snapshot!(check(u32::MAX, Completeness::Full, &[]), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="4294967295" state="full">
          <watcher-list resource="sip:dana@pres.example" package="presence">
          </watcher-list>
        </watcherinfo>
        "#);
    }

    /// The 2006 module let a watcher who left vanish from the list, so that nobody learned of it.
    #[test]
    fn a_watcher_who_left_is_reported_terminated() {
        let left = Entry { status: Status::Terminated, event: Event::Timeout, expiration_s: Some(0), ..ELI };
        let document = check(7, Completeness::Partial, &[left]);
        assert!(document.contains(r#"<watcher id="w-3f9a" status="terminated" event="timeout""#), "{document}");
    }

    /// The 2006 module called a watcher by its URI in base 64: two devices were one, and `=` is no token.
    #[test]
    fn two_devices_of_one_watcher_are_two() {
        let document = check(0, Completeness::Full, &[ELI, Entry { id: "w-3f9b", ..ELI }]);
        assert_eq!(document.matches("sip:eli@other.example</watcher>").count(), 2);
    }

    /// The 2006 module wrote past the end of a buffer at a URI of 200 bytes.
    #[test]
    fn a_long_uri_stands_in_full() {
        for length in [150, 200, 256, 100_000] {
            let uri = format!("sip:{}@other.example", "e".repeat(length));
            check(0, Completeness::Full, &[Entry { uri: &uri, display_name: Some(&uri), ..FAY }]);
        }
    }

    #[test]
    fn what_watchers_choose_for_themselves_is_escaped() {
        let hostile = Entry {
            uri: "sip:a&b<c>]]>'\"@x",
            display_name: Some("\"/></watcher-list>\t\r\n<watcher id='&lt;' \u{e9}\u{1f600}"),
            ..FAY
        };
        assert_snapshot!(check(0, Completeness::Full, &[hostile]), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="0" state="full">
          <watcher-list resource="sip:dana@pres.example" package="presence">
            <watcher id="w-77b0" status="waiting" event="timeout" display-name="&quot;/&gt;&lt;/watcher-list&gt;&#9;&#13;&#10;&lt;watcher id='&amp;lt;' é😀">sip:a&amp;b&lt;c&gt;]]&gt;'&quot;@x</watcher>
          </watcher-list>
        </watcherinfo>
        "#);
    }

    #[test]
    fn the_list_is_named_by_a_resource_and_a_package_that_are_escaped() {
        let document = write(0, Completeness::Full, "sip:o'\"<&>@x", "presence.winfo", [ELI]);
        let xml = Xml::read(&document, &Limits::default()).unwrap();
        let list = elements(xml.root()).next().unwrap();
        assert_eq!(attribute(list, "resource").unwrap().value(), "sip:o'\"<&>@x");
        assert_eq!(attribute(list, "package").unwrap().value(), "presence.winfo");
    }

    proptest! {
        /// A character XML cannot carry becomes another; all else arrives.
        #[test]
        fn no_name_is_too_strange_to_write(name in "[ -~\t\r\n\u{80}-\u{10ffff}&&[^\u{fffe}\u{ffff}]]{0,40}") {
            check(0, Completeness::Full, &[Entry { uri: &name, display_name: Some(&name), ..ELI }]);
        }

        #[test]
        fn any_text_gives_a_well_formed_document(name in any::<String>()) {
            let document = write(0, Completeness::Partial, &name, &name, [Entry { id: &name, uri: &name, ..ELI }]);
            prop_assert!(Xml::read(&document, &Limits::default()).is_ok());
        }
    }
}
