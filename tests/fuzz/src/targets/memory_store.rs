//! A store that takes whatever it is given and never has anything to read but rules.

use std::sync::Arc;

use presence::change::Change;
use presence::presentity_uri::PresentityUri;
use presence::store::{CommitError, Opening, RulesDocument, Scope, Store, StoreError, Stored, Sweep};

/// The rules of whomever is asked for.
pub(super) struct MemoryStore {
    rules: String,
}

impl MemoryStore {
    pub(super) fn with_rules(rules: &[u8]) -> Self {
        Self { rules: String::from_utf8_lossy(rules).into_owned() }
    }

    pub(super) fn opening() -> Opening {
        Opening { secret: [7; 32], was_clean: true, epoch: 1, next_publication_id: 1 }
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, _: &[&[Change]]) -> Result<(), CommitError> {
        Ok(())
    }

    fn load(&mut self, _: Scope<'_>, _: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
        Ok(())
    }

    fn load_rules(
        &mut self,
        owners: Option<&[Arc<PresentityUri>]>,
        visit: &mut dyn FnMut(RulesDocument),
    ) -> Result<(), StoreError> {
        if !self.rules.is_empty() {
            for owner in owners.unwrap_or_default() {
                let owner = PresentityUri::clone(owner);
                visit(RulesDocument { owner, doc_type: 1, document: self.rules.clone() });
            }
        }
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
