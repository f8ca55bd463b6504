//! The presence information data format (RFC 3863): what a publisher sent, checked, and the document of one who published
//! nothing.
//!
//! Strict in what would mislead a watcher, lenient where the meaning is plain: order, ids that are no names, prefixes. What is
//! refused is refused with a phrase for a 400 that repeats nothing of the document.

use std::borrow::Cow;

use roxmltree::Node;
use smallvec::SmallVec;

use super::data_model::{self, Device, Person};
use super::oma_presence::{self, ServiceDescription};
use super::xml::{self, Limits, Position, Xml};
use super::{rpid, timestamp};
use crate::limits::Bound;

/// The namespace of RFC 3863.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:pidf";

/// How every document of this server begins.
pub(crate) const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A presence document that may be published.
#[derive(Debug)]
pub struct Pidf<'a> {
    xml: Xml<'a>,
}

/// Why a document is not accepted; displays as one line of the characters a reason phrase allows (RFC 3261 §25.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// A tuple whose `basic` is neither `open` nor `closed`.
    #[error("basic status neither open nor closed at {0}")]
    BasicUnknown(Position),
    /// `presence` without `entity`.
    #[error("presence without entity at {0}")]
    EntityMissing(Position),
    /// A tuple without `id`.
    #[error("tuple without id at {0}")]
    IdMissing(Position),
    /// Another root than `presence` in the namespace of RFC 3863.
    #[error("root element is not presence of {NAMESPACE} at {0}")]
    NotPresence(Position),
    /// A `status` that says nothing.
    #[error("status without content at {0}")]
    StatusEmpty(Position),
    /// A tuple without `status`.
    #[error("tuple without status at {0}")]
    StatusMissing(Position),
    /// Not XML, or too much of it.
    #[error(transparent)]
    Xml(#[from] xml::Malformed),
}

impl Malformed {
    /// Returns the bound that a document is beyond, if nothing else is wrong.
    pub fn bound(&self) -> Option<Bound> {
        match self {
            Self::Xml(malformed) => malformed.fault.bound(),
            _ => None,
        }
    }
}

/// A child of `presence`, by what it says.
#[derive(Clone, Copy, Debug)]
pub enum Part<'d, 'a: 'd> {
    /// A service.
    Tuple(Tuple<'d, 'a>),
    /// A remark on the presentity.
    Note(Note<'d, 'a>),
    /// The human.
    Person(Person<'d, 'a>),
    /// A device.
    Device(Device<'d, 'a>),
    /// Anything else, passed on unchanged (RFC 3863 §4.2.3).
    Extension(Node<'d, 'a>),
}

/// One occurrence of a service (RFC 3863 §4.1.2).
#[derive(Clone, Copy, Debug)]
pub struct Tuple<'d, 'a: 'd>(Node<'d, 'a>);

/// A remark for humans (RFC 3863 §4.1.6).
#[derive(Clone, Copy, Debug)]
pub struct Note<'d, 'a: 'd>(Node<'d, 'a>);

impl<'a> Pidf<'a> {
    /// Reads a published body.
    pub fn read(body: &'a [u8], limits: &Limits) -> Result<Self, Malformed> {
        let xml = Xml::read(body, limits)?;
        check_root(xml.root())?;
        for tuple in xml::elements(xml.root()).filter(|child| child.has_tag_name((NAMESPACE, "tuple"))) {
            check_tuple(tuple)?;
        }
        Ok(Self { xml })
    }

    /// Reads again what `read` accepted before; only the root is looked at once more.
    pub fn read_accepted(body: &'a [u8]) -> Result<Self, Malformed> {
        let xml = Xml::read_accepted(body)?;
        check_root(xml.root())?;
        Ok(Self { xml })
    }

    /// Returns the root element.
    pub fn root(&self) -> Node<'_, 'a> {
        self.xml.root()
    }

    /// Returns whom the publisher says the document is about.
    pub fn entity(&self) -> &str {
        xml::attribute(self.root(), "entity").map(|entity| entity.value()).unwrap_or_default()
    }

