//! A Kamailio of a test's own, from Debian's packages: its presence modules on a private port, directory and database.
//!
//! It is configured as its documentation advises. What it leaves in its database is what an import meets; what it costs under
//! load is what ours is compared with. It is ready when it answers OPTIONS.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::database::{Database, literal};
use crate::message::Message;
use crate::server::log::Log;
use crate::user_agent::{Endpoint, unique};

/// How long it may take to stop.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long it may take to stop: with many subscriptions it writes for a while.
const STOPPED_WITHIN: Duration = Duration::from_secs(180);

/// A running Kamailio.
pub struct Kamailio {
    directory: TempDir,
    address: SocketAddr,
    database: String,
    setup: Setup,
    process: Option<Process>,
}

struct Process {
    child: Child,
    log: Log,
}

/// How what it knows gets into its database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SubscriptionStorage {
    /// Some time later, and when it stops (`subs_db_mode` 2, its default).
    Later,
    /// With each change (`subs_db_mode` 1).
    AtOnce,
    /// Never, and publications neither: a crash loses all (`subs_db_mode` 0, `publ_cache` 2).
    Never,
}

/// How it is set up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Setup {
    /// When it writes subscriptions down; publications are always written at once unless nothing is.
    pub storage: SubscriptionStorage,
    /// Whether it decides by privacy rules; otherwise everybody may watch (`force_active`).
    pub decides: bool,
    /// How many processes take requests.
    pub workers: u32,
    /// What they share, in MiB, kept by the allocator that does not slow down (`-x tlsf`).
    pub shared_mib: u32,
}

impl Setup {
    /// Small, and with rules.
    pub fn small(storage: SubscriptionStorage) -> Self {
        Self { storage, decides: true, workers: 1, shared_mib: 32 }
    }
}

impl Kamailio {
    /// Starts one on an SQLite file of its own and waits until it answers.
    ///
    /// # Panics
    /// If it does not, or is not installed; the panic shows what it said.
    pub fn start(storage: SubscriptionStorage) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = format!("sqlite://{}", directory.path().join("kamailio.db").display());
        // Else its processes lock one another out.
        Database::connect(&database).script("PRAGMA journal_mode = WAL;");
        Self::on(directory, database, Setup::small(storage))
    }

    /// Starts one on the empty database at `url`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_on(url: &str, setup: Setup) -> Self {
        Self::on(tempfile::tempdir().expect("a temporary directory"), url.to_owned(), setup)
    }

    fn on(directory: TempDir, database: String, setup: Setup) -> Self {
        // It is free for now; Kamailio does not say which port it took if it may choose.
        let probe = UdpSocket::bind("127.0.0.1:0").expect("a loopback UDP socket");
        let address = probe.local_addr().expect("a bound socket has an address");
        drop(probe);
        let mut kamailio = Self { directory, address, database, setup, process: None };
        for script in ["standard-create.sql", "presence-create.sql"] {
            let file = installed(&format!("/{}/{script}", kamailio.kind().scripts));
            Database::connect(&kamailio.database).script(&fs::read_to_string(file).expect("Debian's scripts"));
        }
        kamailio.launch();
        kamailio
    }

    /// Returns the UDP address it listens on.
    pub fn udp_address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of its database, as the presence server reads it.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Returns its directory, for what is to live as long.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes privacy rules of `user`@`domain` into its database, where it looks at each SUBSCRIBE.
    pub fn put_rules(&self, user: &str, domain: &str, document: &str) {
        let uri = format!("/xcap-root/pres-rules/users/sip:{user}@{domain}/index");
        let document = literal(document);
        Database::connect(&self.database).execute(&format!(
            "INSERT INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port) \
             VALUES ('{user}', '{domain}', {document}, 2, '{}', 0, '{uri}', 0)",
            unique()
        ));
    }

    /// Returns the id of its first process, which all others are below.
    ///
    /// # Panics
    /// If it does not run.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("it runs").child.id()
    }

    /// Starts it again on the same port and database.
    ///
    /// # Panics
    /// As [`start`](Self::start), or if it still runs.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "it still runs");
        self.launch();
    }

    /// Stops it as an operator does; it writes down what it had not.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn terminate(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let main = i32::try_from(process.child.id()).expect("a process id is positive");
        nix::sys::signal::kill(Pid::from_raw(main), Signal::SIGTERM).expect("our own child takes signals");
        let closed = process.log.wait_until_closed(STOPPED_WITHIN);
        process.end();
        assert!(closed, "Kamailio does not stop; it said\n{}", process.log.text());
    }

    /// Kills all of it on the spot.
    pub fn kill_nine(&mut self) {
        self.process.take().expect("it runs").end();
    }

    fn launch(&mut self) {
        let file = self.directory.path().join("kamailio.cfg");
        fs::write(&file, self.configuration()).expect("the configuration is written");
        let mut command = Command::new(installed("/sbin/kamailio"));
        command.arg("-f").arg(&file).arg("-Y").arg(self.directory.path()).args(["-DD", "-E", "-x", "tlsf", "-M", "8"]);
        command.arg("-m").arg(self.setup.shared_mib.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("Kamailio does not run: {error}"));
        let log = Log::follow(child.stderr.take().expect("stderr is piped"));
        self.process = Some(Process { child, log });
        self.wait_until_free();
    }

    /// Waits until it takes another request: with one worker, all it answered before is in its database then. It answers a
    /// PUBLISH, and tells the watchers, before it commits.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn wait_until_free(&self) {
        let endpoint = Endpoint::udp(self.address);
        let options = Message::request("OPTIONS", &format!("sip:{}", self.address))
            .with("From", format!("<sip:tester@pres.example>;tag={}", unique()))
            .with("To", "<sip:pres.example>")
            .with("Call-ID", unique())
            .with("CSeq", "1 OPTIONS");
        assert_eq!(endpoint.request(options).code(), Some(200), "{}", endpoint.ladder());
        endpoint.finish();
    }

    fn configuration(&self) -> String {
        let (mode, cache) = match self.setup.storage {
            SubscriptionStorage::Later => ("2", "1"),
            SubscriptionStorage::AtOnce => ("1", "1"),
            SubscriptionStorage::Never => ("0", "2"),
        };
        let url = self.database.replacen("://", self.kind().separator, 1);
        CONFIGURATION
            .replace("@ADDRESS@", &self.address.to_string())
            .replace("@DRIVER@", self.kind().driver)
            .replace("@DB@", &url)
            .replace("@MODE@", mode)
            .replace("@CACHE@", cache)
            .replace("@FORCE@", if self.setup.decides { "0" } else { "1" })
            // Powers of two: its default, or chains that stay short.
            .replace("@HASH@", if self.setup.shared_mib < 1024 { "9" } else { "16" })
            .replace("@WORKERS@", &self.setup.workers.to_string())
    }

    fn kind(&self) -> &'static Kind {
        let scheme = self.database.split(':').next().unwrap_or_default();
        KINDS.iter().find(|kind| kind.scheme == scheme).expect("one of the three")
    }
}

