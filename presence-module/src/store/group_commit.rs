//! Many decisions in one transaction, and only the guilty one refused.
//!
//! A batch the database refuses for its data is tried once more, since a deadlock is data to some, and then committed by
//! halves until the guilty decision stands alone: of 256 decisions and one that is guilty that takes some 2·8 transactions.
//! What was decided on top of a refused decision is refused with it. Whoever needs a row that another session holds is found
//! in the same way; since each try waits a little for the row, there are few of them.

use crate::change::Change;
use crate::presentity_uri::PresentityUri;

use super::{CommitError, RowGone, Store};

/// What became of a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Durable.
    Committed,
    /// The database refuses it, and it alone: 500.
    Guilty,
    /// A row that it changes was removed by somebody else: 503, and what it rests on is read anew.
    Gone,
    /// A row that it changes is held by another session: 503.
    Held,
    /// It rests on one that was refused, or the database is away: 503.
    Refused,
}

/// A decision and whose it is; decisions of one presentity rest on those before them.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Whose it is.
    pub presentity: &'a PresentityUri,
    /// What to write.
    pub changes: &'a [Change],
}

/// What became of a batch.
#[derive(Debug)]
pub struct Outcome {
    /// One for each candidate, in their order.
    pub verdicts: Vec<Verdict>,
    /// Set if the database itself failed.
    pub failure: Option<CommitError>,
    /// What the database said of the last decision that it refused alone; of a row that is gone it says nothing.
    pub refusal: Option<CommitError>,
}

/// Commits a batch.
pub fn commit_group(store: &mut dyn Store, batch: &[Candidate<'_>]) -> Outcome {
    let (verdicts, failure, refusal) = (vec![None; batch.len()], None, None);
    let mut group = Group { store, batch, verdicts, is_any_refused: false, held_up: 0, failure, refusal };
    group.commit(0, batch.len());
    let verdicts = group.verdicts.into_iter().map(|verdict| verdict.unwrap_or(Verdict::Refused)).collect();
    Outcome { verdicts, failure: group.failure, refusal: group.refusal }
}

struct Group<'a, 'b> {
    store: &'a mut dyn Store,
    batch: &'a [Candidate<'b>],
    verdicts: Vec<Option<Verdict>>,
    is_any_refused: bool,
    /// How often a row was waited for in vain.
    held_up: usize,
    failure: Option<CommitError>,
    refusal: Option<CommitError>,
}

/// How often rows that others hold are waited for in vain. To find one decision of 256 takes eleven times.
const HELD_UP_MAX: usize = 12;

impl Group<'_, '_> {
    fn commit(&mut self, from: usize, to: usize) {
        let chosen: Vec<usize> = (from..to).filter(|&at| !self.rests_on_refused(at)).collect();
        if self.failure.is_some() || chosen.is_empty() {
            return;
        }
        if self.held_up >= HELD_UP_MAX {
            self.is_any_refused = true;
            return chosen.iter().for_each(|&at| self.verdicts[at] = Some(Verdict::Held));
        }
        let mut result = self.try_to_commit(&chosen);
        // The halves of what was tried twice are not, but whoever stands alone is.
        let is_whole = chosen.len() == self.batch.len();
        let is_tried_again = (is_whole || chosen.len() == 1) && self.held_up < HELD_UP_MAX;
        if is_tried_again && result.as_ref().is_err_and(may_pass) {
            result = self.try_to_commit(&chosen);
        }
        match result {
            Ok(()) => chosen.iter().for_each(|&at| self.verdicts[at] = Some(Verdict::Committed)),
            Err(failure @ CommitError::World(_)) => self.failure = Some(failure),
            Err(refusal) if chosen.len() == 1 => self.refuse(chosen[0], refusal),
            Err(CommitError::Data(_) | CommitError::Held(_)) => {
                let middle = chosen[chosen.len() / 2];
                self.commit(from, middle);
                self.commit(middle, to);
            }
        }
    }

