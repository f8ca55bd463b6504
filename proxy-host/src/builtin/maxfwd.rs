//! `maxfwd`: how far a request has come (RFC 3261 §16.3).

use module_api::sip::header::HeaderId;

use super::{BuiltinFunction, FALSE, Request, TRUE};
use crate::script::value::Argument;
use crate::script::vocabulary::ParameterKind;

pub(super) fn functions() -> Vec<BuiltinFunction> {
    let parameters = vec![ParameterKind::Integer { minimum: 1, maximum: 255 }];
    vec![BuiltinFunction { name: "mf_process_maxfwd_header", parameters, run: process }]
}

/// `mf_process_maxfwd_header(n)`: false where the request may go no further. Without the header it has just begun.
fn process(request: &mut Request<'_>, _: &[Argument<'_>]) -> i32 {
    let Some(value) = request.message.header(HeaderId::MAX_FORWARDS) else { return TRUE };
    let left = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<u32>().ok());
    if left.is_some_and(|left| left > 0) { TRUE } else { FALSE }
}
