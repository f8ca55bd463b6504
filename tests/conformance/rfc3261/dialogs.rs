//! §12: what a dialog is known by, and where its requests go; §16.4, what a proxy takes off a route.

use tests::pidf;
use tests::server::{Server, with_route};
use tests::user_agent::{Endpoint, Publisher, Watcher};

use crate::requests::{ANN, DANA, Phone, check};
use crate::scene::server_with;

fn watcher(server: &Server) -> Watcher {
    Watcher::udp(server.udp_address(), DANA, ANN)
}

/// A peer of RFC 2543 has no From-tag; its dialogs have an empty one.
#[test]
fn s12_1_1_a_watcher_without_a_tag_is_notified_without_one() {
    let server = Server::quickstart();
    let (phone, endpoint) = (Phone::new(), Endpoint::udp(server.udp_address()));
    let request = phone.subscribe_request().set("From", format!("<{ANN}>"));
    let accepted = check(&endpoint, request, 200);
    let (notify, _) = phone.receive();
    assert_eq!(notify.expect("To"), format!("<{ANN}>"));
    assert_eq!(notify.tag("From"), accepted.tag("To"));
    endpoint.finish();
}

/// The watcher's socket plays the first proxy of the route set; its phone is where nobody listens. trap_03, trap_04
#[test]
fn s12_2_1_1_a_loose_route_set_is_kept_in_order_and_the_target_stays_in_the_request_uri() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let proxies = [
        format!("<sip:{};lr=on;ftag=1>", watcher.endpoint.local_address()),
        "<sip:p2.example;lr;x=y>".to_owned(),
        "<sip:p3.example;LR=true>".to_owned(),
    ];
    watcher.move_to("<sip:ann@phone.invalid:5999;ob>");
    let request = watcher.next_request(600).with("Record-Route", proxies[..2].join(", "));
    watcher.request(request.with("Record-Route", &proxies[2]));
    let notify = watcher.next_notification().message;
    assert_eq!(notify.uri(), Some("sip:ann@phone.invalid:5999;ob"));
    assert_eq!(notify.list("Route"), proxies);
    watcher.finish();
}

/// trap_05
#[test]
fn s12_2_1_1_a_strict_router_finds_itself_in_the_request_uri_and_the_target_last() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    let strict = format!("sip:{};x=y", watcher.endpoint.local_address());
    watcher.move_to("<sip:ann@phone.invalid:5999>");
    let routes = format!("<{strict};method=MESSAGE?Subject=no>, <sip:p2.example;lr>");
    let request = watcher.next_request(600).with("Record-Route", routes);
    watcher.request(request);
    let notify = watcher.next_notification().message;
    assert_eq!(notify.uri(), Some(strict.as_str()), "method and headers have no place in a Request-URI (§19.1.5)");
    assert_eq!(notify.list("Route"), ["<sip:p2.example;lr>", "<sip:ann@phone.invalid:5999>"]);
    watcher.finish();
}

/// trap_06
#[test]
fn s12_2_the_route_set_of_a_dialog_does_not_change() {
    let server = Server::quickstart();
    let mut watcher = watcher(&server);
    watcher.subscribe(600);
    assert!(watcher.next_notification().message.get("Route").is_none());
    let refresh = watcher.next_request(600).with("Record-Route", "<sip:p9.example;lr>");
    watcher.request(refresh);
    assert!(watcher.next_notification().message.get("Route").is_none());
    watcher.finish();
}

#[test]
fn s12_2_2_call_id_and_tags_are_the_dialogs_letter_by_letter() {
    // Where From is no identity: where it is, another From is somebody else.
    let server = server_with(&[("identity", "authenticated")]);
    let (phone, endpoint) = (Phone::new(), Endpoint::udp(server.udp_address()));
    let first = phone.subscribe_request();
    let accepted = check(&endpoint, first.clone(), 200);
    let refresh = first.set("To", accepted.expect("To")).set("CSeq", "2 SUBSCRIBE");
    for name in ["Call-ID", "From", "To"] {
        let value = refresh.expect(name);
        let other = match value.split_once(";tag=") {
            Some((address, tag)) => format!("{address};tag={}", swapped(tag)),
            None => swapped(value),
        };
        assert_ne!(value, other);
        check(&endpoint, refresh.clone().set(name, other), 481);
    }
    let uris_apart = refresh.expect("From").replace(ANN, "sip:somebody@else.example");
    check(&endpoint, refresh.set("From", uris_apart), 200);
    endpoint.finish();
}

fn swapped(text: &str) -> String {
    let swap = |letter: char| match letter.is_ascii_lowercase() {
        true => letter.to_ascii_uppercase(),
        false => letter.to_ascii_lowercase(),
    };
    text.chars().map(swap).collect()
}

/// A phone whose outbound proxy is the server names it in Route, even in its first request.
#[test]
fn s16_4_a_route_that_names_us_is_taken_off_before_the_script_looks() {
    let script = "xlog(\"L_INFO\", \"route is $hdr(Route)\\n\");\n\
        if (method==\"PUBLISH\") handle_publish();\nif (method==\"SUBSCRIBE\") handle_subscribe();";
    let server = Server::start(&with_route("loadmodule \"xlog.so\"", script), Default::default());
    let mut watcher = watcher(&server);
    let request = watcher.next_request(600).with("Route", format!("<sip:{};lr>", server.udp_address()));
    assert_eq!(watcher.request(request).code(), Some(200));
    assert!(watcher.next_notification().message.get("Route").is_none());
    server.wait_for_log("route is <null>");
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, pidf::open(DANA, "t1", "here"));
    let by_name = request.with("Route", "<sip:pres.example;lr>");
    assert_eq!(publisher.request(by_name).code(), Some(200));
    assert_eq!(watcher.next_notification().notes(), ["here"]);
    watcher.finish();
    publisher.finish();
}
