//! Media types: what an `Accept` header field admits (RFC 3261 §20.1, RFC 2616 §14.1), what a `Content-Type` names.
//!
//! The most specific range governs, `q=0` excludes. An absent `Accept` means the package's default, a present but empty one
//! admits nothing. Preference between several types is not decided here.

use super::{parameter, split, token, trim};

/// Says whether the values of every `Accept` header field of a request, taken together, admit `media_type`.
pub fn admits<'a>(values: impl IntoIterator<Item = &'a [u8]>, media_type: &str) -> bool {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    let (mut closest, mut admitted) = (Specificity::None, false);
    for range in values.flat_map(|value| split(value, b',')) {
        let (specificity, acceptable) = evaluate(range, media_type);
        if specificity > closest {
            (closest, admitted) = (specificity, acceptable);
        } else if specificity == closest && specificity != Specificity::None {
            admitted |= acceptable;
        }
    }
    admitted
}

/// Says whether a `Content-Type` value names `media_type`, whatever its case and parameters (RFC 3261 §20.15).
pub fn is_media_type(value: &[u8], media_type: &str) -> bool {
    evaluate(value, media_type).0 == Specificity::Type
}

/// How closely a media range names a media type, loosest first.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Specificity {
    None,
    Anything,
    Family,
    Type,
}

fn evaluate(range: &[u8], media_type: &str) -> (Specificity, bool) {
    let mut parts = split(range, b';');
    let specificity = parts.next().map_or(Specificity::None, |range| specificity(range, media_type));
    let excluded =
        parts.map(parameter).any(|(name, value)| name.eq_ignore_ascii_case(b"q") && value.is_some_and(is_zero));
    (specificity, !excluded)
}

fn specificity(range: &[u8], media_type: &str) -> Specificity {
    let Some(slash) = memchr::memchr(b'/', range) else { return Specificity::None };
    let (Some(family), Some(subtype)) = (token(trim(&range[..slash])), token(trim(&range[slash + 1..]))) else {
        return Specificity::None;
    };
    let Some((own_family, own_subtype)) = media_type.split_once('/') else { return Specificity::None };
    match (family, subtype) {
        ("*", "*") => Specificity::Anything,
        _ if !family.eq_ignore_ascii_case(own_family) => Specificity::None,
        (_, "*") => Specificity::Family,
        _ if subtype.eq_ignore_ascii_case(own_subtype) => Specificity::Type,
        _ => Specificity::None,
    }
}

/// `qvalue` of zero: `0`, `0.`, `0.000`. A malformed one does not exclude.
fn is_zero(value: &[u8]) -> bool {
    matches!(value, [b'0'] | [b'0', b'.', ..]) && value.iter().skip(2).all(|&digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIDF: &str = "application/pidf+xml";

    fn check(values: &[&str], expected: bool) {
        assert_eq!(admits(values.iter().map(|value| value.as_bytes()), PIDF), expected, "{values:?}");
    }

    #[test]
    fn absent_means_the_default_and_empty_means_nothing() {
        check(&[], true);
        check(&[""], false);
        check(&[" , "], false);
        check(&["", "application/pidf+xml"], true);
    }

    #[test]
    fn types_families_and_anything_admit() {
        check(&["application/pidf+xml"], true);
        check(&["Application/PIDF+XML;charset=\"a,b\""], true);
        check(&["text/plain, application/pidf+xml;q=0.3"], true);
        check(&["text/plain", "application / pidf+xml"], true);
        check(&["application/*"], true);
        check(&["*/*;q=0.1"], true);
        check(&["application/cpim-pidf+xml, multipart/related"], false);
        check(&["text/*"], false);
        check(&["*"], false);
        check(&["application"], false);
        check(&["*/pidf+xml"], false);
    }

    #[test]
    fn q_zero_excludes_and_the_most_specific_range_governs() {
        check(&["application/pidf+xml;q=0"], false);
        check(&["application/pidf+xml; Q = 0.000"], false);
        check(&["*/*, application/pidf+xml;q=0"], false);
        check(&["application/pidf+xml;q=0.0, application/*"], false);
        check(&["*/*;q=0, application/pidf+xml"], true);
        check(&["application/*;q=0", "*/*"], false);
        check(&["application/pidf+xml;q=0.001"], true);
        check(&["application/pidf+xml;q=zero"], true);
    }

    #[test]
    fn a_content_type_is_compared_without_case_and_parameters() {
        for value in ["application/pidf+xml", " APPLICATION/pidf+XML ; charset=UTF-8", "application/pidf+xml;q=0"] {
            assert!(is_media_type(value.as_bytes(), PIDF), "{value:?}");
        }
        for value in
            ["", "application/*", "*/*", "application/pidf", "application/pidf+xml x", "application/pidf+xml, a/b"]
        {
            assert!(!is_media_type(value.as_bytes(), PIDF), "{value:?}");
        }
    }
}
