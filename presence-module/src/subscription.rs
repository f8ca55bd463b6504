//! A SUBSCRIBE as its notifier decides it (RFC 6665 §4.2.1), initial, refreshing, ending or asking once.
//!
//! Pure: the request is already taken apart, and whether its watcher may see is already known.

use std::sync::Arc;

use smol_str::SmolStr;

use crate::change::{Change, Now, RenewedRow, Status, SubscriptionKey, SubscriptionRow, TransportAddress};
use crate::dialog::{CSEQ_BLOCK, Dialog, DialogKey};
use crate::limits::Bound;
use crate::package::Package;
use crate::packed_row::PackedRow;
use crate::usage::Usage;

/// A SUBSCRIBE without a To tag, taken apart.
#[derive(Clone, Debug)]
pub struct InitialSubscribe {
    /// The package.
    pub package: Package,
    /// The row it would have; `key`, `expires`, `granted_s`, `status` and `subscribed_at` are still open, and CSeqs begin
    /// above `local_cseq`.
    pub row: SubscriptionRow,
    /// The requested lifetime.
    pub expires: Option<u32>,
    /// Whether Accept admits the package's documents.
    pub is_acceptable: bool,
    /// The connection it came on, 0 for none.
    pub flow: u64,
    /// The bound that its watcher, or all presentities together, have reached, if any.
    pub no_room: Option<Bound>,
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
    /// Whether Accept admits the package's documents.
    pub is_acceptable: bool,
    /// Its Contact: the new remote target (RFC 3261 §12.2.2).
    pub remote_target: Option<SmolStr>,
    /// Its Accept, empty for none: it replaces the former (RFC 3856 §6.7).
    pub accept: SmolStr,
    /// The identity of its sender, empty for none.
    pub identity: SmolStr,
    /// Where it came from.
    pub source: Option<TransportAddress>,
    /// Whether its Contact is an address other than that, so that NOTIFYs go where it came from.
    pub is_behind_nat: bool,
    /// The listener it came in on.
    pub socket: Option<TransportAddress>,
    /// The connection it came on, 0 for none.
    pub flow: u64,
    /// The Contact URI we give by now, if one can be told.
    pub local_contact: Option<SmolStr>,
    /// The watcher's User-Agent.
    pub user_agent: SmolStr,
    /// As for the one that begins a dialog.
    pub no_room: Option<Bound>,
    /// The id in watcher information of a subscription that it begins.
    pub watcher_id: SmolStr,
}

/// The bounds the operator sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SubscribePolicy {
    /// The longest lifetime granted, seconds.
    pub max_expires_s: u32,
    /// The shortest lifetime that may be asked for, seconds.
    pub min_expires_s: u32,
    /// How far a CSeq may fall behind the last one (RFC 3261 §12.2.2 allows no step).
    pub cseq_offset: u32,
    /// Whether a device that subscribes anew ends what it subscribed to before.
    pub one_per_device: bool,
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
    /// The subscription that the answer brings into being.
    pub created: Option<SubscriptionKey>,
}

/// Why a SUBSCRIBE is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// 403: the rules deny it (RFC 6665 §4.2.1.3).
    Forbidden,
    /// 423 (RFC 6665 §4.2.1.1).
    IntervalTooBrief {
        /// Min-Expires of the answer.
        min_expires_s: u32,
    },
    /// 403 or 503: a bound of the operator's.
    NoRoom(Bound),
    /// 481: no such dialog, or its subscriptions are over (RFC 6665 §4.2.1.1).
    NoSuchDialog,
    /// 503: the privacy rules are not read yet; nobody is let in or sent away before.
    Undecidable,
    /// 406: no format in Accept can be produced (RFC 6665 §4.1.2.1).
    NotAcceptable,
    /// 500: a CSeq that is not higher than the last (RFC 3261 §12.2.2).
    OutOfOrder,
    /// 403: more subscriptions than one dialog may hold (RFC 6665 §4.5.2 lets a notifier refuse any).
    TooManySubscriptions,
}

/// Subscriptions that may share a dialog.
const USAGES_MAX: usize = 8;

