//! From a dialog id to the presentity it belongs to, so that an unknown dialog costs one look-up (RFC 3261 §12.2.2).
//!
//! Its locks are taken last and released at once: nothing is locked while one of them is held.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::dialog::DialogKey;
use crate::presentity_uri::PresentityUri;

const PARTS: usize = 64;

/// Every dialog of the server.
pub(super) struct DialogIndex {
    parts: Box<[Part]>,
}

type Part = Mutex<FxHashMap<DialogKey, Arc<PresentityUri>>>;

impl DialogIndex {
    pub(super) fn new() -> Self {
        Self { parts: (0..PARTS).map(|_| Mutex::default()).collect() }
    }

    pub(super) fn insert(&self, dialog: DialogKey, presentity: Arc<PresentityUri>) {
        self.part(dialog).lock().insert(dialog, presentity);
    }

    pub(super) fn remove(&self, dialog: DialogKey) {
        self.part(dialog).lock().remove(&dialog);
    }

    pub(super) fn find(&self, dialog: DialogKey) -> Option<Arc<PresentityUri>> {
        self.part(dialog).lock().get(&dialog).cloned()
    }

    /// Returns how many dialogs there are.
    pub(super) fn count(&self) -> usize {
        self.parts.iter().map(|part| part.lock().len()).sum()
    }

    fn part(&self, dialog: DialogKey) -> &Part {
        &self.parts[usize::from(dialog.0[15]) % PARTS]
    }
}
