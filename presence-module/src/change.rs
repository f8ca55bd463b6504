//! What can happen to a presentity, as data: the store writes a `Change`, memory applies it, recovery replays it.
//!
//! Rows carry wall-clock seconds, because they outlive the process; deadlines are on the monotonic clock, because no
//! clock that is set may prolong or cut a subscription.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use module_api::abi::Transport;
use smol_str::SmolStr;

use crate::presentity_uri::{PresentityUri, UserAtDomain};
use crate::watcher;

/// A moment on the monotonic clock, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(pub u64);

impl Moment {
    /// Returns the moment `seconds` later.
    pub fn plus_s(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Returns the whole seconds left until `self`: at least 1 while it is to come, for what is told as 0 is over, and
    /// else rounded down, for nobody may count on more than is left.
    pub fn seconds_from(self, now: Moment) -> u64 {
        let left_ms = self.0.saturating_sub(now.0);
        (left_ms / 1000).max(u64::from(left_ms > 0))
    }
}

/// Both clocks at one moment: `mono` decides, wall time is written down.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    /// The monotonic clock.
    pub mono: Moment,
    /// Milliseconds since 1970-01-01 UTC.
    pub wall_ms: u64,
}

/// One publication: a row of `presentity`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicationRow {
    /// The row's key, stable over refreshes.
    pub id: u64,
    /// Whose state it is.
    pub presentity: Arc<PresentityUri>,
    /// The event package.
    pub event: SmolStr,
    /// The current entity-tag (RFC 3903 §4.1).
    pub entity_tag: SmolStr,
    /// When it expires, wall seconds.
    pub expires: u64,
    /// When the last state-bearing PUBLISH came, wall milliseconds; `received_time` holds the seconds of it.
    pub received_at_ms: u64,
    /// The published document.
    pub body: Arc<str>,
}

/// Identifies a subscription: the milliseconds of the wall clock at which it began, and a hash of dialog, event package and
/// event id.
///
/// The time is in front as in a UUID of version 7 (RFC 9562 §5.7), and for its reason: rows that begin together are written,
/// refreshed and removed together, and lie in few pages of their table. It orders nothing else, and may be wrong.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubscriptionKey(pub [u8; 16]);

/// Where a subscription stands (RFC 6665 §4.1.3); what is terminated has no row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Authorised.
    Active,
    /// Not decided on yet.
    Pending,
    /// Blocked without being told: active to the watcher, and the presentity looks offline (RFC 5025 §3.2.1).
    PoliteBlocked,
}

impl Status {
    /// Returns the token of Subscription-State and of the `status` column.
    pub fn as_str(self) -> &'static str {
        self.watcher().as_str()
    }

    /// Returns what the `reason` column says besides.
    pub fn reason(self) -> &'static str {
        if self == Self::PoliteBlocked { POLITE_BLOCK } else { "" }
    }

    /// Reads both columns; a reason that is none of ours says nothing.
    pub fn from_columns(status: &str, reason: &str) -> Option<Self> {
        match (watcher::Status::from_token(status)?, reason) {
            (watcher::Status::Active, POLITE_BLOCK) => Some(Self::PoliteBlocked),
            (watcher::Status::Active, _) => Some(Self::Active),
            (watcher::Status::Pending, _) => Some(Self::Pending),
            (watcher::Status::Terminated | watcher::Status::Waiting, _) => None,
        }
    }

    /// Returns how the presentity's other watchers are told of it: a polite block shows nowhere (RFC 3857 §4.7.2).
    pub fn watcher(self) -> watcher::Status {
        match self {
            Self::Active | Self::PoliteBlocked => watcher::Status::Active,
            Self::Pending => watcher::Status::Pending,
        }
    }
}

/// As the module of 2006 wrote it.
const POLITE_BLOCK: &str = "polite-block";

/// A transport address as a column writes it: `udp:192.0.2.1:5060`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TransportAddress {
    /// UDP or TCP.
    pub transport: Transport,
    /// The address.
    pub address: SocketAddr,
}

