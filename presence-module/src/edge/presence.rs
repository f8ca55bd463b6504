//! The module the host loads: it opens the store, takes up what is in it, and runs the two threads that act.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use module_api::abi::{
    Argument, CallResult, Declaration, Function, Host, LogLevel, Module, Outcome, ParameterKind, ParameterProblem,
    Parameters, Request, RouteKinds,
};
use parking_lot::Mutex;

use super::commit_queue::Entry;
use super::core::{Core, Pauses, Settings};
use super::driver::{self, Job};
use super::identity::{self, IdentitySource};
use super::parameters::{self, DatabaseSettings};
use super::sweep::Pace;
use super::writer;
use crate::dialog::Dialog;
use crate::package::Package;
use crate::store::owner::Owner;
use crate::store::{Opening, SqlStore, Store, StoreError, Taking, is_row_held};

/// How long a start waits for the last owner of its database to be gone: a killed process takes a moment to die.
const OWNER_WAIT: Duration = Duration::from_secs(1);
/// How long a stop waits for watchers to answer, so that the next start owes them nothing.
const SETTLE_WAIT: Duration = Duration::from_secs(2);
/// How often it looks meanwhile.
const SETTLE_STEP: Duration = Duration::from_millis(10);

/// A presence server.
pub struct Presence {
    core: Arc<Core>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    writer: JoinHandle<Box<dyn Store>>,
    /// Returns whether it left nothing to be made good.
    driver: JoinHandle<bool>,
}

const HANDLE_PUBLISH: usize = 0;
const HANDLE_SUBSCRIBE: usize = 1;
const PRESENCE_IDENTITY: usize = 2;

/// Handles a request, and may be told something about it.
const fn handler(name: &'static str, arguments: &'static [ParameterKind]) -> Function {
    Function { name, arguments, optional: arguments.len(), routes: RouteKinds::REQUEST, needs_transaction: true }
}

/// Takes note of one text; answers nothing.
const fn statement(name: &'static str) -> Function {
    let arguments = &[ParameterKind::TEXT];
    Function { name, arguments, optional: 0, routes: RouteKinds::REQUEST, needs_transaction: false }
}

impl Module for Presence {
    const DECLARATION: Declaration = Declaration {
        name: "presence",
        requires: &["sl", "tm"],
        parameters: parameters::PARAMETERS,
        functions: &[
            handler("handle_publish", &[ParameterKind::TEXT]),
            handler("handle_subscribe", &[]),
            statement("presence_identity"),
        ],
        event_packages: &[Package::Presence.name()],
        accepts: &[Package::Presence.media_type()],
        methods: &["PUBLISH", "SUBSCRIBE"],
    };

    fn check(parameters: &Parameters) -> Vec<ParameterProblem> {
        parameters::check(parameters)
    }

    fn start(host: Host, parameters: &Parameters) -> Result<Self, String> {
        let database = parameters::database(parameters).map_err(|expected| format!("db_url: expected {expected}"))?;
        let settings = parameters::settings(parameters);
        if settings.identity == IdentitySource::From {
            host.log(
                LogLevel::WARNING,
                "identity is `from`: watchers are who they say they are, and rules believe them",
            );
        }
        let failed = |error| format!("db_url {}: {error}", database.url);
        let (mut store, opening) = open(&host, &database).map_err(failed)?;
        if let Some(caveat) = store.durability_caveat().map_err(failed)? {
            host.log(LogLevel::WARNING, &caveat);
        }
        Self::serve(host, settings, Box::new(store), &opening).map_err(failed)
    }

    fn call(&self, function: usize, request: &Request<'_>, arguments: &[Argument<'_>]) -> CallResult {
        let first = arguments.first().map(Argument::as_text);
        match function {
            HANDLE_PUBLISH => self.core.handle_publish(request, first),
            HANDLE_SUBSCRIBE => self.core.handle_subscribe(request),
            PRESENCE_IDENTITY => identity::state(first.unwrap_or_default()),
            _ => CallResult::new(-1),
        }
    }

    fn on_outcomes(&self, outcomes: &mut dyn Iterator<Item = Outcome<'_>>) {
        for outcome in outcomes {
            self.core.on_outcome(&outcome);
        }
    }

    fn refresh(&self) {
        self.core.queue.push_order(Entry::LookAtRules);
        self.core.queue.push_order(Entry::Sweep(Pace::AtOnce));
    }

    fn drain(&self) {
        self.wait_until(SETTLE_WAIT, |core| core.queue.settled() >= core.queue.last() && core.is_told());
    }

    fn stop(&self) {
        let Some(threads) = self.threads.lock().take() else { return };
        self.core.queue.close();
        let mut store = threads.writer.join();
        let is_told = self.core.is_told();
        self.core.hand_over(Job::Stop);
        let owes_nothing = threads.driver.join().map(|is_paid| is_told && is_paid).unwrap_or_else(|_| {
            self.core.warn("the driver thread ended in a panic");
            false
        });
        close(&self.core, store.as_deref_mut().ok(), owes_nothing);
    }
}

