//! What was staged and is not yet committed, in the order it was staged.
//!
//! A place is reserved before any lock is taken, so that a push under a presentity's lock can neither block nor fail.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::sweep::Pace;
use crate::effect::Decision;
use crate::presentity_uri::PresentityUri;

/// The queue between the threads that decide and the one that commits.
pub(super) struct CommitQueue {
    inner: Mutex<Inner>,
    ready: Condvar,
    taken: AtomicUsize,
    places: usize,
    settled: AtomicU64,
}

#[derive(Default)]
struct Inner {
    entries: VecDeque<Entry>,
    last: u64,
    is_closing: bool,
}

/// Work for the writer, in its order.
pub(super) enum Entry {
    /// Commit the changes, then let the effects leave.
    Decision(Arc<PresentityUri>, Decision),
    /// Everything of this presentity in front of here is committed or refused: read it back.
    ReadBack(Arc<PresentityUri>),
    /// Read this presentity's privacy rules: requests wait for them.
    LoadRules(Arc<PresentityUri>),
    /// Look whose privacy rules other programs changed.
    LookAtRules,
    /// Look for rows that other programs wrote.
    Sweep(Pace),
}

/// A reserved place.
pub(super) struct Place<'a>(&'a CommitQueue);

impl CommitQueue {
    pub(super) fn new(places: usize) -> Self {
        let (taken, settled) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { inner: Mutex::default(), ready: Condvar::new(), taken, places, settled }
    }

    /// Reserves a place, or returns `None` if all are taken: the caller answers 503.
    pub(super) fn reserve(&self) -> Option<Place<'_>> {
        let free = |taken: usize| (taken < self.places).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok().map(|_| Place(self))
    }

    /// Queues a decision in a reserved place and returns its sequence number, which starts at 1.
    pub(super) fn push(&self, place: Place<'_>, entry: Entry) -> u64 {
        // The place now belongs to the entry; the writer gives it back.
        std::mem::forget(place);
        self.enqueue(entry)
    }

    /// Keeps a place taken until it is given back.
    pub(super) fn hold(&self, place: Place<'_>) {
        std::mem::forget(place);
    }

    /// Returns a place that was held.
    pub(super) fn held(&self) -> Place<'_> {
        Place(self)
    }

    /// Gives back places that were held.
    pub(super) fn release(&self, places: usize) {
        self.taken.fetch_sub(places, Ordering::Relaxed);
    }

    /// Queues an order of the server's own; it needs no place, since there is at most one of a kind for a
    /// presentity, and for each that a request brings about a place is held.
    pub(super) fn push_order(&self, entry: Entry) -> u64 {
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.enqueue(entry)
    }

    fn enqueue(&self, entry: Entry) -> u64 {
        let mut inner = self.inner.lock();
        inner.entries.push_back(entry);
        inner.last += 1;
        if inner.entries.len() == 1 {
            self.ready.notify_one();
        }
        inner.last
    }

    /// Waits for entries, for `pause` at most if there is one, and moves up to `most` into `batch`.
    ///
    /// Returns `false` once the queue is closed and empty.
    pub(super) fn take(&self, batch: &mut Vec<Entry>, most: usize, pause: Option<Duration>) -> bool {
        let mut inner = self.inner.lock();
        let is_idle = |inner: &mut Inner| inner.entries.is_empty() && !inner.is_closing;
        match pause {
            Some(pause) => drop(self.ready.wait_while_for(&mut inner, is_idle, pause)),
            None => self.ready.wait_while(&mut inner, is_idle),
        }
        let count = inner.entries.len().min(most);
        batch.extend(inner.entries.drain(..count));
        self.taken.fetch_sub(count, Ordering::Relaxed);
        count > 0 || !inner.is_closing
    }

    /// Notes that `count` more entries are committed or refused, and can be built upon.
    pub(super) fn settle(&self, count: usize) {
        self.settled.fetch_add(count as u64, Ordering::Release);
    }

    /// Returns the sequence number up to which everything is settled.
    pub(super) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Acquire)
    }

    /// Returns the sequence number of the last entry.
    pub(super) fn last(&self) -> u64 {
        self.inner.lock().last
    }

    /// Returns how many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns whether nothing waits for the writer.
    pub(super) fn is_empty(&self) -> bool {
        self.inner.lock().entries.is_empty()
    }

    /// Lets the writer end once it has taken everything.
    pub(super) fn close(&self) {
        self.inner.lock().is_closing = true;
        self.ready.notify_all();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
