//! Watcher information as its subscriber takes it: the document (RFC 3858 §3) and the table kept from it (§4).

use std::collections::{BTreeMap, BTreeSet};

use crate::xml::Element;

/// The namespace of RFC 3858.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:watcherinfo";
/// The media type of RFC 3858.
pub const CONTENT_TYPE: &str = "application/watcherinfo+xml";

/// A watcherinfo document that has been found valid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatcherInfo {
    /// Its number in its subscription.
    pub version: u32,
    /// Whether it says all, not only what changed.
    pub is_full: bool,
    /// The lists, one for each resource and package.
    pub lists: Vec<WatcherList>,
}

/// The watchers of one resource in one package.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatcherList {
    /// Who is watched.
    pub resource: String,
    /// The package, without `.winfo`.
    pub package: String,
    /// Its watchers in order.
    pub watchers: Vec<Entry>,
}

/// One watcher.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What it is told apart by.
    pub id: String,
    /// `active`, `pending`, `waiting` or `terminated`.
    pub status: String,
    /// What brought it there.
    pub event: String,
    /// Who it is.
    pub uri: String,
    /// Its name for people.
    pub display_name: Option<String>,
    /// Seconds left.
    pub expiration_s: Option<u64>,
    /// Seconds since it subscribed.
    pub duration_subscribed_s: Option<u64>,
}

/// What a subscriber knows from all documents so far; watchers that are terminated are forgotten.
#[derive(Clone, Debug, Default)]
pub struct Table {
    version: Option<u32>,
    watchers: BTreeMap<String, Entry>,
    ended: BTreeSet<String>,
    may_jump: bool,
}

impl WatcherInfo {
    /// Reads a document and refuses what the schema does (RFC 3858 §6).
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let root = Element::read(bytes)?;
        if !root.is(NAMESPACE, "watcherinfo") {
            return Err(format!("the root is {{{}}}{}", root.namespace, root.name));
        }
        let version = required(&root, "version")?;
        let version = number(version)?.try_into().map_err(|_| format!("version {version:?} has more than 32 bits"))?;
        let is_full = match required(&root, "state")? {
            "full" => true,
            "partial" => false,
            other => return Err(format!("state {other:?}")),
        };
        let lists = known_children(&root, "watcher-list").map(WatcherList::read).collect::<Result<Vec<_>, _>>()?;
        let mut ids = BTreeSet::new();
        for entry in lists.iter().flat_map(|list| &list.watchers) {
            if !ids.insert(&entry.id) {
                return Err(format!("id {:?} stands twice", entry.id));
            }
        }
        Ok(Self { version, is_full, lists })
    }

    /// Returns all watchers, one line each, sorted.
    pub fn summary(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.watchers().map(Entry::summary).collect();
        lines.sort();
        lines
    }

    /// Returns the only watcher of a document that should have one.
    ///
    /// # Panics
    /// If it has none, or several.
    pub fn only(&self) -> &Entry {
        let watchers: Vec<_> = self.watchers().collect();
        match watchers[..] {
            [only] => only,
            _ => panic!("not exactly one watcher: {self:#?}"),
        }
    }

    fn watchers(&self) -> impl Iterator<Item = &Entry> {
        self.lists.iter().flat_map(|list| &list.watchers)
    }
}

impl WatcherList {
    fn read(element: &Element) -> Result<Self, String> {
        let resource = required(element, "resource")?.to_owned();
        let package = required(element, "package")?.to_owned();
        if package.ends_with(".winfo.winfo") {
            return Err(format!("package {package:?}"));
        }
        let watchers = known_children(element, "watcher").map(Entry::read).collect::<Result<_, _>>()?;
        Ok(Self { resource, package, watchers })
    }
}

impl Entry {
    fn read(element: &Element) -> Result<Self, String> {
        let optional = |name| element.attribute(name).map(number).transpose();
        let entry = Self {
            id: required(element, "id")?.to_owned(),
            status: required(element, "status")?.to_owned(),
            event: required(element, "event")?.to_owned(),
            uri: element.text.trim().to_owned(),
            display_name: element.attribute("display-name").map(str::to_owned),
            expiration_s: optional("expiration")?,
            duration_subscribed_s: optional("duration-subscribed")?,
        };
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
        if entry.id.is_empty() || !entry.id.bytes().all(is_token) {
            return Err(format!("id {:?} is no token", entry.id));
        }
        if !entry.uri.contains(':') {
            return Err(format!("watcher {:?} is no URI", entry.uri));
        }
        match EVENTS.iter().find(|(status, _)| *status == entry.status) {
            None => Err(format!("status {:?}", entry.status)),
            Some((_, events)) if !events.contains(&entry.event.as_str()) => {
                Err(format!("{} because of {:?}", entry.status, entry.event))
            }
            Some(_) => Ok(entry),
        }
    }

