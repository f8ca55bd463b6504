//! What the outcome of a NOTIFY does to its subscription (RFC 6665 §4.2.2).

use smol_str::SmolStr;

/// What became of a NOTIFY.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotifyOutcome {
    /// The final status code; 408 stands for silence, 503 from the host for a transport that failed (RFC 3261 §8.1.3.1).
    pub code: u16,
    /// Whether no response came at all.
    pub is_local: bool,
    /// The Contact of a 2xx: the watcher moved (RFC 3261 §12.2.1.2).
    pub remote_target: Option<SmolStr>,
}

/// What follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The subscription is gone; nothing more is sent.
    EndSubscription,
    /// It goes on until it expires, whatever this one transaction came to.
    Keep,
}

impl NotifyOutcome {
    /// Returns what follows from the outcome.
    pub fn verdict(&self) -> Verdict {
        match self.code {
            404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604 => Verdict::EndSubscription,
            503 if self.is_local => Verdict::EndSubscription,
            _ => Verdict::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, is_local: bool, expected: Verdict) {
        assert_eq!(NotifyOutcome { code, is_local, remote_target: None }.verdict(), expected, "{code}");
    }

    #[test]
    fn only_the_codes_of_the_clause_and_silence_end_a_subscription() {
        for code in [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604, 408] {
            check(code, false, Verdict::EndSubscription);
        }
        for code in [200, 202, 204, 301, 400, 401, 403, 406, 415, 486, 488, 491, 500, 503, 600, 603] {
            check(code, false, Verdict::Keep);
        }
    }

    #[test]
    fn a_target_that_cannot_be_reached_is_as_one_that_is_silent() {
        check(408, true, Verdict::EndSubscription);
        check(503, true, Verdict::EndSubscription);
    }
}
