//! Cleans up after a test process that was killed: a shell that waits for the end of ours.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Reads until we are gone, then kills the server, whose id lies in a file, and its children, and removes all: the memory
/// that a PostgreSQL locks its directory with (named in line 7), a disk that is mounted, the files.
const SCRIPT: &str = r#"
read -r _
if pid=$(cat "$0/process"); then
    kill -9 "$pid" $(cat "/proc/$pid/task/$pid/children")
fi
ipcrm -m "$(sed -n '7s/.* //p' "$0/data/postmaster.pid")"
umount --lazy "$0/data" || sudo -n umount --lazy "$0/data"
rm -rf "$0"
"#;

/// The shell; it is told nothing as long as we live.
#[derive(Debug)]
pub(super) struct Guardian(Child);

impl Guardian {
    /// Watches over a server whose files are in `directory`.
    pub(super) fn of(directory: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).arg(directory).process_group(0);
        let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("a system has a shell"))
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // Ours to kill and to reap; that it is dead already changes nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
