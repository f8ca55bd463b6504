//! What a script does with a request: return codes, order, variables, bounds.

use std::collections::HashMap;

use proxy_host::script::value::{Argument, AvpName, AvpValue, Variable};
use proxy_host::script::vocabulary::FunctionIndex;
use proxy_host::script::{Context, Failure, MainRoute, Outcome, Refused};

use crate::load;

const MODULES: &str = "loadmodule \"sl.so\"\nloadmodule \"tm.so\"\nloadmodule \"textops.so\"\nloadmodule \"xlog.so\"\n";

/// A request to script against: a PUBLISH by alice, from 192.0.2.1:5062.
pub(crate) struct Request {
    uri: Vec<u8>,
    avps: HashMap<AvpName, Result<Vec<u8>, i64>>,
    /// What was called, with its arguments.
    calls: Vec<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self { uri: b"sip:alice@example.com".to_vec(), avps: HashMap::new(), calls: Vec::new() }
    }
}

impl Context for Request {
    fn method(&self) -> &[u8] {
        b"PUBLISH"
    }

    fn variable(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let value: &[u8] = match variable {
            Variable::Header(name) if &**name == "Event" => b"presence",
            Variable::Method => b"PUBLISH",
            Variable::RequestUri => &self.uri,
            Variable::RequestUser => b"alice",
            Variable::SourceAddress => b"192.0.2.1",
            Variable::SourcePort => b"5062",
            Variable::MessageLength => b"500",
            Variable::Protocol => b"udp",
            Variable::ToTag => return false,
            _ => b"",
        };
        out.extend_from_slice(value);
        true
    }

    fn set_request_uri(&mut self, uri: &[u8]) -> Result<(), Refused> {
        if !uri.starts_with(b"sip:") {
            return Err(Refused);
        }
        self.uri = uri.to_vec();
        Ok(())
    }

    fn avp(&self, name: AvpName) -> Option<AvpValue<'_>> {
        self.avps.get(&name).map(|value| match value {
            Ok(text) => AvpValue::Text(text),
            Err(number) => AvpValue::Integer(*number),
        })
    }

    fn set_avp(&mut self, name: AvpName, value: Option<AvpValue<'_>>) {
        match value {
            Some(AvpValue::Text(text)) => self.avps.insert(name, Ok(text.to_vec())),
            Some(AvpValue::Integer(number)) => self.avps.insert(name, Err(number)),
            None => self.avps.remove(&name),
        };
    }

    fn is_myself(&self, uri: &[u8]) -> bool {
        uri.ends_with(b"@example.com")
    }

    /// `is_method` answers truly; every other function answers with its first number, else with 1.
    fn call(&mut self, _: FunctionIndex, arguments: &[Argument<'_>]) -> i32 {
        let written = arguments.iter().map(|argument| match argument {
            Argument::Integer(number) => number.to_string(),
            Argument::Methods(methods) => format!("{:?}", methods.contains(self.method())),
            Argument::Text(text) => String::from_utf8_lossy(text).into_owned(),
        });
        let written = written.collect::<Vec<_>>().join(", ");
        let code = match arguments.first() {
            Some(Argument::Methods(methods)) => i32::from(methods.contains(self.method())) * 2 - 1,
            Some(Argument::Text(text)) if text.starts_with(b"=") => {
                std::str::from_utf8(&text[1..]).expect("a test writes ASCII").parse().expect("a test writes a number")
            }
            _ => 1,
        };
        self.calls.push(written);
        code
    }
}

/// Runs a whole script; returns how it ended, and what it called with what.
#[track_caller]
fn run(routes: &str) -> (Outcome, String) {
    let (program, told) = load(&format!("{MODULES}{routes}"));
    let program = program.unwrap_or_else(|| panic!("{told}"));
    let mut request = Request::default();
    let outcome = program.run(MainRoute::Request, &mut request);
    request.calls.retain(|call| !call.is_empty());
    (outcome, request.calls.join("|"))
}

/// Checks how statements in the main route end and what they call. `xlog("=N")` returns N.
#[track_caller]
fn check(statements: &str, outcome: Outcome, calls: &str) {
    assert_eq!(run(&format!("route {{ {statements} }}")), (outcome, calls.to_owned()), "{statements}");
}

/// Checks whether a condition holds.
#[track_caller]
fn holds(condition: &str, expected: bool) {
    let (outcome, calls) = run(&format!("route {{ if ({condition}) xlog(\"yes\"); else xlog(\"no\"); }}"));
    assert_eq!(outcome, Outcome::Ended { code: 1 }, "{condition}");
    assert_eq!(calls.ends_with("yes"), expected, "{condition}");
}

