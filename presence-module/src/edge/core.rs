//! What all threads of the module share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use module_api::abi::{Host, LogLevel};

use super::commit_queue::CommitQueue;
use super::dialog_index::DialogIndex;
use super::driver::Job;
use super::metrics::Metrics;
use super::shards::Shards;
use super::timers::Timers;
use crate::change::{Moment, Now};
use crate::publication::PublishPolicy;
use crate::subscription::SubscribePolicy;
use crate::tag::TagMint;

/// What the operator decided, in the shapes the machines take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bounds of publications.
    pub publish: PublishPolicy,
    /// Bounds of subscriptions.
    pub subscribe: SubscribePolicy,
    /// Locks, see `lock_set_size`.
    pub shards: usize,
    /// Decisions that may wait for the database; past it requests are answered 503.
    pub queue_places: usize,
    /// The prefix of To-tags.
    pub to_tag_prefix: String,
    /// How often rows are looked for that are over and nobody's; `None` never.
    pub clean_period: Option<Duration>,
    /// NOTIFYs a second after an unclean stop.
    pub recovery_notify_rate: u32,
    /// Whether NOTIFYs to watchers behind a NAT go where their SUBSCRIBE came from.
    pub follows_source: bool,
}

/// Shared by the host's workers, the writer and the driver.
pub(super) struct Core {
    pub(super) host: Host,
    pub(super) settings: Settings,
    pub(super) shards: Shards,
    pub(super) dialogs: DialogIndex,
    pub(super) queue: CommitQueue,
    pub(super) timers: Timers,
    pub(super) mint: TagMint,
    pub(super) metrics: Metrics,
    pub(super) jobs: Sender<Job>,
    /// The database is away: nothing that needs it is begun.
    pub(super) is_away: AtomicBool,
    next_publication_id: AtomicU64,
    started: Now,
}

impl Core {
    pub(super) fn new(host: Host, settings: Settings, secret: &[u8; 32], next_id: u64, jobs: Sender<Job>) -> Arc<Self> {
        let started = read_clocks(&host);
        Arc::new(Self {
            metrics: Metrics::register(&host),
            started,
            host,
            shards: Shards::new(settings.shards),
            dialogs: DialogIndex::new(),
            queue: CommitQueue::new(settings.queue_places),
            timers: Timers::default(),
            mint: TagMint::new(secret, &settings.to_tag_prefix),
            settings,
            jobs,
            is_away: AtomicBool::new(false),
            next_publication_id: AtomicU64::new(next_id),
        })
    }

    pub(super) fn now(&self) -> Now {
        read_clocks(&self.host)
    }

    /// Returns the earliest that wall time can be: a clock set forward while the server runs makes nothing older.
    pub(super) fn earliest_wall_s(&self) -> u64 {
        let now = self.now();
        let elapsed_s = now.mono.0.saturating_sub(self.started.mono.0) / 1000;
        now.wall_s.min(self.started.wall_s + elapsed_s)
    }

    pub(super) fn next_publication_id(&self) -> u64 {
        self.next_publication_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns whether nothing is begun, because the database is away.
    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    pub(super) fn warn(&self, message: &str) {
        self.host.log(LogLevel::WARNING, message);
    }
}

fn read_clocks(host: &Host) -> Now {
    let clock = host.clock();
    Now { mono: Moment(clock.monotonic_ns / 1_000_000), wall_s: clock.wall_ms / 1000 }
}
