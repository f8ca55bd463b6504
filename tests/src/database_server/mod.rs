//! A MariaDB or PostgreSQL server of a test's own: from Debian's packages, with its own port and directory.
//!
//! It is ready when it answers a query. Commits reach the disk as they do by default; only caches are small. Whatever can
//! befall a database server can be done to it here. Nothing of it is left when it is dropped, or when the tests are killed.

mod certificates; // for connections that are encrypted
mod disk; // one that can be full
mod guardian; // cleans up after tests that were killed
mod mariadb; // the one
mod port; // free ones
mod postgresql; // and the other
mod program; // what tells the two apart
mod programs; // where they are installed, and whom they run as
mod shared; // one for many tests
mod small_disk; // a disk for SQLite
mod template; // data directories, made once

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::database::Database;
use crate::processes::{self, Tree};
use certificates::Certificates;
use disk::Disk;
use guardian::Guardian;
use program::{Program, Start};
use programs::Account;
pub use shared::new_database;
pub use small_disk::SmallDisk;

/// Whom [`DatabaseServer::url`] lets in.
pub const USER: &str = "presence";
/// The password of everybody, which must never stand in a log.
pub const PASSWORD: &str = "secret-of-the-tests";
/// Whom [`DatabaseServer::client`] lets in.
const ADMINISTRATOR: &str = "tester";

/// How long a server may take to start or to stop; it recovers in that time what it was killed in.
const DEADLINE: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// MariaDB, spoken to as MySQL.
    MariaDb,
    /// PostgreSQL.
    PostgreSql,
}

/// What a server is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much its disk holds, if it is to have one of its own, which [`DatabaseServer::fill_disk`] fills; at least 128 MiB.
    pub disk_bytes_max: Option<u64>,
    /// Whether it speaks TLS and lets [`USER`] in by nothing else.
    pub tls: bool,
    /// How many MiB it caches, for those who measure; otherwise few.
    pub cache_mib: Option<u32>,
}

/// A running server.
pub struct DatabaseServer {
    kind: Kind,
    start: Start,
    process: Option<Child>,
    /// What was open before is closed in this order.
    disk: Option<Disk>,
    guardian: Option<Guardian>,
    directory: TempDir,
    account: Account,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::MariaDb, Self::PostgreSql];

    fn program(self) -> &'static dyn Program {
        match self {
            Self::MariaDb => &mariadb::MariaDb,
            Self::PostgreSql => &postgresql::PostgreSql,
        }
    }
}

