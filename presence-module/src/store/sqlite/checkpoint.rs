//! When the write-ahead log is copied into the database file.

use std::path::{Path, PathBuf};

use crate::store::Durability;

/// The log of a long file is copied into it whenever it is this much longer: often enough to stay in the page cache, seldom
/// enough that a page changed a hundred times is copied once, for whoever commits meanwhile waits.
const BYTES: u64 = 64 << 20;

/// A file no longer than that is copied over whole, however long its log: in the same time, and more rarely. Not where commits
/// leave the log to the page cache, for it is flushed before it is copied.
pub(super) const BYTES_OF_SHORT_FILE: u64 = 256 << 20;

/// Above this length of the log, commits wait until all of it is in the database file.
pub(super) const WAL_BYTES_MAX: u64 = 512 << 20;

/// What is known of the log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// The file it is the log of.
    file: PathBuf,
    bytes_max: u64,
    durability: Durability,
    /// Whether anything was committed since the last checkpoint.
    pub(super) is_behind: bool,
    /// The length at which the next checkpoint is due.
    due: u64,
    /// It is far longer than the file, which has grown, should have it.
    is_to_be_cut: bool,
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
    pub(super) fn of(path: &str, bytes_max: u64, durability: Durability) -> Self {
        let (path, file) = (PathBuf::from(format!("{path}-wal")), PathBuf::from(path));
        Self { path, file, bytes_max, durability, is_behind: true, due: 0, is_to_be_cut: false }
    }

    /// Returns how a checkpoint is to be made, if one is due.
    pub(super) fn due(&mut self) -> Option<Mode> {
        if !self.is_behind {
            return None;
        }
        let length = length(&self.path);
        if length <= self.due {
            return None;
        }
        self.is_behind = false;
        Some(if length > self.bytes_max || self.is_to_be_cut { Mode::Truncate } else { Mode::Passive })
    }

    /// Notes what became of a checkpoint.
    pub(super) fn copied(&mut self, mode: Mode, is_complete: bool) {
        // What a reader holds back is tried again when enough has come to make it worth the wait.
        let pause = if mode == Mode::Truncate { self.bytes_max / 4 } else { BYTES };
        let (length, room) = (length(&self.path), self.room());
        self.is_to_be_cut = is_complete && length >= 2 * room;
        self.due = match (is_complete, self.is_to_be_cut) {
            (true, true) => 0,
            (true, false) => room,
            (false, _) => length + pause,
        };
    }

    /// Returns how long the log may become.
    fn room(&self) -> u64 {
        let is_short = length(&self.file) <= BYTES;
        let bytes = if is_short && self.durability == Durability::Full { BYTES_OF_SHORT_FILE } else { BYTES };
        bytes.min(self.bytes_max)
    }
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a file and its log of these lengths, which take no room.
    fn log_of(directory: &Path, durability: Durability, file_bytes: u64, log_bytes: u64) -> Log {
        let path = directory.join("presence.db");
        let log = Log::of(&path.display().to_string(), WAL_BYTES_MAX, durability);
        for (path, bytes) in [(&log.file, file_bytes), (&log.path, log_bytes)] {
            std::fs::File::create(path).unwrap().set_len(bytes).unwrap();
        }
        log
    }

    fn check(durability: Durability, file_bytes: u64, log_bytes: u64, expected: Option<Mode>) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log_of(directory.path(), durability, file_bytes, 0);
        log.copied(Mode::Passive, true);
        std::fs::File::create(&log.path).unwrap().set_len(log_bytes).unwrap();
        log.is_behind = true;
        assert_eq!(log.due(), expected, "a file of {file_bytes} and a log of {log_bytes} bytes");
    }

    #[test]
    fn the_log_of_a_short_file_is_copied_more_rarely() {
        check(Durability::Full, BYTES, BYTES_OF_SHORT_FILE, None);
        check(Durability::Full, BYTES, BYTES_OF_SHORT_FILE + 1, Some(Mode::Passive));
        check(Durability::Full, BYTES + 1, BYTES, None);
        check(Durability::Full, BYTES + 1, BYTES + 1, Some(Mode::Passive));
    }

    #[test]
    fn a_log_that_is_not_flushed_is_never_long() {
        check(Durability::Relaxed, BYTES, BYTES, None);
        check(Durability::Relaxed, BYTES, BYTES + 1, Some(Mode::Passive));
    }

    #[test]
    fn a_file_that_grows_has_its_log_cut() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log_of(directory.path(), Durability::Full, BYTES + 1, BYTES_OF_SHORT_FILE);
        log.copied(Mode::Passive, true);
        assert_eq!(log.due(), Some(Mode::Truncate));
    }
}
