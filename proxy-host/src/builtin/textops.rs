//! `textops`: questions about the message.

use super::{BuiltinFunction, FALSE, RequestContext, TRUE};
use crate::script::Context;
use crate::script::value::Argument;
use crate::script::vocabulary::ParameterKind;

pub(super) fn functions() -> Vec<BuiltinFunction> {
    vec![
        BuiltinFunction { name: "is_method", parameters: vec![ParameterKind::MethodList], run: is_method },
        BuiltinFunction { name: "has_totag", parameters: Vec::new(), run: has_totag },
    ]
}

/// `is_method("A|B")`.
fn is_method(context: &mut RequestContext<'_>, arguments: &[Argument<'_>]) -> i32 {
    let [Argument::Methods(methods)] = arguments else { return FALSE };
    if methods.contains(context.method()) { TRUE } else { FALSE }
}

/// `has_totag()`: whether the request is inside a dialog.
fn has_totag(context: &mut RequestContext<'_>, _: &[Argument<'_>]) -> i32 {
    if context.has_to_tag() { TRUE } else { FALSE }
}
