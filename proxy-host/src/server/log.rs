//! The log: lines on stderr. Bodies, URIs and credentials are at debug level and below only.

use std::io::IsTerminal;

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
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).with_target(false);
    // A second server in one process, as tests start them, keeps the first one's log.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}
