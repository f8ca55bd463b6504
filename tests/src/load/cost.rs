//! What a process spends: nanoseconds on a CPU, summed over its threads as the scheduler accounts for them.

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