impl fmt::Display for TransportAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.transport == Transport::TCP { "tcp" } else { "udp" };
        write!(f, "{scheme}:{}", self.address)
    }
}

impl TransportAddress {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn from_column(text: &str) -> Option<Self> {
        let (scheme, address) = text.split_once(':')?;
        let transport = match scheme {
            "udp" => Transport::UDP,
            "tcp" => Transport::TCP,
            _ => return None,
        };
        Some(Self { transport, address: address.parse().ok()? })
    }
}

/// One subscription and its dialog: a row of `active_watchers`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SubscriptionRow {
    /// The row's key.
    pub key: SubscriptionKey,
    /// Whose state is watched: `to_user`, `to_domain`.
    pub presentity: Arc<PresentityUri>,
    /// Who watches, by the identity or, without one, by the From URI: `from_user`, `from_domain`.
    pub watcher: UserAtDomain,
    /// The event package.
    pub event: SmolStr,
    /// The `id` parameter of Event, empty for none.
    pub event_id: SmolStr,
    /// The dialog's Call-ID.
    pub call_id: SmolStr,
    /// Our tag: `to_tag`, as the SUBSCRIBE's answer carried it.
    pub local_tag: SmolStr,
    /// The watcher's tag: `from_tag`.
    pub remote_tag: SmolStr,
    /// The upper bound of NOTIFY CSeqs that may have been used: `local_cseq`.
    pub local_cseq: u32,
    /// The CSeq of the last SUBSCRIBE: `remote_cseq` and, for readers of 2006, `cseq`.
    pub remote_cseq: u32,
    /// The remote target: `contact`, a URI.
    pub remote_target: SmolStr,
    /// The Record-Route values in the order received, joined by commas: `record_route`.
    pub route_set: SmolStr,
    /// When it expires, wall seconds.
    pub expires: u64,
    /// What was granted last, seconds: bounds what a recovery may believe.
    pub granted_s: u32,
    /// Active or pending: `status`, `reason`.
    pub status: Status,
    /// The document version, for packages that count.
    pub version: u32,
    /// The Request-URI of the initial SUBSCRIBE: the `entity` the watcher asked for.
    pub presentity_uri: SmolStr,
    /// The To URI of the SUBSCRIBE: the From URI of our NOTIFYs.
    pub local_uri: SmolStr,
    /// The From URI of the SUBSCRIBE: the To URI of our NOTIFYs.
    pub remote_uri: SmolStr,
    /// The authenticated identity, empty for none.
    pub identity: SmolStr,
    /// The Accept of the latest SUBSCRIBE, empty for none.
    pub accept: SmolStr,
    /// The Contact URI we gave.
    pub local_contact: SmolStr,
    /// Where NOTIFYs go instead of the remote target (a watcher behind a NAT).
    pub received: Option<TransportAddress>,
    /// The listener the SUBSCRIBE came in on.
    pub socket: Option<TransportAddress>,
    /// The watcher's User-Agent, cut to what a person needs (256 bytes).
    pub user_agent: SmolStr,
    /// Which device it is, from `+sip.instance` of Contact (RFC 5626 §4.1), empty for none.
    pub instance: SmolStr,
    /// The stable id in watcher information.
    pub watcher_id: SmolStr,
    /// The From display name.
    pub display_name: SmolStr,
    /// When it began, wall seconds.
    pub subscribed_at: u64,
}

/// What a refresh renews of a [`SubscriptionRow`], and a move some of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RenewedRow {
    /// The row's key.
    pub key: SubscriptionKey,
    /// The CSeq of the SUBSCRIBE.
    pub remote_cseq: u32,
    /// The upper bound of NOTIFY CSeqs that may have been used.
    pub local_cseq: u32,
    /// The remote target; moves too.
    pub remote_target: SmolStr,
    /// Where NOTIFYs go instead of the remote target; moves too.
    pub received: Option<TransportAddress>,
    /// The listener the SUBSCRIBE came in on; moves too.
    pub socket: Option<TransportAddress>,
    /// The Contact URI we gave; moves too.
    pub local_contact: SmolStr,
    /// When it expires, wall seconds.
    pub expires: u64,
    /// What was granted, seconds.
    pub granted_s: u32,
    /// The Accept of the SUBSCRIBE, empty for none.
    pub accept: SmolStr,
    /// The watcher's User-Agent.
    pub user_agent: SmolStr,
}

