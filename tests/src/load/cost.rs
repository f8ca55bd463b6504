//! What a process spends: nanoseconds on a CPU, summed over its threads as the scheduler accounts for them, and memory.

use std::fs;
use std::time::Duration;

/// Returns the CPU time of process `id` so far, its ended threads excepted.
///
/// # Panics
/// If there is no such process, or the kernel keeps no account of it.
pub fn cpu_time(id: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).expect("the process runs");
    let account = |task: std::io::Result<fs::DirEntry>| {
        let path = task.expect("a thread").path().join("schedstat");
        // A thread that has just ended has no account any more.
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks.map(account).sum())
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What is resident.
    pub resident: u64,
    /// The most that ever was.
    pub peak: u64,
}

/// Returns the memory of process `id`.
///
/// # Panics
/// If there is no such process.
pub fn memory(id: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells");
        let kib: u64 = line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number");
        kib * 1024
    };
    Memory { resident: field("VmRSS:"), peak: field("VmHWM:") }
}
