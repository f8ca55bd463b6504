//! Whether there is room for what a request would add to a presentity. What takes the place of something, or ends it, is
//! never refused for want of room.

use super::Presentity;
use crate::change::{Change, Status};
use crate::limits::{Bound, Limits};
use crate::publication::Publication;
use crate::usage::Usage;

impl Presentity {
    /// Returns what of all presentities this one takes: publications, bytes of their documents, subscriptions.
    pub fn extent(&self) -> Extent {
        let publications = self.publications.len();
        let document_bytes = self.document_bytes();
        let subscriptions = self.dialogs.subscription_count();
        let is_held = publications > 0 || subscriptions > 0 || self.watchers.is_somebody_undecided();
        Extent { presentities: is_held.into(), publications, document_bytes, subscriptions }
    }

    /// Finds the bound that a publication would go beyond, `elsewhere` being one that all presentities together reach.
    pub(super) fn refuse_publication(
        &self,
        change: Option<&Change>,
        elsewhere: Option<Bound>,
        limits: Limits,
    ) -> Option<Bound> {
        let has_room_for = |added: usize| self.document_bytes() + added <= limits.document_bytes_max;
        match change? {
            Change::PublicationStored { .. } if self.publications.len() >= limits.publications_max => {
                Some(Bound::PublicationsPerPresentity)
            }
            Change::PublicationStored { row, .. } if !has_room_for(row.body.len()) => Some(Bound::DocumentBytes),
            Change::PublicationStored { .. } => elsewhere,
            Change::PublicationContinued { id, body: Some(body), .. } => {
                let former = self.publications.iter().find(|publication| publication.row.id == *id);
                let added = body.len().saturating_sub(former.map_or(0, |former| former.row.body.len()));
                (added > 0 && !has_room_for(added)).then_some(Bound::DocumentBytes)
            }
            _ => None,
        }
    }

    /// Finds the bound that a subscription would go beyond, `elsewhere` as above.
    pub(super) fn refuse_subscription(
        &self,
        changes: &[Change],
        elsewhere: Option<Bound>,
        limits: Limits,
    ) -> Option<Bound> {
        let begun = changes.iter().find_map(|change| match change {
            Change::SubscriptionFetched { row, .. } | Change::SubscriptionStored { row, .. } => Some(row),
            _ => None,
        })?;
        if self.dialogs.subscription_count() >= limits.subscriptions_max {
            return Some(Bound::SubscriptionsPerPresentity);
        }
        let is_new = || !self.watchers.is_undecided(&begun.watcher, &begun.event);
        if begun.status == Status::Pending && self.are_undecided(limits.undecided_max) && is_new() {
            return Some(Bound::Undecided);
        }
        elsewhere
    }

    /// Returns whether so many wait for a decision: states of those who have proven who they are, and subscriptions of those
    /// who have not.
    fn are_undecided(&self, count: usize) -> bool {
        let proven = self.watchers.undecided_count();
        let is_unproven = |usage: &&Usage| usage.row.status == Status::Pending && usage.row.identity().is_empty();
        let may_be = proven + self.dialogs.subscription_count() >= count;
        may_be && proven + self.dialogs.live().filter(is_unproven).count() >= count
    }

    fn document_bytes(&self) -> usize {
        let bytes = |publication: &Publication| publication.row.body.len();
        self.publications.iter().map(bytes).sum()
    }
}

/// What of all presentities one takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extent {
    /// Presentities: one, or none of which nothing is held.
    pub presentities: usize,
    /// Publications.
    pub publications: usize,
    /// Bytes of their documents.
    pub document_bytes: usize,
    /// Subscriptions, those included whose end is still to be told.
    pub subscriptions: usize,
}
