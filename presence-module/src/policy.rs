//! What the operator decided, in the shapes the machines take.

use crate::composition;
use crate::limits::Limits;
use crate::publication::PublishPolicy;
use crate::subscription::SubscribePolicy;

/// All of it, as one presentity needs it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Bounds of publications.
    pub publish: PublishPolicy,
    /// Bounds of subscriptions.
    pub subscribe: SubscribePolicy,
    /// Bounds of what there is of both.
    pub limits: Limits,
    /// How several publications become one document.
    pub composition: composition::Policy,
    /// Whether a watcher is active on whom no rules decide; else it is pending.
    pub force_active: bool,
    /// How soon state changes follow a NOTIFY, milliseconds (RFC 3856 §6.10).
    pub notify_interval_ms: u64,
    /// How long somebody may wait for a decision, seconds (RFC 3857 §4.7.1).
    pub waiting_time_s: u64,
    /// Whether a watcher that does not answer a NOTIFY loses its subscription (RFC 6665 §4.2.2).
    pub silence_ends: bool,
}
