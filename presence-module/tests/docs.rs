//! The operators' pages say what the module does: every parameter, function, counter and column.

use std::fmt::Write;

use module_api::abi::{Module, ParameterKind};
use presence::edge::parameters::PARAMETERS;
use presence::edge::presence::Presence;
use presence::store::TableNames;
use presence::store::schema::{SqlType, TABLES};
use presence::store::sql::dialect::Dialect;

/// What the types of columns hold.
const TYPES: [(SqlType, &str); 8] = [
    (SqlType::Document, "a text of up to 16 MB"),
    (SqlType::Integer, "a 64-bit number"),
    (SqlType::Key, "16 bytes"),
    (SqlType::Name, "a text of up to 255 characters"),
    (SqlType::Secret, "32 bytes"),
    (SqlType::Serial, "a number that the database counts up"),
    (SqlType::Text, "a text of up to 65535 bytes"),
    (SqlType::Token, "an ASCII text of up to 255 characters"),
];

const PAGE: &str = include_str!("../../docs/presence.md");

/// Returns the text under a heading, up to the next of its level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("docs/presence.md has no `{heading}`"));
    let text = &page[start + heading.len() + 2..];
    let level = heading.split(' ').next().expect("a heading begins with its level");
    text.find(&format!("\n{level} ")).map_or(text, |end| &text[..end])
}

#[test]
fn every_parameter_is_described_with_its_type_default_range_and_an_example() {
    for parameter in PARAMETERS {
        let text = section(PAGE, &format!("### {}", parameter.name)).replace('\n', " ");
        let expected = match parameter.kind {
            ParameterKind::INTEGER => {
                format!("Integer, {} to {}; default `{}`", parameter.minimum, parameter.maximum, parameter.default)
            }
            _ if parameter.default.is_empty() => "default empty: ".to_owned(),
            _ => format!("default `{}`", parameter.default),
        };
        assert!(text.contains(&expected), "{}: expected {expected:?} in {text}", parameter.name);
        assert!(
            text.contains(&format!("modparam(\"presence\", \"{}\",", parameter.name)),
            "{}: no example",
            parameter.name
        );
    }
}

#[test]
fn no_parameter_is_described_that_does_not_exist() {
    let parameters = section(PAGE, "## Parameters");
    let headings = parameters.lines().filter_map(|line| line.strip_prefix("### "));
    for heading in headings {
        assert!(PARAMETERS.iter().any(|parameter| parameter.name == heading), "{heading}");
    }
}

#[test]
fn every_function_is_described() {
    for function in Presence::DECLARATION.functions {
        let call = format!("{}(", function.name);
        let heading = PAGE.lines().find(|line| line.starts_with(&format!("### {call}")));
        let heading = heading.unwrap_or_else(|| panic!("docs/presence.md has no section on {call}…)"));
        let example = section(PAGE, heading).split("```cfg").nth(1).unwrap_or_default();
        assert!(example.contains(&call), "{heading}: no example");
    }
}

#[test]
fn every_table_and_column_is_described_as_the_schema_has_it() {
    let mut page = String::from(
        "# The tables\n\nCreated in an empty database at the first start. Times are seconds since 1970-01-01 UTC. No column is \
         NULL.\nThis page is written from the schema; `UPDATE_DOCS=1 cargo test -p presence-module --test docs` writes it anew.\n\n\
         | type | holds | SQLite | MariaDB, MySQL | PostgreSQL |\n|---|---|---|---|---|\n",
    );
    for (sql_type, holds) in TYPES {
        let [sqlite, mysql, postgres] =
            [Dialect::Sqlite, Dialect::MySql, Dialect::Postgres].map(|dialect| dialect.sql_type(sql_type));
        let name = format!("{sql_type:?}").to_lowercase();
        writeln!(page, "| {name} | {holds} | {sqlite} | {mysql} | {postgres} |").unwrap();
    }
    let names = TableNames::default();
    for table in TABLES {
        writeln!(page, "\n## {}\n\n{}\n\nKey: {}.\n", names.of(table.id), table.meaning, table.key.join(", ")).unwrap();
        writeln!(page, "| column | type | default | meaning |\n|---|---|---|---|").unwrap();
        for column in table.columns {
            let default = column.default.map_or_else(|| "–".into(), |default| format!("`{default}`"));
            writeln!(
                page,
                "| `{}` | {} | {default} | {} |",
                column.name,
                format!("{:?}", column.sql_type).to_lowercase(),
                column.meaning
            )
            .unwrap();
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tables.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page, "docs/tables.md is not the schema");
}
