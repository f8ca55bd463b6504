//! A `proxy-host` process with a directory, a database and ports of its own.
//!
//! It is ready when its log says so; nothing here waits by the clock. Its log is shown when the test fails.

mod config; // configurations the tests start from
pub(crate) mod log; // the process's stderr, line by line

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::binaries::Binaries;
use crate::database::Database;
use crate::database_server::PASSWORD;
pub use config::{QUICKSTART, with_parameters, with_route, with_setting};
use log::Log;

/// How long a server may take to say what it must say.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a server is started with, besides its configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Further arguments of the command line.
    pub arguments: Vec<String>,
    /// Whether `panic` and `ERROR` may stand in the log; otherwise they fail the test.
    pub errors_expected: bool,
    /// Where its state is; otherwise in an SQLite file of its own.
    pub database_url: Option<String>,
    /// How long it may take to be ready, where that is longer than usual: it has a million rows to read.
    pub ready_within: Option<Duration>,
}

/// What a message travels by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// A connection.
    Tcp,
    /// Datagrams.
    Udp,
}

/// A running server.
pub struct Server {
    directory: TempDir,
    configuration: String,
    options: Options,
    process: Option<Process>,
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    earlier_log: String,
}

struct Process {
    child: Child,
    log: Log,
}

/// A server that did not start, or a check of a configuration: what it said and how it ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All it wrote to stderr.
    pub stderr: String,
    /// Where its configuration was.
    pub file: PathBuf,
}

impl Server {
    /// Starts a server and waits until it is ready. `@DB_URL@` and `@PORT@` in `configuration` are filled in.
    ///
    /// # Panics
    /// If it does not become ready; the panic shows its log.
    pub fn start(configuration: &str, options: Options) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let configuration = configuration.to_owned();
        let (udp, tcp, earlier_log) = (Vec::new(), Vec::new(), String::new());
        let mut server = Self { directory, configuration, options, process: None, udp, tcp, earlier_log };
        server.launch();
        server
    }

    /// Starts the server of the quickstart: both functions, SQLite, `force_active`, `pres.example`.
    pub fn quickstart() -> Self {
        Self::start(QUICKSTART, Options::default())
    }

    /// Starts the server of the quickstart on a database of any kind.
    pub fn quickstart_on(database_url: &str) -> Self {
        Self::start(QUICKSTART, Options { database_url: Some(database_url.into()), ..Options::default() })
    }

    /// Starts a server that must refuse to, and returns what it said.
    ///
    /// # Panics
    /// If it starts nevertheless.
    pub fn start_refused(configuration: &str) -> Ended {
        run_to_end(configuration, &[])
    }

    /// Runs `proxy-host -c` on a configuration.
    ///
    /// # Panics
    /// If it does not end.
    pub fn check(configuration: &str) -> Ended {
        run_to_end(configuration, &["-c"])
    }

    /// Returns the first UDP address it listens on.
    ///
    /// # Panics
    /// If there is none.
    pub fn udp_address(&self) -> SocketAddr {
        *self.udp.first().expect("the configuration has a UDP listener")
    }

    /// Returns the first TCP address it listens on.
    ///
    /// # Panics
    /// If there is none.
    pub fn tcp_address(&self) -> SocketAddr {
        *self.tcp.first().expect("the configuration has a TCP listener")
    }

    /// Returns the first address it listens on with `transport`.
    pub fn address(&self, transport: Transport) -> SocketAddr {
        match transport {
            Transport::Tcp => self.tcp_address(),
            Transport::Udp => self.udp_address(),
        }
    }

    /// Returns all UDP addresses, in the order of the configuration.
    pub fn udp_addresses(&self) -> &[SocketAddr] {
        &self.udp
    }

    /// Returns the path of the database, which is SQLite's unless the options said otherwise.
    pub fn database(&self) -> PathBuf {
        sqlite_file(self.directory.path())
    }

    /// Returns the URL of the database.
    pub fn database_url(&self) -> String {
        self.options.database_url.clone().unwrap_or_else(|| sqlite_url(self.directory.path()))
    }

    /// Opens the database as another program does.
    pub fn open_database(&self) -> Database {
        Database::connect(&self.database_url())
    }

    /// Returns the id of the process.
    ///
    /// # Panics
    /// If it does not run.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("the server runs").child.id()
    }

    /// Returns what it has logged, over all its starts.
    pub fn log(&self) -> String {
        let now = self.process.as_ref().map(|process| process.log.text()).unwrap_or_default();
        format!("{}{now}", self.earlier_log)
    }

    /// Waits for a line that contains `substring`, from the last start on, and returns it.
    ///
    /// # Panics
    /// If it does not come.
    pub fn wait_for_log(&self, substring: &str) -> String {
        self.wait_for_log_lines(substring, 1).remove(0)
    }

    /// Waits until `count` lines contain `substring`, from the last start on, and returns them.
    ///
    /// # Panics
    /// If they do not come.
    pub fn wait_for_log_lines(&self, substring: &str, count: usize) -> Vec<String> {
        let log = &self.process.as_ref().expect("the server runs").log;
        log.wait_for(substring, count, DEADLINE).unwrap_or_else(|| {
            panic!("the server does not say {substring:?} {count} times; it said\n{}", log.text());
        })
    }

    /// Has it look at once for what other programs wrote, as an operator does, with SIGUSR1.
    pub fn look_at_database(&self) {
        signal(&self.process.as_ref().expect("the server runs").child, Signal::SIGUSR1);
    }

    /// Stops it as an operator does, with SIGTERM, and returns how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        self.end(Signal::SIGTERM)
    }

    /// Kills it on the spot.
    pub fn kill_nine(&mut self) {
        self.end(Signal::SIGKILL);
    }

    /// Starts it again in the same directory, on the same ports.
    ///
    /// # Panics
    /// If it still runs, or does not become ready.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the server still runs");
        self.launch();
    }

    fn launch(&mut self) {
        let file = self.directory.path().join("server.cfg");
        let text = config::filled(&self.configuration, &self.database_url(), &self.udp, &self.tcp);
        fs::write(&file, text).expect("the configuration is written");
        let child = command(&file).args(&self.options.arguments).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("the host does not run: {error}"));
        let log = Log::follow(child.stderr.take().expect("stderr is piped"));
        let within = self.options.ready_within.unwrap_or(DEADLINE);
        if log.wait_for("ready", 1, within).is_none() {
            self.process = Some(Process { child, log });
            panic!("the server is not ready");
        }
        self.process = Some(Process { child, log });
        let listening = self.wait_for_log_lines("listening on ", 1);
        (self.udp, self.tcp) = (log::addresses(&listening, "udp:"), log::addresses(&listening, "tcp:"));
    }

    fn end(&mut self, signal: Signal) -> ExitStatus {
        let mut process = self.process.take().expect("the server runs");
        self::signal(&process.child, signal);
        let closed = process.log.wait_until_closed(DEADLINE);
        self.earlier_log.push_str(&process.log.text());
        if !closed {
            // It is ours and is reaped below; whether it dies of this or of the first signal is one.
            let _ = process.child.kill();
        }
        let status = process.child.wait().expect("our own child can be waited for");
        assert!(closed, "the server does not end at {signal}; it said\n{}", self.earlier_log);
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A server that has died by itself is found by its log.
            let _ = process.child.kill();
            let _ = process.child.wait();
            process.log.wait_until_closed(DEADLINE);
            self.earlier_log.push_str(&process.log.text());
        }
        if std::thread::panicking() {
            eprintln!("--- log of the server\n{}---", self.earlier_log);
            return;
        }
        assert!(!self.earlier_log.contains(PASSWORD), "the server logged a password:\n{}", self.earlier_log);
        let bad = self.earlier_log.lines().find(|line| line.contains("ERROR") || line.contains("panic"));
        assert!(self.options.errors_expected || bad.is_none(), "the server logged an error:\n{}", self.earlier_log);
    }
}

