//! What the outcome of a NOTIFY does to its subscription (RFC 6665 §4.2.2) and to the others in its dialog (RFC 5057 §5.1).

use smol_str::SmolStr;

use crate::planted::Planted;

/// What became of a NOTIFY.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotifyOutcome {
    /// The final status code; 408 stands for silence, 503 from the host for a transport that failed (RFC 3261 §8.1.3.1).
    pub code: u16,
    /// Whether no response came at all.
    pub is_local: bool,
    /// The Contact of a 2xx: the watcher moved (RFC 3261 §12.2.1.2).
    pub remote_target: Option<SmolStr>,
    /// When a watcher that cannot take it at present may be tried again, seconds.
    pub retry_after_s: Option<u32>,
}

/// What follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The watcher is not where the dialog leads: all subscriptions in it are gone.
    EndDialog,
    /// The subscription is gone; nothing more is sent about it.
    EndSubscription,
    /// It goes on until it expires, whatever this one transaction came to.
    Keep,
}

impl NotifyOutcome {
    /// Returns what follows from the outcome; `silence_ends` says whether no answer does (`timeout_rm_subs`).
    pub fn verdict(&self, silence_ends: bool) -> Verdict {
        match self.code {
            _ if self.is_silence() && (!silence_ends || Planted::SilenceUnheeded.is_here()) => Verdict::Keep,
            404 | 410 | 416 | 482..=485 | 604 => Verdict::EndDialog,
            405 | 408 | 480 | 481 | 489 | 501 => Verdict::EndSubscription,
            503 if self.is_local => Verdict::EndSubscription,
            _ => Verdict::Keep,
        }
    }

    /// Returns whether the watcher said nothing, or could not be reached.
    pub fn is_silence(&self) -> bool {
        self.code == 408 || self.is_unreachable()
    }

    /// Returns whether the watcher could not be reached.
    pub fn is_unreachable(&self) -> bool {
        self.code == 503 && self.is_local
    }

    /// Returns whether the host had no room for it: the watcher has done nothing wrong.
    pub fn is_put_off(&self) -> bool {
        self.code == 500 && self.is_local
    }

    /// Returns whether the watcher has understood.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, is_local: bool, silence_ends: bool, expected: Verdict) {
        let outcome = NotifyOutcome { code, is_local, remote_target: None, retry_after_s: None };
        assert_eq!(outcome.verdict(silence_ends), expected, "{code}");
    }

    #[test]
    fn s4_2_2_only_the_codes_of_the_clause_and_silence_end_a_subscription() {
        for code in [404, 410, 416, 482, 483, 484, 485, 604] {
            check(code, false, true, Verdict::EndDialog);
        }
        for code in [405, 408, 480, 481, 489, 501] {
            check(code, false, true, Verdict::EndSubscription);
        }
        for code in [200, 202, 204, 301, 400, 401, 403, 406, 415, 486, 488, 491, 500, 503, 600, 603] {
            check(code, false, true, Verdict::Keep);
        }
    }

    #[test]
    fn a_target_that_cannot_be_reached_is_as_one_that_is_silent() {
        for code in [408, 503] {
            check(code, true, true, Verdict::EndSubscription);
            check(code, true, false, Verdict::Keep);
        }
    }

    #[test]
    fn a_notify_that_the_host_had_no_room_for_ends_nothing() {
        check(500, true, true, Verdict::Keep);
    }

    #[test]
    fn an_operator_who_keeps_the_silent_keeps_nobody_who_says_no() {
        check(481, false, false, Verdict::EndSubscription);
        check(404, false, false, Verdict::EndDialog);
    }
}