    /// Returns the children of `presence` in the order the publisher wrote them; without those of RFC 3863's own elements that
    /// its schema does not have there, where it takes other namespaces alone.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_, 'a>> {
        let is_astray = |part: &Part<'_, '_>| match part {
            Part::Extension(node) => node.tag_name().namespace() == Some(NAMESPACE),
            Part::Tuple(_) | Part::Note(_) | Part::Person(_) | Part::Device(_) => false,
        };
        xml::elements(self.root()).map(Part::of).filter(move |part| !is_astray(part))
    }
}

impl<'d, 'a> Part<'d, 'a> {
    /// Returns the element itself.
    pub fn node(self) -> Node<'d, 'a> {
        match self {
            Self::Tuple(tuple) => tuple.node(),
            Self::Note(note) => note.node(),
            Self::Person(person) => person.node(),
            Self::Device(device) => device.node(),
            Self::Extension(node) => node,
        }
    }

    /// Returns the tuple, if it is one.
    pub fn as_tuple(self) -> Option<Tuple<'d, 'a>> {
        match self {
            Self::Tuple(tuple) => Some(tuple),
            Self::Note(_) | Self::Person(_) | Self::Device(_) | Self::Extension(_) => None,
        }
    }

    /// Returns what `node`, a child of `presence`, is.
    pub fn of(node: Node<'d, 'a>) -> Self {
        match (node.tag_name().namespace(), node.tag_name().name()) {
            (Some(NAMESPACE), "tuple") => Self::Tuple(Tuple(node)),
            (Some(NAMESPACE), "note") => Self::Note(Note(node)),
            (Some(data_model::NAMESPACE), "person") => Self::Person(Person(node)),
            (Some(data_model::NAMESPACE), "device") => Self::Device(Device(node)),
            _ => Self::Extension(node),
        }
    }
}

impl<'d, 'a> Tuple<'d, 'a> {
    /// Returns the element itself.
    pub fn node(self) -> Node<'d, 'a> {
        self.0
    }

    /// Returns the id as the publisher wrote it, be it a name or not.
    pub fn id(self) -> &'d str {
        xml::attribute(self.0, "id").map(|id| id.value()).unwrap_or_default()
    }

    /// Returns the status, which every tuple has that was accepted.
    pub fn status(self) -> Option<Node<'d, 'a>> {
        child(self.0, "status")
    }

    /// Returns `open` or `closed`; a tuple without says nothing about reachability.
    pub fn basic(self) -> Option<Cow<'d, str>> {
        child(self.status()?, "basic").map(xml::text)
    }

    /// Returns the URI of the service.
    pub fn contact(self) -> Option<Cow<'d, str>> {
        self.contact_element().map(xml::trimmed_text)
    }

    /// Returns the element that holds the URI of the service.
    pub fn contact_element(self) -> Option<Node<'d, 'a>> {
        child(self.0, "contact")
    }

    /// Returns the priority of the contact in thousandths; what is no such number is as if it was absent (RFC 3863 §4.1.5).
    pub fn priority(self) -> Option<u16> {
        thousandths(xml::attribute(self.contact_element()?, "priority")?.value())
    }

    /// Returns the devices the service runs on.
    pub fn device_ids(self) -> SmallVec<[&'d str; 2]> {
        xml::elements(self.0).filter_map(data_model::device_id).collect()
    }

    /// Returns the publisher's label (RFC 4480 §3.3).
    pub fn class(self) -> Option<&'d str> {
        rpid::class(self.0)
    }

    /// Returns the kind of service (RFC 4480 §3.12).
    pub fn service_class(self) -> Option<&'d str> {
        rpid::service_class(self.0)
    }

    /// Returns which of OMA's services it is.
    pub fn service_description(self) -> Option<ServiceDescription<'d>> {
        oma_presence::service_description(self.0)
    }

    /// Returns when the publisher says this became so, in milliseconds since 1970.
    pub fn timestamp_ms(self) -> Option<u64> {
        timestamp::unix_ms(&xml::text(child(self.0, "timestamp")?))
    }
}

impl<'d, 'a> Note<'d, 'a> {
    /// Returns the element itself.
    pub fn node(self) -> Node<'d, 'a> {
        self.0
    }

