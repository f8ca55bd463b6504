//! What must be so when all is quiet: what the rules allow of what is published is what everybody knows, what was
//! acknowledged is there, what is over is gone, and in the end nothing is left.

use std::collections::BTreeSet;

use presence::change::Status;
use presence::edge::stepping::{Census, TICK_MS};

use crate::devices::USERS;
use crate::documents::{Shown, number_of};
use crate::phones::Mood;
use crate::rules::Standing;
use crate::server::Server;
use crate::world::World;

/// The longest that it takes until all is quiet: who does not answer is given up after 32 s, who is busy is asked again
/// after pauses that double.
const PATIENCE_MS: u64 = 300_000;

impl World {
    /// Waits until all is quiet, and looks.
    pub(crate) fn check_quiet(&mut self) {
        self.calm_down();
        let give_up_ms = self.now_ms() + PATIENCE_MS;
        // Rules are looked at every two seconds, and so are rows where another program writes, more than once.
        let mut quiet_from_ms = self.now_ms() + if self.configuration.has_another_writer { 12_000 } else { 4000 };
        loop {
            let now = self.now_ms();
            self.run_until(now + 500);
            if self.violation.is_some() {
                return;
            }
            // A database that was away is tried again after a pause, and then looked at for rules.
            if !self.is_quiet() || now < self.failed_ms + 5000 {
                quiet_from_ms = quiet_from_ms.max(now + 1500);
            }
            if now >= quiet_from_ms {
                break;
            }
            if now > give_up_ms {
                return self.fail(format!("it never becomes quiet: {:?}", self.server.as_ref().map(|it| it.census())));
            }
        }
        self.note(|| "quiet".into());
        let census = self.server.as_ref().map(Server::census).unwrap_or_default();
        if census.timers > census.presentities {
            self.fail(format!("wake-ups for who is forgotten: {census:?}"));
        }
        self.check_publications();
        self.check_subscriptions();
    }

    fn is_quiet(&self) -> bool {
        let wall_s = self.wall_ms() / 1000;
        let is_clear = !self.rules.iter().any(|rules| rules.is_about_to_change(wall_s, 3));
        let is_settled = self.server.as_ref().is_some_and(|server| server.is_settled() && server.is_told());
        is_clear && is_settled && self.in_the_air == 0 && self.asks.is_empty()
    }

    /// What was acknowledged is on the disk, and what must be over is not.
    fn check_publications(&mut self) {
        let (now, shifts) = (self.now_ms(), self.shifts);
        let rows = self.database.with(|disk| disk.rows.publications.clone());
        let mut complaints = Vec::new();
        for row in rows.values() {
            let number = number_of(&row.body);
            let owner = self.devices.iter().find(|device| number.is_some_and(|it| device.numbers.contains(&it)));
            match owner {
                None => complaints.push(format!("published by nobody: {row:?}")),
                Some(owner) if owner.bounds.iter().all(|bound| bound.is_past(now, shifts)) => {
                    complaints.push(format!("a publication outlives its time: {row:?}"));
                }
                Some(owner) if number.is_some_and(|it| owner.refused.contains(&it)) => {
                    complaints.push(format!("what was refused is published: {row:?}"));
                }
                Some(_) => {}
            }
        }
        for device in &self.devices {
            let Some(acked) = &device.acked else { continue };
            if device.is_unsure || !acked.grant.is_sure(now, shifts) {
                continue;
            }
            let row = rows.values().find(|row| row.entity_tag == acked.tag);
            let expected = self.database.with(|disk| match disk.meddled.get(&acked.tag) {
                Some(number) => *number,
                None => Some(acked.number),
            });
            if row.and_then(|row| number_of(&row.body)) != expected {
                complaints.push(format!("acknowledged and not there: {acked:?}, {row:?}"));
            }
        }
        complaints.into_iter().for_each(|complaint| self.fail(complaint));
    }

    fn check_subscriptions(&mut self) {
        let (now, shifts) = (self.now_ms(), self.shifts);
        let rows = self.database.with(|disk| disk.rows.subscriptions.clone());
        let mut complaints = Vec::new();
        for row in rows.values() {
            let Some(at) = self.by_call_id.get(row.call_id.as_str()).copied() else {
                complaints.push(format!("nobody subscribed: {row:?}"));
                continue;
            };
            let subscription = &self.subscriptions[at];
            if subscription.bounds.iter().all(|bound| bound.is_past(now, shifts)) {
                complaints.push(format!("a subscription outlives its time: {row:?}"));
            }
            // Who does not care any more is told so at the next NOTIFY.
            let is_its = subscription.remote_tag.as_deref() == Some(row.local_tag.as_str());
            let is_mute = self.phones[subscription.phone].mood == Mood::Mute;
            if is_its && !subscription.is_over && !is_mute {
                complaints.extend(self.complaint_about(at).map(|what| format!("{what}: {row:?} {subscription:?}")));
            }
        }
        let there: BTreeSet<_> = rows.values().map(|row| row.call_id.as_str()).collect();
        for (at, subscription) in self.subscriptions.iter().enumerate() {
            if self.is_sure(at) && !there.contains(subscription.call_id.as_str()) {
                complaints.push(format!("acknowledged and not there: {subscription:?}"));
            }
        }
        complaints.into_iter().for_each(|complaint| self.fail(complaint));
    }