const ENDED: Outcome = Outcome::Ended { code: 1 };
const EXITED: Outcome = Outcome::Ended { code: 0 };

#[test]
fn a_route_ends_at_its_end_by_return_by_exit_or_by_drop() {
    check("", ENDED, "");
    check("xlog(\"a\"); return; xlog(\"b\");", ENDED, "a");
    check("xlog(\"a\"); return(-5); xlog(\"b\");", Outcome::Ended { code: -5 }, "a");
    check("xlog(\"a\"); exit; xlog(\"b\");", EXITED, "a");
    check("xlog(\"a\"); exit(); xlog(\"b\");", EXITED, "a");
    check("xlog(\"a\"); drop; xlog(\"b\");", Outcome::Dropped, "a");
    check("xlog(\"a\"); return(0); xlog(\"b\");", EXITED, "a");
    check("if (1) { if (1) { return(3); } xlog(\"b\"); } xlog(\"c\");", Outcome::Ended { code: 3 }, "");
}

#[test]
fn a_code_above_0_is_true_and_0_ends_the_script() {
    for (code, expected) in [("=1", "|yes"), ("=7", "|yes"), ("=-1", "|no")] {
        check(&format!("if (xlog(\"{code}\")) xlog(\"yes\"); else xlog(\"no\");"), ENDED, &format!("{code}{expected}"));
    }
    check("if (xlog(\"=0\")) xlog(\"yes\"); else xlog(\"no\");", EXITED, "=0");
    check("if (!xlog(\"=0\")) xlog(\"yes\");", EXITED, "=0");
    check("xlog(\"=0\"); xlog(\"b\");", EXITED, "=0");
    check("xlog(\"=-1\"); xlog(\"b\");", ENDED, "=-1|b");
    check("xlog(\"b\"); xlog(\"=-1\");", Outcome::Ended { code: -1 }, "b|=-1");
}

#[test]
fn a_called_route_answers_with_its_code() {
    let calls = |body: &str, condition: &str| {
        run(&format!(
            "route {{ if ({condition}) xlog(\"yes\"); else xlog(\"no\"); xlog(\"rc $rc\"); }} route[A] {{ {body} }}"
        ))
    };
    assert_eq!(calls("return(2);", "route(A)"), (ENDED, "yes|rc 1".into()));
    assert_eq!(calls("return(-1);", "route(A)"), (ENDED, "no|rc 1".into()));
    assert_eq!(calls("xlog(\"=-1\");", "!route(A)"), (ENDED, "=-1|yes|rc 1".into()));
    assert_eq!(calls("exit;", "route(A)"), (EXITED, String::new()));
    assert_eq!(calls("return(0);", "route(A)"), (EXITED, String::new()));
    assert_eq!(calls("drop;", "route(A)"), (Outcome::Dropped, String::new()));
    let after =
        run("route { route(1); xlog(\"rc $rc $retcode\"); if (retcode==-4) xlog(\"b\"); } route[1] { return(-4); }");
    assert_eq!(after, (ENDED, "rc -4 -4".into()));
}

#[test]
fn conditions_stop_where_they_are_decided() {
    check("if (xlog(\"=1\") || xlog(\"=2\")) exit;", EXITED, "=1");
    check("if (xlog(\"=-1\") && xlog(\"=2\")) exit;", ENDED, "=-1");
    check("if (xlog(\"=-1\") or xlog(\"=2\") and not xlog(\"=-3\")) exit;", EXITED, "=-1|=2|=-3");
    check("if ((xlog(\"=1\") || xlog(\"=2\")) && xlog(\"=-3\")) exit;", ENDED, "=1|=-3");
    check("if (0) xlog(\"a\"); else if (0) xlog(\"b\"); else if (1) xlog(\"c\"); else xlog(\"d\");", ENDED, "c");
}

