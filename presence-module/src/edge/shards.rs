//! Presentities behind their locks: one lock serves many presentities, one presentity always has the same.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, DefaultHasher, Hasher};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::step::Parked;
use super::timers::{Timers, WakeUp};
use crate::change::{Moment, Now};
use crate::dialog::DialogKey;
use crate::notify_outcome::NotifyOutcome;
use crate::presentity::{Extent, Presentity};
use crate::presentity_uri::PresentityUri;
use crate::store::RowKeys;

/// All presentities that somebody watches or publishes.
pub(super) struct Shards {
    shards: Box<[Mutex<Shard>]>,
    hashing: Hashing,
}

/// Hashes that peers cannot foresee: the host gives the secret in front, and a host that repeats itself the same again.
#[derive(Clone)]
struct Hashing(DefaultHasher);

impl BuildHasher for Hashing {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        self.0.clone()
    }
}

/// The presentities of one lock.
pub(super) struct Shard {
    /// A slot is large, and a third of the places in a table is empty.
    slots: HashMap<Arc<PresentityUri>, Box<Slot>, Hashing>,
}

/// A presentity and what the edge knows of it.
pub(super) struct Slot {
    pub(super) presentity: Presentity,
    /// The sequence number of its last staged decision.
    pub(super) staged: u64,
    /// What memory holds is not what the database holds: nothing is decided until it is read back.
    pub(super) is_stale: bool,
    /// The rows that refused decisions were about, until it is read back.
    pub(super) refused: RowKeys,
    /// What it held when that was last counted.
    pub(super) counted: Extent,
    /// When the timers will look at it.
    pub(super) wakes_at: Option<WakeUp>,
    /// Outcomes of NOTIFYs that came while it was stale.
    pub(super) deferred: Vec<(DialogKey, u32, NotifyOutcome)>,
    /// Requests that wait until its privacy rules are read.
    pub(super) parked: VecDeque<Parked>,
    /// When it last decided.
    latest: Now,
    /// Decisions that panicked, one after the other.
    pub(super) panics: u32,
    /// The timers leave it alone until then.
    pub(super) not_before: Moment,
}

/// The first and the longest time that the timers leave a presentity alone after a panic.
const BACK_OFF_MS: (u64, u64) = (250, 64_000);

impl Slot {
    /// Returns `now`, or when it last decided if that was later.
    pub(super) fn latest(&mut self, now: Now) -> Now {
        if now.mono >= self.latest.mono {
            self.latest = now;
        }
        self.latest
    }

    /// Lets the timers leave it alone for a while, twice as long each time: whatever panicked may do so again.
    pub(super) fn back_off(&mut self, now: Moment) {
        let pause = BACK_OFF_MS.0.checked_shl(self.panics).unwrap_or(BACK_OFF_MS.1).min(BACK_OFF_MS.1);
        self.panics += 1;
        self.not_before = Moment(now.0 + pause);
    }
}

impl Shards {
    /// Builds `count` shards, rounded up to a power of two and at least 64; `secret` is what nobody else knows.
    pub(super) fn new(count: usize, secret: [u8; 16]) -> Self {
        let mut hashing = Hashing(DefaultHasher::new());
        hashing.0.write(&secret);
        let shard = |_| Mutex::new(Shard { slots: HashMap::with_hasher(hashing.clone()) });
        Self { shards: (0..count.max(64).next_power_of_two()).map(shard).collect(), hashing }
    }

    /// Locks the shard of a presentity.
    pub(super) fn lock(&self, presentity: &PresentityUri) -> MutexGuard<'_, Shard> {
        let at = self.hashing.hash_one(presentity) as usize & (self.shards.len() - 1);
        self.shards[at].lock()
    }

    /// Visits every presentity, shard by shard.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&mut Slot)) {
        (0..self.count()).for_each(|shard| self.for_each_in(shard, &mut visit));
    }

    /// Visits every presentity of one shard.
    pub(super) fn for_each_in(&self, shard: usize, mut visit: impl FnMut(&mut Slot)) {
        self.shards[shard].lock().slots.values_mut().for_each(|slot| visit(slot));
    }

    /// Returns how many shards there are.
    pub(super) fn count(&self) -> usize {
        self.shards.len()
    }
}

impl Shard {
    /// Returns a presentity's slot, a new one if need be.
    pub(super) fn slot(&mut self, uri: &Arc<PresentityUri>) -> &mut Slot {
        self.slots.entry(uri.clone()).or_insert_with(|| {
            Box::new(Slot {
                presentity: Presentity::new(uri.clone()),
                staged: 0,
                is_stale: false,
                refused: RowKeys::default(),
                counted: Extent::default(),
                wakes_at: None,
                deferred: Vec::new(),
                parked: VecDeque::new(),
                latest: Now::default(),
                panics: 0,
                not_before: Moment(0),
            })
        })
    }

    /// Returns a presentity's slot, if it has one.
    pub(super) fn get(&mut self, uri: &PresentityUri) -> Option<&mut Slot> {
        self.slots.get_mut(uri).map(|slot| &mut **slot)
    }

    /// Forgets a presentity nobody would miss: idle, with nothing staged that may yet be refused.
    pub(super) fn forget_if_idle(&mut self, uri: &PresentityUri, settled: u64, timers: &Timers) {
        let is_missed = |slot: &Slot| {
            !slot.presentity.is_idle() || slot.is_stale || slot.staged > settled || !slot.parked.is_empty()
        };
        if self.slots.get(uri).is_some_and(|slot| !is_missed(slot))
            && let Some(slot) = self.slots.remove(uri)
        {
            slot.wakes_at.into_iter().for_each(|wake_up| timers.unset(wake_up));
        }
    }
}
