//! Texts with variables in them: `"sip:$rU@example.com"`.
//!
//! `$name`, `$(name)`, `$avp(…)`, `$hdr(…)`; `$$` is a dollar sign. Read once, at load.

use super::lexer::{RawVariable, raw_variable};

/// A part of a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum RawPiece<'t> {
    /// As it stands.
    Literal(&'t str),
    /// A dollar sign that begins no variable.
    StrayDollar,
    /// To be replaced.
    Variable(RawVariable<'t>),
}

/// Cuts `text` into what stands and what is replaced.
pub(super) fn pieces(text: &str) -> Vec<RawPiece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(dollar) = memchr::memchr(b'$', rest.as_bytes()) {
        if dollar > 0 {
            pieces.push(RawPiece::Literal(&rest[..dollar]));
        }
        rest = &rest[dollar..];
        if rest.starts_with("$$") {
            pieces.push(RawPiece::Literal("$"));
            rest = &rest[2..];
        } else if let Some(variable) = raw_variable(&mut rest) {
            pieces.push(RawPiece::Variable(variable));
        } else {
            pieces.push(RawPiece::StrayDollar);
            rest = &rest[1..];
        }
    }
    if !rest.is_empty() {
        pieces.push(RawPiece::Literal(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::RawPiece::{self, Literal, StrayDollar};
    use super::{RawVariable, pieces};

    fn variable<'t>(name: &'t str, argument: Option<&'t str>) -> RawPiece<'t> {
        RawPiece::Variable(RawVariable { name, argument })
    }

    #[test]
    fn variables_end_where_their_name_ends() {
        for (text, expected) in [
            ("", vec![]),
            ("plain", vec![Literal("plain")]),
            (
                "sip:$rU@$rd;x",
                vec![Literal("sip:"), variable("rU", None), Literal("@"), variable("rd", None), Literal(";x")],
            ),
            ("$(rU)x$avp(s:a)", vec![variable("rU", None), Literal("x"), variable("avp", Some("s:a"))]),
            ("5$$", vec![Literal("5"), Literal("$")]),
            ("5$ $", vec![Literal("5"), StrayDollar, Literal(" "), StrayDollar]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }
}