    /// Returns what it says, without white space around it.
    pub fn text(self) -> Cow<'d, str> {
        xml::trimmed_text(self.0)
    }

    /// Returns the language it is in, as far as the publisher says.
    pub fn language(self) -> Option<&'d str> {
        xml::language(self.0)
    }
}

/// Returns the document of a presentity nobody publishes for: one closed tuple. It is also all that a watcher sees who is
/// blocked without being told (RFC 3856 §6.6.2), so the two are the same to the byte.
pub fn closed_document(entity: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(224 + entity.len());
    out.extend_from_slice(DECLARATION);
    out.extend_from_slice(b"<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"");
    xml::write_attribute_value(entity, &mut out);
    out.extend_from_slice(b"\">\n  <tuple id=\"off\"><status><basic>closed</basic></status></tuple>\n</presence>\n");
    out
}

fn check_root(root: Node<'_, '_>) -> Result<(), Malformed> {
    if !root.has_tag_name((NAMESPACE, "presence")) {
        return Err(Malformed::NotPresence(Position::of_node(root)));
    }
    if xml::attribute(root, "entity").is_none() {
        return Err(Malformed::EntityMissing(Position::of_node(root)));
    }
    Ok(())
}

fn check_tuple(tuple: Node<'_, '_>) -> Result<(), Malformed> {
    if xml::attribute(tuple, "id").is_none() {
        return Err(Malformed::IdMissing(Position::of_node(tuple)));
    }
    let status = child(tuple, "status").ok_or_else(|| Malformed::StatusMissing(Position::of_node(tuple)))?;
    if xml::elements(status).next().is_none() {
        return Err(Malformed::StatusEmpty(Position::of_node(status)));
    }
    let mut basics = xml::elements(status).filter(|child| child.has_tag_name((NAMESPACE, "basic")));
    match basics.find(|basic| !matches!(&*xml::text(*basic), "open" | "closed")) {
        Some(basic) => Err(Malformed::BasicUnknown(Position::of_node(basic))),
        None => Ok(()),
    }
}

/// Reads a number from 0 to 1 with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.trim_ascii().split_once('.').unwrap_or((text.trim_ascii(), ""));
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u16 = format!("{whole}{decimals:0<3}").parse().ok()?;
    (number <= 1000).then_some(number)
}

