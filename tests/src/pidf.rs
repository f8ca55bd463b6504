//! Presence documents as watchers judge them (RFC 3863 §4, RFC 4479 §3) and as presentities publish them.

use std::collections::HashSet;

use crate::xml::Element;

/// The namespace of RFC 3863.
pub const PIDF: &str = "urn:ietf:params:xml:ns:pidf";
/// The namespace of RFC 4479.
pub const DATA_MODEL: &str = "urn:ietf:params:xml:ns:pidf:data-model";

/// The namespace of RFC 4480.
pub const RPID: &str = "urn:ietf:params:xml:ns:pidf:rpid";

/// The media type of RFC 3863.
pub const CONTENT_TYPE: &str = "application/pidf+xml";

/// A presence document that has been found valid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Presence {
    /// Whose presence it is.
    pub entity: String,
    /// Its tuples in order.
    pub tuples: Vec<Tuple>,
    /// The whole tree.
    pub root: Element,
}

/// A tuple of a presence document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tuple {
    /// Its `id`.
    pub id: String,
    /// `open`, `closed`, or nothing.
    pub basic: Option<String>,
    /// The texts of its notes.
    pub notes: Vec<String>,
}

impl Presence {
    /// Reads a document and refuses what a schema-validating watcher would.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let root = Element::read(bytes)?;
        if !root.is(PIDF, "presence") {
            return Err(format!("the root is {{{}}}{}", root.namespace, root.name));
        }
        let entity = root.attribute("entity").filter(|entity| !entity.is_empty()).ok_or("no entity")?.to_owned();
        check_order(&root.children, "presence", |child| match (child.namespace.as_str(), child.name.as_str()) {
            (PIDF, "tuple") => Ok(1),
            (PIDF, "note") => Ok(2),
            (PIDF, other) => Err(format!("<{other}> in <presence>")),
            _ => Ok(3),
        })?;
        check_ids(&root)?;
        for part in root.children.iter().filter(|child| child.namespace == DATA_MODEL) {
            check_order(&part.children, &part.name, |child| match (child.namespace.as_str(), child.name.as_str()) {
                (DATA_MODEL, "deviceID") if part.name == "device" => Ok(2),
                (DATA_MODEL, "note") => Ok(3),
                (DATA_MODEL, "timestamp") => Ok(4),
                (DATA_MODEL, other) => Err(format!("<{other}> in <{}>", part.name)),
                _ => Ok(1),
            })?;
        }
        let tuples = root.children.iter().filter(|child| child.is(PIDF, "tuple"));
        let tuples = tuples.map(Tuple::read).collect::<Result<_, _>>()?;
        Ok(Self { entity, tuples, root })
    }

    /// Returns the notes of all tuples, sorted: what tests tell published states apart by.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<_> = self.tuples.iter().flat_map(|tuple| tuple.notes.clone()).collect();
        notes.sort();
        notes
    }

    /// Returns the tuple, person or device `id`.
    pub fn occurrence(&self, id: &str) -> Option<&Element> {
        self.root.children.iter().find(|child| child.attribute("id") == Some(id))
    }

    /// Returns the ids of all tuples, persons and devices, in order.
    pub fn ids(&self) -> Vec<&str> {
        self.root.children.iter().filter_map(|child| child.attribute("id")).collect()
    }

    /// Returns whether the document says that nothing is open, and says it with exactly one tuple.
    pub fn is_closed_once(&self) -> bool {
        self.tuples.len() == 1 && self.tuples[0].basic.as_deref() == Some("closed")
    }
}

impl Tuple {
    fn read(element: &Element) -> Result<Self, String> {
        check_order(&element.children, "tuple", |child| match (child.namespace.as_str(), child.name.as_str()) {
            (PIDF, "status") => Ok(1),
            (PIDF, "contact") => Ok(3),
            (PIDF, "note") => Ok(4),
            (PIDF, "timestamp") => Ok(5),
            (PIDF, other) => Err(format!("<{other}> in <tuple>")),
            _ => Ok(2),
        })?;
        let status = element.child(PIDF, "status").ok_or("a tuple has no status")?;
        let basic = status.child(PIDF, "basic").map(|basic| basic.text.clone());
        if basic.as_deref().is_some_and(|basic| basic != "open" && basic != "closed") {
            return Err(format!("basic is {basic:?}"));
        }
        for single in ["status", "contact", "timestamp"] {
            if element.children.iter().filter(|child| child.is(PIDF, single)).count() > 1 {
                return Err(format!("a tuple has more than one {single}"));
            }
        }
        let notes = element.children.iter().filter(|child| child.is(PIDF, "note")).map(|note| note.text.clone());
        Ok(Self { id: element.attribute("id").unwrap_or_default().to_owned(), basic, notes: notes.collect() })
    }
}

/// Writes the document of a device: one open tuple whose note tells it from others.
pub fn open(entity: &str, id: &str, note: &str) -> String {
    document(entity, id, "open", "", note)
}

/// Writes the document of a device that is reached at `contact`.
pub fn open_at(entity: &str, id: &str, note: &str, contact: &str) -> String {
    document(entity, id, "open", &format!("<contact>{contact}</contact>"), note)
}

