//! A pass of the sweep: how far it is, how long its next step is, and when that is due.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::change::Change;
use crate::edge::comparing::{Counts, Place, RowKey};
use crate::presentity_uri::PresentityUri;

/// Rows in one step, at least and at most.
const ROWS: (usize, usize) = (16, 1024);
/// What a step is to take: commits wait for it.
const STEP: Duration = Duration::from_millis(5);
/// The shortest pause between two steps, and how many times as long as a step it is.
const PAUSE: (Duration, u32) = (Duration::from_millis(250), 64);

/// How fast a pass goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::edge) enum Pace {
    /// Step after step: somebody waits for it.
    AtOnce,
    /// With pauses.
    Leisurely,
}

/// How far the sweep is.
#[derive(Default)]
pub(in crate::edge) struct Sweeping {
    pub(super) pass: Option<Pass>,
    /// Another pass follows at once: the present one may have passed by what it was asked for.
    pub(super) is_asked_again: bool,
    /// What could not be understood in the last pass.
    pub(super) skipped: FxHashMap<String, usize>,
}

pub(super) struct Pass {
    pub(super) pace: Pace,
    pub(super) stage: Stage,
    /// Rows in the next step.
    pub(super) rows: usize,
    pub(super) next_step: Instant,
    pub(super) has_failed: bool,
    /// Rows that are there, by their hashes: met, or written meanwhile.
    pub(super) met: FxHashSet<u64>,
    /// To be looked at by their keys.
    pub(super) doubts: VecDeque<Place>,
    pub(super) skipped: FxHashMap<String, usize>,
    pub(super) counts: Counts,
}

#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// Rows are compared with memory.
    Walking,
    /// Memory is compared with what was met, from this shard on.
    Missing(usize),
}

impl Sweeping {
    /// Returns when the next step is due.
    pub(in crate::edge) fn next_step(&self) -> Option<Instant> {
        self.pass.as_ref().map(|pass| pass.next_step)
    }

    pub(super) fn begin(&mut self, pace: Pace, now: Instant) {
        match &mut self.pass {
            None => self.pass = Some(Pass::new(pace, now)),
            Some(pass) if pace == Pace::AtOnce => {
                (pass.pace, pass.next_step) = (pace, now);
                self.is_asked_again = true;
            }
            Some(_) => {}
        }
    }

    /// Notes that rows were written: they are there, wherever the walk is.
    pub(in crate::edge) fn note_written(&mut self, presentity: &PresentityUri, changes: &[Change]) {
        for change in changes {
            match change {
                Change::PublicationStored { row, .. } => self.note(presentity, RowKey::Publication(row.id)),
                Change::SubscriptionStored { row, .. } => self.note(presentity, RowKey::Subscription(row.key)),
                _ => {}
            }
        }
    }

    /// Notes that a row is there.
    pub(in crate::edge) fn note(&mut self, presentity: &PresentityUri, key: RowKey) {
        if let Some(pass) = &mut self.pass {
            pass.met.insert(hash(presentity, key));
        }
    }
}

pub(super) fn hash(presentity: &PresentityUri, key: RowKey) -> u64 {
    FxBuildHasher.hash_one((presentity, key))
}

impl Pass {
    fn new(pace: Pace, now: Instant) -> Self {
        Self {
            pace,
            stage: Stage::Walking,
            rows: ROWS.1 / 8,
            next_step: now,
            has_failed: false,
            met: FxHashSet::default(),
            doubts: VecDeque::new(),
            skipped: FxHashMap::default(),
            counts: Counts::default(),
        }
    }

    /// Finds the length of the next step, and when it is due.
    pub(super) fn wait_after(&mut self, took: Duration, now: Instant) {
        self.rows = match took {
            _ if took > STEP => (self.rows / 2).max(ROWS.0),
            _ if took < STEP / 3 => (self.rows * 2).min(ROWS.1),
            _ => self.rows,
        };
        let pause = match self.pace {
            Pace::AtOnce => Duration::ZERO,
            Pace::Leisurely => PAUSE.0.max(took * PAUSE.1),
        };
        self.next_step = now + pause;
    }

    /// Leaves a row for a later step.
    pub(super) fn doubt(&mut self, place: Place) {
        self.doubts.push_back(Place { looks: place.looks + 1, ..place });
    }
}
