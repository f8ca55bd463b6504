//! What the modules of the examples declare.

use proxy_host::script::ast::Ast;
use proxy_host::script::vocabulary::{
    FunctionSignature, ModuleParameter, ModuleParameterKind, ModuleVocabulary, ParameterKind, RouteKinds,
};

/// Returns the vocabularies of the modules a file loads; a module named `broken` does not load.
pub(crate) fn of(ast: &Ast) -> Vec<ModuleVocabulary> {
    let lines = ast.modules.iter().filter(|line| line.module_name() != "broken");
    lines.map(|line| ModuleVocabulary { loaded_at: Some(line.span), ..module(line.module_name()) }).collect()
}

fn module(name: &str) -> ModuleVocabulary {
    let vocabulary = ModuleVocabulary { name: name.to_owned(), ..ModuleVocabulary::default() };
    let code = ParameterKind::Integer { minimum: 100, maximum: 699 };
    let levels = ["L_ERR", "L_WARN", "L_INFO", "L_DBG"].map(str::to_owned).to_vec();
    match name {
        "sl" => ModuleVocabulary {
            functions: vec![function("sl_send_reply", [code, ParameterKind::Format])],
            parameters: vec![integer("totag_avpid", 0, 1 << 31, "25")],
            ..vocabulary
        },
        "tm" => ModuleVocabulary {
            functions: vec![
                function("t_newtran", []),
                function("t_reply", [code, ParameterKind::Format]),
                function("t_release", []),
            ],
            ..vocabulary
        },
        "maxfwd" => ModuleVocabulary {
            functions: vec![function(
                "mf_process_maxfwd_header",
                [ParameterKind::Integer { minimum: 1, maximum: 255 }],
            )],
            ..vocabulary
        },
        "textops" => ModuleVocabulary {
            functions: vec![function("is_method", [ParameterKind::MethodList]), function("has_totag", [])],
            ..vocabulary
        },
        "xlog" => ModuleVocabulary {
            functions: vec![
                function("xlog", [ParameterKind::Format]),
                function("xlog", [ParameterKind::Choice(levels), ParameterKind::Format]),
            ],
            ..vocabulary
        },
        "presence" => ModuleVocabulary {
            requires: vec!["sl".to_owned(), "tm".to_owned()],
            functions: ["handle_publish", "handle_subscribe"]
                .map(|name| FunctionSignature { routes: RouteKinds::REQUEST, ..function(name, []) })
                .to_vec(),
            parameters: vec![
                text("db_url", "none"),
                text("presentity_table", "presentity"),
                text("active_watchers_table", "active_watchers"),
                text("watchers_table", "watchers"),
                integer("clean_period", 0, 86_400, "100"),
                text("to_tag_pref", "10"),
                integer("totag_avpid", 0, 65_535, "25"),
                integer("lock_set_size", 1, 65_536, "8"),
                integer("expires_offset", 0, 3600, "0"),
                ModuleParameter { minimum: None, maximum: None, ..integer("force_active", 0, 0, "0") },
                integer("max_expires", 1, 1 << 31, "3600"),
            ],
            ..vocabulary
        },
        // Whatever else an old script loads is accepted and does nothing.
        _ => ModuleVocabulary { ignored: true, ..vocabulary },
    }
}

fn function(name: &str, parameters: impl Into<Vec<ParameterKind>>) -> FunctionSignature {
    FunctionSignature { name: name.to_owned(), parameters: parameters.into(), optional: 0, routes: RouteKinds::ALL }
}

fn integer(name: &str, minimum: i64, maximum: i64, default: &str) -> ModuleParameter {
    ModuleParameter {
        name: name.to_owned(),
        kind: ModuleParameterKind::Integer,
        minimum: Some(minimum),
        maximum: Some(maximum),
        default: default.to_owned(),
    }
}

fn text(name: &str, default: &str) -> ModuleParameter {
    ModuleParameter { kind: ModuleParameterKind::Text, minimum: None, maximum: None, ..integer(name, 0, 0, default) }
}
