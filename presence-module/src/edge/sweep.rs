//! Rows that other programs write: the tables are walked in steps, and what is not as memory has it is taken up as events.
//!
//! A step is a few milliseconds long, and so many of them a second that they cost a hundredth of a processor, or one after
//! the other if somebody asked. A pass walks both tables, then finds what memory holds and the walk did not meet. Only what
//! is settled is compared: while a decision about a presentity is under way, its rows are left for a later step.

mod pass; // how far a pass is, and when its next step is due

use std::sync::Arc;
use std::time::Duration;

use module_api::abi::LogLevel;
use rustc_hash::FxHashMap;

pub(super) use self::pass::{Pace, Sweeping};
use self::pass::{Pass, Stage, hash};
use super::comparing::{Counts, Difference, Place, RowKey, Seen};
use super::writer::Writer;
use crate::presentity_uri::PresentityUri;
use crate::store::{RowKeys, Scope, StoreError, Stored, Sweep};

/// The pause after a step that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How often a row is looked at about whose presentity something is always being decided, before that is read anew.
const LOOKS_MAX: u8 = 8;

impl Writer {
    /// Begins a pass, or hurries the one that is under way.
    pub(super) fn begin_sweep(&mut self, pace: Pace) {
        if self.is_here() {
            self.sweeping.begin(pace, self.core.instant());
        }
    }

    /// Goes a step, if it is time and there is a database.
    pub(super) fn sweep(&mut self) {
        let began = self.core.instant();
        if !self.is_here() || self.sweeping.next_step().is_none_or(|at| at > began) {
            return;
        }
        // Nothing is committed before it is back in its place.
        let Some(mut pass) = self.sweeping.pass.take() else { return };
        let gone = match pass.stage {
            Stage::Walking => self.walk(&mut pass),
            Stage::Missing(shard) if pass.doubts.len() < pass.rows && shard < self.core.shards.count() => {
                self.find_missing(&mut pass, shard);
                Ok(())
            }
            Stage::Missing(_) if pass.doubts.is_empty() => return self.end_sweep(pass),
            Stage::Missing(_) => self.look_again(&mut pass),
        };
        let now = self.core.instant();
        pass.wait_after(now.saturating_duration_since(began), now);
        if let Err(error) = gone {
            if !std::mem::replace(&mut pass.has_failed, true) {
                self.warn("the sweep failed and is tried again", &error);
            }
            pass.next_step = now + PAUSE_AFTER_FAILURE;
        }
        self.sweeping.pass = Some(pass);
    }

    /// Compares the next rows with memory.
    fn walk(&mut self, pass: &mut Pass) -> Result<(), StoreError> {
        let (core, mut differences, mut visited) = (Arc::clone(&self.core), Vec::new(), 0);
        let swept = self.store.sweep(pass.rows, &mut |row| {
            visited += 1;
            core.note_key(&row);
            let Some(place) = Place::of(&row) else {
                if let Stored::Skipped { table, reason } = row {
                    *pass.skipped.entry(format!("{table}: {reason}")).or_default() += 1;
                }
                return;
            };
            pass.met.insert(hash(&place.presentity, place.key));
            match core.compare(&place, Some(&row)) {
                Seen::AsItIs => {}
                Seen::Other => differences.push(Difference { place, row: Some(row) }),
                Seen::Unsettled => pass.doubt(place),
            }
        })?;
        core.metrics.add(core.metrics.swept_rows, visited);
        self.take_up(pass, differences);
        match swept {
            Sweep::Finished => pass.stage = Stage::Missing(0),
            Sweep::NothingNew => {
                pass.stage = Stage::Missing(core.shards.count());
                pass.skipped.clone_from(&self.sweeping.skipped);
            }
            Sweep::Unfinished => {}
        }
        Ok(())
    }

