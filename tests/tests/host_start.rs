//! What an operator is told: a start that fails says why and leaves nothing behind; the log keeps secrets.

use tests::message::Message;
use tests::pidf;
use tests::server::{Options, QUICKSTART, Server, with_route, with_setting};
use tests::user_agent::{Endpoint, Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";

fn with_database(url: &str) -> String {
    QUICKSTART.replace("@DB_URL@", url)
}

/// A start with `configuration` fails with `code` and says all of `said`, and none of `unsaid`.
fn check_refused(configuration: &str, code: i32, said: &[&str], unsaid: &[&str]) {
    let ended = Server::start_refused(configuration);
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    for words in said {
        assert!(ended.stderr.contains(words), "no {words:?} in\n{}", ended.stderr);
    }
    for words in ["INFO ready", "panicked"].iter().chain(unsaid) {
        assert!(!ended.stderr.contains(words), "{words:?} in\n{}", ended.stderr);
    }
}

#[test]
fn a_database_that_cannot_be_opened_ends_the_start_with_its_name() {
    for path in ["/proc/presence.db", "/no/such/directory/presence.db", "/etc/hostname"] {
        check_refused(&with_database(&format!("sqlite://{path}")), 69, &["module presence cannot start", path], &[]);
    }
}

#[test]
fn a_database_of_a_kind_that_is_not_served_ends_the_start_without_its_password() {
    for scheme in ["mysql", "postgres"] {
        let url = format!("{scheme}://openser:openserrw@192.0.2.1/openser");
        let accepted = Server::check(&with_database(&url));
        assert_eq!(accepted.code, Some(0), "{}", accepted.stderr);
        check_refused(&with_database(&url), 69, &["db_url", &format!("{scheme}://")], &["openserrw"]);
    }
}

#[test]
fn an_address_that_cannot_be_bound_is_shown_with_its_line() {
    let first = Server::quickstart();
    for (line, address) in [
        (format!("listen=tcp:{}", first.tcp_address()), first.tcp_address().to_string()),
        ("listen=udp:192.0.2.1:5060".to_owned(), "192.0.2.1:5060".to_owned()),
        ("listen=udp:no.such.host.invalid".to_owned(), "no.such.host.invalid:5060".to_owned()),
    ] {
        let configuration = with_setting(&line);
        let row = configuration.lines().position(|other| *other == line).expect("the line") + 1;
        let place = format!("server.cfg:{row}:8: cannot listen on {address}: ");
        // Nothing of a module has begun when a socket fails.
        check_refused(&configuration, 71, &[&place], &["module presence"]);
    }
}

/// Who watches whom, and what they say of themselves, is nobody's business at the usual level.
#[test]
fn the_log_holds_neither_uris_nor_documents_at_the_usual_level() {
    let server = Server::quickstart();
    let mut watcher = Watcher::udp(server.udp_address(), DANA, ANN);
    let mut publisher = Publisher::tcp(server.tcp_address(), DANA);
    watcher.subscribe(600);
    publisher.publish(&pidf::open(DANA, "t1", "out for lunch"));
    watcher.notification_where("the note", |notification| notification.notes() == ["out for lunch"]);
    let endpoint = Endpoint::udp(server.udp_address());
    endpoint.request(request("MESSAGE").with("Subject", "a secret"));
    let said = server.log();
    for private in ["dana", "ann@", "out for lunch", "a secret"] {
        assert!(!said.contains(private), "{private} in\n{said}");
    }
    watcher.finish();
    publisher.finish();
    endpoint.finish();
}

#[test]
fn a_header_cannot_begin_a_line_of_the_log() {
    let script = "xlog(\"L_INFO\", \"subject $hdr(Subject) end\\n\");\nsl_send_reply(\"200\", \"$hdr(Subject)\");";
    let server = Server::start(&with_route("loadmodule \"xlog.so\"", script), Options::default());
    let endpoint = Endpoint::udp(server.udp_address());
    let response = endpoint.request(request("MESSAGE").with("Subject", "one\r\n 2026-01-01 forged"));
    assert_eq!(response.start, "SIP/2.0 200 OK", "what cannot be a reason phrase is replaced");
    let line = server.wait_for_log("subject one");
    assert!(line.contains("forged end"), "{line}");
    endpoint.finish();
}

fn request(method: &str) -> Message {
    Message::request(method, DANA)
        .with("From", format!("<{ANN}>;tag=f1"))
        .with("To", format!("<{DANA}>"))
        .with("Call-ID", format!("host-start-{}-{method}", std::process::id()))
        .with("CSeq", format!("1 {method}"))
}
