//! Who brings about NOTIFYs that nobody takes (RFC 6665 §6.3): the first NOTIFY of a dialog that is not answered counts against
//! where its SUBSCRIBE came from and against where it went.
//!
//! Pure. Each that is answered counts in favour, and what is counted is forgotten with time: whoever sends others after a
//! victim is slowed, and a phone that has vanished, or a proxy with a few of those behind it, is not.

use rustc_hash::FxHashMap;

use crate::change::Moment;
use crate::dialog::DialogKey;

/// What is known of sources and targets. Both are hashes that nobody can choose.
#[derive(Debug, Default)]
pub struct Unanswered {
    /// Dialogs whose first NOTIFY is under way.
    first: FxHashMap<DialogKey, First>,
    scores: FxHashMap<u64, Score>,
    /// When what is of no use any more was last looked for.
    swept_at: Moment,
}

#[derive(Clone, Copy, Debug)]
struct First {
    parties: [u64; 2],
    since: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Score {
    count: u32,
    /// When one of them was last forgotten.
    since: Moment,
}

/// How long one of them counts.
const FORGOTTEN_AFTER_MS: u64 = 2000;
/// First NOTIFYs that are waited for, past which those are no more that nobody can be waiting for.
const FIRST_MAX: usize = 65_536;
const FIRST_FOR_MS: u64 = 60_000;
/// Sources and targets that are remembered, past which those are no more of whom one would be left in a moment.
const SCORES_MAX: usize = 65_536;

impl Unanswered {
    /// Returns whether a SUBSCRIBE from or towards one of `parties` is to be refused at present.
    pub fn is_over(&self, parties: [u64; 2], max: u32, now: Moment) -> bool {
        let is_over = |party| self.scores.get(party).is_some_and(|score| score.at(now) >= max);
        parties.iter().any(is_over)
    }

    /// Expects the first answer in a dialog.
    pub fn on_begun(&mut self, dialog: DialogKey, parties: [u64; 2], now: Moment) {
        if self.first.len() >= FIRST_MAX {
            self.sweep(now);
        }
        if self.first.len() < FIRST_MAX {
            self.first.insert(dialog, First { parties, since: now });
        }
    }

    /// Expects nothing in a dialog that was refused.
    pub fn on_refused(&mut self, dialog: DialogKey) {
        self.first.remove(&dialog);
    }

    /// Takes note of what became of a NOTIFY: `None` if it says nothing of who was to take it.
    pub fn on_outcome(&mut self, dialog: DialogKey, was_answered: Option<bool>, now: Moment) {
        let Some(First { parties: [source, target], .. }) = self.first.remove(&dialog) else { return };
        let Some(was_answered) = was_answered else { return };
        // Most often they are one and the same.
        let parties: &[u64] = if source == target { &[source] } else { &[source, target] };
        for party in parties {
            if was_answered {
                self.forgive(*party, now);
            } else {
                self.hold_against(*party, now);
            }
        }
    }

    /// Forgets what is of no use any more, now and then.
    fn sweep(&mut self, now: Moment) {
        if now.0 >= self.swept_at.0 + FORGOTTEN_AFTER_MS {
            self.swept_at = now;
            self.first.retain(|_, first| now.0 - first.since.0 < FIRST_FOR_MS);
            self.scores.retain(|_, score| score.at(now) > 0);
        }
    }

    fn hold_against(&mut self, party: u64, now: Moment) {
        if self.scores.len() >= SCORES_MAX {
            self.sweep(now);
        }
        if self.scores.len() < SCORES_MAX || self.scores.contains_key(&party) {
            let score = self.scores.entry(party).or_insert(Score { count: 0, since: now });
            *score = Score { count: score.at(now).saturating_add(1), since: score.since_at(now) };
        }
    }

    fn forgive(&mut self, party: u64, now: Moment) {
        let Some(score) = self.scores.get_mut(&party) else { return };
        *score = Score { count: score.at(now).saturating_sub(1), since: score.since_at(now) };
        if score.count == 0 {
            self.scores.remove(&party);
        }
    }
}

impl Score {
    fn at(self, now: Moment) -> u32 {
        self.count.saturating_sub(self.forgotten(now))
    }

    fn since_at(self, now: Moment) -> Moment {
        Moment(self.since.0 + u64::from(self.forgotten(now)) * FORGOTTEN_AFTER_MS)
    }

    fn forgotten(self, now: Moment) -> u32 {
        u32::try_from(now.0.saturating_sub(self.since.0) / FORGOTTEN_AFTER_MS).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_000_000);
    const VICTIM: u64 = 9;

    fn later_s(seconds: u64) -> Moment {
        Moment(NOW.0 + seconds * 1000)
    }

    /// Has so many dialogs between the parties come to the same.
    fn dialogs(unanswered: &mut Unanswered, parties: [u64; 2], count: u8, was_answered: Option<bool>) {
        for n in 0..count {
            unanswered.on_begun(DialogKey([n; 16]), parties, NOW);
            unanswered.on_outcome(DialogKey([n; 16]), was_answered, NOW);
        }
    }

    #[test]
    fn so_many_without_an_answer_are_too_many_for_their_source_and_for_their_target() {
        let mut unanswered = Unanswered::default();
        dialogs(&mut unanswered, [1, VICTIM], 2, Some(false));
        assert!(!unanswered.is_over([1, VICTIM], 3, NOW));
        dialogs(&mut unanswered, [1, VICTIM], 1, Some(false));
        assert!(unanswered.is_over([1, 5], 3, NOW) && unanswered.is_over([5, VICTIM], 3, NOW));
        assert!(!unanswered.is_over([5, 6], 3, NOW));
    }

    #[test]
    fn they_are_forgotten_one_after_the_other() {
        let mut unanswered = Unanswered::default();
        dialogs(&mut unanswered, [1, VICTIM], 5, Some(false));
        assert!(unanswered.is_over([1, 1], 3, later_s(5)));
        assert!(!unanswered.is_over([1, 1], 3, later_s(6)));
        assert!(unanswered.is_over([1, 1], 1, later_s(9)) && !unanswered.is_over([1, 1], 1, later_s(10)));
    }

    #[test]
    fn each_that_is_answered_makes_up_for_one_that_is_not() {
        let mut unanswered = Unanswered::default();
        dialogs(&mut unanswered, [1, 1], 3, Some(false));
        dialogs(&mut unanswered, [1, 1], 1, Some(true));
        assert!(!unanswered.is_over([1, 1], 3, NOW) && unanswered.is_over([1, 1], 2, NOW));
        dialogs(&mut unanswered, [1, 1], 9, Some(true));
        assert!(unanswered.scores.is_empty());
    }

    #[test]
    fn only_the_first_notify_of_a_dialog_counts_and_only_if_it_says_something() {
        let mut unanswered = Unanswered::default();
        unanswered.on_begun(DialogKey([1; 16]), [1, 1], NOW);
        unanswered.on_outcome(DialogKey([1; 16]), Some(true), NOW);
        (0..9).for_each(|_| unanswered.on_outcome(DialogKey([1; 16]), Some(false), NOW));
        dialogs(&mut unanswered, [1, 1], 9, None);
        unanswered.on_begun(DialogKey([2; 16]), [1, 1], NOW);
        unanswered.on_refused(DialogKey([2; 16]));
        unanswered.on_outcome(DialogKey([2; 16]), Some(false), NOW);
        assert!(unanswered.scores.is_empty() && unanswered.first.is_empty());
    }
}
