//! The host, the module and the modules of `tests/examples`, built as they stand and found where cargo says it put them.
//!
//! One `cargo build` a test process, behind a lock file: `cargo test` refreshes neither a library that is loaded at run
//! time nor the executable of another package. What lies in the directory that `PRESENCE_TEST_BINARIES`
//! names is taken instead.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The environment variable that names the directory of what `scripts/build` made or makes.
const BUILT_BEFORE: &str = "PRESENCE_TEST_BINARIES";

/// Where the built files are.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The host's executable.
    pub host: PathBuf,
    /// What looks after the presence server's database.
    pub presence_db: PathBuf,
    /// The presence module's library.
    pub presence: PathBuf,
    /// The directory of the libraries built from `tests/examples`.
    pub examples: PathBuf,
}

impl Binaries {
    /// Returns the files, building them at the first call.
    ///
    /// # Panics
    /// If they do not build; the panic shows what cargo said.
    pub fn get() -> &'static Self {
        static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
        match BUILT.get_or_init(|| built_before().map_or_else(build, |directory| in_directory(&directory))) {
            Ok(binaries) => binaries,
            Err(error) => panic!("the binaries under test are not there: {error}"),
        }
    }

    /// Returns the directory of the presence module.
    pub fn modules(&self) -> &Path {
        self.presence.parent().expect("a library lies in a directory")
    }
}

/// Returns the directory of what `scripts/build` made, if that is what is looked at, and not what is built as it stands.
pub fn built_before() -> Option<PathBuf> {
    env::var_os(BUILT_BEFORE).map(PathBuf::from)
}

fn in_directory(directory: &Path) -> Result<Binaries, String> {
    let file = |name: &str| {
        let path = directory.join(name);
        if path.exists() {
            Ok(path)
        } else {
            Err(format!("{BUILT_BEFORE} names {}, where no {name} lies", directory.display()))
        }
    };
    Ok(Binaries {
        host: file("proxy-host")?,
        presence_db: file("presence-db")?,
        presence: file("libpresence.so")?,
        examples: directory.join("examples"),
    })
}

fn build() -> Result<Binaries, String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the package lies in no workspace")?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    fs::create_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
    let lock_path = target.join("tests-build.lock");
    let lock = File::create(&lock_path).map_err(|error| format!("{}: {error}", lock_path.display()))?;
    lock.lock().map_err(|error| format!("{}: {error}", lock_path.display()))?;
    let profile = env::var("PRESENCE_TEST_PROFILE").unwrap_or_else(|_| "checked".into());
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo tells a test of its package: build scripts of others read the same names, and would run anew.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|begin| text.starts_with(begin)) {
            cargo.env_remove(&name);
        }
    }
    let output = cargo
        .current_dir(workspace)
        .args(["build", "--profile", &profile, "--message-format=json-render-diagnostics"])
        .args(["-p", "proxy-host", "-p", "presence-module", "-p", "tests", "--lib", "--bins", "--examples"])
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    read_artifacts(&String::from_utf8_lossy(&output.stdout))
}

fn read_artifacts(lines: &str) -> Result<Binaries, String> {
    let artifacts: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let presence = library(&artifacts, "presence").ok_or("cargo names no library of presence-module")?;
    let second = library(&artifacts, "second_module").ok_or("cargo names no library of the example second_module")?;
    let host = executable(&artifacts, "proxy-host").ok_or("cargo names no executable of proxy-host")?;
    let presence_db = executable(&artifacts, "presence-db").ok_or("cargo names no executable presence-db")?;
    let examples = second.parent().ok_or("a library lies in no directory")?.to_owned();
    Ok(Binaries { host, presence_db, presence, examples })
}

/// Returns the file of an executable.
fn executable(artifacts: &[Value], name: &str) -> Option<PathBuf> {
    let mut files = artifacts.iter().filter_map(|artifact| artifact["executable"].as_str()).map(PathBuf::from);
    files.find(|path| path.file_stem().is_some_and(|stem| stem == name))
}

/// Returns the file of a cdylib target.
fn library(artifacts: &[Value], target: &str) -> Option<PathBuf> {
    let artifact = artifacts.iter().find(|artifact| {
        let kinds = artifact["target"]["crate_types"].as_array();
        artifact["target"]["name"] == target && kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
    })?;
    let files = artifact["filenames"].as_array()?;
    let is_library = |path: &&str| [".so", ".dylib"].iter().any(|end| path.ends_with(end));
    files.iter().filter_map(Value::as_str).find(is_library).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARTIFACTS: &str = r#"
{"reason":"compiler-artifact","target":{"name":"presence","crate_types":["cdylib","rlib"]},"filenames":["/t/libpresence.so","/t/libpresence.rlib"],"executable":null}
{"reason":"compiler-artifact","target":{"name":"second_module","crate_types":["cdylib"]},"filenames":["/t/examples/libsecond_module.so"],"executable":null}
{"reason":"compiler-artifact","target":{"name":"proxy-host","crate_types":["bin"]},"filenames":["/t/proxy-host"],"executable":"/t/proxy-host"}
{"reason":"compiler-artifact","target":{"name":"presence-db","crate_types":["bin"]},"filenames":["/t/presence-db"],"executable":"/t/presence-db"}
{"reason":"build-finished","success":true}"#;

    #[test]
    fn the_paths_are_those_that_cargo_names() {
        let binaries = read_artifacts(ARTIFACTS).unwrap();
        assert_eq!(binaries.host, Path::new("/t/proxy-host"));
        assert_eq!(binaries.presence_db, Path::new("/t/presence-db"));
        assert_eq!((binaries.modules(), binaries.examples.as_path()), (Path::new("/t"), Path::new("/t/examples")));
    }

    #[test]
    fn what_cargo_does_not_name_is_said() {
        let without_host = ARTIFACTS.replace("\"/t/proxy-host\"", "null");
        assert!(read_artifacts(&without_host).unwrap_err().contains("proxy-host"));
        assert!(read_artifacts("").unwrap_err().contains("presence-module"));
    }

    #[test]
    fn of_what_was_built_before_the_file_that_is_not_there_is_said() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["proxy-host", "presence-db"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert!(in_directory(directory.path()).unwrap_err().ends_with("where no libpresence.so lies"));
        fs::write(directory.path().join("libpresence.so"), "").unwrap();
        assert_eq!(in_directory(directory.path()).unwrap().host, directory.path().join("proxy-host"));
    }
}