    /// Finds what memory holds, in as many shards as take no longer than a step, and was not met.
    fn find_missing(&mut self, pass: &mut Pass, first: usize) {
        let (mut shard, mut looked_at) = (first, 0);
        while shard < self.core.shards.count() && looked_at < 4 * pass.rows {
            self.core.shards.for_each_in(shard, |slot| {
                let presentity = slot.presentity.uri();
                for key in slot.row_keys() {
                    looked_at += 1;
                    if !pass.met.contains(&hash(presentity, key)) {
                        pass.doubts.push_back(Place { presentity: presentity.clone(), key, looks: 0 });
                    }
                }
            });
            shard += 1;
        }
        pass.stage = Stage::Missing(shard);
    }

    /// Reads rows by their keys, and compares what is there, or is not, with memory.
    fn look_again(&mut self, pass: &mut Pass) -> Result<(), StoreError> {
        let places: Vec<_> = pass.doubts.iter().take(pass.rows).cloned().collect();
        let mut keys = RowKeys::default();
        for place in &places {
            match place.key {
                RowKey::Publication(id) => keys.publications.push(id),
                RowKey::Subscription(key) => keys.subscriptions.push(key),
            }
        }
        let mut rows = FxHashMap::default();
        self.store.load(Scope::Rows(&keys), &mut |row| {
            if let Some(place) = Place::of(&row) {
                rows.insert((place.presentity, place.key), row);
            }
        })?;
        pass.doubts.drain(..places.len());
        let mut differences = Vec::new();
        for place in places {
            let row = rows.remove(&(place.presentity.clone(), place.key));
            match self.core.compare(&place, row.as_ref()) {
                Seen::AsItIs => {}
                Seen::Other => differences.push(Difference { place, row }),
                Seen::Unsettled if place.looks >= LOOKS_MAX => self.core.read_anew(&place),
                Seen::Unsettled => pass.doubt(place),
            }
        }
        self.take_up(pass, differences);
        Ok(())
    }

    /// Takes up what is not as memory has it, presentity by presentity.
    fn take_up(&mut self, pass: &mut Pass, differences: Vec<Difference>) {
        let mut found: FxHashMap<Arc<PresentityUri>, Vec<Difference>> = FxHashMap::default();
        for difference in differences {
            found.entry(difference.place.presentity.clone()).or_default().push(difference);
        }
        self.read_rules_for(&found);
        for (uri, differences) in found {
            let places: Vec<_> = differences.iter().map(|difference| difference.place.clone()).collect();
            match self.core.take_up_found(&uri, differences) {
                Some(counts) => pass.counts.add(counts),
                None => places.into_iter().for_each(|place| pass.doubt(place)),
            }
        }
    }

    /// Reads the privacy rules of those whom somebody watches from now on: they say what is told.
    fn read_rules_for(&mut self, found: &FxHashMap<Arc<PresentityUri>, Vec<Difference>>) {
        let is_watched = |differences: &[Difference]| {
            differences.iter().any(|difference| matches!(difference.row, Some(Stored::Subscription(_))))
        };
        let watched = found.iter().filter(|(_, differences)| is_watched(differences)).map(|(uri, _)| uri);
        let unknown: Vec<_> = watched.filter(|uri| self.core.knows_rules_of(uri).is_none()).cloned().collect();
        self.read_rules_now(unknown);
    }

    fn end_sweep(&mut self, pass: Pass) {
        let Counts { came, changed, gone } = pass.counts;
        let metrics = &self.core.metrics;
        for (metric, count) in [(metrics.found_rows, came), (metrics.changed_rows, changed), (metrics.gone_rows, gone)]
        {
            metrics.add(metric, count);
        }
        if pass.counts != Counts::default() {
            let message =
                format!("took up what other programs wrote: {came} rows came, {changed} changed, {gone} are gone");
            self.core.host.log(LogLevel::INFO, &message);
        }
        if pass.skipped != self.sweeping.skipped {
            for (what, count) in &pass.skipped {
                metrics.add(metrics.skipped_rows, *count);
                self.core.warn(&format!("passed over {count} rows of {what}"));
            }
            self.sweeping.skipped = pass.skipped;
        }
        if std::mem::take(&mut self.sweeping.is_asked_again) {
            self.sweeping.begin(Pace::AtOnce, self.core.instant());
        }
    }
}
