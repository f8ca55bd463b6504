//! The log: lines on stderr. The host writes bodies, URIs and credentials at debug level and below only; what `xlog`
//! writes is the script's decision. A record is one line, whatever a peer has put into it.

use std::io::{self, IsTerminal, Write};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use memchr::memchr2;
use parking_lot::Mutex;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::log_throttle::{Admitted, Throttle};
use crate::config::LogLevel;

/// Begins logging at `level`; RUST_LOG says otherwise where it is set. What is worth a line at all is worth `lines_max` of
/// them a second; whoever asks for debugging gets all of that.
pub fn begin(level: LogLevel, lines_max: usize) {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warning => "warn",
        LogLevel::Information => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // A second server in one process, as tests start them, keeps the first one's bound, and its log.
    let _ = THROTTLE.set(Mutex::new(Throttle::new(lines_max)));
    let lines = fmt::layer().with_writer(Stderr).with_ansi(io::stderr().is_terminal()).with_target(false);
    // As above.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

/// Tells of lines that were suppressed just now, and returns the counter of all, if there were any.
pub(super) fn summary() -> String {
    tell(THROTTLE.get().map_or(0, |throttle| throttle.lock().take_suppressed()));
    let suppressed = THROTTLE.get().map_or(0, |throttle| throttle.lock().suppressed_in_all());
    if suppressed == 0 { String::new() } else { format!(" log_lines_suppressed_total={suppressed}") }
}

static THROTTLE: OnceLock<Mutex<Throttle>> = OnceLock::new();
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Where lines go, some of them nowhere.
struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Box<dyn Write>;

    fn make_writer(&'a self) -> Self::Writer {
        Box::new(OneLine(io::stderr()))
    }

    fn make_writer_for(&'a self, record: &Metadata<'_>) -> Self::Writer {
        let throttle = THROTTLE.get().filter(|_| *record.level() <= Level::INFO);
        match throttle.map(|throttle| throttle.lock().on_line(STARTED.elapsed())) {
            Some(Admitted::Suppressed) => return Box::new(io::sink()),
            Some(Admitted::FirstSuppressed(left)) => {
                tell_after(left);
                return Box::new(io::sink());
            }
            Some(Admitted::Line { suppressed }) => tell(suppressed),
            None => {}
        }
        self.make_writer()
    }
}

/// Tells in a while how many lines were suppressed, whether anything else is logged by then or not.
fn tell_after(left: Duration) {
    let thread = std::thread::Builder::new().name("log".into());
    let told = thread.spawn(move || {
        std::thread::sleep(left);
        tell(THROTTLE.get().map_or(0, |throttle| throttle.lock().take_suppressed()));
    });
    // Without a thread it is told before the next line.
    drop(told);
}

fn tell(suppressed: u64) {
    if suppressed > 0 {
        // Where stderr is gone there is nobody to tell.
        let _ =
            writeln!(io::stderr(), " WARN {suppressed} log lines were suppressed: more than max_log_lines in a second");
    }
}

/// Passes records on, each in one piece, with the line ends inside them made visible.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = record.strip_suffix(b"\n").unwrap_or(record);
        if memchr2(b'\n', b'\r', text).is_none() {
            return self.0.write(record);
        }
        let mut line = Vec::with_capacity(record.len() + 8);
        for byte in text {
            match byte {
                b'\n' => line.extend_from_slice(b"\\n"),
                b'\r' => line.extend_from_slice(b"\\r"),
                _ => line.push(*byte),
            }
        }
        line.extend_from_slice(&record[text.len()..]);
        self.0.write_all(&line)?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &str, expected: &str) {
        let mut out = OneLine(Vec::new());
        out.write_all(record.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(out.0).unwrap(), expected);
    }

    #[test]
    fn a_record_is_one_line() {
        check("INFO all is well\n", "INFO all is well\n");
        check("INFO from a\r\n ERROR forged\n", "INFO from a\\r\\n ERROR forged\n");
    }
}
