//! What all threads of the module share.

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use module_api::abi::{Host, LogLevel};
use parking_lot::Mutex;
use smol_str::SmolStr;

use super::ceilings::{CeilingSettings, Ceilings};
use super::commit_queue::CommitQueue;
use super::dialog_index::DialogIndex;
use super::driver::Job;
use super::identity::IdentitySource;
use super::metrics::Metrics;
use super::shards::Shards;
use super::timers::Timers;
use crate::change::{Moment, Now};
use crate::dialog;
use crate::document::xml;
use crate::package::Package;
use crate::policy::Policy;
use crate::store::Opening;
use crate::tag::TagMint;
use crate::unanswered::Unanswered;

/// What the operator decided, in the shapes the machines take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What each presentity decides by.
    pub policy: Policy,
    /// Locks, see `lock_set_size`.
    pub shards: usize,
    /// Decisions that may wait for the database; past it requests are answered 503.
    pub queue_places: usize,
    /// How much of a published document is read before it is refused.
    pub documents: xml::Limits,
    /// First NOTIFYs that may stay unanswered for one source or target, see `max_unanswered`.
    pub unanswered_max: u32,
    /// Bounds of what there is in all.
    pub ceilings: CeilingSettings,
    /// The prefix of To-tags.
    pub to_tag_prefix: String,
    /// How often rows are looked for that other programs wrote; `None` only when asked to.
    pub clean_period: Option<Duration>,
    /// NOTIFYs a second after an unclean stop.
    pub recovery_notify_rate: u32,
    /// How often it is looked whose rules documents changed; `None` only when asked to.
    pub rules_poll_period: Option<Duration>,
    /// Which rows of `xcap_xml` are rules documents.
    pub rules_doc_types: Vec<i64>,
    /// Whether NOTIFYs to watchers behind a NAT go where their SUBSCRIBE came from.
    pub follows_source: bool,
    /// Who says who sent a request.
    pub identity: IdentitySource,
    /// Domains whose users are served, beside the host's own; lower-case.
    pub domains: Vec<SmolStr>,
    /// The Contact we give, empty for the listener.
    pub server_address: SmolStr,
    /// The user part of that Contact, empty for none.
    pub contact_user: SmolStr,
    /// Whether To names the presentity, as in 2006, and not the Request-URI.
    pub presentity_in_to: bool,
    /// The code of a SUBSCRIBE that is accepted.
    pub accepted: AcceptedWith,
}

/// The code of a SUBSCRIBE that is accepted; 202 is of RFC 3265 and means nothing any more (RFC 6665 §8.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AcceptedWith {
    /// 200.
    Code200,
    /// 202.
    Code202,
    /// 202 for `presence`, 200 for the rest, as in 2006.
    Code202ForPresence,
}

impl AcceptedWith {
    /// Returns the code for a subscription to `package`.
    pub(super) fn code(self, package: Package) -> u16 {
        match self {
            Self::Code202 => 202,
            Self::Code202ForPresence if package == Package::Presence => 202,
            Self::Code200 | Self::Code202ForPresence => 200,
        }
    }
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
    pub(super) ceilings: Arc<Ceilings>,
    pub(super) unanswered: Mutex<Unanswered>,
    /// Tells sources and targets apart in a way that nobody can choose.
    pub(super) parties: RandomState,
    pub(super) jobs: Sender<Job>,
    /// The database is away: nothing that needs it is begun.
    pub(super) is_away: AtomicBool,
    /// Another server has taken over the database: nothing is begun any more.
    pub(super) is_over: AtomicBool,
    pub(super) next_publication_id: AtomicU64,
    started: Now,
    /// Which start this is.
    epoch: u64,
    pauses: Pauses,
}

/// The clock that pauses are measured by: between attempts, between steps of the sweep, between ticks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pauses {
    /// The host's, counted from here: where threads are stepped by hand, time passes only when it is told to.
    Host(Instant),
    /// The machine's: threads wait by it.
    Machine,
}

impl Core {
    pub(super) fn new(
        host: Host,
        settings: Settings,
        opening: &Opening,
        jobs: Sender<Job>,
        pauses: Pauses,
    ) -> Arc<Self> {
        let started = read_clocks(&host);
        let mut hashing = [0; 16];
        host.random(&mut hashing);
        Arc::new(Self {
            metrics: Metrics::register(&host),
            ceilings: Arc::new(Ceilings::new(&host, settings.ceilings)),
            unanswered: Mutex::default(),
            parties: RandomState::new(),
            started,
            epoch: opening.epoch,
            pauses,
            host,
            shards: Shards::new(settings.shards, hashing),
            dialogs: DialogIndex::new(),
            queue: CommitQueue::new(settings.queue_places),
            timers: Timers::default(),
            mint: TagMint::new(&opening.secret, &settings.to_tag_prefix),
            settings,
            jobs,
            is_away: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            next_publication_id: AtomicU64::new(opening.next_publication_id),
        })
    }

    pub(super) fn now(&self) -> Now {
        read_clocks(&self.host)
    }

    /// Returns the instant that pauses are measured by.
    pub(super) fn instant(&self) -> Instant {
        match self.pauses {
            Pauses::Host(began) => began + Duration::from_nanos(self.host.clock().monotonic_ns),
            Pauses::Machine => Instant::now(),
        }
    }

    /// Returns `now` with the earliest that wall time can be: a clock set forward while the server runs ends nothing.
    pub(super) fn earliest(&self, now: Now) -> Now {
        let elapsed_ms = now.mono.0.saturating_sub(self.started.mono.0);
        Now { wall_ms: now.wall_ms.min(self.started.wall_ms + elapsed_ms), ..now }
    }

    /// Returns the CSeq above which those of a dialog begin that begins now.
    pub(super) fn first_cseq_above(&self) -> u32 {
        dialog::first_cseq_above(self.epoch, self.now().mono.0.saturating_sub(self.started.mono.0))
    }

    pub(super) fn next_publication_id(&self) -> u64 {
        self.next_publication_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns whether nothing is begun, because the database is away.
    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Returns whether this server has stopped serving for good.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(super) fn warn(&self, message: &str) {
        self.host.log(LogLevel::WARNING, message);
    }
}

fn read_clocks(host: &Host) -> Now {
    let clock = host.clock();
    Now { mono: Moment(clock.monotonic_ns / 1_000_000), wall_ms: clock.wall_ms }
}