/// Decides on a SUBSCRIBE that would begin dialog `key`, whose watcher would stand at `standing`, or is denied. `existing`
/// has the same dialog id: the request came again, unless its CSeq says that somebody chose this To-tag for a later one
/// too.
pub fn on_initial(
    key: DialogKey,
    request: InitialSubscribe,
    existing: Option<&Dialog>,
    standing: Option<Status>,
    policy: SubscribePolicy,
    now: Now,
) -> Result<Subscribed, Rejection> {
    if let Some(dialog) = existing {
        let known = dialog.usage_of(&request.row.event, &request.row.event_id);
        let live = known.filter(|usage| usage.is_live(now.mono));
        if live.is_some() || dialog.remote_cseq() >= request.row.remote_cseq {
            return Ok(repeated(live, &request.row.local_contact, now));
        }
    }
    let status = standing.ok_or(Rejection::Forbidden)?;
    let granted_s = policy.grant(request.package, request.expires)?;
    if !request.is_acceptable {
        return Err(Rejection::NotAcceptable);
    }
    let local_cseq = request.row.local_cseq + CSEQ_BLOCK;
    let (event, event_id) = (&request.row.event, &request.row.event_id);
    let key = match existing {
        Some(dialog) => dialog.begin_key(event, event_id, now.wall_ms),
        None => key.subscription(event, event_id, now.wall_ms),
    };
    let row = SubscriptionRow { key, local_cseq, status, subscribed_at: now.wall_s(), ..request.row };
    Ok(begun(row, granted_s, request.flow, now))
}

/// Answers a request that was executed before a crash as it was answered then.
fn repeated(live: Option<&Usage>, local_contact: &SmolStr, now: Now) -> Subscribed {
    let expires_s = live.map_or(0, |usage| usage.deadline.seconds_from(now.mono) as u32);
    let local_contact = live.map_or(local_contact, |usage| usage.row.local_contact()).clone();
    Subscribed { changes: Vec::new(), expires_s, local_contact, created: None }
}

fn begun(row: SubscriptionRow, granted_s: u32, flow: u64, now: Now) -> Subscribed {
    let row = Arc::new(SubscriptionRow { expires: now.wall_s() + u64::from(granted_s), granted_s, ..row });
    let (local_contact, created) = (row.local_contact.clone(), (granted_s > 0).then_some(row.key));
    let change = match granted_s {
        0 => Change::SubscriptionFetched { row, flow },
        _ => Change::SubscriptionStored { row, deadline: now.mono.plus_s(granted_s.into()), flow },
    };
    Subscribed { changes: vec![change], expires_s: granted_s, local_contact, created }
}

/// Finds the dialog of a SUBSCRIBE that is inside one, and refuses what comes too late or out of order.
pub fn in_dialog<'d>(
    request: &RefreshSubscribe,
    dialog: Option<&'d Dialog>,
    policy: SubscribePolicy,
    now: Now,
) -> Result<(&'d Dialog, &'d Usage), Rejection> {
    let dialog = dialog.ok_or(Rejection::NoSuchDialog)?;
    let live = dialog.any_live(now.mono).ok_or(Rejection::NoSuchDialog)?;
    let is_in_order = request.cseq.saturating_add(policy.cseq_offset) > dialog.remote_cseq();
    let is_repeated = |usage: &Usage| usage.is_live(now.mono) && request.repeats(dialog, usage);
    if !is_in_order && !dialog.usages().iter().any(is_repeated) {
        return Err(Rejection::OutOfOrder);
    }
    Ok((dialog, live))
}

