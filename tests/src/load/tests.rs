//! The generator finds no fault with a server that has none, and every fault with one that has.

use super::Work;
use super::figures::{Faults, Seen};
use super::generator::{Generator, Pace};
use super::wire::Wire;
use crate::message::Message;
use crate::server::Server;
use crate::user_agent::fake_server::FakeServer;

const USERS: usize = 20;

fn all(generator: &mut Generator, work: Work) -> Seen {
    let seen = generator.run(work, 0..USERS, Pace::window(7));
    assert!(seen.faults.is_none(), "{work:?}: {}", seen.faults);
    assert_eq!(seen.done, USERS, "{work:?}");
    seen
}

fn goes_through_everything(wire: Wire) {
    let mut generator = Generator::new(wire, USERS, 0..USERS as u32);
    assert_eq!(all(&mut generator, Work::PublishInitial).notified, 0);
    assert_eq!(all(&mut generator, Work::SubscribeInitial).notified, USERS);
    assert_eq!(all(&mut generator, Work::PublishRefresh).notified, 0);
    assert_eq!(all(&mut generator, Work::PublishModify).notified, USERS);
    assert_eq!(all(&mut generator, Work::SubscribeRefresh).notified, USERS);
    assert_eq!(all(&mut generator, Work::SubscribeUnknown).notified, 0);
    assert_eq!(all(&mut generator, Work::PublishRemove).notified, USERS);
    assert_eq!(all(&mut generator, Work::Unsubscribe).notified, USERS);
}

#[test]
fn a_server_without_fault_is_found_without_fault_over_udp() {
    goes_through_everything(Wire::udp(Server::quickstart().udp_address()));
}

#[test]
fn a_server_without_fault_is_found_without_fault_over_tcp() {
    let server = Server::quickstart();
    goes_through_everything(Wire::tcp(server.tcp_address()));
}

/// Has one publish, or with `watches` one subscribe, to a server that acts as `script` says.
fn faults(work: Work, script: impl FnOnce(&mut FakeServer, Message) + Send) -> Faults {
    let mut server = FakeServer::start();
    let mut generator = Generator::new(Wire::udp(server.address()), 1, [0].into_iter());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let request = server.receive();
            script(&mut server, request);
        });
        generator.run(work, 0..1, Pace::window(1)).faults
    })
}

#[test]
fn a_publication_without_an_entity_tag_is_a_wrong_answer() {
    let faults = faults(Work::PublishInitial, |server, publish| server.send(&FakeServer::answer(&publish, 200, "s")));
    assert_eq!(faults, Faults { wrong_answers: 1, ..Faults::default() });
}

#[test]
fn a_refusal_is_a_wrong_answer() {
    let faults =
        faults(Work::SubscribeInitial, |server, subscribe| server.send(&FakeServer::answer(&subscribe, 503, "s")));
    assert_eq!(faults, Faults { wrong_answers: 1, ..Faults::default() });
}

#[test]
fn a_document_that_is_not_the_published_one_is_outdated() {
    let faults = faults(Work::SubscribeInitial, |server, subscribe| {
        let contact = format!("<sip:{}>", server.address());
        server.send(&FakeServer::answer(&subscribe, 200, "s").with("Contact", contact));
        server.send(&server.notify(&subscribe, "s", 1, "v9"));
        assert!(server.receive().start.starts_with("SIP/2.0 200"));
    });
    assert_eq!(faults, Faults { outdated: 1, ..Faults::default() });
}

#[test]
fn a_notify_that_overtakes_another_is_out_of_order() {
    let faults = faults(Work::SubscribeInitial, |server, subscribe| {
        for (cseq, answer) in [(5, None), (4, Some(200))] {
            server.send(&server.notify(&subscribe, "s", cseq, "none"));
            assert!(server.receive().start.starts_with("SIP/2.0 200"));
            let contact = format!("<sip:{}>", server.address());
            if let Some(code) = answer {
                server.send(&FakeServer::answer(&subscribe, code, "s").with("Contact", contact));
            }
        }
    });
    assert_eq!(faults, Faults { disordered: 1, ..Faults::default() });
}