fn child<'d, 'a>(node: Node<'d, 'a>, name: &'static str) -> Option<Node<'d, 'a>> {
    xml::elements(node).find(|child| child.has_tag_name((NAMESPACE, name)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(document: &str, expected: Result<(), &str>) {
        let outcome =
            Pidf::read(document.as_bytes(), &Limits::default()).map(|_| ()).map_err(|refusal| refusal.to_string());
        if let Err(phrase) = &outcome {
            assert!(phrase.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" :-".contains(&byte)), "{phrase}");
        }
        assert_eq!(outcome, expected.map_err(str::to_owned), "{document}");
    }

    fn presence(content: &str) -> String {
        format!("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:a@x'>\n{content}</presence>")
    }

    #[test]
    fn a_document_is_accepted_under_any_prefix_and_order() {
        check(&presence(""), Ok(()));
        check(&presence("<note/><tuple id='1234'><contact/><status><basic>open</basic></status></tuple>"), Ok(()));
        check(&presence("<tuple id=''><status><x xmlns='u'/></status></tuple>"), Ok(()));
        check(
            "<p:presence xmlns:p='urn:ietf:params:xml:ns:pidf' entity=''><p:tuple id='a'><p:status><p:basic>closed</p:basic></p:status></p:tuple></p:presence>",
            Ok(()),
        );
    }

    #[test]
    fn what_would_mislead_a_watcher_is_refused() {
        const ROOT: &str = "root element is not presence of urn:ietf:params:xml:ns:pidf at line 1 column 1";
        check("<presence entity='sip:a@x'/>", Err(ROOT));
        check("<presence xmlns='urn:ietf:params:xml:ns:pidf:' entity='sip:a@x'/>", Err(ROOT));
        check("<note xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:a@x'/>", Err(ROOT));
        check("<presence xmlns='urn:ietf:params:xml:ns:pidf'/>", Err("presence without entity at line 1 column 1"));
        check(
            "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:p='u' p:entity=''/>",
            Err("presence without entity at line 1 column 1"),
        );
        check(&presence("<tuple xml:id='a'/>"), Err("tuple without id at line 2 column 1"));
        check(&presence("<tuple id='a'/>"), Err("tuple without status at line 2 column 1"));
        check(
            &presence("<tuple id='a'><status>open</status></tuple>"),
            Err("status without content at line 2 column 15"),
        );
        for basic in ["Open", " open", "", "away", "open<b/>x"] {
            let document = presence(&format!("<tuple id='a'><status><basic>{basic}</basic></status></tuple>"));
            check(&document, Err("basic status neither open nor closed at line 2 column 23"));
        }
        check(
            &presence("<tuple id='a'>"),
            Err("XML not well-formed: element closed by the end tag of another at line 2 column 15"),
        );
    }

    #[test]
    fn parts_are_told_by_namespace() {
        let document = presence(
            "<tuple id='t'><status><basic>op<!-- c -->en</basic></status><contact> sip:b@x </contact><timestamp>1970-01-01T00:00:01Z</timestamp>
             <r:class xmlns:r='urn:ietf:params:xml:ns:pidf:rpid'> biz </r:class></tuple><note xml:lang='en'> n </note>
             <x:person xmlns:x='urn:ietf:params:xml:ns:pidf:data-model' id='p'/><person id='q'/><note xmlns='u'/>
             <device xmlns='urn:ietf:params:xml:ns:pidf:data-model' id='d'><deviceID>urn:1</deviceID><timestamp>1970-01-01T00:00:02Z</timestamp></device>",
        );
        let pidf = Pidf::read(document.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(pidf.entity(), "sip:a@x");
        let parts: Vec<_> = pidf.parts().collect();
        let [
            Part::Tuple(tuple),
            Part::Note(note),
            Part::Person(person),
            // Not the `person` of RFC 3863's namespace, which has none.
            Part::Extension(_),
            Part::Device(device),
        ] = parts[..]
        else {
            panic!("{parts:?}")
        };
        assert_eq!(
            (tuple.id(), tuple.basic().as_deref(), tuple.contact().as_deref()),
            ("t", Some("open"), Some("sip:b@x"))
        );
        assert_eq!((tuple.class(), tuple.service_class(), tuple.timestamp_ms()), (Some("biz"), None, Some(1000)));
        assert_eq!((&*note.text(), note.language()), ("n", Some("en")));
        assert_eq!((person.id(), person.class(), person.timestamp_ms()), ("p", None, None));
        assert_eq!((device.id(), device.device_id(), device.timestamp_ms()), ("d", Some("urn:1"), Some(2000)));
    }

    #[test]
    fn s4_1_5_a_priority_is_a_number_from_0_to_1_or_absent() {
        let check = |written: &str, expected| {
            let tuple =
                format!("<tuple id='t'><contact priority='{written}'/><status><basic>open</basic></status></tuple>");
            let document = presence(&tuple);
            let pidf = Pidf::read(document.as_bytes(), &Limits::default()).unwrap();
            let Some(Part::Tuple(tuple)) = pidf.parts().next() else { panic!("{document}") };
            assert_eq!(tuple.priority(), expected, "{written:?}");
        };
        for (written, expected) in
            [("0", 0), ("1", 1000), ("0.8", 800), ("0.05", 50), ("0.123", 123), (" 1.000 ", 1000)]
        {
            check(written, Some(expected));
        }
        for written in ["", "1.001", "2", "0.1234", "-0", "+0.5", ".5", "0,5", "0.x", "1e0", "00"] {
            check(written, None);
        }
    }

    #[test]
    fn the_closed_document_is_a_document() {
        let closed = closed_document("sip:a&b@x");
        let pidf = Pidf::read(&closed, &Limits::default()).unwrap();
        assert_eq!(pidf.entity(), "sip:a&b@x");
        assert!(matches!(pidf.parts().next(), Some(Part::Tuple(tuple)) if tuple.basic().as_deref() == Some("closed")));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange_to_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Pidf::read(&bytes, &Limits::default()).map_err(|refusal| refusal.to_string());
        }
    }
}
