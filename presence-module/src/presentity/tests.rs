//! What the tests of other floors need of a presentity.

/// What a document ends with whose composition panics.
pub(crate) const PANICS: &[u8] = b"<!--panics-->";
