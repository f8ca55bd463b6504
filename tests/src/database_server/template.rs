//! Data directories are made once a version of a server and copied from then on: making one takes a second or more.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::program::Program;
use super::programs::{Account, run};

/// What the templates of an older way to make them are told from.
const GENERATION: u32 = 3;

/// Copies an empty data directory of `program` to `data`, which must be there, and be empty.
pub(super) fn copy(program: &dyn Program, data: &Path, account: Account) {
    let template = template(program, account);
    // What looks like a hole in a log that was allocated ahead would be missing on a disk that is full.
    run(Command::new("cp").args(["-R", "--preserve=mode", "--sparse=never"]).arg(template.join(".")).arg(data));
    account.give(data);
}

/// Returns the template of `program`, which is made if nobody has yet.
fn template(program: &dyn Program, account: Account) -> PathBuf {
    let name = format!("{}-{GENERATION}-{}", program.name(), fingerprint(&program.version()));
    let template = cache().join(&name);
    let lock = File::create(cache().join(format!("{name}.lock"))).expect("the target directory is ours");
    lock.lock().expect("a lock on a file of ours");
    if !template.exists() {
        // Its user may not look into ours, so it is made elsewhere.
        let workshop = tempfile::tempdir().expect("a temporary directory");
        let made = workshop.path().join("data");
        fs::DirBuilder::new().mode(0o700).create(&made).expect("the directory is ours");
        account.give(workshop.path());
        program.make_data(&made, account);
        let unfinished = cache().join(format!("{name}.unfinished"));
        // What somebody left who was killed here.
        let _ = fs::remove_dir_all(&unfinished);
        run(Command::new("cp").args(["-R", "--preserve=mode", "--sparse=never"]).arg(&made).arg(&unfinished));
        fs::rename(&unfinished, &template).expect("both lie in one directory");
    }
    template
}

/// Returns a directory that outlives the process: in the target directory, beside what is built there.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let program = env::current_exe().expect("a process knows its program");
        let profile =
            program.ancestors().skip(1).find(|directory| !directory.ends_with("deps")).expect("it lies somewhere");
        let cache = profile.join("database-templates");
        fs::create_dir_all(&cache).expect("the target directory is ours");
        cache
    })
}

/// Returns a version as part of a file's name.
fn fingerprint(version: &str) -> String {
    version
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}
