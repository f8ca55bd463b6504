//! stub
/// stub
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs)]
pub enum SubHandling {
    Block,
    Confirm,
    PoliteBlock,
    Allow,
}
/// stub
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Permissions;
impl Permissions {
    /// stub
    pub fn everything() -> Self {
        Self
    }
    /// stub
    pub fn is_everything(&self) -> bool {
        true
    }
}
