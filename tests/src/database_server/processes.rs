//! The processes of a server, a tree below the one we started: signals to all of them, and the time they used.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Linux tells processor time in these, whatever its clock does (`USER_HZ`).
const TICKS_A_SECOND: u64 = 100;
/// How long signals may take to do what they do.
const DEADLINE: Duration = Duration::from_secs(10);

/// A process and all below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    root: u32,
}

/// What the kernel tells of a process or thread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Status {
    id: u32,
    parent: u32,
    state: char,
    /// Its own time, and that of its children who have gone.
    ticks: u64,
}

impl Tree {
    pub(super) fn of(root: u32) -> Self {
        Self { root }
    }

    /// Kills all of them and waits until none is left but the root, which its parent has to reap.
    pub(super) fn kill(self) {
        // While the root stands, no child is born behind our back.
        signal(self.root, Signal::SIGSTOP);
        let root = format!("/proc/{}/stat", self.root);
        poll("stand", || status(Path::new(&root)).is_none_or(|process| matches!(process.state, 'T' | 'Z')));
        let all = self.members();
        for process in &all {
            signal(process.id, Signal::SIGKILL);
        }
        poll("die", || {
            let now = all_processes();
            all.iter().all(|dead| now.iter().all(|process| process.id != dead.id || process.state == 'Z'))
        });
    }

    /// Stops all of them in their tracks and waits until they stand.
    pub(super) fn pause(self) {
        signal(self.root, Signal::SIGSTOP);
        poll("stand", || {
            self.members().iter().all(|process| {
                signal(process.id, Signal::SIGSTOP);
                threads(process.id).iter().all(|thread| matches!(thread.state, 'T' | 'Z'))
            })
        });
    }

    /// Lets them go on.
    pub(super) fn resume(self) {
        for process in self.members().iter().rev() {
            signal(process.id, Signal::SIGCONT);
        }
    }

    /// Returns the processor time they and their children that are gone have used.
    pub(super) fn cpu_time(self) -> Duration {
        let ticks: u64 = self.members().iter().map(|process| process.ticks).sum();
        Duration::from_millis(ticks * 1000 / TICKS_A_SECOND)
    }

    /// Returns the root and all below it, parents before their children.
    fn members(self) -> Vec<Status> {
        let mut others = all_processes();
        let mut members: Vec<_> = others.extract_if(.., |process| process.id == self.root).collect();
        let mut known = HashSet::from([self.root]);
        loop {
            let children: Vec<_> = others.extract_if(.., |process| known.contains(&process.parent)).collect();
            if children.is_empty() {
                return members;
            }
            known.extend(children.iter().map(|process| process.id));
            members.extend(children);
        }
    }
}

/// Sends a signal; a process that has gone meanwhile needs none.
pub(super) fn signal(id: u32, signal: Signal) {
    let id = i32::try_from(id).expect("a process id is positive");
    let _ = kill(Pid::from_raw(id), signal);
}

/// Waits until processes are as they should be.
fn poll(what: &str, done: impl Fn() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < give_up, "the processes of a server do not {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn all_processes() -> Vec<Status> {
    let entries = fs::read_dir("/proc").expect("Linux has /proc").filter_map(Result::ok);
    let processes =
        entries.filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit));
    processes.filter_map(|entry| status(&entry.path().join("stat"))).collect()
}

fn threads(process: u32) -> Vec<Status> {
    let entries = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| status(&entry.path().join("stat"))).collect()
}

/// Reads a `stat`; `None` if the process has gone.
fn status(file: &Path) -> Option<Status> {
    parse(&fs::read_to_string(file).ok()?)
}

/// Reads `id (name) state parent …`; the name may hold anything.
fn parse(stat: &str) -> Option<Status> {
    let (id, _) = stat.split_once(' ')?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    let state = fields.first()?.chars().next()?;
    Some(Status { id: id.parse().ok()?, parent: fields.get(1)?.parse().ok()?, state, ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        let stat = "42 (a) S (b) T 7 42 42 0 -1 4194304 1 2 3 4 10 20 3 4 20 0 1 0 5";
        assert_eq!(parse(stat), Some(Status { id: 42, parent: 7, state: 'T', ticks: 37 }));
        assert_eq!(parse("42 (a"), None);
    }

    #[test]
    fn a_tree_stands_still_and_goes_on_and_dies() {
        let mut root = std::process::Command::new("sh").args(["-c", "sleep 600 & sleep 600; true"]).spawn().unwrap();
        let tree = Tree::of(root.id());
        let give_up = Instant::now() + DEADLINE;
        while tree.members().len() < 3 {
            assert!(Instant::now() < give_up);
        }
        tree.pause();
        assert!(tree.members().iter().all(|process| process.state == 'T'));
        tree.resume();
        poll("go on", || tree.members().iter().all(|process| process.state != 'T'));
        let members = tree.members();
        tree.kill();
        root.wait().unwrap();
        let left = all_processes();
        assert!(left.iter().all(|process| process.state == 'Z' || members.iter().all(|dead| dead.id != process.id)));
    }
}
