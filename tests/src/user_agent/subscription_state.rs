//! The Subscription-State header as a watcher judges it (RFC 6665 §4.1.3, §8.4).

use crate::message::parameter;

/// A Subscription-State that has been found consistent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SubscriptionState {
    /// `active`, `pending` or `terminated`.
    pub substate: String,
    /// The remaining seconds; not with `terminated`.
    pub expires_s: Option<u32>,
    /// Why it ended; only with `terminated`.
    pub reason: Option<String>,
}

impl SubscriptionState {
    /// Reads a header value.
    ///
    /// # Errors
    /// What contradicts the grammar or itself.
    pub fn read(value: &str) -> Result<Self, String> {
        let substate = value.split(';').next().unwrap_or_default().trim().to_owned();
        let reason = parameter(value, "reason");
        let expires_s = match parameter(value, "expires") {
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(text.parse().map_err(|_| format!("expires={text}"))?)
            }
            Some(text) => return Err(format!("expires={text}")),
            None => None,
        };
        for name in ["expires", "reason", "retry-after"] {
            if value.split(';').filter(|part| part.trim().split('=').next() == Some(name)).count() > 1 {
                return Err(format!("{name} twice"));
            }
        }
        match substate.as_str() {
            "active" | "pending" if reason.is_some() => Err("a reason, yet not terminated".into()),
            "active" | "pending" => match expires_s {
                None => Err("no expires".into()),
                Some(0) => Err("expires=0, yet not terminated".into()),
                Some(_) => Ok(Self { substate, expires_s, reason }),
            },
            "terminated" if expires_s.is_some() => Err("expires, yet terminated".into()),
            "terminated" => match reason.as_deref() {
                Some(known) if REASONS.contains(&known) => Ok(Self { substate, expires_s, reason }),
                Some(other) => Err(format!("reason={other}")),
                None => Err("terminated without a reason".into()),
            },
            other => Err(format!("substate {other:?}")),
        }
    }

    /// Returns whether nobody has decided on the watcher.
    pub fn is_pending(&self) -> bool {
        self.substate == "pending"
    }

    /// Returns whether the subscription is over.
    pub fn is_terminated(&self) -> bool {
        self.substate == "terminated"
    }
}

const REASONS: [&str; 7] = ["deactivated", "giveup", "invariant", "noresource", "probation", "rejected", "timeout"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Result<(&str, Option<u32>, Option<&str>), &str>) {
        let read = SubscriptionState::read(value);
        match (&read, expected) {
            (Ok(state), Ok((substate, expires_s, reason))) => {
                assert_eq!((state.substate.as_str(), state.expires_s), (substate, expires_s), "{value}");
                assert_eq!(state.reason.as_deref(), reason, "{value}");
            }
            (Err(error), Err(why)) => assert!(error.contains(why), "{value}: {error}"),
            _ => panic!("{value}: {read:?}"),
        }
    }

    #[test]
    fn consistent_states_are_read() {
        check("active;expires=600", Ok(("active", Some(600), None)));
        check("pending; expires=1;x=y", Ok(("pending", Some(1), None)));
        check("terminated;reason=timeout", Ok(("terminated", None, Some("timeout"))));
    }

    #[test]
    fn inconsistent_states_are_refused() {
        check("active", Err("no expires"));
        check("active;expires=0", Err("expires=0"));
        check("active;expires=-1", Err("expires=-1"));
        check("active;expires=9;expires=9", Err("twice"));
        check("active;expires=5;reason=timeout", Err("a reason"));
        check("terminated", Err("without a reason"));
        check("terminated;reason=expired", Err("reason=expired"));
        check("terminated;reason=timeout;expires=3", Err("yet terminated"));
        check("Active;expires=5", Err("substate"));
    }
}
