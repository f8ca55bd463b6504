//! Whether a watcher may see (stub).
use crate::document::presence_rules::{Permissions, SubHandling};
/// stub
#[derive(Clone, Debug, Default)]
pub struct Rules;
/// stub
#[derive(Clone, Debug)]
pub struct Authorization {
    /// h
    pub handling: SubHandling,
    /// p
    pub permissions: Permissions,
}
/// stub
#[derive(Clone, Debug)]
pub struct Malformed;
impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "malformed")
    }
}
impl Rules {
    /// stub
    pub fn read<'d>(_: impl IntoIterator<Item = &'d str>) -> (Self, Vec<Malformed>) {
        (Self, Vec::new())
    }
    /// stub
    pub fn is_absent(&self) -> bool {
        true
    }
    /// stub
    pub fn mentions_sphere(&self) -> bool {
        false
    }
    /// stub
    pub fn next_boundary_ms(&self, _: u64) -> Option<u64> {
        None
    }
    /// stub
    pub fn decide(&self, _: Option<&str>, _: Option<&str>, _: u64) -> Authorization {
        Authorization { handling: SubHandling::Allow, permissions: Permissions::everything() }
    }
}