    /// Returns what a watcher knows that is not so, or does not know.
    fn complaint_about(&self, at: usize) -> Option<String> {
        let subscription = &self.subscriptions[at];
        let phone = &self.phones[subscription.phone];
        let user = subscription.user;
        let standing = match phone.is_of(user) {
            true => Standing::Allowed { services: true, notes: true },
            false => self.decide(&self.rules[user], &phone.uri, subscription.event, self.wall_ms()),
        };
        let expected = match standing {
            Standing::Allowed { .. } => "active",
            Standing::Blocked => return Some("is let in, and should not be".into()),
            Standing::Pending => "pending",
            Standing::PolitelyBlocked => "active",
        };
        if !subscription.state.starts_with(expected) {
            return Some(format!("should be told that it is {expected}"));
        }
        if subscription.event == "presence.winfo" {
            return self.complaint_about_table(at, phone.is_of(user), &phone.uri);
        }
        let shown = match standing {
            Standing::Allowed { services, notes } => Shown::of(&self.published_numbers(USERS[user]), services, notes),
            Standing::Pending => return None,
            Standing::Blocked | Standing::PolitelyBlocked => Shown::default(),
        };
        (subscription.shown.as_ref() != Some(&shown)).then(|| format!("should see {shown:?}"))
    }

    /// Returns what is wrong with what a subscriber to watcher information knows.
    fn complaint_about_table(&self, at: usize, sees_all: bool, own: &str) -> Option<String> {
        let user = USERS[self.subscriptions[at].user];
        let sees = |watcher: &str| sees_all || watcher == own;
        let uri_of = |of: &presence::presentity_uri::UserAtDomain| format!("sip:{}@{}", of.user, of.domain);
        let mut expected: Vec<String> = self.database.with(|disk| {
            let watching = disk.rows.subscriptions.values();
            let watching = watching.filter(|row| row.presentity.user == user && row.event == "presence");
            let watching = watching.map(|row| {
                let status = if row.status == Status::Pending { "pending" } else { "active" };
                (uri_of(&row.watcher), status)
            });
            let waiting = disk.rows.watchers.values();
            let waiting = waiting.filter(|row| row.presentity.user == user && row.event == "presence");
            let waiting = waiting.filter(|row| row.status == presence::watcher::Status::Waiting);
            let waiting = waiting.map(|row| (uri_of(&row.watcher), "waiting"));
            let all = watching.chain(waiting).filter(|(watcher, _)| sees(watcher));
            all.map(|(watcher, status)| format!("{watcher} {status}")).collect()
        });
        expected.sort();
        let told = self.subscriptions[at].table.everybody();
        (told != expected).then(|| format!("knows of {told:?}, not of {expected:?}"))
    }

    /// Returns the numbers of the states that are published of a user.
    fn published_numbers(&self, user: &str) -> BTreeSet<u64> {
        let of = |disk: &mut crate::disk::Disk| {
            let rows = disk.rows.publications.values().filter(|row| row.presentity.user == user);
            rows.filter_map(|row| number_of(&row.body)).collect()
        };
        self.database.with(of)
    }

    /// Lets everything expire, and sees that nothing is left.
    pub(crate) fn check_floor(&mut self) {
        let longest_ms = u64::from(self.configuration.max_expires_s) * 1000;
        // What waits for a decision does so for 30 s more; clocks that were set back prolong what was read back since.
        let until_ms = self.now_ms() + longest_ms + 30_000 + self.shifts.back_ms + 60_000;
        // Between two ticks: what the server orders of itself at each is carried out by then.
        self.run_until(until_ms / TICK_MS * TICK_MS + TICK_MS / 2);
        if self.violation.is_some() {
            return;
        }
        let Some(server) = &self.server else { return };
        let (census, transactions) = (server.census(), server.transactions());
        if (census, transactions) != (Census::default(), 0) {
            return self.fail(format!("all is over, and memory holds {census:?} and {transactions} transactions"));
        }
        let rows = self.database.with(|disk| disk.rows.clone());
        let left = (rows.publications.len(), rows.subscriptions.len(), rows.watchers.len());
        let undecided = rows.watchers.values().filter(|row| row.deadline > 0).count();
        if (left.0, left.1, undecided) != (0, 0, 0) {
            self.fail(format!("all is over, and the disk holds {left:?}, {undecided} undecided"));
        }
    }
}
