//! A process's stderr: read line by line by a thread, waited for by condition, kept whole.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// What a process has said.
pub(crate) struct Log {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    closed: bool,
}

impl Log {
    /// Reads `stream` to its end in the background.
    pub(crate) fn follow(stream: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let reading = Arc::clone(&shared);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                reading.said.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                reading.changed.notify_all();
            }
            reading.said.lock().closed = true;
            reading.changed.notify_all();
        });
        Self { shared }
    }

    /// Returns everything said so far.
    pub(crate) fn text(&self) -> String {
        self.shared.said.lock().lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Waits until `count` lines contain `substring`; `None` if the stream ends or time runs out before.
    pub(crate) fn wait_for(&self, substring: &str, count: usize, within: Duration) -> Option<Vec<String>> {
        let give_up = Instant::now() + within;
        let mut said = self.shared.said.lock();
        loop {
            let found: Vec<_> = said.lines.iter().filter(|line| line.contains(substring)).cloned().collect();
            if found.len() >= count {
                return Some(found);
            }
            if said.closed || self.shared.changed.wait_until(&mut said, give_up).timed_out() {
                return None;
            }
        }
    }

    /// Waits for the end of the stream, which is the end of the process; returns whether it came.
    pub(crate) fn wait_until_closed(&self, within: Duration) -> bool {
        let give_up = Instant::now() + within;
        let mut said = self.shared.said.lock();
        while !said.closed {
            if self.shared.changed.wait_until(&mut said, give_up).timed_out() {
                return said.closed;
            }
        }
        true
    }
}

/// Returns the addresses that follow `scheme` (`udp:`) in lines of the log.
pub(crate) fn addresses(lines: &[String], scheme: &str) -> Vec<SocketAddr> {
    let after = lines.iter().flat_map(|line| line.split(scheme).skip(1));
    after.filter_map(|rest| rest.split([' ', ',', '"']).next().and_then(|word| word.parse().ok())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn lines_are_found_and_the_end_is_noticed() {
        let log = Log::follow(&b"one\ntwo ready\nthree"[..]);
        assert_eq!(log.wait_for("ready", 1, LONG), Some(vec!["two ready".to_owned()]));
        assert!(log.wait_until_closed(LONG));
        assert_eq!(log.text(), "one\ntwo ready\nthree\n");
        assert_eq!(log.wait_for("four", 1, LONG), None);
    }

    #[test]
    fn listening_addresses_are_read() {
        let lines = ["listening on udp:127.0.0.1:5060, tcp:127.0.0.1:5061".to_owned(), "udp:[::1]:7 x".to_owned()];
        assert_eq!(addresses(&lines, "udp:"), ["127.0.0.1:5060".parse().unwrap(), "[::1]:7".parse().unwrap()]);
        assert_eq!(addresses(&lines, "tcp:"), ["127.0.0.1:5061".parse().unwrap()]);
    }
}
