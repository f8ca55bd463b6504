//! A subscription's row as memory holds it: numbers, and one allocation for what it says itself.
//!
//! A [`SubscriptionRow`] is wide, and of passage: it comes from a request or from the database and goes to the database.
//! There are as many of these as there are subscriptions. What the rows of many devices say alike is kept once.

use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock, Weak};

use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;
use smol_str::{SmolStr, ToSmolStr};

use crate::change::{RenewedRow, Status, SubscriptionKey, SubscriptionRow, TransportAddress};
use crate::packed_texts::PackedTexts;
use crate::presentity_uri::{PresentityUri, UserAtDomain};

/// A row of `active_watchers`, named as in [`SubscriptionRow`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PackedRow {
    /// The row's key.
    pub key: SubscriptionKey,
    /// Whose state is watched.
    pub presentity: Arc<PresentityUri>,
    /// The texts of [`Own`].
    own: PackedTexts,
    common: Arc<Common>,
    /// When it expires, wall seconds.
    pub expires: u64,
    /// When it began, wall seconds.
    pub subscribed_at: u64,
    /// What was granted last, seconds.
    pub granted_s: u32,
    /// The upper bound of NOTIFY CSeqs that may have been used.
    pub local_cseq: u32,
    /// The CSeq of the last SUBSCRIBE.
    pub remote_cseq: u32,
    /// The document version, for packages that count.
    pub version: u32,
    /// Where it stands.
    pub status: Status,
    /// The user part of who watches is the one of the From URI, and not written again.
    is_user_in_from: bool,
}

/// The texts of a row that are its own, those first that a NOTIFY needs; a text that is often the same as another stands
/// behind it.
#[derive(Clone, Copy)]
enum Own {
    Received,
    RouteSet,
    RemoteTarget,
    LocalTag,
    RemoteTag,
    CallId,
    EventId,
    RemoteUri,
    Identity,
    LocalUri,
    PresentityUri,
    WatcherUser,
    WatcherId,
    UserAgent,
    Instance,
    DisplayName,
}

/// What a request in the dialog says of a row, taken out together.
#[derive(Clone, Copy, Debug)]
pub struct DialogTexts<'r> {
    /// The Record-Route values in the order received, joined by commas.
    pub route_set: &'r str,
    /// The remote target, a URI.
    pub remote_target: &'r str,
    /// Our tag.
    pub local_tag: &'r str,
    /// The watcher's tag.
    pub remote_tag: &'r str,
    /// The dialog's Call-ID.
    pub call_id: &'r str,
    /// The `id` parameter of Event, empty for none.
    pub event_id: &'r str,
    /// The To URI of our NOTIFYs.
    pub remote_uri: &'r str,
    /// The From URI of our NOTIFYs.
    pub local_uri: &'r str,
}

/// How many there are of them.
const OWN: usize = Own::DisplayName as usize + 1;

/// What the rows of many devices say alike.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Common {
    watcher_domain: SmolStr,
    event: SmolStr,
    accept: SmolStr,
    local_contact: SmolStr,
    socket: Option<TransportAddress>,
}

impl From<&SubscriptionRow> for PackedRow {
    fn from(row: &SubscriptionRow) -> Self {
        Self {
            key: row.key,
            presentity: row.presentity.clone(),
            own: PackedTexts::of(own_texts(row, &column(row.received))),
            is_user_in_from: is_user_in_from(row),
            common: Common::of(row).kept_once(),
            expires: row.expires,
            subscribed_at: row.subscribed_at,
            granted_s: row.granted_s,
            local_cseq: row.local_cseq,
            remote_cseq: row.remote_cseq,
            version: row.version,
            status: row.status,
        }
    }
}

/// The texts of [`Own`], in its order.
fn own_texts<'r>(row: &'r SubscriptionRow, received: &'r str) -> [&'r str; OWN] {
    [
        received,
        &row.route_set,
        &row.remote_target,
        &row.local_tag,
        &row.remote_tag,
        &row.call_id,
        &row.event_id,
        &row.remote_uri,
        &row.identity,
        &row.local_uri,
        &row.presentity_uri,
        if is_user_in_from(row) { "" } else { &row.watcher.user },
        &row.watcher_id,
        &row.user_agent,
        &row.instance,
        &row.display_name,
    ]
}

fn is_user_in_from(row: &SubscriptionRow) -> bool {
    user_part(&row.remote_uri) == Some(&row.watcher.user)
}

/// Returns the user part of a URI as it stands there, escaped or not.
fn user_part(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(':')?;
    rest.split_once('@').map(|(user, _)| user)
}

fn column(address: Option<TransportAddress>) -> SmolStr {
    address.map_or_else(SmolStr::default, |address| address.to_smolstr())
}

