//! A disk of few bytes, which a test fills: a tmpfs, so what the server meets is the kernel's own ENOSPC.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::programs::{Account, run_as_root};

/// A mounted file system.
#[derive(Debug)]
pub(super) struct Disk {
    mount_point: PathBuf,
}

impl Disk {
    /// Mounts a disk that belongs to `account`. Only root may, so we have to be root, or to have `sudo`; in a
    /// container that takes the capability SYS_ADMIN.
    pub(super) fn mount(mount_point: &Path, bytes_max: u64, account: Account) -> Self {
        let options = format!("size={bytes_max},mode=0700,{}", account.as_mount_options());
        run_as_root(&["mount", "-t", "tmpfs", "-o", &options, "presence-tests", &mount_point.display().to_string()]);
        Self { mount_point: mount_point.to_owned() }
    }

    /// Takes up what room there is.
    pub(super) fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.filler()).expect("the disk is there");
        for bytes in [1 << 20, 1 << 12, 1] {
            let block = vec![0; bytes];
            loop {
                match filler.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("a disk is not filled: {error}"),
                }
            }
        }
    }

    /// Gives that room again.
    pub(super) fn give_room(&self) {
        std::fs::remove_file(self.filler()).expect("the disk was filled before");
    }

    fn filler(&self) -> PathBuf {
        self.mount_point.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run_as_root(&["umount", "--lazy", &self.mount_point.display().to_string()]);
    }
}
