//! What holds whatever is published: documents of random parts, with ids, prefixes, languages and children that clash.

use std::collections::BTreeSet;

use proptest::prelude::*;
use roxmltree::Node;

use super::{ENTITY, POLICIES, Policy, Source, composed, document};
use crate::composition::compose;
use crate::document::pidf::{Part, Pidf};
use crate::document::xml::{Limits, elements, language};

/// A tuple, person, device, note or extension.
fn any_part() -> impl Strategy<Value = String> {
    let id = prop::sample::select(vec!["a", "b", "1", "a-2", "x y", "", "ta", "t1", "p1"]);
    let inner = prop::sample::subsequence(
        vec![
            "<contact priority='0.5'>sip:a@x</contact>",
            "<contact>sip:a@x</contact>",
            "<timestamp>2025-03-04T08:15:00Z</timestamp><note xml:lang='en'>n</note>",
            "<note>m</note><dm:timestamp>2025-03-04T08:15:01Z</dm:timestamp>",
            "<dm:deviceID>urn:1</dm:deviceID>",
            "<rpid:class>c</rpid:class><rpid:activities><rpid:away/></rpid:activities>",
            "<rpid:activities><rpid:meal/></rpid:activities><rpid:activities/>",
            "<op:service-description xmlns:op='urn:oma:xml:prs:pidf:oma-pres'><op:service-id>s</op:service-id></op:service-description>",
            "<e:ext xmlns:e='urn:1' e:b='q:c'/><!-- c --><contact/>",
            "<e:ext xmlns:e='urn:2' xmlns=''><bare/></e:ext>",
        ],
        0..4,
    );
    let status = prop::sample::select(vec![
        "<basic>open</basic>",
        "<basic>open</basic>",
        "<basic>closed</basic>",
        "<e:im xmlns:e='urn:3'/>",
        "<e:im xmlns:e='urn:4'/><basic>open</basic>",
    ]);
    (0..7_u8, id, inner, status).prop_map(|(kind, id, inner, status)| {
        let inner = inner.concat();
        match kind {
            0..=2 => format!("<tuple id='{id}'>{inner}<status>{status}</status></tuple>"),
            3 => format!("<dm:person id='{id}'>{inner}</dm:person>"),
            4 => format!("<dm:device id='{id}'>{inner}</dm:device>"),
            5 => format!("<note>{id}]]<?pi?>&gt;</note>"),
            _ => format!("<q:more xmlns:q='urn:{id}' xmlns='urn:d'>{inner}</q:more>"),
        }
    })
}

/// A document, in one of the ways publishers declare namespaces and languages.
pub(super) fn any_document() -> impl Strategy<Value = String> {
    (prop::collection::vec(any_part(), 0..6), 0..4_u8).prop_map(|(parts, way)| {
        let content = document(&parts.concat());
        match way {
            0 => content,
            1 => content.replace("xmlns:rpid", "xmlns:q='urn:q' xml:lang='fr' xmlns:rpid"),
            2 => prefixed(&content).replace("xmlns:p=", "xmlns='urn:d' xmlns:p="),
            _ => prefixed(&content),
        }
    })
}

/// The same document with a prefix for the namespace of RFC 3863.
fn prefixed(document: &str) -> String {
    let names = ["presence", "tuple", "status", "basic", "contact", "note", "timestamp"];
    let document = document.replace(" xmlns=\"", " xmlns:p=\"");
    names.into_iter().fold(document, |document, name| {
        document
            .replace(&format!("<{name}"), &format!("<p:{name}"))
            .replace(&format!("</{name}"), &format!("</p:{name}"))
    })
}

/// What an element tells its reader, whatever stands around it: language, names and text.
fn meaning(node: Node<'_, '_>) -> String {
    let mut attributes: Vec<_> = node
        .attributes()
        .filter(|attribute| attribute.name() != "lang")
        .map(|attribute| (attribute.namespace(), attribute.name(), attribute.value()))
        .collect();
    attributes.sort_unstable();
    let language = language(node).filter(|language| !language.is_empty());
    let mut meaning = format!("{language:?} {:?} {attributes:?} [", node.tag_name());
    for child in node.children() {
        match child.text() {
            _ if child.is_element() => meaning += &self::meaning(child),
            Some(text) if child.is_text() => meaning += text,
            _ => {}
        }
    }
    meaning + "]"
}