/// Decides on a SUBSCRIBE for a subscription that `dialog` has; whoever is granted nothing unsubscribes.
pub fn on_refresh(
    request: RefreshSubscribe,
    dialog: &Dialog,
    usage: &Usage,
    policy: SubscribePolicy,
    now: Now,
) -> Result<Subscribed, Rejection> {
    if request.repeats(dialog, usage) {
        return Ok(repeated(Some(usage), usage.row.local_contact(), now));
    }
    let granted_s = policy.grant(request.package, request.expires)?;
    if !request.is_acceptable {
        return Err(Rejection::NotAcceptable);
    }
    let mut changes = moved(dialog, &request, Some(usage));
    let expires = now.wall_s() + u64::from(granted_s);
    let row = Box::new(RenewedRow { expires, granted_s, ..request.renewed(dialog, &usage.row) });
    let local_contact = row.local_contact.clone();
    let (deadline, flow) = (now.mono.plus_s(granted_s.into()), request.flow);
    let is_prolonged_only = usage.row.is_prolonged_only(&row);
    changes.push(Change::SubscriptionRefreshed { row, is_prolonged_only, deadline, flow });
    Ok(Subscribed { changes, expires_s: granted_s, local_contact, created: None })
}

/// Decides on a SUBSCRIBE for another Event or id in a dialog (RFC 6665 §4.5.2): a further subscription to the same
/// presentity. `known` is one that is alive in the dialog.
pub fn on_joining(
    request: RefreshSubscribe,
    dialog: &Dialog,
    known: &Usage,
    standing: Option<Status>,
    policy: SubscribePolicy,
    now: Now,
) -> Result<Subscribed, Rejection> {
    let status = standing.ok_or(Rejection::Forbidden)?;
    let granted_s = policy.grant(request.package, request.expires)?;
    if !request.is_acceptable {
        return Err(Rejection::NotAcceptable);
    }
    if dialog.usages().len() >= USAGES_MAX {
        return Err(Rejection::TooManySubscriptions);
    }
    let mut row = known.row.to_row();
    let moved = moved(dialog, &request, None);
    row.renew(&request.renewed(dialog, &known.row));
    row.event = SmolStr::new_static(request.package.name());
    row.event_id = request.event_id;
    row.key = dialog.begin_key(&row.event, &row.event_id, now.wall_ms);
    row.watcher_id = request.watcher_id;
    // What begins is decided by who asks for it, not by who began the dialog.
    row.identity = request.identity;
    (row.local_cseq, row.version, row.status, row.subscribed_at) = (dialog.reserved(), 0, status, now.wall_s());
    let mut subscribed = begun(row, granted_s, request.flow, now);
    subscribed.changes.splice(0..0, moved);
    Ok(subscribed)
}

impl RefreshSubscribe {
    /// Returns whether it refreshed `usage` before a crash already; whoever ended one finds none.
    fn repeats(&self, dialog: &Dialog, usage: &Usage) -> bool {
        let is_about = usage.row.event() == self.package.name() && usage.row.event_id() == self.event_id;
        is_about && self.expires != Some(0) && dialog.is_repeated(usage, self.cseq)
    }

    /// Returns what every request in the dialog renews of `row`: its CSeq, what the device says of itself, and where both
    /// sides are by now (RFC 3261 §12.2.2): our Contact, the watcher's, and the address behind a NAT.
    fn renewed(&self, dialog: &Dialog, row: &PackedRow) -> RenewedRow {
        let received = match &self.remote_target {
            Some(_) => self.source.filter(|_| self.is_behind_nat && row.route_set().is_empty()),
            None => row.received().and(self.source),
        };
        RenewedRow {
            key: row.key,
            remote_cseq: self.cseq.max(dialog.remote_cseq()),
            local_cseq: row.local_cseq,
            remote_target: self.remote_target.clone().unwrap_or_else(|| row.remote_target().into()),
            received,
            socket: self.socket,
            local_contact: self.local_contact.as_ref().unwrap_or(row.local_contact()).clone(),
            expires: row.expires,
            granted_s: row.granted_s,
            accept: self.accept.clone(),
            user_agent: self.user_agent.clone(),
        }
    }
}

/// Moves the other subscriptions of the dialog along: where the watcher is, is the dialog's.
fn moved(dialog: &Dialog, request: &RefreshSubscribe, refreshed: Option<&Usage>) -> Vec<Change> {
    let is_other = |usage: &&Usage| refreshed.is_none_or(|refreshed| refreshed.row.key != usage.row.key);
    let others = dialog.usages().iter().filter(is_other).filter(|usage| !usage.is_ending());
    let moved = others.filter_map(|usage| {
        let row = request.renewed(dialog, &usage.row);
        let is_moved = !usage.row.is_at(&row) || usage.flow != request.flow;
        is_moved.then(|| Change::SubscriptionMoved { row: Box::new(row), flow: request.flow })
    });
    moved.collect()
}

