//! Every kind of mistake, as the operator sees it.

use crate::load;

const MODULES: &str = r#"loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "presence.so"
"#;

/// Returns what is told about a file.
fn told(text: &str) -> String {
    load(text).1
}

/// Returns what is told about lines behind the usual `loadmodule` lines.
fn told_behind_modules(text: &str) -> String {
    told(&format!("{MODULES}{text}"))
}

/// Returns the first lines only: for mistakes that look like others.
fn first_lines(text: &str) -> String {
    let told = told_behind_modules(text);
    told.lines().filter(|line| line.starts_with("proxy.cfg:")).map(|line| format!("{line}\n")).collect()
}

/// Returns the first lines for statements in the main route.
fn first_lines_in_route(statements: &str) -> String {
    first_lines(&format!("route {{\n{statements}\n}}\n"))
}

/// Compares what is told with `snapshots/`, one file a case.
macro_rules! operator_sees {
    ($($name:ident: $told:expr;)*) => {
        $(
            #[test]
            fn $name() {
                insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
                    insta::assert_snapshot!(stringify!($name), $told);
                });
            }
        )*
    };
}

operator_sees! {
    an_unknown_parameter_with_the_one_that_was_meant: told_behind_modules("modparam(\"presence\", \"clean_perod\", 100)\nroute { }");
    a_parameter_of_the_wrong_type: told_behind_modules("modparam(\"presence\", \"clean_period\", \"often\")\nroute { }");
    a_parameter_out_of_range: told_behind_modules("modparam(\"presence\", \"clean_period\",\n    -1)\nroute { }");
    a_missing_brace: told_behind_modules("route {\n    if (method==\"PUBLISH\") {\n        handle_publish();\n}\n\nroute[X] {\n    exit;\n}\n");
    a_missing_brace_at_the_end: told_behind_modules("route {\n    if (method==\"PUBLISH\") {\n        handle_publish();\n    }\n");
    several_mistakes_in_one_file: told("childrn=4\nlisten=udp:127.0.0.1:99999\nloadmodule \"sl.so\"\nmodparam(\"sl\" \"totag_avpid\", 5)\nroute {\n    if (method=\"PUBLISH\") {\n        sl_send_reply(\"200\" \"OK\");\n        sl_send_reply(200)\n        exit\n    }\n    route(NOWHERE);\n}\n");
    an_unterminated_string: told_behind_modules("route {\n    xlog(\"no end);\n    exit;\n}\n");
    an_unterminated_comment: told_behind_modules("route { exit; }\n/* no end\n");
    an_unknown_function: told_behind_modules("route {\n    handle_publsh();\n}\n");
    a_function_of_a_module_that_is_not_loaded: told("route {\n    handle_publish();\n}\n");
    a_wrong_number_of_arguments: told_behind_modules("route {\n    sl_send_reply(200);\n    xlog();\n}\n");
    a_wrong_kind_of_route: told_behind_modules("route {\n    exit;\n}\nfailure_route[1] {\n    route(P);\n}\nroute[P] {\n    handle_publish();\n}\n");
    a_required_module_that_is_missing: told("loadmodule \"sl.so\"\nloadmodule \"presence.so\"\nroute { }\n");
    a_required_module_that_comes_too_late: told("loadmodule \"sl.so\"\nloadmodule \"presence.so\"\nloadmodule \"tm.so\"\nroute { }\n");
    an_unknown_setting: told("chldren=4\nroute { }\n");
    a_setting_that_does_nothing: told("fork=yes\nroute { }\n");
    a_parameter_of_a_module_that_is_not_loaded: told("modparam(\"presence\", \"max_expires\", 60)\nroute { }\n");
    a_parameter_that_is_set_twice: told_behind_modules("modparam(\"presence\", \"max_expires\", 60)\nmodparam(\"presence\", \"max_expires\", 61)\nroute { }\n");
    a_bad_pattern: told_behind_modules("route {\n    if ($ru =~ \"(unclosed\") exit;\n}\n");

    arguments_of_the_wrong_kind: first_lines_in_route(
        "sl_send_reply(\"99\", \"too low\");\nsl_send_reply($sp, \"x\");\nis_method(\"A||B\");\nis_method(1);\nxlog(\"L_EROR\", \"x\");\nxlog(L_ERR, \"x\");"
    );
    variables_that_do_not_exist: first_lines_in_route(
        "xlog(\"$xx\");\nxlog(\"costs 5$\");\nif ($avp == 1) exit;\nif ($hdr(a b) == 1) exit;\n$avp(i:x) = 1;\nif (mehtod==\"PUBLISH\") exit;"
    );
    assignments_that_cannot_be: first_lines_in_route(
        "$fu = \"sip:a@b\";\n$ru = 5;\n$ru = uri;\n$ru;\n$rc = 1;"
    );
    comparisons_that_make_no_sense: first_lines_in_route(
        "if (method==\"publish\") exit;\nif (method==\"PUBLSH\") exit;\nif (method==\"A|B\") exit;\nif (src_ip==myself) exit;\nif (uri=~myself) exit;\nif (myself) exit;\nif ($ru =~ $rU) exit;\nif ($sp > \"x\") exit;\nif ($sp == 1.2.3) exit;\nif ($sp == 010) exit;"
    );
    statements_that_are_none: first_lines_in_route(
        "break;\nexti;\nlog;\nelse exit;\nwhile ($sp) { exit; }\nreturn(x);\nreturn(99999999999);\n)\nexit"
    );
    conditions_that_cannot_be_read: first_lines_in_route(
        "if method==\"X\" { exit; }\nif (method==) { exti; }\nif (method==\"BYE\" && ) exit;\nif ((method==\"BYE\") exit;\nif () exit;"
    );
    top_level_lines_that_cannot_be_read: first_lines(
        "}\n5060\nif (method==\"X\") exit;\nmodparm(\"presence\", \"max_expires\", 1)\nloadmodule sl.so\nchildren=\nchildren=4 5\nchildren=many\nroute[ { exit; }\nroute foo { exit; }\nroute { }\n@@@\n#!ifdef NAT\nmodparam(\"presence\", \"max_expires\", $ru)\nmodparam(\"presnce\", \"max_expires\", 1)\nmodparam(\"xlog\", \"x\", 1)"
    );
    listen_lines_that_cannot_be_bound: first_lines(
        "listen=\"\"\nlisten=tls:127.0.0.1\nlisten=udp:::1:5060\nlisten=udp:[::g]\nlisten=udp:[::1\nlisten=127.0.0.300\nlisten=host:65536\nlisten=a_b-c.example:0\nlisten=127.0.0.1\nlisten=udp:127.0.0.1:5060\nlog_level=loud\ndebug=10\nroute { }"
    );
    routes_that_are_told_apart_by_nothing: first_lines(
        "route { }\nroute { }\nroute[A] { }\nroute[A] { }\nroute[0] { }\nonreply_route { }\nroute[B] { route(b); route(); route(\"A\"); }"
    );
    a_module_that_failed_is_not_told_again: first_lines(
        "loadmodule \"broken.so\"\nmodparam(\"broken\", \"x\", 1)\nroute { broken_function(); }"
    );
    a_file_without_routes: first_lines("# nothing\n");
    a_string_that_is_no_text: told("alias=\"\u{fffd}\"\nroute { }\n");
}

#[test]
fn nesting_is_bounded_and_told_once() {
    for (start, again) in [("", "if (1) {"), ("", "{"), ("", "if (1) "), ("", "if (1) {} else { "), ("if (", "!(")] {
        let text = format!("route {{ {start}{}", again.repeat(5000));
        let told = told(&text);
        let errors: Vec<&str> = told.lines().filter(|line| line.contains(": error: ")).collect();
        assert!(matches!(errors.as_slice(), [one] if one.ends_with("this stands too deep")), "{errors:?}");
    }
}
