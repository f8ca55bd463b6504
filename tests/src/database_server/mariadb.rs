//! MariaDB: nothing of the machine's configuration, the character set the server was built with, commits on disk.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::program::{Program, Start};
use super::programs::{Account, program, run};
use super::{ADMINISTRATOR, PASSWORD, USER};
use crate::database::Database;

pub(super) struct MariaDb;

/// What a data directory is made with and therefore run with: less to copy and to start.
const LAYOUT: [&str; 2] = ["--no-defaults", "--innodb-undo-tablespaces=0"];

impl Program for MariaDb {
    fn name(&self) -> &'static str {
        "mariadb"
    }

    fn scheme(&self) -> &'static str {
        "mysql"
    }

    fn version(&self) -> String {
        run(Command::new(server()).arg("--no-defaults").arg("--version"))
    }

    fn make_data(&self, directory: &Path, account: Account) {
        let installer = program("mariadb-install-db", "mariadb-server-core");
        let datadir = format!("--datadir={}", directory.display());
        let mut install = Command::new(installer);
        install.args(LAYOUT).args([&datadir, "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.args(["--innodb-log-file-size=16M"]);
        run(account.apply(&mut install));
        // Views for administrators: half the files of an empty server, and creating files is what a copy takes long for.
        let users = format!(
            "FLUSH PRIVILEGES;\nCREATE USER {ADMINISTRATOR}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON *.* TO {ADMINISTRATOR}@'127.0.0.1' WITH GRANT OPTION;\n\
             CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n\
             DROP DATABASE IF EXISTS sys;\n"
        );
        let mut bootstrap = Command::new(server());
        bootstrap.args(LAYOUT).args([&datadir, "--bootstrap", "--innodb-log-file-size=16M"]);
        let mut child =
            account.apply(&mut bootstrap).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("mariadbd runs");
        child.stdin.take().expect("stdin is piped").write_all(users.as_bytes()).expect("mariadbd reads");
        let output = child.wait_with_output().expect("our own child can be waited for");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn configure(&self, _start: &Start) {}

    fn command(&self, start: &Start) -> Command {
        let mut command = Command::new(server());
        command.args(LAYOUT).current_dir(&start.data);
        // A socket's path may have 107 bytes; relative to the data directory it has few.
        command.args([
            "--socket=socket",
            "--pid-file=pid",
            "--tmpdir=.",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
        ]);
        command.args([format!("--datadir={}", start.data.display()), format!("--port={}", start.port)]);
        let log_mib = if start.cache_mib > 64 { 256 } else { 16 };
        command.arg(format!("--innodb-buffer-pool-size={}M", start.cache_mib));
        command.arg(format!("--innodb-log-file-size={log_mib}M"));
        command.args(["--innodb-buffer-pool-load-at-startup=OFF", "--innodb-buffer-pool-dump-at-shutdown=OFF"]);
        command.args(["--key-buffer-size=64K", "--aria-pagecache-buffer-size=1M", "--innodb-fast-shutdown=1"]);
        if let Some(certificates) = &start.certificates {
            command.arg(format!("--ssl-cert={}", certificates.certificate().display()));
            command.arg(format!("--ssl-key={}", certificates.key().display()));
        }
        command
    }

    fn prepare(&self, administrator: &mut Database, start: &Start) {
        if start.certificates.is_some() {
            administrator.execute(&format!("ALTER USER {USER}@'127.0.0.1' REQUIRE SSL"));
        }
    }

    fn administrative_database(&self) -> &'static str {
        "mysql"
    }

    fn create_database(&self, administrator: &mut Database, name: &str, character_set: Option<&str>) {
        let character_set = character_set.map(|name| format!(" CHARACTER SET {name}")).unwrap_or_default();
        administrator.execute(&format!(r#"CREATE DATABASE "{name}"{character_set}"#));
        administrator.execute(&format!(r#"GRANT ALL ON "{name}".* TO {USER}@'127.0.0.1'"#));
    }

    fn cut_connections(&self, administrator: &mut Database) {
        for id in administrator.lines("id", &format!("information_schema.processlist WHERE user = '{USER}'")) {
            // One that has gone by itself meanwhile is as good as cut.
            let _ = administrator.try_execute(&format!("KILL HARD CONNECTION {id}"));
        }
    }

    fn stop_signal(&self) -> Signal {
        Signal::SIGTERM
    }

    fn tidy(&self, _data: &Path) {}
}

fn server() -> std::path::PathBuf {
    program("mariadbd", "mariadb-server-core")
}
