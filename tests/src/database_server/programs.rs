//! Where Debian's packages put the servers, and whom they run as: PostgreSQL refuses to run as root.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User};

/// Returns a program of `PATH`, or of where system services lie, which is not in everybody's `PATH`.
///
/// # Panics
/// If it is not installed.
pub(super) fn program(name: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let mut files = directories.map(|directory| directory.join(name));
    files
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: install {package}, as scripts/test does"))
}

/// Returns a program of the newest PostgreSQL; Debian keeps those of a server out of `PATH`.
///
/// # Panics
/// If it is not installed.
pub(super) fn postgresql_program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin").join(name)))
        })
        .filter(|(_, file)| file.is_file())
        .max();
    newest.map_or_else(|| program(name, "postgresql"), |(_, file)| file)
}

/// The user that servers run as: ourselves, or nobody if we are root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    /// The user and group to become; `None` if there is nothing to become.
    nobody: Option<(u32, u32)>,
}

impl Account {
    pub(super) fn of_servers() -> Self {
        if !Uid::effective().is_root() {
            return Self { nobody: None };
        }
        let nobody = User::from_name("nobody").ok().flatten().expect("a system that has root has nobody");
        Self { nobody: Some((nobody.uid.as_raw(), nobody.gid.as_raw())) }
    }

    /// Has `command` run as that user, in a group of processes of its own, so that Ctrl-C is for us alone.
    pub(super) fn apply(self, command: &mut Command) -> &mut Command {
        if let Some((user, group)) = self.nobody {
            command.uid(user).gid(group);
        }
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("LC_ALL", "C.UTF-8").process_group(0)
    }

    /// Gives `path` and all below it to that user.
    pub(super) fn give(self, path: &Path) {
        if let Some((user, group)) = self.nobody {
            run(Command::new("chown").arg("-R").arg(format!("{user}:{group}")).arg(path));
        }
    }

    /// Returns the options of a mount that is that user's.
    pub(super) fn as_mount_options(self) -> String {
        let (user, group) =
            self.nobody.unwrap_or_else(|| (Uid::effective().as_raw(), nix::unistd::Gid::effective().as_raw()));
        format!("uid={user},gid={group}")
    }
}

/// Runs a command to its end and returns what it wrote.
///
/// # Panics
/// If it fails; the panic says what it wrote.
pub(super) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ends with {}\n{out}{error}", output.status);
    out.into_owned()
}

/// Runs a command as root.
///
/// # Panics
/// If it fails, or we may not become root.
pub(super) fn run_as_root(command: &[&str]) {
    let with_sudo = [&["sudo", "-n"], command].concat();
    let words = if Uid::effective().is_root() { command } else { &with_sudo };
    run(Command::new(words[0]).args(&words[1..]));
}
