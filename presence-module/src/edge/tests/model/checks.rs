//! What holds after every step, when all is quiet, and in the end.

use std::collections::BTreeMap;

use super::world::World;
use crate::change::Status;
use crate::dialog::Dialog;
use crate::effect::Notification;
use crate::package::Package;
use crate::watcher;

impl World {
    /// The database holds what is so.
    pub(super) fn check_disk(&self) {
        let publications: BTreeMap<_, _> = self
            .truth
            .publications
            .iter()
            .map(|(id, it)| {
                (*id, (it.entity_tag.clone(), it.expires, it.received_at_ms, it.document.written(it.device)))
            })
            .collect();
        let stored = self.disk.publications.iter();
        let stored = stored
            .map(|(id, row)| (*id, (row.entity_tag.clone(), row.expires, row.received_at_ms, row.body.to_string())));
        assert_eq!(stored.collect::<BTreeMap<_, _>>(), publications);

        let subscriptions = self.truth.subscriptions.iter();
        let subscriptions = subscriptions.map(|(key, it)| {
            (*key, (it.id.clone(), it.status, it.expires, it.granted_s, it.remote_target.clone(), it.phone))
        });
        let stored = self.disk.subscriptions.iter();
        let stored = stored.map(|(key, row)| {
            let phone = self.truth.subscriptions.get(key).map_or(usize::MAX, |it| it.phone);
            let row = row.clone();
            (*key, (row.watcher_id, row.status, row.expires, row.granted_s, row.remote_target, phone))
        });
        assert_eq!(stored.collect::<BTreeMap<_, _>>(), subscriptions.collect());

        let watchers = self.truth.watchers.iter();
        let watchers = watchers.map(|((name, package), it)| {
            ((name.clone(), *package), (it.status.as_str(), it.reason, it.identity, it.deadline_s))
        });
        let stored = self.disk.watchers.values();
        let stored = stored.map(|row| {
            let package = Package::of(&row.event).expect("ours").name();
            (
                (row.watcher.clone(), package),
                (row.status.as_str(), row.reason.as_str(), row.identity.as_str(), row.deadline),
            )
        });
        assert_eq!(stored.collect::<BTreeMap<_, _>>(), watchers.collect());
    }

    /// A CSeq is reserved before it is used, by every row of its dialog.
    pub(super) fn check_reserved(&self, notification: &Notification) {
        let rows = self.disk.subscriptions.values().filter(|row| row.call_id == notification.row.call_id());
        let reserved = rows.map(|row| row.local_cseq).min();
        assert!(reserved.is_none_or(|reserved| notification.cseq <= reserved), "{reserved:?}: {notification:?}");
    }

    /// It comes back in time for everything that ends.
    pub(super) fn check_timeout(&self) {
        let publications = self.presentity.publications().iter().map(|publication| publication.deadline);
        let subscriptions = self.presentity.subscriptions().map(|usage| usage.deadline);
        let next = self.presentity.next_timeout();
        if let Some(earliest) = publications.chain(subscriptions).min() {
            assert!(next.is_some_and(|at| at <= earliest), "{earliest:?} is forgotten, {next:?} is expected");
        }
    }

    /// Memory is as the database, everybody has what they may see, and nothing is owed.
    pub(super) fn check_quiet(&self) {
        assert!(self.presentity.dialogs().all(Dialog::is_told), "everything is told");
        let publications = self.presentity.publications().iter().map(|publication| &publication.row);
        let mut publications: Vec<_> = publications.collect();
        publications.sort_unstable_by_key(|row| row.id);
        assert!(publications.into_iter().eq(self.disk.publications.values()), "memory is as the database");
        let subscriptions = self.presentity.subscriptions().map(|usage| (usage.row.key, usage.row.to_row()));
        assert_eq!(subscriptions.collect::<BTreeMap<_, _>>(), self.disk.subscriptions);
        assert!(self.truth.over.is_empty(), "whose subscription is over has heard of it: {:?}", self.truth.over);

        let rules = self.presentity.knows_rules().then_some(self.rules);
        for (key, subscription) in &self.truth.subscriptions {
            assert!(!subscription.is_claimed, "who asked was told: {subscription:?}");
            let view = &self.wire.subscriptions[key];
            if view.is_doubtful || subscription.is_spared {
                continue;
            }
            if subscription.package != Package::Presence {
                assert_eq!(view.table.watchers, self.truth.table(subscription), "{subscription:?}");
            } else if subscription.status != Status::Pending {
                let shown = self.truth.shown(subscription, None, rules, self.now).expect("it is active");
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                assert_eq!(text(&view.document), text(&shown.document), "{subscription:?}");
            }
        }
    }

    /// Everything ends with its deadline.
    pub(super) fn check_end(&mut self) {
        for _ in 0..8 {
            self.wait(1000 * self.policy.waiting_time_s + 4_000_000, false);
            self.settle_down();
        }
        assert!(self.presentity.is_idle(), "{:?}", self.presentity);
        assert!(self.disk.publications.is_empty() && self.disk.subscriptions.is_empty());
        let is_undecided = |status| matches!(status, watcher::Status::Pending | watcher::Status::Waiting);
        assert!(!self.disk.watchers.values().any(|row| is_undecided(row.status)));
    }
}