    /// Returns who it is, where it stands and why: `sip:ann@watch.example active approved`.
    pub fn summary(&self) -> String {
        format!("{} {} {}", self.uri, self.status, self.event)
    }
}

/// Which event leads to which status (RFC 3857 §4.7.1, Figure 1; RFC 5025 §3.2.1 adds the way back to pending).
const EVENTS: [(&str, &[&str]); 4] = [
    ("active", &["subscribe", "approved"]),
    ("pending", &["subscribe", "deactivated", "probation", "rejected"]),
    ("terminated", &["approved", "deactivated", "giveup", "noresource", "probation", "rejected", "timeout"]),
    ("waiting", &["timeout"]),
];

impl Table {
    /// Takes a document in; the first must be full and have version 0, each further one the next version.
    ///
    /// # Errors
    /// What contradicts the documents before.
    pub fn apply(&mut self, info: &WatcherInfo) -> Result<(), String> {
        let may_jump = std::mem::take(&mut self.may_jump);
        match self.version {
            None if info.version != 0 => return Err(format!("the first version is {}", info.version)),
            None if !info.is_full => return Err("the first document is partial".into()),
            Some(last) if may_jump && info.version > last && info.is_full => {}
            Some(last) if may_jump => return Err(format!("version {} after {last} and a restart", info.version)),
            Some(last) if info.version != last + 1 => return Err(format!("version {} follows {last}", info.version)),
            _ => {}
        }
        self.version = Some(info.version);
        let known = if info.is_full { std::mem::take(&mut self.watchers) } else { self.watchers.clone() };
        for entry in info.watchers() {
            self.upsert(entry, known.get(&entry.id))?;
        }
        Ok(())
    }

    fn upsert(&mut self, entry: &Entry, known: Option<&Entry>) -> Result<(), String> {
        if let Some(known) = known.filter(|known| known.uri != entry.uri) {
            return Err(format!("id {:?} was {}, and is {}", entry.id, known.uri, entry.uri));
        }
        if entry.status == "terminated" {
            self.watchers.remove(&entry.id);
            self.ended.insert(entry.id.clone());
            return Ok(());
        }
        if self.ended.contains(&entry.id) {
            return Err(format!("id {:?} was terminated, and is {}", entry.id, entry.status));
        }
        self.watchers.insert(entry.id.clone(), entry.clone());
        Ok(())
    }

    /// Lets the next document leave a gap upward, if it is full: the server was started again.
    pub fn allow_version_jump_once(&mut self) {
        self.may_jump = self.version.is_some();
    }

    /// Lets the next document begin anew under any number but 0: those before were another server's, which numbers as it likes.
    pub fn change_servers(&mut self) {
        *self = Self { version: Some(0), may_jump: true, ..Self::default() };
    }

    /// Returns the watchers that are not terminated, one line each, sorted.
    pub fn summary(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.watchers.values().map(Entry::summary).collect();
        lines.sort();
        lines
    }
}

fn required<'a>(element: &'a Element, name: &str) -> Result<&'a str, String> {
    element.attribute(name).filter(|value| !value.is_empty()).ok_or_else(|| format!("<{}> has no {name}", element.name))
}

fn number(text: &str) -> Result<u64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| format!("{text:?} is no number"))
}

