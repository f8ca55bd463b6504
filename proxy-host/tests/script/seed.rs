//! The examples of the 2006 manual, as printed.

use proxy_host::script::value::Value;

use crate::{load, load_all};

const MODULES: &str = "loadmodule \"sl.so\"\nloadmodule \"tm.so\"\nloadmodule \"presence.so\"\n";

/// Examples 1-1 to 1-11.
const PARAMETERS: &[(&str, &str)] = &[
    (
        "modparam(\"presence\", \"db_url\",\n        \"mysql://openser:openserrw@192.168.2.132/openser\")",
        "mysql://openser:openserrw@192.168.2.132/openser",
    ),
    ("modparam(\"presence\", \"presentity_table\", \"presentity\");", "presentity"),
    ("modparam(\"presence\", \"active_watchers_table\", \"active_watchers\")", "active_watchers"),
    ("modparam(\"presence\", \"watchers_table\", \"watchers\")", "watchers"),
    ("modparam(\"presence\", \"clean_period\", 100)", "100"),
    ("modparam(\"presence\", \"to_tag_pref\", 'a')", "a"),
    ("modparam(\"presence\", \"totag_avpid\", 987)", "987"),
    ("modparam(\"presence\", \"lock_set_size\", 8)", "8"),
    ("modparam(\"presence\", \"expires_offset\", 10)", "10"),
    ("modparam(\"presence\", \"force_active\", 1)", "1"),
    ("modparam(\"presence\", \"max_expires\", 3600)", "3600"),
];

#[test]
fn the_eleven_parameters_are_accepted_as_printed() {
    let lines: Vec<&str> = PARAMETERS.iter().map(|(line, _)| *line).collect();
    let (resolved, told) = load_all(&format!("{MODULES}{}\nroute {{ exit; }}\n", lines.join("\n")));
    assert_eq!(told, "");
    let values = resolved.parameters.iter().map(|setting| match &setting.value {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    });
    let expected: Vec<&str> = PARAMETERS.iter().map(|(_, value)| *value).collect();
    assert_eq!(values.collect::<Vec<_>>(), expected);
}

#[test]
fn the_two_function_examples_are_accepted_as_printed() {
    let script = "route {\nif(method==\"PUBLISH\")\n    handle_publish();\n\
                  if(method==\"SUBSCRIBE\")\n    handle_subscribe();\n}\n";
    let (program, told) = load(&format!("{MODULES}{script}"));
    assert_eq!(told, "");
    assert!(program.is_some());
}

#[test]
fn a_number_may_stand_in_quotes() {
    let (resolved, told) =
        load_all(&format!("{MODULES}modparam(\"presence\", \"clean_period\", \"0x10\")\nroute {{ }}"));
    assert_eq!(told, "");
    assert_eq!(resolved.parameters[0].value, Value::Integer(16));
}

#[test]
fn a_script_of_its_time_is_accepted_line_by_line() {
    let (program, told) = load(include_str!("openser.cfg"));
    assert!(program.is_some(), "{told}");
    let first_lines: Vec<&str> = told.lines().filter(|line| line.starts_with("proxy.cfg:")).collect();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("a_script_of_its_time", first_lines.join("\n"));
    });
}
