//! When the write-ahead log is copied into the database file.

use std::path::PathBuf;

/// The log is copied into the database file whenever it is this much longer: often enough to stay in the page cache,
/// seldom enough that a page changed a hundred times is copied once, for whoever commits meanwhile waits.
pub(super) const BYTES: u64 = 64 << 20;

/// Above this length of the log, commits wait until all of it is in the database file.
pub(super) const WAL_BYTES_MAX: u64 = 256 << 20;

/// What is known of the log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    bytes_max: u64,
    /// Whether anything was committed since the last checkpoint.
    pub(super) is_behind: bool,
    /// The length at which the next checkpoint is due.
    due: u64,
}

/// How a checkpoint is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    /// As far as readers allow.
    Passive,
    /// Readers are waited for, and the log is cut.
    Truncate,
}

impl Log {
    /// Takes up the log of the database file at `path`: what the last run left in it is copied at the first opportunity.
    pub(super) fn of(path: &str, bytes_max: u64) -> Self {
        Self { path: PathBuf::from(format!("{path}-wal")), bytes_max, is_behind: true, due: 0 }
    }

    /// Returns how a checkpoint is to be made, if one is due.
    pub(super) fn due(&mut self) -> Option<Mode> {
        if !self.is_behind {
            return None;
        }
        let length = self.length();
        if length <= self.due {
            return None;
        }
        self.is_behind = false;
        Some(if length > self.bytes_max { Mode::Truncate } else { Mode::Passive })
    }

    /// Notes what became of a checkpoint.
    pub(super) fn copied(&mut self, mode: Mode, is_complete: bool) {
        // What a reader holds back is tried again when enough has come to make it worth the wait.
        let pause = if mode == Mode::Truncate { self.bytes_max / 4 } else { BYTES };
        self.due = if is_complete { BYTES.min(self.bytes_max) } else { self.length() + pause };
    }

    fn length(&self) -> u64 {
        self.path.metadata().map_or(0, |metadata| metadata.len())
    }
}
