//! The `Subscription-State` header field of a NOTIFY (RFC 6665 §4.1.3, §8.4), written.
//!
//! The type keeps the clause: active and pending carry the remaining seconds and no reason, terminated a reason and no
//! `expires`. When a subscription ends, and why, is decided elsewhere.

use module_api::sip::writer::push_decimal;

/// How a subscription stands, as its watcher is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SubscriptionState {
    /// Accepted and authorized.
    Active {
        /// What remains of the subscription, not what was granted.
        expires_s: u32,
    },
    /// Accepted, not yet authorized.
    Pending {
        /// What remains of the subscription, not what was granted.
        expires_s: u32,
    },
    /// Over; nothing follows.
    Terminated {
        /// Why it ended.
        reason: Reason,
        /// When to try again; has a meaning for `giveup`, `invariant` and `probation` only.
        retry_after_s: Option<u32>,
    },
}

/// Why a subscription ended (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Moved elsewhere: subscribe again at once.
    Deactivated,
    /// Nobody authorized it in time.
    Giveup,
    /// The state will never change.
    Invariant,
    /// The resource is gone.
    Noresource,
    /// Ended for now: subscribe again later.
    Probation,
    /// No longer authorized.
    Rejected,
    /// Not refreshed, unsubscribed, or a fetch.
    Timeout,
}

impl SubscriptionState {
    /// Appends the header field's value.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Active { expires_s } => write_seconds(b"active;expires=", expires_s, out),
            Self::Pending { expires_s } => write_seconds(b"pending;expires=", expires_s, out),
            Self::Terminated { reason, retry_after_s } => {
                out.extend_from_slice(b"terminated;reason=");
                out.extend_from_slice(reason.as_str().as_bytes());
                if let Some(seconds) = retry_after_s {
                    write_seconds(b";retry-after=", seconds, out);
                }
            }
        }
    }
}

impl Reason {
    /// Returns the registered token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deactivated => "deactivated",
            Self::Giveup => "giveup",
            Self::Invariant => "invariant",
            Self::Noresource => "noresource",
            Self::Probation => "probation",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
        }
    }
}

fn write_seconds(label: &[u8], seconds: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(label);
    push_decimal(out, seconds.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: SubscriptionState, expected: &str) {
        let mut out = Vec::new();
        state.write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn active_and_pending_carry_the_remaining_seconds() {
        check(SubscriptionState::Active { expires_s: 0 }, "active;expires=0");
        check(SubscriptionState::Active { expires_s: 3599 }, "active;expires=3599");
        check(SubscriptionState::Pending { expires_s: u32::MAX }, "pending;expires=4294967295");
    }

    #[test]
    fn terminated_carries_a_reason_and_perhaps_when_to_retry() {
        let terminated = |reason, retry_after_s| SubscriptionState::Terminated { reason, retry_after_s };
        check(terminated(Reason::Timeout, None), "terminated;reason=timeout");
        check(terminated(Reason::Noresource, None), "terminated;reason=noresource");
        check(terminated(Reason::Probation, Some(120)), "terminated;reason=probation;retry-after=120");
    }
}
