//! A SUBSCRIBE as its notifier decides it (RFC 6665 §4.2.1), initial, refreshing, ending or asking once.
//!
//! Pure: the request is already taken apart; what the headers alone can refuse, `edge/subscribe.rs` has refused.

use std::sync::Arc;

use smol_str::SmolStr;

use crate::authorization;
use crate::change::{Change, Ending, Now, SubscriptionRow, TransportAddress};
use crate::dialog::{CSEQ_BLOCK, Dialog};
use crate::package::Package;

/// A SUBSCRIBE without a To tag, taken apart.
#[derive(Clone, Debug)]
pub struct InitialSubscribe {
    /// The package.
    pub package: Package,
    /// The row it would have; `expires`, `granted_s`, `local_cseq`, `status` and `subscribed_at` are still open.
    pub row: SubscriptionRow,
    /// The requested lifetime.
    pub expires: Option<u32>,
    /// The connection it came on, 0 for none.
    pub flow: u64,
}

/// A SUBSCRIBE inside a dialog, taken apart.
#[derive(Clone, Debug)]
pub struct RefreshSubscribe {
    /// The package.
    pub package: Package,
    /// The `id` parameter of Event, empty for none.
    pub event_id: SmolStr,
    /// Its CSeq.
    pub cseq: u32,
    /// The requested lifetime.
    pub expires: Option<u32>,
    /// Its Contact: the new remote target (RFC 3261 §12.2.2).
    pub remote_target: Option<SmolStr>,
    /// Its Accept, empty for none: it replaces the former (RFC 3856 §6.7).
    pub accept: SmolStr,
    /// Where NOTIFYs go instead of the remote target.
    pub received: Option<TransportAddress>,
    /// The listener it came in on.
    pub socket: Option<TransportAddress>,
    /// The connection it came on, 0 for none.
    pub flow: u64,
}

/// The bounds the operator sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SubscribePolicy {
    /// The longest lifetime granted, seconds.
    pub max_expires_s: u32,
    /// Whether a watcher nobody has decided on is active at once.
    pub force_active: bool,
}

/// What a successful SUBSCRIBE came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subscribed {
    /// What happens.
    pub changes: Vec<Change>,
    /// Expires of the answer.
    pub expires_s: u32,
    /// Contact of the answer.
    pub local_contact: SmolStr,
    /// Whether the answer brings a subscription into being.
    pub is_new: bool,
}

/// Why a SUBSCRIBE inside a dialog is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// 481: no such dialog, or its subscription is over (RFC 6665 §4.2.1.1).
    NoSuchDialog,
    /// 500: a CSeq that is not higher than the last (RFC 3261 §12.2.2).
    OutOfOrder,
    /// 403: another event or id in a dialog that has one (RFC 6665 §4.5.2).
    DialogSharing,
}

/// Decides on a SUBSCRIBE that would begin a dialog. `existing` has the same dialog id: the request came again, unless
/// its CSeq says that somebody chose this To-tag for a later one too.
pub fn on_initial(
    request: InitialSubscribe,
    existing: Option<&Dialog>,
    policy: SubscribePolicy,
    now: Now,
) -> Subscribed {
    let is_repeated = |dialog: &&Dialog| dialog.is_live(now.mono) || dialog.row.remote_cseq >= request.row.remote_cseq;
    if let Some(dialog) = existing.filter(is_repeated) {
        let left_s = dialog.deadline.seconds_from(now.mono) as u32;
        let expires_s = if dialog.is_live(now.mono) { left_s } else { 0 };
        let local_contact = dialog.row.local_contact.clone();
        return Subscribed { changes: Vec::new(), expires_s, local_contact, is_new: false };
    }
    let granted_s = policy.grant(request.package, request.expires);
    let row = Arc::new(SubscriptionRow {
        expires: now.wall_s + u64::from(granted_s),
        granted_s,
        local_cseq: CSEQ_BLOCK,
        status: authorization::without_rules(policy.force_active),
        subscribed_at: now.wall_s,
        ..request.row
    });
    let local_contact = row.local_contact.clone();
    let (deadline, flow) = (now.mono.plus_s(granted_s.into()), request.flow);
    let change = match granted_s {
        0 => Change::SubscriptionFetched { row, flow },
        _ => Change::SubscriptionStored { row, deadline, flow },
    };
    Subscribed { changes: vec![change], expires_s: granted_s, local_contact, is_new: granted_s > 0 }
}

/// Decides on a SUBSCRIBE inside `dialog`.
pub fn on_refresh(
    request: RefreshSubscribe,
    dialog: Option<&Dialog>,
    policy: SubscribePolicy,
    now: Now,
) -> Result<Subscribed, Rejection> {
    let dialog = dialog.filter(|dialog| dialog.is_live(now.mono)).ok_or(Rejection::NoSuchDialog)?;
    if request.cseq <= dialog.row.remote_cseq {
        return Err(Rejection::OutOfOrder);
    }
    if dialog.row.event != request.package.name() || dialog.row.event_id != request.event_id {
        return Err(Rejection::DialogSharing);
    }
    let granted_s = policy.grant(request.package, request.expires);
    let mut row = SubscriptionRow::clone(&dialog.row);
    row.remote_cseq = request.cseq;
    row.remote_target = request.remote_target.unwrap_or(row.remote_target);
    row.accept = request.accept;
    (row.received, row.socket) = (request.received, request.socket);
    row.expires = now.wall_s + u64::from(granted_s);
    row.granted_s = granted_s;
    let (key, local_contact) = (row.key, row.local_contact.clone());
    let (deadline, flow) = (now.mono.plus_s(granted_s.into()), request.flow);
    let refreshed = Change::SubscriptionRefreshed { row: Arc::new(row), deadline, flow };
    let changes = match granted_s {
        // The target it names is where its last NOTIFY goes, so the refresh comes first.
        0 => vec![refreshed, Change::SubscriptionRemoved { key, ending: Ending::Unsubscribed }],
        _ => vec![refreshed],
    };
    Ok(Subscribed { changes, expires_s: granted_s, local_contact, is_new: false })
}

impl SubscribePolicy {
    /// Returns the lifetime granted: never more than asked for (RFC 6665 §3.1.1).
    fn grant(self, package: Package, requested: Option<u32>) -> u32 {
        requested.unwrap_or(package.default_expires_s()).min(self.max_expires_s)
    }
}
