//! Many decisions in one transaction, and only the guilty one refused.
//!
//! A batch the database refuses for its data is tried once more, since a deadlock is data to some, and then committed by
//! halves until the guilty decision stands alone. What was decided on top of a refused decision is refused with it.

use crate::change::Change;
use crate::presentity_uri::PresentityUri;

use super::{CommitError, Store};

/// What became of a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Durable.
    Committed,
    /// The database refuses it, and it alone: 500.
    Guilty,
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
}

/// Commits a batch.
pub fn commit_group(store: &mut dyn Store, batch: &[Candidate<'_>]) -> Outcome {
    let mut group = Group { store, batch, verdicts: vec![None; batch.len()], failure: None };
    group.commit(0, batch.len());
    let verdicts = group.verdicts.into_iter().map(|verdict| verdict.unwrap_or(Verdict::Refused)).collect();
    Outcome { verdicts, failure: group.failure }
}

struct Group<'a, 'b> {
    store: &'a mut dyn Store,
    batch: &'a [Candidate<'b>],
    verdicts: Vec<Option<Verdict>>,
    failure: Option<CommitError>,
}

impl Group<'_, '_> {
    fn commit(&mut self, from: usize, to: usize) {
        let chosen: Vec<usize> = (from..to).filter(|&at| !self.rests_on_refused(at)).collect();
        if self.failure.is_some() || chosen.is_empty() {
            return;
        }
        let writes: Vec<_> = chosen.iter().map(|&at| self.batch[at].changes).collect();
        let is_data = |result: &Result<(), CommitError>| matches!(result, Err(CommitError::Data(_)));
        let mut result = self.store.commit(&writes);
        if is_data(&result) {
            result = self.store.commit(&writes);
        }
        match result {
            Ok(()) => chosen.iter().for_each(|&at| self.verdicts[at] = Some(Verdict::Committed)),
            Err(failure @ CommitError::World(_)) => self.failure = Some(failure),
            Err(CommitError::Data(_)) if chosen.len() == 1 => self.verdicts[chosen[0]] = Some(Verdict::Guilty),
            Err(CommitError::Data(_)) => {
                let middle = chosen[chosen.len() / 2];
                self.commit(from, middle);
                self.commit(middle, to);
            }
        }
    }

    /// Returns whether an earlier decision of the same presentity was found guilty.
    fn rests_on_refused(&self, at: usize) -> bool {
        let mut before = self.batch[..at].iter().zip(&self.verdicts);
        let presentity = self.batch[at].presentity;
        before.any(|(candidate, verdict)| *verdict == Some(Verdict::Guilty) && candidate.presentity == presentity)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RulesDocument, Scope, StoreError, Stored};
    use super::*;

    /// Refuses every batch that holds a removal of one of these ids; fails as a whole where told.
    struct Judge {
        guilty: Vec<u64>,
        fails_after: usize,
        committed: Vec<u64>,
    }

    impl Store for Judge {
        fn commit(&mut self, decisions: &[&[Change]]) -> Result<(), CommitError> {
            let id = |change: &Change| match change {
                Change::PublicationRemoved { id } => *id,
                other => panic!("the test writes removals only, not {other:?}"),
            };
            let ids: Vec<_> = decisions.iter().flat_map(|changes| changes.iter().map(id)).collect();
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

        fn load_rules(&mut self, _: Scope<'_>, _: &mut dyn FnMut(RulesDocument)) -> Result<(), StoreError> {
            Ok(())
        }

        fn changed_rules(&mut self) -> Result<Vec<PresentityUri>, StoreError> {
            Ok(Vec::new())
        }

        fn maintain(&mut self) -> Result<(), StoreError> {
            Ok(())
        }

        fn sweep(&mut self, _: u64) -> Result<usize, StoreError> {
            Ok(0)
        }

        fn close_cleanly(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    /// Ids 10..19 belong to one presentity, 20..29 to the next, and so on.
    fn check(ids: &[u64], guilty: &[u64], fails_after: usize, expected: &[Verdict]) -> Vec<u64> {
        let mut judge = Judge { guilty: guilty.into(), fails_after, committed: Vec::new() };
        let owners: Vec<_> = ids.iter().map(|id| PresentityUri::new((id / 10).to_string(), "pres.example")).collect();
        let changes: Vec<_> = ids.iter().map(|id| [Change::PublicationRemoved { id: *id }]).collect();
        let batch: Vec<_> =
            owners.iter().zip(&changes).map(|(presentity, changes)| Candidate { presentity, changes }).collect();
        assert_eq!(commit_group(&mut judge, &batch).verdicts, expected);
        judge.committed
    }

    use Verdict::{Committed, Guilty, Refused};

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
}
