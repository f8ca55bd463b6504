//! `tm`: the script's hold on server transactions (RFC 3261 §17.2).

use super::{BuiltinFunction, END, FALSE, Request, TRUE, sl, status_code};
use crate::script::value::Argument;
use crate::script::vocabulary::ParameterKind;
use crate::user_agent::Opened;

pub(super) fn functions() -> Vec<BuiltinFunction> {
    vec![
        BuiltinFunction { name: "t_newtran", parameters: Vec::new(), run: newtran },
        BuiltinFunction { name: "t_reply", parameters: vec![status_code(), ParameterKind::Format], run: reply },
        BuiltinFunction { name: "t_release", parameters: Vec::new(), run: release },
    ]
}

/// `t_newtran()`: opens a transaction; copies of the request no longer reach the script. For a copy that came at the
/// same time the script ends.
fn newtran(request: &mut Request<'_>, _: &[Argument<'_>]) -> i32 {
    match request.open_transaction() {
        Opened::Copy => END,
        Opened::Never | Opened::Refused => FALSE,
        Opened::Yes => TRUE,
    }
}

/// `t_reply(code, reason)`: answers through the transaction that `t_newtran()` opened.
fn reply(request: &mut Request<'_>, arguments: &[Argument<'_>]) -> i32 {
    if request.has_transaction() { sl::send_reply(request, arguments) } else { FALSE }
}

/// `t_release()`: accepted. A transaction goes when its timers say so, and never while an answer is pending.
fn release(_: &mut Request<'_>, _: &[Argument<'_>]) -> i32 {
    TRUE
}
