//! What became of the promises: a line for each, a column for each database.

use std::fmt;
use std::sync::Mutex;

use crate::backend::Backend;
use crate::promise::Promise;

/// What became of a promise of one backend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Broken,
    Kept,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Broken => "BROKEN",
            Self::Kept => "kept",
        })
    }
}

/// All that was found out in a run.
#[derive(Debug, Default)]
pub(crate) struct Table(Mutex<Vec<(&'static str, Backend, Verdict)>>);

impl Table {
    pub(crate) fn note(&self, promise: &'static str, backend: Backend, verdict: Verdict) {
        self.0.lock().unwrap().push((promise, backend, verdict));
    }

    /// Prints the promises of which something was found out, and why some need not be kept.
    pub(crate) fn print(&self, promises: &[Promise]) {
        let found = self.0.lock().unwrap();
        let verdict = |promise: &Promise, backend| {
            let of_it = found.iter().find(|(name, of, _)| *name == promise.name && *of == backend);
            of_it.map(|(.., verdict)| *verdict)
        };
        let was_run = |promise: &&Promise| Backend::ALL.iter().any(|backend| verdict(promise, *backend).is_some());
        let promises: Vec<_> = promises.iter().filter(was_run).collect();
        let Some(width) = promises.iter().map(|promise| promise.name.len()).max() else { return };

        println!("{:width$}  {:10} {:10} {:10}", "promise", Backend::ALL[0], Backend::ALL[1], Backend::ALL[2]);
        let mut notes: Vec<&str> = Vec::new();
        for promise in promises {
            let cells = Backend::ALL.map(|backend| match (verdict(promise, backend), promise.exception(backend)) {
                (Some(verdict), _) => verdict.to_string(),
                (None, Some(why)) => format!("– ({})", number(&mut notes, why)),
                (None, None) => String::new(),
            });
            let line = format!("{:width$}  {:10} {:10} {:10}", promise.name, cells[0], cells[1], cells[2]);
            println!("{}", line.trim_end());
        }
        for (position, why) in notes.iter().enumerate() {
            println!("({}) {why}", position + 1);
        }
        println!();
    }
}

/// Returns the number of a footnote.
fn number(notes: &mut Vec<&'static str>, why: &'static str) -> usize {
    let position = notes.iter().position(|note| *note == why);
    position.unwrap_or_else(|| {
        notes.push(why);
        notes.len() - 1
    }) + 1
}
