//! PostgreSQL: no socket but TCP, no shared memory that outlives its processes, commits on disk.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::program::{Program, Start};
use super::programs::{Account, postgresql_program, run};
use super::{ADMINISTRATOR, PASSWORD, USER};
use crate::database::{Database, literal};

pub(super) struct PostgreSql;

/// What a server keeps of [`PASSWORD`] for SCRAM-SHA-256, hashed once instead of 4096 times: that costs a client half a
/// second at each connection where it is built without optimization.
const VERIFIER: &str = "SCRAM-SHA-256$1:cHJlc2VuY2UtdGVzdHMtIQ==\
                        $KqzhyOvxDZKcsIEp+OccDSXK3m1ChrVBgIuj5aIFHX8=:dZ02a9yCDl6vBxED3br0vhdFQTtTV9vPzQC6zu9q0v0=";

impl Program for PostgreSql {
    fn name(&self) -> &'static str {
        "postgresql"
    }

    fn scheme(&self) -> &'static str {
        "postgres"
    }

    fn version(&self) -> String {
        run(Command::new(postgresql_program("postgres")).arg("--version"))
    }

    fn make_data(&self, directory: &Path, account: Account) {
        let mut initdb = Command::new(postgresql_program("initdb"));
        initdb.arg("-D").arg(directory).args(["-U", ADMINISTRATOR, "--encoding=UTF8", "--locale=C", "--no-sync"]);
        run(account.apply(&mut initdb));
        // Two databases are enough, and creating files is what a copy takes long for.
        let users = format!(
            "DROP DATABASE postgres;\nALTER ROLE {ADMINISTRATOR} PASSWORD '{PASSWORD}';\nCREATE ROLE {USER} LOGIN PASSWORD '{VERIFIER}';\n"
        );
        let mut single = Command::new(postgresql_program("postgres"));
        single.arg("--single").arg("-D").arg(directory).args(["-c", "log_min_messages=warning", "template1"]);
        let child =
            account.apply(&mut single).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("postgres runs");
        child.stdin.take().expect("stdin is piped").write_all(users.as_bytes()).expect("postgres reads");
        let output = child.wait_with_output().expect("our own child can be waited for");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !complaints.contains("ERROR"), "{complaints}");
    }

    fn configure(&self, start: &Start) {
        let kind = if start.certificates.is_some() { "hostssl" } else { "host" };
        let rules =
            format!("host all {ADMINISTRATOR} 127.0.0.1/32 password\n{kind} all {USER} 127.0.0.1/32 scram-sha-256\n");
        fs::write(start.data.join("pg_hba.conf"), rules).expect("the data directory is ours");
    }

    fn command(&self, start: &Start) -> Command {
        let mut command = Command::new(postgresql_program("postgres"));
        command.arg("-D").arg(&start.data).current_dir(&start.data);
        let mut set = |name: &str, value: &str| {
            command.arg("-c").arg(format!("{name}={value}"));
        };
        set("listen_addresses", "127.0.0.1");
        set("port", &start.port.to_string());
        set("unix_socket_directories", "");
        set("dynamic_shared_memory_type", "mmap");
        // After a kill: one call instead of one for each of a thousand files.
        set("recovery_init_sync_method", "syncfs");
        set("shared_buffers", &format!("{}MB", start.cache_mib));
        if let Some(certificates) = &start.certificates {
            set("ssl", "on");
            set("ssl_cert_file", &certificates.certificate().display().to_string());
            set("ssl_key_file", &certificates.key().display().to_string());
        }
        command
    }

    fn prepare(&self, _administrator: &mut Database, _start: &Start) {}

    fn administrative_database(&self) -> &'static str {
        "template1"
    }

    fn create_database(&self, administrator: &mut Database, name: &str, character_set: Option<&str>) {
        let encoding = literal(character_set.unwrap_or("UTF8"));
        let statement = format!(r#"CREATE DATABASE "{name}" OWNER {USER} TEMPLATE template0 ENCODING {encoding}"#);
        administrator.execute(&statement);
    }

    fn cut_connections(&self, administrator: &mut Database) {
        administrator.lines("pg_terminate_backend(pid)", &format!("pg_stat_activity WHERE usename = '{USER}'"));
    }

    fn stop_signal(&self) -> Signal {
        Signal::SIGINT
    }

    fn tidy(&self, data: &Path) {
        // The lock on the directory: a few bytes of System V memory, named in the file that a killed server leaves.
        let left = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        if let Some(id) = left.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            // Gone already, if it was stopped by other means meanwhile.
            let _ = Command::new("ipcrm").args(["-m", id]).stderr(Stdio::null()).status();
        }
    }
}