/// The meanings of all that documents tell, one by one: a status is told by what is in it.
fn told(documents: &[&str]) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for document in documents {
        let pidf = Pidf::read(document.as_bytes(), &Limits::default()).unwrap();
        for part in pidf.parts() {
            let parents: Vec<_> = match part {
                Part::Note(_) | Part::Extension(_) => {
                    told.insert(meaning(part.node()));
                    continue;
                }
                Part::Tuple(_) | Part::Person(_) | Part::Device(_) => {
                    let status = part.as_tuple().and_then(|tuple| tuple.status());
                    [Some(part.node()), status].into_iter().flatten().collect()
                }
            };
            let children = parents.iter().flat_map(|parent| elements(*parent));
            told.extend(children.filter(|child| !parents.contains(child)).map(meaning));
        }
    }
    told
}

proptest! {
    #[test]
    fn what_is_composed_can_be_read_and_composed_again(documents in prop::collection::vec(any_document(), 0..4)) {
        let documents: Vec<_> = documents.iter().map(String::as_str).collect();
        for policy in POLICIES {
            let once = composed(policy, &documents);
            let again = compose(policy, ENTITY, &[Source { body: once.as_bytes(), received_at_ms: 0, number: 1 }]);
            prop_assert_eq!(String::from_utf8_lossy(&again), once);
        }
    }

    #[test]
    fn nothing_is_told_that_no_publisher_told(documents in prop::collection::vec(any_document(), 1..4)) {
        let documents: Vec<_> = documents.iter().map(String::as_str).collect();
        for policy in POLICIES {
            let composed = composed(policy, &documents);
            let invented: Vec<_> = told(&[&composed]).difference(&told(&documents)).cloned().collect();
            let is_closed = composed.contains("<tuple id=\"off\">");
            prop_assert!(invented.is_empty() || is_closed, "{:?} in {}", invented, composed);
        }
    }

    #[test]
    fn of_one_publication_no_tuple_is_lost_or_merged(document in any_document()) {
        let union = composed(Policy::Union, &[&document]);
        prop_assert_eq!(&composed(Policy::Newest, &[&document]), &union);
        let count = |document: &str, is_wanted: fn(&Part<'_, '_>) -> bool| {
            Pidf::read(document.as_bytes(), &Limits::default()).unwrap().parts().filter(is_wanted).count()
        };
        let is_tuple = |part: &Part<'_, '_>| part.as_tuple().is_some_and(|tuple| tuple.id() != "off");
        let is_person = |part: &Part<'_, '_>| matches!(part, Part::Person(_));
        prop_assert_eq!(count(&union, is_tuple), count(&document, is_tuple));
        prop_assert_eq!(count(&composed(Policy::Oma, &[&document]), is_tuple), count(&document, is_tuple));
        prop_assert_eq!(count(&union, is_person), count(&document, is_person));
    }

    #[test]
    fn oma_has_one_person_and_one_device_of_a_name(documents in prop::collection::vec(any_document(), 0..4)) {
        let documents: Vec<_> = documents.iter().map(String::as_str).collect();
        let composed = composed(Policy::Oma, &documents);
        let pidf = Pidf::read(composed.as_bytes(), &Limits::default()).unwrap();
        let (mut persons, mut devices) = (0, BTreeSet::new());
        for part in pidf.parts() {
            match part {
                Part::Person(_) => persons += 1,
                Part::Device(device) => {
                    prop_assert!(device.device_id().is_none_or(|device_id| devices.insert(device_id)), "{}", composed);
                }
                Part::Tuple(_) | Part::Note(_) | Part::Extension(_) => {}
            }
        }
        prop_assert!(persons <= 1, "{}", composed);
    }
}
