//! Entity-tags as `SIP-If-Match` carries them (RFC 3903 §6 step 3, §8.1): exactly one token.
//!
//! No quotes, no `W/`, no list; `*` is a token like any other. Whether a tag is known is not asked here.

use super::{token, trim};

/// One entity-tag, compared byte by byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EntityTag<'a>(&'a str);

/// `SIP-If-Match` without exactly one entity-tag: 400 (RFC 3903 §6 step 3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MalformedEntityTag;

impl<'a> EntityTag<'a> {
    /// Reads the values of every `SIP-If-Match` header field of a request; `None` if it has none.
    pub fn from_if_match(
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<EntityTag<'a>>, MalformedEntityTag> {
        let mut values = values.into_iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(MalformedEntityTag);
        }
        token(trim(value)).map(|tag| Some(EntityTag(tag))).ok_or(MalformedEntityTag)
    }

    /// Returns the tag as it was written.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Result<Option<&str>, MalformedEntityTag>) {
        let tag = EntityTag::from_if_match(values.iter().map(|value| value.as_bytes()));
        assert_eq!(tag.map(|tag| tag.map(EntityTag::as_str)), expected, "{values:?}");
    }

    #[test]
    fn one_token_is_one_entity_tag() {
        check(&[], Ok(None));
        check(&["k3.19f"], Ok(Some("k3.19f")));
        check(&["\r\n dx200xyz "], Ok(Some("dx200xyz")));
        check(&["*"], Ok(Some("*")));
    }

    #[test]
    fn lists_quotes_and_repetition_are_refused() {
        for value in ["", " ", "a,b", "a, b", "\"a\"", "W/\"a\"", "a b", "a;x=1", "a/b", "\u{e9}"] {
            check(&[value], Err(MalformedEntityTag));
        }
        check(&["a", "a"], Err(MalformedEntityTag));
        check(&["a", ""], Err(MalformedEntityTag));
    }
}
