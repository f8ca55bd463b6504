//! What the reference model knows of a publication, a subscription and a watcher.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::documents::Document;
use super::people::OWNER;
use super::rules::Shows;
use crate::change::{Moment, Status};
use crate::dialog::DialogKey;
use crate::package::Package;
use crate::presentity_uri::UserAtDomain;
use crate::watcher;

#[derive(Clone, Debug)]
pub(super) struct Publication {
    pub(super) device: usize,
    pub(super) document: Document,
    pub(super) entity_tag: SmolStr,
    pub(super) expires: u64,
    pub(super) deadline: Moment,
    pub(super) received_at_ms: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) dialog: DialogKey,
    pub(super) phone: usize,
    pub(super) name: UserAtDomain,
    /// What was proven, empty for nothing.
    pub(super) identity: &'static str,
    pub(super) package: Package,
    pub(super) event_id: SmolStr,
    /// In watcher information.
    pub(super) id: SmolStr,
    pub(super) remote_target: SmolStr,
    pub(super) status: Status,
    pub(super) shows: Shows,
    /// What led to its status.
    pub(super) event: watcher::Event,
    pub(super) expires: u64,
    pub(super) granted_s: u32,
    pub(super) deadline: Moment,
    /// It asked, or is told that it stands elsewhere: it is to be told at once.
    pub(super) is_claimed: bool,
    /// It stands elsewhere, and sees so at most by another document.
    pub(super) is_moved: bool,
    /// The machine took it up from a row, and does not know what was told of it.
    pub(super) is_taken_up: bool,
    /// It was not told of the last change, because it brought it about.
    pub(super) is_spared: bool,
    /// It is over, and was to see nothing before it was told so: that may be told without a document, whatever it may see
    /// again by then.
    pub(super) was_hidden: bool,
    /// In watcher information: who changed since it was told last.
    pub(super) changed: BTreeMap<SmolStr, Changed>,
}

/// Who is meant where an authorisation state is written, and for which package.
pub(super) type Name = (UserAtDomain, &'static str);

#[derive(Clone, Debug)]
pub(super) struct Changed {
    pub(super) status: watcher::Status,
    pub(super) event: watcher::Event,
    /// That it subscribed has not been told either.
    pub(super) is_begin: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Watcher {
    pub(super) status: watcher::Status,
    pub(super) reason: &'static str,
    pub(super) identity: &'static str,
    pub(super) id: SmolStr,
    /// When it is given up: in wall seconds, 0 for never, and as a deadline.
    pub(super) deadline_s: u64,
    pub(super) deadline: Option<Moment>,
}

impl Subscription {
    pub(super) fn of(&self) -> Name {
        (self.name.clone(), self.package.name())
    }

    /// Returns whether both are one person's, for the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.name, self.identity, self.package) == (&other.name, other.identity, other.package)
    }

    /// Returns whether it sees what somebody with `identity` subscribes to.
    pub(super) fn sees(&self, identity: &str, package: &str) -> bool {
        let is_own = !identity.is_empty() && self.identity == identity;
        self.package.watched().is_some_and(|watched| watched.name() == package) && (self.identity == OWNER || is_own)
    }
}
