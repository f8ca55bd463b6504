//! The module without its threads: whoever holds the [`Hands`] is its writer and its driver, and goes round when it likes.
//!
//! For the simulation: what happens between two rounds is its to choose, and with the host's clock and randomness in its
//! hands too every run can be repeated. No server runs this way.

use module_api::abi::{Host, ParameterSetting, Parameters};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::core::{Core, Pauses};
use super::driver::{Driver, Job};
use super::parameters;
use super::presence::{Presence, close};
use super::writer::Writer;
use crate::store::{Opening, Store, StoreError};

pub use super::timers::TICK_MS;

/// What the two threads would do.
pub struct Hands {
    core: Arc<Core>,
    writer: Writer,
    driver: Driver,
    inbox: Receiver<Job>,
}

/// What memory holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Census {
    /// Presentities of which anything is held.
    pub presentities: usize,
    /// Their publications.
    pub publications: usize,
    /// Their dialogs.
    pub dialogs: usize,
    /// Dialogs that can be found by their id.
    pub indexed: usize,
    /// Wake-ups that are set.
    pub timers: usize,
    /// Requests that wait for rules.
    pub parked: usize,
    /// Places taken in the commit queue.
    pub places: usize,
    /// Presentities that wait to be read back.
    pub stale: usize,
}

/// Takes up what the store holds, as [`Presence::serve`] does, and starts no thread.
///
/// # Errors
/// The store cannot be read.
pub fn start(
    host: Host,
    settings: &[ParameterSetting],
    mut store: Box<dyn Store>,
    opening: &Opening,
) -> Result<(Presence, Hands), StoreError> {
    let (jobs, inbox) = crossbeam_channel::unbounded();
    let settings = parameters::settings(&Parameters::new(settings.to_vec()));
    let core = Core::new(host, settings, opening, jobs, Pauses::Host(Instant::now()));
    let owed = core.recover(&mut *store, opening.was_clean)?;
    let (writer, driver) = (Writer::new(core.clone(), store), Driver::new(core.clone(), owed));
    Ok((Presence::without_threads(core.clone()), Hands { core, writer, driver, inbox }))
}

impl Hands {
    /// Goes a round as the writer, with `most` entries of the queue; returns whether there were any.
    pub fn write(&mut self, most: usize) -> bool {
        let mut batch = Vec::new();
        self.core.queue.take(&mut batch, most, Some(Duration::ZERO));
        let had_work = !batch.is_empty();
        self.writer.work(batch.drain(..));
        had_work
    }

    /// Goes a round as the driver: does what it was given, then what is due.
    pub fn drive(&mut self) {
        while let Ok(job) = self.inbox.try_recv() {
            self.driver.take(job);
        }
        self.driver.tick();
    }

    /// Returns whether nothing waits for the writer.
    pub fn is_queue_empty(&self) -> bool {
        self.core.queue.is_empty()
    }

    /// Returns whether everything queued is committed or refused, and nothing waits to be read back.
    pub fn is_settled(&self) -> bool {
        self.core.queue.settled() >= self.core.queue.last() && self.inbox.is_empty() && self.driver.owes_nothing()
    }

    /// Returns whether every watcher has confirmed the present state.
    pub fn is_told(&self) -> bool {
        self.core.is_told()
    }

    /// Stops in order: commits what is queued and closes the store, as cleanly as it may.
    pub fn stop(mut self) {
        self.core.queue.close();
        while self.write(usize::MAX) {}
        let is_told = self.core.is_told();
        while let Ok(job) = self.inbox.try_recv() {
            self.driver.take(job);
        }
        let owes_nothing = is_told && self.driver.owes_nothing();
        close(&self.core, Some(&mut *self.writer.end()), owes_nothing);
    }

    /// Counts what memory holds.
    pub fn census(&self) -> Census {
        let mut census = Census {
            indexed: self.core.dialogs.count(),
            timers: self.core.timers.count(),
            places: self.core.queue.taken(),
            ..Census::default()
        };
        self.core.shards.for_each(|slot| {
            census.presentities += 1;
            census.publications += slot.presentity.publications().len();
            census.dialogs += slot.presentity.dialogs().count();
            census.parked += slot.parked.len();
            census.stale += usize::from(slot.is_stale);
        });
        census
    }
}