    fn refuse(&mut self, at: usize, refusal: CommitError) {
        let verdict = match &refusal {
            CommitError::Data(error) if error.is::<RowGone>() => Verdict::Gone,
            CommitError::Held(_) => Verdict::Held,
            CommitError::Data(_) | CommitError::World(_) => Verdict::Guilty,
        };
        self.verdicts[at] = Some(verdict);
        self.is_any_refused = true;
        if verdict != Verdict::Gone {
            self.refusal = Some(refusal);
        }
    }

    fn try_to_commit(&mut self, chosen: &[usize]) -> Result<(), CommitError> {
        let writes: Vec<_> = chosen.iter().map(|&at| self.batch[at].changes).collect();
        let result = self.store.commit(&writes);
        self.held_up += usize::from(matches!(result, Err(CommitError::Held(_))));
        result
    }

    /// Returns whether an earlier decision of the same presentity was refused.
    fn rests_on_refused(&self, at: usize) -> bool {
        if !self.is_any_refused {
            return false;
        }
        let is_refused =
            |verdict: &Option<Verdict>| matches!(verdict, Some(Verdict::Gone | Verdict::Guilty | Verdict::Held));
        let mut before = self.batch[..at].iter().zip(&self.verdicts);
        let presentity = self.batch[at].presentity;
        before.any(|(candidate, verdict)| is_refused(verdict) && candidate.presentity == presentity)
    }
}

