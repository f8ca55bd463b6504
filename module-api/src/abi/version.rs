//! The plain static that every module library exports, read with `dlsym` before any code of the module runs.
//!
//! Its layout never changes, so that any host can refuse any module in one line.

use std::fmt;

/// Raised when a change breaks modules built before it.
pub const API_MAJOR: u32 = 0;
/// Raised when something is added; while the major version is 0, it breaks as well.
pub const API_MINOR: u32 = 2;
/// The exported symbol's name, with its terminating zero.
pub const HEADER_SYMBOL: &[u8] = b"SIP_MODULE_HEADER\0";

const MAGIC: [u8; 16] = *b"sip-module-api\x01\0";

/// Names a module, its version, and the ABI it was built for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ModuleHeader {
    magic: [u8; 16],
    api_major: u32,
    api_minor: u32,
    name: [u8; 64],
    version: [u8; 32],
    rustc: [u8; 64],
}

impl ModuleHeader {
    /// Builds the header of a module for the ABI of this crate.
    pub const fn new(name: &str, version: &str) -> Self {
        Self::for_api(name, version, API_MAJOR, API_MINOR)
    }

    /// Builds the header of a module that claims another ABI: what a host must refuse.
    pub const fn for_api(name: &str, version: &str, api_major: u32, api_minor: u32) -> Self {
        let (name, version, rustc) = (padded(name), padded(version), padded(env!("MODULE_API_RUSTC")));
        Self { magic: MAGIC, api_major, api_minor, name, version, rustc }
    }

    /// Returns the module's name as `modparam` writes it.
    pub fn name(&self) -> &str {
        text(&self.name)
    }

    /// Returns the module's own version.
    pub fn version(&self) -> &str {
        text(&self.version)
    }

    /// Returns the compiler the module was built with.
    pub fn rustc(&self) -> &str {
        text(&self.rustc)
    }

    /// Refuses a header that is not one, or that speaks another ABI.
    pub fn check(&self) -> Result<(), IncompatibleModule> {
        if self.magic != MAGIC {
            return Err(IncompatibleModule::NotAModule);
        }
        if (self.api_major, self.api_minor) != (API_MAJOR, API_MINOR) {
            return Err(IncompatibleModule::OtherApi { major: self.api_major, minor: self.api_minor });
        }
        Ok(())
    }
}

/// Why a library cannot be a module of this host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IncompatibleModule {
    /// The exported header does not begin as ours do.
    NotAModule,
    /// Built for another version of this crate.
    OtherApi {
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
}

impl fmt::Display for IncompatibleModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAModule => f.write_str("not a module of this host"),
            Self::OtherApi { major, minor } => {
                write!(f, "built for module-api {major}.{minor}, this host speaks {API_MAJOR}.{API_MINOR}")
            }
        }
    }
}

const fn padded<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    let mut out = [0; N];
    let mut at = 0;
    // One byte stays zero, so that a reader in any language finds the end.
    while at < bytes.len() && at + 1 < N {
        out[at] = bytes[at];
        at += 1;
    }
    out
}

fn text(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_of_this_api_is_accepted_and_says_who_it_is() {
        let header = ModuleHeader::new("presence", "0.1.0");
        assert_eq!(header.check(), Ok(()));
        assert_eq!((header.name(), header.version()), ("presence", "0.1.0"));
        assert!(header.rustc().starts_with("rustc "));
    }

    #[test]
    fn a_module_of_another_api_is_refused_in_one_line() {
        let refusal = ModuleHeader::for_api("presence", "9", 7, 3).check().unwrap_err().to_string();
        assert_eq!(refusal, "built for module-api 7.3, this host speaks 0.2");
    }
}
