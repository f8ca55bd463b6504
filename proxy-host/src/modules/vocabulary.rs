//! What a module declares, in the script's terms; and what the script says, in the module's.

use module_api::abi::{ParameterKind, ParameterSetting, WireDeclaration, WireFunction, WireParameter};

use crate::diagnostic::Span;
use crate::script::ParameterSetting as ScriptSetting;
use crate::script::value::{Value, parse_integer};
use crate::script::vocabulary::{
    FunctionSignature, ModuleParameter, ModuleParameterKind, ModuleVocabulary, ParameterKind as ScriptKind, RouteKinds,
};

/// Returns what a script may say about a module that was loaded at `loaded_at`.
pub fn vocabulary(declaration: &WireDeclaration, loaded_at: Span) -> ModuleVocabulary {
    ModuleVocabulary {
        name: declaration.name.to_string(),
        loaded_at: Some(loaded_at),
        ignored: false,
        requires: declaration.requires.iter().map(ToString::to_string).collect(),
        functions: declaration.functions.iter().map(signature).collect(),
        parameters: declaration.parameters.iter().map(parameter).collect(),
        ignored_parameters: Vec::new(),
    }
}

fn signature(function: &WireFunction) -> FunctionSignature {
    let kind = |kind: &ParameterKind| match *kind {
        ParameterKind::INTEGER => ScriptKind::Integer { minimum: i64::MIN, maximum: i64::MAX },
        _ => ScriptKind::Format,
    };
    let parameters = function.arguments.iter().map(kind).collect();
    let routes = RouteKinds::REQUEST;
    FunctionSignature { name: function.name.to_string(), parameters, optional: function.optional as usize, routes }
}

fn parameter(parameter: &WireParameter) -> ModuleParameter {
    let is_integer = parameter.kind == ParameterKind::INTEGER;
    ModuleParameter {
        name: parameter.name.to_string(),
        kind: if is_integer { ModuleParameterKind::Integer } else { ModuleParameterKind::Text },
        minimum: is_integer.then_some(parameter.minimum),
        maximum: is_integer.then_some(parameter.maximum),
        default: parameter.default.to_string(),
    }
}

/// Returns every declared parameter with its effective value: what the script set, else the default.
pub fn settings(declaration: &WireDeclaration, set: &[ScriptSetting]) -> Vec<ParameterSetting> {
    let effective = |parameter: &WireParameter| {
        let of_this = |setting: &&ScriptSetting| setting.module == *declaration.name && setting.name == *parameter.name;
        let explicit = set.iter().find(of_this).map(|setting| setting.value.clone());
        let is_explicit = explicit.is_some();
        let (text, integer) = match explicit.unwrap_or_else(|| Value::Text(parameter.default.to_string())) {
            Value::Integer(number) => (number.to_string(), number),
            Value::Text(text) => {
                let integer = parse_integer(&text).unwrap_or_default();
                (text, integer)
            }
        };
        ParameterSetting { name: parameter.name.clone(), text: text.into(), integer, explicit: is_explicit.into() }
    };
    declaration.parameters.iter().map(effective).collect()
}
