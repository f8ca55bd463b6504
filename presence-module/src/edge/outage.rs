//! A database that is away, or that another server has taken over: nothing waits for it, and what ended while it was away
//! is made good.
//!
//! While it is here and nothing is written, the owner's row is renewed now and then, so that nobody takes this server for
//! dead; that is how an outage is noticed where nobody asks for anything, and how its end is.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use module_api::abi::LogLevel;

use super::core::Core;
use super::writer::Writer;
use crate::change::{Moment, Now};
use crate::store::{is_session_lost, is_taken_over};

/// How often the owner's row is renewed; commits renew it too.
const HEARTBEAT: Duration = Duration::from_secs(crate::store::owner::HEARTBEAT_S);
/// The first and the longest pause between attempts to reach a database that is away.
pub(super) const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Whether there is a database to write into.
pub(super) enum Database {
    /// It is tried now and then.
    Away(Outage),
    /// There is, and the owner's row was renewed then.
    Here(Instant),
    /// Another server serves it: nothing is read or written any more.
    TakenOver,
}

/// Who fails again so soon after it was back was hardly there: the pauses go on growing.
const STEADY_AFTER: Duration = Duration::from_secs(1);

/// Since when the database is away, and when it is tried again.
pub(super) struct Outage {
    since: Moment,
    pause: Duration,
    retry_at: Instant,
}

impl Writer {
    pub(super) fn is_here(&self) -> bool {
        matches!(self.database, Database::Here(_))
    }

    /// Notes that something was written.
    pub(super) fn note_renewed(&mut self) {
        if let Database::Here(renewed_at) = &mut self.database {
            *renewed_at = self.core.instant();
        }
    }

    /// Returns when the database is to be tried again, or the owner's row to be renewed.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        match &self.database {
            // Where nothing is stale yet, the order to read back is in the queue.
            Database::Away(outage) if !self.stale.is_empty() || self.refused.is_empty() => Some(outage.retry_at),
            Database::Away(_) | Database::TakenOver => None,
            Database::Here(renewed_at) => Some(*renewed_at + HEARTBEAT),
        }
    }

    /// Renews the owner's row if nothing else did for a while; tries a database that is away and that nobody waits for.
    pub(super) fn keep_alive(&mut self) {
        let now = self.core.instant();
        let is_silent = matches!(&self.database, Database::Here(renewed_at) if now.saturating_duration_since(*renewed_at) >= HEARTBEAT);
        if is_silent {
            match self.store.heartbeat() {
                Ok(()) => self.note_renewed(),
                Err(error) => self.note_failure(&error, BACK_OFF.0),
            }
        } else if self.stale.is_empty() && self.refused.is_empty() && self.may_be_tried() {
            self.note_back(self.core.now());
        }
    }

    /// Returns whether what waits for the database can be tried: it is here, or it is time and it can be written into.
    fn may_be_tried(&mut self) -> bool {
        match &self.database {
            Database::Here(_) => true,
            Database::TakenOver => false,
            Database::Away(outage) if outage.retry_at > self.core.instant() => false,
            // To be read it need not be able to take anything.
            Database::Away(_) => match self.store.heartbeat() {
                Ok(()) => true,
                Err(error) => {
                    self.note_failure(&error, BACK_OFF.0);
                    false
                }
            },
        }
    }

    /// Reads presentities back; while the database is away, they wait, and nobody else does.
    pub(super) fn read_back(&mut self) {
        if self.stale.is_empty() {
            return;
        }
        if let Database::TakenOver = self.database {
            self.core.queue.settle(self.stale.len());
            self.stale.clear();
        }
        if !self.may_be_tried() {
            return;
        }
        let now = self.core.now();
        let mut rows = match self.core.rows_of(&mut *self.store, &self.stale, now) {
            Ok(rows) => rows,
            Err(error) => return self.note_failure(&error, BACK_OFF.0),
        };
        for (uri, rows) in &rows {
            rows.keys().for_each(|key| self.sweeping.note(uri, key));
        }
        for uri in &self.stale {
            self.refused.remove(uri);
            self.core.restore(uri, rows.remove(&**uri).unwrap_or_default(), now);
        }
        self.note_back(now);
        self.core.queue.settle(self.stale.len());
        self.stale.clear();
    }

    /// Notes that the database failed: it is away, and tried again after a while, or somebody else's for good.
    pub(super) fn note_failure(&mut self, error: &(dyn Error + 'static), first_pause: Duration) {
        let now = self.core.instant();
        let (since, pause) = match &self.database {
            _ if is_taken_over(error) => return self.give_up(),
            Database::TakenOver => return,
            Database::Away(outage) => (outage.since, grown(outage.pause)),
            Database::Here(_) => {
                self.core.warn(&format!("{error}; requests are answered 503 until the database is back"));
                let pause = match self.last_outage {
                    Some((ended_at, pause)) if now.saturating_duration_since(ended_at) < STEADY_AFTER => grown(pause),
                    _ => first_pause,
                };
                (self.core.now().mono, pause)
            }
        };
        self.database = Database::Away(Outage { since, pause, retry_at: now + pause });
        self.core.is_away.store(true, Ordering::Relaxed);
    }

    /// Warns of a failure that nobody need wait for, unless it means that the database is away, or somebody else's.
    pub(super) fn warn(&mut self, what: &str, error: &(dyn Error + 'static)) {
        if is_taken_over(error) || is_session_lost(error) {
            self.note_failure(error, Duration::ZERO);
        } else {
            self.core.warn(&format!("{what}: {error}"));
        }
    }

    /// Makes good what ended while the database was away, if it was.
    fn note_back(&mut self, now: Now) {
        if self.is_here() {
            return;
        }
        let instant = self.core.instant();
        if let Database::Away(outage) = std::mem::replace(&mut self.database, Database::Here(instant)) {
            self.last_outage = Some((instant, outage.pause));
            self.core.prolong(outage.since, now);
            self.core.is_away.store(false, Ordering::Relaxed);
            self.core.warn("the database is back");
        }
    }

    /// Stops serving for good: whatever this server decides, it could not write.
    fn give_up(&mut self) {
        if let Database::TakenOver = self.database {
            return;
        }
        self.database = Database::TakenOver;
        self.core.is_over.store(true, Ordering::Relaxed);
        self.core.is_away.store(true, Ordering::Relaxed);
        self.core.metrics.count(self.core.metrics.taken_over);
        let by = self.store.owner().map(|owner| format!(": {owner}")).unwrap_or_default();
        let message = format!("another server took over this database{by}; every request is answered 503 from here on");
        self.core.host.log(LogLevel::ERROR, &message);
    }
}

fn grown(pause: Duration) -> Duration {
    (pause * 2).clamp(BACK_OFF.0, BACK_OFF.1)
}

impl Core {
    /// Prolongs what ended while the database was away: nobody could refresh it.
    fn prolong(&self, since: Moment, now: Now) {
        let outage_ms = now.mono.0.saturating_sub(since.0);
        self.shards.for_each(|slot| {
            slot.presentity.prolong(now, outage_ms);
            self.wake(slot);
        });
    }
}
