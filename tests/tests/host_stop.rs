//! How a server ends: what was begun is finished, what is new is refused, and it never takes long.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::pidf;
use tests::server::{Options, QUICKSTART, Server};
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";

fn signal(server: &Server) {
    let id = i32::try_from(server.process_id()).expect("a process id is positive");
    kill(Pid::from_raw(id), Signal::SIGTERM).expect("our own child takes signals");
}

fn start() -> Server {
    Server::start(QUICKSTART, Options::default())
}

#[test]
fn a_server_that_stops_refuses_what_is_new_and_takes_in_the_answers_it_waits_for() {
    let mut server = start();
    let mut watcher = Watcher::udp(server.udp_address(), DANA, ANN);
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    watcher.hold_answers();
    watcher.subscribe(600);
    watcher.next_notification();
    signal(&server);
    server.wait_for_log("stopping");
    let refused = publisher.publish(&pidf::open(DANA, "t1", "late"));
    assert_eq!(refused.code(), Some(503), "{refused}");
    assert!(refused.get("Retry-After").is_some(), "{refused}");
    watcher.release();
    server.wait_for_log("stopped; ");
    assert_eq!(server.terminate().code(), Some(0));
    let said = server.log();
    assert!(!said.contains("not a clean stop"), "the answer was not taken in:\n{said}");
    watcher.finish();
    publisher.finish();
}

#[test]
fn a_watcher_that_never_answers_holds_nobody_up() {
    let mut server = start();
    let mut watcher = Watcher::udp(server.udp_address(), DANA, ANN);
    watcher.stay_silent();
    watcher.subscribe(600);
    watcher.next_notification();
    let began = Instant::now();
    assert_eq!(server.terminate().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    watcher.finish();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = start();
    let mut watcher = Watcher::udp(server.udp_address(), DANA, ANN);
    watcher.stay_silent();
    watcher.subscribe(600);
    watcher.next_notification();
    signal(&server);
    server.wait_for_log("stopping");
    assert_eq!(server.terminate().code(), Some(0));
    assert!(server.log().contains("stopped before the modules had finished"), "{}", server.log());
    watcher.finish();
}

#[test]
fn the_last_line_tells_what_passed_through() {
    let mut server = start();
    let mut publisher = Publisher::udp(server.udp_address(), DANA);
    publisher.publish(&pidf::open(DANA, "t1", "here"));
    assert_eq!(server.terminate().code(), Some(0));
    let said = server.log();
    let last = said.lines().find(|line| line.contains("stopped; ")).expect("a last line");
    assert!(last.contains("udp_received_total=1 ") && last.contains(" requests_total=1 "), "{last}");
    publisher.finish();
}
