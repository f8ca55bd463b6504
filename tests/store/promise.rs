//! A promise: its name, what keeps it, and where there is nothing to be kept.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use libtest_mimic::Trial;

use crate::backend::{Backend, Servers};
use crate::scene::Scene;
use crate::table::{Table, Verdict};

/// What a database promises.
#[derive(Clone, Copy)]
pub(crate) struct Promise {
    pub(crate) name: &'static str,
    /// Panics if it is broken.
    keep: fn(&Scene<'_>),
    except: &'static [(Backend, &'static str)],
    alone: bool,
}

/// Makes a promise of a function, which gives it its name.
macro_rules! promise {
    ($keep:ident) => {
        $crate::promise::Promise::new(stringify!($keep), $keep)
    };
}
pub(crate) use promise;

impl Promise {
    pub(crate) const fn new(name: &'static str, keep: fn(&Scene<'_>)) -> Self {
        Self { name, keep, except: &[], alone: false }
    }

    /// Says which backends cannot promise it, and why.
    pub(crate) const fn except(self, except: &'static [(Backend, &'static str)]) -> Self {
        Self { except, ..self }
    }

    /// Says that it does something to the server that others would feel.
    pub(crate) const fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    /// Returns why `backend` cannot promise it, if it cannot.
    pub(crate) fn exception(&self, backend: Backend) -> Option<&'static str> {
        self.except.iter().find(|(excepted, _)| *excepted == backend).map(|(_, why)| *why)
    }

    /// Returns what finds out whether `backend` keeps it, unless it cannot promise it.
    pub(crate) fn trial(&self, backend: Backend, servers: &Arc<Servers>, table: &Arc<Table>) -> Option<Trial> {
        if self.exception(backend).is_some() {
            return None;
        }
        let (promise, servers, table) = (*self, servers.clone(), table.clone());
        let run = move || {
            let _lease = backend.server().map(|kind| servers.lease(kind, promise.alone));
            let kept = catch_unwind(AssertUnwindSafe(|| (promise.keep)(&Scene::new(backend, &servers, promise.name))));
            table.note(promise.name, backend, if kept.is_ok() { Verdict::Kept } else { Verdict::Broken });
            kept.map_err(|panic| resume_unwind(panic))
        };
        Some(Trial::test(format!("{backend}::{}", self.name), run))
    }
}
