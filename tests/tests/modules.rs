//! Modules side by side: two libraries of one ABI, one of another, one missing, one that panics; what one states and the
//! other hears.

use module_api::abi::{API_MAJOR, API_MINOR};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::binaries::Binaries;
use tests::message::Message;
use tests::pidf;
use tests::server::{Options, QUICKSTART, Server, with_route, with_setting};
use tests::user_agent::{Endpoint, Publisher};

const DANA: &str = "sip:dana@pres.example";

fn request(method: &str, number: u32) -> Message {
    Message::request(method, DANA)
        .with("From", format!("<sip:ann@watch.example>;tag=f{number}"))
        .with("To", format!("<{DANA}>"))
        .with("Call-ID", format!("modules-{number}"))
        .with("CSeq", format!("1 {method}"))
}

const BESIDE_PRESENCE: &str = "\
    second_count();\n\
    if (method==\"PUBLISH\") { handle_publish(); exit; }\n\
    if (method==\"MESSAGE\") second_reply(480);\n\
    if (method==\"INFO\") second_panic();";

fn beside_presence(options: Options) -> Server {
    let lines = "loadmodule \"second_module.so\"\nmodparam(\"second\", \"label\", \"abacus\")";
    Server::start(&with_route(lines, BESIDE_PRESENCE), options)
}

#[test]
fn two_libraries_work_side_by_side_and_keep_their_own_state() {
    let server = beside_presence(Options::default());
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&pidf::open(DANA, "t1", "here")).code(), Some(200));
    server.wait_for_log("abacus counts 1");
    let endpoint = Endpoint::udp(server.udp_address());
    assert_eq!(endpoint.request(request("MESSAGE", 1)).code(), Some(480), "the answer of the second module");
    server.wait_for_log("abacus counts 2");
    assert_eq!(publisher.refresh().code(), Some(200));
    server.wait_for_log("abacus counts 3");
    publisher.finish();
    endpoint.finish();
}

#[test]
fn the_order_of_loading_does_not_decide_which_library_is_which() {
    let presence_last =
        QUICKSTART.replace("loadmodule \"presence.so\"", "loadmodule \"second_module.so\"\nloadmodule \"presence.so\"");
    let server = Server::start(&presence_last.replace("route {", "route {\nsecond_count();"), Options::default());
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&pidf::open(DANA, "t1", "here")).code(), Some(200));
    server.wait_for_log("second counts 1");
    publisher.finish();
}

#[test]
fn a_panicking_function_gets_500_and_the_server_lives() {
    let server = beside_presence(Options { errors_expected: true, ..Options::default() });
    let endpoint = Endpoint::udp(server.udp_address());
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    for number in [1, 2] {
        assert_eq!(endpoint.request(request("INFO", number)).code(), Some(500));
        server.wait_for_log_lines("asked to by the script", number as usize);
    }
    assert_eq!(endpoint.request(request("MESSAGE", 3)).code(), Some(480), "the module itself serves on");
    assert_eq!(publisher.publish(&pidf::open(DANA, "t1", "here")).code(), Some(200), "and so do the others");
    endpoint.finish();
    publisher.finish();
}

/// A test's log says for each request whose it was: `modules-1 is of sip:ann@watch.example.`
#[test]
fn an_identity_that_one_module_states_is_known_to_the_others_for_the_rest_of_the_request() {
    let statements = "\
        second_tells_identity();\n\
        presence_identity(\"$hdr(P-Asserted-Identity)\");\n\
        xlog(\"stated with $rc\\n\");\n\
        second_tells_identity();\n\
        presence_identity(\"tel:+15550100\");\n\
        second_tells_identity();\n\
        sl_send_reply(200, \"OK\");";
    let lines = "loadmodule \"second_module.so\"\nloadmodule \"xlog.so\"";
    let server = Server::start(&with_route(lines, statements), Options::default());
    let endpoint = Endpoint::udp(server.udp_address());
    let asserted = request("MESSAGE", 1).with("P-Asserted-Identity", "\"Ann\" <sip:ann@watch.example>");
    assert_eq!(endpoint.request(asserted).code(), Some(200));
    assert_eq!(endpoint.request(request("MESSAGE", 2)).code(), Some(200));
    for (number, own) in [(1, "sip:ann@watch.example"), (2, "nobody")] {
        let said = server.wait_for_log_lines(&format!("modules-{number} is of "), 3);
        let told: Vec<_> = said.iter().filter_map(|line| line.split(" is of ").nth(1)).collect();
        assert_eq!(told, ["nobody.".to_owned(), format!("{own}."), "tel:+15550100.".to_owned()]);
    }
    let stated = server.wait_for_log_lines("stated with ", 2);
    assert!(stated[0].ends_with("with 1") && stated[1].ends_with("with -1"), "{stated:?}");
    endpoint.finish();
}

#[test]
fn at_sigusr1_every_module_looks_again_and_serving_goes_on() {
    let server = beside_presence(Options::default());
    for times in [1, 2] {
        let id = i32::try_from(server.process_id()).expect("a process id is positive");
        kill(Pid::from_raw(id), Signal::SIGUSR1).expect("our own child takes signals");
        server.wait_for_log_lines("abacus looks again", times);
    }
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&pidf::open(DANA, "t1", "here")).code(), Some(200));
    publisher.finish();
}

#[test]
fn a_module_for_another_api_is_refused_in_one_line_with_both_versions() {
    let ended = Server::start_refused(&with_setting("loadmodule \"other_api_module.so\""));
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    let both = format!("built for module-api 9.9, this host speaks {API_MAJOR}.{API_MINOR}");
    let lines = ended.lines_with("module-api");
    assert!(lines.iter().any(|line| line.contains(&both)), "{}", ended.stderr);
    assert!(ended.stderr.lines().count() < 12, "one line and where it stands:\n{}", ended.stderr);
}

#[test]
fn a_missing_module_is_refused_with_the_paths_that_were_tried() {
    let ended = Server::start_refused(&with_setting("mpath=\"/opt/modules\"\nloadmodule \"absent.so\""));
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    let binaries = Binaries::get();
    let tried = [
        binaries.examples.join("absent.so"),
        binaries.examples.join("libabsent.so"),
        "/opt/modules/absent.so".into(),
        "/opt/modules/libabsent.so".into(),
        binaries.host.with_file_name("libabsent.so"),
    ];
    for path in tried {
        assert!(ended.stderr.contains(&path.display().to_string()), "no {} in\n{}", path.display(), ended.stderr);
    }
}

#[test]
fn a_file_that_is_no_library_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("text.so");
    std::fs::write(&file, "not a library").expect("a file is written");
    let ended = Server::start_refused(&with_setting(&format!("loadmodule \"{}\"", file.display())));
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains(&file.display().to_string()), "{}", ended.stderr);
}

#[test]
fn a_module_without_what_it_needs_is_refused_with_the_line_to_add() {
    for missing in ["sl", "tm"] {
        let line = format!("loadmodule \"{missing}.so\"");
        let ended = Server::start_refused(&QUICKSTART.replace(&line, ""));
        assert_eq!(ended.code, Some(78), "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("add `{line}`")), "{}", ended.stderr);
    }
}
