//! The log: lines on stderr. The host writes bodies, URIs and credentials at debug level and below only; what `xlog`
//! writes is the script's decision. A record is one line, whatever a peer has put into it.

use std::io::{self, IsTerminal, Write};

use memchr::memchr2;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogLevel;

/// Begins logging at `level`; RUST_LOG says otherwise where it is set.
pub fn begin(level: LogLevel) {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warning => "warn",
        LogLevel::Information => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines =
        fmt::layer().with_writer(|| OneLine(io::stderr())).with_ansi(io::stderr().is_terminal()).with_target(false);
    // A second server in one process, as tests start them, keeps the first one's log.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
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
