//! The modules that the seed expects beside presence, built into the host under the names of the field.

mod sl; // stateless replies
mod tm; // transactions
mod maxfwd; // Max-Forwards
mod textops; // questions about the message
mod xlog; // lines in the log

use crate::diagnostic::Span;
use crate::script::value::Argument;
use crate::script::vocabulary::{
    FunctionSignature, ModuleParameter, ModuleParameterKind, ModuleVocabulary, ParameterKind, RouteKinds,
};
use crate::user_agent::{Request, to_tag};

/// What a function of a built-in module does.
pub(crate) type Builtin = fn(&mut Request<'_>, &[Argument<'_>]) -> i32;

/// The script goes on with "true".
const TRUE: i32 = 1;
/// The script ends.
const END: i32 = 0;
/// The script goes on with "false".
const FALSE: i32 = -1;

/// A function of a built-in module.
struct BuiltinFunction {
    name: &'static str,
    parameters: Vec<ParameterKind>,
    run: Builtin,
}

/// Modules of the field that have nothing to do here: their work is done by the host or by a module's own parameters.
const WITHOUT_EFFECT: [&str; 16] = [
    "avpops",
    "db_mysql",
    "db_postgres",
    "db_sqlite",
    "db_text",
    "dbtext",
    "mi_fifo",
    "mysql",
    "path",
    "postgres",
    "pv",
    "sanity",
    "signaling",
    "siputils",
    "tmx",
    "usrloc",
];

/// Parameters that scripts of the field set on modules built in here, and that mean nothing here.
const PARAMETERS_WITHOUT_EFFECT: [(&str, &[&str]); 4] = [
    ("maxfwd", &["max_limit"]),
    ("sl", &["default_code", "default_reason", "enable_stats"]),
    (
        "tm",
        &[
            "delete_timer",
            "enable_stats",
            "fr_inv_timer",
            "fr_inv_timer_avp",
            "fr_timer",
            "fr_timer_avp",
            "noisy_ctimer",
            "onreply_avp_mode",
            "pass_provisional_replies",
            "restart_fr_on_each_reply",
            "retr_timer1",
            "retr_timer2",
            "ruri_matching",
            "unix_tx_timeout",
            "via1_matching",
            "wt_timer",
        ],
    ),
    ("xlog", &["buf_size", "force_color", "prefix"]),
];

/// Returns whether a `loadmodule` line of this name is accepted and does nothing.
pub(crate) fn is_without_effect(module: &str) -> bool {
    WITHOUT_EFFECT.contains(&module)
}

/// Returns the vocabulary and the functions of the built-in module `name`.
pub(crate) fn builtin(name: &str, loaded_at: Span) -> Option<(ModuleVocabulary, Vec<Builtin>)> {
    let functions = match name {
        "maxfwd" => maxfwd::functions(),
        "sl" => sl::functions(),
        "textops" => textops::functions(),
        "tm" => tm::functions(),
        "xlog" => xlog::functions(),
        _ => return None,
    };
    let routes = RouteKinds::ALL;
    let run = functions.iter().map(|function| function.run).collect();
    let signature = |function: BuiltinFunction| FunctionSignature {
        name: function.name.into(),
        parameters: function.parameters,
        optional: 0,
        routes,
    };
    let to_tag_avp = ModuleParameter {
        name: to_tag::PARAMETER.into(),
        kind: ModuleParameterKind::Integer,
        minimum: Some(0),
        maximum: Some(u16::MAX.into()),
        default: to_tag::DEFAULT_AVP.to_string(),
    };
    let parameters = if name == "sl" { vec![to_tag_avp] } else { Vec::new() };
    let vocabulary = ModuleVocabulary {
        name: name.into(),
        loaded_at: Some(loaded_at),
        ignored: false,
        requires: Vec::new(),
        functions: functions.into_iter().map(signature).collect(),
        parameters,
        ignored_parameters: parameters_without_effect(name),
    };
    Some((vocabulary, run))
}

fn parameters_without_effect(module: &str) -> Vec<String> {
    let of_module = PARAMETERS_WITHOUT_EFFECT.iter().filter(|(name, _)| *name == module);
    of_module.flat_map(|(_, parameters)| parameters.iter().map(ToString::to_string)).collect()
}

/// The status codes a script may answer with.
fn status_code() -> ParameterKind {
    ParameterKind::Integer { minimum: 200, maximum: 699 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &str = include_str!("../../../docs/script.md");

    #[test]
    fn every_function_and_every_module_without_effect_is_in_the_manual() {
        for module in ["maxfwd", "sl", "textops", "tm", "xlog"] {
            let (vocabulary, run) = builtin(module, Span::default()).unwrap();
            assert_eq!(vocabulary.functions.len(), run.len());
            for function in vocabulary.functions {
                assert!(MANUAL.contains(&format!("| `{}(", function.name)), "{}", function.name);
            }
        }
        for module in WITHOUT_EFFECT {
            assert!(MANUAL.contains(&format!("`{module}.so`")), "{module}");
        }
    }
}
