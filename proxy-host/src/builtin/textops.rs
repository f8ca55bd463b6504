//! `textops`: questions about the message.

use super::{BuiltinFunction, FALSE, Request, TRUE};
use crate::script::value::Argument;
use crate::script::vocabulary::ParameterKind;

pub(super) fn functions() -> Vec<BuiltinFunction> {
    vec![
        BuiltinFunction { name: "is_method", parameters: vec![ParameterKind::MethodList], run: is_method },
        BuiltinFunction { name: "has_totag", parameters: Vec::new(), run: has_totag },
    ]
}

/// `is_method("A|B")`.
fn is_method(request: &mut Request<'_>, arguments: &[Argument<'_>]) -> i32 {
    let [Argument::Methods(methods)] = arguments else { return FALSE };
    if methods.contains(request.message.method_name()) { TRUE } else { FALSE }
}

/// `has_totag()`: whether the request is inside a dialog.
fn has_totag(request: &mut Request<'_>, _: &[Argument<'_>]) -> i32 {
    if request.has_to_tag() { TRUE } else { FALSE }
}
