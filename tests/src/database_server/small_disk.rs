//! A disk of few bytes for a file of SQLite, which a test fills.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::disk::Disk;
use super::guardian::Guardian;
use super::programs::Account;

/// A disk that is gone with this, or with the process.
pub struct SmallDisk {
    /// Closed in this order.
    disk: Option<Disk>,
    guardian: Option<Guardian>,
    directory: TempDir,
}

impl SmallDisk {
    /// Mounts a disk.
    ///
    /// # Panics
    /// If it cannot be mounted; only root may.
    pub fn mount(bytes_max: u64) -> Self {
        let directory = tempfile::Builder::new().prefix("presence-").tempdir().expect("a temporary directory");
        // Where a guardian looks for it.
        let mount_point = directory.path().join("data");
        fs::create_dir(&mount_point).expect("the directory is ours");
        let guardian = Some(Guardian::of(directory.path()));
        let disk = Some(Disk::mount(&mount_point, bytes_max, Account::of_servers()));
        Self { disk, guardian, directory }
    }

    /// Returns the path of a file on it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("data").join(name)
    }

    /// Takes up all room on it.
    pub fn fill(&self) {
        self.disk().fill();
    }

    /// Gives the room again that [`SmallDisk::fill`] took.
    pub fn give_room(&self) {
        self.disk().give_room();
    }

    fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("it is mounted as long as this lives")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.disk = None;
        self.guardian = None;
    }
}
