//! What another program wrote, taken up as events: rows that came, that are others now, and that are gone.
//!
//! Whoever watches is told as of any other change. What is over when it comes is removed, and nobody hears of it.

use std::sync::Arc;

use super::Presentity;
use super::applying::entry;
use crate::change::{Change, Ending, Moment, Now, PublicationRow, SubscriptionKey, SubscriptionRow};
use crate::dialog::DialogKey;
use crate::effect::Decision;
use crate::packed_row::PackedRow;
use crate::publication::Publication;
use crate::usage::Usage;

/// Rows of one presentity that are not as memory has them.
#[derive(Debug, Default)]
pub struct Found {
    /// Publications that came or changed.
    pub publications: Vec<Publication>,
    /// Subscriptions that came or changed, and when they end.
    pub subscriptions: Vec<(Arc<SubscriptionRow>, Moment)>,
    /// Publications that are gone.
    pub gone_publications: Vec<u64>,
    /// Subscriptions that are gone.
    pub gone_subscriptions: Vec<SubscriptionKey>,
}

impl Presentity {
    /// Returns a publication by the key of its row.
    pub fn publication(&self, id: u64) -> Option<&PublicationRow> {
        self.publications.iter().map(|publication| &publication.row).find(|row| row.id == id)
    }

    /// Returns a subscription that is not over by the key of its row.
    pub fn subscription(&self, key: SubscriptionKey) -> Option<&PackedRow> {
        self.dialogs.usage(key).filter(|usage| !usage.is_ending()).map(|usage| &usage.row)
    }

    /// Takes up what another program wrote.
    pub fn on_found(&mut self, found: Found, now: Now) -> Decision {
        let mut changes = Vec::new();
        let is_published = !found.publications.is_empty() || !found.gone_publications.is_empty();
        for publication in found.publications {
            changes.extend(self.find_publication(publication, now));
        }
        self.publications.retain(|publication| !found.gone_publications.contains(&publication.row.id));
        if is_published {
            self.document_changed(None);
        }
        // By the rules and not by its row it is decided where a watcher stands.
        self.is_review_due |= !found.subscriptions.is_empty();
        for (row, deadline) in found.subscriptions {
            changes.extend(self.find_subscription(&row, deadline, now));
        }
        for key in found.gone_subscriptions {
            self.end(key, Ending::Deactivated, false);
        }
        Decision { changes, effects: Vec::new() }
    }

    fn find_publication(&mut self, publication: Publication, now: Now) -> Option<Change> {
        let Publication { mut row, deadline } = publication;
        let known = self.publications.iter_mut().find(|known| known.row.id == row.id);
        let Some(known) = known else {
            if deadline <= now.mono {
                return Some(Change::PublicationRemoved { id: row.id });
            }
            self.publications.push(Publication { row, deadline });
            self.expect_timeout(deadline);
            return None;
        };
        if known.row.received_at_ms / 1000 == row.received_at_ms / 1000 {
            // The row does not know the milliseconds.
            row.received_at_ms = known.row.received_at_ms;
        }
        if known.row.expires != row.expires {
            known.deadline = deadline;
        }
        known.row = row;
        let deadline = known.deadline;
        self.expect_timeout(deadline);
        None
    }

    fn find_subscription(&mut self, row: &SubscriptionRow, deadline: Moment, now: Now) -> Option<Change> {
        let key = row.key;
        match self.subscription(key) {
            Some(known) if is_same(known, row) => self.change_row(row, deadline),
            None if deadline <= now.mono => {
                return Some(Change::SubscriptionRemoved { key, ending: Ending::Silent, waits: false });
            }
            known => {
                if known.is_some() {
                    // Under its key there is another one: who subscribed before is not told, and others are.
                    self.end(key, Ending::Deactivated, false);
                    self.dialogs.change(key, |usage| usage.end(Ending::Silent));
                }
                self.resume_found(row, deadline);
            }
        }
        None
    }

    fn resume_found(&mut self, row: &SubscriptionRow, deadline: Moment) {
        let usage = Usage::resume(row, deadline);
        self.tell_of(&row.event, &entry(&usage, row.status.watcher(), usage.event), true);
        self.dialogs.resume(DialogKey::of_row(row), usage);
        self.dialogs.change(row.key, Usage::owe);
        self.expect_timeout(deadline);
    }

    fn change_row(&mut self, row: &SubscriptionRow, deadline: Moment) {
        let (key, status) = (row.key, row.status);
        self.dialogs.change(key, |usage| usage.take_over(row, deadline));
        self.authorize(key, status);
        if let Some(deadline) = self.dialogs.usage(key).map(|usage| usage.deadline) {
            self.prolong_news(key, deadline);
            self.expect_timeout(deadline);
        }
    }
}

/// Returns whether two rows with one key are one subscription of one watcher.
fn is_same(known: &PackedRow, row: &SubscriptionRow) -> bool {
    let is_watcher =
        known.is_of(&row.watcher) && (known.identity(), known.watcher_id()) == (&row.identity, &row.watcher_id);
    let is_what = (&**known.event(), known.event_id()) == (&row.event, &row.event_id);
    let dialog = (known.call_id(), known.local_tag(), known.remote_tag());
    is_watcher && is_what && dialog == (&row.call_id, &row.local_tag, &row.remote_tag)
}