/// What Kamailio calls the parts of a database.
struct Kind {
    scheme: &'static str,
    driver: &'static str,
    /// The directory of the scripts that create its tables.
    scripts: &'static str,
    separator: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { scheme: "mysql", driver: "db_mysql.so", scripts: "mysql", separator: "://" },
    Kind { scheme: "postgres", driver: "db_postgres.so", scripts: "postgres", separator: "://" },
    // Of the slashes there is one that is taken away.
    Kind { scheme: "sqlite", driver: "db_sqlite.so", scripts: "db_sqlite", separator: ":///" },
];

impl Process {
    fn end(&mut self) {
        let group = i32::try_from(self.child.id()).expect("a process id is positive");
        // Nobody of the group may be left, which is as well.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        self.child.wait().expect("our own child can be waited for");
        self.log.wait_until_closed(DEADLINE);
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        process.end();
        if std::thread::panicking() {
            eprintln!("--- log of Kamailio\n{}---", process.log.text());
        }
    }
}

/// Returns the file of Debian's packages whose path ends with `end`.
fn installed(end: &str) -> PathBuf {
    let packages = ["kamailio", "kamailio-mysql-modules", "kamailio-postgres-modules", "kamailio-sqlite-modules"];
    let output = Command::new("dpkg-query").arg("-L").args(packages).output().expect("Debian's dpkg-query runs");
    let files = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = files.lines().find(|file| file.ends_with(end));
    found.unwrap_or_else(|| panic!("Debian's packages of Kamailio are not installed: scripts/test does that")).into()
}

const CONFIGURATION: &str = r#"#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=@WORKERS@
listen=udp:@ADDRESS@
disable_tcp=yes
auto_aliases=no
dns=no
rev_dns=no

loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "sanity.so"
loadmodule "@DRIVER@"
loadmodule "presence.so"
loadmodule "presence_xml.so"

modparam("presence", "db_url", "@DB@")
modparam("presence", "server_address", "sip:@ADDRESS@")
modparam("presence", "subs_db_mode", @MODE@)
modparam("presence", "publ_cache", @CACHE@)
modparam("presence", "subs_htable_size", @HASH@)
modparam("presence", "pres_htable_size", @HASH@)
# Writes to two tables under the lock of one are refused by MariaDB.
modparam("presence", "db_table_lock_type", 0)
modparam("presence_xml", "db_url", "@DB@")
modparam("presence_xml", "integrated_xcap_server", 1)
modparam("presence_xml", "force_active", @FORCE@)

request_route {
    if (!mf_process_maxfwd_header("10")) {
        sl_send_reply("483", "Too Many Hops");
        exit;
    }
    if (!sanity_check()) exit;
    if (is_method("OPTIONS")) {
        sl_send_reply("200", "OK");
        exit;
    }
    if (is_method("PUBLISH|SUBSCRIBE")) {
        if (!t_newtran()) {
            sl_reply_error();
            exit;
        }
        if (is_method("PUBLISH")) handle_publish();
        else handle_subscribe();
        t_release();
        exit;
    }
    sl_send_reply("405", "Method Not Allowed");
}
"#;
