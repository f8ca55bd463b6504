//! A NOTIFY as the watcher understands it.

use super::subscription_state::SubscriptionState;
use crate::message::Message;
use crate::pidf::Presence;
use crate::watcherinfo::WatcherInfo;

/// A NOTIFY taken apart.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The request.
    pub message: Message,
    /// Its Subscription-State; `None` if it was broken, which fails the test later.
    pub state: Option<SubscriptionState>,
    /// Its document; `None` without a body, or if that is no presence document.
    pub presence: Option<Presence>,
    /// Its watcher information; `None` without a body, or if that is something else.
    pub watcherinfo: Option<WatcherInfo>,
    /// The watchers known after it, one line each, sorted: what all watcherinfo documents so far come to.
    pub watchers: Vec<String>,
}

impl Notification {
    /// Returns the number of its CSeq, 0 if there is none.
    pub fn cseq(&self) -> u32 {
        self.message.cseq().map_or(0, |(number, _)| number)
    }

    /// Returns the Subscription-State.
    ///
    /// # Panics
    /// If it is broken.
    pub fn state(&self) -> &SubscriptionState {
        self.state.as_ref().unwrap_or_else(|| panic!("no Subscription-State in\n{}", self.message))
    }

    /// Returns the presence document.
    ///
    /// # Panics
    /// If there is none.
    pub fn presence(&self) -> &Presence {
        self.presence.as_ref().unwrap_or_else(|| panic!("no presence document in\n{}", self.message))
    }

    /// Returns the watcher information.
    ///
    /// # Panics
    /// If there is none.
    pub fn watcherinfo(&self) -> &WatcherInfo {
        self.watcherinfo.as_ref().unwrap_or_else(|| panic!("no watcher information in\n{}", self.message))
    }

    /// Returns the notes of the document's tuples, sorted; none without a document.
    pub fn notes(&self) -> Vec<String> {
        self.presence.as_ref().map(Presence::notes).unwrap_or_default()
    }

    pub(super) fn of(message: &Message, watchers: Vec<String>) -> Self {
        let state = message.get("Subscription-State").and_then(|value| SubscriptionState::read(value).ok());
        let (presence, watcherinfo) = (Presence::read(&message.body).ok(), WatcherInfo::read(&message.body).ok());
        Self { message: message.clone(), state, presence, watcherinfo, watchers }
    }
}
