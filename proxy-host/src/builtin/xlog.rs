//! `xlog`: lines in the log, composed by the script. What is in them is the operator's decision.

use super::{BuiltinFunction, FALSE, Request, TRUE};
use crate::script::value::Argument;
use crate::script::vocabulary::ParameterKind;

pub(super) fn functions() -> Vec<BuiltinFunction> {
    let levels = ["L_ALERT", "L_CRIT", "L_ERR", "L_WARN", "L_NOTICE", "L_INFO", "L_DBG"].map(String::from);
    let with_level = vec![ParameterKind::Choice(levels.into()), ParameterKind::Format];
    vec![
        BuiltinFunction { name: "xlog", parameters: vec![ParameterKind::Format], run: line },
        BuiltinFunction { name: "xlog", parameters: with_level, run: line },
    ]
}

/// `xlog([level,] format)`.
fn line(_: &mut Request<'_>, arguments: &[Argument<'_>]) -> i32 {
    let (level, text) = match arguments {
        [Argument::Text(text)] => (&b"L_INFO"[..], *text),
        [Argument::Text(level), Argument::Text(text)] => (*level, *text),
        _ => return FALSE,
    };
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end_matches(['\n', '\r']);
    match level {
        b"L_ALERT" | b"L_CRIT" | b"L_ERR" => tracing::error!("{text}"),
        b"L_WARN" => tracing::warn!("{text}"),
        b"L_DBG" => tracing::debug!("{text}"),
        _ => tracing::info!("{text}"),
    }
    TRUE
}