impl PackedRow {
    /// Returns the row as it is written.
    pub fn to_row(&self) -> SubscriptionRow {
        let text = |own| SmolStr::from(self.own.get(own as usize));
        let Common { accept, local_contact, socket, .. } = (*self.common).clone();
        SubscriptionRow {
            key: self.key,
            presentity: self.presentity.clone(),
            watcher: self.watcher(),
            event: self.event().clone(),
            event_id: text(Own::EventId),
            call_id: text(Own::CallId),
            local_tag: text(Own::LocalTag),
            remote_tag: text(Own::RemoteTag),
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq,
            remote_target: text(Own::RemoteTarget),
            route_set: text(Own::RouteSet),
            expires: self.expires,
            granted_s: self.granted_s,
            status: self.status,
            version: self.version,
            presentity_uri: text(Own::PresentityUri),
            local_uri: text(Own::LocalUri),
            remote_uri: text(Own::RemoteUri),
            identity: text(Own::Identity),
            accept,
            local_contact,
            received: self.received(),
            socket,
            user_agent: text(Own::UserAgent),
            instance: text(Own::Instance),
            watcher_id: text(Own::WatcherId),
            display_name: text(Own::DisplayName),
            subscribed_at: self.subscribed_at,
        }
    }

    /// Returns what a refresh may renew, as it is.
    pub fn renewed(&self) -> RenewedRow {
        RenewedRow {
            key: self.key,
            remote_cseq: self.remote_cseq,
            local_cseq: self.local_cseq,
            remote_target: self.remote_target().into(),
            received: self.received(),
            socket: self.socket(),
            local_contact: self.local_contact().clone(),
            expires: self.expires,
            granted_s: self.granted_s,
            accept: self.accept().clone(),
            user_agent: self.user_agent().into(),
        }
    }

    /// Returns whether a refresh by `by` changes nothing but `remote_cseq`, `expires` and `granted_s`.
    pub fn is_prolonged_only(&self, by: &RenewedRow) -> bool {
        (self.local_cseq, self.accept(), self.user_agent()) == (by.local_cseq, &by.accept, &by.user_agent)
            && self.is_at(by)
    }

    /// Takes over what a refresh renews; most of the time that is numbers.
    pub fn renew(&mut self, by: &RenewedRow) {
        (self.remote_cseq, self.local_cseq) = (by.remote_cseq, by.local_cseq);
        (self.expires, self.granted_s) = (by.expires, by.granted_s);
        self.replace_own(Own::UserAgent, &by.user_agent);
        if self.common.accept != by.accept {
            self.common = Common { accept: by.accept.clone(), ..(*self.common).clone() }.kept_once();
        }
        self.go_over(by);
    }

    /// Takes over where both sides are.
    pub fn go_over(&mut self, to: &RenewedRow) {
        self.replace_own(Own::RemoteTarget, &to.remote_target);
        if self.received() != to.received {
            self.replace_own(Own::Received, &column(to.received));
        }
        let common = &*self.common;
        if (&common.local_contact, common.socket) != (&to.local_contact, to.socket) {
            let (local_contact, socket) = (to.local_contact.clone(), to.socket);
            self.common = Common { local_contact, socket, ..common.clone() }.kept_once();
        }
    }

    fn replace_own(&mut self, own: Own, by: &str) {
        let at = own as usize;
        if self.own.get(at) != by {
            let texts = self.own.iter().enumerate();
            self.own = PackedTexts::of(texts.map(|(known, text)| if known == at { by } else { text }));
        }
    }

    /// Returns whether both sides are where `other` says.
    pub fn is_at(&self, other: &RenewedRow) -> bool {
        (self.remote_target(), self.received()) == (&other.remote_target, other.received)
            && (self.local_contact(), self.socket()) == (&other.local_contact, other.socket)
    }