/// Returns the children of our namespace, which may only be `name`; other namespaces' are ignored (RFC 3858 §3.3).
fn known_children<'a>(element: &'a Element, name: &'static str) -> impl Iterator<Item = &'a Element> {
    element.children.iter().filter(move |child| child.is(NAMESPACE, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(version: &str, state: &str, watchers: &str) -> String {
        format!(
            "<watcherinfo xmlns='{NAMESPACE}' version='{version}' state='{state}'>\
             <watcher-list resource='sip:dana@pres.example' package='presence'>{watchers}</watcher-list></watcherinfo>"
        )
    }

    fn watcher(id: &str, status: &str, event: &str) -> String {
        format!("<watcher id='{id}' status='{status}' event='{event}'>sip:{id}@watch.example</watcher>")
    }

    fn read(version: u32, state: &str, watchers: &str) -> WatcherInfo {
        WatcherInfo::read(document(&version.to_string(), state, watchers).as_bytes()).unwrap()
    }

    fn check_refused(text: &str, why: &str) {
        let error = WatcherInfo::read(text.as_bytes()).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }

    #[test]
    fn a_document_is_read() {
        let eli = "<watcher id='w-1' status='pending' event='subscribe' display-name='Eli' expiration='9' \
                   duration-subscribed='41' xml:lang='en'>sip:eli@o.example</watcher><x xmlns='urn:x'/>";
        let info = read(0, "full", eli);
        let only = info.only();
        assert_eq!((only.display_name.as_deref(), only.expiration_s), (Some("Eli"), Some(9)));
        assert_eq!((only.duration_subscribed_s, info.is_full), (Some(41), true));
        assert_eq!(info.summary(), ["sip:eli@o.example pending subscribe"]);
    }

    #[test]
    fn invalid_documents_are_refused() {
        let ann = watcher("a", "active", "subscribe");
        check_refused(&document("-1", "full", &ann), "no number");
        check_refused(&document("4294967296", "full", &ann), "32 bits");
        check_refused(&document("", "full", &ann), "no version");
        check_refused(&document("0", "whole", &ann), "state");
        check_refused(&document("0", "full", &format!("{ann}{ann}")), "twice");
        check_refused(&document("0", "full", &watcher("a@b", "active", "subscribe")), "no token");
        check_refused(&document("0", "full", &watcher("a", "init", "subscribe")), "status");
        check_refused(&document("0", "full", &watcher("a", "waiting", "approved")), "because of");
        check_refused(&document("0", "full", "<watcher id='a' status='active'>sip:a@b</watcher>"), "no event");
        check_refused(&document("0", "full", "<watcher id='a' status='active' event='approved'/>"), "no URI");
        check_refused("<watcherinfo version='0' state='full'/>", "root");
    }

    #[test]
    fn full_documents_flush_and_partial_ones_add() {
        let mut table = Table::default();
        let (ann, bob) = (watcher("ann", "pending", "subscribe"), watcher("bob", "active", "subscribe"));
        table.apply(&read(0, "full", &ann)).unwrap();
        table.apply(&read(1, "partial", &bob)).unwrap();
        assert_eq!(table.summary().len(), 2);
        table.apply(&read(2, "partial", &watcher("ann", "active", "approved"))).unwrap();
        assert_eq!(
            table.summary(),
            ["sip:ann@watch.example active approved", "sip:bob@watch.example active subscribe"]
        );
        table.apply(&read(3, "partial", &watcher("bob", "terminated", "timeout"))).unwrap();
        table.apply(&read(4, "full", "")).unwrap();
        assert!(table.summary().is_empty());
    }

    /// Applies `documents` in order; the last of them must be refused for what `why` says.
    fn check_contradiction(documents: &[WatcherInfo], why: &str) {
        let mut table = Table::default();
        let (last, before) = documents.split_last().unwrap();
        before.iter().for_each(|document| table.apply(document).unwrap());
        let error = table.apply(last).expect_err("a contradiction");
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn what_contradicts_the_documents_before_is_seen() {
        let ann = watcher("ann", "active", "subscribe");
        let gone = watcher("ann", "terminated", "timeout");
        let renamed = ann.replace("sip:ann", "sip:eve");
        check_contradiction(&[read(1, "full", &ann)], "first version");
        check_contradiction(&[read(0, "partial", &ann)], "partial");
        check_contradiction(&[read(0, "full", &ann), read(2, "partial", &ann)], "follows");
        check_contradiction(&[read(0, "full", &ann), read(0, "full", &ann)], "follows");
        check_contradiction(&[read(0, "full", &ann), read(1, "partial", &renamed)], "was sip:ann");
        check_contradiction(&[read(0, "full", &gone), read(1, "partial", &ann)], "was terminated");
    }

    #[test]
    fn a_restart_may_jump_upward_with_a_full_document_once() {
        let mut table = Table::default();
        table.apply(&read(0, "full", "")).unwrap();
        table.allow_version_jump_once();
        table.apply(&read(64, "full", "")).unwrap();
        assert!(table.apply(&read(66, "full", "")).is_err());
        table.allow_version_jump_once();
        assert!(table.apply(&read(90, "partial", "")).is_err());
    }
}