impl From<&SubscriptionRow> for RenewedRow {
    fn from(row: &SubscriptionRow) -> Self {
        Self {
            key: row.key,
            remote_cseq: row.remote_cseq,
            local_cseq: row.local_cseq,
            remote_target: row.remote_target.clone(),
            received: row.received,
            socket: row.socket,
            local_contact: row.local_contact.clone(),
            expires: row.expires,
            granted_s: row.granted_s,
            accept: row.accept.clone(),
            user_agent: row.user_agent.clone(),
        }
    }
}

impl SubscriptionRow {
    /// Takes over what a refresh renews.
    pub fn renew(&mut self, by: &RenewedRow) {
        (self.remote_cseq, self.local_cseq) = (by.remote_cseq, by.local_cseq);
        (self.expires, self.granted_s) = (by.expires, by.granted_s);
        (self.accept, self.user_agent) = (by.accept.clone(), by.user_agent.clone());
        self.go_over(by);
    }

    /// Takes over where both sides are.
    pub fn go_over(&mut self, to: &RenewedRow) {
        (self.remote_target, self.local_contact) = (to.remote_target.clone(), to.local_contact.clone());
        (self.received, self.socket) = (to.received, to.socket);
    }
}

/// An authorisation state: a row of `watchers`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatcherRow {
    /// Whose: `p_user`, `p_domain`.
    pub presentity: Arc<PresentityUri>,
    /// Who: `w_user`, `w_domain`.
    pub watcher: UserAtDomain,
    /// For which event package.
    pub event: SmolStr,
    /// `subs_status`.
    pub status: watcher::Status,
    /// Why, empty for none.
    pub reason: SmolStr,
    /// Since when, wall seconds.
    pub inserted_time: u64,
    /// The identity it was decided by, empty for none: whoever had none proves nothing about who has.
    pub identity: SmolStr,
    /// The stable id in watcher information.
    pub watcher_id: SmolStr,
    /// When a state nobody decides on is given up, wall seconds; 0 for never.
    pub deadline: u64,
}

/// How a subscription ends, and what its watcher hears of it (RFC 6665 §4.2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// Its row was removed by another program: `terminated;reason=deactivated`, and the watcher may subscribe again.
    Deactivated,
    /// It was not refreshed: `terminated;reason=timeout`, no document.
    Expired,
    /// Nobody decided on it in time: `terminated;reason=giveup`.
    GivenUp,
    /// The rules deny it from now on: `terminated;reason=rejected`.
    Rejected,
    /// The watcher is gone or asked for silence: nothing is sent.
    Silent,
    /// The watcher asked for the end: `terminated;reason=timeout` with the current document (§4.4.3).
    Unsubscribed,
}

impl Ending {
    /// Returns what it is to the presentity's other watchers (RFC 3857 §4.7.1).
    pub fn event(self) -> watcher::Event {
        match self {
            Self::Deactivated => watcher::Event::Deactivated,
            Self::Expired | Self::Silent | Self::Unsubscribed => watcher::Event::Timeout,
            Self::GivenUp => watcher::Event::Giveup,
            Self::Rejected => watcher::Event::Rejected,
        }
    }
}