/// Writes the document of a device that is off.
pub fn closed(entity: &str, id: &str, note: &str) -> String {
    document(entity, id, "closed", "", note)
}

/// Writes a document of any content; `dm` and `rpid` stand for the namespaces of RFC 4479 and RFC 4480.
pub fn document_of(entity: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"{PIDF}\" xmlns:dm=\"{DATA_MODEL}\" \
         xmlns:rpid=\"{RPID}\" entity=\"{entity}\">{content}</presence>"
    )
}

fn document(entity: &str, id: &str, basic: &str, contact: &str, note: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"{PIDF}\" entity=\"{entity}\">\
         <tuple id=\"{id}\"><status><basic>{basic}</basic></status>{contact}<note>{note}</note></tuple></presence>\r\n"
    )
}

fn check_order(
    children: &[Element],
    parent: &str,
    rank: impl Fn(&Element) -> Result<u8, String>,
) -> Result<(), String> {
    let mut highest = 0;
    for child in children {
        let rank = rank(child)?;
        if rank < highest {
            return Err(format!("<{}> stands too late in <{parent}>", child.name));
        }
        highest = rank;
    }
    Ok(())
}

/// What XML 1.0 (fifth edition, §2.3) leaves out of names, and the colon.
fn is_in_no_name(letter: char) -> bool {
    let is_ascii = letter.is_ascii() && !letter.is_ascii_alphanumeric() && !"_-.".contains(letter);
    is_ascii
        || matches!(u32::from(letter), 0x80..=0xb6 | 0xb8..=0xbf | 0xd7 | 0xf7 | 0x37e | 0x2000..=0x200b | 0x200e..=0x203e
            | 0x2041..=0x206f | 0x2190..=0x2bff | 0x2ff0..=0x3000 | 0xe000..=0xf8ff | 0xfdd0..=0xfdef | 0xfffe..=0xffff
            | 0xf_0000..)
}

/// What it lets no name begin with, beside that.
fn begins_no_name(letter: char) -> bool {
    letter.is_ascii_digit() || matches!(letter, '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}' | '\u{2040}')
}

/// Refuses ids that are missing, are no NCName, or stand twice among tuples, persons and devices.
fn check_ids(root: &Element) -> Result<(), String> {
    let mut seen = HashSet::new();
    for child in &root.children {
        let is_data_model = child.namespace == DATA_MODEL && ["person", "device"].contains(&child.name.as_str());
        if !child.is(PIDF, "tuple") && !is_data_model {
            continue;
        }
        let id = child.attribute("id").ok_or_else(|| format!("<{}> has no id", child.name))?;
        if id.is_empty() || id.starts_with(begins_no_name) || id.contains(is_in_no_name) {
            return Err(format!("id {id:?} is no NCName"));
        }
        if !seen.insert(id) {
            return Err(format!("id {id:?} stands twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(inside: &str, why: &str) {
        let text = format!("<presence xmlns='{PIDF}' xmlns:dm='{DATA_MODEL}' entity='sip:a@b'>{inside}</presence>");
        let error = Presence::read(text.as_bytes()).expect_err(inside);
        assert!(error.contains(why), "{inside}: {error}");
    }

    #[test]
    fn a_published_document_is_valid() {
        let presence = Presence::read(open("sip:a@b", "t1", "here").as_bytes()).unwrap();
        assert_eq!((presence.entity.as_str(), presence.notes()), ("sip:a@b", vec!["here".to_owned()]));
        assert!(!presence.is_closed_once());
        assert!(Presence::read(closed("sip:a@b", "t1", "off").as_bytes()).unwrap().is_closed_once());
    }

    #[test]
    fn invalid_documents_are_refused() {
        let tuple = "<tuple id='a'><status/></tuple>";
        check_refused(&format!("{tuple}{tuple}"), "twice");
        check_refused(&format!("{tuple}<dm:person id='a'/>"), "twice");
        check_refused("<tuple id='1'><status/></tuple>", "NCName");
        check_refused("<tuple><status/></tuple>", "no id");
        check_refused("<tuple id='a'/>", "no status");
        check_refused("<tuple id='a'><note/><status/></tuple>", "too late");
        check_refused("<tuple id='a'><status><basic>Open</basic></status></tuple>", "basic");
        check_refused("<tuple id='a'><status/><status/></tuple>", "more than one");
        check_refused(&format!("<dm:person id='p'/>{tuple}"), "too late");
        check_refused("<person id='p'/>", "in <presence>");
        check_refused("<dm:person id='p'><dm:timestamp/><dm:note/></dm:person>", "too late");
        check_refused("<dm:device id='d'><dm:note/><dm:deviceID/></dm:device>", "too late");
        check_refused("<dm:person id='p'><dm:deviceID/></dm:person>", "in <person>");
        assert!(Presence::read(b"<presence xmlns='urn:other' entity='a'/>").unwrap_err().contains("root"));
        assert!(Presence::read(format!("<presence xmlns='{PIDF}'/>").as_bytes()).unwrap_err().contains("entity"));
    }
}