/// Returns whether what the database refuses may be well when it is tried again.
fn may_pass(error: &CommitError) -> bool {
    match error {
        CommitError::Data(error) => !error.is::<RowGone>(),
        CommitError::Held(_) => true,
        CommitError::World(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{RulesDocument, Scope, StoreError, Stored, Sweep};
    use super::*;

    /// Refuses every batch that holds a removal of one of these ids; fails as a whole where told.
    #[derive(Default)]
    struct Judge {
        guilty: Vec<u64>,
        gone: Vec<u64>,
        held: Vec<u64>,
        fails_after: usize,
        committed: Vec<u64>,
        /// How often it was asked.
        asked: usize,
    }

    impl Store for Judge {
        fn commit(&mut self, decisions: &[&[Change]]) -> Result<(), CommitError> {
            let id = |change: &Change| match change {
                Change::PublicationRemoved { id } => *id,
                other => panic!("the test writes removals only, not {other:?}"),
            };
            self.asked += 1;
            let ids: Vec<_> = decisions.iter().flat_map(|changes| changes.iter().map(id)).collect();
            if ids.iter().any(|id| self.gone.contains(id)) {
                return Err(CommitError::Data(Box::new(RowGone { table: "presentity".into() })));
            }
            if ids.iter().any(|id| self.held.contains(id)) {
                return Err(CommitError::Held("lock".into()));
            }
            if ids.iter().any(|id| self.guilty.contains(id)) {
                return Err(CommitError::Data("constraint".into()));
            }
            if self.committed.len() + ids.len() > self.fails_after {
                return Err(CommitError::World("disk".into()));
            }
            self.committed.extend(ids);
            Ok(())
        }

        fn load(&mut self, _: Scope<'_>, _: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
            Ok(())
        }

        fn load_rules(
            &mut self,
            _: Option<&[Arc<PresentityUri>]>,
            _: &mut dyn FnMut(RulesDocument),
        ) -> Result<(), StoreError> {
            Ok(())
        }

        fn changed_rules(&mut self) -> Result<Vec<PresentityUri>, StoreError> {
            Ok(Vec::new())
        }

        fn maintain(&mut self) -> Result<(), StoreError> {
            Ok(())
        }

        fn sweep(&mut self, _: usize, _: &mut dyn FnMut(Stored)) -> Result<Sweep, StoreError> {
            Ok(Sweep::NothingNew)
        }

        fn heartbeat(&mut self) -> Result<(), StoreError> {
            Ok(())
        }

        fn close_cleanly(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn check(ids: &[u64], guilty: &[u64], fails_after: usize, expected: &[Verdict]) -> Vec<u64> {
        let mut judge = Judge { guilty: guilty.into(), fails_after, ..Judge::default() };
        assert_eq!(judge.verdicts(ids), expected);
        judge.committed
    }

    impl Judge {
        /// Ids 10..19 belong to one presentity, 20..29 to the next, and so on.
        fn verdicts(&mut self, ids: &[u64]) -> Vec<Verdict> {
            let owners: Vec<_> =
                ids.iter().map(|id| PresentityUri::new((id / 10).to_string(), "pres.example")).collect();
            let changes: Vec<_> = ids.iter().map(|id| [Change::PublicationRemoved { id: *id }]).collect();
            let batch: Vec<_> =
                owners.iter().zip(&changes).map(|(presentity, changes)| Candidate { presentity, changes }).collect();
            commit_group(self, &batch).verdicts
        }
    }

    use Verdict::{Committed, Gone, Guilty, Held, Refused};

    #[test]
    fn a_sound_batch_is_one_transaction() {
        assert_eq!(check(&[10, 20, 30], &[], 9, &[Committed; 3]), [10, 20, 30]);
    }

    #[test]
    fn only_the_guilty_decision_is_refused() {
        assert_eq!(
            check(&[10, 20, 30, 40, 50], &[30], 9, &[Committed, Committed, Guilty, Committed, Committed]),
            [10, 20, 40, 50]
        );
        assert_eq!(check(&[10], &[10], 9, &[Guilty]), [0_u64; 0]);
    }

    #[test]
    fn what_rests_on_a_refused_decision_is_refused_with_it() {
        assert_eq!(check(&[10, 20, 11, 21], &[10], 9, &[Guilty, Committed, Refused, Committed]), [20, 21]);
    }

    #[test]
    fn a_database_that_is_away_makes_nobody_guilty() {
        assert_eq!(check(&[10, 20], &[], 0, &[Refused, Refused]), [0_u64; 0]);
        assert_eq!(check(&[10, 20, 30, 40], &[40], 2, &[Committed, Committed, Refused, Refused]), [10, 20]);
    }

    #[test]
    fn who_changes_a_row_that_is_gone_is_refused_alone_and_not_tried_again() {
        let mut judge = Judge { gone: vec![10, 30], fails_after: 9, ..Judge::default() };
        assert_eq!(judge.verdicts(&[10]), [Gone]);
        assert_eq!(judge.asked, 1);
        assert_eq!(judge.verdicts(&[20, 30, 31, 40]), [Committed, Gone, Refused, Committed]);
    }

    #[test]
    fn who_needs_a_row_that_is_held_is_found_by_few_tries_and_refused_alone() {
        let mut judge = Judge { held: vec![10 * 100], fails_after: 999, ..Judge::default() };
        let ids: Vec<_> = (1..=256).map(|n| 10 * n).collect();
        let verdicts = judge.verdicts(&ids);
        assert_eq!((verdicts[99], judge.committed.len()), (Held, 255));
        let mut judge = Judge { held: ids.clone(), fails_after: 999, ..Judge::default() };
        assert_eq!(judge.verdicts(&ids), [Held; 256]);
        assert_eq!(judge.asked, HELD_UP_MAX);
    }

    #[test]
    fn one_guilty_decision_of_256_costs_two_transactions_a_halving() {
        for guilty in [10, 10 + 10 * 100, 10 + 10 * 255] {
            let mut judge = Judge { guilty: vec![guilty], fails_after: 999, ..Judge::default() };
            let ids: Vec<_> = (1..=256).map(|n| 10 * n).collect();
            judge.verdicts(&ids);
            assert_eq!(judge.committed.len(), 255);
            assert!(judge.asked <= 2 * 8 + 3, "{}", judge.asked);
        }
    }
}
