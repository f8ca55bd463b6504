//! `docs/script.md` is true of the binary: its examples are accepted, and its functions come to the codes it tells.

use std::sync::atomic::{AtomicU32, Ordering};

use tests::binaries::Binaries;
use tests::message::Message;
use tests::server::{Options, Server, with_route};
use tests::user_agent::Endpoint;

const MANUAL: &str = include_str!("../../docs/script.md");
const MODULES: &str = "loadmodule \"sl.so\"\nloadmodule \"tm.so\"\nloadmodule \"maxfwd.so\"\nloadmodule \"textops.so\"\n\
                       loadmodule \"xlog.so\"\nloadmodule \"presence.so\"\n";
const DANA: &str = "sip:dana@pres.example";

/// Makes a file of an example: one that loads no modules gets them, one that is statements stands in a route.
fn file_of(example: &str) -> String {
    let presence = Binaries::get().presence.display().to_string();
    let example = example.replace("/usr/lib/presence/libpresence.so", &presence);
    let modules = if example.contains("loadmodule") { "" } else { MODULES };
    let is_whole = example.lines().any(|line| {
        ["route", "loadmodule", "listen=", "modparam"].iter().any(|word| line.starts_with(word) && !line.ends_with(';'))
    });
    if is_whole { format!("{modules}{example}") } else { format!("{modules}route {{\n{example}}}\n") }
}

#[test]
fn every_example_of_the_language_is_accepted() {
    let examples = MANUAL.split("```cfg\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let examples: Vec<_> = examples.collect();
    assert!(examples.len() >= 9);
    for example in examples {
        let configuration = file_of(example);
        let ended = Server::check(&configuration);
        assert_eq!(ended.code, Some(0), "{configuration}\n{}", ended.stderr);
    }
}

#[test]
fn every_module_that_does_nothing_is_accepted_with_one_line() {
    let list = MANUAL.split("- `avpops.so`").nth(1).and_then(|rest| rest.split(" are accepted").next());
    let named = list.expect("the list").split('`').filter(|name| name.ends_with(".so"));
    let names: Vec<_> = named.chain(["avpops.so"]).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let ended = Server::check(&format!("{MODULES}loadmodule \"{name}\"\nroute {{ }}\n"));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(ended.lines_with("information").len(), 1, "{}", ended.stderr);
    }
}

/// Each function is called for one MESSAGE; its code is what the log says.
#[test]
fn functions_come_to_the_codes_of_the_table() {
    let calls = [
        ("t_reply(\"200\", \"OK\")", -1),
        ("is_method(\"INFO|MESSAGE\")", 1),
        ("is_method(\"INFO\")", -1),
        ("has_totag()", -1),
        ("mf_process_maxfwd_header(10)", 1),
        ("xlog(\"L_NOTICE\", \"a line\\n\")", 1),
        ("presence_identity(\"<sip:ann@watch.example>\")", 1),
        ("presence_identity(\"$hdr(P-Asserted-Identity)\")", -1),
        ("t_newtran()", 1),
        ("t_newtran()", 1),
        ("t_release()", 1),
        ("t_reply(200, \"Fine\")", 1),
        ("t_reply(200, \"Fine\")", -1),
        ("sl_send_reply(404, \"Late\")", -1),
        ("handle_publish()", -1),
        ("handle_publish(\"sip:ann@watch.example\")", -1),
        ("handle_publish(\"$hdr(Sender)\")", -1),
    ];
    let line = |(number, (call, _)): (usize, &(&str, i32))| format!("{call};\nxlog(\"call {number}: $rc.\\n\");\n");
    let statements: String = calls.iter().enumerate().map(line).collect();
    let modules = "loadmodule \"maxfwd.so\"\nloadmodule \"textops.so\"\nloadmodule \"xlog.so\"";
    let server = Server::start(&with_route(modules, &statements), Options::default());
    let endpoint = Endpoint::udp(server.udp_address());
    assert_eq!(endpoint.request(message("MESSAGE")).start, "SIP/2.0 200 Fine");
    for (number, (call, code)) in calls.iter().enumerate() {
        let said = server.wait_for_log(&format!("call {number}: "));
        assert!(said.ends_with(&format!("call {number}: {code}.")), "{call}: {said}");
    }
    endpoint.finish();
}

/// "Before and after the script": what never gets there, and what comes of what it leaves.
#[test]
fn the_script_sees_no_cancel_and_no_ack() {
    let script =
        "xlog(\"script sees $rm\\n\");\nif (is_method(\"INVITE\") && !t_newtran()) sl_send_reply(486, \"Busy\");";
    let modules = "loadmodule \"textops.so\"\nloadmodule \"xlog.so\"";
    let server = Server::start(&with_route(modules, script), Options::default());
    let endpoint = Endpoint::udp(server.udp_address());
    assert_eq!(endpoint.request(message("INVITE")).code(), Some(486));
    endpoint.send(message("ACK"));
    assert_eq!(endpoint.request(message("CANCEL")).code(), Some(481));
    assert_eq!(endpoint.request(message("MESSAGE")).code(), Some(405));
    server.wait_for_log("script sees MESSAGE");
    let said = server.log();
    assert!(!said.contains("sees ACK") && !said.contains("sees CANCEL"), "{said}");
    endpoint.finish();
}

fn message(method: &str) -> Message {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Message::request(method, DANA)
        .with("From", format!("<sip:ann@watch.example>;tag=f{number}"))
        .with("To", format!("<{DANA}>"))
        .with("Call-ID", format!("host-docs-{}-{number}", std::process::id()))
        .with("CSeq", format!("1 {method}"))
}