/// One thing that happens to one presentity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A publication begins.
    PublicationStored {
        /// The whole row.
        row: PublicationRow,
        /// When it ends.
        deadline: Moment,
        /// Whose subscriptions are not told; never stored.
        sender: Option<Box<UserAtDomain>>,
    },
    /// A publication goes on: refreshed, and modified where there is a body.
    PublicationContinued {
        /// Which row.
        id: u64,
        /// The new entity-tag.
        entity_tag: SmolStr,
        /// The new document, if it changed.
        body: Option<Arc<str>>,
        /// When the document in force came, wall milliseconds; it moves with `body` only.
        received_at_ms: u64,
        /// When it expires, wall seconds.
        expires: u64,
        /// When it ends.
        deadline: Moment,
        /// Whose subscriptions are not told; never stored.
        sender: Option<Box<UserAtDomain>>,
    },
    /// A publication ends.
    PublicationRemoved {
        /// Which row.
        id: u64,
    },
    /// A subscription begins.
    SubscriptionStored {
        /// The whole row.
        row: Arc<SubscriptionRow>,
        /// When it ends.
        deadline: Moment,
        /// The open connection its NOTIFYs use, 0 for none; never stored.
        flow: u64,
    },
    /// A subscription is refreshed.
    SubscriptionRefreshed {
        /// What of the row is another now.
        row: Box<RenewedRow>,
        /// Only `remote_cseq`, `expires` and `granted_s` of it are.
        is_prolonged_only: bool,
        /// When it ends.
        deadline: Moment,
        /// The open connection its NOTIFYs use, 0 for none; never stored.
        flow: u64,
    },
    /// A subscription goes on under another authorisation.
    SubscriptionAuthorized {
        /// Which row.
        key: SubscriptionKey,
        /// Where it stands from now on.
        status: Status,
    },
    /// A watcher is elsewhere, or we are: by another subscription's request in the dialog, or the 2xx of a NOTIFY.
    SubscriptionMoved {
        /// Where both sides are now, beside the rest.
        row: Box<RenewedRow>,
        /// The open connection its NOTIFYs use, 0 for none; never stored.
        flow: u64,
    },
    /// NOTIFY CSeqs up to `local_cseq` may be used from now on.
    CseqReserved {
        /// Which row.
        key: SubscriptionKey,
        /// The new upper bound.
        local_cseq: u32,
    },
    /// A subscription's row ends. In memory the dialog stays until its last NOTIFY is answered.
    SubscriptionRemoved {
        /// Which row.
        key: SubscriptionKey,
        /// What the watcher is told.
        ending: Ending,
        /// Whether the watcher waits for a decision under the id of this subscription; never stored.
        waits: bool,
    },
    /// A watcher's authorisation state begins or changes.
    WatcherStored {
        /// The whole row.
        row: WatcherRow,
        /// When it is given up, if it is a state nobody has decided on.
        deadline: Option<Moment>,
    },
    /// A watcher who waited for a decision is forgotten.
    WatcherRemoved {
        /// Whose.
        presentity: Arc<PresentityUri>,
        /// Who.
        watcher: UserAtDomain,
        /// For which event package.
        event: SmolStr,
        /// What ended the wait.
        because: watcher::Event,
    },
    /// Somebody asks once (RFC 6665 §4.4.3): a dialog that lives until its one NOTIFY is answered. Memory only.
    SubscriptionFetched {
        /// What the row would be.
        row: Arc<SubscriptionRow>,
        /// The open connection its NOTIFY uses, 0 for none.
        flow: u64,
    },
}

impl Now {
    /// Returns the seconds since 1970-01-01 UTC.
    pub fn wall_s(self) -> u64 {
        self.wall_ms / 1000
    }

    /// Returns by how much the wall clock is ahead of the monotonic one, in milliseconds: another value, and it was set.
    pub fn wall_ahead_ms(self) -> i128 {
        i128::from(self.wall_ms) - i128::from(self.mono.0)
    }

    /// Returns the moment at which the wall clock, if nobody sets it, shows `wall_ms`.
    pub fn at_wall_ms(self, wall_ms: u64) -> Moment {
        Moment(self.mono.0.saturating_add(wall_ms.saturating_sub(self.wall_ms)))
    }
}

impl Change {
    /// Returns whether the change is one the store writes.
    pub fn is_durable(&self) -> bool {
        !matches!(self, Self::SubscriptionFetched { .. })
    }
}
