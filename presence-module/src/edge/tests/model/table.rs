//! Watcher information as its subscriber takes it in (RFC 3858 §4), and what each document must keep to.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::records::Subscription;
use super::truth::Truth;
use crate::change::{Ending, Now};
use crate::watcher::{Event, Status};

/// Who watches, as far as was told.
#[derive(Default)]
pub(super) struct Table {
    pub(super) watchers: BTreeMap<SmolStr, Status>,
    /// Those who will not come back.
    gone: BTreeSet<SmolStr>,
    /// The version of the last document told.
    version: Option<u32>,
    /// The next version is higher, but not by one.
    may_jump: bool,
    /// The next document is full: the last may not have been taken, or may rest on what was refused.
    needs_all: bool,
}

/// A watcher in a document.
pub(super) struct Told {
    id: SmolStr,
    status: Status,
    event: SmolStr,
    pub(super) uri: String,
    expiration_s: Option<u64>,
}

struct Document {
    version: u32,
    is_full: bool,
    told: Vec<Told>,
}

fn read(document: &[u8]) -> Document {
    let text = std::str::from_utf8(document).expect("UTF-8");
    let xml = roxmltree::Document::parse(text).expect("XML");
    let root = xml.root_element();
    let watchers = root.descendants().filter(|node| node.has_tag_name("watcher"));
    let told = watchers.map(|node| Told {
        id: node.attribute("id").expect("an id").into(),
        status: Status::from_token(node.attribute("status").expect("a status")).expect("a status"),
        event: node.attribute("event").expect("an event").into(),
        uri: node.text().unwrap_or_default().into(),
        expiration_s: node.attribute("expiration").map(|seconds| seconds.parse().expect("a number")),
    });
    Document {
        version: root.attribute("version").and_then(|version| version.parse().ok()).expect("a version"),
        is_full: root.attribute("state") == Some("full"),
        told: told.collect(),
    }
}

impl Table {
    /// Checks a document that leaves.
    pub(super) fn check(
        &mut self,
        document: &[u8],
        subscriber: &Subscription,
        ending: Option<Ending>,
        is_excused: bool,
        truth: &Truth,
        now: Now,
    ) {
        assert!(matches!(ending, None | Some(Ending::Unsubscribed)), "{ending:?} has no document");
        let Document { version, is_full, told } = read(document);
        let text = String::from_utf8_lossy(document);
        match self.version {
            None => assert!(version == 0 || self.may_jump, "the first version is 0: {text}"),
            Some(last) if self.may_jump => assert!(version > last, "{version} after {last}"),
            Some(last) => assert_eq!(version, last + 1, "{text}"),
        }
        let is_first = self.version.is_none();
        let must_be_full = subscriber.is_claimed || is_first || self.needs_all || ending.is_some();
        assert!(is_full || !must_be_full, "all is owed: {text}");
        assert!(is_full || !told.is_empty(), "nobody changed: {text}");
        assert!(!is_full || must_be_full || is_excused, "only who changed: {text}");
        (self.version, self.may_jump, self.needs_all) = (Some(version), false, false);

        let ids: BTreeSet<_> = told.iter().map(|told| &told.id).collect();
        assert_eq!(ids.len(), told.len(), "an id names one watcher: {text}");
        let present = truth.table(subscriber);
        if is_full {
            let listed = told.iter().filter(|told| told.status != Status::Terminated);
            let listed: BTreeMap<_, _> = listed.map(|told| (told.id.clone(), told.status)).collect();
            assert_eq!(listed, present, "who is there: {text}");
        } else {
            let changed: BTreeSet<_> = subscriber.changed.keys().collect();
            assert_eq!(ids, changed, "who changed: {text}");
        }
        for told in &told {
            assert!(told.is_somebody(), "{text}");
            if !is_full {
                let changed = subscriber.changed.get(&told.id).map(|changed| (changed.status, changed.event.as_str()));
                assert_eq!(changed, Some((told.status, &*told.event)), "{}: {text}", told.id);
            }
            assert!(leads_to(&told.event, told.status), "{} to {:?}", told.event, told.status);
            let subscription = truth.subscriptions.values().find(|subscription| subscription.id == told.id);
            let left_s = subscription.map(|subscription| subscription.deadline.seconds_from(now.mono));
            assert_eq!(told.expiration_s, left_s, "{}: {text}", told.id);
        }
    }

    /// Takes in a document: a full one is all there is, a partial one what changed.
    pub(super) fn take(&mut self, document: &[u8]) {
        let Document { is_full, told, .. } = read(document);
        let former = self.watchers.clone();
        if is_full {
            self.watchers.clear();
        }
        for told in told {
            assert!(!self.gone.contains(&told.id), "{} comes back", told.id);
            if told.status == Status::Terminated {
                self.watchers.remove(&told.id);
                self.gone.insert(told.id);
            } else {
                let was_waiting = former.get(&told.id) == Some(&Status::Waiting);
                assert!(!was_waiting || told.status == Status::Waiting, "nobody subscribes on by waiting");
                self.watchers.insert(told.id, told.status);
            }
        }
        let gone = former.into_keys().filter(|id| !self.watchers.contains_key(id));
        self.gone.extend(gone);
    }

    /// Notes that the last document may not have been taken.
    pub(super) fn doubt(&mut self) {
        self.needs_all = true;
    }

    /// Notes that the machine does not know what it told.
    pub(super) fn forget(&mut self) {
        (self.needs_all, self.may_jump) = (true, true);
    }
}

/// Says whether an arrow of RFC 3857 §4.7.1, Figure 1, or RFC 5025 §3.2.1 that is called `event` leads to `status`.
fn leads_to(event: &str, status: Status) -> bool {
    let is = |events: &[Event]| events.iter().any(|known| known.as_str() == event);
    match status {
        Status::Active => is(&[Event::Subscribe, Event::Approved]),
        Status::Pending => is(&[Event::Subscribe]),
        Status::Terminated => {
            is(&[Event::Approved, Event::Deactivated, Event::Giveup, Event::Rejected, Event::Timeout])
        }
        Status::Waiting => is(&[Event::Timeout]),
    }
}
