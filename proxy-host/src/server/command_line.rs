//! What the operator asks for.

use std::path::PathBuf;

use clap::Parser;

/// A SIP proxy that runs an OpenSER routing script and loads modules as dynamic libraries.
#[derive(Clone, Debug, Parser)]
#[command(name = "proxy-host", version)]
pub struct CommandLine {
    /// The configuration file.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub file: PathBuf,
    /// Check the configuration and exit.
    #[arg(short = 'c', long = "check")]
    pub check: bool,
    /// Take the databases of modules even from a server that seems to be running.
    #[arg(long = "take-over")]
    pub take_over: bool,
    /// Look for modules here first; may be given several times.
    #[arg(short = 'L', long = "module-path", value_name = "DIR")]
    pub module_paths: Vec<PathBuf>,
}

/// How the process ends: the codes of sysexits(3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// A configuration that does not hold.
    Configuration,
    /// A configuration file that cannot be read.
    NoInput,
    /// As it should.
    Ok,
    /// The system refuses something: a socket, a thread.
    System,
    /// A module that cannot start.
    Unavailable,
    /// A command line that makes no sense.
    Usage,
}

impl Exit {
    /// Returns the code.
    pub fn code(self) -> u8 {
        match self {
            Self::Configuration => 78,
            Self::NoInput => 66,
            Self::Ok => 0,
            Self::System => 71,
            Self::Unavailable => 69,
            Self::Usage => 64,
        }
    }
}
