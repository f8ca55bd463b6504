//! A scripted user agent on real sockets: it sends what a test tells it to, and judges all it receives.
//!
//! Read in this order:

mod publisher; // publishes and remembers its entity-tag
mod watcher; // subscribes and answers NOTIFYs

mod notification; // a NOTIFY taken apart
mod notify_rules; // what every NOTIFY must be
mod usage; // one subscription of a dialog
pub(crate) mod response_rules; // what every response must be
mod subscription_state; // the Subscription-State header
mod violation; // what was broken

mod endpoint; // a socket with transactions on it
mod retransmission; // timers E and F

#[cfg(test)]
pub(crate) mod fake_server; // a peer that breaks promises on command

pub(crate) use endpoint::{DEADLINE, unique};
pub use endpoint::{Endpoint, RequestHandler};
pub use notification::Notification;
pub use notify_rules::NotifyRules;
pub use publisher::Publisher;
pub(crate) use retransmission::Retransmission;
pub use subscription_state::SubscriptionState;
pub use violation::{Rule, Violation};
pub use watcher::Watcher;
