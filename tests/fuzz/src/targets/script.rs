//! A configuration file: whatever it says is told in its own lines, and what is no mistake runs within its bounds.

use proxy_host::config::Settings;
use proxy_host::diagnostic::{Colour, Diagnostics, Source};
use proxy_host::script::program::Program;
use proxy_host::script::value::{Argument, AvpName, AvpValue, Variable};
use proxy_host::script::vocabulary::{
    FunctionIndex, FunctionSignature, ModuleParameter, ModuleParameterKind, ModuleVocabulary, ParameterKind, RouteKinds,
};
use proxy_host::script::{Context, MainRoute, Refused, parse, resolve};

pub(super) fn target(data: &[u8]) {
    let source = Source::new("fuzz.cfg", data);
    let (said, program) = read(&source);
    assert_eq!(said, read(&source).0, "the same file is told the same");
    if let Some(program) = program {
        let (mut one, mut other) = (Request::default(), Request::default());
        assert_eq!(program.run(MainRoute::Request, &mut one), program.run(MainRoute::Request, &mut other));
        assert_eq!(one.calls, other.calls);
    }
}

/// Reads a file as the server does before it loads anything; returns what an operator is told.
fn read(source: &Source) -> (String, Option<Program>) {
    let (ast, mut diagnostics) = parse(source);
    let _ = Settings::read(&ast, &mut diagnostics);
    let resolved = resolve(&ast, &vocabularies(), &mut diagnostics);
    assert_eq!(resolved.program.is_none(), diagnostics.has_errors());
    check_places(source, &diagnostics);
    (diagnostics.render(source, Colour::Plain), resolved.program)
}

fn check_places(source: &Source, diagnostics: &Diagnostics) {
    let text = source.text();
    for diagnostic in diagnostics.iter() {
        let places = diagnostic.related.iter().map(|(span, _)| *span).chain([diagnostic.span]);
        for span in places {
            assert!(span.start <= span.end && text.get(span.start..span.end).is_some(), "{diagnostic:?} in {text:?}");
        }
        assert!(!diagnostic.message.is_empty());
    }
}

/// Functions of every kind of argument.
fn vocabularies() -> Vec<ModuleVocabulary> {
    let choice = ParameterKind::Choice(vec!["B".into(), "E".into()]);
    let function = |name: &str, parameters: Vec<ParameterKind>, optional| FunctionSignature {
        name: name.into(),
        parameters,
        optional,
        routes: RouteKinds::REQUEST,
    };
    let number = |minimum, maximum| ParameterKind::Integer { minimum, maximum };
    let parameter = |name: &str, kind, maximum: Option<i64>| ModuleParameter {
        name: name.into(),
        kind,
        minimum: maximum.map(|_| 0),
        maximum,
        default: String::new(),
    };
    let module = |name: &str, functions, parameters| ModuleVocabulary {
        name: name.into(),
        functions,
        parameters,
        ..ModuleVocabulary::default()
    };
    vec![
        module("sl", vec![function("sl_send_reply", vec![number(100, 699), ParameterKind::Format], 0)], Vec::new()),
        module("textops", vec![function("is_method", vec![ParameterKind::MethodList], 0)], Vec::new()),
        module("xlog", vec![function("xlog", vec![choice, ParameterKind::Format], 1)], Vec::new()),
        module(
            "presence",
            vec![function("handle_publish", vec![ParameterKind::Text], 1), function("handle_subscribe", Vec::new(), 0)],
            vec![
                parameter("db_url", ModuleParameterKind::Text, None),
                parameter("max_expires", ModuleParameterKind::Integer, Some(3600)),
            ],
        ),
    ]
}

/// A request whose every variable is its text.
#[derive(Default)]
struct Request {
    calls: u64,
}

impl Context for Request {
    fn method(&self) -> &[u8] {
        b"PUBLISH"
    }

    fn variable(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(format!("{variable:?}").as_bytes());
        *variable != Variable::ToTag
    }

    fn set_request_uri(&mut self, uri: &[u8]) -> Result<(), Refused> {
        if uri.starts_with(b"sip:") { Ok(()) } else { Err(Refused) }
    }

    fn avp(&self, name: AvpName) -> Option<AvpValue<'_>> {
        match name {
            AvpName::Integer(number) if number % 2 == 0 => Some(AvpValue::Integer(number.into())),
            AvpName::Integer(_) => None,
            AvpName::Text(_) => Some(AvpValue::Text(b"text")),
        }
    }

    fn set_avp(&mut self, _: AvpName, _: Option<AvpValue<'_>>) {}

    fn is_myself(&self, uri: &[u8]) -> bool {
        uri.len().is_multiple_of(2)
    }

    fn call(&mut self, function: FunctionIndex, _: &[Argument<'_>]) -> i32 {
        self.calls += 1;
        i32::from(function.function) - i32::from(function.module) + 2
    }
}