impl DatabaseServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// If it does not; the panic shows its log.
    pub fn start(kind: Kind, options: &Options) -> Self {
        let account = Account::of_servers();
        let directory = tempfile::Builder::new().prefix("presence-").tempdir().expect("a temporary directory");
        let data = directory.path().join("data");
        fs::DirBuilder::new().mode(0o700).create(&data).expect("the directory is ours");
        account.give(directory.path());
        let guardian = Some(Guardian::of(directory.path()));
        let disk = options.disk_bytes_max.map(|bytes_max| Disk::mount(&data, bytes_max, account));
        template::copy(kind.program(), &data, account);
        let certificates = options.tls.then(|| Certificates::make(&directory.path().join("tls"), account));
        let start = Start { data, port: 0, cache_mib: options.cache_mib.unwrap_or(32), certificates };
        let mut server = Self { kind, start, process: None, disk, guardian, directory, account };
        server.start_at_some_port();
        server.kind.program().prepare(&mut server.administrator(), &server.start);
        server
    }

    /// Returns which server it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the URL of a database as the presence server reads it.
    pub fn url(&self, database: &str) -> String {
        let tls =
            self.start.certificates.as_ref().map(|files| format!("?tls=on&tls_ca={}", files.authority().display()));
        let scheme = self.kind.program().scheme();
        format!("{scheme}://{USER}:{PASSWORD}@127.0.0.1:{}/{database}{}", self.start.port, tls.unwrap_or_default())
    }

    /// Returns the port it listens on.
    pub fn port(&self) -> u16 {
        self.start.port
    }

    /// Returns the file of the authority that vouches for it.
    ///
    /// # Panics
    /// If it does not speak TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.start.certificates.as_ref().expect("it was started with TLS").authority()
    }

    /// Creates a database and returns its URL: UTF-8 on PostgreSQL, and on MariaDB whatever that server uses by itself
    /// (latin1, or utf8mb4 since version 11.6), so that what needs more has to say so.
    pub fn create_database(&self, name: &str) -> String {
        self.kind.program().create_database(&mut self.administrator(), name, None);
        self.url(name)
    }

    /// Creates a database of a certain character set (`latin1`) and returns its URL.
    pub fn create_database_in(&self, name: &str, character_set: &str) -> String {
        self.kind.program().create_database(&mut self.administrator(), name, Some(character_set));
        self.url(name)
    }

    /// Opens a database as an administrator or another program, which [`DatabaseServer::cut_connections`] spares.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn client(&self, database: &str) -> Database {
        Database::connect(&self.administrators_url(database))
    }

    /// Has the server's own command-line client run `script`, as [`USER`] by hand.
    ///
    /// # Panics
    /// If the client is not there, or refuses the script.
    pub fn run_client(&self, database: &str, script: &str) {
        let mut client = match self.kind {
            Kind::MariaDb => {
                let mut client = Command::new("mariadb");
                let port = self.start.port.to_string();
                client.args(["--no-defaults", "--host=127.0.0.1", "--port", &port, "--user", USER, database]);
                client.env("MYSQL_PWD", PASSWORD);
                client
            }
            Kind::PostgreSql => {
                let mut client = Command::new("psql");
                client.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", &self.url(database)]);
                client
            }
        };
        let client = client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut client = client.spawn().expect("the database's client is installed");
        let mut input = client.stdin.take().expect("it is piped");
        input.write_all(script.as_bytes()).expect("the client reads");
        drop(input);
        let output = client.wait_with_output().expect("the client ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Returns whether it answers a new client's query in time.
    pub fn answers_within(&self, time: Duration) -> bool {
        let url = self.administrators_url(self.kind.program().administrative_database());
        let (answered, answer) = mpsc::channel();
        std::thread::spawn(move || {
            let answers = Database::try_connect(&url).and_then(|mut client| client.try_lines("1", "(SELECT 1) AS one"));
            // Nobody may be waiting any longer.
            let _ = answered.send(answers.is_ok());
        });
        answer.recv_timeout(time).unwrap_or(false)
    }

    /// Ends all connections of [`USER`], whatever they are at.
    pub fn cut_connections(&self) {
        self.kind.program().cut_connections(&mut self.administrator());
    }

    /// Stops all its processes in their tracks; connections stay, and new ones are made, but nobody answers.
    pub fn pause(&self) {
        self.tree().pause();
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.tree().resume();
    }

    /// Kills all its processes on the spot.
    pub fn kill_nine(&mut self) {
        self.tree().kill();
        self.reap();
    }

    /// Stops it as an operator does who does not wait for clients.
    ///
    /// # Panics
    /// If it does not stop; the panic shows its log.
    pub fn stop(&mut self) {
        self.resume();
        processes::signal(self.process_id(), self.kind.program().stop_signal());
        self.wait_for_end();
    }

    /// Waits until it has ended by itself, as a PostgreSQL does that cannot write its log.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_for_end(&mut self) {
        let give_up = Instant::now() + DEADLINE;
        while !self.has_ended() {
            assert!(Instant::now() < give_up, "it does not end; it said\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        self.kill_nine();
    }

    /// Starts it again on the same port and data, stopping it first if it still runs.
    ///
    /// # Panics
    /// If it does not answer; the panic shows its log.
    pub fn restart(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
        if let Err(problem) = self.launch() {
            panic!("{problem}; it said\n{}", self.log());
        }
    }

    /// Takes up all room on its disk.
    ///
    /// # Panics
    /// If it has no disk of its own.
    pub fn fill_disk(&self) {
        self.disk.as_ref().expect("it was started with a disk of its own").fill();
    }

    /// Gives the room again that [`DatabaseServer::fill_disk`] took.
    ///
    /// # Panics
    /// If the disk was not filled.
    pub fn give_room(&self) {
        self.disk.as_ref().expect("it was started with a disk of its own").give_room();
    }

    /// Returns the processor time all its processes have used since its last start.
    pub fn cpu_time(&self) -> Duration {
        self.tree().cpu_time()
    }

    /// Returns what it has logged, over all its starts.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    fn administrators_url(&self, database: &str) -> String {
        let scheme = self.kind.program().scheme();
        format!("{scheme}://{ADMINISTRATOR}:{PASSWORD}@127.0.0.1:{}/{database}", self.start.port)
    }

    fn administrator(&self) -> Database {
        self.client(self.kind.program().administrative_database())
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn process_id(&self) -> u32 {
        self.process.as_ref().expect("the database server runs").id()
    }

    fn tree(&self) -> Tree {
        Tree::of(self.process_id())
    }

    /// Others may take a free port before the server does; then there is another.
    fn start_at_some_port(&mut self) {
        for _ in 0..5 {
            self.start.port = port::free();
            self.kind.program().configure(&self.start);
            let Err(problem) = self.launch() else {
                return;
            };
            let log = self.log();
            assert!(log.contains("in use"), "{problem}; it said\n{log}");
        }
        panic!("no port is free");
    }

    fn launch(&mut self) -> Result<(), String> {
        assert!(self.process.is_none(), "the database server still runs");
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the directory is ours");
        let mut command = self.kind.program().command(&self.start);
        self.account.apply(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().map_err(|error| format!("{command:?}: {error}"))?);
        fs::write(self.directory.path().join("process"), self.process_id().to_string()).expect("the directory is ours");
        let give_up = Instant::now() + DEADLINE;
        // A look costs a server a process and a line of its log.
        let mut until_next_look = Duration::from_millis(5);
        while !self.answers_within(DEADLINE) {
            if self.has_ended() {
                self.kill_nine();
                return Err("the database server does not start".into());
            }
            if Instant::now() > give_up {
                return Err("the database server does not answer".into());
            }
            std::thread::sleep(until_next_look);
            until_next_look = (until_next_look * 5 / 4).min(Duration::from_millis(100));
        }
        Ok(())
    }

    fn has_ended(&mut self) -> bool {
        let process = self.process.as_mut().expect("the database server runs");
        process.try_wait().expect("our own child can be waited for").is_some()
    }

    fn reap(&mut self) {
        self.process.take().expect("the database server runs").wait().expect("our own child can be waited for");
        fs::remove_file(self.directory.path().join("process")).expect("it was written at the start");
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill_nine();
        }
        self.kind.program().tidy(&self.start.data);
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            let tail: String = tail.iter().rev().map(|line| format!("{line}\n")).collect();
            eprintln!("--- end of the log of {:?}\n{tail}---", self.kind);
        }
        self.disk = None;
        self.guardian = None;
    }
}
