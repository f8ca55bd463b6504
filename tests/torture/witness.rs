//! A publisher and a watcher for whom all goes on as ever, whatever others send.

use tests::pidf;
use tests::server::Server;
use tests::user_agent::{Publisher, Watcher};

const DANA: &str = "sip:dana@pres.example";

pub(crate) struct Witness {
    publisher: Publisher,
    watcher: Watcher,
    number: u32,
}

impl Witness {
    pub(crate) fn new(server: &Server) -> Self {
        let mut publisher = Publisher::udp(server.udp_address(), DANA);
        let response = publisher.publish(&pidf::open(DANA, "t1", "0"));
        assert_eq!(response.code(), Some(200), "{response}");
        let mut watcher = Watcher::udp(server.udp_address(), DANA, "sip:ann@watch.example");
        let response = watcher.subscribe(3600);
        assert_eq!(response.code(), Some(200), "{response}");
        watcher.next_notification();
        Self { publisher, watcher, number: 0 }
    }

    /// A change is taken and told, and somebody else may ask.
    pub(crate) fn is_served(&mut self, server: &Server) {
        self.number += 1;
        let note = self.number.to_string();
        let response = self.publisher.modify(&pidf::open(DANA, "t1", &note));
        assert_eq!(response.code(), Some(200), "{response}");
        assert_eq!(self.watcher.next_notification().notes(), [note.as_str()]);
        let mut asking = Watcher::udp(server.udp_address(), DANA, "sip:bob@watch.example");
        assert_eq!(asking.fetch().notes(), [note]);
        asking.finish();
    }

    pub(crate) fn finish(self) {
        self.publisher.finish();
        self.watcher.finish();
    }
}