    /// Returns what a request in the dialog says.
    pub fn dialog_texts(&self) -> DialogTexts<'_> {
        let [_, route_set, remote_target, local_tag, remote_tag, call_id, event_id, remote_uri, _, local_uri] =
            self.own.first();
        DialogTexts { route_set, remote_target, local_tag, remote_tag, call_id, event_id, remote_uri, local_uri }
    }

    /// Who watches.
    pub fn watcher(&self) -> UserAtDomain {
        UserAtDomain::new(self.watcher_user(), self.watcher_domain().clone())
    }

    /// Returns whether it is `watcher` who watches.
    pub fn is_of(&self, watcher: &UserAtDomain) -> bool {
        (self.watcher_user(), self.watcher_domain()) == (&watcher.user, &watcher.domain)
    }

    /// The user part of who watches.
    pub fn watcher_user(&self) -> &str {
        match self.is_user_in_from {
            true => user_part(self.remote_uri()).unwrap_or_default(),
            false => self.own.get(Own::WatcherUser as usize),
        }
    }

    /// The domain of who watches.
    pub fn watcher_domain(&self) -> &SmolStr {
        &self.common.watcher_domain
    }

    /// The event package.
    pub fn event(&self) -> &SmolStr {
        &self.common.event
    }

    /// The `id` parameter of Event, empty for none.
    pub fn event_id(&self) -> &str {
        self.own.get(Own::EventId as usize)
    }

    /// The dialog's Call-ID.
    pub fn call_id(&self) -> &str {
        self.own.get(Own::CallId as usize)
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        self.own.get(Own::LocalTag as usize)
    }

    /// The watcher's tag.
    pub fn remote_tag(&self) -> &str {
        self.own.get(Own::RemoteTag as usize)
    }

    /// The remote target, a URI.
    pub fn remote_target(&self) -> &str {
        self.own.get(Own::RemoteTarget as usize)
    }

    /// The Record-Route values in the order received, joined by commas.
    pub fn route_set(&self) -> &str {
        self.own.get(Own::RouteSet as usize)
    }

    /// The Request-URI of the initial SUBSCRIBE.
    pub fn presentity_uri(&self) -> &str {
        self.own.get(Own::PresentityUri as usize)
    }

    /// The From URI of our NOTIFYs.
    pub fn local_uri(&self) -> &str {
        self.own.get(Own::LocalUri as usize)
    }

    /// The To URI of our NOTIFYs.
    pub fn remote_uri(&self) -> &str {
        self.own.get(Own::RemoteUri as usize)
    }

    /// The authenticated identity, empty for none.
    pub fn identity(&self) -> &str {
        self.own.get(Own::Identity as usize)
    }

    /// The Accept of the latest SUBSCRIBE, empty for none.
    pub fn accept(&self) -> &SmolStr {
        &self.common.accept
    }

    /// The Contact URI we gave.
    pub fn local_contact(&self) -> &SmolStr {
        &self.common.local_contact
    }

    /// Where NOTIFYs go instead of the remote target.
    pub fn received(&self) -> Option<TransportAddress> {
        TransportAddress::from_column(self.own.get(Own::Received as usize))
    }

    /// The listener the SUBSCRIBE came in on.
    pub fn socket(&self) -> Option<TransportAddress> {
        self.common.socket
    }

    /// The watcher's User-Agent.
    pub fn user_agent(&self) -> &str {
        self.own.get(Own::UserAgent as usize)
    }

    /// Which device it is, empty for not known.
    pub fn instance(&self) -> &str {
        self.own.get(Own::Instance as usize)
    }

    /// The stable id in watcher information.
    pub fn watcher_id(&self) -> &str {
        self.own.get(Own::WatcherId as usize)
    }

    /// The From display name.
    pub fn display_name(&self) -> &str {
        self.own.get(Own::DisplayName as usize)
    }
}

/// Who subscribes, and to what: what its authorisation state is of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subscriber {
    /// Who.
    pub watcher: UserAtDomain,
    /// To which event package.
    pub event: SmolStr,
    /// As whom it was proven, empty for nobody knows.
    pub identity: SmolStr,
    /// Its id in watcher information.
    pub watcher_id: SmolStr,
}

impl SubscriptionRow {
    /// Returns who subscribes.
    pub fn subscriber(&self) -> Subscriber {
        let (identity, watcher_id) = (self.identity.clone(), self.watcher_id.clone());
        Subscriber { watcher: self.watcher.clone(), event: self.event.clone(), identity, watcher_id }
    }
}

impl PackedRow {
    /// Returns who subscribes.
    pub fn subscriber(&self) -> Subscriber {
        let (identity, watcher_id) = (self.identity().into(), self.watcher_id().into());
        Subscriber { watcher: self.watcher(), event: self.event().clone(), identity, watcher_id }
    }
}

impl PartialEq<SubscriptionRow> for PackedRow {
    fn eq(&self, row: &SubscriptionRow) -> bool {
        let numbers = (row.expires, row.subscribed_at, row.granted_s, row.local_cseq, row.remote_cseq, row.version);
        (self.expires, self.subscribed_at, self.granted_s, self.local_cseq, self.remote_cseq, self.version) == numbers
            && (self.key, self.status, self.is_user_in_from) == (row.key, row.status, is_user_in_from(row))
            && self.presentity == row.presentity
            && self.own.iter().eq(own_texts(row, &column(row.received)))
            && *self.common == Common::of(row)
    }
}

impl Common {
    fn of(row: &SubscriptionRow) -> Self {
        Self {
            watcher_domain: row.watcher.domain.clone(),
            event: row.event.clone(),
            accept: row.accept.clone(),
            local_contact: row.local_contact.clone(),
            socket: row.socket,
        }
    }

    /// Returns the one that is in use if an equal one was met a short while ago. Nobody keeps it but the rows, and what is
    /// remembered is bounded, whatever devices say.
    fn kept_once(self) -> Arc<Self> {
        static RECENT: LazyLock<Box<[Mutex<Weak<Common>>]>> =
            LazyLock::new(|| (0..256).map(|_| Mutex::default()).collect());
        let hash = FxBuildHasher.hash_one(&self) as usize;
        let mut recent = RECENT[hash % RECENT.len()].lock();
        if let Some(known) = recent.upgrade().filter(|known| **known == self) {
            return known;
        }
        let common = Arc::new(self);
        *recent = Arc::downgrade(&common);
        common
    }
}

#[cfg(test)]
mod tests;
