//! A peer for the user agents' own tests: it sends what it is told to, right or wrong, on a real UDP socket.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::message::Message;
use crate::pidf;

/// A socket that breaks promises on command.
pub(crate) struct FakeServer {
    socket: UdpSocket,
    client: Option<SocketAddr>,
}

impl FakeServer {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a timeout");
        Self { socket, client: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
    }

    /// Receives one message.
    pub(crate) fn receive(&mut self) -> Message {
        let mut buffer = [0; 65_536];
        let (length, source) = self.socket.recv_from(&mut buffer).expect("a message within the deadline");
        self.client = Some(source);
        Message::parse(&buffer[..length]).expect("our own messages parse")
    }

    pub(crate) fn send(&self, message: &Message) {
        let client = self.client.expect("the client has spoken first");
        self.socket.send_to(&message.to_bytes(), client).expect("loopback takes a datagram");
    }

    /// Builds a faultless answer.
    pub(crate) fn answer(request: &Message, code: u16, tag: &str) -> Message {
        let answer = Message::response_to(request, code);
        let to = request.expect("To").to_owned();
        match request.tag("To") {
            Some(_) => answer,
            None => answer.set("To", format!("{to};tag={tag}")),
        }
    }

    /// Builds a faultless NOTIFY in the dialog of `subscribe`.
    pub(crate) fn notify(&self, subscribe: &Message, tag: &str, cseq: u32, note: &str) -> Message {
        let presentity = subscribe.uri_of("To").expect("a To");
        let body = pidf::open(&presentity, "t1", note);
        Message::request("NOTIFY", &subscribe.uri_of("Contact").expect("a Contact"))
            .with("Via", format!("SIP/2.0/UDP {};branch=z9hG4bKn{cseq}", self.address()))
            .with("From", format!("<{presentity}>;tag={tag}"))
            .with("To", subscribe.expect("From"))
            .with("Call-ID", subscribe.expect("Call-ID"))
            .with("CSeq", format!("{cseq} NOTIFY"))
            .with("Max-Forwards", 70)
            .with("Contact", format!("<sip:{}>", self.address()))
            .with("Event", subscribe.expect("Event"))
            .with("Subscription-State", "active;expires=600")
            .with("Content-Length", body.len())
            .with_body(pidf::CONTENT_TYPE, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_agent::{Publisher, Rule, Watcher};

    const DANA: &str = "sip:dana@pres.example";

    /// Subscribes and takes the SUBSCRIBE in; the watcher has no answer yet.
    fn subscribed() -> (FakeServer, Watcher, Message) {
        let mut server = FakeServer::start();
        let mut watcher = Watcher::udp(server.address(), DANA, "sip:ann@watch.example");
        let request = watcher.next_request(600);
        watcher.send(request);
        let subscribe = server.receive();
        (server, watcher, subscribe)
    }

    fn check_violations(watcher: &Watcher, expected: &[Rule]) {
        let broken = watcher.endpoint.take_violations();
        let seen: Vec<_> = broken.iter().map(|violation| violation.rule).collect();
        assert_eq!(seen, expected, "{broken:#?}");
    }

    #[test]
    fn a_faultless_dialog_leaves_nothing_to_complain_about() {
        let (mut server, mut watcher, subscribe) = subscribed();
        server.send(&FakeServer::answer(&subscribe, 200, "t").with("Contact", format!("<sip:{}>", server.address())));
        server.send(&server.notify(&subscribe, "t", 1, "here"));
        assert_eq!(watcher.answer_to(&subscribe).code(), Some(200));
        assert_eq!(watcher.next_notification().notes(), ["here"]);
        assert_eq!(server.receive().code(), Some(200));
        let refresh = watcher.next_request(300);
        assert_eq!(refresh.tag("To").as_deref(), Some("t"));
        assert_eq!(refresh.uri(), Some(format!("sip:{}", server.address()).as_str()));
        watcher.finish();
    }

    #[test]
    fn a_notify_may_overtake_the_200_but_not_differ_from_it() {
        let (mut server, mut watcher, subscribe) = subscribed();
        server.send(&server.notify(&subscribe, "t", 1, "here"));
        assert_eq!(server.receive().code(), Some(200));
        server.send(&FakeServer::answer(&subscribe, 200, "other"));
        watcher.answer_to(&subscribe);
        check_violations(&watcher, &[Rule::FromTag]);
    }

    #[test]
    fn two_notifies_at_once_are_seen_even_by_a_watcher_that_answers_at_once() {
        let (server, mut watcher, subscribe) = subscribed();
        watcher.hold_answers();
        server.send(&server.notify(&subscribe, "t", 1, "a"));
        watcher.next_notification();
        server.send(&server.notify(&subscribe, "t", 2, "b"));
        watcher.next_notification();
        watcher.release();
        check_violations(&watcher, &[Rule::InFlight]);
    }

    #[test]
    fn a_retransmission_gets_the_same_answer_and_is_told_once() {
        let (mut server, mut watcher, subscribe) = subscribed();
        let notify = server.notify(&subscribe, "t", 1, "a");
        server.send(&notify);
        let first = server.receive();
        server.send(&notify);
        assert_eq!(server.receive(), first);
        server.send(&notify.clone().set("Subscription-State", "active;expires=599"));
        assert_eq!(server.receive(), first);
        assert_eq!(watcher.next_notification().cseq(), 1);
        assert_eq!(watcher.notification_count(), 1);
        check_violations(&watcher, &[Rule::Retransmission]);
    }

    #[test]
    fn answers_are_as_the_test_says() {
        let (mut server, mut watcher, subscribe) = subscribed();
        watcher.answer_next_with(500);
        watcher.move_in_answers("<sip:ann@127.0.0.1:9>");
        server.send(&server.notify(&subscribe, "t", 1, "a"));
        let answer = server.receive();
        assert_eq!((answer.code(), answer.get("Contact")), (Some(500), Some("<sip:ann@127.0.0.1:9>")));
        watcher.hold_answers();
        server.send(&server.notify(&subscribe, "t", 2, "b"));
        assert_eq!(watcher.notification_where("b", |notify| notify.notes() == ["b"]).cseq(), 2);
        watcher.release();
        assert_eq!(server.receive().code(), Some(200));
        watcher.finish();
    }

    #[test]
    fn foreign_dialogs_and_broken_bytes_are_seen() {
        let (mut server, watcher, subscribe) = subscribed();
        server.send(&server.notify(&subscribe, "t", 7, "a").set("Call-ID", "other"));
        assert_eq!(server.receive().code(), Some(481));
        server.send(&FakeServer::answer(&subscribe, 200, "t").set("Via", "SIP/2.0/UDP x;branch=z9hG4bKother"));
        server.send(&Message::request("NOTIFY", "sip:a b"));
        server.send(&server.notify(&subscribe, "t", 1, "b"));
        assert_eq!(server.receive().code(), Some(200));
        check_violations(&watcher, &[Rule::CallId, Rule::Stray, Rule::Malformed]);
    }

    #[test]
    fn broken_promises_fail_the_test_when_the_watcher_goes() {
        let (mut server, watcher, subscribe) = subscribed();
        server.send(&server.notify(&subscribe, "t", 1, "a").without("Max-Forwards"));
        server.receive();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| watcher.finish()));
        let text = *ended.expect_err("a broken promise").downcast::<String>().expect("a message");
        assert!(text.contains("MaxForwards") && text.contains("NOTIFY sip:"), "{text}");
    }

    #[test]
    fn a_lost_request_is_sent_again() {
        let mut server = FakeServer::start();
        let mut publisher = Publisher::udp(server.address(), DANA);
        let request = publisher.next_request().with_body(pidf::CONTENT_TYPE, "<a/>");
        let sent = publisher.endpoint.send(request);
        let answering = std::thread::spawn(move || {
            let first = server.receive();
            assert_eq!(server.receive(), first);
            let answer = FakeServer::answer(&first, 200, "t").with("SIP-ETag", "e1").with("Expires", 60);
            server.send(&answer);
        });
        assert_eq!(publisher.answer_to(&sent).code(), Some(200));
        assert_eq!(publisher.entity_tag(), "e1");
        assert_eq!(publisher.next_request().get("SIP-If-Match"), Some("e1"));
        answering.join().expect("the fake server saw what it should");
        publisher.finish();
    }
}
