//! What the routing script answers by itself, and what the host answers when the script does not.

use tests::message::Message;
use tests::pidf;
use tests::server::{Options, Server, with_route};
use tests::user_agent::{Endpoint, Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";

/// A request of any method to any URI, each with ids of its own.
fn request(method: &str, uri: &str) -> Message {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Message::request(method, uri)
        .with("From", format!("<sip:ann@watch.example>;tag=f{number}"))
        .with("To", format!("<{uri}>"))
        .with("Call-ID", format!("script-{}-{number}", std::process::id()))
        .with("CSeq", format!("1 {method}"))
}

fn server(statements: &str) -> Server {
    let modules = "loadmodule \"textops.so\"\nloadmodule \"maxfwd.so\"\nloadmodule \"xlog.so\"";
    Server::start(&with_route(modules, statements), Options::default())
}

fn check(endpoint: &Endpoint, request: Message, code: u16) -> Message {
    let response = endpoint.request(request);
    assert_eq!(response.code(), Some(code), "{response}");
    response
}

#[test]
fn sl_send_reply_answers_with_the_code_and_the_words_of_the_script() {
    let server = server("sl_send_reply(\"488\", \"Not in this house\");");
    let endpoint = Endpoint::udp(server.udp_address());
    let response = check(&endpoint, request("MESSAGE", DANA), 488);
    assert_eq!(response.start, "SIP/2.0 488 Not in this house");
    endpoint.finish();
}

#[test]
fn a_transaction_runs_the_script_once() {
    let server = server("xlog(\"L_INFO\", \"seen $ci\\n\");\nt_newtran();\nt_reply(\"200\", \"OK\");");
    let endpoint = Endpoint::udp(server.udp_address());
    let sent = endpoint.send(request("MESSAGE", DANA));
    endpoint.final_response(&sent);
    endpoint.send_bytes(&sent.to_bytes());
    endpoint.responses(&sent, 2);
    let call_id = sent.expect("Call-ID").to_owned();
    check(&endpoint, request("MESSAGE", DANA), 200);
    let seen = server.wait_for_log_lines("seen ", 2);
    assert_eq!(seen.iter().filter(|line| line.contains(&format!("seen {call_id}"))).count(), 1, "{seen:?}");
    endpoint.finish();
}

#[test]
fn handle_publish_goes_on_with_the_transaction_of_the_script() {
    let server = server("t_newtran();\nif (method==\"PUBLISH\") handle_publish();\nt_release();");
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    assert_eq!(publisher.publish(&pidf::open(DANA, "t1", "here")).code(), Some(200));
    publisher.finish();
}

#[test]
fn a_presentity_is_named_by_the_request_uri_as_the_script_leaves_it() {
    let rewrite = "if ($rU==\"d\") $ru = \"sip:dana@pres.example\";\n\
        if (method==\"PUBLISH\") handle_publish();\nif (method==\"SUBSCRIBE\") handle_subscribe();";
    let server = server(rewrite);
    let mut publisher = Publisher::udp(server.udp_address(), "sip:d@pres.example");
    publisher.publish(&pidf::open(DANA, "t1", "here"));
    let mut watcher = Watcher::udp(server.udp_address(), DANA, "sip:ann@watch.example");
    watcher.subscribe(600);
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    publisher.finish();
    watcher.finish();
}

#[test]
fn drop_leaves_a_request_unanswered() {
    let server =
        server("if (method==\"MESSAGE\") { xlog(\"L_INFO\", \"dropped\\n\"); drop; }\nsl_send_reply(\"200\", \"OK\");");
    let endpoint = Endpoint::udp(server.udp_address());
    let dropped = endpoint.send(request("MESSAGE", DANA));
    server.wait_for_log("dropped");
    check(&endpoint, request("INFO", DANA), 200);
    assert!(endpoint.responses(&dropped, 0).is_empty());
    endpoint.finish();
}

#[test]
fn is_method_and_has_totag_tell_requests_apart() {
    let server = server(
        "if (has_totag()) { sl_send_reply(\"481\", \"In a dialog\"); exit; }\n\
         if (is_method(\"INFO|MESSAGE\")) { sl_send_reply(\"200\", \"OK\"); exit; }\n\
         sl_send_reply(\"403\", \"Neither\");",
    );
    let endpoint = Endpoint::udp(server.udp_address());
    check(&endpoint, request("INFO", DANA), 200);
    check(&endpoint, request("MESSAGE", DANA), 200);
    let in_dialog = request("MESSAGE", DANA).set("To", format!("<{DANA}>;tag=x"));
    check(&endpoint, in_dialog, 481);
    check(&endpoint, request("REFER", DANA), 403);
    endpoint.finish();
}

#[test]
fn mf_process_maxfwd_header_stops_what_has_gone_too_far() {
    let server = server(
        "if (!mf_process_maxfwd_header(\"10\")) { sl_send_reply(\"483\", \"Too Many Hops\"); exit; }\n\
         sl_send_reply(\"200\", \"OK\");",
    );
    let endpoint = Endpoint::udp(server.udp_address());
    check(&endpoint, request("MESSAGE", DANA).with("Max-Forwards", 0), 483);
    check(&endpoint, request("MESSAGE", DANA).with("Max-Forwards", 1), 200);
    endpoint.finish();
}

#[test]
fn xlog_writes_what_the_script_composes() {
    let server = server("xlog(\"L_INFO\", \"$rm of $fU to $rU@$rd, $$5\\n\");\nsl_send_reply(\"200\", \"OK\");");
    let endpoint = Endpoint::udp(server.udp_address());
    check(&endpoint, request("MESSAGE", DANA), 200);
    server.wait_for_log("MESSAGE of ann to dana@pres.example, $5");
    endpoint.finish();
}

/// What `sl` says and what presence says of one request have the same tag (AVP `totag_avpid`).
#[test]
fn the_to_tag_of_presence_is_in_the_avp() {
    let server =
        server("if (method==\"SUBSCRIBE\") { handle_subscribe(); xlog(\"L_INFO\", \"tag $avp(i:25) end\\n\"); }");
    let mut watcher = Watcher::udp(server.udp_address(), DANA, "sip:ann@watch.example");
    let tag = watcher.subscribe(600).tag("To").expect("a tag");
    server.wait_for_log(&format!("tag {tag} end"));
    watcher.next_notification();
    watcher.finish();
}