impl Ended {
    /// Returns the lines of stderr that contain `substring`.
    pub fn lines_with(&self, substring: &str) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.contains(substring)).collect()
    }
}

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).expect("a process id is positive");
    kill(Pid::from_raw(id), signal).expect("our own child takes signals");
}

fn run_to_end(configuration: &str, arguments: &[&str]) -> Ended {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("server.cfg");
    let text = config::filled(configuration, &sqlite_url(directory.path()), &[], &[]);
    fs::write(&file, text).expect("the configuration is written");
    let child = command(&file).args(arguments).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("the host does not run: {error}"));
    let log = Log::follow(child.stderr.take().expect("stderr is piped"));
    let closed = log.wait_until_closed(DEADLINE);
    if !closed {
        // Only to reap it: the assertion below fails the test.
        let _ = child.kill();
    }
    let code = child.wait().expect("our own child can be waited for").code();
    assert!(closed, "the host goes on running; it said\n{}", log.text());
    assert!(!log.text().contains(PASSWORD), "the host says a password:\n{}", log.text());
    Ended { code, stderr: log.text(), file }
}

fn sqlite_file(directory: &Path) -> PathBuf {
    directory.join("presence.db")
}

fn sqlite_url(directory: &Path) -> String {
    format!("sqlite://{}", sqlite_file(directory).display())
}

fn command(file: &Path) -> Command {
    let binaries = Binaries::get();
    let mut command = Command::new(&binaries.host);
    command.arg("-f").arg(file).arg("-L").arg(binaries.modules()).arg("-L").arg(&binaries.examples);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // Colours would stand between the words that tests look for.
    command.env("NO_COLOR", "1").env_remove("RUST_LOG");
    command
}