/// Closes the store, if the writer has left one, so that the next start owes nothing if this one does not.
pub(super) fn close(core: &Core, store: Option<&mut (dyn Store + 'static)>, owes_nothing: bool) {
    let closed = match store {
        Some(store) if owes_nothing => store.close_cleanly().map_err(|error| error.to_string()),
        Some(_) => Err("some watchers have not confirmed what they were told".into()),
        None => Err("the writer thread ended in a panic".into()),
    };
    if let Err(reason) = closed {
        core.warn(&format!("not a clean stop: {reason}; the next start tells every watcher anew"));
    }
}

/// Opens the database, and waits a moment for the last owner of it to be gone, and for what that had under way.
fn open(host: &Host, database: &DatabaseSettings) -> Result<(SqlStore, Opening), StoreError> {
    let owner = Owner::this_process().to_string();
    let began = Instant::now();
    let patience = |error: &StoreError| match error {
        StoreError::Owned(_) => OWNER_WAIT,
        error if is_row_held(error) => database.timeout,
        _ => Duration::ZERO,
    };
    loop {
        let taking = Taking {
            names: &database.names,
            owner: &owner,
            take_over: database.take_over,
            migrate: database.migrate,
            random: &mut |out| host.random(out),
            note: &mut |note| host.log(LogLevel::WARNING, note),
        };
        match database.url.open(database.durability, database.timeout, taking) {
            Err(error) if began.elapsed() < patience(&error) => std::thread::park_timeout(SETTLE_STEP),
            opened => return opened,
        }
    }
}

impl Presence {
    /// Takes up what the store holds, and serves.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn serve(
        host: Host,
        settings: Settings,
        mut store: Box<dyn Store>,
        opening: &Opening,
    ) -> Result<Self, StoreError> {
        let (jobs, inbox) = crossbeam_channel::unbounded();
        let core = Core::new(host, settings, opening, jobs, Pauses::Machine);
        let owed = core.recover(&mut *store, opening.was_clean)?;
        let spawn = |name: &str| std::thread::Builder::new().name(name.into());
        let (writer_core, driver_core) = (core.clone(), core.clone());
        let writer = spawn("presence-writer").spawn(move || writer::run(writer_core, store));
        let driver = spawn("presence-driver").spawn(move || driver::run(driver_core, &inbox, owed));
        let threads = match (writer, driver) {
            (Ok(writer), Ok(driver)) => Threads { writer, driver },
            (Err(error), _) | (_, Err(error)) => return Err(StoreError::Database(error.into())),
        };
        Ok(Self { core, threads: Mutex::new(Some(threads)) })
    }

    /// Serves while somebody else does what the threads would.
    pub(super) fn without_threads(core: Arc<Core>) -> Self {
        Self { core, threads: Mutex::new(None) }
    }

    #[cfg(test)]
    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// Waits for at most `longest` until `is_so`; used only while the module stops.
    fn wait_until(&self, longest: Duration, is_so: impl Fn(&Core) -> bool) {
        let until = Instant::now() + longest;
        while !is_so(&self.core) && Instant::now() < until {
            std::thread::park_timeout(SETTLE_STEP);
        }
    }
}

impl Core {
    /// Returns whether every watcher has confirmed the present state.
    pub(super) fn is_told(&self) -> bool {
        let mut is_told = true;
        self.shards.for_each(|slot| {
            is_told &= !slot.is_stale && slot.deferred.is_empty() && !slot.presentity.is_review_due();
            is_told &= slot.presentity.dialogs().all(Dialog::is_told);
        });
        is_told
    }
}
