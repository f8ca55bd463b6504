//! Finds a module's library, refuses in one line what does not fit, and loads the rest for good.
//!
//! The header is read before any code of the module runs. A library is never unloaded: its statics and its threads may
//! outlive every handle.

use std::fmt;
use std::path::{Path, PathBuf};

use libloading::Library;
use module_api::abi::{HEADER_SYMBOL, IncompatibleModule, LoadedModule, ModuleHeader, RefusedLibrary};

/// A library that fits, and who it says it is.
pub struct Found {
    /// Where it was found.
    pub path: PathBuf,
    /// The module's name.
    pub name: String,
    /// The module's version.
    pub version: String,
    /// Its root; nothing of it runs yet.
    pub module: LoadedModule,
}

/// Why there is no module.
#[derive(Debug)]
pub enum NotLoaded {
    /// No file of that name where modules are looked for.
    NotFound {
        /// Every path tried, in order.
        tried: Vec<PathBuf>,
    },
    /// A file that is not a module of ours.
    NotAModule {
        /// The file's name.
        file: String,
    },
    /// A module that speaks another ABI.
    Incompatible {
        /// The file's name.
        file: String,
        /// Which one.
        reason: IncompatibleModule,
    },
    /// A module whose definitions differ from ours although its header fits.
    Refused {
        /// The file's name.
        file: String,
        /// Why.
        reason: RefusedLibrary,
    },
}

impl fmt::Display for NotLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { tried } => {
                let tried: Vec<_> = tried.iter().map(|path| path.display().to_string()).collect();
                write!(f, "no such module; tried {}", tried.join(", "))
            }
            Self::NotAModule { file } => write!(f, "{file}: not a module of this host"),
            Self::Incompatible { file, reason } => write!(f, "{file}: {reason}"),
            Self::Refused { file, reason } => write!(f, "{file}: {reason}"),
        }
    }
}

/// Finds and loads the module that a `loadmodule` line names.
///
/// # Errors
/// One line for the operator.
pub fn load(name: &str, directories: &[PathBuf]) -> Result<Found, NotLoaded> {
    let candidates = candidates(name, directories);
    let Some(path) = candidates.iter().find(|path| path.is_file()).cloned() else {
        return Err(NotLoaded::NotFound { tried: candidates });
    };
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let header = read_header(&path).ok_or_else(|| NotLoaded::NotAModule { file: file.clone() })?;
    header.check().map_err(|reason| NotLoaded::Incompatible { file: file.clone(), reason })?;
    let module = LoadedModule::open(&path).map_err(|reason| NotLoaded::Refused { file, reason })?;
    Ok(Found { path, name: header.name().into(), version: header.version().into(), module })
}

/// Returns where `name` may be: `presence.so` is also looked for as `libpresence.so`.
fn candidates(name: &str, directories: &[PathBuf]) -> Vec<PathBuf> {
    let path = Path::new(name);
    if path.is_absolute() {
        return vec![path.to_owned()];
    }
    let beside = std::env::current_exe().ok().and_then(|executable| Some(executable.parent()?.to_owned()));
    let both = |directory: &PathBuf| [directory.join(name), directory.join(format!("lib{name}"))];
    directories.iter().chain(&beside).flat_map(both).collect()
}

fn read_header(path: &Path) -> Option<ModuleHeader> {
    // SAFETY: loading runs the library's initialisers, which for a module of ours are none; an operator who names another
    // library trusts it as far as the rest of the configuration.
    let library = unsafe { Library::new(path) }.ok()?;
    // SAFETY: the symbol is a `ModuleHeader`, whose layout never changes, or something that `check` refuses by its first
    // bytes; it is copied while the library is loaded.
    let header = unsafe { library.get::<*const ModuleHeader>(HEADER_SYMBOL).ok().map(|symbol| **symbol) };
    // Never unloaded: what it may have started outlives this look.
    std::mem::forget(library);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_looked_for_in_every_directory_and_beside_the_host() {
        let tried = candidates("presence.so", &["/a".into(), "/b".into()]);
        let first: Vec<_> = tried.iter().take(4).map(|path| path.display().to_string()).collect();
        assert_eq!(first, ["/a/presence.so", "/a/libpresence.so", "/b/presence.so", "/b/libpresence.so"]);
        assert_eq!(tried.len(), 6);
        assert_eq!(candidates("/x/y.so", &["/a".into()]), [PathBuf::from("/x/y.so")]);
    }

    #[test]
    fn a_missing_module_names_every_path_tried() {
        let Err(missing) = load("nowhere.so", &["/no/such/directory".into()]) else { panic!("there is none") };
        let text = missing.to_string();
        assert!(text.contains("/no/such/directory/nowhere.so, /no/such/directory/libnowhere.so"), "{text}");
    }
}
