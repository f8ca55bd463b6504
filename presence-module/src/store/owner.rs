//! Who owns a database: `host:pid`, and whether that process still lives.
//!
//! One database has one server. A process of this machine that has died is no owner, however it died.

use std::fmt;
use std::fs;

/// A process of some machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    host: String,
    pid: u32,
}

impl Owner {
    /// Names this process.
    pub fn this_process() -> Self {
        Self { host: this_host(), pid: std::process::id() }
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn from_column(text: &str) -> Option<Self> {
        let (host, pid) = text.rsplit_once(':')?;
        Some(Self { host: host.into(), pid: pid.parse().ok()? })
    }

    /// Returns whether it is another process of this machine, alive, and running the same program as this one.
    pub fn is_alive_here(&self) -> bool {
        let is_other = self.host == this_host() && self.pid != std::process::id();
        is_other
            && running_program(&self.pid.to_string()).is_some_and(|program| Some(program) == running_program("self"))
    }
}

/// Returns the name of what process `pid` runs; `None` if it is gone, or dead and merely not reaped.
fn running_program(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold some itself; the state follows.
    let (head, tail) = stat.rsplit_once(") ")?;
    let (_, program) = head.split_once('(')?;
    (!tail.starts_with(['Z', 'X', 'x'])).then(|| program.to_owned())
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.pid)
    }
}

fn this_host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().replace(':', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_as_it_was_written_and_we_are_not_our_own_rival() {
        let this = Owner::this_process();
        assert_eq!(Owner::from_column(&this.to_string()), Some(this.clone()));
        assert!(!this.is_alive_here());
        assert!(!Owner { pid: u32::MAX, ..this }.is_alive_here());
        assert_eq!(Owner::from_column("nobody"), None);
    }

    #[test]
    fn a_process_that_was_killed_and_is_not_reaped_is_dead() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id().to_string();
        child.kill().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while running_program(&pid).is_some() {
            assert!(std::time::Instant::now() < deadline, "a killed process ends");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
