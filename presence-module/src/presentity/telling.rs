//! What each watcher is told, bound to its dialog: CSeq, state and document are of one moment.

use std::sync::Arc;

use module_api::abi::Body;

use super::Presentity;
use super::applying::entry;
use crate::change::{Change, Ending, Moment, Now, Status};
use crate::composition::compose;
use crate::disclosure::{EntityScheme, offline};
use crate::document::presence_rules::Permissions;
use crate::effect::{Decision, Effect, Notification};
use crate::headers::subscription_state::{Reason, SubscriptionState};
use crate::package::Package;
use crate::packed_row::PackedRow;
use crate::policy::Policy;
use crate::publication::Publication;
use crate::usage::{Usage, View};
use crate::watcher_information::{News, WatcherEntry};

impl Presentity {
    /// Binds a NOTIFY to every dialog that is free and owed one.
    pub(super) fn bind_notifications(&mut self, policy: &Policy, now: Now, decision: &mut Decision) {
        for slot in self.dialogs.take_touched() {
            while self.bind_next(slot, policy, now, decision) {}
            let Some(dialog) = self.dialogs.slot_mut(slot) else { continue };
            let reserved = dialog.reserve().into_iter();
            decision.changes.extend(reserved.map(|(key, local_cseq)| Change::CseqReserved { key, local_cseq }));
            let waits_until = dialog.waits_until().filter(|at| *at > now.mono);
            waits_until.into_iter().for_each(|at| self.expect_timeout(at));
        }
    }

    /// Binds the next NOTIFY of a dialog, or finds that one subscription is owed none. Returns whether to look again.
    fn bind_next(&mut self, slot: usize, policy: &Policy, now: Now, decision: &mut Decision) -> bool {
        let Some(usage) = self.dialogs.slot(slot).and_then(|dialog| dialog.due(now.mono)) else { return false };
        let (state, shows_document) = state_of(usage, now);
        let (row, flow) = (usage.row.clone(), usage.flow);
        // Made before anything is bound, so that a panic leaves no NOTIFY bound that nobody knows of.
        let body = match &usage.view {
            _ if !shows_document => Body::empty(),
            View::Watchers(news) => self.watcher_information(&row, news, now),
            View::Presence(_) if row.status == Status::PoliteBlocked => {
                offline(&self.uri, EntityScheme::of(row.presentity_uri()))
            }
            View::Presence(permissions) => {
                let permissions = permissions.clone();
                let permissions = permissions.unwrap_or_else(|| self.first_view(slot, &row, policy, now));
                self.presence(&row, &permissions, policy)
            }
        };
        let Some(dialog) = self.dialogs.slot_mut(slot) else { return false };
        if let Some(usage) = dialog.usage_mut(row.key).filter(|usage| usage.is_no_news(&body)) {
            usage.settle();
            return true;
        }
        let quiet_until = Moment(now.mono.0 + policy.notify_interval_ms);
        let cseq = dialog.bind(row.key, &body, quiet_until);
        let dialog = dialog.key;
        decision.effects.push(Effect::Notify(Notification { dialog, row, cseq, state, body, flow }));
        false
    }

    /// Finds out what a watcher may see that has not been told anything in this run.
    fn first_view(&mut self, slot: usize, row: &PackedRow, policy: &Policy, now: Now) -> Arc<Permissions> {
        let permissions = self.permissions(row, policy, now);
        let usage = self.dialogs.slot_mut(slot).and_then(|dialog| dialog.usage_mut(row.key));
        if let Some(usage) = usage {
            usage.view = View::Presence(Some(permissions.clone()));
        }
        permissions
    }

    fn presence(&mut self, row: &PackedRow, permissions: &Arc<Permissions>, policy: &Policy) -> Body {
        let (disclosure, publications) = (&mut self.disclosure, &self.publications);
        disclosure.document(EntityScheme::of(row.presentity_uri()), permissions, |scheme| {
            let published = publications.iter().filter(|publication| publication.row.event == *row.event());
            let sources: Vec<_> = published.map(Publication::source).collect();
            #[cfg(test)]
            assert!(!sources.iter().any(|source| source.body.ends_with(super::tests::PANICS)), "as a test has it");
            compose(policy.composition, &self.uri.to_uri(scheme.as_str()), &sources)
        })
    }

    fn watcher_information(&self, row: &PackedRow, news: &News, now: Now) -> Body {
        let Some(watched) = Package::of(row.event()).and_then(Package::watched) else { return Body::empty() };
        let resource = self.uri.to_uri(EntityScheme::of(row.presentity_uri()).as_str());
        let everybody = || self.everybody(watched, row);
        Body::from(news.write(&resource, watched.name(), everybody, now))
    }

    /// Returns those who watch `package`, or wait to, as far as the subscriber of `row` may see them.
    fn everybody(&self, package: Package, row: &PackedRow) -> Vec<WatcherEntry> {
        let sees_all = super::authorizing::is_identity_of(row.identity(), &self.uri);
        let is_own = |entry: &WatcherEntry| !entry.identity.is_empty() && entry.identity == row.identity();
        let watching = self.dialogs.live().filter(|usage| usage.row.event() == package.name());
        let watching = watching.map(|usage| entry(usage, usage.row.status.watcher(), usage.event));
        let entries = watching.chain(self.watchers.waiting(package.name()));
        entries.filter(|entry| sees_all || is_own(entry)).collect()
    }
}

/// Returns what the watcher is told of its subscription, and whether with a document.
fn state_of(usage: &Usage, now: Now) -> (SubscriptionState, bool) {
    let is_pending = usage.row.status == Status::Pending;
    let expires_s = usage.deadline.seconds_from(now.mono) as u32;
    match usage.ending() {
        None if is_pending => (SubscriptionState::Pending { expires_s }, false),
        None => (SubscriptionState::Active { expires_s }, true),
        Some(ending) => {
            let state = SubscriptionState::Terminated { reason: reason(ending), retry_after_s: None };
            (state, !is_pending && ending == Ending::Unsubscribed)
        }
    }
}

fn reason(ending: Ending) -> Reason {
    match ending {
        Ending::Deactivated => Reason::Deactivated,
        Ending::Expired | Ending::Silent | Ending::Unsubscribed => Reason::Timeout,
        Ending::GivenUp => Reason::Giveup,
        Ending::Rejected => Reason::Rejected,
    }
}
