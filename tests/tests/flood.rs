//! While one source floods, another one is served (SECURITY.md); the figures are `cargo run -p tests --bin flood`'s.

use std::net::SocketAddr;

use tests::flood::{Flood, Pace};
use tests::patience::wait_until;
use tests::pidf;
use tests::server::{Options, Server, with_setting};
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";
const ANN: &str = "sip:ann@watch.example";

/// Returns a counter of the server's last line.
fn counted(server: &mut Server, name: &str) -> u64 {
    server.terminate();
    let log = server.log();
    let word = log.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    word.unwrap_or(0)
}

/// Everything the second source asks for is answered as if nobody else were there, the flood notwithstanding; every wait is
/// for an answer, and no answer is late enough for anybody to ask again more than a few times.
fn check(flood: impl FnOnce(SocketAddr) -> Flood, settings: &str) -> Server {
    let configuration =
        with_setting(&format!("{settings}\nmodparam(\"presence\", \"max_publications_per_presentity\", 65536)"));
    let server = Server::start(&configuration, Options::default());
    let (mut publisher, mut watcher) =
        (Publisher::udp(server.udp_address(), DANA), Watcher::udp(server.udp_address(), DANA, ANN));
    assert_eq!(watcher.subscribe(3600).code(), Some(200));
    watcher.next_notification();
    assert_eq!(publisher.publish(&pidf::open(DANA, "t1", "before")).code(), Some(200));
    watcher.next_notification();
    let flood = flood(server.udp_address());
    wait_until("the flood is more than is answered", || flood.so_far().sent > 20_000);
    let before = flood.so_far();
    for n in 0..20 {
        assert_eq!(publisher.modify(&pidf::open(DANA, "t1", &format!("during {n}"))).code(), Some(200));
        let notes = watcher.next_notification().notes();
        assert!(notes.contains(&format!("during {n}")), "{notes:?}");
    }
    wait_until("the flood was on all the time", || flood.so_far().sent > before.sent);
    let after = flood.end();
    assert!(after.accepted > 0, "the flood's source has its share: {after:?}");
    assert_eq!(publisher.modify(&pidf::open(DANA, "t1", "after")).code(), Some(200));
    watcher.next_notification();
    publisher.finish();
    watcher.finish();
    server
}

#[test]
fn a_second_source_is_served_while_the_first_sends_all_it_can() {
    let begin = |server| Flood::begin([127, 0, 0, 3].into(), server, Pace::Rate(50_000));
    let mut server = check(begin, "max_requests_in_service=64\nmax_backlog=256");
    assert!(counted(&mut server, "datagrams_shed_total") > 0, "it was a flood: {}", server.log());
}
