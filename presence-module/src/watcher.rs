//! A watcher's subscription as its presentity sees it (RFC 3857 §4.7.1, Figure 1).
//!
//! Pure: no clock, no socket, no store. `presentity.rs` drives it; `document/watcherinfo.rs` writes it down. It outlives the
//! SIP subscription: a watcher nobody decided on in time waits on, without a dialog.

/// Where a subscription stands: the `status` attribute of RFC 3858 §3.
///
/// The figure's `init` is no status: before the SUBSCRIBE there is nobody to tell of.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// Authorized, and told of every change.
    Active,
    /// Subscribed, and not decided on yet.
    Pending,
    /// Over: reported once, then forgotten.
    Terminated,
    /// Over as a SIP subscription, and still to be decided on.
    Waiting,
}

/// What changes a status: the `event` attribute of RFC 3858 §3.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Event {
    /// The presentity allowed the watcher.
    Approved,
    /// The notifier ended the subscription; the watcher may subscribe again at once.
    Deactivated,
    /// Nobody decided on the watcher for too long.
    Giveup,
    /// There is no such presentity any more.
    Noresource,
    /// The notifier ended the subscription; the watcher may subscribe again later.
    Probation,
    /// The presentity refused the watcher.
    Rejected,
    /// The watcher subscribed.
    Subscribe,
    /// The subscription ran out or was ended by the watcher.
    Timeout,
}

impl Status {
    /// Returns the state `event` leads to, or `None` where Figure 1 has no such arrow.
    pub fn after(self, event: Event) -> Option<Self> {
        use Event::{Approved, Deactivated, Giveup, Noresource, Probation, Rejected, Timeout};
        match (self, event) {
            (Self::Pending, Approved) => Some(Self::Active),
            // An unauthorized subscription outlives its timeout, so that a presentity who was
            // away can still see, and decide on, who asked.
            (Self::Pending, Timeout) => Some(Self::Waiting),
            (Self::Pending, Deactivated | Giveup | Noresource | Probation | Rejected) => Some(Self::Terminated),
            (Self::Active, Deactivated | Noresource | Probation | Rejected | Timeout) => Some(Self::Terminated),
            // Decided on either way, the wait is over: what the watcher may see shows at the next SUBSCRIBE.
            (Self::Waiting, Approved | Giveup | Noresource | Rejected) => Some(Self::Terminated),
            _ => None,
        }
    }

    /// Returns the value of the `status` attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Terminated => "terminated",
            Self::Waiting => "waiting",
        }
    }

    /// Reads the value of the `status` attribute.
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Active, Self::Pending, Self::Terminated, Self::Waiting].into_iter().find(|it| it.as_str() == token)
    }
}

impl Event {
    /// Returns the value of the `event` attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Deactivated => "deactivated",
            Self::Giveup => "giveup",
            Self::Noresource => "noresource",
            Self::Probation => "probation",
            Self::Rejected => "rejected",
            Self::Subscribe => "subscribe",
            Self::Timeout => "timeout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Event::*;
    use super::Status::*;
    use super::*;

    const STATUSES: [Status; 4] = [Pending, Active, Waiting, Terminated];

    /// Figure 1 as a table: where each event leads from each of `STATUSES`.
    const FIGURE_1: [(Event, [Option<Status>; 4]); 8] = [
        (Approved, [Some(Active), None, Some(Terminated), None]),
        (Deactivated, [Some(Terminated), Some(Terminated), None, None]),
        (Giveup, [Some(Terminated), None, Some(Terminated), None]),
        (Noresource, [Some(Terminated), Some(Terminated), Some(Terminated), None]),
        (Probation, [Some(Terminated), Some(Terminated), None, None]),
        (Rejected, [Some(Terminated), Some(Terminated), Some(Terminated), None]),
        (Subscribe, [None, None, None, None]),
        (Timeout, [Some(Waiting), Some(Terminated), None, None]),
    ];

    fn check(status: Status, event: Event, expected: Option<Status>) {
        assert_eq!(status.after(event), expected, "{status:?} after {event:?}");
    }

    #[test]
    fn s4_7_1_every_arrow_of_figure_1_and_no_other() {
        for (event, expected) in FIGURE_1 {
            for (status, expected) in STATUSES.into_iter().zip(expected) {
                check(status, event, expected);
            }
        }
    }

    #[test]
    fn an_undecided_watcher_waits_on_when_the_subscription_runs_out() {
        check(Pending, Timeout, Some(Waiting));
        check(Active, Timeout, Some(Terminated));
    }

    #[test]
    fn a_decision_ends_a_waiting_watcher_whichever_way_it_goes() {
        check(Waiting, Approved, Some(Terminated));
        check(Waiting, Rejected, Some(Terminated));
    }

    #[test]
    fn a_watcher_who_subscribes_again_retires_the_one_who_waited() {
        check(Waiting, Giveup, Some(Terminated));
    }

    #[test]
    fn nothing_follows_the_end() {
        for (event, _) in FIGURE_1 {
            check(Terminated, event, None);
        }
    }

    #[test]
    fn a_status_is_read_as_it_is_written() {
        for status in STATUSES {
            assert_eq!(Status::from_token(status.as_str()), Some(status));
        }
        for token in ["", "init", "Active", "active "] {
            assert_eq!(Status::from_token(token), None, "{token:?}");
        }
    }

    #[test]
    fn an_event_is_written_as_rfc_3858_has_it() {
        let written: Vec<_> = FIGURE_1.iter().map(|(event, _)| event.as_str()).collect();
        let expected =
            ["approved", "deactivated", "giveup", "noresource", "probation", "rejected", "subscribe", "timeout"];
        assert_eq!(written, expected);
    }
}
