//! What all presentities together hold, counted, and the bounds the operator sets on that.
//!
//! Counted after each step from what memory holds then, so that no way in or out is forgotten. What several threads decide at
//! the same moment may go beyond a bound by as many. Nothing here is ever locked while another lock is taken.

use std::sync::atomic::{AtomicUsize, Ordering};

use module_api::abi::{Host, Metric, MetricKind};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::limits::Bound;
use crate::presentity::{Extent, News};
use crate::subscription::Rejection;
use crate::watcher_mark::WatcherMark;

/// The bounds of all presentities together.
#[derive(Clone, Copy, Debug)]
pub struct CeilingSettings {
    /// Publications.
    pub publications_max: usize,
    /// Subscriptions.
    pub subscriptions_max: usize,
    /// Subscriptions of one watcher.
    pub per_watcher_max: usize,
    /// What all of it is estimated to take.
    pub memory_bytes_max: usize,
}

impl Default for CeilingSettings {
    fn default() -> Self {
        Self {
            publications_max: 5_000_000,
            subscriptions_max: 5_000_000,
            per_watcher_max: 10_000,
            memory_bytes_max: 4 << 30,
        }
    }
}

/// What there is of everything.
pub(super) struct Ceilings {
    settings: CeilingSettings,
    host: Host,
    /// In the order of [`Bound::ALL`].
    refusals: [Metric; Bound::ALL.len()],
    held: [AtomicUsize; 4],
    watchers: Box<[Part]>,
}

/// How many subscriptions watchers have.
type Part = Mutex<FxHashMap<u32, u32>>;

/// The places in `Ceilings::held`, and what one of each is estimated to take: rows in memory with the texts, indexes and
/// timers that lead to them, a document with what is made of it for watchers.
const PRESENTITIES: (usize, usize) = (0, 1024);
const PUBLICATIONS: (usize, usize) = (1, 512);
const DOCUMENT_BYTES: (usize, usize) = (2, 2);
const SUBSCRIPTIONS: (usize, usize) = (3, 1024);
/// Parts of the table of watchers, each behind a lock of its own.
const PARTS: usize = 64;

impl Ceilings {
    pub(super) fn new(host: &Host, settings: CeilingSettings) -> Self {
        let refusals = Bound::ALL.map(|bound| {
            let (name, help) = metric(bound);
            host.metric(MetricKind::COUNTER, name, help)
        });
        let watchers = (0..PARTS).map(|_| Mutex::default()).collect();
        Self { settings, host: host.clone(), refusals, held: Default::default(), watchers }
    }

    /// Counts a request that is refused because of a bound.
    pub(super) fn count(&self, bound: Bound) {
        let at = Bound::ALL.iter().position(|other| *other == bound).unwrap_or_default();
        self.host.measure(self.refusals[at], 1);
    }

    /// Counts a SUBSCRIBE that is refused, if a bound is why.
    pub(super) fn count_refusal(&self, rejection: Rejection) {
        if let Rejection::NoRoom(bound) = rejection {
            self.count(bound);
        }
    }

    /// Returns the bound that one more publication would go beyond.
    pub(super) fn no_publication(&self) -> Option<Bound> {
        let is_full = self.of(PUBLICATIONS) >= self.settings.publications_max;
        if is_full { Some(Bound::Publications) } else { self.no_memory() }
    }

    /// Returns the bound that one more subscription of `watcher` would go beyond.
    pub(super) fn no_subscription(&self, watcher: WatcherMark) -> Option<Bound> {
        if self.of(SUBSCRIPTIONS) >= self.settings.subscriptions_max {
            return Some(Bound::Subscriptions);
        }
        let (part, key) = self.place(watcher);
        let count = part.lock().get(&key).copied().unwrap_or_default();
        if count as usize >= self.settings.per_watcher_max {
            return Some(Bound::SubscriptionsPerWatcher);
        }
        self.no_memory()
    }

    /// Takes over what a presentity holds by now, `former` being what it held when last asked.
    pub(super) fn recount(&self, former: &mut Extent, now: Extent) {
        let changes = [
            (PRESENTITIES, former.presentities, now.presentities),
            (PUBLICATIONS, former.publications, now.publications),
            (DOCUMENT_BYTES, former.document_bytes, now.document_bytes),
            (SUBSCRIPTIONS, former.subscriptions, now.subscriptions),
        ];
        for ((at, _), former, now) in changes {
            if now != former {
                // Each presentity gives back what it gave: the sum never falls below zero.
                self.held[at].fetch_add(now.wrapping_sub(former), Ordering::Relaxed);
            }
        }
        *former = now;
    }

    /// Takes note of subscriptions that began and ended.
    pub(super) fn note(&self, news: &News) {
        match news {
            News::Begun(watcher) => {
                let (part, key) = self.place(*watcher);
                *part.lock().entry(key).or_default() += 1;
            }
            News::Over(watcher) => {
                let (part, key) = self.place(*watcher);
                let mut part = part.lock();
                match part.get_mut(&key) {
                    Some(count) if *count > 1 => *count -= 1,
                    _ => drop(part.remove(&key)),
                }
            }
            News::Dropped(_) => {}
        }
    }

    fn no_memory(&self) -> Option<Bound> {
        let parts = [PRESENTITIES, PUBLICATIONS, DOCUMENT_BYTES, SUBSCRIPTIONS];
        let bytes: usize = parts.iter().map(|part| self.of(*part) * part.1).sum();
        (bytes >= self.settings.memory_bytes_max).then_some(Bound::Memory)
    }

    fn of(&self, (at, _): (usize, usize)) -> usize {
        self.held[at].load(Ordering::Relaxed)
    }

    /// Half of a mark is kept: of a million watchers some hundred pairs share a count, and nobody can choose with whom.
    fn place(&self, watcher: WatcherMark) -> (&Part, u32) {
        (&self.watchers[(watcher.0 >> 32) as usize % PARTS], watcher.0 as u32)
    }
}

/// Returns the name of the counter of a bound, and what it counts.
fn metric(bound: Bound) -> (&'static str, &'static str) {
    match bound {
        Bound::Document => ("over_document_total", "PUBLISH requests past max_document_size."),
        Bound::DocumentBytes => ("over_bytes_per_presentity_total", "PUBLISH requests past max_bytes_per_presentity."),
        Bound::DocumentParts => {
            ("over_document_parts_total", "PUBLISH requests whose document was too deep or had too many parts.")
        }
        Bound::Memory => ("over_memory_total", "Requests past max_memory."),
        Bound::Publications => ("over_publications_total", "PUBLISH requests past max_publications."),
        Bound::PublicationsPerPresentity => {
            ("over_publications_per_presentity_total", "PUBLISH requests past max_publications_per_presentity.")
        }
        Bound::Subscriptions => ("over_subscriptions_total", "SUBSCRIBE requests past max_subscriptions."),
        Bound::SubscriptionsPerPresentity => {
            ("over_subscriptions_per_presentity_total", "SUBSCRIBE requests past max_subscriptions_per_presentity.")
        }
        Bound::SubscriptionsPerWatcher => {
            ("over_subscriptions_per_watcher_total", "SUBSCRIBE requests past max_subscriptions_per_watcher.")
        }
        Bound::Unanswered => ("over_unanswered_total", "SUBSCRIBE requests past max_unanswered."),
        Bound::Undecided => ("over_undecided_total", "SUBSCRIBE requests past max_undecided_per_presentity."),
    }
}
