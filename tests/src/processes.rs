//! The processes of a server, a tree below the one we started: signals to all of them, and the time and memory they use.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long signals may take to do what they do.
const DEADLINE: Duration = Duration::from_secs(10);

/// A process and all below it.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    root: u32,
}

/// What the kernel tells of a process or thread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Status {
    id: u32,
    parent: u32,
    state: char,
}

/// Memory of a server, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What is resident now; what processes share is counted once.
    pub resident: u64,
    /// The most that ever was, of the process that had most.
    pub peak: u64,
}

impl Tree {
    /// Returns `root` and whatever is below it whenever that is asked for.
    pub fn of(root: u32) -> Self {
        Self { root }
    }

    /// Kills all of them and waits until none is left but the root, which its parent has to reap.
    pub fn kill(self) {
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
    pub fn pause(self) {
        signal(self.root, Signal::SIGSTOP);
        poll("stand", || {
            self.members().iter().all(|process| {
                signal(process.id, Signal::SIGSTOP);
                threads(process.id).iter().all(|thread| matches!(thread.state, 'T' | 'Z'))
            })
        });
    }

    /// Lets them go on.
    pub fn resume(self) {
        for process in self.members().iter().rev() {
            signal(process.id, Signal::SIGCONT);
        }
    }

    /// Returns the processor time they have used, as the scheduler accounts for it; threads that have ended are not in it.
    pub fn cpu_time(self) -> Duration {
        let account = |entry: fs::DirEntry| {
            // A thread that has just ended has no account any more.
            let text = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0)
        };
        let threads = self.members().into_iter().flat_map(|process| entries(&format!("/proc/{}/task", process.id)));
        Duration::from_nanos(threads.map(account).sum())
    }

    /// Returns the memory they use.
    pub fn memory(self) -> Memory {
        let kib = |process: &Status, file: &str, name: &str| {
            let text = fs::read_to_string(format!("/proc/{}/{file}", process.id)).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let members = self.members();
        let resident: u64 = members.iter().map(|process| kib(process, "smaps_rollup", "Pss:")).sum();
        let peak = members.iter().map(|process| kib(process, "status", "VmHWM:")).max().unwrap_or(0);
        Memory { resident: resident * 1024, peak: peak * 1024 }
    }

    /// Returns how many files and sockets they have open.
    pub fn descriptors(self) -> usize {
        self.members().iter().map(|process| entries(&format!("/proc/{}/fd", process.id)).count()).sum()
    }

    /// Returns how many threads they have.
    pub fn threads(self) -> usize {
        self.members().iter().map(|process| threads(process.id).len()).sum()
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
pub fn signal(id: u32, signal: Signal) {
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
    let processes =
        entries("/proc").filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit));
    processes.filter_map(|entry| status(&entry.path().join("stat"))).collect()
}

fn threads(process: u32) -> Vec<Status> {
    entries(&format!("/proc/{process}/task")).filter_map(|entry| status(&entry.path().join("stat"))).collect()
}

fn entries(directory: &str) -> impl Iterator<Item = fs::DirEntry> + use<> {
    fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok)
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
    let state = fields.first()?.chars().next()?;
    Some(Status { id: id.parse().ok()?, parent: fields.get(1)?.parse().ok()?, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        let stat = "42 (a) S (b) T 7 42 42 0 -1 4194304 1 2 3 4 10 20 3 4 20 0 1 0 5";
        assert_eq!(parse(stat), Some(Status { id: 42, parent: 7, state: 'T' }));
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