#[test]
fn comparisons_compare_as_openser_does() {
    for (condition, expected) in [
        ("method==\"PUBLISH\"", true),
        ("method!=\"PUBLISH\"", false),
        ("method==PUBLISH", true),
        ("$rm==\"SUBSCRIBE\"", false),
        ("method=~\"^PUB\"", true),
        ("is_method(\"SUBSCRIBE|PUBLISH\")", true),
        ("is_method(\"SUBSCRIBE\")", false),
        ("uri==myself", true),
        ("myself==uri", true),
        ("uri!=myself", false),
        ("from_uri==myself", false),
        ("$ru==\"SIP:alice@EXAMPLE.com\"", true),
        ("$ru=~\"^sip:.*@example\\.com$\"", true),
        ("$ru=~\"EXAMPLE\"", true),
        ("$ru!~\"example\\.org\"", true),
        ("$ru=~'alice|bob'", true),
        ("src_ip==192.0.2.1", true),
        ("src_ip==\"192.0.2.2\"", false),
        ("src_port==5062", true),
        ("src_port>5062", false),
        ("src_port>=5062 && $sp<5063 && $sp<=\"5062\"", true),
        ("5061 < $sp", true),
        ("$sp==0x13C6", true),
        ("msg:len > 499 and $ml < 501", true),
        ("proto==UDP", true),
        ("$hdr(Event)==\"presence\"", true),
        ("$tt", false),
        ("$tt==\"\"", false),
        ("$tt!=\"x\"", true),
        ("$tt=~\".*\"", false),
        ("$tt!~\".*\"", true),
        ("$rU > 5", false),
        ("$rU != 5", true),
        ("$rU", true),
        ("!0", true),
        ("!!0", false),
        ("-1", true),
    ] {
        holds(condition, expected);
    }
}

#[test]
fn assignments_change_what_is_read_afterwards() {
    check("$ru = \"sip:$rU.$(rU)@b\"; xlog(\"$ru\");", ENDED, "sip:alice.alice@b");
    check("$ru = \"tel:1\"; xlog(\"$ru\");", ENDED, "sip:alice@example.com");
    check("$avp(s:x) = 5; if ($avp(s:x) == 5 && $avp(x) == \"5\") xlog(\"$avp(s:x)$$\");", ENDED, "5$");
    check("$avp(i:25) = \"a$rm\"; $avp(s:y) = $avp(i:25); xlog($avp(s:y));", ENDED, "aPUBLISH");
    check("$avp(s:x) = 1; $avp(s:x) = $tt; if ($avp(s:x)) exit; xlog(\"$avp(s:x)\");", ENDED, "<null>");
    check("$ru = $tt; xlog(\"$ru\");", ENDED, "sip:alice@example.com");
    check("$avp(s:u) = \"sip:c@example.com\"; if ($avp(s:u) == myself) xlog(\"mine\");", ENDED, "mine");
    check("$ru = \"tel:1\";", Outcome::Ended { code: -1 }, "");
}

#[test]
fn arguments_arrive_as_declared() {
    check("sl_send_reply(\"200\", \"$rm $sp is OK\");", ENDED, "200, PUBLISH 5062 is OK");
    check("t_reply(404, 5);", ENDED, "404, 5");
    check("xlog(\"L_INFO\", \"$rU\");", ENDED, "L_INFO, alice");
    check("xlog('$rU \\n');", ENDED, "alice \\n");
}

#[test]
fn the_work_of_one_request_is_bounded() {
    let failed = |failure| (Outcome::Failed(failure), String::new());
    assert_eq!(run("route { route(A); } route[A] { route(A); }"), failed(Failure::TooDeep));
    // Two calls each, forty deep: 2^40 steps if nothing stopped it.
    let mut routes = "route { route(A0); }".to_owned();
    for level in 0..40 {
        routes.push_str(&format!("route[A{level}] {{ route(A{next}); route(A{next}); }}", next = level + 1));
    }
    routes.push_str("route[A40] { return; }");
    assert_eq!(run(&routes), failed(Failure::StepsExceeded));
    let doubling = "$avp(s:x) = \"$avp(s:x)$avp(s:x)\";".repeat(40);
    assert_eq!(run(&format!("route {{ $avp(s:x) = \"x\"; {doubling} }}")), failed(Failure::TextTooLong));
}

#[test]
fn the_deepest_script_there_may_be_stays_on_the_stack() {
    let body =
        |inner: &str| format!("{}{inner}{}", "if (!(1 && (0 || !(1 && 0)))) {} else {".repeat(40), "}".repeat(40));
    let routes = format!("route {{ {} }} route[A] {{ {} }}", body("route(A);"), body("if (route(A)) exit;"));
    assert_eq!(run(&routes), (Outcome::Failed(Failure::TooDeep), String::new()));
}

#[test]
fn a_script_without_a_main_route_does_nothing() {
    assert_eq!(run("route[A] { exit; }"), (ENDED, String::new()));
}
