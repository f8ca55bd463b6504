//! `sl`: replies without a transaction (RFC 3261 §8.2.7).

use super::{BuiltinFunction, FALSE, Request, TRUE, status_code};
use crate::script::value::Argument;
use crate::script::vocabulary::ParameterKind;

pub(super) fn functions() -> Vec<BuiltinFunction> {
    let parameters = vec![status_code(), ParameterKind::Format];
    vec![BuiltinFunction { name: "sl_send_reply", parameters, run: send_reply }]
}

/// `sl_send_reply(code, reason)`. In a transaction the answer goes through it, so that copies are absorbed.
pub(super) fn send_reply(request: &mut Request<'_>, arguments: &[Argument<'_>]) -> i32 {
    let [Argument::Integer(code), Argument::Text(reason)] = arguments else { return FALSE };
    let code = u16::try_from(*code).unwrap_or(500);
    if request.reply(code, reason, b"") { TRUE } else { FALSE }
}
