//! Who is who in these tests, and the shortest ways to set them in motion.

use tests::pidf;
use tests::server::{Options, Server, Transport, with_parameters};
use tests::user_agent::{Notification, Publisher, Watcher};

/// Whose presence it is about.
pub(crate) const DANA: &str = "sip:dana@pres.example";
/// Another presentity.
pub(crate) const ED: &str = "sip:ed@pres.example";
/// Watchers.
pub(crate) const ANN: &str = "sip:ann@watch.example";
pub(crate) const BOB: &str = "sip:bob@watch.example";
pub(crate) const EVE: &str = "sip:eve@watch.example";

/// A device of Dana's that says `note`; all of them use the same tuple id.
pub(crate) fn here(note: &str) -> String {
    pidf::open(DANA, "t1", note)
}

/// A device of Dana's that says its own name, and is reached at a contact of that name.
pub(crate) fn device(name: &str) -> String {
    pidf::open_at(DANA, "t1", name, &format!("sip:dana@{name}.example"))
}

/// Starts the quickstart with other parameters of `presence`.
pub(crate) fn server_with(parameters: &[(&str, &str)]) -> Server {
    Server::start(&with_parameters(parameters), Options::default())
}

/// Starts a server that shows nobody anything unless rules allow it.
pub(crate) fn server_that_asks() -> Server {
    server_with(&[("force_active", "0")])
}

/// Runs a check over UDP and over TCP, against a server of its own each time.
pub(crate) fn for_each_transport(check: impl Fn(&Server, Transport)) {
    for transport in [Transport::Udp, Transport::Tcp] {
        check(&Server::quickstart(), transport);
    }
}

/// A device of Dana's that has published nothing yet.
pub(crate) fn publisher(server: &Server) -> Publisher {
    Publisher::udp(server.udp_address(), DANA)
}

/// A device of Dana's that has published `body`.
pub(crate) fn publishing(server: &Server, body: &str) -> Publisher {
    let mut publisher = publisher(server);
    let response = publisher.publish(body);
    assert_eq!(response.code(), Some(200), "{response}");
    publisher
}

/// Somebody who may come to watch Dana.
pub(crate) fn watcher(server: &Server, identity: &str) -> Watcher {
    Watcher::udp(server.udp_address(), DANA, identity)
}

/// Somebody who watches Dana and has taken the first NOTIFY.
pub(crate) fn watching(server: &Server, identity: &str) -> Watcher {
    let mut watcher = watcher(server, identity);
    let response = watcher.subscribe(600);
    assert_eq!(response.code(), Some(200), "{response}");
    watcher.next_notification();
    watcher
}

/// Dana, watching who watches her; she has taken the first NOTIFY.
pub(crate) fn watching_watchers(server: &Server) -> Watcher {
    let mut owner = watcher(server, DANA).with_event("presence.winfo");
    let response = owner.subscribe(600);
    assert_eq!(response.code(), Some(200), "{response}");
    owner.next_notification();
    owner
}

/// What `identity` gets who asks about Dana once.
pub(crate) fn fetched(server: &Server, identity: &str) -> Notification {
    let mut watcher = watcher(server, identity);
    let notification = watcher.fetch();
    watcher.finish();
    notification
}

/// The answer `identity` gets who asks about Dana once, whatever it is.
pub(crate) fn answer_to_fetch(server: &Server, identity: &str) -> Option<u16> {
    let mut watcher = watcher(server, identity);
    let code = watcher.subscribe(0).code();
    if code == Some(200) {
        watcher.next_notification();
    }
    watcher.finish();
    code
}

/// What Dana's devices say, as a watcher is told at this moment.
pub(crate) fn published(server: &Server) -> Vec<String> {
    fetched(server, EVE).notes()
}

/// The NOTIFY must end its subscription for `reason`.
pub(crate) fn check_terminated(notification: &Notification, reason: &str) {
    let state = notification.state();
    assert!(state.is_terminated(), "{}", notification.message);
    assert_eq!(state.reason.as_deref(), Some(reason), "{}", notification.message);
}

/// The NOTIFY must say `substate`, and show a document or none.
pub(crate) fn check_state(notification: &Notification, substate: &str, has_document: bool) {
    assert_eq!(notification.state().substate, substate, "{}", notification.message);
    assert_eq!(!notification.message.body.is_empty(), has_document, "{}", notification.message);
}