impl SubscribePolicy {
    /// Returns the lifetime granted: never more than asked for (RFC 6665 §3.1.1). Only what is under an hour may be too
    /// brief (§4.2.1.1).
    fn grant(self, package: Package, requested: Option<u32>) -> Result<u32, Rejection> {
        let requested = requested.unwrap_or(package.default_expires_s());
        if (1..3600).contains(&requested) && requested < self.min_expires_s {
            return Err(Rejection::IntervalTooBrief { min_expires_s: self.min_expires_s });
        }
        Ok(requested.min(self.max_expires_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Moment;
    use crate::store::fixtures;

    const NOW: Now = Now { mono: Moment(1_000_000), wall_ms: 5_000_000 };
    const POLICY: SubscribePolicy =
        SubscribePolicy { max_expires_s: 3600, min_expires_s: 600, cseq_offset: 0, one_per_device: false };

    const KEY: DialogKey = DialogKey([7; 16]);

    fn initial(expires: Option<u32>) -> InitialSubscribe {
        let row = fixtures::subscription(1, "dana");
        InitialSubscribe { package: Package::Presence, row, expires, is_acceptable: true, flow: 0, no_room: None }
    }

    /// An initial SUBSCRIBE that nobody sent before.
    fn begin(request: InitialSubscribe, standing: Option<Status>) -> Result<u32, Rejection> {
        on_initial(KEY, request, None, standing, POLICY, NOW).map(|subscribed| subscribed.expires_s)
    }

    fn dialog(deadline: Moment) -> Dialog {
        let mut row = fixtures::subscription(1, "dana");
        let key = DialogKey::of_row(&row);
        (row.event, row.event_id) = ("presence".into(), "".into());
        row.key = key.subscription("presence", "", 1);
        Dialog::begin(key, Usage::new(&row, deadline, 0, 0))
    }

    fn refresh(cseq: u32, expires: Option<u32>) -> RefreshSubscribe {
        RefreshSubscribe {
            package: Package::Presence,
            event_id: SmolStr::default(),
            cseq,
            expires,
            is_acceptable: true,
            remote_target: None,
            accept: SmolStr::default(),
            identity: SmolStr::default(),
            source: None,
            is_behind_nat: false,
            socket: None,
            flow: 0,
            local_contact: None,
            user_agent: SmolStr::default(),
            no_room: None,
            watcher_id: "w2".into(),
        }
    }

    #[test]
    fn s3_1_1_what_is_granted_is_never_more_than_was_asked_for() {
        for (asked, granted) in [(None, 3600), (Some(0), 0), (Some(600), 600), (Some(3599), 3599), (Some(9999), 3600)] {
            assert_eq!(begin(initial(asked), Some(Status::Active)), Ok(granted), "{asked:?}");
        }
    }

    #[test]
    fn s4_2_1_1_only_what_is_under_an_hour_and_under_the_minimum_is_too_brief() {
        let too_brief = Err(Rejection::IntervalTooBrief { min_expires_s: 600 });
        for asked in [1, 599] {
            assert_eq!(begin(initial(Some(asked)), Some(Status::Active)), too_brief, "{asked}");
        }
        let strict = SubscribePolicy { min_expires_s: 7200, max_expires_s: 9000, ..POLICY };
        let hour = on_initial(KEY, initial(Some(3600)), None, Some(Status::Active), strict, NOW);
        assert_eq!(hour.map(|subscribed| subscribed.expires_s), Ok(3600));
    }

    #[test]
    fn who_is_denied_learns_nothing_of_what_else_is_wrong() {
        let request = InitialSubscribe { is_acceptable: false, ..initial(Some(1)) };
        assert_eq!(begin(request.clone(), None), Err(Rejection::Forbidden));
        let too_brief = Err(Rejection::IntervalTooBrief { min_expires_s: 600 });
        assert_eq!(begin(request.clone(), Some(Status::Active)), too_brief);
        let request = InitialSubscribe { expires: Some(600), ..request };
        assert_eq!(begin(request, Some(Status::Pending)), Err(Rejection::NotAcceptable));
    }

    #[test]
    fn s4_4_3_a_fetch_leaves_no_row() {
        let fetched = on_initial(KEY, initial(Some(0)), None, Some(Status::Active), POLICY, NOW).unwrap();
        assert!(fetched.created.is_none() && !fetched.changes.iter().any(Change::is_durable), "{fetched:?}");
    }

    #[test]
    fn s12_2_2_a_dialog_is_known_and_its_cseqs_grow() {
        let check = |cseq, offset, deadline, expected| {
            let (dialog, policy) = (dialog(deadline), SubscribePolicy { cseq_offset: offset, ..POLICY });
            let found = in_dialog(&refresh(cseq, None), Some(&dialog), policy, NOW).map(|_| ());
            assert_eq!(found, expected, "CSeq {cseq} after 2, offset {offset}");
        };
        let live = NOW.mono.plus_s(60);
        check(3, 0, live, Ok(()));
        check(9, 0, live, Ok(()));
        check(2, 0, live, Err(Rejection::OutOfOrder));
        check(2, 1, live, Ok(()));
        check(1, 1, live, Err(Rejection::OutOfOrder));
        check(3, 0, NOW.mono, Err(Rejection::NoSuchDialog));
        assert_eq!(in_dialog(&refresh(3, None), None, POLICY, NOW).map(|_| ()), Err(Rejection::NoSuchDialog));
    }

    #[test]
    fn a_refresh_repeated_after_a_crash_is_answered_and_changes_nothing() {
        let resumed = || {
            let fresh = dialog(NOW.mono.plus_s(60));
            Dialog::resume(fresh.key, fresh.usages()[0].clone())
        };
        let decide = |dialog: &Dialog, cseq, expires| {
            let (dialog, _) = in_dialog(&refresh(cseq, expires), Some(dialog), POLICY, NOW)?;
            on_refresh(refresh(cseq, expires), dialog, &dialog.usages()[0], POLICY, NOW)
        };
        let answered = decide(&resumed(), 2, Some(3600)).unwrap();
        assert_eq!((answered.expires_s, &*answered.changes), (60, &[][..]));
        assert!(!decide(&resumed(), 3, Some(3600)).unwrap().changes.is_empty(), "another request is another refresh");
        assert_eq!(decide(&resumed(), 1, Some(3600)), Err(Rejection::OutOfOrder));
        assert_eq!(decide(&resumed(), 2, Some(0)), Err(Rejection::OutOfOrder), "it would have ended it");
        let mut heard = resumed();
        heard.heard(3);
        for cseq in [2, 3] {
            assert_eq!(
                decide(&heard, cseq, Some(3600)),
                Err(Rejection::OutOfOrder),
                "its answer is remembered elsewhere"
            );
        }
        heard.restore_remote_cseq();
        assert!(decide(&heard, 2, Some(3600)).is_ok(), "what came behind it was refused");
    }

    #[test]
    fn s4_5_2_another_id_in_a_dialog_is_a_subscription_of_its_own() {
        let dialog = dialog(NOW.mono.plus_s(60));
        let request = RefreshSubscribe { event_id: "2".into(), ..refresh(3, Some(900)) };
        let known = dialog.any_live(NOW.mono).unwrap();
        let joined = on_joining(request.clone(), &dialog, known, Some(Status::Pending), POLICY, NOW).unwrap();
        let [.., Change::SubscriptionStored { row, .. }] = &*joined.changes else { panic!("{joined:?}") };
        assert_eq!((row.key, &*row.watcher_id), (dialog.key.subscription("presence", "2", NOW.wall_ms), "w2"));
        assert_eq!((row.status, row.remote_cseq, row.local_cseq), (Status::Pending, 3, dialog.reserved()));
        assert_eq!(on_joining(request, &dialog, known, None, POLICY, NOW), Err(Rejection::Forbidden));
    }
}
