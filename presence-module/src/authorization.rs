//! Whether a watcher may see (RFC 3856 §6.6.2).

use crate::change::Status;

/// Returns the state of a watcher on whom no rules document decides: `force_active` alone does.
pub fn without_rules(force_active: bool) -> Status {
    if force_active { Status::Active } else { Status::Pending }
}
