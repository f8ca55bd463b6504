//! Who owns a database: `host:pid`, and whether that process still lives.
//!
//! One database has one server. A process of this machine that has died is no owner, however it died; one of another
//! machine is none once it has not been heard of for a while.

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

    /// Returns whether it is a process of this machine that is gone, or this one itself.
    pub fn is_gone(&self) -> bool {
        let is_one_of_ours = |program: String| {
            Some(&program) == running_program("self").as_ref() || PROGRAMS.contains(&program.as_str())
        };
        let is_alive = |pid: &str| running_program(pid).is_some_and(is_one_of_ours);
        self.host == this_host() && (self.pid == std::process::id() || !is_alive(&self.pid.to_string()))
    }
}

/// What a database says of the server that took it last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holder {
    /// Which process; `None` before the first start.
    pub owner: Option<Owner>,
    /// How long ago it said that it lives, by the database's clock; negative where that clock was set back.
    pub heartbeat_age_s: i64,
    /// Whether it stopped in order.
    pub was_clean: bool,
}

impl Holder {
    /// Returns whether that server may still be serving.
    pub fn is_serving(&self) -> bool {
        let Some(owner) = self.owner.as_ref().filter(|_| !self.was_clean) else { return false };
        self.heartbeat_age_s.unsigned_abs() <= HEARTBEAT_FRESH_S && !owner.is_gone()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner.as_ref().filter(|_| !self.was_clean) {
            Some(owner) => write!(f, "{owner}, which was alive {} s ago", self.heartbeat_age_s.max(0)),
            None => f.write_str("nobody"),
        }
    }
}

/// Programs that own a database, besides whichever asks: what looks after a database must not take it from a server.
const PROGRAMS: [&str; 2] = ["presence-db", "proxy-host"];

/// How often an owner says that it lives, in seconds.
pub const HEARTBEAT_S: u64 = 5;

/// Whoever has not said so for longer than this is gone, in seconds.
pub const HEARTBEAT_FRESH_S: u64 = 3 * HEARTBEAT_S;

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
        assert!(this.is_gone());
        assert!(Owner { pid: u32::MAX, ..this.clone() }.is_gone());
        assert!(!Owner { host: "elsewhere".into(), ..this }.is_gone());
        assert_eq!(Owner::from_column("nobody"), None);
    }

    #[test]
    fn whoever_says_nothing_for_a_while_or_stopped_in_order_does_not_serve() {
        let owner = Some(Owner { host: "elsewhere".into(), pid: 7 });
        let check = |heartbeat_age_s, was_clean, expected| {
            let holder = Holder { owner: owner.clone(), heartbeat_age_s, was_clean };
            assert_eq!(holder.is_serving(), expected, "{holder:?}");
        };
        check(0, false, true);
        check(15, false, true);
        check(16, false, false);
        check(-16, false, false);
        check(i64::MAX, false, false);
        check(0, true, false);
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
